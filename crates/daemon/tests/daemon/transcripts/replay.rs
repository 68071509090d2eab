//! Recordings, and worlds in which they are done again.

use std::collections::BTreeMap;
use std::fs;

use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::world::{Daemon, STREAM, World, child, until};

pub(super) const SHARDS: [&str; 5] = [
    "shardId-000000000000",
    "shardId-000000000001",
    "shardId-000000000002",
    "shardId-000000000003",
    "shardId-000000000004",
];

/// Whose recordings there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Java {
    V2_5_8,
    V3_5_1,
}

pub(super) const BOTH: [Java; 2] = [Java::V2_5_8, Java::V3_5_1];

/// Where the recordings of 2.5.8 lie, and the records of both that are aggregates.
const TRANSCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/multilang/transcripts");
pub(super) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// A recording, and a world in which it is done again.
pub(super) struct Replay {
    pub(super) world: World,
    name: String,
    path: String,
    /// By how much the numbers of today's shards are higher.
    pub(super) shift: usize,
    /// What each child was told, by shard, in the order of its children.
    recorded: BTreeMap<String, Vec<Vec<String>>>,
}

impl Replay {
    pub(super) async fn new(java: Java, name: &str, shards: i32) -> Self {
        let path = match java {
            Java::V2_5_8 => format!("{TRANSCRIPTS}/{name}.jsonl"),
            Java::V3_5_1 => format!("{FIXTURES}/java-daemon-3.5.1/{name}/transcript.jsonl"),
        };
        let mut recorded: BTreeMap<String, Vec<(u64, Vec<String>)>> = BTreeMap::new();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let number = entry["child"].as_u64().unwrap();
            let children = recorded.entry(entry["shard"].as_str().unwrap().to_owned()).or_default();
            if children.iter().all(|(other, _)| *other != number) {
                children.push((number, Vec::new()));
            }
            if entry["dir"] == "to_child" {
                let child = children.iter_mut().find(|(other, _)| *other == number).unwrap();
                child.1.push(entry["line"].as_str().unwrap().to_owned());
            }
        }
        let lines = |children: Vec<(u64, Vec<String>)>| children.into_iter().map(|it| it.1);
        let recorded = recorded.into_iter().map(|(id, it)| (id, lines(it).collect())).collect();
        let name = format!("{name} of {java:?}");
        Self { world: World::new(shards).await, name, path, shift: 0, recorded }
    }

    pub(super) fn daemon(&self, more: &str) -> Daemon {
        let directory = self.world.path();
        let (program, path, shift) = (child("replay.py"), &self.path, self.shift);
        let executable = format!("python3 {program} {} {path} {shift}", directory.display());
        Daemon::start(&self.world.properties(&executable, more), directory)
    }

    /// Puts the records of the n-th batch of a shard's child, all at once.
    pub(super) async fn put(&self, shard: usize, child: usize, batch: usize) {
        let id = SHARDS[shard];
        let shards = self.world.kinesis.list_shards().stream_name(STREAM).send().await.unwrap();
        let shards = shards.shards.unwrap();
        let range = shards.iter().find(|it| it.shard_id == id).unwrap().hash_key_range.clone();
        let hash_key = range.unwrap().starting_hash_key;
        let batches =
            self.recorded[id][child].iter().map(|line| serde_json::from_str(line).unwrap());
        let mut batches = batches.filter(|message: &Value| message["action"] == "processRecords");
        let message = batches.nth(batch).unwrap();
        let entries = message["records"].as_array().unwrap().iter().map(|record| {
            let data = STANDARD.decode(record["data"].as_str().unwrap()).unwrap();
            PutRecordsRequestEntry::builder()
                .data(data.into())
                .partition_key(record["partitionKey"].as_str().unwrap())
                .explicit_hash_key(&hash_key)
                .build()
                .unwrap()
        });
        let put = self.world.kinesis.put_records().stream_name(STREAM);
        put.set_records(Some(entries.collect())).send().await.unwrap();
    }

    /// Puts the records of a file.
    pub(super) async fn put_file(&self, name: &str) {
        let text = fs::read_to_string(format!("{TRANSCRIPTS}/{name}.records.json")).unwrap();
        let records: Vec<Value> = serde_json::from_str(&text).unwrap();
        for record in records {
            let data = STANDARD.decode(record["dataBase64"].as_str().unwrap()).unwrap();
            let put = self.world.kinesis.put_record().stream_name(STREAM).data(data.into());
            let put = put.partition_key(record["partitionKey"].as_str().unwrap());
            let hash_key = record["explicitHashKey"].as_str().map(ToOwned::to_owned);
            put.set_explicit_hash_key(hash_key).send().await.unwrap();
        }
    }

    /// What a child was told this time.
    pub(super) fn told(&self, shard: usize, child: usize) -> Vec<String> {
        let path = self.world.path().join(format!("told-{}-{child}", SHARDS[shard + self.shift]));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_terminator('\n').map(ToOwned::to_owned).collect()
    }

    /// What it was told when it was recorded, but that we escape what some readers of lines take
    /// for the end of one.
    pub(super) fn recorded(&self, shard: usize, child: usize) -> Vec<String> {
        let name = |shard: usize| format!(r#""shardId":"{}""#, SHARDS[shard]);
        let (then, today) = (name(shard), name(shard + self.shift));
        let lines = self.recorded[SHARDS[shard]][child].iter();
        lines.map(|line| line.replace('\u{2028}', "\\u2028").replace(&then, &today)).collect()
    }

    /// The recorded lines to a child, where some have to be others.
    pub(super) fn lines(&mut self, shard: usize, child: usize) -> &mut [String] {
        &mut self.recorded.get_mut(SHARDS[shard]).unwrap()[child]
    }

    /// How many batches the first child of a shard was told.
    pub(super) fn batches(&self, shard: usize) -> usize {
        let recorded = self.recorded(shard, 0);
        recorded.iter().filter(|line| line.contains(r#""action":"processRecords""#)).count()
    }

    /// Waits until a child was told so many of its batches and everything that they led to.
    pub(super) async fn until_batch(
        &self,
        daemon: &Daemon,
        shard: usize,
        child: usize,
        batches: usize,
    ) {
        let recorded = self.recorded(shard, child);
        let is_batch = |line: &String| line.contains(r#""action":"processRecords""#);
        let mut begins: Vec<_> =
            (0..recorded.len()).filter(|at| is_batch(&recorded[*at])).collect();
        begins.push(recorded.len());
        let is_checkpoint = |line: &&String| line.contains(r#"{"action":"checkpoint""#);
        let last = begins[batches - 1];
        let answers = recorded[last + 1..].iter().take_while(is_checkpoint).count();
        self.until_lines(daemon, shard, child, last + 1 + answers).await;
    }

    pub(super) async fn until_lines(
        &self,
        daemon: &Daemon,
        shard: usize,
        child: usize,
        lines: usize,
    ) {
        until(&format!("{lines} lines to child {child} of shard {shard}"), async || {
            let told = self.told(shard, child);
            let is_so = told.len() >= lines;
            if is_so { Ok(()) } else { Err(format!("{}\n{}", told.join("\n"), daemon.log())) }
        })
        .await;
    }

    /// Waits until a child was told all that was recorded.
    pub(super) async fn until_all(&self, daemon: &Daemon, shard: usize, child: usize) {
        self.until_lines(daemon, shard, child, self.recorded(shard, child).len()).await;
    }

    /// A child was told what was recorded, then these lines, and nothing else.
    #[track_caller]
    pub(super) fn is_as_recorded(&self, shard: usize, child: usize, then: &[&str]) {
        let mut expected = self.recorded(shard, child);
        expected.extend(then.iter().map(|line| (*line).to_owned()));
        let (told, expected) = (self.told(shard, child).join("\n"), expected.join("\n"));
        let name = &self.name;
        assert!(told == expected, "{name}, {shard}, {child}:\n{told}\nand not\n{expected}");
    }
}
