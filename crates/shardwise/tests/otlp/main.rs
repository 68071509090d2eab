//! The sink of OpenTelemetry, by what arrives over HTTP.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "what goes over HTTP takes its time")]

mod collector;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, NumberDataPoint};
use shardwise::metrics::otlp::{Otlp, Settings, SettingsError};
use shardwise::metrics::{Datum, MetricsSink, Selection, Source, catalogue as c};
use shardwise::{ShardId, SystemClock, WorkerId};

use crate::collector::{Call, Collector, text};

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3_600);

fn settings(url: &str, interval: Duration) -> Settings {
    Settings {
        endpoint: format!("{url}/v1/metrics"),
        headers: vec![("x-token".to_owned(), "secret".to_owned())],
        service_name: "orders".to_owned(),
        instance_id: "worker".to_owned(),
        selection: Selection::default(),
        interval,
    }
}

fn sink(url: &str, interval: Duration) -> Otlp {
    let sink = Otlp::start(settings(url, interval), Arc::new(SystemClock::start())).unwrap();
    sink.begin(&shard());
    sink
}

fn shard() -> ShardId {
    ShardId::new("shardId-000000000000").unwrap()
}

fn record(sink: &Otlp, data: &[Datum]) {
    let (worker, shard) = (WorkerId::new("worker").unwrap(), shard());
    sink.record(Source { worker: &worker, shard: Some(&shard), stream: None }, data);
}

/// The only point of a metric, which is a sum or a gauge.
fn point(call: &Call, name: &str) -> (f64, NumberDataPoint) {
    let metric = call.metrics().remove(&format!("aws.kinesis.client.{name}")).unwrap();
    let points = match metric.data.unwrap() {
        Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            assert_eq!(sum.aggregation_temporality, AggregationTemporality::Cumulative as i32);
            sum.data_points
        }
        Data::Gauge(gauge) => gauge.data_points,
        other @ (Data::Histogram(_) | Data::ExponentialHistogram(_) | Data::Summary(_)) => {
            panic!("{other:?}")
        }
    };
    let [point] = <[NumberDataPoint; 1]>::try_from(points).unwrap();
    let Some(Value::AsDouble(number)) = point.value else { panic!("{point:?}") };
    (number, point)
}

#[tokio::test]
async fn totals_arrive_under_kcls_names_for_opentelemetry() {
    let (collector, url) = Collector::start().await;
    let sink = sink(&url, NEVER);
    let time = c::PROCESS.time.took(Duration::from_millis(20));
    record(&sink, &[c::PROCESS.success.was(true), c::PROCESS.success.was(false), time]);
    record(&sink, &[c::SHARD_LAG.of(1_500.0), c::CURRENT_LEASES.count(3)]);
    sink.flush().await;
    let call = collector.calls().remove(0);
    assert_eq!(call.headers["x-token"], "secret");
    let resource = call.request.resource_metrics[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes)["service.name"], "orders");
    assert_eq!(text(&resource.attributes)["service.instance.id"], "worker");

    let (successes, of) = point(&call, "success");
    assert_eq!(successes, 1.0);
    assert!(of.start_time_unix_nano > 0 && of.start_time_unix_nano <= of.time_unix_nano);
    let attributes = BTreeMap::from([
        ("aws.kinesis.operation".to_owned(), "ProcessTask".to_owned()),
        ("aws.kinesis.shard.id".to_owned(), shard().to_string()),
    ]);
    assert_eq!(text(&of.attributes), attributes);
    assert_eq!(point(&call, "failure").0, 1.0);
    assert_eq!(point(&call, "consumer.lag.duration").0, 1_500.0);
    assert_eq!(point(&call, "current_leases").0, 3.0);
    let duration = call.metrics().remove("aws.kinesis.client.duration").unwrap();
    let Some(Data::Histogram(histogram)) = duration.data else { panic!("{duration:?}") };
    let of = &histogram.data_points[0];
    assert_eq!((duration.unit.as_str(), of.count, of.sum), ("ms", 1, Some(20.0)));
    assert_eq!(of.bucket_counts.len(), of.explicit_bounds.len() + 1);
    assert_eq!(of.bucket_counts.iter().sum::<u64>(), 1);
}

#[tokio::test]
async fn a_call_that_fails_loses_nothing() {
    let (collector, url) = Collector::start().await;
    let sink = sink(&url, NEVER);
    collector.fail(true);
    record(&sink, &[c::RECORDS_PROCESSED.count(2)]);
    sink.flush().await;
    collector.fail(false);
    record(&sink, &[c::RECORDS_PROCESSED.count(3)]);
    sink.flush().await;
    let calls = collector.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(point(&calls[1], "records_processed").0, 5.0);
}

#[tokio::test]
async fn what_has_added_up_of_a_shard_that_is_left_is_sent_once_more() {
    let (collector, url) = Collector::start().await;
    let sink = sink(&url, NEVER);
    record(&sink, &[c::SHARD_LAG.of(1.0), c::RECORDS_PROCESSED.count(2)]);
    sink.end(&shard());
    collector.fail(true);
    sink.flush().await;
    collector.fail(false);
    sink.flush().await;
    sink.flush().await;
    let names: Vec<Vec<_>> =
        collector.calls().iter().map(|call| call.metrics().into_keys().collect()).collect();
    let counted = ["aws.kinesis.client.records_processed".to_owned()];
    assert_eq!(names, [&counted[..], &counted, &[]]);
}

#[tokio::test]
async fn totals_are_sent_by_themselves_again_and_again() {
    let (collector, url) = Collector::start().await;
    let _sink = sink(&url, Duration::from_millis(50));
    let start = Instant::now();
    while collector.calls().len() < 3 {
        assert!(start.elapsed() < DEADLINE, "not sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_is_an_error_that_keeps_secrets() {
    let clock = Arc::new(SystemClock::start());
    for endpoint in [
        "collector:4318",
        "ftp://a/",
        "https://canary@a/",
        "https://a/?key=canary",
        "https://a/#canary",
    ] {
        let wrong = Settings { endpoint: endpoint.to_owned(), ..settings("", NEVER) };
        assert!(
            !format!("{wrong:?}").contains("canary") && !format!("{wrong:?}").contains("secret")
        );
        let error = Otlp::start(wrong, Arc::clone(&clock) as _).unwrap_err();
        assert!(matches!(error, SettingsError::Endpoint), "{endpoint}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let headers = vec![("x-token".to_owned(), "secret\n".to_owned())];
    let wrong = Settings { headers, ..settings("http://localhost", NEVER) };
    let error = Otlp::start(wrong, clock).unwrap_err().to_string();
    assert_eq!(error, "the header `x-token` cannot be sent");
    let headers = vec![("Authorization: Basic canary".to_owned(), "=".to_owned())];
    let wrong = Settings { headers, ..settings("http://localhost", NEVER) };
    let error = Otlp::start(wrong, Arc::new(SystemClock::start())).unwrap_err().to_string();
    assert_eq!(error, "a header cannot be sent");
}
