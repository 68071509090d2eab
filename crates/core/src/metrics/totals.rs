//! Numbers that are kept for as long as the process runs, to be read at any time.

use std::collections::BTreeMap;

use super::{Datum, Key, Kind, Metric, Selection, Source, Statistics};
use crate::id::ShardId;
use crate::time::Timestamp;

/// Up to which milliseconds what takes time is counted together.
pub const BOUNDS_MILLIS: [f64; 8] =
    [10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 60_000.0];

/// So many shards that no worker has any more are kept until they are told of: while nobody
/// listens, those that were left first are forgotten.
const LEFT_MAX: usize = 1_000;

/// Adds numbers up, each under its key.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    selection: Selection,
    series: BTreeMap<Key, Series>,
    /// The shards that workers have, and how many workers have each: in one process one may have
    /// what another one is about to give up.
    held: BTreeMap<ShardId, usize>,
    /// The shards that no worker has any more, and that are still told of; and how many others were
    /// left before, so that one that was left twice is told twice.
    left: BTreeMap<ShardId, u64>,
    departures: u64,
}

/// What the numbers under one key have come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The metric, or one of those that have merged.
    pub metric: &'static Metric,
    /// When the first number came.
    pub since: Timestamp,
    /// All of them together.
    pub sum: f64,
    /// How many they are.
    pub count: u64,
    /// What took time: how many up to each of [`BOUNDS_MILLIS`] and beyond the one before; at last,
    /// how many longer ones.
    pub buckets: [u64; BOUNDS_MILLIS.len() + 1],
    /// The last number of each shard; of what is not about a shard, the last one.
    last: BTreeMap<Option<ShardId>, f64>,
}

impl Totals {
    /// Without any number.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self { selection, ..Self::default() }
    }

    /// A worker has this shard from now on.
    pub fn begin(&mut self, shard: &ShardId) {
        *self.held.entry(shard.clone()).or_default() += 1;
        self.left.remove(shard);
    }

    /// A worker does not have this shard any more. How it stood says nothing once no worker here
    /// has it; what has added up is told once more, see [`settle`](Self::settle).
    pub fn end(&mut self, shard: &ShardId) {
        if let Some(workers) = self.held.get_mut(shard).filter(|workers| **workers > 1) {
            *workers -= 1;
            return;
        }
        if self.held.remove(shard).is_none() {
            return;
        }
        self.departures += 1;
        self.left.insert(shard.clone(), self.departures);
        let of = Some(shard.clone());
        self.series.retain(|_, series| series.last.remove(&of).is_none() || !series.is_idle());
        if self.left.len() > LEFT_MAX {
            let first = self.left.iter().min_by_key(|(_, departure)| **departure);
            let first = first.map(|(shard, _)| shard.clone());
            self.left.retain(|shard, _| Some(shard) != first.as_ref());
            self.series.retain(|key, _| first.is_none() || key.shard != first);
        }
    }

    /// Leaves out the shards that nobody had any more when this was told.
    pub fn settle(&mut self, told: &Self) {
        let Self { series, left, .. } = self;
        let is_settled = |shard: &ShardId| {
            left.get(shard).is_some_and(|departure| told.left.get(shard) == Some(departure))
        };
        series.retain(|key, _| !key.shard.as_ref().is_some_and(is_settled));
        left.retain(|shard, departure| told.left.get(shard) != Some(departure));
    }

    /// Takes in what is selected, but for late news of a shard that nobody has any more.
    pub fn record(&mut self, source: Source<'_>, data: &[Datum], date: Timestamp) {
        let is_held = source.shard.is_none_or(|shard| self.held.contains_key(shard));
        let is_told = is_held || source.shard.is_some_and(|shard| self.left.contains_key(shard));
        for Datum { metric, statistics } in data {
            let Some(key) = self.selection.key(metric, source) else { continue };
            let is_late = match metric.kind {
                Kind::Gauge => !is_held,
                Kind::Counter | Kind::Outcome | Kind::Timer => key.shard.is_some() && !is_told,
            };
            if !is_late {
                let series = self.series.entry(key).or_insert_with(|| Series::new(metric, date));
                series.add(*statistics, source.shard);
            }
        }
    }

    /// Everything, ordered by name.
    pub fn series(&self) -> impl Iterator<Item = (&Key, &Series)> {
        self.series.iter()
    }
}

impl Series {
    const fn new(metric: &'static Metric, since: Timestamp) -> Self {
        let buckets = [0; BOUNDS_MILLIS.len() + 1];
        Self { metric, since, sum: 0.0, count: 0, buckets, last: BTreeMap::new() }
    }

    fn add(&mut self, statistics: Statistics, shard: Option<&ShardId>) {
        self.sum += statistics.sum;
        self.count = self.count.saturating_add(statistics.count);
        match self.metric.kind {
            Kind::Counter | Kind::Outcome => {}
            Kind::Gauge => drop(self.last.insert(shard.cloned(), statistics.max)),
            Kind::Timer => {
                let bucket = BOUNDS_MILLIS.partition_point(|bound| *bound < statistics.max);
                self.buckets[bucket] = self.buckets[bucket].saturating_add(statistics.count);
            }
        }
    }

    /// Of something that stands somehow, whether it stands nowhere any more.
    fn is_idle(&self) -> bool {
        self.last.is_empty()
    }

    /// Of something that stands somehow: how. Where several shards are one series, that of the
    /// highest.
    #[must_use]
    pub fn standing(&self) -> f64 {
        self.last.values().copied().reduce(f64::max).unwrap_or_default()
    }

    /// Of something that succeeds or fails: how often it failed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub fn failures(&self) -> f64 {
        self.count as f64 - self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::{APPLICATION_LAG, PROCESS, RECORDS_PROCESSED, SHARD_LAG};
    use crate::metrics::tests::{shard, worker};

    const DATE: Timestamp = Timestamp::from_millis(7);

    /// With so many shards held.
    fn totals(shards: u32) -> Totals {
        let mut totals = Totals::default();
        (0..shards).for_each(|of| totals.begin(&shard(of)));
        totals
    }

    fn record(totals: &mut Totals, of: u32, data: &[Datum]) {
        let (worker, shard) = (worker(), shard(of));
        let source = Source { worker: &worker, shard: Some(&shard), stream: None };
        totals.record(source, data, DATE);
    }

    fn only(totals: &Totals) -> Series {
        let all: Vec<_> = totals.series().map(|(_, series)| series.clone()).collect();
        <[Series; 1]>::try_from(all).unwrap().into_iter().next().unwrap()
    }

    fn shards(totals: &Totals) -> Vec<Option<ShardId>> {
        totals.series().map(|(key, _)| key.shard.clone()).collect()
    }

    #[test]
    fn what_adds_up_is_added_up_and_how_it_stands_is_the_last_word() {
        let mut totals = totals(1);
        for number in [5.0, 3.0] {
            record(&mut totals, 0, &[SHARD_LAG.of(number)]);
        }
        let series = only(&totals);
        assert_eq!((series.sum, series.count, series.standing()), (8.0, 2, 3.0));
    }

    #[test]
    fn times_are_counted_by_the_least_bound_that_holds_them() {
        let mut totals = totals(1);
        for millis in [0.0, 10.0, 10.5, 60_000.0, 60_001.0] {
            record(&mut totals, 0, &[PROCESS.time.of(millis)]);
        }
        assert_eq!(only(&totals).buckets, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn shards_that_are_one_series_stand_where_the_highest_does() {
        let mut totals = totals(2);
        for (of, lag) in [(0, 9.0), (1, 70.0), (0, 5.0)] {
            record(&mut totals, of, &[APPLICATION_LAG.of(lag)]);
        }
        assert_eq!(only(&totals).standing(), 70.0);
        totals.end(&shard(1));
        assert_eq!(only(&totals).standing(), 5.0);
        totals.end(&shard(0));
        assert!(shards(&totals).is_empty());
    }

    #[test]
    fn of_a_shard_that_is_left_only_what_adds_up_is_told_once_more() {
        let mut totals = totals(2);
        for of in [0, 1] {
            record(&mut totals, of, &[SHARD_LAG.of(1.0), RECORDS_PROCESSED.of(1.0)]);
        }
        totals.end(&shard(0));
        assert_eq!(shards(&totals), [Some(shard(1)), Some(shard(0)), Some(shard(1))]);
        let told = totals.clone();
        totals.settle(&told);
        assert_eq!(shards(&totals), [Some(shard(1)), Some(shard(1))]);
        record(&mut totals, 0, &[SHARD_LAG.of(1.0), RECORDS_PROCESSED.of(1.0)]);
        assert_eq!(shards(&totals).len(), 2, "late news");
    }

    #[test]
    fn a_shard_that_comes_back_before_that_was_told_goes_on() {
        let mut totals = totals(1);
        record(&mut totals, 0, &[RECORDS_PROCESSED.of(1.0)]);
        totals.end(&shard(0));
        let told = totals.clone();
        totals.begin(&shard(0));
        totals.settle(&told);
        record(&mut totals, 0, &[RECORDS_PROCESSED.of(1.0)]);
        assert_eq!(only(&totals).sum, 2.0);
    }

    #[test]
    fn a_shard_that_is_left_again_meanwhile_is_told_again() {
        let mut totals = totals(1);
        record(&mut totals, 0, &[RECORDS_PROCESSED.of(1.0)]);
        totals.end(&shard(0));
        let told = totals.clone();
        totals.begin(&shard(0));
        record(&mut totals, 0, &[RECORDS_PROCESSED.of(1.0)]);
        totals.end(&shard(0));
        totals.settle(&told);
        assert_eq!(only(&totals).sum, 2.0);
    }

    #[test]
    fn of_two_workers_that_have_a_shard_the_first_to_leave_changes_nothing() {
        let mut totals = totals(1);
        totals.begin(&shard(0));
        totals.end(&shard(0));
        record(&mut totals, 0, &[SHARD_LAG.of(1.0)]);
        assert_eq!(only(&totals).standing(), 1.0);
    }

    #[test]
    fn of_the_shards_that_nobody_was_told_of_the_first_that_were_left_are_forgotten() {
        let mut totals = Totals::default();
        let more = 10;
        for of in 0..u32::try_from(LEFT_MAX).unwrap() + more {
            totals.begin(&shard(of));
            record(&mut totals, of, &[RECORDS_PROCESSED.of(1.0)]);
            totals.end(&shard(of));
        }
        let kept = shards(&totals);
        assert_eq!(kept.len(), LEFT_MAX);
        assert!((0..more).all(|of| !kept.contains(&Some(shard(of)))));
        totals.settle(&totals.clone());
        assert!(shards(&totals).is_empty());
    }

    #[test]
    fn failures_are_what_did_not_succeed() {
        let mut totals = totals(1);
        for success in [true, false, true, false, false] {
            record(&mut totals, 0, &[PROCESS.success.was(success)]);
        }
        assert_eq!((only(&totals).sum, only(&totals).failures()), (2.0, 3.0));
    }
}
