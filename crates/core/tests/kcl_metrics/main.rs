//! Our metrics beside those of KCL 3.5.1, name by name, and beside the page that tells of them.
//!
//! The table below is what KCL emits, as read in its source: a metric of ours that KCL does not
//! have under this operation, with these dimensions, this unit and this level fails, and so does
//! one of KCL's that we neither have nor say why not.

mod page;

use std::collections::BTreeSet;

use shardwise_core::metrics::{Level, Metric, Origin, Unit, catalogue};

/// Metrics that KCL has under one operation, with the same dimensions, level and unit.
struct Row {
    operation: &'static str,
    /// The dimensions beside the operation; `StreamId` where KCL knows the stream's account. What
    /// it adds with several streams is not among them.
    dimension: &'static str,
    level: &'static str,
    unit: &'static str,
    names: &'static [&'static str],
    ours: Ours,
}

enum Ours {
    Emitted,
    NotEmitted(&'static str),
}

use Ours::{Emitted, NotEmitted};

const fn row(
    [operation, dimension, level, unit]: [&'static str; 4],
    names: &'static [&'static str],
    ours: Ours,
) -> Row {
    Row { operation, dimension, level, unit, names, ours }
}

const S: &str = "SUMMARY";
const D: &str = "DETAILED";
const COUNT: &str = "Count";
const MILLIS: &str = "Milliseconds";

const NEW_COORDINATION: &str = "the coordination of KCL 3.x is not built";
const MIGRATION: &str = "the migrations of KCL 3.x are not built";
const MULTI_STREAM: &str = "several streams in one application are not built";
const OTHER_PARENT: &str = "a child's other parent is waited for when the child begins, \
                            not looked for when one parent ends";
const NO_SUCH_START: &str = "no lease is made there: neither at a sequence number nor at its end";
const SYNC_NOT_SKIPPED: &str = "a shard sync that is needed is never left out";

static KCL: &[Row] = &[
    row(["ProcessTask", "ShardId", S, COUNT], &["RecordsProcessed", "Success"], Emitted),
    row(["ProcessTask", "ShardId", S, "Bytes"], &["DataBytesProcessed"], Emitted),
    row(
        ["ProcessTask", "ShardId", S, MILLIS],
        &["MillisBehindLatest", "Time", "RecordProcessor.processRecords.Time"],
        Emitted,
    ),
    row(
        ["ProcessTask", "ShardId, StreamId", D, COUNT],
        &["KinesisDataFetcher.getRecords.Success", "KinesisDataFetcher.getShardIterator.Success"],
        Emitted,
    ),
    row(["ProcessTask", "ShardId", D, COUNT], &["UpdateLease.Success"], Emitted),
    row(
        ["ProcessTask", "ShardId, StreamId", D, MILLIS],
        &["KinesisDataFetcher.getRecords.Time", "KinesisDataFetcher.getShardIterator.Time"],
        Emitted,
    ),
    row(["ProcessTask", "ShardId", D, MILLIS], &["UpdateLease.Time"], Emitted),
    row(["ProcessTask", "StreamId", S, COUNT], &["ExpiredIterator"], Emitted),
    row(["ApplicationTracker", "", S, MILLIS], &["MillisBehindLatest"], Emitted),
    row(["InitializeTask", "", S, MILLIS], &["RecordProcessor.initialize.Time"], Emitted),
    row(["ShutdownTask", "", S, MILLIS], &["RecordProcessor.shutdown.Time"], Emitted),
    row(["ShutdownTask", "ShardId", D, COUNT], &["UpdateLease.Success"], Emitted),
    row(["ShutdownTask", "ShardId", D, MILLIS], &["UpdateLease.Time"], Emitted),
    row(
        ["ShutdownTask", "", D, COUNT],
        &["CreateLease.Success", "CreateLease_TRIM_HORIZON.Success"],
        Emitted,
    ),
    row(["ShutdownTask", "", D, MILLIS], &["CreateLease.Time"], Emitted),
    row(
        ["ShutdownTask", "", D, COUNT],
        &[
            "CreateLease_LATEST.Success",
            "CreateLease_AT_TIMESTAMP.Success",
            "CreateLease_SHARD_END.Success",
            "CreateLease_SEQUENCE_NUMBER.Success",
        ],
        NotEmitted("the lease of a child shard begins at TRIM_HORIZON"),
    ),
    row(
        ["ShutdownTask", "", S, COUNT],
        &["MissingMergeParent", "MissingMergeParentLease"],
        NotEmitted(OTHER_PARENT),
    ),
    row(["ShardSyncTask", "", S, COUNT], &["Success"], Emitted),
    row(["ShardSyncTask", "", S, MILLIS], &["Time"], Emitted),
    row(
        ["ShardSyncTask", "", D, COUNT],
        &[
            "SyncShards.Success",
            "CreateLease.Success",
            "CreateLease_TRIM_HORIZON.Success",
            "CreateLease_LATEST.Success",
            "CreateLease_AT_TIMESTAMP.Success",
        ],
        Emitted,
    ),
    row(["ShardSyncTask", "", D, MILLIS], &["CreateLease.Time"], Emitted),
    row(
        ["ShardSyncTask", "", D, COUNT],
        &["CreateLease_SHARD_END.Success", "CreateLease_SEQUENCE_NUMBER.Success"],
        NotEmitted(NO_SUCH_START),
    ),
    row(
        ["PeriodicShardSyncManager", "", S, COUNT],
        &["NumStreamsWithPartialLeases", "NumStreamsToSync", "Success"],
        Emitted,
    ),
    row(["PeriodicShardSyncManager", "", S, MILLIS], &["Time"], Emitted),
    row(
        ["PeriodicShardSyncManager", "", S, COUNT],
        &["NumSkippedShardSyncTask"],
        NotEmitted(SYNC_NOT_SKIPPED),
    ),
    row(
        ["MultiStreamTracker", "", S, COUNT],
        &[
            "ActiveStreams.Count",
            "StreamsPendingDeletion.Count",
            "NonExistingStreamDelete.Count",
            "DeletedStreams.Count",
        ],
        NotEmitted(MULTI_STREAM),
    ),
    row(["Scheduler:Initialize", "", S, COUNT], &["Initialize.Success"], Emitted),
    row(
        ["RenewAllLeases", "WorkerIdentifier", S, COUNT],
        &["LostLeases", "CurrentLeases", "Success"],
        Emitted,
    ),
    row(["RenewAllLeases", "WorkerIdentifier", S, MILLIS], &["Time"], Emitted),
    row(["RenewAllLeases", "WorkerIdentifier", D, COUNT], &["RenewLease.Success"], Emitted),
    row(["RenewAllLeases", "WorkerIdentifier", D, MILLIS], &["RenewLease.Time"], Emitted),
    row(
        ["TakeLeases", "WorkerIdentifier", S, COUNT],
        &[
            "TakenLeases",
            "UntakenLeases",
            "ExpiredLeases",
            "LeaseSpillover",
            "NumWorkers",
            "VeryOldLeases",
            "Success",
        ],
        Emitted,
    ),
    row(
        ["TakeLeases", "WorkerIdentifier", D, COUNT],
        &["ListLeases.Success", "TakeLease.Success", "LeasesToTake", "NeededLeases", "TotalLeases"],
        Emitted,
    ),
    row(
        ["TakeLeases", "WorkerIdentifier", D, MILLIS],
        &["ListLeases.Time", "TakeLease.Time"],
        Emitted,
    ),
    row(["TakeLeases", "WorkerIdentifier", S, MILLIS], &["Time"], Emitted),
    row(
        ["LeaseDiscovery", "WorkerIdentifier", D, MILLIS],
        &["ListLeaseKeysForWorker.Time", "FetchNewLeases.Time"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["LeaseDiscovery", "WorkerIdentifier", D, COUNT],
        &["NewLeasesDiscovered", "OwnerMismatch"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["LeaseDiscovery", "WorkerIdentifier", S, COUNT],
        &["GetLease:Error", "Success"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(["LeaseDiscovery", "WorkerIdentifier", S, MILLIS], &["Time"], NotEmitted(NEW_COORDINATION)),
    row(["LeaseRenewerInitialize", "", D, COUNT], &["Fault"], Emitted),
    row(
        ["LeaseAssignmentManager", "", S, COUNT],
        &[
            "TotalLeases",
            "NumWorkers",
            "ExpiredLeases",
            "LeaseSpillover",
            "NumOfLeasesReassignment",
            "NumWorkersWithInvalidEntry",
            "NumWorkersWithFailingWorkerMetric",
            "LeaseDeserializationFailureCount",
            "ForceLeaderRelease",
            "Success",
        ],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["LeaseAssignmentManager", "", D, MILLIS],
        &[
            "LeaseAndWorkerMetricsLoad.Time",
            "AssignExpiredOrUnassignedLeases.Time",
            "BalanceWorkerVariance.Time",
            "ParallelyAssignLeases.Time",
        ],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["LeaseAssignmentManager", "", D, COUNT],
        &["FailedAssignmentCount", "ParallelyAssignLeases.Success"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(["LeaseAssignmentManager", "", S, MILLIS], &["Time"], NotEmitted(NEW_COORDINATION)),
    row(["WorkerMetrics", "", S, "None"], &["FleetMinSupportCode"], NotEmitted(NEW_COORDINATION)),
    row(
        ["LeaderDecider", "", D, COUNT],
        &["LeaderDecider:IsLeader", "DeterministicShuffleShardSyncLeaderDecider"],
        Emitted,
    ),
    row(
        ["LeaderDecider", "", D, COUNT],
        &["DynamoDBLockBasedLeaderDecider"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["WorkerMetricStatsReporter", "WorkerIdentifier", S, COUNT],
        &["Success"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["WorkerMetricStatsReporter", "WorkerIdentifier", S, MILLIS],
        &["Time"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(
        ["WorkerMetricStatsReporter", "", S, COUNT],
        &["InMemoryMetricStatsReporterFailure"],
        NotEmitted(NEW_COORDINATION),
    ),
    row(["StreamIdFetch", "", S, COUNT], &["Success", "QueueSize"], NotEmitted(MULTI_STREAM)),
    row(
        ["Migration", "", S, COUNT],
        &[
            "Fault",
            "GsiReadyStatus",
            "WorkerMetricsReadyStatus",
            "CurrentState:3xWorker",
            "CurrentState:2xCompatibleWorker",
        ],
        NotEmitted(MIGRATION),
    ),
    row(["TableMigration", "", S, "None"], &["StatusOrdinal"], NotEmitted(MIGRATION)),
    row(
        ["TableMigration", "", S, COUNT],
        &[
            "Phase1Worker",
            "Phase2Worker",
            "PrePhase1Worker",
            "ReadFault",
            "WriteFault",
            "DeleteFault",
            "CompletionFault",
        ],
        NotEmitted(MIGRATION),
    ),
    row(["TableMigration", "", S, MILLIS], &["Time"], NotEmitted(MIGRATION)),
    row(
        ["TableMigrationInitialize", "", S, COUNT],
        &["Success", "ReadFault"],
        NotEmitted(MIGRATION),
    ),
    row(["TableMigrationInitialize", "", S, MILLIS], &["Time"], NotEmitted(MIGRATION)),
    row(
        ["TableMigrationAsyncMove", "", S, COUNT],
        &["BatchCount", "Success"],
        NotEmitted(MIGRATION),
    ),
    row(["TableMigrationAsyncMove", "", S, MILLIS], &["Time"], NotEmitted(MIGRATION)),
];

/// A metric in CloudWatch's words.
fn described(metric: &Metric) -> String {
    let operation = metric.operation.name();
    format!("{operation} {} {} {} {}", dimension(metric), metric.name, unit(metric), level(metric))
}

fn dimension(metric: &Metric) -> String {
    let names: Vec<_> = metric.by.dimensions().iter().map(|dimension| dimension.name()).collect();
    names.join(", ")
}

fn unit(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Count => "Count",
        Unit::Bytes => "Bytes",
        Unit::Milliseconds => "Milliseconds",
    }
}

fn level(metric: &Metric) -> &'static str {
    match metric.level {
        Level::Summary => S,
        Level::Detailed => D,
    }
}

fn rows(are_emitted: bool) -> BTreeSet<String> {
    let chosen = KCL.iter().filter(|row| matches!(row.ours, Emitted) == are_emitted);
    let described = |row: &'static Row| {
        row.names.iter().map(move |name| {
            let Row { operation, dimension, level, unit, .. } = row;
            format!("{operation} {dimension} {name} {unit} {level}")
        })
    };
    chosen.flat_map(described).collect()
}

#[test]
fn what_we_emit_under_kcls_names_is_what_kcl_emits() {
    let kcls = catalogue::all().filter(|metric| metric.origin == Origin::Kcl);
    let ours: BTreeSet<_> = kcls.map(described).collect();
    let expected = rows(true);
    let missing: Vec<_> = expected.difference(&ours).collect();
    let unknown: Vec<_> = ours.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:#?}\nunknown: {unknown:#?}"
    );
}

#[test]
fn what_we_do_not_emit_has_a_reason() {
    assert!(rows(true).is_disjoint(&rows(false)));
    for Row { names, ours, .. } in KCL {
        assert!(!matches!(ours, NotEmitted("")), "{names:?}");
    }
}

#[test]
fn our_own_names_are_none_of_kcls() {
    let kcls: BTreeSet<_> = KCL.iter().flat_map(|row| row.names).copied().collect();
    for metric in catalogue::all().filter(|metric| metric.origin == Origin::Own) {
        assert!(!kcls.contains(metric.name), "{}", metric.name);
    }
}
