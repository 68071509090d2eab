//! I2: a tenure starts at the row's checkpoint, and leaves nothing out.

use super::{some_records, violation};
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::shard::ShardHistory;
use crate::tenure::Tenure;
use crate::verdict::Violation;

/// The records handed in a tenure follow each other without a hole, from right after its start on;
/// and the start is a checkpoint that the row had since the worker took the lease, or, if the
/// worker had an earlier tenure of it, since the last event of that one. Where the terms say that
/// batches are retried, one that failed counts as handed only if it comes again at once.
///
/// Order is not judged here (I3). A tenure that starts at LATEST or AT_TIMESTAMP begins, for this
/// purpose, with the first record it was handed. Where a processor does not know its worker, any
/// checkpoint that the row ever had by then is accepted. Records put without an answer to the
/// producer are in no journal; those that retention removed before the tenure came to what is
/// behind them are excused, and so are those before the application's date.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let since = history.reads_since(shard);
        for (tenure, since) in history.tenures_of(shard).zip(since) {
            violations.extend(wrong_start(shard, tenure, since).map(|text| (id, text)));
            violations.extend(hole(history, shard, tenure).map(|text| (id, text)));
            if history.terms.is_some_and(|terms| terms.retries) && tenure.skips() {
                let text = format!("tenure `{}` passes over a batch that failed", tenure.id);
                violations.push((id, text));
            }
        }
    }
    violations
        .into_iter()
        .map(|(id, text)| violation(Invariant::NoHoleInTenure, id, text))
        .collect()
}

fn hole(history: &History<'_>, shard: &ShardHistory<'_>, tenure: &Tenure<'_>) -> Option<String> {
    let mut handed: Vec<(usize, u64)> = Vec::new();
    for batch in &tenure.batches {
        handed.extend(batch.records.iter().filter_map(|record| Some((record.put?, batch.t))));
    }
    handed.sort_unstable();
    let mut expected = match tenure.start {
        Place::Latest | Place::AtTimestamp => handed.first()?.0,
        Place::TrimHorizon => shard.first_wanted,
        Place::At(..) | Place::ShardEnd => shard.first_after(tenure.start),
    };
    let mut holes = Vec::new();
    for (put, t) in handed {
        let is_gone = |put: &usize| {
            let removed_t = history.retention.map(|retention| shard.puts[*put].t + retention);
            shard.trimmed[*put] || removed_t.is_some_and(|removed_t| removed_t <= t)
        };
        holes.extend((expected..put).filter(|put| !is_gone(put)));
        expected = expected.max(put + 1);
    }
    let records = some_records(&shard.puts, holes.into_iter())?;
    Some(format!("tenure `{}` from {} on leaves out {records}", tenure.id, tenure.start))
}

fn wrong_start(
    shard: &ShardHistory<'_>,
    tenure: &Tenure<'_>,
    since: Option<u64>,
) -> Option<String> {
    let (id, start, started_t) = (tenure.id, tenure.start, tenure.started_t);
    shard.lease.writes.first()?;
    let Some(since) = since else {
        let worker = tenure.worker.unwrap_or_default();
        return Some(format!("tenure `{id}`: `{worker}` had not taken the lease"));
    };
    let was_there = shard.lease.rows_between(since, started_t).any(|row| row.checkpoint == *start);
    (!was_there).then(|| {
        let row = shard.lease.checkpoint_at(started_t).unwrap_or(&Place::TrimHorizon);
        format!("tenure `{id}` starts at {start}, while the row says {row}")
    })
}
