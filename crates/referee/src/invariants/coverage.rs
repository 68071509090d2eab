//! I23: every shard is covered.

use std::collections::BTreeSet;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::LeaseHistory;
use crate::row::Row;
use crate::shard::ShardHistory;
use crate::terms::Terms;
use crate::verdict::Violation;

/// In the phase without faults each shard, open or closed with records due, has the lease of an
/// unfinished shard, or was marked as ended, or descends from a shard that has one; but for a hole
/// that is no longer than [`Terms::hole_max`].
///
/// A hole is made whole when three looks in a row saw it. Before the phase each of them may meet a
/// fault, and how long three that do not take has no bound: holes count from the phase's begin.
/// Hash keys are in no journal: every shard stands for its own.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if let Some((from, until)) = hole(history, id, shard, terms) {
            let text = format!("no lease stands for it from t={from} to t={until}");
            violations.push(violation(Invariant::Coverage, id, text));
        }
    }
    violations
}

/// The first time that a shard is not covered for too long.
fn hole(
    history: &History<'_>,
    id: &str,
    shard: &ShardHistory<'_>,
    terms: &Terms,
) -> Option<(u64, u64)> {
    let end = terms.quiet_until.saturating_sub(1);
    let allowed = terms.hole_max();
    let ancestors = ancestors(history, id);
    let above = ancestors.iter().map(|above| history.shard(above));
    let leases: Vec<_> = above.chain([shard]).map(|shard| &shard.lease).collect();
    let done_t = done_t(shard);
    let is_covered = |t| {
        leases.iter().any(|lease| is_leased(lease, t))
            || shard.lease.ended_t().is_some_and(|ended_t| ended_t <= t)
            || done_t.is_some_and(|done_t| done_t <= t)
    };
    let changes = leases.iter().flat_map(|lease| &lease.writes).filter(|write| {
        let stands = |row: Option<&Row>| row.is_some_and(|row| !row.is_finished());
        stands(write.before) != stands(write.after)
    });
    let mut changes: Vec<u64> = changes.map(|write| write.t).chain(done_t).collect();
    changes.retain(|t| terms.quiet_from < *t && *t < end);
    changes.extend([terms.quiet_from, end]);
    changes.sort_unstable();
    let mut since = None;
    for t in changes {
        let from = *since.get_or_insert(t);
        if t.saturating_sub(from) > allowed {
            return Some((from, t));
        }
        if is_covered(t) {
            since = None;
        }
    }
    None
}

fn is_leased(lease: &LeaseHistory<'_>, t: u64) -> bool {
    lease.row_at(t).is_some_and(|row| !row.is_finished())
}

/// Since when a closed shard has no records that are due; none if it is open or still has some.
fn done_t(shard: &ShardHistory<'_>) -> Option<u64> {
    if shard.children.is_empty() {
        return None;
    }
    let due = (shard.first_due..shard.puts.len()).filter(|put| !shard.trimmed[*put]);
    due.map(|put| Some(shard.first_hands[put]?.t)).try_fold(0, |done_t, t| Some(done_t.max(t?)))
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
