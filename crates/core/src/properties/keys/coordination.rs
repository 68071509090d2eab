//! Keys of leases and coordination, and of features that are not built yet.

use super::{Fate, Key, Takes, Word, honoured, no_effect, not_built};

pub(super) static LEASES: &[Key] = &[
    honoured(
        "tableName",
        "text",
        "`applicationName`",
        Takes::Text(|draft, text| draft.table_name = Some(text)),
        "The lease table.",
    ),
    honoured(
        "failoverTimeMillis",
        "milliseconds",
        "10000",
        Takes::Millis(|draft, time| draft.lease.failover_time = time),
        "How long a lease may go unrenewed before another worker takes it; alike for all workers.",
    ),
    honoured(
        "maxLeasesForWorker",
        "number",
        "no limit",
        Takes::Count(|draft, leases| {
            draft.lease.max_leases = usize::try_from(leases).unwrap_or(usize::MAX);
        }),
        "How many leases this worker holds at most.",
    ),
    honoured(
        "maxLeasesToStealAtOneTime",
        "number",
        "1",
        Takes::Count(|draft, leases| {
            draft.lease.max_steal = usize::try_from(leases).unwrap_or(usize::MAX);
        }),
        "How many leases are stolen at once from a worker that has more.",
    ),
    honoured(
        "enablePriorityLeaseAssignment",
        "true or false",
        "true",
        Takes::Flag(|draft, yes| draft.lease.priority_assignment = yes),
        "Whether leases long unrenewed are taken beyond this worker's share.",
    ),
    honoured(
        "cleanupLeasesUponShardCompletion",
        "true or false",
        "true",
        Takes::Flag(|draft, yes| draft.lease.cleanup_finished = yes),
        "Whether leases of finished shards are deleted. Java cannot be told `false`.",
    ),
    honoured(
        "completedLeaseCleanupThresholdMillis",
        "milliseconds",
        "300000",
        Takes::Millis(|draft, time| draft.lease.cleanup_interval = time),
        "How often finished leases are looked at. A key of KCL 1.x that later versions ignore.",
    ),
    honoured(
        "ignoreUnexpectedChildShards",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.sync.ignore_unexpected_child_shards = yes),
        "Whether an open shard with an open parent is passed over instead of failing the sync.",
    ),
    honoured(
        "listShardsBackoffTimeInMillis",
        "milliseconds",
        "1500",
        Takes::Millis(|draft, time| draft.sync.list_shards_backoff = time),
        "The wait after ListShards was refused for its rate.",
    ),
    honoured(
        "maxListShardsRetryAttempts",
        "number",
        "50",
        Takes::Count(|draft, attempts| draft.sync.list_shards_attempts = attempts),
        "How often ListShards is tried.",
    ),
    honoured(
        "leasesRecoveryAuditorExecutionFrequencyMillis",
        "milliseconds",
        "120000",
        Takes::Millis(|draft, time| draft.sync.audit_interval = time),
        "How often the leader looks for holes; one that it has seen it looks at again every 30 s. A \
         key of KCL 1.x that later versions ignore.",
    ),
    honoured(
        "leasesRecoveryAuditorInconsistencyConfidenceThreshold",
        "number",
        "3",
        Takes::Count(|draft, times| draft.sync.audit_confidence = times),
        "How often a hole is seen before it is repaired. A key of KCL 1.x that later versions \
         ignore.",
    ),
    honoured(
        "schedulerInitializationBackoffTimeMillis",
        "milliseconds",
        "1000",
        Takes::Millis(|draft, time| draft.coordinator.start_backoff = time),
        "The wait between two tries to start.",
    ),
    honoured(
        "maxInitializationAttempts",
        "number",
        "20",
        Takes::Count(|draft, attempts| draft.coordinator.start_attempts = attempts),
        "How often the start is tried. A key of KCL 1.x that later versions ignore.",
    ),
    honoured(
        "leaseTableDeletionProtectionEnabled",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.deletion_protection = yes),
        "Whether a lease table that we make is protected from deletion.",
    ),
    honoured(
        "leaseTablePitrEnabled",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.point_in_time_recovery = yes),
        "Whether point-in-time recovery of the lease table is switched on.",
    ),
    honoured(
        "initialLeaseTableReadCapacity",
        "number",
        "10",
        Takes::Count(|draft, units| draft.initial_read_capacity = Some(units)),
        "With `shardwise.leaseTable.billing = provisioned` only; Java never uses it.",
    ),
    honoured(
        "initialLeaseTableWriteCapacity",
        "number",
        "10",
        Takes::Count(|draft, units| draft.initial_write_capacity = Some(units)),
        "With `shardwise.leaseTable.billing = provisioned` only; Java never uses it.",
    ),
    honoured(
        "clientVersionConfig",
        "`CLIENT_VERSION_CONFIG_3X`, `…_COMPATIBLE_WITH_2X`, `…_2X_PHASE1`",
        "`…_COMPATIBLE_WITH_2X`",
        Takes::Choice(&[
            Word { text: "CLIENT_VERSION_CONFIG_3X", set: |draft| draft.wants_3x = true },
            Word {
                text: "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X",
                set: |draft| draft.wants_3x = false,
            },
            Word {
                text: "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X_PHASE1",
                set: |draft| draft.wants_3x = false,
            },
        ]),
        "Leases are balanced as KCL 2.x does; with `…_3X` a warning says so.",
    ),
    no_effect(
        "shardSyncIntervalMillis",
        "milliseconds",
        "Syncs run when they are needed; Java sleeps this long after each.",
    ),
    no_effect(
        "skipShardSyncAtWorkerInitializationIfLeasesExist",
        "true or false",
        "There is no sync at start when leases exist. With `true` Java also hands over user records \
         of an aggregate that belong to other shards; here they are left out. Also 1.x's \
         `skipShardSyncAtStartupIfLeasesExist`.",
    ),
    no_effect("maxLeaseRenewalThreads", "number", "Renewals need no threads."),
    no_effect("leaseTableScanTotalSegments", "number", "The table is scanned page by page."),
    no_effect("leaseCleanupIntervalMillis", "milliseconds", "A key of KCL 1.x."),
    no_effect("garbageLeaseCleanupThresholdMillis", "milliseconds", "A key of KCL 1.x."),
    no_effect("billingMode", "text", "No KCL reads it; ours is `shardwise.leaseTable.billing`."),
    no_effect("shardPrioritizationStrategy", "object", "A key of KCL 1.x; unusable there too."),
    no_effect("shardSyncStrategyType", "text", "A key of KCL 1.x; unusable there too."),
    Key {
        name: "shardPrioritization",
        form: "object",
        default: "-",
        fate: Fate::Refused,
        note: "Java cannot read any value of it either; leave it out.",
    },
];

const HANDOFF: &str = "Leases change hands as in KCL 2.x; the graceful handoff is not built yet.";
const BY_LOAD: &str = "Leases are balanced by their number; balancing by load is not built yet.";
const NO_TABLE: &str = "The table of KCL 3.x before 3.5 is neither made nor read yet.";
const MIGRATION: &str = "The migrations of KCL 3.x are not built yet.";

pub(super) static NOT_BUILT: &[Key] = &[
    not_built("gracefulLeaseHandoffTimeoutMillis", "milliseconds", HANDOFF),
    not_built("isGracefulLeaseHandoffEnabled", "true or false", HANDOFF),
    not_built("leaseAssignmentIntervalMillis", "milliseconds", BY_LOAD),
    not_built("inMemoryWorkerMetricsCaptureFrequencyMillis", "milliseconds", BY_LOAD),
    not_built("workerMetricsReporterFreqInMillis", "milliseconds", BY_LOAD),
    not_built("noOfPersistedMetricsPerWorkerMetrics", "number", BY_LOAD),
    not_built("disableWorkerMetrics", "true or false", BY_LOAD),
    not_built("maxThroughputPerHostKBps", "number", BY_LOAD),
    not_built("dampeningPercentage", "number", BY_LOAD),
    not_built("reBalanceThresholdPercentage", "number", BY_LOAD),
    not_built("allowThroughputOvershoot", "true or false", BY_LOAD),
    not_built("varianceBalancingFrequency", "number", BY_LOAD),
    not_built("workerMetricsEMAAlpha", "number", BY_LOAD),
    not_built("staleWorkerMetricsEntryCleanupDuration", "ISO 8601 duration", BY_LOAD),
    not_built("workerMetricsTableName", "text", NO_TABLE),
    not_built("workerMetricsBillingMode", "text", NO_TABLE),
    not_built("workerMetricsReadCapacity", "number", NO_TABLE),
    not_built("workerMetricsWriteCapacity", "number", NO_TABLE),
    not_built("workerMetricsPointInTimeRecoveryEnabled", "true or false", NO_TABLE),
    not_built("workerMetricsDeletionProtectionEnabled", "true or false", NO_TABLE),
    not_built("workerMetricsTags", "tags", NO_TABLE),
    not_built("coordinatorStateTableName", "text", NO_TABLE),
    not_built("coordinatorStateBillingMode", "text", NO_TABLE),
    not_built("coordinatorStateReadCapacity", "number", NO_TABLE),
    not_built("coordinatorStateWriteCapacity", "number", NO_TABLE),
    not_built("coordinatorStatePointInTimeRecoveryEnabled", "true or false", NO_TABLE),
    not_built("coordinatorStateDeletionProtectionEnabled", "true or false", NO_TABLE),
    not_built("coordinatorStateTags", "tags", NO_TABLE),
    not_built("migrateAllEntitiesToLeaseTable", "true or false", MIGRATION),
    not_built("tableMigrationCompleteBakeTimeSeconds", "seconds", MIGRATION),
];
