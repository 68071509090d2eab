//! What is measured, and what is kept of it.
//!
//! Each metric is an entry of the [`catalogue`]. Its numbers merge into [`Statistics`]; those that
//! the same dimensions tell apart are kept together: in a [`Buffer`](buffer::Buffer) until they are
//! sent, or in [`Totals`](totals::Totals) for as long as the process runs.

pub mod buffer;
pub mod catalogue;
pub mod names;
pub mod prometheus;
pub mod totals;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{ShardId, StreamName, WorkerId};

/// One metric: an entry of the [`catalogue`].
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// What was being done.
    pub operation: Operation,
    /// What tells its numbers apart, beside the operation.
    pub by: By,
    /// How its numbers are to be read.
    pub kind: Kind,
    /// Their unit.
    pub unit: Unit,
    /// From which level on it is kept.
    pub level: Level,
    /// Whose it is.
    pub origin: Origin,
    /// What it says.
    pub note: &'static str,
}

/// What was being done: KCL's names, and one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// All shards of the application together.
    ApplicationTracker,
    /// A processor is told which shard it has.
    InitializeTask,
    /// Who looks for holes is decided.
    LeaderDecider,
    /// The worker looks for leases that bear its name from an earlier life.
    LeaseRenewerInitialize,
    /// The leader looks for holes in the hash range.
    PeriodicShardSyncManager,
    /// Records are fetched and processed.
    ProcessTask,
    /// Ours: a shard is read, whichever way.
    ReadTask,
    /// Held leases are renewed.
    RenewAllLeases,
    /// The worker gets ready.
    SchedulerInitialize,
    /// Leases are made to match shards.
    ShardSyncTask,
    /// A processor is told why it ends.
    ShutdownTask,
    /// Leases are looked for, and taken.
    TakeLeases,
}

impl Operation {
    /// The name, as the value of the dimension `Operation`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplicationTracker => "ApplicationTracker",
            Self::InitializeTask => "InitializeTask",
            Self::LeaderDecider => "LeaderDecider",
            Self::LeaseRenewerInitialize => "LeaseRenewerInitialize",
            Self::PeriodicShardSyncManager => "PeriodicShardSyncManager",
            Self::ProcessTask => "ProcessTask",
            Self::ReadTask => "ReadTask",
            Self::RenewAllLeases => "RenewAllLeases",
            Self::SchedulerInitialize => "Scheduler:Initialize",
            Self::ShardSyncTask => "ShardSyncTask",
            Self::ShutdownTask => "ShutdownTask",
            Self::TakeLeases => "TakeLeases",
        }
    }
}

/// What tells a metric's numbers apart, beside the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Nothing: the application has one.
    Application,
    /// The shard.
    Shard,
    /// The stream, if it is known by its ARN.
    Stream,
    /// The shard, and the stream as well.
    ShardOfStream,
    /// The worker.
    Worker,
}

impl By {
    /// The dimensions.
    #[must_use]
    pub const fn dimensions(self) -> &'static [Dimension] {
        match self {
            Self::Application => &[],
            Self::Shard => &[Dimension::ShardId],
            Self::Stream => &[Dimension::StreamId],
            Self::ShardOfStream => &[Dimension::ShardId, Dimension::StreamId],
            Self::Worker => &[Dimension::WorkerIdentifier],
        }
    }
}

/// How a metric's numbers are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that adds up.
    Counter,
    /// 1 for each success, 0 for each failure.
    Outcome,
    /// How long something took.
    Timer,
    /// How something stands.
    Gauge,
}

/// A unit of CloudWatch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What KCL calls SUMMARY.
    Summary,
    /// Everything.
    #[default]
    Detailed,
}

/// Whose metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// KCL has it under the same name.
    Kcl,
    /// It is ours.
    Own,
}

/// What numbers are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// What was being done.
    Operation,
    /// The shard.
    ShardId,
    /// The stream.
    StreamId,
    /// The worker.
    WorkerIdentifier,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 4] =
        [Self::Operation, Self::ShardId, Self::StreamId, Self::WorkerIdentifier];

    /// Its name in CloudWatch.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operation => "Operation",
            Self::ShardId => "ShardId",
            Self::StreamId => "StreamId",
            Self::WorkerIdentifier => "WorkerIdentifier",
        }
    }
}

/// Numbers that were merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// All of them together.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many they are; never 0.
    pub count: u64,
}

impl Statistics {
    /// One number.
    #[must_use]
    pub const fn of(number: f64) -> Self {
        Self { sum: number, min: number, max: number, count: 1 }
    }

    /// These numbers and others.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            count: self.count.saturating_add(other.count),
        }
    }
}

/// What one metric came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datum {
    /// The metric.
    pub metric: &'static Metric,
    /// Its numbers.
    pub statistics: Statistics,
}

impl Metric {
    /// This number of it.
    #[must_use]
    pub const fn of(&'static self, number: f64) -> Datum {
        Datum { metric: self, statistics: Statistics::of(number) }
    }

    /// So many of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub const fn count(&'static self, number: usize) -> Datum {
        self.of(number as f64)
    }

    /// So long.
    #[must_use]
    pub fn took(&'static self, time: Duration) -> Datum {
        self.of(time.as_secs_f64() * 1_000.0)
    }

    /// Success, or failure.
    #[must_use]
    pub fn was(&'static self, success: bool) -> Datum {
        self.of(f64::from(u8::from(success)))
    }
}

/// Where numbers come from. A metric takes from it what it is told apart by.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The worker.
    pub worker: &'a WorkerId,
    /// The shard, if it is about one.
    pub shard: Option<&'a ShardId>,
    /// The stream, if it is known by its ARN.
    pub stream: Option<&'a StreamName>,
}

/// Which metrics are kept, and what they are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// How much is kept. Default: everything, as KCL. Property: `metricsLevel`.
    pub level: Level,
    /// What numbers are told apart by; those that differ in nothing else merge. Default: all, as
    /// KCL. Property: `metricsEnabledDimensions`.
    pub dimensions: BTreeSet<Dimension>,
    /// Whether those are kept that KCL does not have. Default: yes.
    pub own: bool,
}

impl Default for Selection {
    fn default() -> Self {
        let dimensions = BTreeSet::from(Dimension::ALL);
        Self { level: Level::default(), dimensions, own: true }
    }
}

impl Selection {
    /// What the metric's numbers are kept under; nothing if they are not kept.
    #[must_use]
    pub fn key(&self, metric: &'static Metric, source: Source<'_>) -> Option<Key> {
        if metric.level > self.level || (metric.origin == Origin::Own && !self.own) {
            return None;
        }
        let is_enabled = |dimension| self.dimensions.contains(&dimension);
        let has = |dimension| metric.by.dimensions().contains(&dimension) && is_enabled(dimension);
        Some(Key {
            name: metric.name,
            operation: is_enabled(Dimension::Operation).then_some(metric.operation),
            shard: source.shard.filter(|_| has(Dimension::ShardId)).cloned(),
            stream: source.stream.filter(|_| has(Dimension::StreamId)).cloned(),
            worker: has(Dimension::WorkerIdentifier).then(|| source.worker.clone()),
        })
    }
}

/// A metric's name, and the dimensions that are left of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The metric's name in CloudWatch.
    pub name: &'static str,
    operation: Option<Operation>,
    shard: Option<ShardId>,
    stream: Option<StreamName>,
    worker: Option<WorkerId>,
}

impl Key {
    /// The dimensions and their values.
    pub fn dimensions(&self) -> impl Iterator<Item = (Dimension, &str)> {
        let operation = self.operation.map(|operation| (Dimension::Operation, operation.name()));
        let shard = self.shard.as_ref().map(|shard| (Dimension::ShardId, shard.as_str()));
        let stream = self.stream.as_ref().map(|stream| (Dimension::StreamId, stream.as_str()));
        let worker = self.worker.as_ref();
        let worker = worker.map(|worker| (Dimension::WorkerIdentifier, worker.as_str()));
        [operation, shard, stream, worker].into_iter().flatten()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn worker() -> WorkerId {
        WorkerId::new("worker").unwrap()
    }

    pub(crate) fn shard(index: u32) -> ShardId {
        ShardId::new(format!("shard-{index}")).unwrap()
    }

    fn dimensions(selection: &Selection, metric: &'static Metric) -> Option<String> {
        let (worker, shard, stream) = (worker(), shard(0), StreamName::new("orders").unwrap());
        let source = Source { worker: &worker, shard: Some(&shard), stream: Some(&stream) };
        let key = selection.key(metric, source)?;
        let all = key.dimensions().map(|(name, value)| format!("{} {value}", name.name()));
        Some(all.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_metric_takes_what_it_is_told_apart_by() {
        let all = Selection::default();
        for (metric, expected) in [
            (&catalogue::PROCESS.success, "Operation ProcessTask, ShardId shard-0"),
            (&catalogue::CURRENT_LEASES, "Operation RenewAllLeases, WorkerIdentifier worker"),
            (&catalogue::APPLICATION_LAG, "Operation ApplicationTracker"),
            (
                &catalogue::GET_RECORDS.time,
                "Operation ProcessTask, ShardId shard-0, StreamId orders",
            ),
            (&catalogue::EXPIRED_ITERATOR, "Operation ProcessTask, StreamId orders"),
        ] {
            assert_eq!(dimensions(&all, metric).as_deref(), Some(expected));
        }
    }

    #[test]
    fn dimensions_that_are_not_enabled_are_left_out() {
        let dimensions_of = |enabled: &[Dimension]| {
            let enabled = enabled.iter().copied().collect();
            let selection = Selection { dimensions: enabled, ..Selection::default() };
            dimensions(&selection, &catalogue::PROCESS.success).unwrap()
        };
        assert_eq!(dimensions_of(&[Dimension::ShardId]), "ShardId shard-0");
        assert_eq!(dimensions_of(&[Dimension::WorkerIdentifier]), "");
        assert_eq!(dimensions_of(&[]), "");
    }

    #[test]
    fn a_summary_has_no_details_and_kcl_has_nothing_of_ours() {
        let summary = Selection { level: Level::Summary, ..Selection::default() };
        assert!(dimensions(&summary, &catalogue::PROCESS.success).is_some());
        assert!(dimensions(&summary, &catalogue::GET_RECORDS.success).is_none());
        let kcls = Selection { own: false, ..Selection::default() };
        assert!(dimensions(&kcls, &catalogue::GET_RECORDS.success).is_some());
        assert!(dimensions(&kcls, &catalogue::READ_FAILURES).is_none());
    }

    #[test]
    fn numbers_merge() {
        let merged = Statistics::of(3.0).with(Statistics::of(-1.0)).with(Statistics::of(5.0));
        assert_eq!(merged, Statistics { sum: 7.0, min: -1.0, max: 5.0, count: 3 });
    }
}
