//! I12: a checkpoint that was told as made was made.

use std::collections::HashMap;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::LeaseHistory;
use crate::place::Place;
use crate::tenure::{Answer, Tenure};
use crate::verdict::Violation;

/// When a processor is told that a checkpoint succeeded, a write with that value, by the
/// processor's worker, was applied before; or the tenure started at that value, so that there was
/// nothing to write. The same holds for a checkpoint that was prepared, and the write that
/// prepared it; one where the last checkpoint lies needs no write either.
///
/// A checkpoint without a place means the last record that was handed, after the shard's end
/// SHARD_END. Where the senders of writes are not known, whoever held the lease counts as the
/// sender. Writes name no tenure: that of another processor of the same worker counts too, and
/// where a processor does not know its worker, anyone's does.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let made = Made::of(&shard.lease);
        for tenure in history.tenures_of(shard) {
            let answers = tenure.answers.iter().map(|answer| (answer, "its checkpoint"));
            let prepared = tenure.prepared.iter().map(|answer| (answer, "its preparation of"));
            for (answer, what) in answers.chain(prepared) {
                let is_prepared = what != "its checkpoint";
                if answer.error.is_some() || made.explains(tenure, answer, is_prepared) {
                    continue;
                }
                let place = answer.wish.meant(tenure.start).next().unwrap_or(tenure.start);
                let (tenure, t) = (tenure.id, answer.t);
                let text =
                    format!("tenure `{tenure}` was told at t={t} that {what} {place} was made");
                violations.push(violation(Invariant::TruthfulAcknowledgement, id, text));
            }
        }
    }
    violations
}

/// When each value was written, and by whom.
#[derive(Default)]
struct Made<'a> {
    checkpoints: Writes<'a>,
    prepared: Writes<'a>,
}

type Writes<'a> = HashMap<&'a Place, Vec<(u64, Option<&'a str>)>>;

impl<'a> Made<'a> {
    fn of(lease: &LeaseHistory<'a>) -> Self {
        let mut made = Self::default();
        for (write, before, after) in lease.changes() {
            let by = write.by.or(before.holder.as_deref());
            if before.checkpoint != after.checkpoint {
                made.checkpoints.entry(&after.checkpoint).or_default().push((write.t, by));
            }
            if let Some(pending) = &after.pending
                && before.counter != after.counter
            {
                made.prepared.entry(pending).or_default().push((write.t, by));
            }
        }
        made
    }

    fn explains(&self, tenure: &Tenure<'a>, answer: &Answer<'a>, is_prepared: bool) -> bool {
        let is_by_then = |(t, by): &(u64, Option<&str>)| {
            *t <= answer.t && (tenure.worker.is_none() || tenure.worker == *by)
        };
        let was_made = |place: &Place| {
            let made =
                |writes: &Writes<'_>| writes.get(place).into_iter().flatten().any(is_by_then);
            place == tenure.start || made(&self.checkpoints) || is_prepared && made(&self.prepared)
        };
        let has_ended = tenure.shard_ended_t.is_some_and(|told_t| told_t <= answer.t);
        let wish = &answer.wish;
        if has_ended && (wish.place.is_none() || wish.place == wish.handed) {
            let is_named = wish.place.is_some_and(was_made);
            return is_named || was_made(&Place::ShardEnd);
        }
        // Behind a batch that failed, the last checkpoint may lie past what was processed.
        let mut meant = wish.meant(tenure.start);
        let (first, second) = (meant.next(), meant.next());
        let between = || match (second, first) {
            (Some(from), Some(until)) => self.checkpoints.iter().any(|(place, made)| {
                from <= *place && *place <= until && made.iter().any(is_by_then)
            }),
            (Some(_) | None, _) => false,
        };
        first.into_iter().chain(second).any(was_made) || between()
    }
}
