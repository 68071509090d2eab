//! Stopping: in order, or at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shardwise_core::lease::Change;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::Running;
use crate::consumer::Signal;

/// Stops a worker: the first time in order, the second time at once.
#[derive(Clone, Debug, Default)]
pub struct Stopper {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    times: AtomicU32,
    /// Wakes the worker, the only one who waits.
    asked: Notify,
}

/// How a worker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Every processor was told, and every lease was released; else the deadline passed or a
    /// second stop came, and what was held is left to expire.
    pub in_order: bool,
}

impl Stopper {
    /// Asks for the stop.
    ///
    /// The first time, current calls end, each processor may checkpoint once more, and the leases
    /// are released in the table, so that other workers take them within seconds. The second time
    /// everything is dropped as it is.
    pub fn stop(&self) {
        self.state.times.fetch_add(1, Ordering::AcqRel);
        self.state.asked.notify_one();
    }

    pub(super) async fn asked(&self, times: u32) {
        while self.state.times.load(Ordering::Acquire) < times {
            self.state.asked.notified().await;
        }
    }
}

impl Running {
    /// Stops what runs, within the grace that the settings give. Duties under way are dropped.
    pub(super) async fn stop(mut self) -> Stopped {
        let stopper = self.stopper.clone();
        let clock = Arc::clone(&self.shared.ports.clock);
        let grace = self.shared.config.coordinator.shutdown_grace;
        let deadline = clock.now() + grace;
        info!(leases = self.held.len(), ?grace, "worker stops");
        let mut releases = JoinSet::new();
        for (key, held) in &self.held {
            if self.consumed.contains(key) {
                held.tell(Signal::ShutdownAsked);
            } else {
                let tenure = Arc::clone(&held.tenure);
                releases.spawn(async move { tenure.write(Change::Release).await });
            }
        }
        while !(self.held.is_empty() && self.consumers.is_empty()) {
            tokio::select! {
                biased;
                () = stopper.asked(2) => {
                    warn!(leases = self.held.len(), "second stop: leases are left to expire");
                    return Stopped { in_order: false };
                }
                () = clock.sleep_until(deadline) => {
                    warn!(leases = self.held.len(), "deadline passed: leases are left to expire");
                    return Stopped { in_order: false };
                }
                Some(ended) = self.keepers.join_next() => self.keeper_ended(ended.ok()),
                Some(ended) = self.consumers.join_next() => self.consumer_ended(ended.ok()),
                Some(released) = releases.join_next() => {
                    if let Ok(Err(error)) = released {
                        warn!(%error, "finished lease not released: it will expire");
                    }
                }
            }
        }
        info!("worker stopped");
        Stopped { in_order: true }
    }
}
