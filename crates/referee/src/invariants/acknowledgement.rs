//! I12: a checkpoint that was told as made was made.

use std::collections::BTreeMap;

use super::violation;
use crate::history::History;
use crate::place::Place;
use crate::tenure::{Answer, Tenure};
use crate::verdict::{Invariant, Violation};

/// When a processor is told that a checkpoint succeeded, a write with that value, made while the
/// processor's worker held the lease, was applied before; or the tenure started at that value, so
/// that there was nothing to write.
///
/// A checkpoint without a place means the last record that was handed, after the shard's end
/// SHARD_END. Writes name no tenure: that of another processor of the same worker counts too, and
/// where a processor does not know its worker, anyone's does.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let mut made: BTreeMap<&Place, Vec<(u64, Option<&str>)>> = BTreeMap::new();
        for (write, before, after) in shard.checkpoints() {
            let holder = before.holder.as_deref();
            made.entry(&after.checkpoint).or_default().push((write.t, holder));
        }
        for tenure in history.tenures_of(shard) {
            let was_made = |place: &Place, told_t: u64| {
                place == tenure.start
                    || made.get(place).into_iter().flatten().any(|(t, holder)| {
                        *t <= told_t && (tenure.worker.is_none() || tenure.worker == *holder)
                    })
            };
            for answer in tenure.answers.iter().filter(|answer| answer.error.is_none()) {
                let places = meanings(tenure, answer);
                if !places.iter().any(|place| was_made(place, answer.t)) {
                    let text = format!(
                        "tenure `{}` was told at t={} that its checkpoint {} was made",
                        tenure.id, answer.t, places[0]
                    );
                    violations.push(violation(Invariant::TruthfulAcknowledgement, id, text));
                }
            }
        }
    }
    violations
}

/// Which values in the row make the answer true.
fn meanings<'a>(tenure: &Tenure<'a>, answer: &Answer<'a>) -> Vec<&'a Place> {
    let has_ended = tenure.shard_ended_t.is_some_and(|told_t| told_t <= answer.t);
    match answer.place {
        None if has_ended => vec![&Place::ShardEnd],
        None => vec![answer.handed.unwrap_or(tenure.start)],
        Some(place) if has_ended && answer.handed == Some(place) => vec![place, &Place::ShardEnd],
        Some(place) => vec![place],
    }
}
