//! I5: parents before children.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// The first record of a child shard is handed after the write that marked each parent as ended.
///
/// A parent whose lease no write ever named is excused: whether it had been trimmed, or lay before
/// the application's start, is in no journal. So is one whose row was deleted, and whose records
/// retention has removed since; and one whose records all lie before the application's date: of
/// neither there was anything to process.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let Some(first_t) = first_hand_t(history, shard) else { continue };
        for parent in &shard.parents {
            let parent_shard = history.shard(parent);
            let lease = &parent_shard.lease;
            let text = match lease.ended_t() {
                _ if lease.writes.is_empty() => continue,
                _ if is_gone(history, parent_shard, first_t) => continue,
                _ if parent_shard.is_before_date() => continue,
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

/// Whether neither row nor records of a shard are there any more.
fn is_gone(history: &History<'_>, shard: &ShardHistory<'_>, t: u64) -> bool {
    let last_put_t = shard.puts.last().map_or(0, |put| put.t);
    let is_removed = history.retention.is_some_and(|retention| last_put_t + retention <= t);
    is_removed && shard.lease.row_at(t).is_none()
}

fn first_hand_t(history: &History<'_>, shard: &ShardHistory<'_>) -> Option<u64> {
    history
        .tenures_of(shard)
        .flat_map(|tenure| &tenure.batches)
        .filter(|batch| !batch.records.is_empty())
        .map(|batch| batch.t)
        .min()
}
