//! One shard: its place in the hash key space, its lineage, and the log of its records.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Timestamp;
use super::limits::Usage;
use super::sequence::SequenceNumber;

/// A shard's id, `shardId-` and twelve digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub(super) u32);

/// The text is not `shardId-` and twelve digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a shard id")]
pub struct ParseShardIdError;

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

impl FromStr for ShardId {
    type Err = ParseShardIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("shardId-").ok_or(ParseShardIdError)?;
        if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseShardIdError);
        }
        digits.parse().map(Self).map_err(|_| ParseShardIdError)
    }
}

/// A part of the hash key space; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKeyRange {
    /// The lowest hash key.
    pub start: u128,
    /// The highest hash key.
    pub end: u128,
}

impl HashKeyRange {
    /// Part `index` of `count` equal parts of the whole hash key space.
    pub(super) fn part(index: u32, count: u32) -> Self {
        let end = if index + 1 == count { u128::MAX } else { boundary(index + 1, count) - 1 };
        Self { start: boundary(index, count), end }
    }
}

/// Where part `index` of `count` equal parts begins: `index * 2^128 / count`, rounded down.
fn boundary(index: u32, count: u32) -> u128 {
    let (index, count) = (u128::from(index), u128::from(count));
    // 2^128 is quotient * count + remainder; it does not fit in a u128 itself.
    let (mut quotient, mut remainder) = (u128::MAX / count, u128::MAX % count + 1);
    if remainder == count {
        (quotient, remainder) = (quotient.wrapping_add(1), 0);
    }
    index.wrapping_mul(quotient) + index * remainder / count
}

/// A shard as ListShards shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The shard's id.
    pub id: ShardId,
    /// The hash keys whose records it takes while it is open.
    pub hash_key_range: HashKeyRange,
    /// The shard it was split or merged from, which may have expired since.
    pub parent: Option<ShardId>,
    /// The other shard of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// Below the number of every record in it.
    pub starting_sequence_number: SequenceNumber,
    /// Above the number of every record in it, once the shard is closed.
    pub ending_sequence_number: Option<SequenceNumber>,
}

/// A child as GetRecords names it at the end of its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildShard {
    /// The child's id.
    pub id: ShardId,
    /// One parent after a split, two after a merge.
    pub parents: Vec<ShardId>,
    /// The hash keys whose records it takes.
    pub hash_key_range: HashKeyRange,
}

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// When it was put.
    pub arrival: Timestamp,
    /// What chose its shard, unless the producer gave an explicit hash key.
    pub partition_key: Arc<str>,
    /// The producer's bytes.
    pub data: Bytes,
}

/// A record in the log; its sequence number follows from where it stands.
#[derive(Debug)]
struct Entry {
    arrival: Timestamp,
    partition_key: Arc<str>,
    data: Bytes,
}

/// A shard and all that it holds.
#[derive(Debug)]
pub(super) struct ShardLog {
    pub(super) shard: Shard,
    pub(super) created: Timestamp,
    pub(super) closed: Option<Timestamp>,
    pub(super) children: Vec<ShardId>,
    pub(super) usage: Usage,
    entries: VecDeque<Entry>,
    /// The index of the front entry. The first record of a shard has index 1, so that its
    /// starting sequence number lies below.
    front: u64,
}

impl ShardLog {
    /// An open shard; `after` is the highest creation second among its parents.
    pub(super) fn new(
        id: ShardId,
        hash_key_range: HashKeyRange,
        parents: &[ShardId],
        after: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let second = now.as_millis() / 1000;
        // A child's numbers lie above its parents' even when all are made in the same second.
        let created_second = after.map_or(second, |after| second.max(after + 1));
        let starting_sequence_number =
            SequenceNumber { created_second, index: 0, second, shard: id.0 };
        let shard = Shard {
            id,
            hash_key_range,
            parent: parents.first().copied(),
            adjacent_parent: parents.get(1).copied(),
            starting_sequence_number,
            ending_sequence_number: None,
        };
        Self {
            shard,
            created: now,
            closed: None,
            children: Vec::new(),
            usage: Usage::new(now),
            entries: VecDeque::new(),
            front: 1,
        }
    }

    pub(super) fn created_second(&self) -> u64 {
        self.shard.starting_sequence_number.created_second
    }

    /// Whether the shard was open just before `at`, so that the shards open at any one time never
    /// overlap and those of a resharding at `at` still count.
    pub(super) fn was_open_at(&self, at: Timestamp) -> bool {
        self.created < at && self.closed.is_none_or(|closed| closed >= at)
    }

    pub(super) fn close(&mut self, children: Vec<ShardId>, now: Timestamp) {
        self.closed = Some(now);
        self.children = children;
        self.shard.ending_sequence_number =
            Some(self.sequence_number(SequenceNumber::ENDING_INDEX, now));
    }

    pub(super) fn as_child(&self) -> ChildShard {
        let parents = [self.shard.parent, self.shard.adjacent_parent];
        ChildShard {
            id: self.shard.id,
            parents: parents.into_iter().flatten().collect(),
            hash_key_range: self.shard.hash_key_range,
        }
    }

    /// The number of what happens to the shard then, with records up to `index` in it.
    pub(super) fn sequence_number(&self, index: u64, at: Timestamp) -> SequenceNumber {
        SequenceNumber {
            index,
            second: at.as_millis() / 1000,
            ..self.shard.starting_sequence_number
        }
    }

    /// Adds a record. The caller sees to it that `now` never goes back.
    pub(super) fn append(
        &mut self,
        partition_key: Arc<str>,
        data: Bytes,
        now: Timestamp,
    ) -> SequenceNumber {
        let number = self.sequence_number(self.end(), now);
        self.entries.push_back(Entry { arrival: now, partition_key, data });
        number
    }

    /// The index of the oldest record kept, or of the next one when there is none.
    pub(super) fn front(&self) -> u64 {
        self.front
    }

    /// The index that the next record gets.
    pub(super) fn end(&self) -> u64 {
        self.front + self.entries.len() as u64
    }

    /// The index of the first record that arrived at or after `at`.
    pub(super) fn index_at(&self, at: Timestamp) -> u64 {
        self.front + self.entries.partition_point(|entry| entry.arrival < at) as u64
    }

    /// When the record at `index` arrived, if it is in the log.
    pub(super) fn arrival(&self, index: u64) -> Option<Timestamp> {
        let offset = usize::try_from(index.checked_sub(self.front)?).ok()?;
        self.entries.get(offset).map(|entry| entry.arrival)
    }

    /// The number of the record at `index`, if it is in the log.
    pub(super) fn number_at(&self, index: u64) -> Option<SequenceNumber> {
        self.arrival(index).map(|arrival| self.sequence_number(index, arrival))
    }

    /// Records from `index` on: at most `limit`, and at most `bytes_max` but for the first.
    pub(super) fn read(&self, index: u64, limit: usize, bytes_max: usize) -> Vec<Record> {
        let index = index.clamp(self.front, self.end());
        let offset = usize::try_from(index - self.front).expect("an index inside the log");
        let mut records = Vec::with_capacity(limit.min(self.entries.len() - offset));
        let mut size_bytes = 0;
        for (entry, index) in self.entries.range(offset..).take(limit).zip(index..) {
            size_bytes += entry.data.len() + entry.partition_key.len();
            if size_bytes > bytes_max && !records.is_empty() {
                break;
            }
            records.push(Record {
                sequence_number: self.sequence_number(index, entry.arrival),
                arrival: entry.arrival,
                partition_key: Arc::clone(&entry.partition_key),
                data: entry.data.clone(),
            });
        }
        records
    }

    /// Forgets the records whose time is up.
    pub(super) fn trim(&mut self, retention: Duration, now: Timestamp) {
        while self.entries.front().is_some_and(|entry| entry.arrival + retention <= now) {
            self.entries.pop_front();
            self.front += 1;
        }
    }

    /// When the oldest thing here expires: a record, or the closed shard itself.
    pub(super) fn expiry(&self, retention: Duration) -> Option<Timestamp> {
        let oldest = self.entries.front().map(|entry| entry.arrival);
        oldest.or(self.closed).map(|at| at + retention)
    }

    /// Whether the shard is closed and nothing of it is within the retention any more.
    pub(super) fn is_expired(&self, retention: Duration, now: Timestamp) -> bool {
        self.closed.is_some_and(|closed| closed + retention <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_id_is_read_only_in_its_full_form() {
        assert_eq!("shardId-000000000012".parse(), Ok(ShardId(12)));
        assert_eq!(ShardId(12).to_string(), "shardId-000000000012");
        for text in ["shardId-12", "shardid-000000000012", "shardId-99999999999x", "000000000012"] {
            assert_eq!(text.parse::<ShardId>(), Err(ParseShardIdError), "{text}");
        }
    }

    #[test]
    fn halves_and_thirds_have_the_services_boundaries() {
        assert_eq!(
            HashKeyRange::part(0, 2).end,
            170_141_183_460_469_231_731_687_303_715_884_105_727
        );
        assert_eq!(
            HashKeyRange::part(1, 3).start,
            113_427_455_640_312_821_154_458_202_477_256_070_485
        );
    }

    proptest! {
        #[test]
        fn equal_parts_tile_the_hash_key_space(count in 1_u32..3000) {
            let parts: Vec<_> = (0..count).map(|index| HashKeyRange::part(index, count)).collect();

            prop_assert_eq!(parts[0].start, 0);
            prop_assert_eq!(parts[parts.len() - 1].end, u128::MAX);
            for pair in parts.windows(2) {
                prop_assert!(pair[0].start <= pair[0].end);
                prop_assert_eq!(pair[0].end + 1, pair[1].start);
            }
        }
    }
}
