//! I20: a lease that is renewed is taken only by the balancing rule, one a run.

use std::collections::BTreeMap;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::row::Row;
use crate::terms::Terms;
use crate::verdict::Violation;

/// A worker takes at most one lease that its holder still renews in one run of the taker; and no
/// take is applied to a lease whose counter changed after the take was sent.
///
/// A run is seen only by what it sends. In the phase without faults two steals of one worker are
/// nine tenths of the taker's interval apart at least, less the drift of clocks; elsewhere a run
/// that had to wait for its scan is followed by the next at once, so there only two steals sent in
/// the same moment count. Which counter a take was based on is in no journal. What no worker sent
/// is no steal.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let mut counted_t = 0;
        for write in &shard.lease.writes {
            if write.kind == Kind::Take && write.sent_t < counted_t {
                let text = format!(
                    "`{}` sent its take at t={}, and the counter changed at t={counted_t}",
                    write.by.unwrap_or("somebody"),
                    write.sent_t
                );
                violations.push(violation(Invariant::OneLiveSteal, id, text));
            }
            let counter = |row: Option<&Row>| row.map(|row| row.counter);
            if counter(write.before) != counter(write.after) {
                counted_t = write.t;
            }
        }
    }
    let Some(terms) = history.terms else { return violations };
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for steal in steals(history, terms) {
        let before = last.insert(steal.by, steal.sent_t);
        if let Some(before) = before.filter(|before| is_too_soon(*before, steal.sent_t, terms)) {
            let text = format!(
                "`{}` stole it at t={}, and another lease at t={before}",
                steal.by, steal.sent_t
            );
            violations.push(violation(Invariant::OneLiveSteal, steal.shard, text));
        }
    }
    violations
}

fn is_too_soon(before: u64, sent_t: u64, terms: &Terms) -> bool {
    let settled_t = terms.quiet_from.saturating_add(terms.take_interval);
    let is_quiet = before >= settled_t && terms.is_quiet(before) && terms.is_quiet(sent_t);
    let drift = terms.take_interval * terms.clock_drift / terms.failover.max(1);
    let apart = (terms.take_interval / 10 * 9).saturating_sub(drift);
    before == sent_t || is_quiet && sent_t - before < apart
}

/// The take of a lease that its holder still renewed.
pub(crate) struct Steal<'a> {
    shard: &'a str,
    by: &'a str,
    sent_t: u64,
}

/// The steals of a run, in the order in which they were sent.
pub(crate) fn steals<'a>(history: &History<'a>, terms: &Terms) -> Vec<Steal<'a>> {
    let mut steals = Vec::new();
    for (id, shard) in &history.shards {
        let mut renewed_t = 0;
        for write in &shard.lease.writes {
            if let Some(by) = thief(write)
                && history.is_own(write.by)
                && write.t.saturating_sub(renewed_t) + terms.clock_drift < terms.failover
            {
                steals.push(Steal { shard: id, by, sent_t: write.sent_t });
            }
            match write.kind {
                Kind::Take | Kind::Keep | Kind::Create => renewed_t = write.t,
                Kind::Release | Kind::Delete | Kind::Note => {}
            }
        }
    }
    steals.sort_by_key(|steal| steal.sent_t);
    steals
}

/// Who took a lease that another held.
fn thief<'a>(write: &Write<'a>) -> Option<&'a str> {
    let (before, after) = (write.before?, write.after?);
    before.holder.as_ref().filter(|_| write.kind == Kind::Take)?;
    after.holder.as_deref()
}
