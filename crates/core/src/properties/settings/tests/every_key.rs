//! Every key of KCL 3.5.1's daemon, with a good value, a bad one, and none.

use std::collections::BTreeSet;

use super::*;

/// A key that is honoured.
struct Row {
    key: &'static str,
    good: &'static str,
    /// How the good value is understood.
    understood: &'static str,
    /// What holds without the key.
    missing: &'static str,
    bad: &'static str,
    /// What is said of the bad value: an error, or a warning where Java's users would have none.
    said: &'static str,
}

/// Without the key nothing runs.
const REQUIRED: &str = "";

const fn honoured(
    key: &'static str,
    good: &'static str,
    missing: &'static str,
    bad: &'static str,
    said: &'static str,
) -> Row {
    read_as(key, good, good, missing, bad, said)
}

const fn read_as(
    key: &'static str,
    good: &'static str,
    understood: &'static str,
    missing: &'static str,
    bad: &'static str,
    said: &'static str,
) -> Row {
    Row { key, good, understood, missing, bad, said }
}

const HONOURED: &[Row] = &[
    honoured("executableName", "node app.js", REQUIRED, "  ", "is ``"),
    honoured("applicationName", "billing", REQUIRED, "", "is ``"),
    honoured("streamName", "orders-2", REQUIRED, "a/b", "the name of a stream"),
    honoured(
        "streamArn",
        "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        "-",
        "arn:aws:kinesis:eu-west-1:1:stream/orders",
        "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME is needed",
    ),
    honoured(
        "AwsCredentialsProvider",
        "EnvironmentVariableCredentialsProvider",
        REQUIRED,
        "NoSuchProvider",
        "NoSuchProvider",
    ),
    honoured(
        "AwsCredentialsProviderDynamoDB",
        "InstanceProfileCredentialsProvider",
        "DefaultCredentialsProvider",
        "NoSuchProvider",
        "NoSuchProvider",
    ),
    honoured(
        "AwsCredentialsProviderCloudWatch",
        "ContainerCredentialsProvider",
        "DefaultCredentialsProvider",
        "NoSuchProvider",
        "NoSuchProvider",
    ),
    honoured("maxActiveThreads", "7", "no limit", "seven", "a whole number"),
    honoured("tableName", "leases", "app", "a b", "the name of a DynamoDB table"),
    honoured("workerId", "w-1", "made at each start", "", "empty"),
    honoured(
        "regionName",
        "eu-west-1",
        "the environment's or profile's",
        "eu west",
        "a region is needed",
    ),
    honoured(
        "kinesisEndpoint",
        "https://localhost:4567",
        "AWS",
        "localhost:4567",
        "an http:// or https:// address",
    ),
    honoured(
        "dynamoDBEndpoint",
        "https://localhost:8000",
        "AWS",
        "http://10.0.0.1",
        "http:// is for this machine only",
    ),
    read_as(
        "initialPositionInStream",
        "trim_horizon",
        "TRIM_HORIZON",
        "LATEST",
        "AT_TIMESTAMP",
        "initialPositionInStreamExtended",
    ),
    honoured(
        "initialPositionInStreamExtended",
        "1700000000",
        "-",
        "1700000000000",
        "seconds since 1970",
    ),
    honoured(
        "timeoutInSeconds",
        "20",
        "300, and none for processRecords",
        "soon",
        "a whole number",
    ),
    honoured("shutdownGraceMillis", "5000", "25000", "5 s", "a whole number"),
    read_as(
        "retrievalMode",
        "polling",
        "POLLING",
        "DEFAULT",
        "PUSH",
        "one of `DEFAULT`, `POLLING`, `FANOUT`",
    ),
    honoured("maxRecords", "500", "10000", "10001", "1 to 10000"),
    honoured("idleTimeBetweenReadsInMillis", "250", "1500", "quick", "a whole number"),
    honoured("millisBehindLatestThresholdForReducedTps", "1000", "0", "-1", "a whole number"),
    honoured(
        "fanoutConfig.consumerArn",
        "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/reader:1",
        "-",
        "reader",
        "stream/NAME/consumer/NAME:SECONDS",
    ),
    honoured(
        "fanoutConfig.consumerName",
        "reader",
        "app",
        "a reader",
        "the name of a stream consumer",
    ),
    honoured("fanoutConfig.maxDescribeStreamConsumerRetries", "3", "10", "many", "a whole number"),
    honoured("fanoutConfig.retryBackoffMillis", "200", "1000", "1s", "a whole number"),
    read_as("failoverTimeMillis", "20_000", "20000", "10000", "100", "500 ms or more"),
    honoured("cleanupLeasesUponShardCompletion", "false", "true", "maybe", "`true` or `false`"),
    read_as("ignoreUnexpectedChildShards", "yes", "true", "false", "maybe", "`true` or `false`"),
    honoured("maxLeasesForWorker", "4", "no limit", "-4", "a whole number"),
    honoured("maxLeasesToStealAtOneTime", "2", "1", "x", "a whole number"),
    read_as("enablePriorityLeaseAssignment", "off", "false", "true", "maybe", "`true` or `false`"),
    honoured("initialLeaseTableReadCapacity", "5", "10", "x", "a whole number"),
    honoured("initialLeaseTableWriteCapacity", "5", "10", "x", "a whole number"),
    read_as(
        "leaseTableDeletionProtectionEnabled",
        "1",
        "true",
        "false",
        "maybe",
        "`true` or `false`",
    ),
    read_as("leaseTablePitrEnabled", "on", "true", "false", "maybe", "`true` or `false`"),
    honoured("listShardsBackoffTimeInMillis", "100", "1500", "x", "a whole number"),
    honoured("maxListShardsRetryAttempts", "5", "50", "x", "a whole number"),
    read_as(
        "clientVersionConfig",
        "client_version_config_compatible_with_2x",
        "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X",
        "…_COMPATIBLE_WITH_2X",
        "2X",
        "one of",
    ),
    honoured("parentShardPollIntervalMillis", "1000", "10000", "x", "a whole number"),
    honoured("schedulerInitializationBackoffTimeMillis", "100", "1000", "x", "a whole number"),
    honoured(
        "callProcessRecordsEvenForEmptyRecordList",
        "true",
        "false",
        "maybe",
        "`true` or `false`",
    ),
    honoured("taskBackoffTimeMillis", "100", "500", "x", "a whole number"),
    honoured("logWarningForTaskAfterMillis", "5000", "60000", "x", "a whole number"),
    read_as(
        "metricsLevel",
        "summary",
        "SUMMARY",
        "DETAILED",
        "ALL",
        "one of `NONE`, `SUMMARY`, `DETAILED`",
    ),
    honoured(
        "metricsEnabledDimensions",
        "Operation,ShardId",
        "ALL",
        "Shard",
        "no dimension `Shard`",
    ),
    honoured("metricsBufferTimeMillis", "1000", "10000", "x", "a whole number"),
    honoured("metricsMaxQueueSize", "100", "10000", "x", "a whole number"),
];

/// Keys that change nothing here, each with a value that Java takes, and one that it does not; any
/// text will do where there is none.
const PASSED_OVER: &[(&str, &str, &str)] = &[
    ("processingLanguage", "nodejs/20", ""),
    ("retryGetRecordsInSeconds", "7", "x"),
    ("maxGetRecordsThreadPool", "7", "x"),
    ("validateSequenceNumberBeforeCheckpointing", "true", "maybe"),
    ("fanoutConfig.maxDescribeStreamSummaryRetries", "7", "x"),
    ("fanoutConfig.registerStreamConsumerRetries", "7", "x"),
    ("shardSyncIntervalMillis", "7", "x"),
    ("maxLeaseRenewalThreads", "7", "x"),
    ("leaseTableScanTotalSegments", "7", "x"),
    ("skipShardSyncAtWorkerInitializationIfLeasesExist", "true", "maybe"),
    ("leaseAssignmentIntervalMillis", "7", "x"),
    ("gracefulLeaseHandoffTimeoutMillis", "7", "x"),
    ("isGracefulLeaseHandoffEnabled", "true", "maybe"),
    ("inMemoryWorkerMetricsCaptureFrequencyMillis", "7", "x"),
    ("workerMetricsReporterFreqInMillis", "7", "x"),
    ("noOfPersistedMetricsPerWorkerMetrics", "7", "x"),
    ("disableWorkerMetrics", "true", "maybe"),
    ("maxThroughputPerHostKBps", "1.5e3", "x"),
    ("dampeningPercentage", "7", "x"),
    ("reBalanceThresholdPercentage", "7", "x"),
    ("allowThroughputOvershoot", "true", "maybe"),
    ("varianceBalancingFrequency", "7", "x"),
    ("workerMetricsEMAAlpha", "0.5", "x"),
    ("staleWorkerMetricsEntryCleanupDuration", "PT10H", "10 hours"),
    ("workerMetricsTableName", "other", ""),
    ("workerMetricsBillingMode", "PROVISIONED", "FREE"),
    ("workerMetricsReadCapacity", "7", "x"),
    ("workerMetricsWriteCapacity", "7", "x"),
    ("workerMetricsPointInTimeRecoveryEnabled", "true", "maybe"),
    ("workerMetricsDeletionProtectionEnabled", "true", "maybe"),
    ("workerMetricsTags", "a=b", "a"),
    ("coordinatorStateTableName", "other", ""),
    ("coordinatorStateBillingMode", "PROVISIONED", "FREE"),
    ("coordinatorStateReadCapacity", "7", "x"),
    ("coordinatorStateWriteCapacity", "7", "x"),
    ("coordinatorStatePointInTimeRecoveryEnabled", "true", "maybe"),
    ("coordinatorStateDeletionProtectionEnabled", "true", "maybe"),
    ("coordinatorStateTags", "a=b", "a"),
    ("migrateAllEntitiesToLeaseTable", "true", "maybe"),
    ("tableMigrationCompleteBakeTimeSeconds", "7", "x"),
];

/// A file with what is needed but for `key`, and with this line for it.
fn with(key: &str, value: Option<&str>) -> Result<DaemonSettings, SettingsError> {
    let is_other =
        |line: &&str| !line.to_lowercase().starts_with(&format!("{} ", key.to_lowercase()));
    let others = NEEDED.lines().map(|line| line.replace('=', " ="));
    let others = others.filter(|line| is_other(&&**line)).collect::<Vec<_>>().join("\n");
    let line = value.map(|value| format!("\n{key} = {value}")).unwrap_or_default();
    let generated = WorkerId::new("generated").unwrap();
    let file = format!("retrievalMode = {}\n{others}{line}\n", mode_for(key));
    DaemonSettings::from_bytes(file.as_bytes(), &generated, NOW)
}

/// The way of retrieval that a key is about.
fn mode_for(key: &str) -> &'static str {
    match key {
        "retrievalMode" => "DEFAULT",
        _ if key.starts_with("fanoutConfig.") => "FANOUT",
        _ => "POLLING",
    }
}

fn holds(settings: &DaemonSettings, key: &str) -> String {
    settings.effective().find(|effective| effective.key == key).unwrap().value
}

#[test]
fn every_key_of_java_s_daemon_is_read_refused_and_left_out_as_its_row_says() {
    for Row { key, good, understood, missing, bad, said } in HONOURED {
        let settings = with(key, Some(good)).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(holds(&settings, key), *understood, "{key}");
        assert!(settings.sets(keys::find(key).unwrap().key.name), "{key}");
        match with(key, None) {
            Err(error) => {
                assert_eq!(*missing, REQUIRED, "{key}: {error}");
                assert!(error.to_string().starts_with(&format!("`{key}` is missing")), "{error}");
            }
            Ok(settings) => assert_eq!(holds(&settings, key), *missing, "{key}"),
        }
        match with(key, Some(bad)) {
            Err(error) => {
                let error = error.to_string();
                let place = format!("`{key}`");
                assert!(error.contains(said) && error.contains(&place), "{key}: {error}");
                assert!(error.starts_with("line "), "{key}: {error}");
            }
            Ok(settings) => {
                let warned =
                    settings.warnings.iter().any(|it| it.key == *key && it.text.contains(said));
                assert!(warned, "{key} = {bad}: {:?}", settings.warnings);
            }
        }
    }
}

/// As a template leaves it whose variable is not set.
#[test]
fn an_empty_number_flag_or_word_is_as_if_it_were_not_there() {
    for Row { key, missing, .. } in HONOURED {
        let Fate::Honoured(takes) = keys::find(key).unwrap().key.fate else { continue };
        if takes.has_no_empty_value() {
            let settings = with(key, Some(" ")).unwrap();
            let said: Vec<_> = settings.warnings.iter().filter(|it| it.key == *key).collect();
            assert!(said.iter().any(|it| it.text.contains("empty")), "{key}: {said:?}");
            assert_eq!(holds(&settings, key), *missing, "{key}");
        }
    }
}

#[test]
fn a_key_that_changes_nothing_is_named_once_with_the_reason_whatever_its_value() {
    let plain = with("", None).unwrap();
    for (key, good, bad) in PASSED_OVER {
        for value in [good, bad] {
            let settings = with(key, Some(value)).unwrap();
            let said: Vec<_> = settings.warnings.iter().filter(|it| it.key == *key).collect();
            assert_eq!(said.len(), 1, "{key} = {value}: {said:?}");
            assert!(said[0].text.len() > "no effect: ".len(), "{key}: {said:?}");
            if mode_for(key) == "POLLING" {
                assert_eq!(settings.config, plain.config, "{key} = {value}");
            }
        }
        let form = keys::find(key).unwrap().key.form;
        assert_eq!(
            bad.is_empty(),
            form == "text" && !good.contains("PROVISIONED"),
            "{key}: {form}"
        );
    }
    let refused = with("shardPrioritization", Some("x")).unwrap_err().to_string();
    assert!(refused.contains("Java cannot read any value"), "{refused}");
}

/// A key that is added to the table of all keys needs a row here.
#[test]
fn no_key_of_java_s_daemon_is_without_a_row() {
    let here: BTreeSet<&str> = HONOURED
        .iter()
        .map(|row| row.key)
        .chain(PASSED_OVER.iter().map(|(key, ..)| *key))
        .collect();
    assert_eq!(here.len(), HONOURED.len() + PASSED_OVER.len());
    for key in &here {
        assert_eq!(keys::find(key).map(|found| found.key.name), Some(*key));
    }
    let is_elsewhere = |key: &str, note: &str| {
        let is_nested = key.contains("Client.") || key.contains("CredentialsProvider.");
        key.starts_with("shardwise.") || is_nested || note.contains("1.x")
    };
    let left: Vec<_> = keys::all()
        .filter(|key| !here.contains(key.name) && !is_elsewhere(key.name, key.note))
        .map(|key| key.name)
        .collect();
    assert_eq!(left, ["billingMode", "shardPrioritization"]);
}
