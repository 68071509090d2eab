//! I16: no hand-over after the deadline.

use std::collections::BTreeMap;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, LeaseHistory};
use crate::terms::Terms;
use crate::verdict::Violation;

/// A worker begins no hand-over later than the failover time after it sent the last of its writes
/// that took or kept the lease and were applied by then.
///
/// The worker measures by its own clock, so the drift of clocks is added. What a processor is told
/// apart from records, such as its end, has no deadline. A worker that no write names, and a
/// processor that does not know its worker, are not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let deadlines = Deadlines::of(&shard.lease);
        for tenure in history.tenures_of(shard) {
            let Some(worker) = tenure.worker else { continue };
            let late = tenure.batches.iter().find_map(|batch| {
                let deadline = deadlines.at(worker, batch.t, terms)?;
                (batch.t > deadline).then_some((batch.t, deadline))
            });
            if let Some((t, deadline)) = late {
                let text = format!(
                    "tenure `{}` was handed records at t={t}, after its deadline t={deadline}",
                    tenure.id
                );
                violations.push(violation(Invariant::NoHandAfterDeadline, id, text));
            }
        }
    }
    violations
}

/// Until when each worker could rely on a lease.
pub(super) struct Deadlines<'a> {
    /// For each worker when its writes were applied, and the latest time of sending up to there.
    sent: BTreeMap<&'a str, Vec<(u64, u64)>>,
}

impl<'a> Deadlines<'a> {
    pub(super) fn of(lease: &LeaseHistory<'a>) -> Self {
        let mut sent: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
        for write in &lease.writes {
            let (Some(by), Some(after)) = (write.by, write.after) else { continue };
            match write.kind {
                Kind::Take | Kind::Keep if after.holder.as_deref() == Some(by) => {
                    let sent = sent.entry(by).or_default();
                    let latest = sent.last().map_or(0, |(_, latest)| *latest);
                    sent.push((write.t, write.sent_t.max(latest)));
                }
                Kind::Take | Kind::Keep | Kind::Release | Kind::Note => {}
                Kind::Create | Kind::Delete => {}
            }
        }
        Self { sent }
    }

    /// Until when `worker` could rely on the lease by what had been applied at `t`.
    pub(super) fn at(&self, worker: &str, t: u64, terms: &Terms) -> Option<u64> {
        let sent = self.sent.get(worker)?;
        let applied = sent.partition_point(|(applied_t, _)| *applied_t <= t);
        let (_, latest) = sent[applied.checked_sub(1)?];
        Some(latest + terms.failover + terms.clock_drift)
    }
}
