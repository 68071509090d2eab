//! I13: nothing after a final refusal.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::verdict::Violation;

/// A processor that was told that a checkpoint, or a prepared one, failed for good
/// (`ShutdownException`) is handed nothing more.
///
/// Other errors leave a way on, and say nothing of the lease.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let handed = history.tenures.iter().filter_map(|tenure| {
        let (refused_t, handed_t) = tenure.handed_after_refusal?;
        let id = tenure.id;
        let text = format!(
            "tenure `{id}` was refused a checkpoint at t={refused_t}, and got more at t={handed_t}"
        );
        Some(violation(Invariant::NothingAfterFinalRefusal, tenure.shard, text))
    });
    handed.collect()
}
