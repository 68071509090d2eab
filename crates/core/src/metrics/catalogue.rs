//! Every metric there is: what is recorded is an entry of this table, and nothing else is.
//!
//! `docs/metrics.md` shows the same table, and a test compares it, name by name, with what KCL has.

use super::By::{self, Application, Shard, ShardOfStream, Stream, Worker};
use super::Level::{self, Detailed, Summary};
use super::Operation::{
    self, ApplicationTracker, InitializeTask, LeaderDecider, LeaseRenewerInitialize,
    PeriodicShardSyncManager, ProcessTask, ReadTask, RenewAllLeases, SchedulerInitialize,
    ShardSyncTask, ShutdownTask, TakeLeases,
};
use super::{Kind, Metric, Origin, Unit};

/// Something that succeeds or fails, and takes its time.
#[derive(Debug)]
pub struct Call {
    /// Whether it succeeded.
    pub success: Metric,
    /// How long it took, whatever came of it.
    pub time: Metric,
}

impl Call {
    const fn metrics(&'static self) -> [Option<&'static Metric>; 2] {
        [Some(&self.success), Some(&self.time)]
    }
}

impl Metric {
    const fn metrics(&'static self) -> [Option<&'static Self>; 2] {
        [Some(self), None]
    }
}

macro_rules! catalogue {
    ($($name:ident: $type:ident = $make:ident($($argument:expr),*), $note:literal;)*) => {
        $(
            #[doc = $note]
            pub static $name: $type = $make($($argument),*, $note);
        )*

        /// All of them, in the order of the table.
        pub fn all() -> impl Iterator<Item = &'static Metric> {
            [$($name.metrics()),*].into_iter().flatten().flatten()
        }
    };
}

catalogue! {
    RECORDS_PROCESSED: Metric = metric(ProcessTask, Shard, "RecordsProcessed", COUNTER, Summary),
        "User records handed to the processor; a batch that is tried again counts once.";
    DATA_BYTES_PROCESSED: Metric = metric(ProcessTask, Shard, "DataBytesProcessed", BYTES, Summary),
        "The bytes of their data; a sample for each record.";
    SHARD_LAG: Metric = metric(ProcessTask, Shard, "MillisBehindLatest", MILLIS, Summary),
        "How far the records handed over are behind the shard's tip, as Kinesis says.";
    PROCESS: Call = call(ProcessTask, Shard, ["Success", "Time"], Summary),
        "A batch, an empty one included.";
    PROCESS_RECORDS_TIME: Metric =
        metric(ProcessTask, Shard, "RecordProcessor.processRecords.Time", TIMER, Summary),
        "A call of `process_records`.";
    GET_RECORDS: Call = call(
        ProcessTask,
        ShardOfStream,
        ["KinesisDataFetcher.getRecords.Success", "KinesisDataFetcher.getRecords.Time"],
        Detailed
    ),
        "A GetRecords call.";
    GET_SHARD_ITERATOR: Call = call(
        ProcessTask,
        ShardOfStream,
        ["KinesisDataFetcher.getShardIterator.Success", "KinesisDataFetcher.getShardIterator.Time"],
        Detailed
    ),
        "A GetShardIterator call.";
    EXPIRED_ITERATOR: Metric =
        metric(ProcessTask, Stream, "ExpiredIterator", COUNTER, Summary),
        "Iterators that had expired when they were used; reading goes on with a new one.";
    UPDATE_LEASE: Call =
        call(ProcessTask, Shard, ["UpdateLease.Success", "UpdateLease.Time"], Detailed),
        "A checkpoint.";
    APPLICATION_LAG: Metric =
        metric(ApplicationTracker, Application, "MillisBehindLatest", MILLIS, Summary),
        "Each shard's lag; the maximum is the application's.";
    INITIALIZE_TIME: Metric =
        metric(InitializeTask, Application, "RecordProcessor.initialize.Time", TIMER, Summary),
        "A call of `initialize`.";
    SHUTDOWN_TIME: Metric =
        metric(ShutdownTask, Application, "RecordProcessor.shutdown.Time", TIMER, Summary),
        "A call of `shard_ended` or `lease_lost`.";
    UPDATE_LEASE_AT_END: Call =
        call(ShutdownTask, Shard, ["UpdateLease.Success", "UpdateLease.Time"], Detailed),
        "The checkpoint at a shard's end.";
    CREATE_CHILD_LEASE: Call =
        call(ShutdownTask, Application, ["CreateLease.Success", "CreateLease.Time"], Detailed),
        "The lease of a child shard is made, unless it is there.";
    CREATE_CHILD_LEASE_TRIM_HORIZON: Metric =
        metric(ShutdownTask, Application, "CreateLease_TRIM_HORIZON.Success", OUTCOME, Detailed),
        "The same, by the place where it begins.";
    SHARD_SYNC: Call = call(ShardSyncTask, Application, ["Success", "Time"], Summary),
        "Leases are made for shards that have none.";
    SYNC_SHARDS: Metric =
        metric(ShardSyncTask, Application, "SyncShards.Success", OUTCOME, Detailed),
        "The same.";
    CREATE_LEASE: Call =
        call(ShardSyncTask, Application, ["CreateLease.Success", "CreateLease.Time"], Detailed),
        "A lease is made, unless it is there.";
    CREATE_LEASE_TRIM_HORIZON: Metric =
        metric(ShardSyncTask, Application, "CreateLease_TRIM_HORIZON.Success", OUTCOME, Detailed),
        "The same, of leases that begin at TRIM_HORIZON.";
    CREATE_LEASE_LATEST: Metric =
        metric(ShardSyncTask, Application, "CreateLease_LATEST.Success", OUTCOME, Detailed),
        "The same, of leases that begin at LATEST.";
    CREATE_LEASE_AT_TIMESTAMP: Metric =
        metric(ShardSyncTask, Application, "CreateLease_AT_TIMESTAMP.Success", OUTCOME, Detailed),
        "The same, of leases that begin at AT_TIMESTAMP.";
    STREAMS_WITH_HOLES: Metric = metric(
        PeriodicShardSyncManager,
        Application,
        "NumStreamsWithPartialLeases",
        GAUGE,
        Summary
    ),
        "1 if hash keys of the stream have no lease, else 0; from the leader only.";
    STREAMS_TO_SYNC: Metric =
        metric(PeriodicShardSyncManager, Application, "NumStreamsToSync", GAUGE, Summary),
        "1 if a shard sync follows, else 0; from the leader only.";
    AUDIT: Call = call(PeriodicShardSyncManager, Application, ["Success", "Time"], Summary),
        "The search for such hash keys; from the leader, or a worker that cannot read who leads.";
    INITIALIZE_SUCCESS: Metric =
        metric(SchedulerInitialize, Application, "Initialize.Success", OUTCOME, Summary),
        "A try to start.";
    LOST_LEASES: Metric = metric(RenewAllLeases, Worker, "LostLeases", COUNTER, Summary),
        "Leases that this worker lost: taken by another, not renewed in time, or deleted.";
    CURRENT_LEASES: Metric = metric(RenewAllLeases, Worker, "CurrentLeases", GAUGE, Summary),
        "Leases that this worker holds.";
    RENEWALS: Call = call(RenewAllLeases, Worker, ["Success", "Time"], Summary),
        "A renewal: each lease is renewed by itself, where KCL has rounds.";
    RENEW_LEASE: Call =
        call(RenewAllLeases, Worker, ["RenewLease.Success", "RenewLease.Time"], Detailed),
        "A renewal.";
    LIST_LEASES: Call =
        call(TakeLeases, Worker, ["ListLeases.Success", "ListLeases.Time"], Detailed),
        "A scan of the lease table.";
    TAKE_LEASE: Call = call(TakeLeases, Worker, ["TakeLease.Success", "TakeLease.Time"], Detailed),
        "A lease is taken; 0 also if another worker was first.";
    TAKEN_LEASES: Metric = metric(TakeLeases, Worker, "TakenLeases", COUNTER, Summary),
        "Leases that a round has taken.";
    UNTAKEN_LEASES: Metric = metric(TakeLeases, Worker, "UntakenLeases", COUNTER, Summary),
        "Leases that a round was to take and has not.";
    EXPIRED_LEASES: Metric = metric(TakeLeases, Worker, "ExpiredLeases", GAUGE, Summary),
        "Leases whose owner has not renewed them in time.";
    LEASE_SPILLOVER: Metric = metric(TakeLeases, Worker, "LeaseSpillover", GAUGE, Summary),
        "How far this worker's share is above what it may hold.";
    LEASES_TO_TAKE: Metric = metric(TakeLeases, Worker, "LeasesToTake", GAUGE, Detailed),
        "Leases that a round is to take.";
    NEEDED_LEASES: Metric = metric(TakeLeases, Worker, "NeededLeases", GAUGE, Detailed),
        "How many leases this worker is short of its share.";
    NUM_WORKERS: Metric = metric(TakeLeases, Worker, "NumWorkers", GAUGE, Summary),
        "Live workers.";
    TOTAL_LEASES: Metric = metric(TakeLeases, Worker, "TotalLeases", GAUGE, Detailed),
        "Leases in the table, those of finished shards included.";
    VERY_OLD_LEASES: Metric = metric(TakeLeases, Worker, "VeryOldLeases", GAUGE, Summary),
        "Free leases that have not changed for thrice the failover time.";
    TAKE_LEASES: Call = call(TakeLeases, Worker, ["Success", "Time"], Summary),
        "A round of taking leases.";
    ADOPTION_FAULT: Metric =
        metric(LeaseRenewerInitialize, Application, "Fault", COUNTER, Detailed),
        "1 if the leases of an earlier life could not be looked for, else 0.";
    IS_LEADER: Metric =
        metric(LeaderDecider, Application, "LeaderDecider:IsLeader", GAUGE, Detailed),
        "1 if this worker leads, else 0.";
    LEADER_DECIDER: Metric = metric(
        LeaderDecider,
        Application,
        "DeterministicShuffleShardSyncLeaderDecider",
        GAUGE,
        Detailed
    ),
        "Always 1: so the leader is chosen.";
    SINCE_PROCESSED: Metric = own(ProcessTask, Shard, "MillisSinceLastSuccess", MILLIS, Summary),
        "Since the processor last got on: a call that succeeded, or a read without records.";
    DELIVERY_TIME: Metric = own(ProcessTask, Shard, "Delivery.Time", TIMER, Summary),
        "From the arrival of a batch's first record in the stream, by Kinesis's clock, to its \
        hand-over, by the worker's; a batch that is tried again counts once.";
    DECODE_FAILURES: Metric = own(ProcessTask, Shard, "DecodeFailures", COUNTER, Summary),
        "Records that the decoder could not decode; they are handed over as they came.";
    SUBSCRIBE: Call = own_call(
        ReadTask,
        Shard,
        ["SubscribeToShard.Success", "SubscribeToShard.Time"],
        Detailed
    ),
        "A SubscribeToShard call, to the beginning of its answer.";
    READ_FAILURES: Metric = own(ReadTask, Shard, "Failures", COUNTER, Summary),
        "Reads that failed, whichever way they are made; those refused for their rate included.";
    READ_THROTTLES: Metric = own(ReadTask, Shard, "Throttles", COUNTER, Summary),
        "Reads that were refused for their rate.";
    READ_RETRIES: Metric = own(ReadTask, Shard, "Retries", COUNTER, Summary),
        "Reads that followed a failed one.";
    AGGREGATES_LEFT_OUT: Metric = own(ReadTask, Shard, "AggregatesLeftOut", COUNTER, Summary),
        "Aggregates with a user record of another shard, as after a reshard: their producer sends \
        them again.";
    CORRUPT_AGGREGATES: Metric = own(ReadTask, Shard, "CorruptAggregates", COUNTER, Summary),
        "Records that look like an aggregate and cannot be taken apart: handed over as they are.";
    RETENTION_GAPS: Metric = own(ReadTask, Shard, "RetentionGaps", COUNTER, Summary),
        "Places behind which retention may have removed records before they were read.";
    SINCE_READ: Metric = own(ReadTask, Shard, "MillisSinceLastSuccess", MILLIS, Summary),
        "Since the shard was last read; reads also wait while the processor has enough.";
}

const COUNTER: (Kind, Unit) = (Kind::Counter, Unit::Count);
const BYTES: (Kind, Unit) = (Kind::Counter, Unit::Bytes);
const OUTCOME: (Kind, Unit) = (Kind::Outcome, Unit::Count);
const TIMER: (Kind, Unit) = (Kind::Timer, Unit::Milliseconds);
const GAUGE: (Kind, Unit) = (Kind::Gauge, Unit::Count);
const MILLIS: (Kind, Unit) = (Kind::Gauge, Unit::Milliseconds);

const fn metric(
    operation: Operation,
    by: By,
    name: &'static str,
    (kind, unit): (Kind, Unit),
    level: Level,
    note: &'static str,
) -> Metric {
    Metric { name, operation, by, kind, unit, level, origin: Origin::Kcl, note }
}

const fn own(
    operation: Operation,
    by: By,
    name: &'static str,
    what: (Kind, Unit),
    level: Level,
    note: &'static str,
) -> Metric {
    Metric { origin: Origin::Own, ..metric(operation, by, name, what, level, note) }
}

const fn call(
    operation: Operation,
    by: By,
    [success, time]: [&'static str; 2],
    level: Level,
    note: &'static str,
) -> Call {
    Call {
        success: metric(operation, by, success, OUTCOME, level, note),
        time: metric(operation, by, time, TIMER, level, note),
    }
}

const fn own_call(
    operation: Operation,
    by: By,
    names: [&'static str; 2],
    level: Level,
    note: &'static str,
) -> Call {
    let Call { success, time } = call(operation, by, names, level, note);
    let origin = Origin::Own;
    Call { success: Metric { origin, ..success }, time: Metric { origin, ..time } }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn an_operation_has_no_metric_twice() {
        let mut seen = BTreeSet::new();
        for metric in all() {
            let by = format!("{:?}", metric.by);
            assert!(seen.insert((metric.operation, by, metric.name)), "{metric:?}");
        }
    }

    /// They merge where their operation is not among the dimensions.
    #[test]
    fn metrics_of_one_name_are_of_one_kind() {
        let mut kinds = BTreeMap::new();
        for metric in all() {
            let what = (metric.kind, metric.unit);
            assert_eq!(*kinds.entry(metric.name).or_insert(what), what, "{}", metric.name);
        }
    }

    #[test]
    fn names_say_what_succeeds_and_what_takes_time() {
        for metric in all() {
            let last = metric.name.rsplit('.').next();
            assert_eq!(last == Some("Success"), metric.kind == Kind::Outcome, "{}", metric.name);
            assert_eq!(last == Some("Time"), metric.kind == Kind::Timer, "{}", metric.name);
        }
    }
}
