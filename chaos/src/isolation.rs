//! I31: a child that does wrong stops its own shard, and no other.
//!
//! Judged by what is handed over in the shards of others, while only children do wrong, beside a
//! time before in which nothing was done; and by how soon a victim's own shard goes on.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::hands::{self, Hands};
use crate::mischief::Victim;

/// By how much the largest gap of the shards of others may grow.
const GROWTH_MICROS: u64 = 1_000_000;
/// Within how long a victim's own shard goes on: a call's time limit, the back-off, and 5 s.
const OWN_MICROS: u64 = 12_000_000;
/// How long a victim's own shard is looked at.
const LOOK_MICROS: u64 = 20_000_000;
/// One shard that went on shows little.
const UNDISTURBED_MIN: usize = 2;

/// What was handed over in both times; times are in microseconds of CLOCK_MONOTONIC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// How many shards were handed records when nothing was done, and had no victim.
    pub undisturbed: usize,
    /// How many children did wrong.
    pub faults: usize,
    /// The largest gap of an undisturbed shard while nothing was done.
    pub calm: u64,
    /// The largest gap of an undisturbed shard while children did wrong.
    pub children: u64,
    /// Whose that was.
    pub shard: String,
    /// The largest gap of a victim's own shard from then on.
    pub own: u64,
}

impl Isolation {
    /// What the hand-overs show, if nothing was done in `calm`, and `children` did wrong alone.
    ///
    /// A shard that was handed records when nothing was done counts later too, even if it is handed
    /// nothing more: that would be the worst of gaps.
    #[must_use]
    pub fn of(all: &[Hands], victims: &[Victim], calm: &Range<u64>, children: &Range<u64>) -> Self {
        let of_stretch = victims.iter().filter(|victim| children.contains(&victim.t));
        let journals: Vec<&str> = of_stretch.map(|victim| victim.journal.as_str()).collect();
        let is_disturbed = |hands: &&Hands| journals.contains(&hands.journal.as_str());
        let disturbed: BTreeSet<&str> =
            all.iter().filter(is_disturbed).map(|hands| hands.shard.as_str()).collect();
        let mut isolation = Self { faults: journals.len(), ..Self::default() };
        let by_shard = hands::by_shard(all);
        let shard_of = |victim: &Victim| {
            let own = all.iter().find(|hands| hands.journal == victim.journal);
            own.map(|own| own.shard.as_str())
        };
        for victim in victims.iter().filter(|victim| children.contains(&victim.t)) {
            let Some(shard) = shard_of(victim) else { continue };
            // The shard's next child may be a victim too.
            let again = victims.iter().filter(|it| it.t > victim.t && shard_of(it) == Some(shard));
            let until = again.map(|it| it.t).chain([victim.t + LOOK_MICROS, children.end]).min();
            let from_then = victim.t..until.unwrap_or_default();
            if let Some(times) = by_shard.get(shard) {
                isolation.own = isolation.own.max(largest_gap(times, &from_then));
            }
        }
        for (shard, times) in by_shard {
            if disturbed.contains(shard) || !times.iter().any(|t| calm.contains(t)) {
                continue;
            }
            isolation.undisturbed += 1;
            isolation.calm = isolation.calm.max(largest_gap(&times, calm));
            let gap = largest_gap(&times, children);
            if gap >= isolation.children {
                isolation.children = gap;
                shard.clone_into(&mut isolation.shard);
            }
        }
        isolation
    }

    /// Whether others went on, as far as enough was seen to say so.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.faults > 0
            && self.undisturbed >= UNDISTURBED_MIN
            && self.children <= self.calm + GROWTH_MICROS
            && self.own <= OWN_MICROS
    }
}

/// The largest gap between times, as far as it lies within a stretch.
fn largest_gap(times: &[u64], stretch: &Range<u64>) -> u64 {
    let mut before = stretch.start;
    let mut largest = 0;
    let within = times.iter().copied().filter(|t| stretch.contains(t));
    for t in within.chain([stretch.end]) {
        largest = largest.max(t.saturating_sub(before));
        before = t;
    }
    largest
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { undisturbed, faults, shard, .. } = self;
        let [calm, children, own] = [self.calm, self.children, self.own].map(|it| it / 1_000);
        write!(f, "gap of {children} ms ({shard}), {calm} ms before; ")?;
        write!(f, "{faults} faults, {undisturbed} other shards; own shards again in {own} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Range<u64> = 1_000_000..11_000_000;
    const CHILDREN: Range<u64> = 11_000_000..41_000_000;

    /// A child of a shard that is handed records ten times in a second, but for a gap.
    fn child(journal: &str, shard: &str, gap: Range<u64>) -> Hands {
        let times = (0..50_000_000).step_by(100_000).filter(|t| !gap.contains(t)).collect();
        let (journal, shard) = (journal.to_owned(), shard.to_owned());
        Hands { journal, worker: "a".to_owned(), shard, times }
    }

    fn victim(journal: &str, t: u64) -> Victim {
        Victim { journal: journal.to_owned(), t }
    }

    fn of(all: &[Hands], victims: &[Victim]) -> Isolation {
        Isolation::of(all, victims, &CALM, &CHILDREN)
    }

    #[test]
    fn a_victim_may_stop_its_own_shard_for_a_while() {
        let stopped = child("1", "x", 20_000_000..30_000_000);
        let all = [stopped, child("2", "y", 0..0), child("3", "z", 0..0)];
        let isolation = of(&all, &[victim("1", 20_000_000)]);
        assert_eq!((isolation.undisturbed, isolation.faults), (2, 1));
        assert_eq!((isolation.calm, isolation.children), (100_000, 100_000));
        assert!(isolation.is_shown());
    }

    #[test]
    fn a_victims_own_shard_that_does_not_go_on_is_seen() {
        let stopped = child("1", "x", 20_000_001..33_000_000);
        let all = [stopped, child("2", "y", 0..0), child("3", "z", 0..0)];
        let isolation = of(&all, &[victim("1", 20_000_000)]);
        assert_eq!((isolation.own, isolation.is_shown()), (13_000_000, false));
    }

    #[test]
    fn a_victim_that_stops_another_shard_for_more_than_a_second_is_seen() {
        for (gap, is_shown) in [(900_000, true), (1_100_000, false)] {
            let stopped = child("2", "y", 20_000_001..20_000_001 + gap);
            let all = [child("1", "x", 0..0), stopped, child("3", "z", 0..0)];
            let isolation = of(&all, &[victim("1", 20_000_000)]);
            assert_eq!(isolation.is_shown(), is_shown, "{isolation}");
            assert_eq!(isolation.shard, "y");
        }
    }

    #[test]
    fn a_shard_that_is_handed_nothing_more_counts_to_the_end() {
        for from in [11_000_000, 30_000_000] {
            let stopped = child("2", "y", from..50_000_000);
            let all = [child("1", "x", 0..0), stopped, child("3", "z", 0..0)];
            let isolation = of(&all, &[victim("1", 20_000_000)]);
            assert!(!isolation.is_shown());
            assert!((41_000_000 - from..41_100_001 - from).contains(&isolation.children));
        }
    }

    #[test]
    fn gaps_before_and_after_do_not_count_and_slow_shards_may_be_slow() {
        let slow = |journal: &str, shard: &str| {
            let mut child = child(journal, shard, 40_500_000..50_000_000);
            child.times.retain(|t| t % 3_000_000 == 0 && *t > 4_000_000);
            child
        };
        let all = [child("1", "x", 0..0), slow("2", "y"), slow("3", "z")];
        let isolation = of(&all, &[victim("1", 20_000_000), victim("2", 45_000_000)]);
        assert_eq!((isolation.calm, isolation.children), (5_000_000, 3_000_000));
        assert_eq!((isolation.undisturbed, isolation.faults), (2, 1));
        assert!(isolation.is_shown());
    }

    #[test]
    fn a_shard_goes_on_under_its_next_child() {
        let mut first = child("2", "y", 0..0);
        let mut next = child("4", "y", 0..0);
        first.times.retain(|t| *t < 20_000_000);
        next.times.retain(|t| *t >= 20_000_000);
        let all = [child("1", "x", 0..0), first, child("3", "z", 0..0), next];
        assert!(of(&all, &[victim("1", 20_000_000)]).is_shown());
        let isolation = of(&all, &[victim("1", 20_000_000), victim("4", 20_000_001)]);
        assert_eq!((isolation.undisturbed, isolation.is_shown()), (1, false));
    }

    #[test]
    fn too_little_shows_nothing() {
        let all = [child("1", "x", 0..0), child("2", "y", 0..0), child("3", "z", 0..12_000_000)];
        assert!(!of(&all, &[]).is_shown());
        assert!(!of(&all, &[victim("1", 5_000_000)]).is_shown());
        let isolation = of(&all, &[victim("1", 20_000_000)]);
        assert_eq!((isolation.undisturbed, isolation.is_shown()), (1, false));
    }
}
