//! I6: SHARD_END is earned.

use super::{some_records, violation};
use crate::history::{History, ShardHistory};
use crate::place::Place;
use crate::tenure::Tenure;
use crate::verdict::{Invariant, Violation};

/// A lease is marked as ended only if the shard has child shards, every record of it was handed
/// before, and a processor that was told of the end then asked for the checkpoint.
///
/// A shard that went with its stream has no children either; such a run is not for this referee.
/// What the processor's end call returned is in no journal.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let Some(ended_t) = shard.ended_t().filter(|t| *t > 0) else { continue };
        let mut blame = |text: String| {
            let text = format!("ended at t={ended_t}: {text}");
            violations.push(violation(Invariant::ShardEndEarned, id, text));
        };
        if shard.children.is_empty() {
            blame("the stream has no child shard of it".to_owned());
        }
        let due = shard.first_due..shard.puts.len();
        let missing = due.filter(|put| shard.first_hands[*put].is_none_or(|hand| hand.t > ended_t));
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
                ask.place.is_none_or(|place| *place == Place::ShardEnd || ask.handed == Some(place))
            })
        })
    };
    history.tenures_of(shard).any(asked)
}
