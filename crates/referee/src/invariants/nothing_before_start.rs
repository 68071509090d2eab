//! I4: nothing at or before its start is handed in a tenure.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::verdict::Violation;

/// No record at or before the start of a tenure is handed in it.
///
/// LATEST and AT_TIMESTAMP mean places that are in no journal, so a tenure that starts there is
/// not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let early = history.tenures.iter().filter_map(|tenure| {
        let records = tenure.batches.iter().flat_map(|batch| &batch.records);
        let mut early = records.filter(|record| record.place <= tenure.start);
        let first = early.next()?.place;
        let text = format!(
            "tenure `{}` starts after {} and was handed {} records up to there, first {first}",
            tenure.id,
            tenure.start,
            1 + early.count()
        );
        Some(violation(Invariant::NothingBeforeStart, tenure.shard, text))
    });
    early.collect()
}
