//! A story as journals: lines of JSON in files, or what the parsers make of them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shardwise_referee::{Journals, Place, Put};

use super::{Story, numbers};

impl Story {
    /// The journals' lines, by file name.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<Value>> {
        let shards = self.shards.iter();
        let shards = shards.map(|(id, shard)| json!({"shard": id, "parents": shard.parents}));
        let mut files = BTreeMap::from([
            ("producer.jsonl".to_owned(), self.puts.clone()),
            ("shards.jsonl".to_owned(), shards.collect()),
            ("lease-writes.jsonl".to_owned(), self.writes.clone()),
        ]);
        for (tenure, events) in &self.events {
            files.insert(format!("hand-overs-{tenure}.jsonl"), events.clone());
        }
        if self.is_watched {
            files.insert("workers.jsonl".to_owned(), self.worker_events.clone());
            files.insert("terms.json".to_owned(), vec![self.terms.clone()]);
        }
        files
    }

    /// The journals without the detour over files.
    pub(crate) fn journals(&self) -> Journals {
        let mut journals = Journals::default();
        for (name, lines) in self.files() {
            match name.as_str() {
                "producer.jsonl" => journals.puts = lines.iter().map(put).collect(),
                "shards.jsonl" => journals.shards = read(lines),
                "lease-writes.jsonl" => journals.lease_writes = read(lines),
                "workers.jsonl" => journals.workers = read(lines),
                "terms.json" => journals.terms = read(lines).pop(),
                _ => journals.hand_overs.push(read(lines)),
            }
        }
        journals.trimmed =
            self.trimmed.iter().map(|(shard, place)| (shard.clone(), at(place))).collect();
        journals.reasons = self.is_watched.then(|| self.reasons.clone());
        journals.gaps.clone_from(&self.gaps);
        journals
    }
}

fn put(line: &Value) -> Put {
    let text = |field: &str| line[field].as_str().unwrap().to_owned();
    let t = line["t"].as_u64().unwrap();
    let place = Place::parse(&text("seq"), line["sub"].as_u64().unwrap()).unwrap();
    Put { t, shard: text("shard"), place, key: text("key"), digest: text("digest") }
}

fn at(place: &str) -> Place {
    let (sequence, sub) = numbers(place);
    Place::parse(sequence, sub).unwrap()
}

fn read<T: DeserializeOwned>(lines: Vec<Value>) -> Vec<T> {
    lines.into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}
