//! I17: the overlap of two tenures is bounded.

use std::cell::LazyCell;

use super::deadline::Deadlines;
use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::tenure::{Batch, Tenure};
use crate::verdict::Violation;

/// A hand-over that is still out when another worker has taken the lease began before its worker's
/// deadline, and ends within the longest time that a call takes.
///
/// While its worker is paused a call stands still, so that time is taken off. A call that never
/// returned, because its worker was killed or the journal ends, has no length. Where the senders
/// of writes are not known, the deadline is not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let deadlines = LazyCell::new(|| Deadlines::of(&shard.lease));
        let late = |tenure: &Tenure<'_>, batch: &Batch<'_>| {
            let (worker, done) = (tenure.worker?, batch.done?);
            let holder = shard.lease.hold_at(done.t)?;
            holder.holder.filter(|holder| *holder != worker)?;
            let stood_still = history.fleet.paused_within(worker, batch.t, done.t);
            let took = done.t.saturating_sub(batch.t + stood_still);
            if took > terms.call_max {
                return Some(format!("is out for {took} us, until t={}", done.t));
            }
            let deadline = deadlines.at(worker, batch.t, terms)?;
            let is_late = holder.since < batch.t && deadline < batch.t;
            is_late.then(|| format!("began after its deadline t={deadline}"))
        };
        for tenure in history.tenures_of(shard) {
            let late =
                tenure.batches.iter().find_map(|batch| Some((batch.t, late(tenure, batch)?)));
            if let Some((t, what)) = late {
                let text = format!(
                    "tenure `{}`: what it was handed at t={t} {what}, while another has the lease",
                    tenure.id
                );
                violations.push(violation(Invariant::OverlapBounded, id, text));
            }
        }
    }
    violations
}
