//! I5: parents before children.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// The first record of a child shard is handed after the write that marked each parent as ended.
///
/// A parent whose lease no write ever named is excused: whether it had been trimmed, or lay before
/// the application's start, is in no journal.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let Some(first_t) = first_hand_t(history, shard) else { continue };
        for parent in &shard.parents {
            let lease = &history.shard(parent).lease;
            let text = match lease.ended_t() {
                _ if lease.writes.is_empty() => continue,
                Some(ended_t) if ended_t <= first_t => continue,
                Some(ended_t) => format!("parent `{parent}` ended later, at t={ended_t}"),
                None => format!("parent `{parent}` has not ended"),
            };
            let text = format!("first record handed at t={first_t}: {text}");
            violations.push(violation(Invariant::ParentsFirst, id, text));
        }
    }
    violations
}

fn first_hand_t(history: &History<'_>, shard: &ShardHistory<'_>) -> Option<u64> {
    history
        .tenures_of(shard)
        .flat_map(|tenure| &tenure.batches)
        .filter(|batch| !batch.records.is_empty())
        .map(|batch| batch.t)
        .min()
}
