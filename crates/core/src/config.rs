//! Every setting of the library, its default, and why.
//!
//! Settings are plain data. Numbers taken from KCL name its property; what follows from a setting
//! is a method beside it; [`Config::validate`] is the one place that says what is allowed.

mod validate;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

pub use self::validate::InvalidSetting;
use crate::budget;
use crate::id::{StreamName, WorkerId};
use crate::sequence::Checkpoint;
use crate::time::Timestamp;

/// All settings of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name that all workers of an application share; by default the lease table's name.
    /// Property: `applicationName`.
    pub application_name: String,
    /// The stream to process. Property: `streamName`.
    pub stream_name: StreamName,
    /// The stream's ARN, whose name `stream_name` is: needed where the stream is another account's.
    /// It is sent with every call, and metrics of reads have the dimension `StreamId`. Default:
    /// none; it is not the property `streamArn`, of which KCL's daemon takes the name alone.
    pub stream_arn: Option<String>,
    /// This worker; unique among live workers. Property: `workerId`.
    pub worker_id: WorkerId,
    /// Where a shard without a checkpoint starts. Default: LATEST, as KCL. That is the tip at which
    /// the shard's lease was made, whoever has it when.
    /// Property: `initialPositionInStream`.
    pub initial_position: InitialPosition,
    /// The lease table.
    pub table: TableConfig,
    /// How leases are renewed, taken and given up.
    pub lease: LeaseConfig,
    /// How leases are made to match shards.
    pub sync: SyncConfig,
    /// How records get out of a shard. Default: by polling.
    pub retrieval: Retrieval,
    /// How the stream consumer of fan-out is waited for.
    pub registration: RegistrationConfig,
    /// How records are fetched by polling, and how many of them may wait, however they came.
    pub polling: PollingConfig,
    /// Bytes of records that may be in memory, of all shards together: fetched, waiting, or with a
    /// record processor. Default: 256 MiB.
    ///
    /// Each shard may have 1 MiB of it at any time, or one record that is larger, and borrow up to
    /// a quarter. Workers of one process can [share one budget](crate::budget::Budget).
    pub byte_budget: usize,
    /// How record processors are called.
    pub processor: ProcessorConfig,
    /// How a worker starts and stops.
    pub coordinator: CoordinatorConfig,
}

/// Where a shard without a checkpoint starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialPosition {
    /// At the oldest record that the stream keeps.
    TrimHorizon,
    /// At the tip.
    #[default]
    Latest,
    /// At the first record not older than this. It is not stored with the leases, so every worker
    /// must be configured alike.
    AtTimestamp(Timestamp),
}

impl InitialPosition {
    /// The sentinel that a new lease carries.
    #[must_use]
    pub fn sentinel(self) -> Checkpoint {
        match self {
            Self::TrimHorizon => Checkpoint::TrimHorizon,
            Self::Latest => Checkpoint::Latest,
            Self::AtTimestamp(_) => Checkpoint::AtTimestamp,
        }
    }
}

/// The lease table and how it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// Its name. Default: the application's. Property: `tableName`.
    pub name: String,
    /// Whether it is made when it is missing. Default: yes, as KCL.
    pub create: CreateTable,
    /// How it is paid for, when we make it. Default: on demand, as KCL.
    pub billing: Billing,
    /// Tags it gets when we make it. Default: none.
    pub tags: BTreeMap<String, String>,
    /// Whether point-in-time recovery is switched on at every start. Default: no.
    /// Property: `leaseTablePitrEnabled`.
    pub point_in_time_recovery: bool,
    /// Whether it is protected from deletion, when we make it. Default: no.
    /// Property: `leaseTableDeletionProtectionEnabled`.
    pub deletion_protection: bool,
}

/// Whether the lease table is made when it is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateTable {
    /// Made when it is missing.
    #[default]
    IfMissing,
    /// Never made: a missing table is an error.
    Never,
}

/// How the lease table is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Billing {
    /// For each request.
    #[default]
    OnDemand,
    /// For a reserved rate. Properties: `initialLeaseTableReadCapacity` and `…WriteCapacity`.
    Provisioned {
        /// Read capacity units.
        read: NonZeroU32,
        /// Write capacity units.
        write: NonZeroU32,
    },
}

/// How leases are renewed, taken and given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// How long a lease may go unrenewed before another worker takes it. Default: 10 s.
    ///
    /// Longer means fewer writes to the lease table, and a later failover when a worker dies. All
    /// workers of an application must agree. Property: `failoverTimeMillis`.
    pub failover_time: Duration,
    /// How many leases this worker holds at most; finished ones do not count. Default: no limit.
    /// Property: `maxLeasesForWorker`.
    pub max_leases: usize,
    /// How many leases are stolen from a worker with more, a full round. Default: 1.
    /// Property: `maxLeasesToStealAtOneTime`.
    pub max_steal: usize,
    /// Whether leases that nobody has renewed for thrice the failover time are taken beyond this
    /// worker's share. Default: yes. Property: `enablePriorityLeaseAssignment`.
    pub priority_assignment: bool,
    /// Whether the leases of finished shards are deleted. Default: yes.
    /// Property: `cleanupLeasesUponShardCompletion`.
    pub cleanup_finished: bool,
    /// How often finished leases are looked at for deletion. Default: 5 min.
    /// KCL: `completedLeaseCleanupIntervalMillis`.
    pub cleanup_interval: Duration,
}

/// What a round adds to the failover time, so that it sees a renewal that is just on time.
const EPSILON: Duration = Duration::from_millis(25);

impl LeaseConfig {
    /// How often each held lease is renewed: thrice per [`failover_time`](Self::failover_time).
    #[must_use]
    pub fn renew_interval(&self) -> Duration {
        (self.failover_time / 3).saturating_sub(EPSILON)
    }

    /// How long a worker waits for the answer to one take.
    #[must_use]
    pub fn take_timeout(&self) -> Duration {
        self.failover_time / 3
    }

    /// How long one write to a held lease may take: from the first renewal to the lease's end there
    /// is time for four, so that three may be lost in silence.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        self.failover_time / 6
    }

    /// How long after a renewal that failed the next one is sent, at the earliest.
    #[must_use]
    pub fn retry_interval(&self) -> Duration {
        (self.failover_time / 12).min(Duration::from_secs(1))
    }

    /// How often the leases are counted, and taken or stolen up to this worker's share.
    #[must_use]
    pub fn take_interval(&self) -> Duration {
        2 * (self.failover_time + EPSILON)
    }

    /// How often the table is scanned for leases without an owner or expired, when the last scan
    /// cost `read_units`: at most five read units a second.
    #[must_use]
    pub fn light_scan_interval(&self, read_units: f64) -> Duration {
        let longest = Duration::from_secs(20).min(self.take_interval());
        let shortest = Duration::from_secs(1).min(longest);
        Duration::try_from_secs_f64(read_units / 5.0).unwrap_or(longest).clamp(shortest, longest)
    }
}

/// How leases are made to match shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncConfig {
    /// How often the leader looks for holes in the hash range. Once it has seen one it looks again
    /// every 30 s, if that is sooner. Default: 120 s.
    /// KCL: `leasesRecoveryAuditorExecutionFrequencyMillis`.
    pub audit_interval: Duration,
    /// How often the same hole must be seen before it is repaired. Default: 3.
    /// KCL: `leasesRecoveryAuditorInconsistencyConfidenceThreshold`.
    pub audit_confidence: u32,
    /// Whether an open shard whose parent is open is passed over, instead of failing the sync.
    /// Default: no. Property: `ignoreUnexpectedChildShards`.
    pub ignore_unexpected_child_shards: bool,
    /// How long to wait after ListShards was refused for its rate. Default: 1.5 s.
    /// Property: `listShardsBackoffTimeInMillis`.
    pub list_shards_backoff: Duration,
    /// How often ListShards is tried. Default: 50. Property: `maxListShardsRetryAttempts`.
    pub list_shards_attempts: u32,
}

/// How records get out of a shard. Property: `retrievalMode`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Retrieval {
    /// They are asked for with GetRecords; all applications share the shard's five calls and
    /// 2 MB a second.
    #[default]
    Polling,
    /// They are pushed by SubscribeToShard (enhanced fan-out): the application has 2 MB a second
    /// of each shard for itself, and pays for each consumer, shard and hour.
    FanOut(StreamConsumer),
}

/// The registered consumer of the stream that fan-out reads as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamConsumer {
    /// The one of this name, which is registered if there is none. All workers of an application
    /// use the same; nobody deregisters it. KCL: the application's name. Property:
    /// `fanoutConfig.consumerName`.
    Named(String),
    /// The one with this ARN, which is never registered. Property: `fanoutConfig.consumerArn`.
    Arn(String),
}

/// How the stream consumer of fan-out is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// How often it is looked for in a row while it is being made, or calls are throttled. One look
    /// describes the consumer, and registers it if it is missing. Default: 10.
    /// Property: `fanoutConfig.maxDescribeStreamConsumerRetries`.
    pub looks: u32,
    /// The wait between two looks. Default: 1 s. Property: `fanoutConfig.retryBackoffMillis`.
    pub backoff: Duration,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self { looks: 10, backoff: Duration::from_secs(1) }
    }
}

/// How records are fetched from a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollingConfig {
    /// Records asked for at once, 1 to 10,000. Default: 10,000. Property: `maxRecords`.
    pub max_records: u32,
    /// When a shard is asked again. Default: adaptive.
    pub pace: Pace,
    /// Batches of a shard that may wait for its processor. Default: 4.
    /// KCL: `maxPendingProcessRecordsInput`.
    pub max_pending_batches: usize,
    /// Bytes of a shard's records that may be in memory, 1 MiB at the least. Default: no limit but
    /// the [byte budget](Config::byte_budget). KCL: `maxByteSize`, 8 MiB.
    pub max_pending_bytes: usize,
    /// Records of a shard that may wait. Default: 30,000. KCL: `maxRecordsCount`.
    pub max_pending_records: usize,
    /// How long one question may take. Default: 30 s. KCL: `kinesisRequestTimeout`.
    pub request_timeout: Duration,
}

/// When a shard is asked for records again. The service allows five reads a second and shard, of
/// all applications that poll it together; no pace is faster than that, nor than 2 MB a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Five times a second while records come or the shard is behind its tip, and for five seconds
    /// after that; once a second else, and for a minute after the service has throttled a read.
    #[default]
    Adaptive,
    /// As KCL.
    Fixed {
        /// The least time from one answer to the next question, 200 ms or more. Property:
        /// `idleTimeBetweenReadsInMillis`, 1.5 s in KCL.
        idle: Duration,
        /// A shard that is less than this behind the tip is asked again this long after an answer.
        /// Property: `millisBehindLatestThresholdForReducedTps`, 0 in KCL.
        at_tip: Duration,
    },
}

/// How record processors are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorConfig {
    /// What becomes of a batch whose processing failed. Default: it is given again.
    pub on_failure: OnFailure,
    /// The first wait before a failed call is made again; it doubles with every failure in a row.
    /// Default: 500 ms. Property: `taskBackoffTimeMillis`.
    pub backoff: Duration,
    /// The longest such wait. Default: 30 s.
    pub backoff_max: Duration,
    /// Whether an answer without records is handed over too. Default: no.
    /// Property: `callProcessRecordsEvenForEmptyRecordList`.
    pub call_for_empty_batches: bool,
    /// How often a shard looks whether its parents have ended. Default: 10 s.
    /// Property: `parentShardPollIntervalMillis`.
    pub parent_poll_interval: Duration,
    /// From when on a call that has not returned is reported, and how often. Default: 60 s.
    /// Property: `logWarningForTaskAfterMillis`.
    pub busy_report: Duration,
}

impl ProcessorConfig {
    /// How long to wait after `failures` failures in a row.
    #[must_use]
    pub fn wait_after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.backoff.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

/// What becomes of a batch whose processing failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is given again after a back-off; the shard waits, other shards go on.
    #[default]
    Retry,
    /// It is logged and passed over, as KCL does: its records are lost to the processor.
    Skip,
}

/// How a worker starts and stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// How often the start is tried while AWS does not answer as it should. Default: 20.
    /// KCL: `maxInitializationAttempts`.
    pub start_attempts: u32,
    /// The wait between two tries. Default: 1 s.
    /// Property: `schedulerInitializationBackoffTimeMillis`.
    pub start_backoff: Duration,
    /// How long a requested shutdown may take before it is cut short. Default: 25 s.
    /// Property: `shutdownGraceMillis`.
    pub shutdown_grace: Duration,
}

impl Config {
    /// The default settings of an application's worker.
    #[must_use]
    pub fn new(
        application_name: impl Into<String>,
        stream_name: StreamName,
        worker_id: WorkerId,
    ) -> Self {
        let application_name = application_name.into();
        Self {
            table: TableConfig {
                name: application_name.clone(),
                create: CreateTable::default(),
                billing: Billing::default(),
                tags: BTreeMap::new(),
                point_in_time_recovery: false,
                deletion_protection: false,
            },
            application_name,
            stream_name,
            stream_arn: None,
            worker_id,
            initial_position: InitialPosition::default(),
            lease: LeaseConfig::default(),
            sync: SyncConfig::default(),
            retrieval: Retrieval::default(),
            registration: RegistrationConfig::default(),
            polling: PollingConfig::default(),
            byte_budget: budget::DEFAULT,
            processor: ProcessorConfig::default(),
            coordinator: CoordinatorConfig::default(),
        }
    }
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            failover_time: Duration::from_secs(10),
            max_leases: usize::MAX,
            max_steal: 1,
            priority_assignment: true,
            cleanup_finished: true,
            cleanup_interval: Duration::from_secs(300),
        }
    }
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            audit_interval: Duration::from_secs(120),
            audit_confidence: 3,
            ignore_unexpected_child_shards: false,
            list_shards_backoff: Duration::from_millis(1_500),
            list_shards_attempts: 50,
        }
    }
}

impl Default for PollingConfig {
    fn default() -> Self {
        Self {
            max_records: 10_000,
            pace: Pace::default(),
            max_pending_batches: 4,
            max_pending_bytes: usize::MAX,
            max_pending_records: 30_000,
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::default(),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            call_for_empty_batches: false,
            parent_poll_interval: Duration::from_secs(10),
            busy_report: Duration::from_secs(60),
        }
    }
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            start_attempts: 20,
            start_backoff: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(25),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let stream = StreamName::new("orders").unwrap();
        Config::new("app", stream, WorkerId::new("worker").unwrap())
    }

    #[test]
    fn the_defaults_are_allowed_and_are_kcls() {
        assert_eq!(config().validate(), Ok(()));
        assert_eq!(config().lease.renew_interval().as_millis(), 3_308);
        assert_eq!(config().lease.take_interval(), Duration::from_millis(20_050));
    }

    #[test]
    fn the_light_scan_spends_five_read_units_a_second_within_one_and_twenty_seconds() {
        let lease = LeaseConfig::default();
        assert_eq!(lease.light_scan_interval(0.5), Duration::from_secs(1));
        assert_eq!(lease.light_scan_interval(20.0), Duration::from_secs(4));
        assert_eq!(lease.light_scan_interval(1e9), Duration::from_secs(20));
        assert_eq!(lease.light_scan_interval(f64::NAN), Duration::from_secs(20));
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let processor = ProcessorConfig::default();
        let waits: Vec<_> = (1..=4).map(|n| processor.wait_after(n).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000]);
        assert_eq!(processor.wait_after(u32::MAX), Duration::from_secs(30));
    }
}
