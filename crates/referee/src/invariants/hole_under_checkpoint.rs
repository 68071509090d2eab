//! I1: no hole under a checkpoint.

use super::{some_records, violation};
use crate::history::History;
use crate::place::Place;
use crate::verdict::{Invariant, Violation};

/// When a write sets a lease's checkpoint, every record up to it, from the application's start on,
/// was handed in some tenure before.
///
/// Judged by the time at which the write was applied: when it was sent is in no journal, and
/// neither is what a processor returned. Records that retention removed count as not handed. The
/// checkpoint at SHARD_END is judged by I6.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let mut checked = shard.first_due;
        for (write, _, after) in shard.checkpoints() {
            if !matches!(after.checkpoint, Place::At(..)) {
                continue;
            }
            let end = shard.first_after(&after.checkpoint).max(checked);
            let holes = (checked..end)
                .filter(|put| shard.first_hands[*put].is_none_or(|hand| hand.t > write.t));
            if let Some(records) = some_records(&shard.puts, holes) {
                let checkpoint = &after.checkpoint;
                let text = format!("checkpoint {checkpoint} at t={} covers {records}", write.t)
                    + ", not handed by then";
                violations.push(violation(Invariant::NoHoleUnderCheckpoint, id, text));
            }
            checked = end;
        }
    }
    violations
}
