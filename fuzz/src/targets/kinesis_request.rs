//! Requests to the local Kinesis: any calls in a row leave open shards that cover every hash key
//! once, and each record that was put can be read, in order, from the shard that its key is in.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shardwise_local::Format;
use shardwise_local::kinesis::Kinesis;
use shardwise_local::stream::{Settings, Timestamp};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "kinesis_request",
    words: &[
        "\nPutRecord {\"StreamName\":\"s\",\"PartitionKey\":\"a\",\"Data\":\"YQ==\"}\n",
        "\nSplitShard {\"StreamName\":\"s\",\"ShardToSplit\":\"shardId-000000000000\",\
         \"NewStartingHashKey\":\"85070591730234615865843651857942052864\"}\n",
        "\nMergeShards {\"StreamName\":\"s\",\"ShardToMerge\":\"shardId-000000000000\",\
         \"AdjacentShardToMerge\":\"shardId-000000000001\"}\n",
        "\nUpdateShardCount {\"StreamName\":\"s\",\"TargetShardCount\":3,\
         \"ScalingType\":\"UNIFORM_SCALING\"}\n",
        "\nGetRecords {\"ShardIterator\":\"$I\"}\n",
        "\nListShards {\"NextToken\":\"$T\"}\n",
        "\nDescribeStream ",
        "\nGetShardIterator ",
        "\nCreateStream ",
        "\nDeleteStream ",
        "\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/s\"",
        "\"StreamName\":\"s\"",
        "\"ShardId\":\"shardId-000000000001\"",
        "\"Limit\":",
        "\"MaxResults\":1",
        "\"ShardFilter\":{\"Type\":\"AT_LATEST\"}",
        "\"ExplicitHashKey\":\"340282366920938463463374607431768211455\",",
        "\"ExplicitHashKey\":\"170141183460469231731687303715884105728\",",
        "\"Timestamp\":1e300",
        "AT_SEQUENCE_NUMBER",
        "AT_TIMESTAMP",
        "null",
        "[]",
    ],
    bytes_max: 4_096,
    check,
};

/// What the time is when everything begins.
const FIRST_MILLIS: u64 = 1_700_000_000_000;

/// Each line is an operation and its body. In bodies `$I` is the last shard iterator that was
/// given, `$T` the last token.
fn check(input: &[u8]) {
    let mut account = Account::new();
    account.call("CreateStream", r#"{"StreamName":"s","ShardCount":2}"#);
    for line in String::from_utf8_lossy(input).lines() {
        let (operation, body) = line.split_once(' ').unwrap_or((line, ""));
        let body = body.replace("$I", &account.iterator).replace("$T", &account.token);
        account.call(operation, &body);
    }
    if !account.is_deleted {
        account.check_shards();
    }
}

struct Account {
    kinesis: Kinesis,
    now_millis: u64,
    iterator: String,
    token: String,
    /// Whether any stream was: then what was put may be gone.
    is_deleted: bool,
    /// What was put into `s`, by shard: sequence numbers, and the hash keys that were asked for.
    put: BTreeMap<String, Vec<(String, Option<u128>)>>,
}

impl Account {
    fn new() -> Self {
        Self {
            kinesis: Kinesis::new(Settings { shard_limit: 48, ..Settings::default() }),
            now_millis: FIRST_MILLIS,
            iterator: String::new(),
            token: String::new(),
            is_deleted: false,
            put: BTreeMap::new(),
        }
    }

    fn call(&mut self, operation: &str, body: &str) -> Option<Value> {
        self.now_millis += 100;
        let now = Timestamp::from_millis(self.now_millis);
        let answer = match self.kinesis.call(operation, Format::Json, body.as_bytes(), now) {
            Ok(answer) => answer,
            Err(error) => {
                assert!(error.name().ends_with("Exception"), "{error:?}");
                return None;
            }
        };
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        let given = |field: &str| answer[field].as_str().map(ToOwned::to_owned);
        if let Some(given) = given("ShardIterator").or_else(|| given("NextShardIterator")) {
            self.iterator = given;
        }
        if let Some(given) = given("NextToken") {
            self.token = given;
        }
        match operation {
            "DeleteStream" => self.is_deleted = true,
            "PutRecord" | "PutRecords" => self.note_puts(operation, body, &answer),
            _ => {}
        }
        Some(answer)
    }

    fn note_puts(&mut self, operation: &str, body: &str, answer: &Value) {
        let asked: Value = serde_json::from_str(body).expect("it was read already");
        let arn = asked["StreamARN"].as_str().is_some_and(|arn| arn.ends_with("/s"));
        if !arn && asked["StreamName"] != "s" {
            return;
        }
        let each = |value: &Value| match operation {
            "PutRecords" => value["Records"].as_array().cloned().unwrap_or_default(),
            _ => vec![value.clone()],
        };
        let (records, results) = (each(&asked), each(answer));
        assert_eq!(records.len(), results.len(), "each record has a result");
        for (record, result) in records.iter().zip(&results) {
            let key = record["ExplicitHashKey"].as_str().map(|key| key.parse().expect("a number"));
            let number = text(&result["SequenceNumber"]).to_owned();
            self.put.entry(text(&result["ShardId"]).to_owned()).or_default().push((number, key));
        }
    }

    fn check_shards(&mut self) {
        let listed = self.call("ListShards", r#"{"StreamName":"s"}"#).expect("the stream is there");
        let shards = listed["Shards"].as_array().expect("there are shards");
        let mut open = Vec::new();
        for shard in shards {
            let range = &shard["HashKeyRange"];
            let bound = |name: &str| text(&range[name]).parse::<u128>().expect("a hash key");
            if shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null() {
                open.push((bound("StartingHashKey"), bound("EndingHashKey")));
            }
            let id = text(&shard["ShardId"]);
            let put = self.put.remove(id).unwrap_or_default();
            let keys = bound("StartingHashKey")..=bound("EndingHashKey");
            let is_inside = |key: &u128| keys.contains(key);
            assert!(put.iter().filter_map(|(_, key)| key.as_ref()).all(is_inside), "{id}: {put:?}");
            let numbers: Vec<String> = put.into_iter().map(|(number, _)| number).collect();
            assert_eq!(self.read(id), numbers, "{id}");
        }
        assert!(self.put.is_empty(), "records lie in shards that are not listed: {:?}", self.put);
        open.sort_unstable();
        let mut next = Some(0);
        for (start, end) in open {
            assert_eq!(next, Some(start), "a hole or an overlap before a shard");
            assert!(start <= end);
            next = end.checked_add(1);
        }
        assert_eq!(next, None, "a hole behind the last shard");
    }

    /// The sequence numbers in a shard, from its beginning.
    fn read(&mut self, shard: &str) -> Vec<String> {
        let asked = json!({
            "StreamName": "s", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"
        });
        self.call("GetShardIterator", &asked.to_string()).expect("a listed shard can be read");
        let mut read = Vec::new();
        loop {
            let asked = json!({ "ShardIterator": self.iterator }).to_string();
            let answer = self.call("GetRecords", &asked).expect("a new iterator is good");
            let records = answer["Records"].as_array().expect("there is a list");
            read.extend(records.iter().map(|record| text(&record["SequenceNumber"]).to_owned()));
            if answer["NextShardIterator"].is_null() || records.is_empty() {
                return read;
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("the field is text")
}
