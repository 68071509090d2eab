//! A stream under test, with an observer beside it.

mod calls;
mod consumers;
mod histories;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const STREAM: &str = "orders";
const SECOND: Duration = Duration::from_secs(1);

/// A stream with its clock, and what a careful observer has written down about it.
struct World {
    streams: Streams,
    now: Timestamp,
    seen: BTreeMap<ShardId, Seen>,
    /// The records put, by partition key, in their order.
    put: BTreeMap<String, Vec<u64>>,
    records: u64,
    /// When something happened.
    moments: Vec<Timestamp>,
}

/// When a shard was first seen, when first seen closed, and whether it has a parent.
#[derive(Clone, Copy)]
struct Seen {
    opened: Timestamp,
    closed: Option<Timestamp>,
    is_child: bool,
}

impl Seen {
    fn is_open_at(self, at: Timestamp) -> bool {
        if at <= START {
            return !self.is_child;
        }
        self.opened < at && self.closes_no_earlier(at)
    }

    fn closes_no_earlier(self, at: Timestamp) -> bool {
        self.closed.is_none_or(|closed| closed >= at)
    }
}

/// A step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Split { shard: usize, share: u8 },
    Merge { shard: usize },
    Scale { by: i8 },
    Put { keys: Vec<u8> },
    Wait { millis: u16 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (any::<usize>(), any::<u8>()).prop_map(|(shard, share)| Step::Split { shard, share }),
        2 => any::<usize>().prop_map(|shard| Step::Merge { shard }),
        1 => (-3_i8..4).prop_map(|by| Step::Scale { by }),
        4 => prop::collection::vec(0_u8..20, 1..12).prop_map(|keys| Step::Put { keys }),
        2 => (0_u16..2000).prop_map(|millis| Step::Wait { millis }),
    ];
    prop::collection::vec(step, 1..25)
}

impl World {
    fn new(settings: Settings, shards: u32) -> Self {
        let mut streams = Streams::new(settings);
        streams.create_stream(STREAM, Capacity::Provisioned(shards), START).unwrap();
        let (seen, put) = (BTreeMap::new(), BTreeMap::new());
        let moments = vec![START];
        let mut world = Self { streams, now: START, seen, put, records: 0, moments };
        world.observe();
        world
    }

    fn run(steps: &[Step]) -> Self {
        let mut world = Self::new(Settings::default(), 3);
        for step in steps {
            world.step(step);
        }
        world
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Every shard that there is.
    fn shards(&mut self) -> Vec<Shard> {
        self.filtered(ShardFilter::FromTrimHorizon)
    }

    fn filtered(&mut self, filter: ShardFilter) -> Vec<Shard> {
        self.streams.list_shards(STREAM, filter, None, 1000, self.now).unwrap().shards
    }

    /// The open shards in the order of their ranges.
    fn open(&mut self) -> Vec<Shard> {
        let mut open = self.shards();
        open.retain(|shard| shard.ending_sequence_number.is_none());
        open.sort_by_key(|shard| shard.hash_key_range.start);
        open
    }

    fn observe(&mut self) {
        let now = self.now;
        for shard in self.shards() {
            let is_child = shard.parent.is_some();
            let new = Seen { opened: now, closed: None, is_child };
            let seen = self.seen.entry(shard.id).or_insert(new);
            if shard.ending_sequence_number.is_some() {
                seen.closed.get_or_insert(now);
            }
        }
    }

    fn put_one(&mut self, key: &str) -> Placement {
        self.records += 1;
        let number = self.records;
        self.put.entry(key.to_owned()).or_default().push(number);
        let data = Bytes::copy_from_slice(&number.to_be_bytes());
        let record = NewRecord { partition_key: key.into(), explicit_hash_key: None, data };
        self.streams.put_record(STREAM, record, self.now).unwrap()
    }

    fn step(&mut self, step: &Step) {
        let open = self.open();
        match step {
            Step::Split { shard, share } => {
                let shard = &open[shard % open.len()];
                let HashKeyRange { start, end } = shard.hash_key_range;
                let at = start + (end - start) / 256 * u128::from(*share);
                // Too narrow a share is refused; the history goes on without it.
                let _ = self.streams.split_shard(STREAM, shard.id, at, self.now);
            }
            Step::Merge { shard } if open.len() > 1 => {
                let lower = shard % (open.len() - 1);
                let (lower, upper) = (open[lower].id, open[lower + 1].id);
                self.streams.merge_shards(STREAM, upper, lower, self.now).unwrap();
            }
            Step::Merge { .. } => {}
            Step::Scale { by } => {
                let target = (open.len() as i64 + i64::from(*by)).max(1) as u32;
                // More than double or less than half is refused.
                let _ = self.streams.update_shard_count(STREAM, target, self.now);
            }
            Step::Put { keys } => {
                for key in keys {
                    self.put_one(&format!("key-{key}"));
                }
            }
            Step::Wait { millis } => self.wait(Duration::from_millis((*millis).into())),
        }
        self.observe();
        self.moments.push(self.now);
    }

    /// A time at or next to one at which something happened, and not in the future.
    fn moment(&self, choice: usize) -> Timestamp {
        let moment = self.moments[choice / 3 % self.moments.len()].as_millis();
        Timestamp::from_millis(moment - 1 + (choice % 3) as u64).min(self.now)
    }

    fn iterator(&mut self, shard: ShardId, position: StartingPosition) -> String {
        self.streams.shard_iterator(STREAM, shard, position, self.now).unwrap()
    }

    /// Reads a closed or open shard to where its records end.
    fn read(&mut self, shard: ShardId, limit: usize) -> (Vec<Record>, Vec<ChildShard>) {
        let mut iterator = self.iterator(shard, StartingPosition::TrimHorizon);
        let mut records = Vec::new();
        loop {
            let batch = self.streams.records(&iterator, limit, self.now).unwrap();
            assert_eq!(batch.next_shard_iterator.is_none(), !batch.child_shards.is_empty());
            let found = batch.records.len();
            records.extend(batch.records);
            match batch.next_shard_iterator {
                None => return (records, batch.child_shards),
                Some(_) if found == 0 => return (records, Vec::new()),
                Some(next) => iterator = next,
            }
        }
    }

    /// Reads everything as a KCL does: each shard once all its parents have been read.
    fn read_all(&mut self, limit: usize, from: ShardFilter) -> Vec<Record> {
        let first = self.filtered(from);
        let mut ready: VecDeque<ShardId> = first.into_iter().map(|shard| shard.id).collect();
        let mut done = BTreeSet::new();
        let mut all = Vec::new();
        while let Some(shard) = ready.pop_front() {
            let (records, children) = self.read(shard, limit);
            all.extend(records);
            done.insert(shard);
            for child in children {
                if child.parents.iter().all(|parent| done.contains(parent)) {
                    assert!(!ready.contains(&child.id));
                    ready.push_back(child.id);
                }
            }
        }
        all
    }
}

fn number(record: &Record) -> u64 {
    u64::from_be_bytes(record.data.as_ref().try_into().unwrap())
}

fn ids(shards: &[Shard]) -> Vec<ShardId> {
    shards.iter().map(|shard| shard.id).collect()
}

fn assert_tile(mut shards: Vec<Shard>) {
    shards.sort_by_key(|shard| shard.hash_key_range.start);
    let mut next = Some(0);
    for HashKeyRange { start, end } in shards.iter().map(|shard| shard.hash_key_range) {
        assert_eq!(Some(start), next);
        assert!(start <= end);
        next = end.checked_add(1);
    }
    assert_eq!(next, None, "the hash keys end with 2^128 - 1");
}
