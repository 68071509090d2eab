//! A small application that keeps the rules, and writes the journals that the referee reads.
//!
//! Each act is one or more lines, as another program would write them, so that the tests go
//! through the parsers too. `now` rises with each line.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shardwise_referee::{Event, Journals, LeaseWrite, Put, Shard};

/// The names of the workers.
pub(crate) const WORKERS: [&str; 3] = ["worker-a", "worker-b", "worker-c"];

/// A shard as the application and the stream know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoryShard {
    pub(crate) parents: Vec<String>,
    pub(crate) children: Vec<String>,
    /// Sequence number, key and digest of each record.
    pub(crate) records: Vec<(String, String, String)>,
    pub(crate) is_closed: bool,
    pub(crate) has_ended: bool,
    /// The row: none before the lease is created.
    row: Option<StoryRow>,
}

#[derive(Clone, Debug)]
struct StoryRow {
    owner: Option<String>,
    counter: u64,
    checkpoint: String,
    /// How many records lie at or before the checkpoint.
    done: usize,
}

/// A tenure as its processor knows it.
#[derive(Clone, Debug)]
pub(crate) struct StoryTenure {
    pub(crate) shard: String,
    pub(crate) worker: String,
    /// How many records of the shard were handed, or lie before the start.
    pub(crate) handed: usize,
}

/// A run that is being told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) now: u64,
    pub(crate) shards: BTreeMap<String, StoryShard>,
    pub(crate) tenures: BTreeMap<String, StoryTenure>,
    pub(crate) puts: Vec<Value>,
    /// Lines by file; here a file for each tenure.
    pub(crate) events: BTreeMap<String, Vec<Value>>,
    pub(crate) writes: Vec<Value>,
    next_sequence: u64,
    next_tenure: u64,
}

impl Story {
    /// An application on a stream of `shards` shards, whose leases exist.
    pub(crate) fn new(shards: usize) -> Self {
        let mut story = Self { next_sequence: 7, ..Self::default() };
        for _ in 0..shards {
            let shard = story.add_shard(&[]);
            story.create_lease(&shard);
        }
        story
    }

    fn tick(&mut self) -> u64 {
        self.now += 10;
        self.now
    }

    fn add_shard(&mut self, parents: &[&str]) -> String {
        let id = format!("shardId-{:012}", self.shards.len());
        let parents: Vec<String> = parents.iter().map(|&parent| parent.to_owned()).collect();
        for parent in &parents {
            let parent = self.shards.get_mut(parent).unwrap();
            parent.children.push(id.clone());
            parent.is_closed = true;
        }
        self.shards.insert(id.clone(), StoryShard { parents, ..StoryShard::default() });
        id
    }

    /// Puts a record and returns its sequence number.
    pub(crate) fn put(&mut self, shard: &str, key: &str) -> String {
        // The first numbers have one digit and the later ones more, as text they are out of order.
        self.next_sequence += 1;
        let sequence = self.next_sequence.to_string();
        let digest = format!("digest-of-{sequence}");
        let t = self.tick();
        self.puts
            .push(json!({"t": t, "shard": shard, "seq": sequence, "key": key, "digest": digest}));
        let record = (sequence.clone(), key.to_owned(), digest);
        self.shards.get_mut(shard).unwrap().records.push(record);
        sequence
    }

    /// Puts `count` records with keys of their own.
    pub(crate) fn put_many(&mut self, shard: &str, count: usize) {
        for nth in 0..count {
            self.put(shard, &format!("key-{shard}-{nth}"));
        }
    }

    pub(crate) fn split(&mut self, shard: &str) -> [String; 2] {
        [self.add_shard(&[shard]), self.add_shard(&[shard])]
    }

    pub(crate) fn merge(&mut self, left: &str, right: &str) -> String {
        self.add_shard(&[left, right])
    }

    fn item(shard: &str, row: &StoryRow) -> Value {
        let mut item = json!({
            "leaseKey": {"S": shard},
            "leaseCounter": {"N": row.counter.to_string()},
            "checkpoint": {"S": row.checkpoint},
            "checkpointSubSequenceNumber": {"N": "0"},
            "ownerSwitchesSinceCheckpoint": {"N": "0"},
        });
        if let Some(owner) = &row.owner {
            item["leaseOwner"] = json!({"S": owner});
        }
        item
    }

    /// Applies a write to a lease's row.
    fn write(&mut self, shard: &str, op: &str, change: impl FnOnce(&mut StoryRow)) {
        let new =
            StoryRow { owner: None, counter: 0, checkpoint: "TRIM_HORIZON".to_owned(), done: 0 };
        let before = self.shards[shard].row.clone();
        let mut after = before.clone().unwrap_or(new);
        if before.is_some() {
            after.counter += 1;
        }
        change(&mut after);
        let t = self.tick();
        self.writes.push(json!({
            "t": t, "table": "orders", "op": op, "key": shard,
            "before": before.map(|row| Self::item(shard, &row)),
            "after": Self::item(shard, &after),
        }));
        self.shards.get_mut(shard).unwrap().row = Some(after);
    }

    pub(crate) fn create_lease(&mut self, shard: &str) {
        if self.shards[shard].row.is_none() {
            self.write(shard, "PutItem", |_| {});
        }
    }

    pub(crate) fn renew(&mut self, shard: &str) {
        self.write(shard, "UpdateItem", |_| {});
    }

    pub(crate) fn set_checkpoint(&mut self, shard: &str, checkpoint: &str) {
        let records = &self.shards[shard].records;
        let done = records.iter().position(|record| record.0 == checkpoint).map_or(0, |at| at + 1);
        self.write(shard, "UpdateItem", |row| {
            checkpoint.clone_into(&mut row.checkpoint);
            row.done = done;
        });
    }

    fn event(&mut self, tenure: &str, mut event: Value) {
        event["t"] = json!(self.tick());
        event["tenure"] = json!(tenure);
        self.events.entry(tenure.to_owned()).or_default().push(event);
    }

    /// A worker takes the lease and initializes a processor.
    pub(crate) fn take(&mut self, worker: &str, shard: &str) -> String {
        self.write(shard, "UpdateItem", |row| row.owner = Some(worker.to_owned()));
        self.start(worker, shard)
    }

    /// A worker that holds the lease initializes a processor.
    pub(crate) fn start(&mut self, worker: &str, shard: &str) -> String {
        let checkpoint = self.shards[shard].row.as_ref().unwrap().checkpoint.clone();
        self.start_at(worker, shard, &checkpoint)
    }

    pub(crate) fn start_at(&mut self, worker: &str, shard: &str, start: &str) -> String {
        self.next_tenure += 1;
        let id = format!("{}-{shard}", self.next_tenure);
        let records = &self.shards[shard].records;
        let handed = records.iter().position(|record| record.0 == start).map_or(0, |at| at + 1);
        let event = json!({"e": "start", "worker": worker, "shard": shard, "seq": start, "sub": 0});
        self.event(&id, event);
        let tenure = StoryTenure { shard: shard.to_owned(), worker: worker.to_owned(), handed };
        self.tenures.insert(id.clone(), tenure);
        id
    }

    /// Hands the next `count` records, or what there is.
    pub(crate) fn hand(&mut self, tenure: &str, count: usize) {
        let known = self.tenures.get_mut(tenure).unwrap();
        let records = &self.shards[&known.shard].records;
        let end = records.len().min(known.handed + count);
        let batch: Vec<Value> = records[known.handed..end]
            .iter()
            .map(|(seq, _, digest)| json!({"seq": seq, "sub": 0, "digest": digest}))
            .collect();
        known.handed = end;
        self.event(tenure, json!({"e": "hand", "records": batch}));
    }

    /// Hands the last batch once more, as after a failure of the processor.
    pub(crate) fn repeat_last_batch(&mut self, tenure: &str) {
        let last = self.events[tenure].iter().rev().find(|event| event["e"] == "hand");
        if let Some(event) = last.cloned() {
            self.event(tenure, event);
        }
    }

    pub(crate) fn ask(&mut self, tenure: &str, seq: &Value) {
        self.event(tenure, json!({"e": "ask", "seq": seq, "sub": 0}));
    }

    pub(crate) fn answer(&mut self, tenure: &str, seq: &Value, error: Option<&str>) {
        self.event(tenure, json!({"e": "answer", "seq": seq, "sub": 0, "error": error}));
    }

    /// Checkpoints everything handed; refused if another worker has the lease.
    pub(crate) fn checkpoint(&mut self, tenure: &str) {
        let StoryTenure { shard, worker, handed } = self.tenures[tenure].clone();
        let Some(last) = handed.checked_sub(1) else { return };
        let sequence = self.shards[&shard].records[last].0.clone();
        let row = self.shards[&shard].row.clone().unwrap();
        self.ask(tenure, &json!(sequence));
        if row.owner.as_ref() != Some(&worker) {
            self.answer(tenure, &json!(sequence), Some("ShutdownException"));
            return;
        }
        if row.done < handed {
            self.set_checkpoint(&shard, &sequence);
        }
        self.answer(tenure, &json!(sequence), None);
    }

    pub(crate) fn tell_end(&mut self, tenure: &str, why: &str) {
        self.event(tenure, json!({"e": "end", "why": why}));
    }

    /// Hands the rest of a closed shard, leases its children, and ends it.
    pub(crate) fn end(&mut self, tenure: &str) {
        self.hand(tenure, usize::MAX / 2);
        let shard = self.tenures[tenure].shard.clone();
        for child in self.shards[&shard].children.clone() {
            self.create_lease(&child);
        }
        self.tell_end(tenure, "shardEnded");
        self.ask(tenure, &Value::Null);
        self.write(&shard, "UpdateItem", |row| "SHARD_END".clone_into(&mut row.checkpoint));
        self.shards.get_mut(&shard).unwrap().has_ended = true;
        self.answer(tenure, &Value::Null, None);
    }

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
        files
    }

    /// The journals without the detour over files.
    pub(crate) fn journals(&self) -> Journals {
        let mut journals = Journals::default();
        for (name, lines) in self.files() {
            match name.as_str() {
                "producer.jsonl" => journals.puts = lines.iter().map(put).collect(),
                "shards.jsonl" => journals.shards = lines.into_iter().map(shard).collect(),
                "lease-writes.jsonl" => {
                    journals.lease_writes = lines.into_iter().map(lease_write).collect();
                }
                _ => journals.hand_overs.push(lines.into_iter().map(event).collect()),
            }
        }
        journals
    }
}

fn put(line: &Value) -> Put {
    let text = |field: &str| line[field].as_str().unwrap().to_owned();
    let place = shardwise_referee::Place::parse(&text("seq"), 0).unwrap();
    let t = line["t"].as_u64().unwrap();
    Put { t, shard: text("shard"), place, key: text("key"), digest: text("digest") }
}

fn shard(line: Value) -> Shard {
    serde_json::from_value(line).unwrap()
}

fn lease_write(line: Value) -> LeaseWrite {
    serde_json::from_value(line).unwrap()
}

fn event(line: Value) -> Event {
    serde_json::from_value(line).unwrap()
}
