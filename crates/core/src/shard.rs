//! Shards, their lineage and the ranges of hash keys they cover.

use std::fmt;

use crate::id::ShardId;
use crate::sequence::SequenceNumber;

/// A range of hash keys, both ends included, within 0 ..= 2^128 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashKeyRange {
    start: u128,
    end: u128,
}

/// Text that gives no range of hash keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{start}` to `{end}` is no range of hash keys")]
pub struct NotAHashKeyRange {
    start: String,
    end: String,
}

impl HashKeyRange {
    /// Every hash key.
    pub const ALL: Self = Self { start: 0, end: u128::MAX };

    /// The range from `start` to `end`, or nothing if they are the wrong way round.
    #[must_use]
    pub const fn new(start: u128, end: u128) -> Option<Self> {
        if start <= end { Some(Self { start, end }) } else { None }
    }

    /// Reads two decimal numbers.
    pub fn parse(start: &str, end: &str) -> Result<Self, NotAHashKeyRange> {
        let both = start.parse().ok().zip(end.parse().ok());
        both.and_then(|(start, end)| Self::new(start, end))
            .ok_or_else(|| NotAHashKeyRange { start: start.to_owned(), end: end.to_owned() })
    }

    /// The first hash key.
    #[must_use]
    pub const fn start(&self) -> u128 {
        self.start
    }

    /// The last hash key.
    #[must_use]
    pub const fn end(&self) -> u128 {
        self.end
    }

    /// Whether a hash key is in the range.
    #[must_use]
    pub const fn contains(&self, hash_key: u128) -> bool {
        self.start <= hash_key && hash_key <= self.end
    }
}

impl fmt::Display for HashKeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// The first stretch of hash keys that no range covers, if there is one: a hole.
#[must_use]
pub fn first_hole(ranges: impl IntoIterator<Item = HashKeyRange>) -> Option<HashKeyRange> {
    let mut sorted: Vec<HashKeyRange> = ranges.into_iter().collect();
    sorted.sort_unstable();
    let mut next = 0;
    for range in sorted {
        if range.start > next {
            return HashKeyRange::new(next, range.start - 1);
        }
        match range.end.checked_add(1) {
            Some(after) => next = next.max(after),
            None => return None,
        }
    }
    HashKeyRange::new(next, u128::MAX)
}

/// A shard, as Kinesis lists it. Its identity is its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: ShardId,
    /// The shard that was split, or one of the two that were merged, to make this one.
    pub parent: Option<ShardId>,
    /// The other one of two that were merged.
    pub adjacent_parent: Option<ShardId>,
    /// The hash keys it takes.
    pub hash_range: HashKeyRange,
    /// Its first possible sequence number.
    pub starting_sequence: SequenceNumber,
    /// Its last possible sequence number, once it is closed.
    pub ending_sequence: Option<SequenceNumber>,
}

impl Shard {
    /// Whether it still takes records.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ending_sequence.is_none()
    }

    /// Its parents: none, one after a split, two after a merge.
    pub fn parents(&self) -> impl Iterator<Item = &ShardId> {
        self.parent.iter().chain(&self.adjacent_parent)
    }
}

/// A child as the last answer of a closed shard names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildShard {
    /// Its id.
    pub id: ShardId,
    /// Its parents: the closed shard, and after a merge another.
    pub parents: Vec<ShardId>,
    /// The hash keys it takes.
    pub hash_range: HashKeyRange,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(start, end).unwrap()
    }

    #[test]
    fn a_range_the_wrong_way_round_is_refused() {
        assert!(HashKeyRange::parse("2", "1").is_err());
        assert!(HashKeyRange::parse("0", "340282366920938463463374607431768211456").is_err());
        assert_eq!(
            HashKeyRange::parse("0", "340282366920938463463374607431768211455"),
            Ok(HashKeyRange::ALL)
        );
    }

    #[test]
    fn a_wide_parent_that_sorts_first_hides_the_end_of_its_children() {
        assert_eq!(first_hole([HashKeyRange::ALL, range(5, 9)]), None);
    }

    #[test]
    fn no_range_at_all_leaves_everything_uncovered() {
        assert_eq!(first_hole([]), Some(HashKeyRange::ALL));
    }

    proptest! {
        #[test]
        fn a_tiling_has_a_hole_exactly_where_a_tile_is_missing(
            mut cuts in proptest::collection::btree_set(1_u128.., 1..20),
            missing: prop::sample::Index,
        ) {
            cuts.insert(0);
            let starts: Vec<u128> = cuts.into_iter().collect();
            let mut tiles: Vec<HashKeyRange> = starts.iter().enumerate().map(|(i, &start)| {
                range(start, starts.get(i + 1).map_or(u128::MAX, |next| next - 1))
            }).collect();
            prop_assert_eq!(first_hole(tiles.iter().copied()), None);
            let taken = tiles.remove(missing.index(tiles.len()));
            prop_assert_eq!(first_hole(tiles), Some(taken));
        }
    }
}
