//! I11: nothing of an earlier tenure is written.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::Kind;
use crate::verdict::Violation;

/// Once a lease changed hands, was given up, or was deleted and made anew, no renewal, checkpoint
/// or release that a worker sent before that is applied to it; not even if that worker has the
/// lease again by then.
///
/// A worker that is started again, and takes a lease that still has its name, changes no holder:
/// writes from its life before are not told apart. A write whose time of sending is not known is
/// not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let mut changed_t = 0;
        for write in &shard.lease.writes {
            match (write.kind, write.by) {
                (Kind::Keep | Kind::Release, Some(by)) if write.sent_t < changed_t => {
                    let text = format!(
                        "`{by}` sent a write at t={}, the lease changed hands at t={changed_t}, and \
                         at t={} the write was applied",
                        write.sent_t, write.t
                    );
                    violations.push(violation(Invariant::NoWriteOfEarlierTenure, id, text));
                }
                (Kind::Keep | Kind::Release, Some(_) | None)
                | (Kind::Create | Kind::Delete | Kind::Take | Kind::Note, _) => {}
            }
            match write.kind {
                Kind::Create | Kind::Delete | Kind::Take | Kind::Release => changed_t = write.t,
                Kind::Keep | Kind::Note => {}
            }
        }
    }
    violations
}
