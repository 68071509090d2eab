//! I34: an orderly exit leaves no lease behind.

use std::collections::BTreeMap;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::shard::ShardHistory;
use crate::verdict::Violation;
use crate::worker::WorkerEvent;

/// When a worker says that it ended in order, no row has its name; and one that is asked to stop
/// after a whole phase without faults says so.
///
/// Two rows are excused, since their worker does not hold them: one that it did not write to since
/// it was started, and one where its only write was not answered for sure, and no tenure began:
/// either applied later than a third of the failover time after it was sent, or in that time before
/// the stop, or after it. Whether all processors were told is not judged here.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    for event in history.fleet.events() {
        let (worker, t) = (event.worker(), event.t());
        let life = lives.entry(worker).or_default();
        match event {
            WorkerEvent::Started { .. } => *life = Life { started_t: t, stop_t: None },
            WorkerEvent::StopAsked { .. } => life.stop_t = Some(t),
            WorkerEvent::Ended { in_order: true, .. } => {
                for (id, shard) in &history.shards {
                    if is_left_behind(history, shard, worker, life, t) {
                        let text = format!("`{worker}` ended in order at t={t}, and has the lease");
                        violations.push(violation(Invariant::OrderlyExit, id, text));
                    }
                }
            }
            WorkerEvent::Ended { in_order: false, .. } => {
                let quiet_until = history.terms.map(|terms| terms.quiet_until);
                let stop_t = life.stop_t.filter(|stop_t| quiet_until.is_some_and(|t| t <= *stop_t));
                violations.extend(stop_t.map(|stop_t| {
                    let text = format!("`{worker}`, asked to stop at t={stop_t}, did not in order");
                    violation(Invariant::OrderlyExit, "", text)
                }));
            }
            WorkerEvent::Killed { .. }
            | WorkerEvent::Paused { .. }
            | WorkerEvent::Resumed { .. } => {}
        }
    }
    violations
}

#[derive(Default)]
struct Life {
    started_t: u64,
    stop_t: Option<u64>,
}

fn is_left_behind(
    history: &History<'_>,
    shard: &ShardHistory<'_>,
    worker: &str,
    life: &Life,
    t: u64,
) -> bool {
    let lease = &shard.lease;
    let is_named = lease.row_at(t).is_some_and(|row| {
        [&row.holder, &row.owner].into_iter().flatten().any(|name| name == worker)
    });
    if !is_named {
        return false;
    }
    let held_since = lease.hold_at(t).map_or(0, |hold| hold.since);
    let is_its = |write: &&Write<'_>| {
        let is_by_it = write.by.is_none_or(|by| by == worker);
        let is_kept = matches!(write.kind, Kind::Take | Kind::Keep);
        is_by_it && is_kept && write.t >= held_since && write.sent_t >= life.started_t
    };
    let mut writes = lease.writes[..lease.applied_by(t)].iter().rev().filter(is_its);
    match (writes.next(), writes.next()) {
        (None, _) => false,
        (Some(_), Some(_)) => true,
        (Some(only), None) => {
            let answered_within = history.terms.map_or(0, |terms| terms.failover / 3);
            let is_late = only.t - only.sent_t > answered_within;
            let is_cut = life.stop_t.is_some_and(|stop_t| only.t + answered_within > stop_t);
            let mut tenures = history.tenures_of(shard);
            let has_begun = tenures
                .any(|tenure| tenure.worker == Some(worker) && only.sent_t <= tenure.started_t);
            has_begun || !(is_late || is_cut)
        }
    }
}
