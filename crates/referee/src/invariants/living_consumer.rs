//! I24: a held lease has a living consumer.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::ShardHistory;
use crate::tenure::Done;
use crate::terms::Terms;
use crate::verdict::Violation;

/// In the phase without faults a lease whose worker is at work, whose parents have ended, and whose
/// records wait, hands a batch within 60 s or three reads, whichever is longer.
///
/// The wait begins with the record, the last return of the processor, the lease's last move, or its
/// parents' end, whichever came last. A call that is out, until another processor starts, and one
/// that has just failed, are named reasons to wait; the time that processors take to start does not
/// count. That a processor cannot be initialized is in no
/// journal, so none may fail there in that phase.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if let Some((from, until)) = silence(history, shard, terms) {
            let text = format!("records wait, and nothing is handed from t={from} to t={until}");
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
    done: Option<Done>,
}

fn silence(history: &History<'_>, shard: &ShardHistory<'_>, terms: &Terms) -> Option<(u64, u64)> {
    let end = terms.quiet_until.saturating_sub(1);
    let limit = (3 * terms.poll_interval).max(60_000_000);
    let hands = hands(history, shard, end);
    let mut next = shard.first_due;
    let mut before: Option<&Hand> = None;
    for hand in hands.iter().map(Some).chain([None]) {
        let until = hand.map_or(end, |hand| hand.t);
        while shard.trimmed.get(next) == Some(&true) {
            next += 1;
        }
        if let Some(put) = shard.puts.get(next)
            && until.saturating_sub(put.t.max(terms.quiet_from)) > limit
            && let Some(idle_t) = idle_since(history, shard, before, until)
            && let from = idle_t.max(put.t).max(terms.quiet_from)
            && until.saturating_sub(from + starting(history, shard, from, until)) > limit
            && shard.lease.row_at(from).is_some_and(|row| !row.is_finished())
        {
            return Some((from, until));
        }
        next = hand.and_then(|hand| hand.last).map_or(next, |last| next.max(last + 1));
        before = hand;
    }
    None
}

/// How long, of a time, processors were about to start.
fn starting(history: &History<'_>, shard: &ShardHistory<'_>, from: u64, until: u64) -> u64 {
    let mut next_t = until;
    let mut total = 0;
    for tenure in history.tenures_of(shard).rev() {
        let end_t = tenure.initialized_t.unwrap_or(next_t).min(next_t);
        total += end_t.saturating_sub(tenure.started_t.max(from));
        next_t = tenure.started_t.min(next_t);
    }
    total
}

fn hands(history: &History<'_>, shard: &ShardHistory<'_>, end: u64) -> Vec<Hand> {
    let mut hands = Vec::new();
    for tenure in history.tenures_of(shard) {
        for batch in tenure.batches.iter().filter(|batch| batch.t <= end) {
            let last = batch.records.iter().rev().find_map(|record| record.put);
            hands.push(Hand { t: batch.t, last, done: batch.done });
        }
    }
    hands.sort_by_key(|hand| hand.t);
    hands
}

/// Since when, at `until`, a worker that was at work had the shard and no reason to hand nothing;
/// none if there is no such worker, or if it has a reason.
fn idle_since(
    history: &History<'_>,
    shard: &ShardHistory<'_>,
    before: Option<&Hand>,
    until: u64,
) -> Option<u64> {
    let hold = shard.lease.hold_at(until)?;
    let mut idle_t = hold.since.max(history.fleet.at_work_since(hold.holder?, until)?);
    for parent in &shard.parents {
        let lease = &history.shard(parent).lease;
        if !lease.writes.is_empty() {
            idle_t = idle_t.max(lease.ended_t()?);
        }
    }
    let Some(hand) = before else { return Some(idle_t) };
    Some(match hand.done {
        Some(done) if done.failed && idle_t < done.t => return None,
        Some(done) => idle_t.max(done.t),
        None if !history.knows_returns => idle_t.max(hand.t),
        // It went with its worker.
        None if hand.t < idle_t => idle_t,
        // It is out, unless its processor died over it and another one has started.
        None => {
            let mut later = history.tenures_of(shard).rev().map(|tenure| tenure.started_t);
            later.find(|t| hand.t < *t && *t <= until)?
        }
    })
}
