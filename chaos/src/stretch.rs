//! The stretches of a run: first nothing is done, then only children do wrong, then all there is.
//!
//! What a child's fault does to the shards of others can be seen only where nothing else is done.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use shardwise_demo::clock::now_micros;

const CALM: Duration = Duration::from_secs(10);
const CHILDREN: Duration = Duration::from_secs(20);
/// For the children that hang, until they are replaced.
const BEHIND: Duration = Duration::from_secs(10);

/// A part of the time that data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stretch {
    /// Nothing is done.
    Calm,
    /// Children do wrong, and wrong is done to them; no daemon and no request meets a fault.
    Children,
    /// Everything that is planned, and requests fail.
    All,
}

/// When each begins, since the first of them.
#[derive(Clone, Copy, Debug)]
pub struct Stretches {
    /// The one of children, where the calm one ends.
    pub children: Duration,
    /// When nothing more is asked of children alone.
    pub behind: Duration,
    /// The one of everything.
    pub all: Duration,
}

impl Stretches {
    /// Those of a run in which data flows for so long: about half of it at most is not for all.
    #[must_use]
    pub fn of(flow: Duration) -> Self {
        let children = CALM.min(flow / 8);
        let behind = children + CHILDREN.min(flow / 5);
        Self { children, behind, all: behind + BEHIND.min(flow / 8) }
    }
}

/// When each began, in microseconds of CLOCK_MONOTONIC.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    stretches: Vec<(Stretch, u64)>,
}

impl Begun {
    /// This one begins now.
    pub fn begin(&mut self, stretch: Stretch) {
        self.stretches.push((stretch, now_micros()));
    }

    /// From the begin of a stretch to that of the next one; nothing if there was none.
    #[must_use]
    pub fn times(&self, stretch: Stretch) -> Range<u64> {
        let pairs = self.stretches.windows(2);
        let is_it = |pair: &&[(Stretch, u64)]| pair[0].0 == stretch;
        pairs.into_iter().find(is_it).map_or(0..0, |pair| pair[0].1..pair[1].1)
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "nothing is done",
            Self::Children => "only children do wrong",
            Self::All => "everything, and requests fail",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_lasts_until_the_next_one_begins() {
        let stretches = vec![(Stretch::Calm, 5), (Stretch::Children, 7), (Stretch::All, 9)];
        let begun = Begun { stretches };
        assert_eq!(begun.times(Stretch::Calm), 5..7);
        assert_eq!(begun.times(Stretch::Children), 7..9);
        assert!(begun.times(Stretch::All).is_empty());
        assert!(Begun::default().times(Stretch::Calm).is_empty());
    }
}
