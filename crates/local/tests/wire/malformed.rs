//! Bodies that are no CBOR, or not that of a request.

use std::time::{Duration, Instant};

use ciborium::Value;
use shardwise_local::Format;

use super::client::{Client, as_java, stream};
use super::map;

/// Far more than refusing takes, and far less than filling the memory that a length claims.
const SOON: Duration = Duration::from_secs(5);

async fn is_refused(client: &Client, operation: &str, body: &[u8]) -> String {
    let (name, message) = client.refused_bytes(operation, body.to_vec()).await;
    assert_eq!(name, "SerializationException", "{body:02x?}: {message}");
    message
}

#[tokio::test]
async fn what_is_no_cbor_is_refused() {
    let client = Client::with_stream(Format::Cbor).await;
    let put =
        as_java(&map([stream(), ("PartitionKey", "k".into()), ("Data", vec![0x80; 40].into())]));

    for end in 1..put.len() {
        is_refused(&client, "PutRecord", &put[..end]).await;
    }
    let behind = is_refused(&client, "PutRecord", &[&put[..], &[0]].concat()).await;
    assert!(behind.contains("1 bytes follow"), "{behind}");
    for body in [&b"{}"[..], b"\x1c", b"\xff", b"\xa1\x61\xff\x00", b"\xbf\x00", b"\x80", b"\xf6"] {
        is_refused(&client, "ListStreams", body).await;
    }
}

#[tokio::test]
async fn fields_of_another_type_are_refused() {
    let client = Client::with_stream(Format::Cbor).await;
    let key = || ("PartitionKey", Value::from("k"));

    for body in [
        map([stream(), key(), ("Data", "YQ==".into())]),
        map([stream(), key(), ("Data", vec![Value::from(1)].into())]),
        map([("StreamName", b"s".to_vec().into()), key(), ("Data", b"a".to_vec().into())]),
        map([stream(), ("PartitionKey", 1.into()), ("Data", b"a".to_vec().into())]),
    ] {
        is_refused(&client, "PutRecord", &as_java(&body)).await;
    }
    let limit = map([("Limit", 2.5.into())]);
    is_refused(&client, "ListStreams", &as_java(&limit)).await;
}

/// The lengths of a byte string, text, array and map that are not there.
#[tokio::test]
async fn a_length_that_lies_reserves_nothing() {
    let client = Client::with_stream(Format::Cbor).await;
    let began = Instant::now();

    for major in [0x40, 0x60, 0x80, 0xa0] {
        for length in [u64::from(u32::MAX), 1 << 40, u64::MAX] {
            for field in ["Data", "PartitionKey", "StreamName", "Records", "Unknown"] {
                let name = as_java(&field.into());
                let value = [&[major | 0x1b][..], &length.to_be_bytes(), b"abc"].concat();
                let body = [&[0xa1][..], &name, &value].concat();
                is_refused(&client, "PutRecords", &body).await;
                is_refused(&client, "PutRecord", &body).await;
            }
        }
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// Deep enough to run out of stack, if each level took some.
#[tokio::test]
async fn deep_nesting_is_refused() {
    let client = Client::with_stream(Format::Cbor).await;
    let name = as_java(&"Unknown".into());
    let within = |head: &[u8], depth: usize| [&[0xa1][..], &name, &head.repeat(depth)].concat();

    for head in [&b"\x81"[..], b"\x9f", b"\xa1\x00", b"\xbf\x00", b"\xc1", b"\x5f", b"\x7f"] {
        is_refused(&client, "ListStreams", &within(head, 1_000_000)).await;
    }
    let ten = [within(b"\x81", 10), vec![0]].concat();
    assert_eq!(client.post("ListStreams", ten).await.status, 200, "a field unknown to us");
}
