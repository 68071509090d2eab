//! I23: every shard is covered.

use std::collections::BTreeSet;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::terms::Terms;
use crate::verdict::Violation;

/// At the end of the phase without faults each shard, open or closed with records due, has the
/// lease of an unfinished shard, or was marked as ended, or descends from a shard that has one.
///
/// A hole that is younger than three audits and two runs of the taker is excused. Hash keys are in
/// no journal: every shard stands for its own.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let end = terms.quiet_until.saturating_sub(1);
    let repaired_within = 3 * terms.audit_interval + 2 * terms.take_interval;
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if is_covered(history, id, shard, end) {
            continue;
        }
        let since = hole_since(history, shard, end, terms);
        if since.saturating_add(repaired_within) <= end {
            let text = format!("no lease stands for it since t={since}");
            violations.push(violation(Invariant::Coverage, id, text));
        }
    }
    violations
}

fn is_covered(history: &History<'_>, id: &str, shard: &ShardHistory<'_>, end: u64) -> bool {
    is_leased(shard, end)
        || shard.lease.ended_t().is_some_and(|t| t <= end)
        || !shard.children.is_empty() && !has_records_due(shard)
        || ancestors(history, id).into_iter().any(|above| is_leased(history.shard(above), end))
}

fn is_leased(shard: &ShardHistory<'_>, t: u64) -> bool {
    shard.lease.row_at(t).is_some_and(|row| !row.is_finished())
}

fn has_records_due(shard: &ShardHistory<'_>) -> bool {
    let mut due = shard.first_due..shard.puts.len();
    due.any(|put| !shard.trimmed[put] && shard.first_hands[put].is_none())
}

/// Since when a shard without a lease has been waiting for one: since it lost its own, or since its
/// parents ended or lost theirs.
fn hole_since(history: &History<'_>, shard: &ShardHistory<'_>, end: u64, terms: &Terms) -> u64 {
    let lost = |shard: &ShardHistory<'_>| {
        let last = shard.lease.applied_by(end).checked_sub(1)?;
        let write = &shard.lease.writes[last];
        write.after.is_none().then_some(write.t)
    };
    let parents = shard.parents.iter().map(|parent| history.shard(parent));
    let ended = parents.filter_map(|parent| parent.lease.ended_t().or_else(|| lost(parent)));
    ended.chain(lost(shard)).fold(terms.quiet_from, u64::max)
}

/// The shards that a shard came from, and those that they came from, and so on.
pub(super) fn ancestors<'a>(history: &History<'a>, shard: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![shard];
    while let Some(shard) = open.pop() {
        open.extend(history.shard(shard).parents.iter().filter(|parent| found.insert(**parent)));
    }
    found
}
