//! I9: a checkpoint never goes back.

use super::violation;
use crate::history::History;
use crate::verdict::{Invariant, Violation};

/// No write puts a lease's checkpoint before the one that the row had; SHARD_END is never left. A
/// row that was deleted and created anew begins anew.
///
/// An operator's reset looks like any other write, so a run with one is not clean.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        for (write, before, after) in shard.checkpoints() {
            if after.checkpoint < before.checkpoint {
                let (from, to) = (&before.checkpoint, &after.checkpoint);
                let text = format!("from {from} to {to} at t={}", write.t);
                violations.push(violation(Invariant::CheckpointNeverGoesBack, id, text));
            }
        }
    }
    violations
}
