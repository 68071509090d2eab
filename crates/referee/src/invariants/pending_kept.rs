//! I14: prepared checkpoints move nothing, and are kept.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::place::Place;
use crate::row::Row;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// A write that prepares a checkpoint leaves the checkpoint where it is; takes, releases and
/// renewals leave the prepared one as it is; and a tenure is given the one that the row had when
/// it had the checkpoint that the tenure starts at.
///
/// What a tenure is given is judged where the senders of writes are known, or where some tenure
/// was given one: older processors do not write it down. The state that comes with it is in no
/// processor's journal. Where senders are known, an operator's writes are excused.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let is_written_down = |pending: Option<_>| history.knows_senders || pending.is_some();
    let are_starts_judged = history.tenures.iter().any(|tenure| is_written_down(tenure.pending));
    for (id, shard) in &history.shards {
        for (write, before, after) in shard.lease.changes() {
            if !history.is_own(write.by) {
                continue;
            }
            let is_ended = || is_asked_again(history, shard, write, &after.checkpoint);
            if let Some(what) = fault(write.kind, before, after, is_ended) {
                let text = format!("the write at t={} {what}", write.t);
                violations.push(violation(Invariant::PendingKept, id, text));
            }
        }
        if are_starts_judged {
            let wrong = wrong_starts(history, shard).into_iter();
            violations.extend(wrong.map(|text| violation(Invariant::PendingKept, id, text)));
        }
    }
    violations
}

fn fault(
    kind: Kind,
    before: &Row,
    after: &Row,
    is_ended: impl FnOnce() -> bool,
) -> Option<&'static str> {
    let is_same = before.pending == after.pending && before.pending_state == after.pending_state;
    let is_moved = before.checkpoint != after.checkpoint;
    match kind {
        _ if is_same => None,
        Kind::Take => Some("took the lease and changed its prepared checkpoint"),
        Kind::Release => Some("released the lease and changed its prepared checkpoint"),
        Kind::Keep if is_moved && after.pending.is_some() => {
            Some("prepared a checkpoint and moved the one that was made")
        }
        Kind::Keep if !is_moved && after.pending.is_none() && !is_ended() => {
            Some("dropped the prepared checkpoint without making one")
        }
        Kind::Keep | Kind::Note | Kind::Create | Kind::Delete => None,
    }
}

/// Whether a processor was just asking for the checkpoint that the row had: that, too, ends a
/// prepared one. Told of its shard's end, it means that.
fn is_asked_again<'a>(
    history: &History<'a>,
    shard: &ShardHistory<'a>,
    write: &Write<'a>,
    checkpoint: &Place,
) -> bool {
    history.tenures_of(shard).any(|tenure| {
        let answered = tenure.answers.iter().map(|answer| answer.t).chain([u64::MAX]);
        tenure.asks.iter().zip(answered).any(|(ask, answered_t)| {
            let is_out = ask.t <= write.sent_t && write.sent_t <= answered_t;
            let has_ended = tenure.shard_ended_t.is_some_and(|ended_t| ended_t <= ask.t);
            let is_end = has_ended && ask.wish.place.is_none() && *checkpoint == Place::ShardEnd;
            is_out && (is_end || ask.wish.meant(tenure.start).any(|place| place == checkpoint))
        })
    })
}

fn wrong_starts(history: &History<'_>, shard: &ShardHistory<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (tenure, since) in history.tenures_of(shard).zip(history.reads_since(shard)) {
        let Some(since) = since else { continue };
        let rows = shard.lease.rows_between(since, tenure.started_t);
        let mut rows = rows.filter(|row| row.checkpoint == *tenure.start).peekable();
        let Some(row) = rows.peek().copied() else { continue };
        if !rows.any(|row| row.pending.as_ref() == tenure.pending) {
            let text = |place: Option<_>| place.map_or("none".to_owned(), ToString::to_string);
            let (given, stored) = (text(tenure.pending), text(row.pending.as_ref()));
            let id = tenure.id;
            wrong
                .push(format!("tenure `{id}` was given as prepared {given}; in the row: {stored}"));
        }
    }
    wrong
}
