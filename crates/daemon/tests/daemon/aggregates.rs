//! Aggregates of the Kinesis Producer Library: children get what is in them, as Java's daemon hands
//! it over, and go on inside of one.

use rustix::process::Signal;
use serde_json::json;

use crate::world::{Event, STREAM, World};

/// V2 of our reference: `a1` and `a2` of the key `alpha`, and `b1` of `beta` between them.
const BODY: &[u8] = b"\x0a\x05alpha\x0a\x04beta\x12\x010\x12\x27\
    340282366920938463463374607431768211455\
    \x1a\x08\x08\x00\x10\x00\x1a\x02a1\x1a\x08\x08\x01\x10\x01\x1a\x02b1\
    \x1a\x08\x08\x00\x10\x00\x1a\x02a2";
const DIGEST: u128 = 0x0afb_4275_1888_0132_3c32_75e3_dab1_3eef;

fn aggregate() -> Vec<u8> {
    [&b"\xf3\x89\x9a\xc2"[..], BODY, &DIGEST.to_be_bytes()].concat()
}

async fn put(world: &World, data: Vec<u8>) -> String {
    let put = world.kinesis.put_record().stream_name(STREAM).partition_key("outer");
    put.data(data.into()).send().await.unwrap().sequence_number
}

/// The records that one child was handed: data, partition key, sequence and sub-sequence number.
fn handed(journal: &[Event], child: i32) -> Vec<(&str, &str, &str, i32)> {
    let records = journal.iter().filter(|event| event.is("record") && event.number("pid") == child);
    let told = |event: &'_ Event| event.number("sub");
    records
        .map(|event| (event.text("data"), event.text("key"), event.text("number"), told(event)))
        .collect()
}

fn children(journal: &[Event]) -> Vec<&Event> {
    journal.iter().filter(|event| event.is("initialize")).collect()
}

/// The first child makes a checkpoint inside the aggregate, and hangs until its daemon is killed;
/// the second one goes on there, makes another one and dies; the third one goes on with the last.
async fn goes_on_inside(mode: &str) {
    let world = World::new(1).await;
    put(&world, b"before".to_vec()).await;
    let number = put(&world, aggregate()).await;
    let after = put(&world, b"after".to_vec()).await;
    let more = format!("retrievalMode = {mode}");

    let mut first = world.daemon("inside:0 hang:inside", &more);
    let hangs = |journal: &[Event]| journal.iter().any(|event| event.is("hangs"));
    world.until_journal(&first, "a checkpoint inside", hangs).await;
    let row = world.lease_rows().await.remove(0);
    assert_eq!((&row.checkpoint, row.sub_sequence.as_str()), (&number, "0"));
    first.signal(Signal::KILL);
    first.ended().await;

    let second = world.daemon("inside:1 kill:inside", &more);
    let is_done = |event: &Event| event.is("checkpoint") && event.value("number").is_null();
    let journal = world
        .until_journal(&second, "all of it", |journal| {
            children(journal).len() == 3 && journal.iter().any(is_done)
        })
        .await;
    assert_eq!(second.stop().await, 0);

    let began = children(&journal);
    let began: Vec<_> = began.iter().map(|it| (it.text("number"), it.number("sub"))).collect();
    assert_eq!(began, [("TRIM_HORIZON", 0), (&number, 0), (&number, 1)]);
    let [first, second, third] = children(&journal)[..] else { panic!("three children") };
    let of = |child: &Event| handed(&journal, child.number("pid"));
    let inside = [("a1", "alpha", 0), ("b1", "beta", 1), ("a2", "alpha", 2)];
    let inside = inside.map(|(data, key, sub)| (data, key, number.as_str(), sub));
    let after = ("after", "outer", after.as_str(), 0);
    assert!(of(first).ends_with(&[&inside[..], &[after]].concat()), "{:?}", of(first));
    assert_eq!(of(first)[0].0, "before");
    assert_eq!(of(second), [&inside[1..], &[after]].concat());
    assert_eq!(of(third), [&inside[2..], &[after]].concat());
    // As recorded of Java's daemon: no explicit hash key, and in this order.
    let fields = json!([
        "data",
        "partitionKey",
        "sequenceNumber",
        "approximateArrivalTimestamp",
        "subSequenceNumber",
        "action"
    ]);
    assert!(journal.iter().filter(|it| it.is("record")).all(|it| *it.value("fields") == fields));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_gets_user_records_and_goes_on_inside_their_aggregate_by_polling() {
    goes_on_inside("POLLING").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_gets_user_records_and_goes_on_inside_their_aggregate_by_fan_out() {
    goes_on_inside("FANOUT").await;
}
