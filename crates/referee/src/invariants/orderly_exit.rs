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
/// after a whole phase without faults says so, before the journals end.
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
            WorkerEvent::Started { .. } => *life = Life { started_t: t, ..Life::default() },
            WorkerEvent::StopAsked { .. } => life.stop_t = Some(t),
            WorkerEvent::Ended { in_order: true, .. } => {
                life.is_over = true;
                for (id, shard) in &history.shards {
                    if is_left_behind(history, shard, worker, life, t) {
                        let text = format!("`{worker}` ended in order at t={t}, and has the lease");
                        violations.push(violation(Invariant::OrderlyExit, id, text));
                    }
                }
            }
            WorkerEvent::Ended { in_order: false, .. } => {
                life.is_over = true;
                violations.extend(stopped_in_peace(history, life).map(|stop_t| {
                    let text = format!("`{worker}`, asked to stop at t={stop_t}, did not in order");
                    violation(Invariant::OrderlyExit, "", text)
                }));
            }
            WorkerEvent::Killed { .. } => life.is_over = true,
            WorkerEvent::Paused { .. } | WorkerEvent::Resumed { .. } => {}
        }
    }
    for (worker, life) in lives.iter().filter(|(_, life)| !life.is_over) {
        violations.extend(stopped_in_peace(history, life).map(|stop_t| {
            let text = format!("`{worker}`, asked to stop at t={stop_t}, never ended");
            violation(Invariant::OrderlyExit, "", text)
        }));
    }
    violations
}

#[derive(Default)]
struct Life {
    started_t: u64,
    stop_t: Option<u64>,
    /// Whether it was killed, or ended.
    is_over: bool,
}

/// When it was asked to stop, if that was after a whole phase without faults.
fn stopped_in_peace(history: &History<'_>, life: &Life) -> Option<u64> {
    let quiet_until = history.terms?.quiet_until;
    life.stop_t.filter(|stop_t| quiet_until <= *stop_t)
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
