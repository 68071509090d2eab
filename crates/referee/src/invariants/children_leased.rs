//! I7: the leases of all children exist before their parent is marked as ended.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::verdict::Violation;

/// When a lease is marked as ended, the lease of every child shard has been written before, in the
/// order of application.
///
/// A child's row that the journal first shows as already there is taken to be old enough; a child
/// that the stream had forgotten by then needs none.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let end =
            shard.lease.checkpoints().find(|(_, _, after)| after.checkpoint == Place::ShardEnd);
        let Some((end, ..)) = end else { continue };
        for child in &shard.children {
            let child_shard = history.shard(child);
            if child_shard.delisted_t.is_some_and(|t| t <= end.sent_t) {
                continue;
            }
            let first = child_shard.lease.writes.first();
            let is_leased =
                first.is_some_and(|first| first.before.is_some() || first.number < end.number);
            if !is_leased {
                let text = format!("ended at t={} before `{child}` had a lease", end.t);
                violations.push(violation(Invariant::ChildrenLeased, id, text));
            }
        }
    }
    violations
}
