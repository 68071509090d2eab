//! Splits, merges and what ListShards shows of them.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType};

use super::{endpoints, kinesis, refusal};

const MIDDLE: &str = "170141183460469231731687303715884105728";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

fn id(index: u32) -> String {
    format!("shardId-{index:012}")
}

async fn shards(client: &Client, kind: ShardFilterType) -> Vec<String> {
    let filter = ShardFilter::builder().r#type(kind).build().unwrap();
    let asked = client.list_shards().stream_name("orders").shard_filter(filter);
    names(asked.send().await.unwrap().shards.unwrap())
}

fn names(shards: Vec<Shard>) -> Vec<String> {
    shards.into_iter().map(|shard| shard.shard_id).collect()
}

async fn read(client: &Client, shard: &str) -> GetRecordsOutput {
    let asked = client.get_shard_iterator().stream_arn(ARN).shard_id(shard);
    let asked = asked.shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = asked.send().await.unwrap().shard_iterator.unwrap();
    client.get_records().stream_arn(ARN).shard_iterator(iterator).send().await.unwrap()
}

async fn put(client: &Client, hash_key: &str, data: &str) -> String {
    let put = client.put_record().stream_arn(ARN).partition_key("k").explicit_hash_key(hash_key);
    put.data(Blob::new(data)).send().await.unwrap().shard_id
}

#[tokio::test]
async fn a_split_shard_ends_with_its_children_and_records_go_to_them() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    client.create_stream().stream_name("orders").shard_count(1).send().await.unwrap();
    put(&client, "0", "before").await;
    let split = client.split_shard().stream_arn(ARN).shard_to_split(id(0));
    split.new_starting_hash_key(MIDDLE).send().await.unwrap();

    assert_eq!(put(&client, "0", "low").await, id(1));
    assert_eq!(put(&client, MIDDLE, "high").await, id(2));

    let end = read(&client, &id(0)).await;
    assert_eq!(end.records.len(), 1);
    assert_eq!(end.next_shard_iterator, None);
    let children = end.child_shards.unwrap();
    assert_eq!(children.len(), 2);
    assert_eq!(children[1].shard_id, id(2));
    assert_eq!(children[1].parent_shards, [id(0)]);
    assert_eq!(children[1].hash_key_range.as_ref().unwrap().starting_hash_key, MIDDLE);
    let open = read(&client, &id(1)).await;
    assert!(open.next_shard_iterator.is_some() && open.child_shards.is_none());

    let again = client.split_shard().stream_name("orders").shard_to_split(id(0));
    let again = again.new_starting_hash_key(MIDDLE).send().await;
    assert_eq!(refusal(again), "InvalidArgumentException");
    endpoints.stop().await;
}

#[tokio::test]
async fn filters_tell_open_shards_from_closed_ones() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    client.create_stream().stream_name("orders").shard_count(2).send().await.unwrap();
    let merge = client.merge_shards().stream_name("orders").shard_to_merge(id(0));
    merge.adjacent_shard_to_merge(id(1)).send().await.unwrap();

    assert_eq!(shards(&client, ShardFilterType::AtLatest).await, [id(2)]);
    assert_eq!(shards(&client, ShardFilterType::AtTrimHorizon).await, [id(0), id(1)]);
    assert_eq!(shards(&client, ShardFilterType::FromTrimHorizon).await, [id(0), id(1), id(2)]);
    let filtered = |filter: ShardFilter| {
        client.list_shards().stream_name("orders").shard_filter(filter).send()
    };
    let filter = ShardFilter::builder().r#type(ShardFilterType::AtTimestamp);
    let filter = filter.timestamp(DateTime::from_secs(1)).build().unwrap();
    assert_eq!(names(filtered(filter).await.unwrap().shards.unwrap()), [id(0), id(1)]);
    let filter = ShardFilter::builder().r#type(ShardFilterType::FromTimestamp);
    let filter = filter.timestamp(DateTime::from_secs(4_000_000_000)).build().unwrap();
    assert_eq!(names(filtered(filter).await.unwrap().shards.unwrap()), [id(2)]);
    let filter = ShardFilter::builder().r#type(ShardFilterType::AfterShardId);
    let filter = filter.shard_id(id(0)).build().unwrap();
    assert_eq!(names(filtered(filter).await.unwrap().shards.unwrap()), [id(1), id(2)]);
    let filter = ShardFilter::builder().r#type(ShardFilterType::AtTimestamp).build().unwrap();
    assert_eq!(refusal(filtered(filter).await), "InvalidArgumentException");
    endpoints.stop().await;
}

#[tokio::test]
async fn pages_of_shards_are_asked_for_by_token_alone() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    client.create_stream().stream_name("orders").shard_count(5).send().await.unwrap();

    let asked = client.list_shards().stream_arn(ARN).exclusive_start_shard_id(id(0));
    let page = asked.max_results(3).send().await.unwrap();
    assert_eq!(names(page.shards.unwrap()), [id(1), id(2), id(3)]);
    let token = page.next_token.unwrap();
    let named = client.list_shards().next_token(&token).stream_name("orders").send().await;
    assert_eq!(refusal(named), "InvalidArgumentException");
    let last = client.list_shards().next_token(&token).send().await.unwrap();
    assert_eq!((names(last.shards.unwrap()), last.next_token), (vec![id(4)], None));
    let nothing = client.list_shards().send().await;
    assert_eq!(refusal(nothing), "InvalidArgumentException");
    endpoints.stop().await;
}

#[tokio::test]
async fn the_shard_count_and_the_retention_can_be_changed() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    client.create_stream().stream_name("orders").shard_count(2).send().await.unwrap();
    let scale = |target| {
        let scale = client.update_shard_count().stream_name("orders").target_shard_count(target);
        scale.scaling_type(ScalingType::UniformScaling).send()
    };

    let scaled = scale(3).await.unwrap();
    assert_eq!((scaled.current_shard_count, scaled.target_shard_count), (Some(2), Some(3)));
    assert_eq!(shards(&client, ShardFilterType::AtLatest).await.len(), 3);
    assert_eq!(refusal(scale(7).await), "LimitExceededException");

    let longer = client.increase_stream_retention_period().stream_arn(ARN);
    longer.retention_period_hours(48).send().await.unwrap();
    let described = client.describe_stream_summary().stream_arn(ARN).send().await.unwrap();
    assert_eq!(described.stream_description_summary.unwrap().retention_period_hours, 48);
    let longer = client.decrease_stream_retention_period().stream_arn(ARN);
    let longer = longer.retention_period_hours(72).send().await;
    assert_eq!(refusal(longer), "InvalidArgumentException");

    let large = client.update_max_record_size().stream_arn(ARN).max_record_size_in_kib(2048);
    large.send().await.unwrap();
    assert_eq!(put(&client, "0", &"x".repeat(1_500_000)).await.len(), 20);
    endpoints.stop().await;
}
