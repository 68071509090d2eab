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

/// As a worker of KCL reads: at its checkpoint first, and behind it.
#[tokio::test]
async fn reading_begins_at_a_sequence_number_or_behind_it() {
    let client = Client::with_stream(Format::Cbor).await;
    let first = put(&client, b"first").await;
    put(&client, b"second").await;
    let number = text(&first, "SequenceNumber");

    for (kind, expected) in [
        ("AT_SEQUENCE_NUMBER", vec![&b"first"[..], b"second"]),
        ("AFTER_SEQUENCE_NUMBER", vec![&b"second"[..]]),
    ] {
        let asked = map([
            stream(),
            ("StreamARN", ARN.into()),
            ("ShardId", SHARD.into()),
            ("ShardIteratorType", kind.into()),
            ("StartingSequenceNumber", number.into()),
        ]);
        let iterator = client.call("GetShardIterator", &asked).await;
        let asked = map([
            ("ShardIterator", field(&iterator, "ShardIterator").clone()),
            ("StreamARN", ARN.into()),
            ("Limit", 10_000.into()),
        ]);
        let answer = client.call("GetRecords", &asked).await;
        let records = list(&answer, "Records");
        assert_eq!(records.iter().map(data).collect::<Vec<_>>(), expected, "{kind}");
    }
}

/// A worker of KCL takes any other answer without an iterator for a broken one.
#[tokio::test]
async fn a_closed_shard_ends_with_its_children_and_without_an_iterator() {
    let client = Client::with_stream(Format::Cbor).await;
    put(&client, b"last").await;
    let half = "170141183460469231731687303715884105728";
    let to_split = ("ShardToSplit", SHARD.into());
    let split = map([stream(), to_split, ("NewStartingHashKey", half.into())]);
    client.call("SplitShard", &split).await;

    let (mut iterator, mut read_records) = (client.iterator().await, Vec::new());
    let end = loop {
        let answer = read(&client, &iterator).await;
        read_records.extend(list(&answer, "Records").iter().map(data));
        match has(&answer, "NextShardIterator").and_then(Value::as_text) {
            Some(next) => {
                assert!(has(&answer, "ChildShards").is_none(), "{answer:?}");
                iterator = next.to_owned();
            }
            None => break answer,
        }
    };

    assert_eq!(read_records, [b"last"]);
    let [low, high] = list(&end, "ChildShards") else { panic!("{end:?}") };
    for (child, id, start) in [(low, 1, "0"), (high, 2, half)] {
        assert_eq!(text(child, "ShardId"), format!("shardId-{id:012}"));
        assert_eq!(list(child, "ParentShards"), [SHARD.into()]);
        assert_eq!(text(field(child, "HashKeyRange"), "StartingHashKey"), start);
    }
}

#[tokio::test]
async fn shards_come_in_pages_with_their_parents_and_ranges() {
    let client = Client::with_stream(Format::Cbor).await;
    let half = "170141183460469231731687303715884105728";
    let to_split = ("ShardToSplit", SHARD.into());
    let split = map([stream(), to_split, ("NewStartingHashKey", half.into())]);
    client.call("SplitShard", &split).await;

    let filter = map([("Type", "AT_TRIM_HORIZON".into())]);
    let asked = map([stream(), ("MaxResults", 2.into()), ("ShardFilter", filter)]);
    let open_then = client.call("ListShards", &asked).await;
    assert_eq!(list(&open_then, "Shards").len(), 1);
    let asked = map([stream(), ("MaxResults", 2.into())]);
    let first = client.call("ListShards", &asked).await;
    let next = map([("NextToken", field(&first, "NextToken").clone())]);
    let second = client.call("ListShards", &next).await;

    let [parent, low] = list(&first, "Shards") else { panic!("{first:?}") };
    let [high] = list(&second, "Shards") else { panic!("{second:?}") };
    assert!(has(&second, "NextToken").is_none());
    assert!(has(parent, "ParentShardId").is_none());
    assert!(has(field(parent, "SequenceNumberRange"), "EndingSequenceNumber").is_some());
    for (child, start) in [(low, "0"), (high, half)] {
        assert_eq!(text(child, "ParentShardId"), SHARD);
        assert_eq!(text(field(child, "HashKeyRange"), "StartingHashKey"), start);
        assert!(has(field(child, "SequenceNumberRange"), "EndingSequenceNumber").is_none());
    }
}

/// As a worker of KCL looks for its consumer before it registers one.
#[tokio::test]
async fn a_consumer_is_missing_then_found_by_its_name() {
    let client = Client::with_stream(Format::Cbor).await;
    let asked = map([("StreamARN", ARN.into()), ("ConsumerName", "app".into())]);
    let missing = client.refused("DescribeStreamConsumer", &asked).await;
    assert_eq!(missing.0, "ResourceNotFoundException");

    let registered = client.call("RegisterStreamConsumer", &asked).await;
    let found = client.call("DescribeStreamConsumer", &asked).await;
    let (registered, found) =
        (field(&registered, "Consumer"), field(&found, "ConsumerDescription"));

    assert_eq!(text(found, "ConsumerStatus"), "ACTIVE");
    assert_eq!(text(found, "StreamARN"), ARN);
    for both in ["ConsumerARN", "ConsumerName", "ConsumerCreationTimestamp"] {
        assert_eq!(field(found, both), field(registered, both), "{both}");
    }
    assert_eq!(client.refused("RegisterStreamConsumer", &asked).await.0, "ResourceInUseException");
}

#[tokio::test]
async fn an_iterator_and_a_token_that_are_none_are_refused_by_name() {
    let client = Client::with_stream(Format::Cbor).await;
    let iterator = map([("ShardIterator", "AAAA".into())]);
    assert_eq!(client.refused("GetRecords", &iterator).await.0, "InvalidArgumentException");
    let token = map([("NextToken", "AAAA".into())]);
    assert_eq!(client.refused("ListShards", &token).await.0, "InvalidArgumentException");
}
