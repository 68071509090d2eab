//! I6: SHARD_END is earned.

use super::{some_records, violation};
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::Write;
use crate::place::Place;
use crate::row::Row;
use crate::shard::ShardHistory;
use crate::tenure::{Tenure, Wish};
use crate::verdict::Violation;

/// A lease is marked as ended only if the shard has child shards, every record of it was handed
/// before the write was sent, and a processor that was told of the end then asked for the
/// checkpoint.
///
/// A shard that went with its stream has no children either; such a run is not for this referee.
/// What the processor's end call returns does not count once it has asked. Records that retention
/// removed are excused, and so is, where the senders of writes are known, an end that no worker
/// wrote.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let is_end = |change: &(&Write<'_>, &Row, &Row)| change.2.is_finished();
        let Some((end, ..)) = shard.lease.checkpoints().find(is_end) else { continue };
        if !history.is_own(end.by) {
            continue;
        }
        let ended_t = end.sent_t;
        let mut blame = |text: String| {
            let text = format!("ended at t={ended_t}: {text}");
            violations.push(violation(Invariant::ShardEndEarned, id, text));
        };
        if shard.children.is_empty() {
            blame("the stream has no child shard of it".to_owned());
        }
        let due = shard.first_due..shard.puts.len();
        let missing = due.filter(|put| !shard.trimmed[*put] && !shard.was_handed(*put, ended_t));
        if let Some(records) = some_records(&shard.puts, missing) {
            blame(format!("{records} not handed by then"));
        }
        if !was_asked_for(history, shard, ended_t) {
            blame("no processor had asked for that after it was told of the end".to_owned());
        }
    }
    violations
}

fn was_asked_for(history: &History<'_>, shard: &ShardHistory<'_>, ended_t: u64) -> bool {
    let asked = |tenure: &Tenure<'_>| {
        tenure.shard_ended_t.is_some_and(|told_t| {
            tenure.asks.iter().filter(|ask| told_t <= ask.t && ask.t <= ended_t).any(|ask| {
                let Wish { place, handed, .. } = ask.wish;
                place.is_none_or(|place| *place == Place::ShardEnd || handed == Some(place))
            })
        })
    };
    history.tenures_of(shard).any(asked)
}
