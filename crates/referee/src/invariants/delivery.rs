//! I8: everything is delivered.

use super::{some_records, violation};
use crate::gap::Gap;
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::put::Put;
use crate::shard::ShardHistory;
use crate::tenure::Tenure;
use crate::verdict::Violation;

/// At the end of the run every acknowledged record, from the application's start on, was handed at
/// least once.
///
/// The journals must end after a quiet phase that was long enough. Where the application starts at
/// LATEST or AT_TIMESTAMP, its start is the first record handed.
///
/// Records that retention removed are excused, but the application has to say so, where journals
/// say what it said: in each tenure that passes over such records, a gap that they lie in, before
/// it hands on what is behind them or comes to the shard's end. A gap that begins where the tenure
/// does may have been told before it by the same worker, which tells it once while it holds the
/// lease. What lay before a tenure's first record is excused from that if the tenure starts at no
/// record: nobody can know of it. Where a gap is said to be, the record at which it begins must be
/// gone, or never have been one, and so must all that it covers.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let due = shard.first_due..shard.puts.len();
        let lost = due.filter(|put| !shard.trimmed[*put] && shard.first_hands[*put].is_none());
        if let Some(records) = some_records(&shard.puts, lost) {
            violations.push((id, format!("never handed: {records}")));
        }
        if history.knows_gaps {
            let tenures = history.tenures_of(shard);
            let untold = tenures.filter_map(|tenure| passed_over_untold(shard, tenure));
            violations.extend(untold.map(|text| (id, text)));
            let wrong = shard.gaps.iter().filter_map(|gap| told_wrongly(history, shard, gap));
            violations.extend(wrong.map(|text| (id, text)));
        }
    }
    violations
        .into_iter()
        .map(|(id, text)| violation(Invariant::EverythingDelivered, id, text))
        .collect()
}

fn passed_over_untold(shard: &ShardHistory<'_>, tenure: &Tenure<'_>) -> Option<String> {
    let is_told = |put: &usize, t: u64| {
        shard.gaps.iter().any(|gap| {
            let taken_t = || shard.lease.taken_before(&gap.worker, tenure.started_t);
            let is_told_before =
                || gap.after == *tenure.start && taken_t().is_some_and(|taken_t| taken_t <= gap.t);
            let is_news = tenure.started_t <= gap.t || is_told_before();
            let is_its_own = tenure.worker.is_none_or(|worker| worker == gap.worker);
            is_news && gap.t <= t && is_its_own && gap.covers(&shard.puts[*put].place)
        })
    };
    let mut next = match tenure.start {
        place @ Place::At(..) => Some(shard.first_after(place)),
        Place::TrimHorizon | Place::Latest | Place::AtTimestamp | Place::ShardEnd => None,
    };
    let mut untold = Vec::new();
    let mut pass = |from: Option<usize>, to: usize, t: u64| {
        let lost = (from.unwrap_or(to)..to).filter(|put| shard.is_lost_to_retention(*put));
        untold.extend(lost.filter(|put| !is_told(put, t)));
    };
    for batch in &tenure.batches {
        for put in batch.records.iter().filter_map(|record| record.put) {
            pass(next, put, batch.t);
            next = next.max(Some(put + 1));
        }
    }
    if let Some(t) = tenure.shard_ended_t {
        pass(next, shard.puts.len(), t);
    }
    let records = some_records(&shard.puts, untold.into_iter())?;
    Some(format!("tenure `{}` does not tell that retention removed {records}", tenure.id))
}

/// What a gap says of records that the stream still had: the one at which it begins, or one that it
/// covers.
fn told_wrongly(history: &History<'_>, shard: &ShardHistory<'_>, gap: &Gap) -> Option<String> {
    let retention = history.retention?;
    let begins_at = |place: &Place| match (&gap.after, place) {
        (Place::At(after, _), Place::At(number, _)) => after == number,
        _ => false,
    };
    let is_wrong = |put: &&&Put| {
        let is_there = put.t <= gap.t && gap.t < put.t + retention;
        is_there && (begins_at(&put.place) || gap.covers(&put.place))
    };
    let put = shard.puts.iter().find(is_wrong)?;
    let Gap { t, worker, after, .. } = gap;
    let text = format!("`{worker}` tells of a gap behind {after} at t={t}");
    Some(format!("{text}, and the stream has {}", put.place))
}
