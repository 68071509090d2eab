//! A producer that puts several user records into one Kinesis record, as the Kinesis Producer
//! Library does: by a list of shards that may be out of date.

use std::collections::BTreeMap;

use shardwise_local::stream::{HashKeyRange, NewRecord, ShardFilter, ShardId, hash_key};

use super::aggregate::encode;
use crate::dice::Dice;
use crate::world::{STREAM, World};

/// The most user records of one aggregate.
const USER_RECORDS_MAX: usize = 8;
/// How many of a million user records have a hash key of their own.
const WITH_HASH_KEY: u32 = 300_000;

/// Counts Kinesis records with several user records.
const AGGREGATE: &str = "producer: aggregate";
/// Counts those that came to a shard that is not all of their user records'.
const SENT_AGAIN: &str = "producer: aggregate for a shard that was split";

/// Packs user records.
pub(super) struct Packer {
    dice: Dice,
    /// The shards that were open when it looked last.
    shards: Vec<(ShardId, HashKeyRange)>,
}

impl Packer {
    pub(super) fn new(world: &World) -> Self {
        Self { dice: Dice::new(world.plan.seed, "aggregates"), shards: open_shards(world) }
    }

    /// Puts user records, those of one shard together. What came to a shard that was split
    /// meanwhile is left out by those who read it, and is put again.
    pub(super) fn put(&mut self, world: &World, mut records: Vec<NewRecord>) {
        for record in &mut records {
            if self.dice.happens(WITH_HASH_KEY) {
                record.explicit_hash_key = Some(self.dice.number());
            }
        }
        while !records.is_empty() {
            let packed = self.pack(records);
            records = put_packed(world, packed);
            if !records.is_empty() {
                self.shards = open_shards(world);
            }
        }
    }

    fn pack(&mut self, records: Vec<NewRecord>) -> Vec<Vec<NewRecord>> {
        let mut of_shards: BTreeMap<ShardId, Vec<NewRecord>> = BTreeMap::new();
        for record in records {
            let key = key_of(&record);
            let is_inside = |shard: &&(ShardId, HashKeyRange)| contains(shard.1, key);
            let (shard, _) = self.shards.iter().find(is_inside).expect("shards cover every key");
            of_shards.entry(*shard).or_default().push(record);
        }
        let mut packed = Vec::new();
        for mut records in of_shards.into_values() {
            while !records.is_empty() {
                let count = records.len().min(1 + self.dice.below(USER_RECORDS_MAX));
                packed.push(records.drain(..count).collect());
            }
        }
        packed
    }
}

/// Gives the user records that are to be put again.
fn put_packed(world: &World, packed: Vec<Vec<NewRecord>>) -> Vec<NewRecord> {
    let (date, t) = (world.date(), world.t());
    let mut state = world.state();
    let outer = packed.iter().map(|records| outer(records)).collect();
    let placed = state.streams.put_records(STREAM, outer, date);
    let placed = placed.expect("the stream is there, and takes what is small");
    let mut again = Vec::new();
    for (records, placement) in packed.into_iter().zip(placed) {
        let placement = placement.expect("no limit is kept");
        let range = state.shards[&placement.shard].0.hash_key_range;
        let is_aggregate = records.len() > 1;
        if is_aggregate {
            state.tally.count(AGGREGATE);
        }
        if is_aggregate && !records.iter().all(|record| contains(range, key_of(record))) {
            state.mark(world.now(), &placement.shard.to_string(), SENT_AGAIN);
            again.extend(records);
            continue;
        }
        for (record, sub_sequence) in records.iter().zip(0..) {
            state.journal.put(t, record, placement, sub_sequence);
        }
    }
    again
}

/// The Kinesis record of some user records: of one alone itself, else an aggregate at the hash key
/// of the first.
fn outer(records: &[NewRecord]) -> NewRecord {
    match records {
        [only] => only.clone(),
        _ => NewRecord {
            partition_key: "a".into(),
            explicit_hash_key: records.first().map(key_of),
            data: encode(records),
        },
    }
}

fn key_of(record: &NewRecord) -> u128 {
    record.explicit_hash_key.unwrap_or_else(|| hash_key(&record.partition_key))
}

fn contains(range: HashKeyRange, key: u128) -> bool {
    range.start <= key && key <= range.end
}

fn open_shards(world: &World) -> Vec<(ShardId, HashKeyRange)> {
    let date = world.date();
    let filter = ShardFilter::AtLatest;
    let listed = world.state().streams.list_shards(STREAM, filter, None, usize::MAX, date);
    let shards = listed.expect("the stream is there").shards;
    shards.into_iter().map(|shard| (shard.id, shard.hash_key_range)).collect()
}
