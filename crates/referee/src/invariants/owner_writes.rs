//! I10: only the worker that holds a lease renews or checkpoints it.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::Kind;
use crate::verdict::Violation;

/// A write of a worker that leaves a lease's holder the same and changes its counter, checkpoint
/// or prepared checkpoint, or that gives the lease up, is its holder's; and any write of a worker
/// that changes the counter sets it to the next one.
///
/// Writes of only child shards or hash keys are anyone's. What no worker sent is not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        for (write, before, after) in shard.lease.changes() {
            let Some(by) = write.by else { continue };
            let what = match write.kind {
                Kind::Keep => "kept",
                Kind::Release => "released",
                Kind::Take => "took",
                Kind::Note | Kind::Create | Kind::Delete => continue,
            };
            let holder = before.holder.as_deref();
            let text = if write.kind != Kind::Take && holder != Some(by) {
                format!("while `{}` held it", holder.unwrap_or("nobody"))
            } else if after.counter != before.counter + 1 {
                format!("with counter {} after {}", after.counter, before.counter)
            } else {
                continue;
            };
            let text = format!("`{by}` {what} the lease at t={}, {text}", write.t);
            violations.push(violation(Invariant::OwnerWrites, id, text));
        }
    }
    violations
}
