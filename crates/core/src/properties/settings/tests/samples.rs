//! Files as Java's users have them.

use super::*;

/// What the samples of all client libraries ship: few lines, and the defaults as comments.
const SAMPLE: &str = "
# The program that is started for each shard.
executableName = sample_app.py

# The stream, by its name or its ARN; the ARN wins.
streamName = sample
streamArn = arn:aws:kinesis:us-east-5:000000000000:stream/sample
applicationName = SampleApplication
AwsCredentialsProvider = DefaultCredentialsProvider
processingLanguage = python/3.8
initialPositionInStream = TRIM_HORIZON
regionName = us-east-1

# failoverTimeMillis = 10000
#workerId = \"workerId\"
#idleTimeBetweenReadsInMillis = 1000
";

/// Every line of it active that KCL 2.x knows.
const OF_2X: &str = "
retrievalMode = POLLING
failoverTimeMillis = 10000
workerId = \"workerId\"
shardSyncIntervalMillis = 60000
maxRecords = 10000
idleTimeBetweenReadsInMillis = 1000
callProcessRecordsEvenForEmptyRecordList = false
parentShardPollIntervalMillis = 10000
cleanupLeasesUponShardCompletion = true
taskBackoffTimeMillis = 500
metricsBufferTimeMillis = 10000
metricsMaxQueueSize = 10000
validateSequenceNumberBeforeCheckpointing = true
maxActiveThreads = -1
";

/// And KCL 3.x.
const OF_3X: &str = "
clientVersionConfig = CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2x
leaseAssignmentIntervalMillis = 20000
inMemoryWorkerMetricsCaptureFrequencyMillis = 1000
workerMetricsReporterFreqInMillis = 30000
noOfPersistedMetricsPerWorkerMetrics = 10
disableWorkerMetrics = false
maxThroughputPerHostKBps = 1000
dampeningPercentage = 60
reBalanceThresholdPercentage = 10
allowThroughputOvershoot = true
varianceBalancingFrequency = 3
workerMetricsEMAAlpha = 0.5
staleWorkerMetricsEntryCleanupDuration = P1D
workerMetricsTableName = workerMetrics
workerMetricsBillingMode = PROVISIONED
workerMetricsReadCapacity = 10
workerMetricsWriteCapacity = 10
workerMetricsPointInTimeRecoveryEnabled = true
workerMetricsDeletionProtectionEnabled = true
workerMetricsTags = a=b, c=d
coordinatorStateTableName = coordinatorState
coordinatorStateBillingMode = PAY_PER_REQUEST
coordinatorStateReadCapacity = 10
coordinatorStateWriteCapacity = 10
coordinatorStatePointInTimeRecoveryEnabled = false
coordinatorStateDeletionProtectionEnabled = false
coordinatorStateTags = a=b
gracefulLeaseHandoffTimeoutMillis = 30000
isGracefulLeaseHandoffEnabled = false
migrateAllEntitiesToLeaseTable = false
tableMigrationCompleteBakeTimeSeconds = 86400
";

fn of(files: &[&str]) -> DaemonSettings {
    let generated = WorkerId::new("generated").unwrap();
    DaemonSettings::from_bytes(files.concat().as_bytes(), &generated, NOW).unwrap()
}

/// The keys of all warnings but notes.
fn warned(settings: &DaemonSettings) -> Vec<&str> {
    let warnings = settings.warnings.iter().filter(|it| it.level == Level::Warning);
    warnings.map(|it| it.key.as_str()).collect()
}

#[test]
fn a_sample_as_it_is_shipped_is_read_without_a_change() {
    let settings = of(&[SAMPLE]);
    assert_eq!(settings.executable, ["sample_app.py"]);
    assert_eq!(settings.config.stream_name.as_str(), "sample");
    assert_eq!(settings.config.table.name, "SampleApplication");
    assert_eq!(settings.config.worker_id.as_str(), "generated");
    assert_eq!(settings.config.initial_position, InitialPosition::TrimHorizon);
    assert_eq!(settings.kinesis_region.as_deref(), Some("us-east-1"));
    assert_eq!(warned(&settings), ["streamArn"], "its region is another one");
}

#[test]
fn every_line_of_a_sample_may_be_active_and_a_key_that_is_not_built_is_one_warning() {
    let settings = of(&[SAMPLE, OF_2X]);
    assert_eq!(settings.config.worker_id.as_str(), "\"workerId\"", "there are no quotes");
    assert_eq!(warned(&settings), ["maxActiveThreads", "streamArn"]);
    let settings = of(&[SAMPLE, OF_2X, OF_3X]);
    let not_built: Vec<_> =
        keys::all().filter(|key| matches!(key.fate, Fate::NotBuilt)).map(|key| key.name).collect();
    let mut warned: Vec<_> =
        warned(&settings).into_iter().filter(|key| not_built.contains(key)).collect();
    assert_eq!(warned.len() + 2, self::warned(&settings).len(), "{:?}", settings.warnings);
    warned.sort_unstable();
    let mut not_built = not_built;
    not_built.sort_unstable();
    assert_eq!(warned, not_built, "each once");
}

#[test]
fn the_basic_sample_is_read_without_a_warning_and_its_comments_are_the_defaults() {
    let sample =
        include_str!("../../../../../../node/samples/basic_sample/consumer/sample.properties");
    let held = of(&[sample]);
    assert_eq!(warned(&held), [""; 0]);
    let held: Vec<_> = held.effective().map(|one| (one.key, one.value)).collect();
    let is_entry = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let defaults = sample.lines().filter_map(|line| line.strip_prefix('#')).filter(is_entry);
    let defaults: Vec<&str> = defaults.filter(|line| !line.starts_with("workerId")).collect();
    assert!(defaults.len() > 4, "{defaults:?}");
    for line in defaults {
        let settings = of(&[sample, line]);
        let holds: Vec<_> = settings.effective().map(|one| (one.key, one.value)).collect();
        assert_eq!(holds, held, "{line}");
    }
}
