//! Metrics: what a worker counts, and who is told.
//!
//! Nobody is, unless [the worker is given sinks](crate::Worker::with_metrics). What there is to
//! count is in [`catalogue`], under KCL's names.

#[cfg(feature = "cloudwatch")]
pub mod cloudwatch;
mod events;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "prometheus")]
pub mod prometheus;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use shardwise_core::config::Config;
use shardwise_core::id::{ShardId, StreamName, WorkerId};
use shardwise_core::time::Time;
use tracing::warn;

pub use shardwise_core::metrics::buffer::Limits;
pub use shardwise_core::metrics::{
    By, Datum, Dimension, Kind, Level, Metric, Operation, Origin, Selection, Source, Statistics,
    Unit, catalogue,
};

use crate::clock::{Clock, within};

/// Who is told what a worker counts.
#[async_trait]
pub trait MetricsSink: Send + Sync + 'static {
    /// Takes numbers in. It is called often and from anywhere in the worker, so it neither waits
    /// nor fails: what it cannot take it drops.
    fn record(&self, source: Source<'_>, data: &[Datum]);

    /// A worker processes this shard from now on. The default does nothing.
    fn begin(&self, shard: &ShardId) {
        let _ = shard;
    }

    /// A worker does not process this shard any more: how it stood is no longer for this worker to
    /// say. The default does nothing.
    fn end(&self, shard: &ShardId) {
        let _ = shard;
    }

    /// Passes on what was taken in so far. A worker that stops waits for this, up to 5 s and not
    /// beyond its grace. The default does nothing.
    async fn flush(&self) {}
}

/// A worker's way to its sinks. Without any it does nothing, and costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Option<Arc<Inner>>);

struct Inner {
    worker: WorkerId,
    /// The stream, if it is known by its ARN.
    stream: Option<StreamName>,
    clock: Arc<dyn Clock>,
    sinks: Vec<Arc<dyn MetricsSink>>,
}

impl Metrics {
    pub(crate) fn new(
        config: &Config,
        clock: &Arc<dyn Clock>,
        sinks: Vec<Arc<dyn MetricsSink>>,
    ) -> Self {
        if sinks.is_empty() {
            return Self(None);
        }
        let stream = config.stream_arn.as_ref().map(|_| config.stream_name.clone());
        let (worker, clock) = (config.worker_id.clone(), Arc::clone(clock));
        Self(Some(Arc::new(Inner { worker, stream, clock, sinks })))
    }

    /// Tells numbers that are not about a shard.
    pub(crate) fn tell(&self, data: &[Datum]) {
        self.tell_of(None, data);
    }

    fn tell_of(&self, shard: Option<&ShardId>, data: &[Datum]) {
        if let Some(inner) = &self.0 {
            inner.tell(shard, data);
        }
    }

    /// Tells of a call that began at `began` and ends now.
    pub(crate) fn ended(&self, call: &'static catalogue::Call, began: Time, success: bool) {
        if let Some(inner) = &self.0 {
            inner.ended(None, call, began, success);
        }
    }

    /// Makes a call, and tells of it. One that is dropped half-way is not told of.
    pub(crate) async fn measured<T, E>(
        &self,
        call: &'static catalogue::Call,
        shard: Option<&ShardId>,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(inner) = &self.0 else { return future.await };
        let began = inner.clock.now();
        let result = future.await;
        inner.ended(shard, call, began, result.is_ok());
        result
    }

    pub(crate) fn begin(&self, shard: &ShardId) {
        self.sinks().for_each(|sink| sink.begin(shard));
    }

    pub(crate) fn end(&self, shard: &ShardId) {
        self.sinks().for_each(|sink| sink.end(shard));
    }

    fn sinks(&self) -> impl Iterator<Item = &Arc<dyn MetricsSink>> {
        self.0.iter().flat_map(|inner| &inner.sinks)
    }

    /// Has every sink pass on what it has, within the limit.
    pub(crate) async fn flush(&self, limit: Duration) {
        let Some(inner) = &self.0 else { return };
        let all = join_all(self.sinks().map(|sink| sink.flush()));
        if within(&*inner.clock, limit, all).await.is_none() {
            warn!("metrics of the last seconds are lost: no more time");
        }
    }
}

impl Inner {
    fn tell(&self, shard: Option<&ShardId>, data: &[Datum]) {
        let source = Source { worker: &self.worker, shard, stream: self.stream.as_ref() };
        self.sinks.iter().for_each(|sink| sink.record(source, data));
    }

    fn ended(
        &self,
        shard: Option<&ShardId>,
        call: &'static catalogue::Call,
        began: Time,
        success: bool,
    ) {
        let took = self.clock.now().since(began);
        self.tell(shard, &[call.success.was(success), call.time.took(took)]);
    }
}
