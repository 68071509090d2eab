//! I2: a tenure starts at the row's checkpoint, and leaves nothing out.

use super::{some_records, violation};
use crate::history::{History, ShardHistory};
use crate::place::Place;
use crate::tenure::Tenure;
use crate::verdict::{Invariant, Violation};

/// The records handed in a tenure follow each other without a hole, from right after its start on;
/// and the start is a checkpoint that the row had since the worker took the lease, or, if the
/// worker had an earlier tenure of it, since the last event of that one.
///
/// Order is not judged here (I3). A tenure that starts at LATEST or AT_TIMESTAMP begins, for this
/// purpose, with the first record it was handed. Where a processor does not know its worker, any
/// checkpoint that the row ever had by then is accepted. Records put without an answer to the
/// producer, and records that retention removed, are in no journal.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        for (nth, tenure) in history.tenures_of(shard).enumerate() {
            let earlier = history.tenures_of(shard).take(nth);
            violations.extend(wrong_start(shard, tenure, earlier).map(|text| (id, text)));
            violations.extend(hole(shard, tenure).map(|text| (id, text)));
        }
    }
    violations
        .into_iter()
        .map(|(id, text)| violation(Invariant::NoHoleInTenure, id, text))
        .collect()
}

fn hole(shard: &ShardHistory<'_>, tenure: &Tenure<'_>) -> Option<String> {
    let mut handed: Vec<usize> =
        tenure.batches.iter().flat_map(|batch| &batch.records).filter_map(|r| r.put).collect();
    handed.sort_unstable();
    let mut expected = match tenure.start {
        Place::Latest | Place::AtTimestamp => *handed.first()?,
        Place::TrimHorizon | Place::At(..) | Place::ShardEnd => shard.first_after(tenure.start),
    };
    let mut holes = Vec::new();
    for put in handed {
        holes.extend(expected..put);
        expected = expected.max(put + 1);
    }
    let records = some_records(&shard.puts, holes.into_iter())?;
    Some(format!("tenure `{}` from {} on leaves out {records}", tenure.id, tenure.start))
}

fn wrong_start<'a>(
    shard: &ShardHistory<'_>,
    tenure: &Tenure<'_>,
    earlier: impl Iterator<Item = &'a Tenure<'a>>,
) -> Option<String> {
    let (id, start, started_t) = (tenure.id, tenure.start, tenure.started_t);
    let first = shard.writes.first()?;
    let since = match tenure.worker {
        None => 0,
        Some(worker) => {
            let holds = |holder: Option<&str>| holder == Some(worker);
            let take =
                shard.writes.iter().rev().filter(|write| write.t <= started_t).find(|write| {
                    holds(write.after.and_then(|row| row.holder.as_deref()))
                        && !holds(write.before.and_then(|row| row.holder.as_deref()))
                });
            let held_before = holds(first.before.and_then(|row| row.holder.as_deref()));
            let Some(taken_t) = take.map(|write| write.t).or(held_before.then_some(0)) else {
                return Some(format!("tenure `{id}`: `{worker}` had not taken the lease"));
            };
            let ended = earlier.filter(|other| other.worker == tenure.worker);
            ended.map(|other| other.last_t).filter(|t| *t <= started_t).fold(taken_t, u64::max)
        }
    };
    let is_start = |place: Option<&Place>| place == Some(start);
    let begin = shard.writes.partition_point(|write| write.t <= since);
    let end = shard.writes.partition_point(|write| write.t <= started_t);
    let mut later = shard.writes[begin..end].iter();
    let was_there = is_start(shard.checkpoint_at(since))
        || later.any(|write| is_start(write.after.map(|row| &row.checkpoint)));
    (!was_there).then(|| {
        let row = shard.checkpoint_at(started_t).unwrap_or(&Place::TrimHorizon);
        format!("tenure `{id}` starts at {start}, while the row says {row}")
    })
}
