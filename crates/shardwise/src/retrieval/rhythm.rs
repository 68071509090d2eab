//! When a shard may be asked again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shardwise_core::config::Pace;
use shardwise_core::pacing::Pacer;
use shardwise_core::time::Time;

/// What the readers of a shard keep to, one after the other: the service counts by shard, and does
/// not know that a reader was made anew.
#[derive(Debug)]
pub(crate) struct Rhythm {
    pacer: Mutex<Pacer>,
    subscribe_at: Mutex<Time>,
}

impl Rhythm {
    /// Of a shard that was not asked yet.
    pub(crate) fn new(pace: Pace, now: Time) -> Self {
        Self { pacer: Mutex::new(Pacer::new(pace, now)), subscribe_at: Mutex::new(now) }
    }

    /// The pace of polling.
    pub(super) fn pacer(&self) -> MutexGuard<'_, Pacer> {
        lock(&self.pacer)
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
