//! When what happens: decided before the run, by the seed alone.

use std::time::Duration;

use crate::rng::Rng;

/// Something that the demo does to the system while data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Split a shard.
    Split,
    /// Merge two shards.
    Merge,
    /// Kill a daemon with SIGKILL; start another in its place after a while.
    Kill {
        /// Which of the daemons.
        daemon: usize,
        /// How long its place stays empty.
        down: Duration,
    },
}

/// An act and its moment, since data began to flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// How long data flows, such that there is time for every act.
#[must_use]
pub fn flow(records: usize, kills: usize) -> Duration {
    const RECORDS_PER_SECOND: usize = 3_500;
    let seconds = (records / RECORDS_PER_SECOND).max(15).max(kills * 5);
    Duration::from_secs(u64::try_from(seconds).expect("a few minutes"))
}

/// The acts of a run, in order: a split, then a merge, and kills at random moments.
#[must_use]
pub fn plan(seed: u64, kills: usize, daemons: usize, flow: Duration) -> Vec<Moment> {
    let mut rng = Rng::new(seed);
    let mut between = |from: u64, to: u64| {
        let thousandths = u32::try_from(from + rng.below(to - from)).expect("at most a thousand");
        flow * thousandths / 1000
    };
    let mut moments = vec![
        Moment { at: between(200, 350), act: Act::Split },
        Moment { at: between(500, 650), act: Act::Merge },
    ];
    let kills: Vec<Duration> = (0..kills).map(|_| between(80, 920)).collect();
    for at in kills {
        let daemon = rng.index(daemons);
        let down = Duration::from_millis(rng.below(2_000));
        moments.push(Moment { at, act: Act::Kill { daemon, down } });
    }
    moments.sort_by_key(|moment| moment.at);
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        let flow = flow(200_000, 20);
        assert_eq!(plan(7, 20, 2, flow), plan(7, 20, 2, flow));
        assert_ne!(plan(7, 20, 2, flow), plan(8, 20, 2, flow));
    }

    #[test]
    fn every_act_falls_into_the_flow_and_the_split_comes_before_the_merge() {
        for seed in 0..200 {
            let flow = flow(1_000, 3);
            let plan = plan(seed, 3, 2, flow);
            assert_eq!(plan.len(), 5);
            assert!(plan.iter().all(|moment| moment.at < flow));
            assert!(plan.is_sorted_by_key(|moment| moment.at));
            let at = |act| plan.iter().position(|moment| moment.act == act);
            assert!(at(Act::Split) < at(Act::Merge));
        }
    }
}
