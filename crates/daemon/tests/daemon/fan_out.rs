//! Enhanced fan-out: records that are pushed to the daemon, by an endpoint over HTTP.

use crate::world::{APPLICATION, STREAM, World, data, until};

const FAN_OUT: &str = "retrievalMode = FANOUT";

impl World {
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
