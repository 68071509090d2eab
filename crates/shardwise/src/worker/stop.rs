//! Stopping: in order, or at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use shardwise_core::id::LeaseKey;
use shardwise_core::lease::Change;
use shardwise_core::metrics::catalogue;
use shardwise_core::row::{self, Row};
use shardwise_core::time::Time;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::Running;
use crate::clock::within;
use crate::consumer::{Shared, Signal};
use crate::lease_table::{Outcome, TableError};
use crate::status::WorkerPhase;
use crate::tenure::{Tenure, WriteError};

/// How long a worker that stops waits for its sinks, within its grace.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// Stops a worker: the first time in order, the second time at once.
#[derive(Clone, Debug, Default)]
pub struct Stopper {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    times: AtomicU32,
    /// Wakes the worker, and whoever else waits.
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
        self.state.asked.notify_waiters();
    }

    /// Asks for the stop in order, unless a stop was asked for already: however many ask in this
    /// way, nothing is cut short.
    pub fn stop_in_order(&self) {
        // Someone else was first.
        let _ = self.state.times.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
        self.state.asked.notify_waiters();
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.state.times.load(Ordering::Acquire) > 0
    }

    /// Waits until a stop is asked for; safe to cancel. A processor that waits for something before
    /// it begins with a batch hears of the stop in no other way: it is told once its call is over.
    pub async fn asked(&self) {
        self.asked_times(1).await;
    }

    pub(super) async fn asked_times(&self, times: u32) {
        loop {
            // Made before the look: from then on it hears of every stop.
            let notified = self.state.asked.notified();
            if self.state.times.load(Ordering::Acquire) >= times {
                return;
            }
            notified.await;
        }
    }
}

impl Running {
    /// Stops what runs, within the grace that the settings give.
    pub(super) async fn stop(self) -> Stopped {
        let grace = self.shared.config.coordinator.shutdown_grace;
        info!(leases = self.held.len(), ?grace, "worker stops");
        self.shared.board.turned(WorkerPhase::Stopping);
        let Shared { ports, metrics, .. } = self.shared.clone();
        let (stopper, deadline) = (self.stopper.clone(), ports.clock.now() + grace);
        let stopped = self.end_all(deadline).await;
        metrics.tell(&[catalogue::CURRENT_LEASES.count(0)]);
        let left = deadline.since(ports.clock.now()).min(FLUSH_TIME);
        tokio::select! {
            biased;
            () = stopper.asked_times(2) => {}
            () = metrics.flush(left) => {}
        }
        stopped
    }

    /// Ends consumers and releases leases, until the deadline. Duties under way are dropped.
    async fn end_all(mut self, deadline: Time) -> Stopped {
        let stopper = self.stopper.clone();
        let clock = Arc::clone(&self.shared.ports.clock);
        self.duties.abort_all();
        for held in self.held.values() {
            held.tell(Signal::ShutdownAsked);
        }
        let mut releases = JoinSet::new();
        let mut releasing = BTreeSet::new();
        loop {
            self.release_idle(&mut releasing, &mut releases);
            if self.held.is_empty() && self.consumers.is_empty() {
                let in_order = self.release_left(deadline).await;
                info!(in_order, "worker stopped");
                return Stopped { in_order };
            }
            tokio::select! {
                biased;
                () = stopper.asked_times(2) => {
                    warn!(leases = self.held.len(), "second stop: leases are left to expire");
                    self.leave_held();
                    return Stopped { in_order: false };
                }
                () = clock.sleep_until(deadline) => {
                    warn!(leases = self.held.len(), "deadline passed: leases are left to expire");
                    self.leave_held();
                    return Stopped { in_order: false };
                }
                Some(ended) = self.keepers.join_next() => self.keeper_ended(ended.ok()),
                Some(ended) = self.consumers.join_next() => self.consumer_ended(ended.ok()),
                Some(_) = releases.join_next() => {}
            }
        }
    }

    /// Says of each lease that is left what it was waited for.
    fn leave_held(&self) {
        for key in &self.consumed {
            self.shared.metrics.end(&key.shard());
        }
        let date = self.shared.ports.clock.date();
        let shards = self.shared.board.shards();
        for key in self.held.keys() {
            let shard = shards.get(key);
            let state = shard.map(|shard| format!("{:?}", shard.state));
            let busy = shard.and_then(|shard| shard.busy_since);
            let busy_millis = busy.map(|since| date.as_millis() - since.as_millis());
            warn!(lease = %key, state, busy_millis, "lease not released");
        }
    }

    /// Releases what bears this worker's name without being held: leases that could not be renewed
    /// in time, and takes that were never answered. Says whether none is left.
    async fn release_left(&self, deadline: Time) -> bool {
        let clock = &*self.shared.ports.clock;
        let all = async {
            let pause = self.shared.config.lease.failover_time / 12;
            for key in &self.left {
                while let Err(error) = release_row(&self.shared, key).await {
                    warn!(lease = %key, %error, "lease not released yet");
                    clock.sleep_until(clock.now() + pause).await;
                }
            }
        };
        let released = within(clock, deadline.since(clock.now()), all);
        let is_released = tokio::select! {
            biased;
            () = self.stopper.asked_times(2) => false,
            released = released => released.is_some(),
        };
        if !is_released {
            warn!(leases = self.left.len(), "no more time: leases are left to expire");
        }
        is_released
    }

    /// Releases the leases that no consumer needs any more, each in a task of its own.
    fn release_idle(&self, releasing: &mut BTreeSet<LeaseKey>, releases: &mut JoinSet<()>) {
        for (key, held) in &self.held {
            if !self.consumed.contains(key) && releasing.insert(key.clone()) {
                releases.spawn(release(&self.shared, &held.tenure));
            }
        }
    }
}

/// Releases a lease, however often the table refuses, unless it is lost before.
pub(super) fn release(shared: &Shared, tenure: &Arc<Tenure>) -> impl Future<Output = ()> + use<> {
    let (clock, tenure) = (Arc::clone(&shared.ports.clock), Arc::clone(tenure));
    let pause = shared.config.lease.failover_time / 12;
    async move {
        while let Err(WriteError::Table(error)) = tenure.write(Change::Release).await {
            warn!(lease = %tenure.key(), %error, "lease not released yet");
            clock.sleep_until(clock.now() + pause).await;
        }
    }
}

/// Releases a lease that nobody keeps, if its row names this worker.
async fn release_row(shared: &Shared, key: &LeaseKey) -> Result<(), TableError> {
    let item = shared.ports.table.read(key).await?;
    let Some(Row::Lease(lease)) = item.as_ref().map(row::read) else { return Ok(()) };
    if lease.owner.as_ref() != Some(&shared.config.worker_id) {
        return Ok(());
    }
    match shared.ports.table.write(&row::change(&lease, &Change::Release)).await? {
        Outcome::Written => Ok(()),
        Outcome::Refused => Err(TableError::Unanswered("the row has changed meanwhile".into())),
    }
}
