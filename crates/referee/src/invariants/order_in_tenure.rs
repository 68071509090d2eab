//! I3: order inside a tenure.

use super::violation;
use crate::history::History;
use crate::place::Place;
use crate::tenure::Tenure;
use crate::verdict::{Invariant, Violation};

/// Sequence and sub-sequence numbers rise strictly from record to record of a tenure; only a whole
/// batch may come again, at once and byte for byte.
///
/// Whether the processor had failed on a batch that comes again is in no journal.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let backwards = history.tenures.iter().filter_map(|tenure| {
        let (before, after) = step_back(tenure)?;
        let text = format!("tenure `{}` was handed {after} after {before}", tenure.id);
        Some(violation(Invariant::OrderInTenure, tenure.shard, text))
    });
    backwards.collect()
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
