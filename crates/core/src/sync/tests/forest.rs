//! Streams for the tests: shards that were split and merged.

use proptest::prelude::*;

use crate::id::ShardId;
use crate::sequence::SequenceNumber;
use crate::shard::{ChildShard, HashKeyRange, Shard};

/// A stream and every shard it ever had, by number.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) shards: Vec<Shard>,
}

pub(super) fn shard_id(number: usize) -> ShardId {
    ShardId::new(format!("shardId-{number:012}")).unwrap()
}

fn number(number: usize) -> SequenceNumber {
    SequenceNumber::parse(&(1_000 + number).to_string()).unwrap()
}

impl Stream {
    /// A new stream whose hash keys are dealt evenly to `count` shards.
    pub(super) fn new(count: usize) -> Self {
        let mut stream = Self { shards: Vec::new() };
        let width = u128::MAX / count as u128;
        for index in 0..count {
            let start = width * index as u128;
            let end = if index + 1 == count { u128::MAX } else { start + width - 1 };
            stream.add(&[], HashKeyRange::new(start, end).unwrap());
        }
        stream
    }

    fn add(&mut self, parents: &[usize], hash_range: HashKeyRange) {
        let new = self.shards.len();
        for &parent in parents {
            self.shards[parent].ending_sequence = Some(number(new));
        }
        self.shards.push(Shard {
            id: shard_id(new),
            parent: parents.first().copied().map(shard_id),
            adjacent_parent: parents.get(1).copied().map(shard_id),
            hash_range,
            starting_sequence: number(new),
            ending_sequence: None,
        });
    }

    pub(super) fn shard(&self, number: usize) -> Shard {
        self.shards[number].clone()
    }

    pub(super) fn split(&mut self, parent: usize) {
        let range = self.shards[parent].hash_range;
        let middle = range.start() + (range.end() - range.start()) / 2;
        self.add(&[parent], HashKeyRange::new(range.start(), middle).unwrap());
        self.add(&[parent], HashKeyRange::new(middle + 1, range.end()).unwrap());
    }

    pub(super) fn merge(&mut self, left: usize, right: usize) {
        let start = self.shards[left].hash_range.start();
        let end = self.shards[right].hash_range.end();
        self.add(&[left, right], HashKeyRange::new(start, end).unwrap());
    }

    /// Open shards, by their hash keys.
    fn open(&self) -> Vec<usize> {
        let mut open: Vec<usize> =
            (0..self.shards.len()).filter(|&number| self.shards[number].is_open()).collect();
        open.sort_by_key(|&number| self.shards[number].hash_range);
        open
    }

    /// Splits or merges at some open shard.
    fn reshard(&mut self, at: prop::sample::Index, split: bool) {
        let open = self.open();
        let at = at.index(open.len());
        match open.get(at + 1) {
            Some(&next) if !split => self.merge(open[at], next),
            Some(_) | None => self.split(open[at]),
        }
    }

    /// What the last answer of a closed shard says of its children.
    pub(super) fn children(&self, parent: &ShardId) -> Vec<ChildShard> {
        let children =
            self.shards.iter().filter(|shard| shard.parents().any(|other| other == parent));
        children
            .map(|shard| ChildShard {
                id: shard.id.clone(),
                parents: shard.parents().cloned().collect(),
                hash_range: shard.hash_range,
            })
            .collect()
    }
}

/// Six shards; 0 and 1 merged to 6, 2 and 3 to 7; then 6 and 7 to 8, and 5 split to 9 and 10.
pub(super) fn reference() -> Stream {
    let mut stream = Stream::new(6);
    stream.merge(0, 1);
    stream.merge(2, 3);
    stream.merge(6, 7);
    stream.split(5);
    stream
}

/// Any stream, without the shards that were trimmed since: closed ones, from the oldest on.
pub(super) fn streams() -> impl Strategy<Value = Stream> {
    let reshards = proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12);
    (1_usize..5, reshards, 0_usize..10).prop_map(|(count, reshards, trimmed)| {
        let mut stream = Stream::new(count);
        for (at, split) in reshards {
            stream.reshard(at, split);
        }
        let mut number = 0;
        stream.shards.retain(|shard| {
            number += 1;
            shard.is_open() || number > trimmed
        });
        stream
    })
}
