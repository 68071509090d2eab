//! I9: a checkpoint never goes back.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::verdict::Violation;

/// No write puts a lease's checkpoint before the one that the row had; SHARD_END is never left. A
/// row that was deleted and created anew begins anew.
///
/// Where the senders of writes are known, an operator's reset is excused; elsewhere it looks like
/// any other write, and a run with one is not clean.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        for (write, before, after) in shard.lease.checkpoints() {
            if after.checkpoint < before.checkpoint && history.is_own(write.by) {
                let (from, to) = (&before.checkpoint, &after.checkpoint);
                let text = format!("from {from} to {to} at t={}", write.t);
                violations.push(violation(Invariant::CheckpointNeverGoesBack, id, text));
            }
        }
    }
    violations
}
