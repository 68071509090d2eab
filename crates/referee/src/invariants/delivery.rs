//! I8: everything is delivered.

use super::{some_records, violation};
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// At the end of the run every acknowledged record, from the application's start on, was handed at
/// least once.
///
/// The journals must end after a quiet phase that was long enough. Where the application starts at
/// LATEST or AT_TIMESTAMP, its start is the first record handed. Records that retention removed
/// are excused; if the application says how many it lost so, it must be right.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let lost = history.shards.iter().filter_map(|(id, shard)| {
        let due = shard.first_due..shard.puts.len();
        let lost = due.filter(|put| !shard.trimmed[*put] && shard.first_hands[*put].is_none());
        let text = format!("never handed: {}", some_records(&shard.puts, lost)?);
        Some(violation(Invariant::EverythingDelivered, id, text))
    });
    lost.chain(miscounted(history)).collect()
}

fn miscounted(history: &History<'_>) -> Option<Violation> {
    let lost: usize = history.shards.values().map(ShardHistory::lost_to_retention).sum();
    let counted = history.lost_counted.filter(|counted| *counted != lost)?;
    let text = format!("retention removed {lost} records, and the application counts {counted}");
    Some(violation(Invariant::EverythingDelivered, "", text))
}
