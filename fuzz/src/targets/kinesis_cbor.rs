//! Requests to the local Kinesis in CBOR: what is no CBOR is refused, and what is taken does and
//! answers the same as the same call in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;
use serde_json::Value as Json;
use shardwise_local::Format;
use shardwise_local::kinesis::Kinesis;
use shardwise_local::stream::{Settings, Timestamp};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "kinesis_cbor",
    words: &[
        "jStreamNameas",
        "iStreamARNx1arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "lPartitionKeyaaodataAa",
        "dDataBab",
        "gRecords",
        "oExplicitHashKeya0",
        "gShardIdtshardId-000000000000",
        "qShardIteratorTypelAT_TIMESTAMP",
        "iTimestamp\u{1b}\0\0\u{1}\u{0b}\u{2}\u{3}\u{4}\u{5}",
        "kShardFilter",
        "dTypegAT_LATEST",
        "jShardCount\u{2}",
        "\u{18}\u{7f}",
    ],
    // Less than what a stack has room for, were all of it levels.
    bytes_max: 1_024,
    check,
};

const OPERATIONS: [&str; 24] = [
    "PutRecords",
    "PutRecord",
    "GetRecords",
    "GetShardIterator",
    "ListShards",
    "ListStreams",
    "DescribeStream",
    "DescribeStreamSummary",
    "DescribeLimits",
    "CreateStream",
    "DeleteStream",
    "SplitShard",
    "MergeShards",
    "UpdateShardCount",
    "IncreaseStreamRetentionPeriod",
    "DecreaseStreamRetentionPeriod",
    "RegisterStreamConsumer",
    "DescribeStreamConsumer",
    "ListStreamConsumers",
    "DeregisterStreamConsumer",
    "UpdateMaxRecordSize",
    "AddTagsToStream",
    "RemoveTagsFromStream",
    "ListTagsForStream",
];
const FIRST_MILLIS: u64 = 1_700_000_000_000;
/// No level of a request that means something lies below this one.
const KNOWN_DEPTH: usize = 8;
const SHARD: &str = "shardId-000000000000";

/// Each call is a byte for the operation, and its body.
fn check(input: &[u8]) {
    let mut pair = Pair::new();
    let mut rest = input;
    while let [operation, behind @ ..] = rest {
        let operation = OPERATIONS[usize::from(*operation) % OPERATIONS.len()];
        rest = behind;
        let depth_max = 2 * TARGET.bytes_max;
        let value =
            ciborium::de::from_reader_with_recursion_limit::<Value, _>(&mut rest, depth_max);
        let Ok(value) = value else {
            if !behind.is_empty() {
                let refused = pair.in_cbor(operation, behind).expect_err("it is no CBOR");
                assert_eq!(refused, "SerializationException", "it is no CBOR");
            }
            break;
        };
        let body = &behind[..behind.len() - rest.len()];
        if pair.call(operation, body, &value).is_none() {
            return;
        }
    }
    pair.compare_records();
}

/// Two accounts that are asked the same, each in its format.
struct Pair {
    cbor: Kinesis,
    json: Kinesis,
    now_millis: u64,
}

impl Pair {
    fn new() -> Self {
        let account = || Kinesis::new(Settings { shard_limit: 48, ..Settings::default() });
        let mut pair = Self { cbor: account(), json: account(), now_millis: FIRST_MILLIS };
        pair.call_value("CreateStream", &[("StreamName", "s".into()), ("ShardCount", 1.into())]);
        pair
    }

    fn call_value(&mut self, operation: &str, fields: &[(&str, Value)]) -> Option<Json> {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let value = Value::Map(fields.collect());
        let mut body = Vec::new();
        ciborium::into_writer(&value, &mut body).expect("a list takes all bytes");
        self.call(operation, &body, &value).expect("it can be said in JSON")
    }

    fn in_cbor(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let now = Timestamp::from_millis(self.now_millis);
        self.cbor.call(operation, Format::Cbor, body, now).map_err(|error| error.name())
    }

    /// The answer, if there is one; nothing if there is no telling what the call is in JSON.
    fn call(&mut self, operation: &str, body: &[u8], value: &Value) -> Option<Option<Json>> {
        self.now_millis += 100;
        let in_cbor = match self.in_cbor(operation, body) {
            // What a field takes in JSON says nothing of what it takes here.
            Err("SerializationException") => return Some(None),
            Err(name) => Err(name),
            Ok(answer) => {
                let mut rest = &answer[..];
                let answer: Value = ciborium::from_reader(&mut rest).expect("an answer is CBOR");
                assert!(rest.is_empty(), "something follows an answer");
                let answer = as_json("", &answer, 0).expect("an answer can be said in JSON");
                Ok(serde_json::from_str::<Json>(&answer).expect("it is JSON"))
            }
        };
        let asked = as_json("", value, 0)?;
        let now = Timestamp::from_millis(self.now_millis);
        let in_json = self.json.call(operation, Format::Json, asked.as_bytes(), now);
        let in_json = in_json
            .map_err(|error| error.name())
            .map(|answer| serde_json::from_slice::<Json>(&answer).expect("an answer is JSON"));
        let (in_cbor, in_json) = (in_cbor.map(in_millis), in_json.map(in_millis));
        assert_eq!(in_cbor, in_json, "CBOR, then JSON: {operation} {asked}");
        Some(in_cbor.ok())
    }

    /// All that was put into the first shard comes out of both.
    fn compare_records(&mut self) {
        let asked = [
            ("StreamName", "s".into()),
            ("ShardId", SHARD.into()),
            ("ShardIteratorType", "TRIM_HORIZON".into()),
        ];
        let mut answer = self.call_value("GetShardIterator", &asked);
        let mut next = "ShardIterator";
        while let Some(iterator) = answer.as_ref().and_then(|answer| answer[next].as_str()) {
            let asked = [("ShardIterator", iterator.into())];
            answer = self.call_value("GetRecords", &asked);
            next = "NextShardIterator";
            let records = answer.as_ref().and_then(|answer| answer["Records"].as_array());
            if records.is_some_and(Vec::is_empty) {
                return;
            }
        }
    }
}

/// The same in JSON, entry by entry, as serde_json's own maps keep no name twice. Nothing of what
/// JSON has no word for.
fn as_json(name: &str, value: &Value, depth: usize) -> Option<String> {
    if depth > KNOWN_DEPTH {
        return Some("null".to_owned());
    }
    if let Some((tag, value)) = value.as_tag() {
        return (tag == 1).then(|| as_json(name, value, depth))?;
    }
    if let Some(entries) = value.as_map() {
        let entries = entries.iter().map(|(name, value)| {
            let name = name_of(name)?;
            Some(format!("{}:{}", Json::from(name.as_str()), as_json(&name, value, depth + 1)?))
        });
        return Some(format!("{{{}}}", entries.collect::<Option<Vec<_>>>()?.join(",")));
    }
    if let Some(items) = value.as_array() {
        let items = items.iter().map(|item| as_json("", item, depth + 1));
        return Some(format!("[{}]", items.collect::<Option<Vec<_>>>()?.join(",")));
    }
    if let Some(bytes) = value.as_bytes() {
        // An empty list may also be said so.
        let is_list = matches!(name, "Records" | "TagKeys") && bytes.is_empty();
        return Some(if is_list { "[]".into() } else { format!("\"{}\"", STANDARD.encode(bytes)) });
    }
    if name.ends_with("Timestamp") {
        let whole = value.as_integer().map(i128::from);
        let millis = whole.or_else(|| value.as_float().map(|millis| millis.round() as i128));
        return Some(millis.map_or_else(|| "\"\"".to_owned(), seconds));
    }
    if let Some(number) = value.as_integer() {
        // Written as bytes under a tag, as large numbers are, and taken for the bytes.
        let is_bytes = matches!(name, "Data" | "Records" | "TagKeys");
        return (!is_bytes).then(|| i128::from(number).to_string());
    }
    match value.as_float() {
        Some(number) if !number.is_finite() => None,
        Some(number) => Some(format!("{number:e}")),
        None => value.deserialized::<Json>().ok().map(|value| value.to_string()),
    }
}

fn seconds(millis: i128) -> String {
    let millis = millis.clamp(0, i128::from(u64::MAX));
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// A name, which may also stand as bytes.
fn name_of(name: &Value) -> Option<String> {
    if let Some((tag, name)) = name.as_tag() {
        return (tag == 1).then(|| name_of(name))?;
    }
    let bytes = name.as_bytes().and_then(|name| str::from_utf8(name).ok());
    Some(name.as_text().or(bytes).unwrap_or("no name").to_owned())
}

/// Times as whole numbers: the last digit of a fraction is not the same everywhere.
fn in_millis(mut answer: Json) -> Json {
    if let Some(entries) = answer.as_object_mut() {
        for (name, value) in entries {
            let seconds = value.as_f64().filter(|_| name.ends_with("Timestamp"));
            *value = match seconds {
                Some(seconds) => Json::from((seconds * 1000.0).round() as u64),
                None => in_millis(value.take()),
            };
        }
    } else if let Some(items) = answer.as_array_mut() {
        items.iter_mut().for_each(|item| *item = in_millis(item.take()));
    }
    answer
}
