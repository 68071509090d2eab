//! Answers that say they are good and are not. Each is asked for again at the same place: none is
//! taken for an answer without records, or for the end of its shard.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shardwise::config::{Pace, Retrieval};
use shardwise::kinesis::{KinesisError, Position};
use shardwise::{ShardId, StreamName, aws};

use crate::proxy::{self, Fault, Script};
use crate::{Running, STREAM, config, endpoints, fan_out, put, sdk_config, until};

/// Behind every record: going on there would skip them.
const FAR: &str = "99999999999999999999999999999999999999999999999999999999";

/// A good answer without one of its members.
fn without(mut answer: Value, member: &str) -> String {
    answer.as_object_mut().unwrap().remove(member).unwrap();
    answer.to_string()
}

/// A good answer with another member.
fn with(mut answer: Value, member: &str, value: Value) -> String {
    answer[member] = value;
    answer.to_string()
}

/// A good answer whose last record lacks a member.
fn with_record_without(mut answer: Value, member: &str) -> String {
    let record = answer["Records"].as_array_mut().unwrap().last_mut().unwrap();
    record.as_object_mut().unwrap().remove(member).unwrap();
    answer.to_string()
}

fn with_child(mut answer: Value, child: Value) -> String {
    answer["NextShardIterator"] = Value::Null;
    with(answer, "ChildShards", json!([child]))
}

const ANSWERS: &[Fault] = &[
    |good| without(good, "Records"),
    |good| with(good, "Records", Value::Null),
    |good| with(good, "Records", json!("none")),
    |good| with(good, "Records", json!({})),
    |good| with(good, "Records", json!([null])),
    |good| with(good, "Records", json!([[]])),
    |good| with_record_without(good, "SequenceNumber"),
    |good| with_record_without(good, "Data"),
    |good| with(good, "NextShardIterator", Value::Null),
    |good| without(good, "NextShardIterator"),
    |good| with(good, "NextShardIterator", json!(7)),
    |good| with(good, "MillisBehindLatest", json!("soon")),
    |good| with_child(good, json!({ "ShardId": "shardId-000000000099" })),
    |good| with_child(good, json!({ "ParentShards": ["shardId-000000000000"] })),
    |good| with_child(good, json!(7)),
    |good| good.to_string()[..good.to_string().len() / 2].to_owned(),
    |_| "<html><body>Welcome to this network</body></html>".to_owned(),
    |_| "[]".to_owned(),
    |_| "{}".to_owned(),
    |_| String::new(),
];

fn events() -> Vec<String> {
    let with = |records: Value| {
        let mut event = json!({ "ContinuationSequenceNumber": FAR, "MillisBehindLatest": 0 });
        event["Records"] = records;
        event
    };
    let child = json!([{ "ShardId": "shardId-000000000099" }]);
    [
        json!({}),
        json!({ "Records": [], "MillisBehindLatest": 0 }),
        json!({ "Records": [], "ContinuationSequenceNumber": null, "MillisBehindLatest": 0 }),
        json!({ "ContinuationSequenceNumber": FAR, "MillisBehindLatest": 0 }),
        with(Value::Null),
        with(json!("none")),
        with(json!([7])),
        with(json!([{ "Data": "aGVsbG8=", "PartitionKey": "k" }])),
        with(json!([{ "SequenceNumber": FAR, "PartitionKey": "k" }])),
        json!({ "Records": [], "ContinuationSequenceNumber": 7, "MillisBehindLatest": 0 }),
        json!({ "Records": [], "ContinuationSequenceNumber": "on", "MillisBehindLatest": 0 }),
        json!({ "Records": [], "MillisBehindLatest": 0, "ChildShards": child }),
        json!([]),
    ]
    .iter()
    .map(Value::to_string)
    .chain([
        with(json!([])).to_string()[..40].to_owned(),
        "<html><body>Welcome to this network</body></html>".to_owned(),
        String::new(),
    ])
    .collect()
}

/// Each fault meets a shard of its own that has two records: both come, once and in order, and the
/// question that had no good answer was put again as it was.
async fn assert_nothing_skipped(retrieval: Retrieval, script: Script) {
    let faults = script.answers.len() + script.events.len();
    let endpoints = endpoints(u32::try_from(faults).unwrap()).await;
    let width = u128::MAX / faults as u128;
    let mut expected = Vec::new();
    for shard in 0..faults {
        for text in ["first", "second"] {
            let text = format!("{text} of {shard:02}");
            put(&endpoints, width * shard as u128 + width / 2, &text);
            expected.push(text);
        }
    }
    let script = Arc::new(Mutex::new(script));
    let url = proxy::start(endpoints.kinesis_url(), Arc::clone(&script)).await;
    let mut config = config(retrieval);
    let idle = Duration::from_millis(200);
    config.polling.pace = Pace::Fixed { idle, at_tip: Duration::ZERO };
    let worker = Running::start(config, &sdk_config(url).build(), &endpoints);
    until(|| worker.told().len() >= expected.len(), "every record").await;
    let met = {
        let script = script.lock().unwrap();
        (script.happened(), script.asked_again)
    };
    assert_eq!(met, (faults, faults));
    let mut told = worker.told();
    told.sort_by_key(|text| text.split_once(" of ").map(|(_, shard)| shard.to_owned()));
    assert_eq!(told, expected);
    worker.stop().await;
    endpoints.stop().await;
}

#[tokio::test]
async fn a_malformed_answer_with_status_200_skips_no_record_and_ends_no_shard() {
    let script = Script { answers: ANSWERS.to_vec(), ..Script::default() };
    assert_nothing_skipped(Retrieval::Polling, script).await;
}

#[tokio::test]
async fn a_malformed_event_skips_no_record_and_ends_no_shard() {
    let script = Script { events: events(), ..Script::default() };
    assert_nothing_skipped(fan_out(), script).await;
}

/// Whatever is wrong with it, the port says that there is no usable answer.
#[tokio::test]
async fn a_malformed_answer_is_none() {
    let endpoints = endpoints(1).await;
    put(&endpoints, 0, "first");
    let script = Arc::<Mutex<Script>>::default();
    let url = proxy::start(endpoints.kinesis_url(), Arc::clone(&script)).await;
    let config = config(Retrieval::Polling);
    let sdk_config = sdk_config(url).build();
    let (kinesis, _) = aws::over(&sdk_config, &sdk_config, &config);
    let (stream, shard) = (StreamName::new(STREAM).unwrap(), "shardId-000000000000");
    let shard = ShardId::new(shard).unwrap();
    let iterator = kinesis.shard_iterator(&stream, &shard, &Position::TrimHorizon).await.unwrap();
    for (number, fault) in ANSWERS.iter().enumerate() {
        *script.lock().unwrap() = Script { answers: vec![*fault], ..Script::default() };
        match kinesis.records(&iterator, 10).await {
            Err(KinesisError::Unanswered(_)) => {}
            // An end that names no children, or children that name no parents: the reader's to see.
            Ok(answer) => assert!(answer.next.is_none(), "fault {number}: {answer:?}"),
            Err(error) => panic!("fault {number}: {error:?}"),
        }
    }
    assert_eq!(kinesis.records(&iterator, 10).await.unwrap().records.len(), 1);
    endpoints.stop().await;
}
