//! Subscriptions asked for in CBOR. Java's SDK asks for them in JSON, whatever it speaks else, so
//! what counts is that events are written as the call was.

use ciborium::Value;
use shardwise_local::Format;

use super::client::{Client, data, stream};
use super::{SHARD, field, has, list, map, text};

#[tokio::test]
async fn events_are_in_the_format_of_the_call() {
    let client = Client::with_stream(Format::Cbor).await;
    let put = map([stream(), ("Data", vec![0, 0xff].into()), ("PartitionKey", "k".into())]);
    client.call("PutRecord", &put).await;
    let before = Value::Tag(1, Box::new(0.into()));

    let mut frames =
        client.subscribe(map([("Type", "AT_TIMESTAMP".into()), ("Timestamp", before)])).await;

    let first = frames.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.payload), ("initial-response", &map([])));
    let event = frames.next().await.unwrap();
    assert_eq!(event.name, "SubscribeToShardEvent");
    assert_eq!(event.media_type, "application/x-amz-cbor-1.1");
    let [record] = list(&event.payload, "Records") else { panic!("{:?}", event.payload) };
    assert_eq!(field(record, "Data").as_bytes(), Some(&vec![0, 0xff]));
    assert!(field(record, "ApproximateArrivalTimestamp").is_tag());
    let continuation = text(&event.payload, "ContinuationSequenceNumber");
    assert_eq!(continuation, text(record, "SequenceNumber"));
    assert_eq!(field(&event.payload, "MillisBehindLatest"), &Value::from(0));
}

/// As a subscription is followed by the next one.
#[tokio::test]
async fn events_begin_at_a_sequence_number_or_behind_it() {
    for (kind, expected) in [
        ("AT_SEQUENCE_NUMBER", vec![&b"first"[..], b"second"]),
        ("AFTER_SEQUENCE_NUMBER", vec![&b"second"[..]]),
    ] {
        let client = Client::with_stream(Format::Cbor).await;
        let put = |bytes: &[u8]| {
            map([stream(), ("Data", bytes.to_vec().into()), ("PartitionKey", "k".into())])
        };
        let first = client.call("PutRecord", &put(b"first")).await;
        client.call("PutRecord", &put(b"second")).await;
        let number = field(&first, "SequenceNumber").clone();

        let mut frames =
            client.subscribe(map([("Type", kind.into()), ("SequenceNumber", number)])).await;
        frames.next().await.unwrap();
        let event = frames.next().await.unwrap().payload;

        let records = list(&event, "Records");
        assert_eq!(records.iter().map(data).collect::<Vec<_>>(), expected, "{kind}");
    }
}

#[tokio::test]
async fn the_last_event_has_the_children_and_no_continuation() {
    let client = Client::with_stream(Format::Cbor).await;
    let split = map([
        stream(),
        ("ShardToSplit", SHARD.into()),
        ("NewStartingHashKey", "170141183460469231731687303715884105728".into()),
    ]);
    client.call("SplitShard", &split).await;

    let mut frames = client.subscribe(map([("Type", "TRIM_HORIZON".into())])).await;
    frames.next().await.unwrap();
    let last = frames.next().await.unwrap().payload;

    assert_eq!(list(&last, "ChildShards").len(), 2);
    assert_eq!(list(&list(&last, "ChildShards")[0], "ParentShards"), [SHARD.into()]);
    assert!(has(&last, "ContinuationSequenceNumber").is_none());
    assert!(frames.next().await.is_none(), "something follows the end of the shard");
}

#[tokio::test]
async fn an_exception_in_the_stream_is_in_the_format_of_the_call() {
    let client = Client::with_stream(Format::Cbor).await;
    let mut frames = client.subscribe(map([("Type", "LATEST".into())])).await;
    frames.next().await.unwrap();
    assert_eq!(frames.next().await.unwrap().name, "SubscribeToShardEvent", "one without records");

    client.call("DeleteStream", &map([stream(), ("EnforceConsumerDeletion", true.into())])).await;

    let end = frames.next().await.unwrap();
    assert_eq!(end.name, "ResourceNotFoundException");
    assert_eq!(end.media_type, "application/x-amz-cbor-1.1");
    assert!(text(&end.payload, "message").contains('s'));
}

#[tokio::test]
async fn a_subscription_is_refused_in_the_format_of_the_call() {
    let client = Client::with_stream(Format::Cbor).await;

    let (name, _) = client.refused("SubscribeToShard", &map([("ShardId", SHARD.into())])).await;
    assert_eq!(name, "ValidationException");

    let mut frames = client.subscribe(map([("Type", "TRIM_HORIZON".into())])).await;
    let put = map([stream(), ("Data", b"a".to_vec().into()), ("PartitionKey", "k".into())]);
    client.call("PutRecord", &put).await;
    loop {
        let frame = frames.next().await.unwrap();
        if let Some([record]) =
            has(&frame.payload, "Records").and_then(|it| it.as_array()).map(|it| &it[..])
        {
            assert_eq!(data(record), b"a");
            return;
        }
    }
}
