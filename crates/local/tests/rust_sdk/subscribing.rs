//! Stream consumers and SubscribeToShard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
};
use shardwise_local::{Endpoints, Options};

use super::{endpoints, kinesis, refusal};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const SHARD: &str = "shardId-000000000000";
const MIDDLE: &str = "170141183460469231731687303715884105728";

/// A stream with a consumer, and the consumer's ARN.
async fn consumer(client: &Client) -> String {
    client.create_stream().stream_name("orders").shard_count(1).send().await.unwrap();
    let made = client.register_stream_consumer().stream_arn(ARN).consumer_name("app");
    made.send().await.unwrap().consumer.unwrap().consumer_arn
}

async fn put(client: &Client, data: &str) {
    let put = client.put_record().stream_arn(ARN).partition_key("k").data(Blob::new(data));
    put.send().await.unwrap();
}

async fn subscribe(client: &Client, consumer: &str) -> SubscribeToShardOutput {
    let position = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon);
    let asked = client.subscribe_to_shard().consumer_arn(consumer).shard_id(SHARD);
    asked.starting_position(position.build().unwrap()).send().await.unwrap()
}

async fn next(subscription: &mut SubscribeToShardOutput) -> Option<SubscribeToShardEvent> {
    let event = subscription.event_stream.recv().await.unwrap();
    event.map(|event| event.as_subscribe_to_shard_event().unwrap().clone())
}

fn texts(event: &SubscribeToShardEvent) -> Vec<&str> {
    event.records.iter().map(|it| std::str::from_utf8(it.data.as_ref()).unwrap()).collect()
}

/// Looks again and again until something holds.
async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never held");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_subscription_goes_on_through_a_split_to_the_end() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;
    put(&client, "before").await;
    let mut subscription = subscribe(&client, &consumer).await;

    let first = next(&mut subscription).await.unwrap();
    assert_eq!(texts(&first), ["before"]);
    assert_eq!(first.continuation_sequence_number, first.records[0].sequence_number);
    let began = Instant::now();
    put(&client, "later").await;
    assert_eq!(texts(&next(&mut subscription).await.unwrap()), ["later"]);
    assert!(began.elapsed() < Duration::from_secs(4), "before an idle shard's event is due");
    let split = client.split_shard().stream_arn(ARN).shard_to_split(SHARD);
    split.new_starting_hash_key(MIDDLE).send().await.unwrap();
    let end = next(&mut subscription).await.unwrap();

    assert_eq!((texts(&end).len(), end.continuation_sequence_number.as_str()), (0, ""));
    let children = end.child_shards.unwrap();
    assert_eq!(children.len(), 2);
    assert_eq!(children[1].parent_shards, [SHARD]);
    assert!(next(&mut subscription).await.is_none());
    endpoints.stop().await;
}

#[tokio::test]
async fn a_consumer_is_described_listed_and_deregistered() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;

    let by_arn = client.describe_stream_consumer().consumer_arn(&consumer).send().await.unwrap();
    let by_name = client.describe_stream_consumer().stream_arn(ARN).consumer_name("app");
    let described = by_name.send().await.unwrap().consumer_description.unwrap();
    assert_eq!(by_arn.consumer_description, Some(described.clone()));
    assert_eq!(described.consumer_status, ConsumerStatus::Active);
    assert_eq!((described.consumer_arn, described.stream_arn.as_str()), (consumer.clone(), ARN));
    let other = client.describe_stream_consumer().consumer_arn(&consumer).consumer_name("other");
    assert_eq!(refusal(other.send().await), "InvalidArgumentException");
    let kept = client.delete_stream().stream_arn(ARN).send().await;
    assert_eq!(refusal(kept), "ResourceInUseException");

    client.deregister_stream_consumer().consumer_arn(&consumer).send().await.unwrap();
    let listed = client.list_stream_consumers().stream_arn(ARN).send().await.unwrap();
    assert_eq!(listed.consumers, Some(vec![]));
    let again = client.deregister_stream_consumer().consumer_arn(&consumer).send().await;
    assert_eq!(refusal(again), "ResourceNotFoundException");
    endpoints.stop().await;
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_subscription_is_told_and_ends_it() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;
    let mut subscription = subscribe(&client, &consumer).await;
    next(&mut subscription).await.unwrap();

    client.deregister_stream_consumer().consumer_arn(&consumer).send().await.unwrap();

    let error = subscription.event_stream.recv().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    endpoints.stop().await;
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_nothing_behind() {
    let endpoints = endpoints().await;
    let before = Arc::strong_count(endpoints.kinesis());
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;
    let mut subscription = subscribe(&client, &consumer).await;
    next(&mut subscription).await.unwrap();
    assert!(Arc::strong_count(endpoints.kinesis()) > before);

    drop(subscription);

    until(|| Arc::strong_count(endpoints.kinesis()) == before).await;
    endpoints.stop().await;
}

#[tokio::test]
async fn a_stopped_endpoint_ends_its_subscriptions() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;
    let mut subscription = subscribe(&client, &consumer).await;
    next(&mut subscription).await.unwrap();

    endpoints.stop().await;

    assert!(next(&mut subscription).await.is_none(), "in order, and not cut off");
}

#[tokio::test]
async fn a_subscription_ends_with_its_lifetime() {
    let mut options = Options::default();
    options.streams.subscription_lifetime = Duration::from_millis(300);
    let endpoints = Endpoints::start(options).await.unwrap();
    let client = kinesis(&endpoints);
    let consumer = consumer(&client).await;
    let began = Instant::now();
    let mut subscription = subscribe(&client, &consumer).await;

    while next(&mut subscription).await.is_some() {}

    assert!(began.elapsed() >= Duration::from_millis(300));
    endpoints.stop().await;
}
