//! Streams, records and iterators.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, ShardIteratorType, StreamMode, StreamModeDetails, StreamStatus,
};
use shardwise_local::stream::{Limits, Settings};
use shardwise_local::{Endpoints, Options};

use super::{endpoints, kinesis, refusal};

const FIRST: &str = "shardId-000000000000";

pub(super) fn entry(key: &str, data: impl AsRef<[u8]>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data.as_ref()))
        .build()
        .unwrap()
}

async fn stream(client: &Client, name: &str, shards: i32) {
    client.create_stream().stream_name(name).shard_count(shards).send().await.unwrap();
}

async fn iterator(client: &Client, stream: &str, kind: ShardIteratorType) -> String {
    let asked = client.get_shard_iterator().stream_name(stream).shard_id(FIRST);
    asked.shard_iterator_type(kind).send().await.unwrap().shard_iterator.unwrap()
}

#[tokio::test]
async fn a_stream_is_created_described_listed_and_deleted() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    stream(&client, "orders", 2).await;
    let on_demand = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build().unwrap();
    let created = client.create_stream().stream_name("clicks").stream_mode_details(on_demand);
    created.tags("team", "web").send().await.unwrap();

    let described = client.describe_stream().stream_name("orders").send().await.unwrap();
    let orders = described.stream_description.unwrap();
    assert_eq!(orders.stream_status, StreamStatus::Active);
    assert_eq!(orders.stream_arn, "arn:aws:kinesis:us-east-1:000000000000:stream/orders");
    assert_eq!((orders.shards.len(), orders.has_more_shards), (2, false));
    assert_eq!(orders.retention_period_hours, 24);

    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
    let described = client.describe_stream_summary().stream_arn(arn).send().await.unwrap();
    let clicks = described.stream_description_summary.unwrap();
    assert_eq!((clicks.stream_name.as_str(), clicks.open_shard_count), ("clicks", 4));
    assert_eq!(clicks.stream_mode_details.unwrap().stream_mode, StreamMode::OnDemand);

    let page = client.list_streams().limit(1).send().await.unwrap();
    assert_eq!((page.stream_names, page.has_more_streams), (vec!["clicks".to_owned()], true));
    let next = client.list_streams().next_token(page.next_token.unwrap()).send().await.unwrap();
    assert_eq!((next.stream_names, next.has_more_streams), (vec!["orders".to_owned()], false));

    let tags = client.list_tags_for_stream().stream_name("clicks").send().await.unwrap().tags;
    assert_eq!((tags[0].key(), tags[0].value()), ("team", Some("web")));
    client.remove_tags_from_stream().stream_arn(arn).tag_keys("team").send().await.unwrap();
    let tags = client.list_tags_for_stream().stream_name("clicks").send().await.unwrap().tags;
    assert_eq!(tags, []);

    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!((limits.open_shard_count, limits.on_demand_stream_count), (6, 1));

    client.delete_stream().stream_name("orders").send().await.unwrap();
    let gone = client.describe_stream_summary().stream_name("orders").send().await;
    assert_eq!(refusal(gone), "ResourceNotFoundException");
    endpoints.stop().await;
}

#[tokio::test]
async fn records_come_back_as_they_were_put() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    stream(&client, "orders", 1).await;
    let before = std::time::SystemTime::now() - Duration::from_millis(1);

    let put = client.put_record().stream_name("orders").partition_key("käse");
    let first = put.data(Blob::new([0, 255, 10])).send().await.unwrap();
    let batch = client.put_records().stream_name("orders").records(entry("b", ""));
    let batch = batch.records(entry("c", "three")).send().await.unwrap();
    assert_eq!(batch.failed_record_count, Some(0));

    let start = iterator(&client, "orders", ShardIteratorType::TrimHorizon).await;
    let read = client.get_records().shard_iterator(&start).limit(2).send().await.unwrap();
    let rest = client.get_records().shard_iterator(read.next_shard_iterator.unwrap());
    let rest = rest.send().await.unwrap();

    assert_eq!(read.records[0].sequence_number, first.sequence_number);
    assert_eq!(read.records[0].partition_key(), Some("käse"));
    assert_eq!(read.records[0].data.as_ref(), [0, 255, 10]);
    let arrival = read.records[0].approximate_arrival_timestamp.unwrap();
    assert!(std::time::SystemTime::try_from(arrival).unwrap() >= before);
    assert_eq!(read.records[1].data.as_ref(), b"");
    assert_eq!(rest.records[0].data.as_ref(), b"three");
    assert_eq!(Some(rest.records[0].sequence_number()), batch.records[1].sequence_number());
    assert_eq!(rest.millis_behind_latest, Some(0));
    endpoints.stop().await;
}

#[tokio::test]
async fn each_kind_of_iterator_starts_at_its_place() {
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    stream(&client, "orders", 1).await;
    let mut numbers = Vec::new();
    for data in ["0", "1", "2"] {
        let put = client.put_record().stream_name("orders").partition_key("k");
        numbers.push(put.data(Blob::new(data)).send().await.unwrap().sequence_number);
    }
    let latest = iterator(&client, "orders", ShardIteratorType::Latest).await;
    let put = client.put_record().stream_name("orders").partition_key("k");
    put.data(Blob::new("3")).send().await.unwrap();

    let asked = || client.get_shard_iterator().stream_name("orders").shard_id(FIRST);
    let at = asked()
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .starting_sequence_number(&numbers[1]);
    let after = asked()
        .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
        .starting_sequence_number(&numbers[1]);
    let since = asked()
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(DateTime::from_secs(1));
    let mut found = Vec::new();
    for iterator in [
        at.send().await.unwrap().shard_iterator.unwrap(),
        after.send().await.unwrap().shard_iterator.unwrap(),
        since.send().await.unwrap().shard_iterator.unwrap(),
        latest,
    ] {
        let read = client.get_records().shard_iterator(iterator).send().await.unwrap();
        let data =
            read.records.iter().map(|record| record.data.as_ref().to_vec()).collect::<Vec<_>>();
        found.push(String::from_utf8(data.concat()).unwrap());
    }

    assert_eq!(found, ["123", "23", "0123", "3"]);
    endpoints.stop().await;
}

#[tokio::test]
async fn refusals_have_the_services_names() {
    let settings = Settings { iterator_lifetime: Duration::ZERO, ..Settings::default() };
    let options = Options { streams: settings, ..Options::default() };
    let endpoints = Endpoints::start(options).await.unwrap();
    let client = kinesis(&endpoints);
    stream(&client, "orders", 1).await;

    let twice = client.create_stream().stream_name("orders").shard_count(1).send().await;
    assert_eq!(refusal(twice), "ResourceInUseException");
    let name = client.create_stream().stream_name("a b").shard_count(1).send().await;
    assert_eq!(refusal(name), "ValidationException");
    let missing = client.put_record().stream_name("none").partition_key("k");
    let missing = missing.data(Blob::new("")).send().await;
    assert_eq!(refusal(missing), "ResourceNotFoundException");
    let shard = client.get_shard_iterator().stream_name("orders").shard_id("shardId-000000000009");
    let shard = shard.shard_iterator_type(ShardIteratorType::Latest).send().await;
    assert_eq!(refusal(shard), "ResourceNotFoundException");
    let garbage = client.get_records().shard_iterator("garbage").send().await;
    assert_eq!(refusal(garbage), "InvalidArgumentException");
    let many = (0..501).map(|_| entry("k", "")).collect();
    let many = client.put_records().stream_name("orders").set_records(Some(many)).send().await;
    assert_eq!(refusal(many), "ValidationException");
    let large = client.put_record().stream_name("orders").partition_key("k");
    let large = large.data(Blob::new(vec![0; 1 << 20])).send().await;
    assert_eq!(refusal(large), "ValidationException");
    let most = entry("k", vec![0; 900_000]);
    let total = client.put_records().stream_name("orders").set_records(Some(vec![most; 12]));
    assert_eq!(refusal(total.send().await), "InvalidArgumentException");
    let policy = client.get_resource_policy().resource_arn("arn").send().await;
    assert_eq!(refusal(policy), "UnknownOperationException");

    let iterator = iterator(&client, "orders", ShardIteratorType::TrimHorizon).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while client.get_records().shard_iterator(&iterator).send().await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the iterator never expires");
    }
    let expired = client.get_records().shard_iterator(&iterator).send().await;
    assert_eq!(refusal(expired), "ExpiredIteratorException");
    endpoints.stop().await;
}

#[tokio::test]
async fn over_its_write_limit_a_shard_refuses_single_records_of_a_batch() {
    let limits = Limits { writes: true, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let options = Options { streams: settings, ..Options::default() };
    let endpoints = Endpoints::start(options).await.unwrap();
    let client = kinesis(&endpoints);
    stream(&client, "orders", 1).await;

    let batch = vec![entry("k", vec![0; 1_000_000]); 4];
    let answer = client.put_records().stream_name("orders").set_records(Some(batch));
    let answer = answer.send().await.unwrap();

    let failed = answer.records.iter().filter(|record| record.error_code.is_some()).count();
    assert_eq!(answer.failed_record_count, Some(failed as i32));
    assert!(failed > 0);
    let last = answer.records.last().unwrap();
    assert_eq!(last.error_code(), Some("ProvisionedThroughputExceededException"));
    endpoints.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_at_the_tip_misses_nothing_that_several_writers_put() {
    const WRITERS: usize = 4;
    const BATCHES: usize = 20;
    const BATCH: usize = 100;
    let endpoints = endpoints().await;
    let client = kinesis(&endpoints);
    stream(&client, "orders", 1).await;
    let mut position = iterator(&client, "orders", ShardIteratorType::Latest).await;

    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for batch in 0..BATCHES {
                    let number = |index| format!("{writer}-{}", batch * BATCH + index);
                    let records = (0..BATCH).map(|index| entry("k", number(index))).collect();
                    let put = client.put_records().stream_name("orders");
                    put.set_records(Some(records)).send().await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut last = String::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while seen.len() < WRITERS * BATCHES * BATCH {
        assert!(std::time::Instant::now() < deadline, "{} records seen", seen.len());
        let read = client.get_records().shard_iterator(&position).send().await.unwrap();
        for record in read.records {
            assert!(last < record.sequence_number, "sequence numbers rise");
            last = record.sequence_number;
            assert!(seen.insert(record.data.into_inner()), "no record comes twice");
        }
        position = read.next_shard_iterator.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let read = client.get_records().shard_iterator(&position).send().await.unwrap();
    assert_eq!(read.records, []);
    endpoints.stop().await;
}
