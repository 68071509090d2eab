//! What a worker can say of itself: plain data, shard by shard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shardwise_core::consumer::ConsumerState;
use shardwise_core::id::LeaseKey;
use shardwise_core::retention::Gap;
use shardwise_core::sequence::Checkpoint;
use shardwise_core::time::{Time, Timestamp};
use tokio::sync::watch;

use crate::clock::Clock;

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// What it is at.
    pub phase: WorkerPhase,
    /// How long ago it last had nothing to wait for but the next event: while it runs that is
    /// seldom more than 20 s, and minutes mean that it is stuck.
    pub quiet_for: Duration,
}

impl WorkerStatus {
    /// A worker that has not turned for so long is stuck.
    const STUCK_AFTER: Duration = Duration::from_secs(300);

    /// Whether it runs, and has not turned for five minutes: only a new start can help.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.phase == WorkerPhase::Running && self.quiet_for > Self::STUCK_AFTER
    }
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkerPhase {
    /// It gets stream, lease table and first leases ready.
    #[default]
    Starting,
    /// It takes leases and processes.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It has stopped, or could not start.
    Ended,
}

/// How one held shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Where its consumer is in its life cycle.
    pub state: ConsumerState,
    /// The last checkpoint of this tenure.
    pub checkpoint: Checkpoint,
    /// Records handed to the processor in this tenure, repetitions included.
    pub records: u64,
    /// Records of this tenure that could not be decoded, and were handed over as they came.
    pub decode_failures: u64,
    /// Aggregates read in this tenure that were left out: a user record in them is for another
    /// shard, as after a reshard, and their producer sends them again. Counted again when read
    /// again.
    pub aggregates_left_out: u64,
    /// Records read in this tenure that look like an aggregate and cannot be taken apart: they are
    /// handed over as they came. Counted again when read again.
    pub corrupt_aggregates: u64,
    /// Subscriptions of this tenure that another one took the shard from. When a lease moves it is
    /// one; many say that somebody else uses the stream consumer.
    pub subscriptions_taken: u64,
    /// How often in this tenure reading went on behind records that retention may have removed
    /// before they were read. How many records there were cannot be known.
    pub retention_gaps: u64,
    /// Where the last of these gaps is.
    pub last_retention_gap: Option<Gap>,
    /// How far behind the tip the last read was.
    pub millis_behind_latest: Option<u64>,
    /// The processor's failures since its last success.
    pub failing: Option<Failing>,
    /// The reader's failures since its last success.
    pub fetch_failing: Option<Failing>,
    /// Since when the processor, or a decoder, has been busy with one call.
    pub busy_since: Option<Timestamp>,
    /// When the processor last got on: a call that succeeded, or a read without records. Before the
    /// first time, when its parents' end let it begin.
    pub processed_at: Timestamp,
    /// When the shard was last read. Before the first time, as `processed_at`.
    pub read_at: Timestamp,
}

/// What fails, how often in a row, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// What was said last, without the causes that the log tells: they may quote a record.
    pub error: String,
    /// How often in a row.
    pub times: u32,
    /// Since when.
    pub since: Timestamp,
}

/// Where a worker, its consumers and readers note how they stand; cheap to clone.
#[derive(Clone)]
pub struct Board {
    shards: Arc<Mutex<BTreeMap<LeaseKey, ShardStatus>>>,
    worker: Arc<watch::Sender<(WorkerPhase, Time)>>,
    clock: Arc<dyn Clock>,
}

impl Board {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let worker = watch::Sender::new((WorkerPhase::default(), clock.now()));
        Self { shards: Arc::default(), worker: Arc::new(worker), clock }
    }

    /// Every shard that this worker holds.
    #[must_use]
    pub fn shards(&self) -> BTreeMap<LeaseKey, ShardStatus> {
        self.with(|shards| shards.clone())
    }

    /// The worker itself.
    #[must_use]
    pub fn worker(&self) -> WorkerStatus {
        let (phase, turned) = *self.worker.borrow();
        WorkerStatus { phase, quiet_for: self.clock.now().since(turned) }
    }

    /// Waits until the worker is at this, or at what comes after it.
    pub async fn reached(&self, phase: WorkerPhase) {
        // The sender is ours: it is there.
        let _ = self.worker.subscribe().wait_for(|(now, _)| *now >= phase).await;
    }

    /// The worker is at this, and waits for nothing but the next event.
    pub(crate) fn turned(&self, phase: WorkerPhase) {
        let now = self.clock.now();
        self.worker.send_modify(|status| *status = (phase, now));
    }

    pub(crate) fn begin(&self, key: &LeaseKey, checkpoint: Checkpoint) {
        let now = self.clock.date();
        let status = ShardStatus {
            state: ConsumerState::WaitingOnParentShards,
            checkpoint,
            records: 0,
            decode_failures: 0,
            aggregates_left_out: 0,
            corrupt_aggregates: 0,
            subscriptions_taken: 0,
            retention_gaps: 0,
            last_retention_gap: None,
            millis_behind_latest: None,
            failing: None,
            fetch_failing: None,
            busy_since: None,
            processed_at: now,
            read_at: now,
        };
        self.with(|shards| shards.insert(key.clone(), status));
    }

    pub(crate) fn end(&self, key: &LeaseKey) {
        self.with(|shards| shards.remove(key));
    }

    pub(crate) fn state(&self, key: &LeaseKey, state: ConsumerState) {
        let now = self.clock.date();
        self.change(key, |status| {
            if status.state == ConsumerState::WaitingOnParentShards {
                (status.processed_at, status.read_at) = (now, now);
            }
            status.state = state;
        });
    }

    pub(crate) fn fetched(&self, key: &LeaseKey, millis_behind_latest: Option<u64>) {
        let now = self.clock.date();
        self.change(key, |status| {
            status.millis_behind_latest = millis_behind_latest;
            status.fetch_failing = None;
            status.read_at = now;
        });
    }

    pub(crate) fn fetch_failed(&self, key: &LeaseKey, error: String) {
        let now = self.clock.date();
        self.change(key, |status| fail(&mut status.fetch_failing, error, now));
    }

    pub(crate) fn call_began(&self, key: &LeaseKey) {
        let now = self.clock.date();
        self.change(key, |status| status.busy_since = Some(now));
    }

    pub(crate) fn call_ended(&self, key: &LeaseKey) {
        self.change(key, |status| status.busy_since = None);
    }

    pub(crate) fn checkpoint(&self, key: &LeaseKey, checkpoint: Checkpoint) {
        self.change(key, |status| status.checkpoint = checkpoint);
    }

    pub(crate) fn not_decoded(&self, key: &LeaseKey, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.change(key, |status| {
            status.decode_failures = status.decode_failures.saturating_add(records);
        });
    }

    pub(crate) fn left_out(&self, key: &LeaseKey, aggregates: usize) {
        let aggregates = u64::try_from(aggregates).unwrap_or(u64::MAX);
        self.change(key, |status| {
            status.aggregates_left_out = status.aggregates_left_out.saturating_add(aggregates);
        });
    }

    pub(crate) fn corrupt(&self, key: &LeaseKey, aggregates: usize) {
        let aggregates = u64::try_from(aggregates).unwrap_or(u64::MAX);
        self.change(key, |status| {
            status.corrupt_aggregates = status.corrupt_aggregates.saturating_add(aggregates);
        });
    }

    pub(crate) fn subscription_taken(&self, key: &LeaseKey) {
        self.change(key, |status| {
            status.subscriptions_taken = status.subscriptions_taken.saturating_add(1);
        });
    }

    pub(crate) fn gap(&self, key: &LeaseKey, gap: Gap) {
        self.change(key, |status| {
            status.retention_gaps = status.retention_gaps.saturating_add(1);
            status.last_retention_gap = Some(gap);
        });
    }

    pub(crate) fn delivered(&self, key: &LeaseKey, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.change(key, |status| status.records = status.records.saturating_add(records));
    }

    pub(crate) fn succeeded(&self, key: &LeaseKey) {
        let now = self.clock.date();
        self.change(key, |status| {
            status.failing = None;
            status.processed_at = now;
        });
    }

    pub(crate) fn failed(&self, key: &LeaseKey, error: String) {
        let now = self.clock.date();
        self.change(key, |status| fail(&mut status.failing, error, now));
    }

    fn change(&self, key: &LeaseKey, change: impl FnOnce(&mut ShardStatus)) {
        self.with(|shards| shards.get_mut(key).map(change));
    }

    fn with<T>(&self, use_shards: impl FnOnce(&mut BTreeMap<LeaseKey, ShardStatus>) -> T) -> T {
        use_shards(&mut self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Board").field(&self.shards()).finish()
    }
}

fn fail(failing: &mut Option<Failing>, error: String, now: Timestamp) {
    let (times, since) = failing.take().map_or((0, now), |failing| (failing.times, failing.since));
    *failing = Some(Failing { error, times: times.saturating_add(1), since });
}
