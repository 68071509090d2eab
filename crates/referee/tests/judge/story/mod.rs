//! A small application that keeps the rules, and writes the journals that the referee reads.
//!
//! Each act is one or more lines, as another program would write them, so that the tests go
//! through the parsers too. `now` rises with each line. A story that is watched has all that the
//! simulation writes down; one that is not has what a demo of daemons does.

mod fleet;
mod journals;

pub(crate) use self::fleet::{FAILOVER, QUIET, SECOND, TAKE_INTERVAL};

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shardwise_referee::{Gap, KeptBy, Reason};

/// The names of the workers.
pub(crate) const WORKERS: [&str; 3] = ["worker-a", "worker-b", "worker-c"];

/// A shard as the application and the stream know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoryShard {
    pub(crate) parents: Vec<String>,
    pub(crate) children: Vec<String>,
    /// Place, key and digest of each record; see [`numbers`].
    pub(crate) records: Vec<(String, String, String)>,
    pub(crate) is_closed: bool,
    pub(crate) has_ended: bool,
    /// The row: none before the lease is created.
    pub(crate) row: Option<StoryRow>,
}

/// A lease's row.
#[derive(Clone, Debug)]
pub(crate) struct StoryRow {
    pub(crate) owner: Option<String>,
    pub(crate) counter: u64,
    pub(crate) checkpoint: String,
    pub(crate) pending: Option<String>,
    /// An attribute that KCL does not know.
    pub(crate) note: Option<String>,
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

/// Sequence and sub-sequence number of a place: `8` is the first record at 8, `8/1` the second.
pub(crate) fn numbers(place: &str) -> (&str, u64) {
    let (sequence, sub) = place.split_once('/').unwrap_or((place, "0"));
    (sequence, sub.parse().unwrap())
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
    /// Whether senders, returns, workers and terms are written down.
    pub(crate) is_watched: bool,
    pub(crate) worker_events: Vec<Value>,
    pub(crate) terms: Value,
    /// Shard and place of records that retention removed.
    pub(crate) trimmed: Vec<(String, String)>,
    /// Where the application says that it may have lost records: after which place, and before
    /// which one.
    pub(crate) gaps: Option<Vec<Gap>>,
    /// A worker that renews nothing, though it is at work.
    pub(crate) stuck: Option<&'static str>,
    /// What the first worker says of the first shard while time passes, by how often it said
    /// something before.
    pub(crate) says: Option<fn(u32) -> KeptBy>,
    pub(crate) reasons: Vec<Reason>,
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

    pub(crate) fn tick(&mut self) -> u64 {
        self.now += 10;
        self.now
    }

    pub(crate) fn add_shard(&mut self, parents: &[&str]) -> String {
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
        let t = self.tick();
        self.note_put(t, shard, &sequence, key);
        sequence
    }

    /// Puts `count` user records, each with a key of its own, as one Kinesis record.
    pub(crate) fn put_aggregate(&mut self, shard: &str, count: usize) {
        self.next_sequence += 1;
        let t = self.tick();
        for sub in 0..count {
            let place = format!("{}/{sub}", self.next_sequence);
            self.note_put(t, shard, &place, &format!("key-{place}"));
        }
    }

    fn note_put(&mut self, t: u64, shard: &str, place: &str, key: &str) {
        let (seq, sub) = numbers(place);
        let digest = format!("digest-of-{place}");
        self.puts.push(json!({
            "t": t, "shard": shard, "seq": seq, "sub": sub, "key": key, "digest": digest,
        }));
        let record = (place.to_owned(), key.to_owned(), digest);
        self.shards.get_mut(shard).unwrap().records.push(record);
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
        let (checkpoint, sub) = numbers(&row.checkpoint);
        let mut item = json!({
            "leaseKey": {"S": shard},
            "leaseCounter": {"N": row.counter.to_string()},
            "checkpoint": {"S": checkpoint},
            "checkpointSubSequenceNumber": {"N": sub.to_string()},
            "ownerSwitchesSinceCheckpoint": {"N": "0"},
        });
        if let Some(owner) = &row.owner {
            item["leaseOwner"] = json!({"S": owner});
        }
        if let Some(pending) = &row.pending {
            let (pending, sub) = numbers(pending);
            item["pendingCheckpoint"] = json!({"S": pending});
            item["pendingCheckpointSubSequenceNumber"] = json!({"N": sub.to_string()});
            item["pendingCheckpointState"] = json!({"B": "AQI="});
        }
        if let Some(note) = &row.note {
            item["note"] = json!({"S": note});
        }
        item
    }

    /// Applies a write of the worker that has the lease, or gets it, to the lease's row.
    pub(crate) fn write(&mut self, shard: &str, op: &str, change: impl FnOnce(&mut StoryRow)) {
        let new = StoryRow {
            owner: None,
            counter: 0,
            checkpoint: "TRIM_HORIZON".to_owned(),
            pending: None,
            note: None,
            done: 0,
        };
        let before = self.shards[shard].row.clone();
        let mut after = before.clone().unwrap_or(new);
        if before.is_some() {
            after.counter += 1;
        }
        change(&mut after);
        let owner = after.owner.clone().or(before.as_ref().and_then(|row| row.owner.clone()));
        let by = owner.unwrap_or_else(|| WORKERS[0].to_owned());
        self.record(shard, op, Some(&by), before, Some(after));
    }

    /// A write of nobody in particular, that does not touch the counter.
    pub(crate) fn write_from_outside(&mut self, shard: &str, change: impl FnOnce(&mut StoryRow)) {
        let before = self.shards[shard].row.clone();
        let mut after = before.clone().unwrap();
        change(&mut after);
        self.record(shard, "UpdateItem", None, before, Some(after));
    }

    /// Deletes a lease's row.
    pub(crate) fn delete(&mut self, by: Option<&str>, shard: &str) {
        let before = self.shards[shard].row.clone();
        self.record(shard, "DeleteItem", by, before, None);
    }

    fn record(
        &mut self,
        shard: &str,
        op: &str,
        by: Option<&str>,
        before: Option<StoryRow>,
        after: Option<StoryRow>,
    ) {
        let t = self.tick();
        let mut write = json!({
            "t": t, "table": "orders", "op": op, "key": shard,
            "before": before.map(|row| Self::item(shard, &row)),
            "after": after.as_ref().map(|row| Self::item(shard, row)),
        });
        if self.is_watched
            && let Some(by) = by
        {
            write["by"] = json!(by);
            write["sentT"] = json!(t - 4);
        }
        self.writes.push(write);
        self.shards.get_mut(shard).unwrap().row = after;
    }

    pub(crate) fn create_lease(&mut self, shard: &str) {
        if self.shards[shard].row.is_none() {
            self.write(shard, "PutItem", |_| {});
        }
    }

    pub(crate) fn renew(&mut self, shard: &str) {
        self.write(shard, "UpdateItem", |_| {});
    }

    pub(crate) fn release(&mut self, shard: &str) {
        self.write(shard, "UpdateItem", |row| row.owner = None);
    }

    pub(crate) fn set_checkpoint(&mut self, shard: &str, checkpoint: &str) {
        let records = &self.shards[shard].records;
        let done = records.iter().position(|record| record.0 == checkpoint).map_or(0, |at| at + 1);
        self.write(shard, "UpdateItem", |row| {
            checkpoint.clone_into(&mut row.checkpoint);
            row.pending = None;
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
        let row = self.shards[shard].row.clone().unwrap();
        let id = self.start_at(worker, shard, &row.checkpoint);
        if let Some(pending) = row.pending {
            let (pending, sub) = numbers(&pending);
            let start = &mut self.events.get_mut(&id).unwrap()[0];
            (start["pending"], start["pendingSub"]) = (json!(pending), json!(sub));
        }
        id
    }

    pub(crate) fn start_at(&mut self, worker: &str, shard: &str, start: &str) -> String {
        self.next_tenure += 1;
        let id = format!("{}-{shard}", self.next_tenure);
        let records = &self.shards[shard].records;
        let handed = records.iter().position(|record| record.0 == start).map_or(0, |at| at + 1);
        let (seq, sub) = numbers(start);
        let event = json!({"e": "start", "worker": worker, "shard": shard, "seq": seq, "sub": sub});
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
            .map(|(place, _, digest)| {
                let (seq, sub) = numbers(place);
                json!({"seq": seq, "sub": sub, "digest": digest})
            })
            .collect();
        known.handed = end;
        self.event(tenure, json!({"e": "hand", "records": batch}));
        self.done(tenure, None);
    }

    /// The processor returns from the last call.
    pub(crate) fn done(&mut self, tenure: &str, error: Option<&str>) {
        if self.is_watched {
            self.event(tenure, json!({"e": "done", "error": error}));
        }
    }

    /// The processor's last return turns into a failure.
    pub(crate) fn fail_last_call(&mut self, tenure: &str) {
        let mut events = self.events.get_mut(tenure).unwrap().iter_mut().rev();
        if let Some(event) = events.find(|event| event["e"] == "done") {
            event["error"] = json!("it failed");
        }
    }

    /// Hands the last batch once more, as after a failure of the processor.
    pub(crate) fn repeat_last_batch(&mut self, tenure: &str) {
        let last = self.events[tenure].iter().rev().find(|event| event["e"] == "hand");
        if let Some(event) = last.cloned() {
            self.fail_last_call(tenure);
            self.event(tenure, event);
            self.done(tenure, None);
        }
    }

    pub(crate) fn ask(&mut self, tenure: &str, place: &Value) {
        let (seq, sub) = place.as_str().map(numbers).unzip();
        self.event(tenure, json!({"e": "ask", "seq": seq, "sub": sub}));
    }

    pub(crate) fn answer(&mut self, tenure: &str, place: &Value, error: Option<&str>) {
        let (seq, sub) = place.as_str().map(numbers).unzip();
        self.event(tenure, json!({"e": "answer", "seq": seq, "sub": sub, "error": error}));
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

    /// Prepares a checkpoint at everything handed.
    pub(crate) fn prepare(&mut self, tenure: &str) {
        let StoryTenure { shard, handed, .. } = self.tenures[tenure].clone();
        let row = self.shards[&shard].row.clone().unwrap();
        if row.done >= handed {
            return;
        }
        let place = self.shards[&shard].records[handed - 1].0.clone();
        let (seq, sub) = numbers(&place);
        self.event(tenure, json!({"e": "prepare", "seq": seq, "sub": sub}));
        self.write(&shard, "UpdateItem", |row| row.pending = Some(place.clone()));
        self.event(tenure, json!({"e": "prepared", "seq": seq, "sub": sub}));
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
        self.write(&shard, "UpdateItem", |row| {
            "SHARD_END".clone_into(&mut row.checkpoint);
            row.pending = None;
        });
        self.shards.get_mut(&shard).unwrap().has_ended = true;
        self.answer(tenure, &Value::Null, None);
        self.done(tenure, None);
    }
}
