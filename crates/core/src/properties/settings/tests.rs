mod every_key;
mod samples;
mod secrets;

use super::reader::split_command;
use super::*;
use crate::config::{Billing, InitialPosition, Pace};
use crate::properties::keys::{self, Fate, Takes};

const NEEDED: &str = "executableName = node  app.js\napplicationName = app\nstreamName = orders\n\
                      AWSCredentialsProvider = DefaultCredentialsProvider\n";

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn read(more: &str) -> Result<DaemonSettings, SettingsError> {
    let generated = WorkerId::new("generated").unwrap();
    DaemonSettings::from_bytes(format!("{NEEDED}{more}").as_bytes(), &generated, NOW)
}

/// What a file says that has what is needed, in four lines, and more.
pub(crate) fn settings(more: &str) -> DaemonSettings {
    read(more).unwrap()
}

/// Why such a file cannot be used.
pub(crate) fn error(more: &str) -> String {
    read(more).unwrap_err().to_string()
}

fn warnings(more: &str) -> Vec<String> {
    let said = settings(&format!("retrievalMode=POLLING\n{more}")).warnings.into_iter();
    said.filter(|said| said.key != "retrievalMode").map(|warning| warning.text).collect()
}

#[test]
fn the_least_file_has_the_defaults_of_the_java_daemon() {
    let settings = settings("");
    assert_eq!(settings.executable, ["node", "app.js"]);
    assert_eq!(settings.config.worker_id.as_str(), "generated");
    assert_eq!(settings.config.table.name, "app");
    assert_eq!(settings.config.initial_position, InitialPosition::Latest);
    let idle = Duration::from_millis(1_500);
    assert_eq!(settings.config.polling.pace, Pace::Fixed { idle, at_tip: Duration::ZERO });
    assert_eq!(settings.config.byte_budget, 256 << 20);
    assert_eq!(settings.config.lease.failover_time, Duration::from_secs(10));
    assert_eq!(settings.kinesis_credentials, [Provider::Default]);
    assert_eq!(settings.dynamodb_credentials, [Provider::Default]);
}

#[test]
fn what_is_missing_is_named() {
    for key in ["executableName", "applicationName", "streamName", "AwsCredentialsProvider"] {
        let lines =
            NEEDED.lines().filter(|line| !line.to_lowercase().starts_with(&key.to_lowercase()));
        let file: String = lines.flat_map(|line| [line, "\n"]).collect();
        let generated = WorkerId::new("generated").unwrap();
        let error = DaemonSettings::from_bytes(file.as_bytes(), &generated, NOW).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{key}` is missing")), "{error}");
    }
}

#[test]
fn a_spelling_that_java_passes_over_never_wins_over_one_that_it_reads() {
    let settings = settings(
        "dynamoDBEndpoint=https://java\nDynamoDBEndpoint=https://other\n\
         timestampAtInitialPositionInStream=1\ninitialPositionInStream=TRIM_HORIZON\n",
    );
    assert_eq!(settings.dynamodb_endpoint.as_deref(), Some("https://java"));
    assert_eq!(settings.config.initial_position, InitialPosition::TrimHorizon);
}

#[test]
fn a_required_key_that_is_misspelt_is_named_as_it_is_written() {
    let generated = WorkerId::new("generated").unwrap();
    let file = NEEDED.replace("streamName", "streamNam");
    let error = DaemonSettings::from_bytes(file.as_bytes(), &generated, NOW).unwrap_err();
    assert!(error.to_string().ends_with("; `streamNam` in line 3 is unknown"), "{error}");
}

#[test]
fn a_wrong_value_is_one_error_with_line_key_and_what_is_allowed() {
    for (line, expected) in [
        ("maxRecords = 10001", "`maxRecords` is `10001`: 1 to 10000"),
        ("failoverTimeMillis = soon", "`failoverTimeMillis` is `soon`: a whole number"),
        ("failoverTimeMillis = -1", "`failoverTimeMillis` is `-1`: a whole number from 0"),
        ("failoverTimeMillis = 499", "`failoverTimeMillis` is"),
        ("initialPositionInStream = AT_TIMESTAMP", "one of `LATEST`, `TRIM_HORIZON`"),
        ("initialPositionInStreamExtended = 2026-01-01", "a whole number"),
        ("initialPositionInStreamExtended = 1700000000000", "seconds since 1970"),
        ("initialPositionInStreamExtended = 1800000301", "in the future"),
        ("retrievalMode = PULL", "one of `DEFAULT`, `POLLING`, `FANOUT`"),
        ("ignoreUnexpectedChildShards = maybe", "`true` or `false`"),
        ("kinesisEndpoint = localhost:4567", "an http:// or https:// address"),
        ("kinesisEndpoint = http://127.0.0.1:99999", "an http:// or https:// address"),
        ("kinesisEndpoint = http://[::1]4567", "an http:// or https:// address"),
        ("kinesisEndpoint = http://10.0.0.1", "shardwise.allowInsecureEndpoint"),
        ("streamArn = orders", "arn:aws:kinesis"),
        ("fanoutConfig.consumerArn = x", "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer"),
        ("fanoutConfig.consumerName = a b", "the name of a stream consumer is needed"),
        ("streamArn = arn:aws:kinesis:a:123456789012:stream/a/b", "`streamArn` is `a/b`: the name"),
        ("executableName =", "`executableName` is ``: the child's command"),
        ("streamName =", "`streamName` is ``: the stream to process"),
        ("streamName = my orders", "`streamName` is `my orders`: the name of a stream"),
        ("applicationName = my app", "`applicationName` is `my app`: the name of a DynamoDB table"),
        ("tableName = ab", "`tableName` is `ab`: the name of a DynamoDB table"),
        ("regionName = Frankfurt", "`regionName` is `Frankfurt`: a region is needed"),
        ("dynamoDbClient.region = eu west", "a region is needed"),
        ("shardPrioritization = x", "leave it out"),
        ("kinesisClient.credentials = x", "`endpointOverride`"),
        ("AWSCredentialsProvider = Foo", "`Foo` is not known"),
        ("AWSCredentialsProvider = SystemPropertyCredentialsProvider", "at least one of"),
        ("shardwise.leaseTable.tags = a", "`a` is no `key=value` pair"),
        ("maxLeasesForWorker = 2147483648", "a whole number from 0 to 2147483647"),
        ("a = \\u12", "`\\u` must be followed"),
    ] {
        let error = error(line);
        assert!(error.starts_with("line 5: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_value_that_may_be_a_secret_is_not_shown() {
    for line in [
        "kinesisCredentialsProvider.secretAccessKey = hunter2",
        "kinesisEndpoint = http://user:hunter2@example.org",
        "AWSCredentialsProvider = MyProvider|AKIA|hunter2",
    ] {
        let error = error(line);
        assert!(error.starts_with("line 5: ") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_java_misreads_means_what_it_says_and_a_warning_says_so() {
    for (line, expected) in [
        ("failoverTimeMillis = 20_000", "read as 20000; Java reads 0"),
        ("ignoreUnexpectedChildShards = true ", "read as true; Java reads false"),
        ("tableName = leases ", "white space"),
        ("initialPositionInStream = latest ", "white space"),
        ("cleanupLeasesUponShardCompletion = false", "Java would delete"),
        ("maxActiveThreads = -1", "no limit"),
        ("timeoutInSeconds = 0", "0 is the same as leaving it out"),
        ("idleTimeBetweenReadsInMillis = 0", "0 is the same as leaving it out"),
        ("idleTimeBetweenReadsInMillis = 100", "raised to 200"),
        ("shardwise.polling = adaptive\nidleTimeBetweenReadsInMillis = 500", "no effect with"),
        ("workerId =", "empty"),
        ("DynamoDBEndpoint = http://localhost:1", "ignore this spelling"),
        ("clientVersionConfig = CLIENT_VERSION_CONFIG_3X", "as KCL 2.x does"),
        ("processingLanguage = nodejs/20", "no effect"),
        ("failoverTimeMilis = 1", "is `failoverTimeMillis` meant?"),
        ("streamName = again", "`streamName` in line 6 wins"),
        ("dynamoDBEndpoint=https://a\nDynamoDBEndpoint=https://b", "in line 6 wins"),
        ("DynamoDBEndpoint=https://a\ndynamoDBEndpoint=https://b", "in line 7 wins"),
        (
            "initialPositionInStream=LATEST\ntimestampAtInitialPositionInStream=1",
            "`initialPositionInStream` in line 6 wins",
        ),
        ("initialPositionInStream=LATEST\ninitialPositionInStreamExtended=1", "passed over"),
        (
            "AwsCredentialsProviderDynamoDB = ABCD, DefaultCredentialsProvider",
            "`ABCD` is not known",
        ),
        ("maxRecords =", "empty"),
        ("coordinatorStateTableConfigBean.tableName = x", "unknown key"),
        ("initialLeaseTableReadCapacity = 5", "no effect without"),
        (
            "shardwise.leaseTable.billing = provisioned\ninitialLeaseTableReadCapacity = 5\n\
             shardwise.leaseTable.readCapacity = 6",
            "`shardwise.leaseTable.readCapacity` wins",
        ),
        ("kinesisEndpoint=http://10.0.0.1\nshardwise.allowInsecureEndpoint=yes", "in clear"),
        ("streamArn=arn:aws:kinesis:a:123456789012:stream/orders\nregionName=b", "another one"),
        (
            "streamArn=arn:aws:kinesis:a:123456789012:stream/sample",
            "passed over: `streamArn` in line 6 wins, and names `sample`",
        ),
        (
            "kinesisClient.endpointOverride=https://a\nkinesisEndpoint=https://b",
            "passed over: `kinesisEndpoint` in line 7 wins",
        ),
        ("shardwise.leaseTable.readCapacity = 5", "no effect without"),
    ] {
        let warnings = warnings(line);
        assert_eq!(warnings.len(), 1, "{line}: {warnings:?}");
        assert!(warnings[0].contains(expected), "{line}: {warnings:?}");
    }
}

#[test]
fn what_is_about_a_new_table_says_so_where_none_is_made() {
    for line in [
        "shardwise.leaseTable.billing = provisioned",
        "shardwise.leaseTable.readCapacity = 5",
        "shardwise.leaseTable.writeCapacity = 5",
        "initialLeaseTableReadCapacity = 5",
        "initialLeaseTableWriteCapacity = 5",
        "shardwise.leaseTable.tags = a=b",
        "leaseTableDeletionProtectionEnabled = true",
    ] {
        let said = warnings(&format!("shardwise.leaseTable.create = never\n{line}"));
        assert_eq!(said.len(), 1, "{line}: {said:?}");
        let (key, _) = line.split_once(' ').unwrap();
        let why = "no effect with `shardwise.leaseTable.create = never`";
        assert!(said[0].contains(why), "{key}: {said:?}");
    }
    // Of a table that is there it is switched on all the same.
    let recovery = "shardwise.leaseTable.create = never\nleaseTablePitrEnabled = true";
    assert_eq!(warnings(recovery), Vec::<String>::new());
}

#[test]
fn the_last_of_two_spellings_wins() {
    let settings = settings("workerId = a\nworkerIdentifier = b\n");
    assert_eq!(settings.config.worker_id.as_str(), "b");
    assert!(settings.warnings[0].text.contains("`workerIdentifier` in line 6 wins"));
}

#[test]
fn everything_is_carried_over() {
    let settings = settings(
        "workerId=w\nstreamArn=arn:aws:kinesis:us-east-1:123456789012:stream/other\n\
         regionName=us-east-1\ndynamoDbClient.region=eu-west-1\n\
         kinesisEndpoint=http://localhost:4567\ndynamoDBEndpoint=https://example.org\n\
         initialPositionInStreamExtended=5\nfailoverTimeMillis=3000\nmaxLeasesForWorker=7\n\
         cleanupLeasesUponShardCompletion=no\nidleTimeBetweenReadsInMillis=250\nmaxRecords=9\n\
         pollingConfig.maxRecords=10\nshutdownGraceMillis=9000\ntimeoutInSeconds=7\n\
         shardwise.processRecordsTimeoutSeconds=8\nshardwise.onChildFailure=exit\n\
         shardwise.childEnvironment=PATH, HOME\nshardwise.leaseTable.billing=provisioned\n\
         shardwise.leaseTable.readCapacity=5\ninitialLeaseTableWriteCapacity=6\n\
         shardwise.leaseTable.tags=a=b\nmaxActiveThreads=3\nshardwise.byteBudget=9000000\n\
         millisBehindLatestThresholdForReducedTps=4000\nshardwise.logTo=stdout\n\
         AwsCredentialsProviderDynamoDB=EnvironmentVariableCredentialsProvider\n",
    );
    let config = &settings.config;
    assert_eq!(config.worker_id.as_str(), "w");
    assert_eq!(config.stream_name.as_str(), "other");
    let position = InitialPosition::AtTimestamp(Timestamp::from_millis(5_000));
    assert_eq!(config.initial_position, position);
    assert_eq!(config.lease.failover_time, Duration::from_secs(3));
    assert_eq!(config.lease.max_leases, 7);
    assert!(!config.lease.cleanup_finished);
    let (idle, at_tip) = (Duration::from_millis(250), Duration::from_secs(4));
    assert_eq!(config.polling.pace, Pace::Fixed { idle, at_tip });
    assert_eq!(config.byte_budget, 9_000_000);
    assert_eq!(config.polling.max_records, 10);
    assert_eq!(config.coordinator.shutdown_grace, Duration::from_secs(9));
    let Billing::Provisioned { read, write } = config.table.billing else { panic!() };
    assert_eq!((read.get(), write.get()), (5, 6));
    assert_eq!(config.table.tags.len(), 1);
    assert_eq!(settings.kinesis_region.as_deref(), Some("us-east-1"));
    assert_eq!(settings.dynamodb_region.as_deref(), Some("eu-west-1"));
    assert_eq!(settings.kinesis_endpoint.as_deref(), Some("http://localhost:4567"));
    assert_eq!(settings.dynamodb_credentials, [Provider::Environment]);
    assert_eq!(settings.max_calls.map(NonZeroUsize::get), Some(3));
    assert_eq!(settings.log.to, LogTo::Stdout);
    let child = &settings.child;
    assert_eq!(child.response_timeout, Some(Duration::from_secs(7)));
    assert_eq!(child.process_records_timeout, Some(Duration::from_secs(8)));
    assert_eq!(child.on_failure, OnChildFailure::Exit);
    let names = vec!["PATH".to_owned(), "HOME".to_owned()];
    assert_eq!(child.environment, ChildEnvironment::Names(names));
}

#[test]
fn what_java_takes_of_a_client_is_honoured_or_named() {
    for line in [
        "dynamoDbClient.endpointDiscoveryEnabled = true",
        "kinesisClient.overrideConfiguration.apiCallTimeout = PT30S",
        "cloudWatchClient.overrideConfiguration.apiCallAttemptTimeout = PT30S",
    ] {
        let said = settings(line).warnings;
        let said = said.iter().filter(|it| it.text.starts_with("no effect: ")).count();
        assert_eq!(said, 1, "{line}");
    }
    let mode = |line| settings(line).dynamodb_endpoint_kind.account_id;
    let disabled = mode("dynamoDbClient.accountIdEndpointMode = disabled");
    assert_eq!(disabled, Some(AccountIdEndpoints::Disabled));
    assert_eq!(mode(""), None);
    assert!(error("kinesisClient.accountIdEndpointMode = DISABLED").contains("are known"));
}

#[test]
fn a_number_of_zero_is_the_default_as_in_java() {
    let pace = |more: &str| settings(&format!("retrievalMode=POLLING\n{more}")).config.polling.pace;
    assert_eq!(pace("idleTimeBetweenReadsInMillis = 0"), pace(""));
    assert_ne!(pace("idleTimeBetweenReadsInMillis = 300"), pace(""));
}

#[test]
fn of_what_a_child_writes_so_many_lines_are_logged_as_the_file_says() {
    for (more, lines) in [
        ("", 100),
        ("shardwise.childLogLinesPerSecond = 7", 7),
        ("shardwise.childLogLinesPerSecond = 0", u32::MAX),
    ] {
        let settings = settings(more);
        assert_eq!(settings.child.logged_per_second(), lines, "{more}");
        assert_eq!(settings.warnings.len(), 1, "retrieval alone: {:?}", settings.warnings);
    }
}

#[test]
fn the_stream_consumer_is_waited_for_as_the_file_says() {
    let more = "fanoutConfig.maxDescribeStreamConsumerRetries = 3\n\
                fanoutConfig.retryBackoffMillis = 200";
    let registration = settings(more).config.registration;
    assert_eq!((registration.looks, registration.backoff), (3, Duration::from_millis(200)));
}

#[test]
fn a_command_is_split_at_spaces_only() {
    assert_eq!(split_command("node  a.js"), ["node", "a.js"]);
    assert_eq!(split_command("sh -c \"x y\""), ["sh", "-c", "\"x", "y\""]);
    assert_eq!(split_command("a\tb c"), ["a\tb", "c"]);
    assert!(split_command("  ").is_empty());
}

#[test]
fn white_space_at_the_end_of_a_command_is_no_part_of_its_last_word() {
    let generated = WorkerId::new("generated").unwrap();
    for (end, warned) in [("", 0), ("  ", 0), ("\t", 1), (" \t ", 1)] {
        let file = NEEDED.replace("app.js", &format!("app.js{end}"));
        let settings = DaemonSettings::from_bytes(file.as_bytes(), &generated, NOW).unwrap();
        assert_eq!(settings.executable, ["node", "app.js"], "{end:?}");
        let said = settings.warnings.iter().filter(|it| it.key == "executableName").count();
        assert_eq!(said, warned, "{end:?}");
    }
}

#[test]
fn every_honoured_key_but_a_choosy_one_takes_some_value_without_an_error() {
    let sample = |takes: &Takes| match takes {
        Takes::Command(_) | Takes::Text(_) | Takes::List(_) | Takes::Region(_) => "xyz",
        Takes::Count(_)
        | Takes::CountFromZero(_)
        | Takes::Limit(_)
        | Takes::MillisFromZero(_)
        | Takes::Seconds(_) => "300",
        Takes::Millis(_) => "700",
        Takes::EpochSeconds(_) => "1",
        Takes::Flag(_) => "true",
        Takes::Choice(words) => words[0].text,
        Takes::Endpoint(_) => "https://localhost",
        Takes::Credentials(_) => "DefaultCredentialsProvider",
        Takes::Tags(_) => "a=b",
    };
    let choosy = ["streamArn", "fanoutConfig.consumerArn", "shardwise.metrics"];
    let is_choosy = |name: &str| choosy.contains(&name) || name.ends_with(".profileName");
    for key in keys::all().filter(|key| !is_choosy(key.name)) {
        if let Fate::Honoured(takes) = &key.fate {
            let line = format!("{} = {}", key.name, sample(takes));
            assert!(read(&line).is_ok(), "{line}: {:?}", read(&line).err());
        }
    }
}
