//! I3: order inside a tenure.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::tenure::{Batch, Tenure};
use crate::verdict::Violation;

/// Sequence and sub-sequence numbers rise strictly from record to record of a tenure; only a whole
/// batch may come again, at once and byte for byte, after the processor failed with it.
///
/// Where journals do not say how processors return, any batch may come again.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let backwards = history.tenures.iter().filter_map(|tenure| {
        let (id, text) = match step_back(tenure) {
            Some((before, after)) => (tenure.id, format!("{after} after {before}")),
            None if !history.knows_returns => return None,
            None => (tenure.id, needless_repetition(tenure)?),
        };
        let text = format!("tenure `{id}` was handed {text}");
        Some(violation(Invariant::OrderInTenure, tenure.shard, text))
    });
    backwards.collect()
}

fn needless_repetition(tenure: &Tenure<'_>) -> Option<String> {
    let had_failed = |batch: &Batch<'_>| batch.done.is_some_and(|done| done.failed);
    let needless = |pair: &&[Batch<'_>]| pair[1].is_repeat && !had_failed(&pair[0]);
    let pair = tenure.batches.windows(2).find(needless)?;
    let place = pair[1].records.first()?.place;
    Some(format!("the batch at {place} again at t={}, though it had not failed", pair[1].t))
}

fn step_back<'a>(tenure: &Tenure<'a>) -> Option<(&'a Place, &'a Place)> {
    let mut last: Option<&Place> = None;
    for record in
        tenure.batches.iter().filter(|batch| !batch.is_repeat).flat_map(|batch| &batch.records)
    {
        if let Some(last) = last.filter(|last| record.place <= *last) {
            return Some((last, record.place));
        }
        last = Some(record.place);
    }
    None
}
