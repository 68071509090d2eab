//! What was handed is what was put.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::verdict::Violation;

/// Every record handed was put at that place of that shard, with the same digest.
///
/// If the producer had errors, a record may be in the stream although its answer never came; a
/// record that no one put is then not judged.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for tenure in &history.tenures {
        let puts = &history.shard(tenure.shard).puts;
        let records = || tenure.batches.iter().flat_map(|batch| &batch.records);
        let altered = || {
            records()
                .filter(|record| record.put.is_some_and(|put| puts[put].digest != record.digest))
        };
        let unknown = || records().filter(|r| r.put.is_none() && !history.producer_had_errors);
        if let Some(first) = altered().next() {
            let (id, count) = (tenure.id, altered().count());
            let text = format!("tenure `{id}`: {count} altered records, first {}", first.place);
            violations.push(violation(Invariant::Content, tenure.shard, text));
        }
        if let Some(first) = unknown().next() {
            let (id, count) = (tenure.id, unknown().count());
            let text = format!("tenure `{id}`: {count} unknown records, first {}", first.place);
            violations.push(violation(Invariant::Content, tenure.shard, text));
        }
    }
    violations
}
