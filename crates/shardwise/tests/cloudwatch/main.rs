//! The sink of CloudWatch, by what arrives over HTTP.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "what goes over HTTP takes its time")]

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use shardwise::metrics::cloudwatch::{self, CloudWatch};
use shardwise::metrics::{Limits, MetricsSink, Selection, Source, catalogue as c};
use shardwise::{ShardId, SystemClock, WorkerId};

use crate::server::{Answer, Statistics};

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3_600);

async fn sink(url: &str, time: Duration, keys: usize) -> CloudWatch {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region("us-east-1")
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(url)
        .load()
        .await;
    let settings = cloudwatch::Settings {
        namespace: "orders".to_owned(),
        selection: Selection::default(),
        limits: Limits { time, keys },
    };
    CloudWatch::start(&config, settings, Arc::new(SystemClock::start()))
}

fn worker() -> WorkerId {
    WorkerId::new("worker").unwrap()
}

fn shard(index: usize) -> ShardId {
    ShardId::new(format!("shardId-{index:012}")).unwrap()
}

/// Two batches of a shard, of which the second failed.
fn record(sink: &CloudWatch, index: usize) {
    let (worker, shard) = (worker(), shard(index));
    let source = Source { worker: &worker, shard: Some(&shard), stream: None };
    for (success, millis) in [(true, 20), (false, 40)] {
        let time = c::PROCESS.time.took(Duration::from_millis(millis));
        sink.record(source, &[c::PROCESS.success.was(success), time]);
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "not {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn numbers_arrive_as_one_set_for_each_metric_with_its_dimensions() {
    let (server, url) = server::CloudWatch::start().await;
    let sink = sink(&url, NEVER, 100).await;
    record(&sink, 7);
    sink.flush().await;
    let calls = server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].namespace, "orders");
    let [success, time] = &calls[0].metric_data[..] else { panic!("{calls:?}") };
    let dimensions =
        BTreeMap::from([("Operation", "ProcessTask"), ("ShardId", "shardId-000000000007")]);
    assert_eq!((success.metric_name.as_str(), success.unit.as_str()), ("Success", "Count"));
    assert_eq!((time.metric_name.as_str(), time.unit.as_str()), ("Time", "Milliseconds"));
    assert_eq!(success.dimensions(), dimensions);
    assert_eq!(time.dimensions(), dimensions);
    let statistics =
        |sum, minimum, maximum| Statistics { sample_count: 2.0, sum, minimum, maximum };
    assert_eq!(success.statistic_values, statistics(1.0, 0.0, 1.0));
    assert_eq!(time.statistic_values, statistics(60.0, 20.0, 40.0));
}

#[tokio::test]
async fn numbers_are_sent_by_themselves_when_their_time_has_come() {
    let (server, url) = server::CloudWatch::start().await;
    let sink = sink(&url, Duration::from_millis(50), 100).await;
    record(&sink, 0);
    until("sent", || server.calls().len() == 1).await;
    record(&sink, 0);
    until("sent again", || server.calls().len() == 2).await;
}

#[tokio::test]
async fn many_metrics_are_sent_in_calls_that_the_service_takes() {
    let (server, url) = server::CloudWatch::start().await;
    let sink = sink(&url, NEVER, 10_000).await;
    for index in 0..600 {
        record(&sink, index);
    }
    sink.flush().await;
    let calls = server.calls();
    let sizes: Vec<_> = calls.iter().map(|call| call.metric_data.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
}

#[tokio::test]
async fn a_call_that_fails_is_not_made_again_and_the_next_one_is() {
    let (server, url) = server::CloudWatch::start().await;
    let sink = sink(&url, NEVER, 100).await;
    server.answer(Answer::Failed);
    record(&sink, 0);
    sink.flush().await;
    assert_eq!(server.calls().len(), 1);
    server.answer(Answer::Taken);
    record(&sink, 1);
    sink.flush().await;
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].metric_data[0].dimensions()["ShardId"], shard(1).as_str());
}

#[tokio::test]
async fn a_service_that_never_answers_costs_what_was_sent_and_nothing_else() {
    let (server, url) = server::CloudWatch::start().await;
    let sink = sink(&url, NEVER, 100).await;
    server.answer(Answer::None);
    record(&sink, 0);
    let start = Instant::now();
    sink.flush().await;
    assert!(start.elapsed() < Duration::from_secs(30), "a call has five seconds");
    server.answer(Answer::Taken);
    record(&sink, 1);
    sink.flush().await;
    assert_eq!(server.calls().len(), 2);
}
