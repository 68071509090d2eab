//! I28: throttling and other faults end nothing.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::terms::Terms;
use crate::verdict::Violation;

/// In the phase without faults a worker that is at work writes to each lease that it holds at least
/// once in a failover time.
///
/// A lease counts as held from a write that its worker sent in that phase, one failover time after
/// it began or later: before that, it may have been given up without a trace. That a worker no
/// longer takes leases, or no longer reads a shard, is judged by I21, I22 and I24.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let kept: Vec<&Write<'_>> =
            shard.lease.writes.iter().filter(|write| write.kind != Kind::Note).collect();
        for (nth, write) in kept.iter().enumerate() {
            let next_t = kept.get(nth + 1).map_or(u64::MAX, |next| next.t);
            if let Some((worker, until)) = lapse(history, write, next_t, terms) {
                let text = format!("`{worker}` held it from t={} to t={until} unrenewed", write.t);
                violations.push(violation(Invariant::ThrottlingEndsNothing, id, text));
                break;
            }
        }
    }
    violations
}

/// Who, after its write, did not write again in time, and until when.
fn lapse<'a>(
    history: &History<'_>,
    write: &Write<'a>,
    next_t: u64,
    terms: &Terms,
) -> Option<(&'a str, u64)> {
    let worker = write.after?.holder.as_deref()?;
    let is_own = write.by.map_or(!history.knows_senders, |by| by == worker);
    let until = next_t.min(terms.quiet_until.saturating_sub(1));
    let limit = write.t + terms.failover + terms.clock_drift;
    let is_settled = write.sent_t >= terms.quiet_from.saturating_add(terms.failover);
    (is_own && is_settled && until > limit && history.fleet.lived_through(worker, write.t, limit))
        .then_some((worker, until))
}
