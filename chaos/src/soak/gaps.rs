//! How long shards wait between two hand-overs, while the children of others are killed.

use std::ops::Range;

use crate::hands::{self, Hands};

/// A shard whose child was killed so recently is not looked at.
const RECENT_MICROS: u64 = 5_000_000;

/// A child that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Whose it was.
    pub shard: String,
    /// When, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
}

/// The gaps between hand-overs of each shard within a time, in microseconds, sorted. One that ends
/// when the shard's child was killed in the last five seconds is left out. What a shard waits for
/// at both ends of the time counts too, or one that is handed nothing more would not be seen.
#[must_use]
pub fn gaps(all: &[Hands], kills: &[Kill], within: &Range<u64>) -> Vec<u64> {
    let mut gaps = Vec::new();
    for (shard, times) in hands::by_shard(all) {
        let is_disturbed = |end: u64| {
            let mut own = kills.iter().filter(|kill| kill.shard == shard);
            own.any(|kill| kill.t <= end && end - kill.t < RECENT_MICROS)
        };
        let mut before = within.start;
        let inside = times.into_iter().filter(|t| within.contains(t));
        for end in inside.chain([within.end]) {
            if !is_disturbed(end) {
                gaps.push(end - before);
            }
            before = end;
        }
    }
    gaps.sort_unstable();
    gaps
}

/// What 99 of 100 are not longer than; 0 of none.
#[must_use]
pub fn p99(sorted: &[u64]) -> u64 {
    sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(shard: &str, times: &[u64]) -> Hands {
        Hands { shard: shard.to_owned(), times: times.to_owned(), ..Hands::default() }
    }

    #[test]
    fn gaps_end_with_a_hand_over_or_with_the_time() {
        let all = [child("x", &[5, 12, 13, 99]), child("y", &[])];
        assert_eq!(gaps(&all, &[], &(10..20)), [1, 2, 7, 10]);
    }

    #[test]
    fn what_ends_within_five_seconds_of_the_shards_own_kill_is_left_out() {
        let kill = Kill { shard: "x".to_owned(), t: 1_000_000 };
        let times = [500_000, 2_000_000, 5_999_999, 6_000_000];
        let whole = 0..6_000_001;
        let of = |shard: &str, kills: &[Kill]| gaps(&[child(shard, &times)], kills, &whole);
        assert_eq!(of("x", std::slice::from_ref(&kill)), [1, 1, 500_000]);
        assert_eq!(of("y", std::slice::from_ref(&kill)), of("y", &[]));
    }

    #[test]
    fn one_of_a_hundred_may_be_longer() {
        let sorted: Vec<u64> = (1..=100).collect();
        assert_eq!((p99(&sorted), p99(&[7]), p99(&[])), (99, 7, 0));
    }
}
