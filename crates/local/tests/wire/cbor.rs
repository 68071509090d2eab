//! Calls in CBOR: the same ones as in JSON, with bytes as they are and times in milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use ciborium::Value;
use shardwise_local::Format;

use super::client::{Client, data, stream};
use super::{ARN, SHARD, field, has, list, map, text};

fn now_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since_epoch.as_millis()).unwrap()
}

fn time(millis: u64) -> Value {
    Value::Tag(1, Box::new(millis.into()))
}

/// The milliseconds of a time as Java's SDK reads them: a whole number.
fn millis(value: &Value) -> u64 {
    let (tag, millis) = value.as_tag().unwrap();
    assert_eq!(tag, 1);
    u64::try_from(millis.as_integer().unwrap()).unwrap()
}

async fn put(client: &Client, bytes: &[u8]) -> Value {
    let record = [stream(), ("Data", bytes.to_vec().into()), ("PartitionKey", "k".into())];
    client.call("PutRecord", &map(record)).await
}

async fn read(client: &Client, iterator: &str) -> Value {
    client.call("GetRecords", &map([("ShardIterator", iterator.into())])).await
}

#[tokio::test]
async fn records_go_in_and_come_out_as_bytes() {
    let client = Client::with_stream(Format::Cbor).await;
    let before = now_millis();
    let bytes: Vec<u8> = (0..=255).collect();

    let placed = put(&client, &bytes).await;
    let answer = read(&client, &client.iterator().await).await;

    let [record] = list(&answer, "Records") else { panic!("{answer:?}") };
    assert_eq!(field(record, "Data").as_bytes(), Some(&bytes));
    assert_eq!(text(record, "PartitionKey"), "k");
    assert_eq!(field(record, "SequenceNumber"), field(&placed, "SequenceNumber"));
    let arrived = millis(field(record, "ApproximateArrivalTimestamp"));
    assert!((before..=now_millis()).contains(&arrived), "{arrived}");
    assert_eq!(field(&answer, "MillisBehindLatest"), &Value::from(0));
    assert!(has(&answer, "NextShardIterator").is_some());
}

#[tokio::test]
async fn each_record_of_a_call_has_its_result() {
    let client = Client::with_stream(Format::Cbor).await;
    let record = |key: &str, data: &[u8]| {
        let hash_key = ("ExplicitHashKey", "0".into());
        map([("PartitionKey", key.into()), ("Data", data.to_vec().into()), hash_key])
    };
    let records = vec![record("a", b"1"), record("é", b""), record("c", &[0xff; 5000])];

    let results = client.call("PutRecords", &map([stream(), ("Records", records.into())])).await;

    assert_eq!(field(&results, "FailedRecordCount"), &Value::from(0));
    assert_eq!(list(&results, "Records").len(), 3);
    let answer = read(&client, &client.iterator().await).await;
    let records = list(&answer, "Records");
    assert_eq!(records.iter().map(data).collect::<Vec<_>>(), [&b"1"[..], b"", &[0xff; 5000]]);
    assert_eq!(text(&records[1], "PartitionKey"), "é");
}

/// The SDK sends the tag; what is sent without it, or with a fraction, cannot mean anything else.
#[tokio::test]
async fn a_time_is_in_milliseconds_with_and_without_its_tag() {
    let client = Client::with_stream(Format::Cbor).await;
    put(&client, b"before").await;
    let mut from = now_millis() + 1;
    while now_millis() < from {
        tokio::task::yield_now().await;
    }
    put(&client, b"after").await;
    from -= 1;
    let tagged = |value: Value| Value::Tag(1, Box::new(value));

    for (at, expected) in [
        (time(from + 1), 1),
        ((from + 1).into(), 1),
        (tagged((from as f64 + 1.0).into()), 1),
        ((from as f64 + 0.6).into(), 1),
        (time(0), 2),
        (tagged((-5).into()), 2),
        ((-1e300).into(), 2),
    ] {
        let asked = map([
            stream(),
            ("ShardId", SHARD.into()),
            ("ShardIteratorType", "AT_TIMESTAMP".into()),
            ("Timestamp", at.clone()),
        ]);
        let iterator = client.call("GetShardIterator", &asked).await;
        let answer = read(&client, text(&iterator, "ShardIterator")).await;
        let records = list(&answer, "Records");
        assert_eq!(records.len(), expected, "{at:?}");
        assert_eq!(data(records.last().unwrap()), b"after");
    }
    let in_seconds = map([("Type", "AT_TIMESTAMP".into()), ("Timestamp", time(from / 1000))]);
    let shards = client.call("ListShards", &map([stream(), ("ShardFilter", in_seconds)])).await;
    assert_eq!(list(&shards, "Shards").len(), 1);
}

#[tokio::test]
async fn a_time_under_another_tag_is_none() {
    let client = Client::with_stream(Format::Cbor).await;
    let time = Value::Tag(0, Box::new(0.into()));
    let filter = map([("Type", "AT_TIMESTAMP".into()), ("Timestamp", time)]);

    let refused = client.refused("ListShards", &map([stream(), ("ShardFilter", filter)])).await;

    assert_eq!(refused.0, "SerializationException");
}

#[tokio::test]
async fn streams_and_consumers_say_when_they_were_made() {
    let client = Client::new(Format::Cbor).await;
    let before = now_millis();
    let tags = map([("team", "a".into())]);
    client.call("CreateStream", &map([stream(), ("ShardCount", 2.into()), ("Tags", tags)])).await;

    let summary = client.call("DescribeStreamSummary", &map([stream()])).await;
    let summary = field(&summary, "StreamDescriptionSummary");
    let whole = client.call("DescribeStream", &map([("StreamARN", ARN.into())])).await;
    let whole = field(&whole, "StreamDescription");
    let streams = client.call("ListStreams", &map([])).await;
    let consumer = map([("StreamARN", ARN.into()), ("ConsumerName", "app".into())]);
    let consumer = client.call("RegisterStreamConsumer", &consumer).await;

    assert_eq!(text(summary, "StreamARN"), ARN);
    assert_eq!(field(summary, "OpenShardCount"), &Value::from(2));
    assert_eq!(list(whole, "Shards").len(), 2);
    assert_eq!(field(whole, "HasMoreShards"), &Value::Bool(false));
    let made = [
        field(summary, "StreamCreationTimestamp"),
        field(whole, "StreamCreationTimestamp"),
        field(&list(&streams, "StreamSummaries")[0], "StreamCreationTimestamp"),
        field(field(&consumer, "Consumer"), "ConsumerCreationTimestamp"),
    ];
    for at in made.map(millis) {
        assert!((before..=now_millis()).contains(&at), "{at}");
    }
    let tags = client.call("ListTagsForStream", &map([stream()])).await;
    assert_eq!(text(&list(&tags, "Tags")[0], "Value"), "a");
}

#[tokio::test]
async fn text_in_pieces_is_one_text() {
    let client = Client::with_stream(Format::Cbor).await;
    let long = "é".repeat(4_000);

    let (name, message) =
        client.refused("DescribeStream", &map([("StreamName", long.as_str().into())])).await;

    assert_eq!(name, "ResourceNotFoundException");
    assert!(message.contains(&long), "{message}");
}

#[tokio::test]
async fn an_error_is_a_map_with_its_name_and_text() {
    let client = Client::new(Format::Cbor).await;

    let (name, message) = client.refused("ListShards", &map([stream()])).await;

    assert_eq!(name, "ResourceNotFoundException");
    assert!(message.contains("Stream s"), "{message}");
    let unknown = client.refused("Nothing", &map([])).await;
    assert_eq!(unknown.0, "UnknownOperationException");
}

#[tokio::test]
async fn an_empty_body_is_a_request_without_fields() {
    let client = Client::with_stream(Format::Cbor).await;

    let answer = client.post("DescribeLimits", Vec::new()).await;

    let limits: Value = ciborium::from_reader(&answer.body[..]).unwrap();
    assert_eq!(field(&limits, "OpenShardCount"), &Value::from(1));
}
