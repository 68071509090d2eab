//! I28: throttling and other faults end nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::terms::Terms;
use crate::verdict::Violation;
use crate::worker::WorkerEvent;

/// In the phase without faults a worker that is at work writes to each lease that it holds at least
/// once in a failover time.
///
/// A lease counts as held from a write that its worker sent in that phase, one failover time after
/// it began or later: before that, it may have been given up without a trace. That a worker no
/// longer takes leases, or no longer reads a shard, is judged by I21, I22 and I24.
///
/// And at no time does a worker that has had a lease end unasked.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = ended_unasked(history);
    for (id, shard) in &history.shards {
        let kept: Vec<&Write<'_>> =
            shard.lease.writes.iter().filter(|write| write.kind != Kind::Note).collect();
        for (nth, write) in kept.iter().enumerate() {
            let next_t = kept.get(nth + 1).map_or(u64::MAX, |next| next.t);
            if let Some((worker, until)) = lapse(history, write, next_t, terms) {
                let text = format!("`{worker}` held it from t={} to t={until} unrenewed", write.t);
                violations.push(violation(Invariant::ThrottlingEndsNothing, id, text));
                break;
            }
        }
    }
    violations
}

/// Who, after its write, did not write again in time, and until when.
fn lapse<'a>(
    history: &History<'_>,
    write: &Write<'a>,
    next_t: u64,
    terms: &Terms,
) -> Option<(&'a str, u64)> {
    let worker = write.after?.holder.as_deref()?;
    let is_own = write.by.map_or(!history.knows_senders, |by| by == worker);
    let until = next_t.min(terms.quiet_until.saturating_sub(1));
    let limit = write.t + terms.failover + terms.clock_drift;
    let is_settled = write.sent_t >= terms.quiet_from.saturating_add(terms.failover);
    (is_own && is_settled && until > limit && history.fleet.lived_through(worker, write.t, limit))
        .then_some((worker, until))
}

fn ended_unasked(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut started: BTreeMap<&str, u64> = BTreeMap::new();
    for event in history.fleet.events() {
        let (worker, t) = (event.worker(), event.t());
        match event {
            WorkerEvent::Started { .. } => drop(started.insert(worker, t)),
            WorkerEvent::StopAsked { .. } | WorkerEvent::Killed { .. } => {
                started.remove(worker);
            }
            WorkerEvent::Ended { .. } => {
                let since =
                    started.remove(worker).filter(|since| has_taken(history, worker, *since..t));
                violations.extend(since.map(|_| {
                    let text = format!("`{worker}` ended at t={t}, and nobody had asked it to");
                    violation(Invariant::ThrottlingEndsNothing, "", text)
                }));
            }
            WorkerEvent::Paused { .. } | WorkerEvent::Resumed { .. } => {}
        }
    }
    violations
}

/// Whether a lease was taken by what a worker sent in a life of it.
fn has_taken(history: &History<'_>, worker: &str, life: Range<u64>) -> bool {
    let mut writes = history.shards.values().flat_map(|shard| &shard.lease.writes);
    writes.any(|write| {
        let holder = write.after.and_then(|row| row.holder.as_deref());
        write.kind == Kind::Take && holder == Some(worker) && life.contains(&write.sent_t)
    })
}
