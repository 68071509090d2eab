//! What the referee will read: what was put, handed, written, and how the workers fared.

use shardwise_local::stream::{NewRecord, Placement, Shard};
use shardwise_referee::{
    Event, Journals, LeaseWrite, Place, Put, Shard as JudgedShard, Terms, WorkerEvent,
};

/// The journals of a run in the making.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    puts: Vec<Put>,
    events: Vec<Event>,
    writes: Vec<LeaseWrite>,
    workers: Vec<WorkerEvent>,
    tenures: usize,
}

impl Journal {
    /// A name for a tenure that no other has.
    pub(crate) fn new_tenure(&mut self, worker: &str) -> String {
        self.tenures += 1;
        format!("{worker}/{}", self.tenures)
    }

    pub(crate) fn put(&mut self, t: u64, record: &NewRecord, placement: Placement) {
        let seq = placement.sequence_number.to_string();
        self.puts.push(Put {
            t,
            shard: placement.shard.to_string(),
            place: Place::parse(&seq, 0).expect("the stream gives out numbers"),
            key: record.partition_key.to_string(),
            digest: String::from_utf8_lossy(&record.data).into_owned(),
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

    pub(crate) fn puts(&self) -> usize {
        self.puts.len()
    }

    pub(crate) fn close(self, shards: &[Shard], terms: Terms) -> Journals {
        let parents = |shard: &Shard| {
            let parents = [shard.parent, shard.adjacent_parent];
            parents.into_iter().flatten().map(|id| id.to_string()).collect()
        };
        Journals {
            puts: self.puts,
            shards: shards
                .iter()
                .map(|shard| JudgedShard { shard: shard.id.to_string(), parents: parents(shard) })
                .collect(),
            hand_overs: vec![self.events],
            lease_writes: self.writes,
            workers: self.workers,
            terms: Some(terms),
            ..Journals::default()
        }
    }
}
