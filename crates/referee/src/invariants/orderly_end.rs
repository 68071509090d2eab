//! I19: no duplicates after an orderly end.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::tenure::Tenure;
use crate::verdict::Violation;

/// If a processor was told that its worker stops, and then made a checkpoint at the last record
/// that it had been handed, the next tenure is handed nothing that this one was.
///
/// Not judged if the next tenure starts before that checkpoint was made, if the row was gone by
/// then, or if it was deleted, or its checkpoint set by anyone but a worker, in between.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let next = history.tenures_of(shard).skip(1);
        for (tenure, next) in history.tenures_of(shard).zip(next) {
            let Some(checkpoint_t) = tenure.orderly_end else { continue };
            if next.started_t < checkpoint_t
                || was_reset(history, shard, checkpoint_t, next.started_t)
            {
                continue;
            }
            let Some((first, last)) = range(tenure) else { continue };
            let again = records(next).filter(|put| (first..=last).contains(put)).min();
            if let Some(again) = again {
                let text = format!(
                    "tenure `{}` ended in order, and `{}` was handed {} again",
                    tenure.id, next.id, shard.puts[again].place
                );
                violations.push(violation(Invariant::OrderlyEndNoDuplicates, id, text));
            }
        }
    }
    violations
}

fn records(tenure: &Tenure<'_>) -> impl Iterator<Item = usize> {
    tenure.batches.iter().flat_map(|batch| &batch.records).filter_map(|record| record.put)
}

fn range(tenure: &Tenure<'_>) -> Option<(usize, usize)> {
    Some((records(tenure).min()?, records(tenure).max()?))
}

fn was_reset(history: &History<'_>, shard: &ShardHistory<'_>, from: u64, until: u64) -> bool {
    let lease = &shard.lease;
    // From the writes of the same moment on: which of them came first is in no journal.
    let begin = lease.writes.partition_point(|write| write.t < from);
    let is_gone = lease.writes[..begin].last().is_some_and(|write| write.after.is_none());
    is_gone
        || lease.writes[begin..lease.applied_by(until)].iter().any(|write| match write.after {
            None => true,
            Some(after) => {
                let is_moved =
                    write.before.is_none_or(|before| before.checkpoint != after.checkpoint);
                is_moved && !history.is_own(write.by)
            }
        })
}
