//! I34: an orderly exit leaves no lease behind.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, LeaseHistory};
use crate::verdict::Violation;
use crate::worker::WorkerEvent;

/// When a worker says that it ended in order, no row has its name.
///
/// A take that was applied more than a third of the failover time after it was sent is excused, if
/// nothing was written since: its worker had stopped waiting for it, and cannot know. Whether all
/// processors were told is in the order of their own journals, and not judged here.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for event in history.fleet.events() {
        let WorkerEvent::Ended { t, worker, in_order: true } = event else { continue };
        for (id, shard) in &history.shards {
            let Some(row) = shard.lease.row_at(*t) else { continue };
            let is_named = [&row.holder, &row.owner].into_iter().flatten().any(|it| it == worker);
            if is_named && !came_late(history, &shard.lease, *t) {
                let text = format!("`{worker}` ended in order at t={t}, and the row has its name");
                violations.push(violation(Invariant::OrderlyExit, id, text));
            }
        }
    }
    violations
}

fn came_late(history: &History<'_>, lease: &LeaseHistory<'_>, t: u64) -> bool {
    let last = lease.applied_by(t).checked_sub(1).map(|last| &lease.writes[last]);
    let waits = history.terms.map(|terms| terms.failover / 3);
    last.zip(waits).is_some_and(|(write, waits)| {
        write.kind == Kind::Take && write.t.saturating_sub(write.sent_t) > waits
    })
}
