//! Enhanced fan-out: records that are pushed to the daemon, by an endpoint over HTTP.

use std::time::{Duration, Instant};

use shardwise_local::Options;
use shardwise_local::stream::Settings;

use crate::world::{APPLICATION, STREAM, World, data, until};

const FAN_OUT: &str = "retrievalMode = FANOUT";

impl World {
    /// Registers a consumer by hand; gives its ARN.
    async fn register(&self, name: &str) -> String {
        let summary = self.kinesis.describe_stream_summary().stream_name(STREAM);
        let arn = summary.send().await.unwrap().stream_description_summary.unwrap().stream_arn;
        let register = self.kinesis.register_stream_consumer().stream_arn(arn);
        let registered = register.consumer_name(name).send().await.unwrap();
        registered.consumer.unwrap().consumer_arn
    }

    /// The names of the stream's consumers that are active.
    async fn active_consumers(&self) -> Vec<String> {
        let summary = self.kinesis.describe_stream_summary().stream_name(STREAM);
        let summary = summary.send().await.unwrap().stream_description_summary.unwrap();
        let listed = self.kinesis.list_stream_consumers().stream_arn(summary.stream_arn);
        let consumers = listed.send().await.unwrap().consumers.unwrap_or_default();
        let active = consumers.into_iter().filter(|it| it.consumer_status.as_str() == "ACTIVE");
        active.map(|consumer| consumer.consumer_name).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_records_reach_the_children_through_a_split_each_once() {
    let world = World::new(1).await;
    let daemon = world.daemon("", FAN_OUT);
    let mut records = world.put("before", 10).await;
    world.until_processed(&daemon, &records).await;
    world.split().await;
    records.extend(world.put("after", 10).await);
    world.until_processed(&daemon, &records).await;
    assert!(daemon.log().contains("enhanced fan-out, as configured: AWS charges"));
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len(), "each once");
    assert_eq!(world.active_consumers().await, [APPLICATION]);
}

/// Within five seconds the service refuses whoever subscribes next: that is waited out.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_daemon_reads_as_the_same_consumer_and_goes_on() {
    let world = World::new(1).await;
    let named = format!("{FAN_OUT}\nfanoutConfig.consumerName = reader");
    let daemon = world.daemon("", &named);
    let mut records = world.put("first", 5).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);

    let daemon = world.daemon("", &named);
    records.extend(world.put("second", 5).await);
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len(), "each once");
    assert_eq!(world.active_consumers().await, ["reader"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_somebody_deregisters_is_registered_again() {
    let world = World::new(1).await;
    let daemon = world.daemon("", FAN_OUT);
    let mut records = world.put("first", 5).await;
    world.until_processed(&daemon, &records).await;

    let summary = world.kinesis.describe_stream_summary().stream_name(STREAM);
    let arn = summary.send().await.unwrap().stream_description_summary.unwrap().stream_arn;
    let gone = world.kinesis.deregister_stream_consumer().stream_arn(arn);
    gone.consumer_name(APPLICATION).send().await.unwrap();
    until("registered again", async || {
        let active = world.active_consumers().await;
        if active == [APPLICATION] { Ok(()) } else { Err(daemon.log()) }
    })
    .await;
    records.extend(world.put("second", 5).await);
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len(), "each once");
}

/// A consumer takes a while to be active, and subscriptions end: after five minutes at AWS.
#[tokio::test(flavor = "multi_thread")]
async fn records_come_once_the_consumer_is_active_and_over_many_short_subscriptions() {
    let streams = Settings {
        registering: Duration::from_secs(2),
        subscription_lifetime: Duration::from_secs(1),
        ..Settings::default()
    };
    let world = World::with(Options { streams, ..Options::default() }, 1).await;
    let daemon = world.daemon("", FAN_OUT);
    let mut records = world.put("first", 5).await;
    world.until_processed(&daemon, &records).await;
    let start = Instant::now();
    // The next subscription may begin five seconds after the last one.
    for number in 0.. {
        records.extend(world.put(&format!("more-{number}"), 1).await);
        world.until_processed(&daemon, &records).await;
        if start.elapsed() > Duration::from_secs(6) {
            break;
        }
    }
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_given_by_its_arn_is_used_and_none_is_registered() {
    let world = World::new(1).await;
    let arn = world.register("by-hand").await;
    let daemon = world.daemon("", &format!("{FAN_OUT}\nfanoutConfig.consumerArn = {arn}"));
    let records = world.put("record", 5).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(world.active_consumers().await, ["by-hand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arn_of_no_consumer_is_named_with_what_to_set_instead() {
    let world = World::new(1).await;
    let arn = world.register("by-hand").await;
    let wrong = arn.replace("by-hand", "other");
    let mut daemon = world.daemon("", &format!("{FAN_OUT}\nfanoutConfig.consumerArn = {wrong}"));
    assert_eq!(daemon.ended().await.code(), Some(1));
    let log = daemon.log();
    assert!(log.contains("the stream has no consumer with the ARN"), "{log}");
    assert!(log.contains("fanoutConfig.consumerName"), "{log}");
}
