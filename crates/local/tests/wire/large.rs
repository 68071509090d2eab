//! Records of 10 MiB, the most that a stream can be set to, in both formats.

use ciborium::Value;
use shardwise_local::Format;

use super::client::{Client, data, stream};
use super::{ARN, has, list, map, text};

const MEBIBYTE: usize = 1024 * 1024;
/// With the key of one byte, as large as a record gets.
const DATA_BYTES_MAX: usize = 10 * MEBIBYTE - 1;

/// An account with a stream for the largest records.
async fn client(format: Format) -> Client {
    let client = Client::new(format).await;
    let largest = ("MaxRecordSizeInKiB", 10_240.into());
    client.call("CreateStream", &map([stream(), ("ShardCount", 1.into()), largest])).await;
    client
}

#[tokio::test]
async fn a_stream_takes_large_records_once_it_is_told_to() {
    let client = Client::with_stream(Format::Cbor).await;
    let size = |kib: i32| map([("StreamARN", ARN.into()), ("MaxRecordSizeInKiB", kib.into())]);
    let (name, _) = client.refused("PutRecord", &put(bytes(MEBIBYTE))).await;
    assert_eq!(name, "ValidationException");

    client.call("UpdateMaxRecordSize", &size(10_240)).await;

    client.call("PutRecord", &put(bytes(MEBIBYTE))).await;
    let (name, _) = client.refused("UpdateMaxRecordSize", &size(10_241)).await;
    assert_eq!(name, "ValidationException");
}

/// Bytes of which none can be mistaken for its neighbours.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

fn record(data: Vec<u8>) -> [(&'static str, Value); 2] {
    [("PartitionKey", "k".into()), ("Data", data.into())]
}

fn put(data: Vec<u8>) -> Value {
    let [key, data] = record(data);
    map([stream(), key, data])
}

#[tokio::test]
async fn a_record_of_ten_mebibytes_is_read_alone() {
    for format in [Format::Json, Format::Cbor] {
        let client = client(format).await;
        let large = bytes(DATA_BYTES_MAX);
        for data in [b"before".to_vec(), large.clone(), b"after".to_vec()] {
            client.call("PutRecord", &put(data)).await;
        }

        let mut iterator = client.iterator().await;
        for expected in [&b"before"[..], &large, b"after"] {
            let asked = map([("ShardIterator", iterator.as_str().into())]);
            let answer = client.call("GetRecords", &asked).await;
            let [record] = list(&answer, "Records") else { panic!("not one record alone") };
            assert!(data(record) == expected, "other bytes in {format:?}");
            iterator = text(&answer, "NextShardIterator").to_owned();
        }
    }
}

#[tokio::test]
async fn a_record_of_ten_mebibytes_is_an_event_of_its_own() {
    for format in [Format::Json, Format::Cbor] {
        let client = client(format).await;
        let large = bytes(DATA_BYTES_MAX);
        for data in [b"before".to_vec(), large.clone(), b"after".to_vec()] {
            client.call("PutRecord", &put(data)).await;
        }

        let mut frames = client.subscribe(map([("Type", "TRIM_HORIZON".into())])).await;
        assert_eq!(frames.next().await.unwrap().name, "initial-response");
        for expected in [&b"before"[..], &large, b"after"] {
            let event = frames.next().await.unwrap();
            assert_eq!(event.media_type, client.media_type());
            let [record] = list(&event.payload, "Records") else { panic!("not one record alone") };
            assert!(data(record) == expected, "other bytes in {format:?}");
        }
    }
}

#[tokio::test]
async fn a_call_carries_ten_mebibytes_and_no_byte_more() {
    for format in [Format::Json, Format::Cbor] {
        let client = client(format).await;
        let halves = |more: usize| {
            let halves = [5 * MEBIBYTE - 1, 5 * MEBIBYTE - 1 + more];
            let records: Vec<Value> = halves.map(|half| map(record(bytes(half)))).into();
            map([stream(), ("Records", records.into())])
        };

        let results = client.call("PutRecords", &halves(0)).await;
        assert!(list(&results, "Records").iter().all(|it| has(it, "ErrorCode").is_none()));
        let (name, _) = client.refused("PutRecords", &halves(1)).await;
        assert_eq!(name, "InvalidArgumentException");
        let (name, _) = client.refused("PutRecord", &put(bytes(DATA_BYTES_MAX + 1))).await;
        assert_eq!(name, "ValidationException");
    }
}

/// The service's own limit of the body is not known: this one only has to let all records in.
#[tokio::test]
async fn a_body_above_the_limit_is_refused_in_its_format() {
    let client = client(Format::Cbor).await;

    let answer = client.post("PutRecord", vec![0; 32 * MEBIBYTE + 1]).await;

    assert_eq!((answer.status, answer.media_type.as_str()), (413, client.media_type()));
    let body: Value = ciborium::from_reader(&answer.body[..]).unwrap();
    assert_eq!(text(&body, "__type"), "RequestEntityTooLargeException");
}
