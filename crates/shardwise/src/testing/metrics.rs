//! A sink that keeps what it is told.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use shardwise_core::id::ShardId;
use shardwise_core::metrics::totals::{Series, Totals};
use shardwise_core::metrics::{Datum, Dimension, Metric, Operation, Source};
use shardwise_core::time::Timestamp;

use crate::metrics::MetricsSink;

#[derive(Default)]
pub(crate) struct Recording {
    state: Mutex<State>,
    hangs: bool,
}

#[derive(Default)]
struct State {
    totals: Totals,
    told: BTreeSet<(Operation, &'static str)>,
    is_flushed: bool,
}

impl Recording {
    /// One that never comes to an end of passing on.
    pub(crate) fn that_hangs() -> Self {
        Self { hangs: true, ..Self::default() }
    }

    /// What a metric has come to, for this shard or worker if it is about one.
    pub(crate) fn of(&self, metric: &Metric, subject: &str) -> Option<Series> {
        let state = self.state();
        let mut all = state.totals.series().filter(|(key, series)| {
            let is_it = (series.metric.operation, key.name) == (metric.operation, metric.name);
            let mut subjects = key.dimensions().filter(|(name, _)| *name != Dimension::Operation);
            is_it && subjects.all(|(_, value)| value == subject)
        });
        all.next().map(|(_, series)| series.clone())
    }

    /// Its numbers together; 0 without any.
    pub(crate) fn sum(&self, metric: &Metric, subject: &str) -> f64 {
        self.of(metric, subject).map_or(0.0, |series| series.sum)
    }

    /// Whether the metric was ever told.
    pub(crate) fn was_told(&self, metric: &Metric) -> bool {
        self.state().told.contains(&(metric.operation, metric.name))
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.state().is_flushed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[async_trait]
impl MetricsSink for Recording {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        let mut state = self.state();
        state.totals.record(source, data, Timestamp::from_millis(0));
        state.told.extend(data.iter().map(|datum| (datum.metric.operation, datum.metric.name)));
    }

    fn begin(&self, shard: &ShardId) {
        self.state().totals.begin(shard);
    }

    fn end(&self, shard: &ShardId) {
        let mut state = self.state();
        state.totals.end(shard);
        let told = state.totals.clone();
        state.totals.settle(&told);
    }

    async fn flush(&self) {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.state().is_flushed = true;
    }
}
