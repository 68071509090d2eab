//! I24: a held lease has a living consumer.

use std::iter;
use std::ops::Range;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::terms::Terms;
use crate::verdict::Violation;

/// In the phase without faults a worker that is at work, and holds a lease whose parents have ended
/// and whose records wait, hands a batch, or names a reason, within 60 s or three reads, whichever
/// is longer. A record that retention removes waits until it is gone.
///
/// The wait begins with the record, the last return of the processor, the lease's move to this
/// worker, its parents' end, or whatever happened to the worker, whichever came last; and anew with
/// each reason that the worker's board names: a call that is out, for as long as calls may take, or
/// one more failure. Nothing else
/// excuses a silence, though it ends with the lease's move to another worker.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if let Some(Silence { worker, from, until }) = silence(history, id, shard, terms) {
            let text = format!("records wait, and `{worker}` hands nothing from t={from} to");
            let text = format!("{text} t={until}, and names no reason");
            violations.push(violation(Invariant::HeldLeaseAlive, id, text));
        }
    }
    violations
}

/// A hand-over of a shard in any tenure.
struct Hand {
    t: u64,
    /// The last of the records.
    last: Option<usize>,
    /// When its processor returned; if it did not, or that is not known, when it began.
    returned_t: u64,
}

/// A time in which a worker handed nothing, and said nothing of it.
struct Silence<'a> {
    worker: &'a str,
    from: u64,
    until: u64,
}

/// The first silence that is too long.
fn silence<'a>(
    history: &History<'a>,
    id: &str,
    shard: &ShardHistory<'a>,
    terms: &Terms,
) -> Option<Silence<'a>> {
    let end = terms.quiet_until.saturating_sub(1);
    let limit = (3 * terms.poll_interval).max(60_000_000);
    let hands = hands(history, shard, end);
    let mut next = shard.first_due;
    let mut returned_t = 0;
    for hand in hands.iter().map(Some).chain([None]) {
        let until = hand.map_or(end, |hand| hand.t);
        for wait in waits(shard, &mut next, until, history.retention.unwrap_or(0)) {
            let from = wait.start.max(returned_t).max(terms.quiet_from);
            if wait.end.saturating_sub(from) > limit
                && let Some(silence) = silent_hold(history, id, shard, from..wait.end, limit)
            {
                return Some(silence);
            }
        }
        next = hand.and_then(|hand| hand.last).map_or(next, |last| next.max(last + 1));
        returned_t = hand.map_or(0, |hand| hand.returned_t);
    }
    None
}

/// When records wait, from the `next` on and until a time: one that retention removes until it is
/// gone. Leaves `next` at the first that is not removed, or that is not there by then.
fn waits(
    shard: &ShardHistory<'_>,
    next: &mut usize,
    until: u64,
    retention: u64,
) -> Vec<Range<u64>> {
    let mut waits: Vec<Range<u64>> = Vec::new();
    while let Some(put) = shard.puts.get(*next).filter(|put| put.t <= until) {
        let is_removed = shard.trimmed[*next];
        let end = if is_removed { until.min(put.t + retention) } else { until };
        match waits.last_mut() {
            Some(last) if put.t <= last.end => last.end = last.end.max(end),
            Some(_) | None => waits.push(put.t..end),
        }
        if !is_removed {
            break;
        }
        *next += 1;
    }
    waits
}

fn hands(history: &History<'_>, shard: &ShardHistory<'_>, end: u64) -> Vec<Hand> {
    let mut hands = Vec::new();
    for tenure in history.tenures_of(shard) {
        for batch in tenure.batches.iter().filter(|batch| batch.t <= end) {
            let last = batch.records.iter().rev().find_map(|record| record.put);
            let returned_t = batch.done.map_or(batch.t, |done| done.t);
            hands.push(Hand { t: batch.t, last, returned_t });
        }
    }
    hands.sort_by_key(|hand| hand.t);
    hands
}

/// The first silence, longer than `limit`, of a worker that held the lease while records waited.
fn silent_hold<'a>(
    history: &History<'a>,
    id: &str,
    shard: &ShardHistory<'a>,
    wait: Range<u64>,
    limit: u64,
) -> Option<Silence<'a>> {
    let parents_ended_t = parents_ended_t(history, shard)?;
    let ends = shard.lease.holds.iter().skip(1).map(|next| next.since).chain([u64::MAX]);
    for (hold, end) in shard.lease.holds.iter().zip(ends) {
        let Some(worker) = hold.holder else { continue };
        let from = wait.start.max(hold.since).max(parents_ended_t);
        let until = wait.end.min(end);
        let said = history.reasons_of(worker, id).iter().copied();
        let mut stops: Vec<u64> = said.chain(history.fleet.changes(worker)).collect();
        stops.retain(|t| from < *t && *t < until);
        stops.sort_unstable();
        let until = stops.iter().copied().chain([until]);
        for (from, until) in iter::once(from).chain(stops.iter().copied()).zip(until) {
            if until.saturating_sub(from) > limit
                && history.fleet.lived_through(worker, from, from + limit)
                && shard.lease.row_at(from).is_some_and(|row| !row.is_finished())
            {
                return Some(Silence { worker, from, until });
            }
        }
    }
    None
}

/// When the last of its parents ended, as far as they have leases; none while one has not.
fn parents_ended_t(history: &History<'_>, shard: &ShardHistory<'_>) -> Option<u64> {
    let parents = shard.parents.iter().map(|parent| &history.shard(parent).lease);
    let mut known = parents.filter(|lease| !lease.writes.is_empty());
    known.try_fold(0, |t, lease| Some(lease.ended_t()?.max(t)))
}
