//! What the daemon sends to CloudWatch, and when it sends nothing.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsDouble;

use crate::cloudwatch::{CloudWatch, Datum};
use crate::collector::Collector;
use crate::world::{APPLICATION, World, data, until};

/// Every metric that has arrived.
fn data_of(cloudwatch: &CloudWatch) -> Vec<Datum> {
    cloudwatch.calls().into_iter().flat_map(|call| call.metric_data).collect()
}

/// Lines of a properties file.
fn sent_to(endpoint: &str) -> String {
    format!("cloudWatchClient.endpointOverride = {endpoint}\nmetricsBufferTimeMillis = 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudwatch_is_sent_what_java_sends() {
    let world = World::new(1).await;
    let (cloudwatch, endpoint) = CloudWatch::start().await;
    // Java's daemon takes the stream's name from it, and forgets the account.
    let by_arn = "streamArn = arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    let daemon = world.daemon("", &format!("{}\n{by_arn}", sent_to(&endpoint)));
    daemon.until_log("metrics go to CloudWatch, as Java's do: AWS charges").await;
    let records = world.put("record", 10).await;
    world.until_processed(&daemon, &records).await;
    until("a round with the lease", async || {
        let told = data_of(&cloudwatch);
        let has_it = |datum: &Datum| {
            datum.metric_name == "CurrentLeases" && datum.statistic_values.sum > 0.0
        };
        if told.iter().any(has_it) { Ok(()) } else { Err(daemon.log()) }
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len(), "each once");
    assert!(cloudwatch.calls().iter().all(|call| call.namespace == APPLICATION));

    let told = data_of(&cloudwatch);
    assert!(told.iter().all(|datum| !datum.dimensions().contains_key("StreamId")));
    let sum = |operation: &str, name: &str| -> f64 {
        let is_it = |datum: &&Datum| {
            datum.metric_name == name && datum.dimensions()["Operation"] == operation
        };
        told.iter().filter(is_it).map(|datum| datum.statistic_values.sum).sum()
    };
    assert_eq!(sum("ProcessTask", "RecordsProcessed"), 10.0);
    let bytes: usize = records.iter().map(String::len).sum();
    assert_eq!(sum("ProcessTask", "DataBytesProcessed"), bytes as f64);
    for (operation, name) in [
        ("ProcessTask", "Success"),
        ("ProcessTask", "KinesisDataFetcher.getRecords.Success"),
        ("ProcessTask", "UpdateLease.Success"),
        ("RenewAllLeases", "CurrentLeases"),
        ("Scheduler:Initialize", "Initialize.Success"),
        ("ShardSyncTask", "CreateLease_TRIM_HORIZON.Success"),
        ("TakeLeases", "TakenLeases"),
    ] {
        assert!(sum(operation, name) >= 1.0, "{operation} {name}");
    }
    let own: BTreeSet<_> = told.iter().map(|datum| datum.metric_name.as_str()).collect();
    assert!(!own.contains("MillisSinceLastSuccess"), "the bill is Java's");
    let shards: BTreeSet<_> =
        told.iter().filter_map(|datum| datum.dimensions().get("ShardId").copied()).collect();
    assert_eq!(shards, ["shardId-000000000000"].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_and_dimensions_are_those_of_the_properties_file() {
    let world = World::new(1).await;
    let (cloudwatch, endpoint) = CloudWatch::start().await;
    let daemon = world.daemon(
        "",
        &format!(
            "{}\nmetricsLevel = SUMMARY\nmetricsEnabledDimensions = Operation\n\
             shardwise.cloudWatchOwnMetrics = true",
            sent_to(&endpoint)
        ),
    );
    let records = world.put("record", 3).await;
    world.until_processed(&daemon, &records).await;
    until("sent", async || {
        let told = data_of(&cloudwatch);
        let has_own = told.iter().any(|datum| datum.metric_name == "MillisSinceLastSuccess");
        if has_own { Ok(()) } else { Err(daemon.log()) }
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    for datum in data_of(&cloudwatch) {
        let dimensions: Vec<_> = datum.dimensions().into_keys().collect();
        assert_eq!(dimensions, ["Operation"], "{datum:?}");
        assert!(!datum.metric_name.contains("getRecords"), "{datum:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_aws_from_a_stream_that_is_elsewhere() {
    let world = World::new(1).await;
    let daemon = world.daemon("", "");
    daemon.until_log("no metrics go to CloudWatch: Kinesis is not at AWS").await;
    let records = world.put("record", 3).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metrics_are_no_metrics() {
    let world = World::new(1).await;
    let (cloudwatch, endpoint) = CloudWatch::start().await;
    let more = format!("{}\nmetricsLevel = NONE", sent_to(&endpoint));
    let daemon = world.daemon("", &more);
    daemon.until_log("no metrics, as configured").await;
    let records = world.put("record", 3).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    assert!(cloudwatch.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloudwatch_that_is_not_there_costs_metrics_and_nothing_else() {
    let world = World::new(1).await;
    let daemon = world.daemon("", &sent_to("http://127.0.0.1:1"));
    daemon.until_log("metrics lost").await;
    let records = world.put("record", 3).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_told_too_and_cloudwatch_only_if_it_is_named() {
    let world = World::new(1).await;
    let (collector, url) = Collector::start().await;
    let (cloudwatch, endpoint) = CloudWatch::start().await;
    let more =
        format!("{}\nshardwise.metrics = otlp\nshardwise.otlpEndpoint = {url}", sent_to(&endpoint));
    let daemon = world.daemon("", &more);
    daemon.until_log("metrics go to an OpenTelemetry collector").await;
    let records = world.put("record", 3).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    let last = collector.calls().pop().unwrap();
    for name in ["initialize.success", "taken_leases", "current_leases"] {
        assert!(last.metrics().contains_key(&format!("aws.kinesis.client.{name}")), "{name}");
    }
    let told = collector.calls();
    let processed = told.iter().rev().find_map(|call| {
        let metric = call.metrics().remove("aws.kinesis.client.records_processed")?;
        let Some(Data::Sum(sum)) = metric.data else { return None };
        sum.data_points[0].value
    });
    assert_eq!(processed, Some(AsDouble(3.0)), "its last number arrives");
    assert!(cloudwatch.calls().is_empty());
}
