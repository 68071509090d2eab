//! What the referee will read: what was put, handed, written, and how the workers fared.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::time::Duration;

use shardwise::{InitialPosition, ShardId};
use shardwise_local::stream::{NewRecord, Placement, Shard, Timestamp};
use shardwise_referee::{
    Event, Gap, Journals, LeaseWrite, Place, Put, Reason, Shard as JudgedShard, Terms, WorkerEvent,
};

use crate::node::FIRST_DATE_MILLIS;
use crate::plan::{Plan, START_AT};
use crate::world::{date_at, micros};

/// The journals of a run in the making.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    puts: Vec<Put>,
    events: Vec<Event>,
    writes: Vec<LeaseWrite>,
    workers: Vec<WorkerEvent>,
    reasons: Vec<Reason>,
    gaps: Vec<Gap>,
    tenures: usize,
}

impl Journal {
    /// A name for a tenure that no other has.
    pub(crate) fn new_tenure(&mut self, worker: &str) -> String {
        self.tenures += 1;
        format!("{worker}/{}", self.tenures)
    }

    /// A user record that was put: alone, or as one of an aggregate.
    pub(crate) fn put(
        &mut self,
        t: u64,
        record: &NewRecord,
        placement: Placement,
        sub_sequence: u64,
    ) {
        let seq = placement.sequence_number.to_string();
        self.puts.push(Put {
            t,
            shard: placement.shard.to_string(),
            place: Place::parse(&seq, sub_sequence).expect("the stream gives out numbers"),
            key: record.partition_key.to_string(),
            digest: digest(&record.data),
        });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(crate) fn write(&mut self, write: LeaseWrite) {
        self.writes.push(write);
    }

    pub(crate) fn worker(&mut self, event: WorkerEvent) {
        self.workers.push(event);
    }

    /// What a worker's board said.
    pub(crate) fn reasons(&mut self, reasons: Vec<Reason>) {
        self.reasons.extend(reasons);
    }

    pub(crate) fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    pub(crate) fn puts(&self) -> usize {
        self.puts.len()
    }

    /// The first record of a shard behind a place.
    pub(crate) fn put_behind(&self, shard: &ShardId, place: &Place) -> Option<&Place> {
        let is_behind = |put: &&Put| put.shard == shard.as_str() && put.place > *place;
        self.puts.iter().find(is_behind).map(|put| &put.place)
    }

    /// Closes the journals. `shards` come with the moments at which they were closed.
    pub(crate) fn close(
        self,
        shards: &[(Shard, Option<Timestamp>)],
        plan: &Plan,
        terms: Terms,
    ) -> Journals {
        let parents = |shard: &Shard| {
            let parents = [shard.parent, shard.adjacent_parent];
            parents.into_iter().flatten().map(|id| id.to_string()).collect()
        };
        let retention = micros(plan.knobs.retention);
        let delisted = shards.iter().filter_map(|(shard, closed)| {
            let closed_t = closed.as_ref()?.millis_since(date_at(Duration::ZERO)) * 1_000;
            Some((shard.id.to_string(), closed_t + retention))
        });
        let owed_from = match plan.knobs.start {
            InitialPosition::TrimHorizon => None,
            InitialPosition::Latest => self.writes.first().map(|write| write.t),
            InitialPosition::AtTimestamp(_) => Some(micros(START_AT)),
        };
        Journals {
            trimmed: trimmed(&self.puts, &self.events, retention, terms.quiet_until),
            retention: Some(retention),
            // Over the SDK the stream's retention is told in hours, and the plan's is shorter.
            gaps: (!plan.over_sdk).then_some(self.gaps),
            delisted: delisted.collect(),
            owed_from,
            first_date: Some(FIRST_DATE_MILLIS as u64),
            puts: self.puts,
            shards: shards
                .iter()
                .map(|(shard, _)| JudgedShard {
                    shard: shard.id.to_string(),
                    parents: parents(shard),
                })
                .collect(),
            hand_overs: vec![self.events],
            lease_writes: self.writes,
            workers: self.workers,
            reasons: Some(self.reasons),
            terms: Some(terms),
            ..Journals::default()
        }
    }
}

/// What tells a record's bytes from others: they themselves, unless there are many.
pub(crate) fn digest(data: &[u8]) -> String {
    if data.len() <= 64 {
        return String::from_utf8_lossy(data).into_owned();
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    format!("{} bytes, {:016x}", data.len(), hasher.finish())
}

/// The records that nobody was handed, and that were gone when something behind them in their shard
/// was handed, or at the end if nothing was: skipped while they were there, they would be lost.
fn trimmed(puts: &[Put], events: &[Event], retention: u64, end: u64) -> Vec<(String, Place)> {
    let mut shards: BTreeMap<&str, &str> = BTreeMap::new();
    let mut handed: BTreeMap<&str, BTreeMap<&Place, u64>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Start { tenure, shard, .. } => drop(shards.insert(tenure, shard)),
            Event::Hand { t, tenure, records } => {
                let shard = shards.get(tenure.as_str()).expect("a tenure starts first");
                for record in records {
                    handed.entry(*shard).or_default().entry(&record.place).or_insert(*t);
                }
            }
            Event::Ask { .. }
            | Event::Answer { .. }
            | Event::Prepare { .. }
            | Event::Prepared { .. }
            | Event::End { .. }
            | Event::Done { .. } => {}
        }
    }
    let none = BTreeMap::new();
    // The earliest hand-over of anything behind, from the last record back.
    let mut passed_t: BTreeMap<&str, u64> = BTreeMap::new();
    let mut trimmed = Vec::new();
    let order: BTreeSet<_> = puts.iter().map(|put| (&put.place, &put.shard, put.t)).collect();
    for (place, shard, t) in order.into_iter().rev() {
        let passed_t = passed_t.entry(shard).or_insert(end);
        match handed.get(shard.as_str()).unwrap_or(&none).get(place) {
            Some(handed_t) => *passed_t = (*handed_t).min(*passed_t),
            None if t + retention <= *passed_t => trimmed.push((shard.clone(), place.clone())),
            None => {}
        }
    }
    trimmed
}
