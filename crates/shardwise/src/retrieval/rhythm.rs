//! When a shard may be asked again, and for how much.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shardwise_core::config::Pace;
use shardwise_core::pacing::{Estimate, Pacer};
use shardwise_core::time::Time;

/// What the readers of a shard keep to, one after the other: the service counts by shard, and does
/// not know that a reader was made anew.
#[derive(Debug)]
pub(crate) struct Rhythm {
    pacer: Mutex<Pacer>,
    estimate: Mutex<Estimate>,
    subscribe_at: Mutex<Time>,
}

impl Rhythm {
    /// Of a shard that was not asked yet, and is asked for so many records at most.
    pub(crate) fn new(pace: Pace, max_records: u32, now: Time) -> Self {
        Self {
            pacer: Mutex::new(Pacer::new(pace, now)),
            estimate: Mutex::new(Estimate::new(max_records)),
            subscribe_at: Mutex::new(now),
        }
    }

    /// The pace of polling.
    pub(super) fn pacer(&self) -> MutexGuard<'_, Pacer> {
        lock(&self.pacer)
    }

    /// What the next answer is taken for.
    pub(super) fn estimate(&self) -> MutexGuard<'_, Estimate> {
        lock(&self.estimate)
    }

    /// Not before then may the shard be subscribed to.
    pub(super) fn subscribe_at(&self) -> Time {
        *lock(&self.subscribe_at)
    }

    /// Puts off the next subscription, if it may be sooner.
    pub(super) fn put_off(&self, until: Time) {
        let mut at = lock(&self.subscribe_at);
        *at = until.max(*at);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
