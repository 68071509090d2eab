//! When a checkpoint that was turned down, or left without an answer, is tried again.

use std::time::Duration;

use crate::config::LeaseConfig;
use crate::id::LeaseKey;
use crate::rng::Rng;
use crate::time::Time;

/// The first pause, at the most; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// As many as Java's SDK makes.
const TRIES_MAX: u32 = 9;

/// The tries of one checkpoint: up to nine, with growing pauses. None begins so late that it could
/// end after a third of the failover time.
#[derive(Clone, Debug)]
pub struct Again {
    last_begins_at: Time,
    tries: u32,
    dice: Rng,
}

impl Again {
    /// Of a checkpoint of this lease that is tried for the first time at `now`.
    #[must_use]
    pub fn new(key: &LeaseKey, config: &LeaseConfig, now: Time) -> Self {
        let most = (config.failover_time / 3).saturating_sub(config.write_timeout());
        // Shards that are turned down together do not come again together.
        let mixed = |mixed: u64, byte: u8| (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = key.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, mixed);
        let micros = u64::try_from(now.since_start().as_micros()).unwrap_or(u64::MAX);
        Self { last_begins_at: now + most, tries: 1, dice: Rng::new(seed ^ micros) }
    }

    /// When the next try is due, of one that failed just `now`; none if there is none.
    pub fn at(&mut self, now: Time) -> Option<Time> {
        if self.tries >= TRIES_MAX {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (self.tries - 1)).min(PAUSE_MAX);
        let half = pause / 2;
        let chance = self.dice.below(usize::try_from(half.as_micros()).unwrap_or(usize::MAX));
        let pause = half + Duration::from_micros(u64::try_from(chance).unwrap_or(u64::MAX));
        self.tries += 1;
        Some(now + pause).filter(|at| *at <= self.last_begins_at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tries_are_few_come_slower_and_end_within_a_third_of_the_lease(
            failover_millis in 500_u64..120_000,
            begins in 0_u64..1_000_000,
            takes in prop::collection::vec(0_u64..400, 20),
        ) {
            let failover_time = Duration::from_millis(failover_millis);
            let config = LeaseConfig { failover_time, ..LeaseConfig::default() };
            let key = LeaseKey::new("shardId-000000000000").unwrap();
            let began = Time::from_start(Duration::from_micros(begins));
            let mut again = Again::new(&key, &config, began);
            let (mut now, mut tries, mut before) = (began, 1, Duration::ZERO);
            for taken in takes {
                now = now + Duration::from_millis(taken).min(config.write_timeout());
                let Some(at) = again.at(now) else { break };
                let pause = at.since(now);
                prop_assert!(pause * 2 >= before && pause <= PAUSE_MAX, "{pause:?}, {before:?}");
                prop_assert!(at.since(began) + config.write_timeout() <= failover_time / 3);
                (now, before, tries) = (at, pause, tries + 1);
            }
            prop_assert!(tries <= TRIES_MAX);
        }
    }

    #[test]
    fn leases_that_are_turned_down_together_come_again_apart() {
        let (config, now) = (LeaseConfig::default(), Time::from_start(Duration::from_secs(1)));
        let at = |number: u32| {
            let key = LeaseKey::new(format!("shardId-{number:012}")).unwrap();
            Again::new(&key, &config, now).at(now).unwrap()
        };
        let moments: std::collections::BTreeSet<_> = (0..20).map(at).collect();
        assert!(moments.len() > 15, "{moments:?}");
    }

    #[test]
    fn with_default_settings_a_checkpoint_that_is_refused_at_once_is_tried_six_times_or_more() {
        let key = LeaseKey::new("shardId-000000000000").unwrap();
        let began = Time::from_start(Duration::ZERO);
        let mut again = Again::new(&key, &LeaseConfig::default(), began);
        let (mut now, mut tries) = (began, 1);
        while let Some(at) = again.at(now) {
            (now, tries) = (at, tries + 1);
        }
        assert!((6..=TRIES_MAX).contains(&tries), "{tries}");
    }
}
