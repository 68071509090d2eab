//! I18: duplicates are bounded.

use std::collections::BTreeMap;

use super::{some_records, violation};
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// A record is handed at most once in each tenure that started before it; a batch that is repeated
/// at once, because the processor failed, counts as one.
///
/// A tenure that starts while an earlier one of the same worker still is handed records adds
/// nothing to the bound: those are two processors on one lease, not a lease that moved on.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let too_many = history.shards.iter().filter_map(|(id, shard)| {
        let allowed = allowed(history, shard);
        let handed = handed(history, shard);
        let above = (0..shard.puts.len()).filter(|put| handed[*put] > allowed[*put].max(1));
        let most = above.clone().map(|put| handed[put]).max()?;
        let records = some_records(&shard.puts, above)?;
        let text = format!("{records}: handed up to {most} times, more than tenures explain");
        Some(violation(Invariant::DuplicatesBounded, id, text))
    });
    too_many.collect()
}

/// How often each record was handed, repeated batches apart.
fn handed(history: &History<'_>, shard: &ShardHistory<'_>) -> Vec<usize> {
    let mut counts = vec![0; shard.puts.len()];
    let batches = history.tenures_of(shard).flat_map(|tenure| &tenure.batches);
    for record in batches.filter(|batch| !batch.is_repeat).flat_map(|batch| &batch.records) {
        if let Some(put) = record.put {
            counts[put] += 1;
        }
    }
    counts
}

/// How many tenures started before each record.
fn allowed(history: &History<'_>, shard: &ShardHistory<'_>) -> Vec<usize> {
    let mut starts = vec![0; shard.puts.len() + 1];
    let mut last_hand_t: BTreeMap<&str, u64> = BTreeMap::new();
    for tenure in history.tenures_of(shard) {
        let last_t = tenure.batches.last().map_or(0, |batch| batch.t);
        if let Some(worker) = tenure.worker {
            let before = last_hand_t.entry(worker).or_default();
            let overlaps = *before > tenure.started_t;
            *before = last_t.max(*before);
            if overlaps {
                continue;
            }
        }
        let first = match tenure.start {
            Place::Latest | Place::AtTimestamp => {
                let mut records = tenure.batches.iter().flat_map(|batch| &batch.records);
                records.find_map(|record| record.put).unwrap_or(shard.puts.len())
            }
            Place::TrimHorizon | Place::At(..) | Place::ShardEnd => shard.first_after(tenure.start),
        };
        starts[first] += 1;
    }
    let mut tenures = 0;
    starts.pop();
    for count in &mut starts {
        tenures += *count;
        *count = tenures;
    }
    starts
}
