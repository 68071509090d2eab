//! The worker: the one task that owns leases. Timers and messages in, rounds of deciding out.
//!
//! Each duty is a file: [`start`] gets stream, table and first leases ready, [`rounds`] takes
//! leases, [`audit`] finds holes, [`cleanup`] deletes what is done. This file only holds what they
//! share, and waits for what happens next.

mod audit;
mod cleanup;
mod rounds;
mod start;
mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shardwise_core::budget::Budget;
use shardwise_core::config::{Config, Retrieval};
use shardwise_core::fleet::Watch;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::Lease;
use shardwise_core::retention;
use shardwise_core::rng::Rng;
use shardwise_core::sync::{Auditor, LOOK_AGAIN};
use shardwise_core::take::{Round, Sightings};
use shardwise_core::time::Time;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, info};

pub use self::stop::{Stopped, Stopper};
use crate::clock::Clock;
use crate::consumer::{Consumer, ConsumerEnd, Shared, Signal};
use crate::decoder::Decoder;
use crate::error::WorkerError;
use crate::kinesis::Kinesis;
use crate::lease_table::LeaseTable;
use crate::metrics::{Metrics, MetricsSink, catalogue};
use crate::processor::RecordProcessor;
use crate::retrieval::registration::Registration;
use crate::status::{Board, WorkerPhase};
use crate::tenure::{Keeper, Tenure, TenureEnd};

/// How long a worker that cannot start waits for its sinks.
const FAILED_FLUSH_TIME: Duration = Duration::from_secs(1);

/// What a worker stands on.
#[derive(Clone)]
pub struct Ports {
    /// The stream.
    pub kinesis: Arc<dyn Kinesis>,
    /// The lease table.
    pub table: Arc<dyn LeaseTable>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Processes a stream together with any number of other workers of the same application.
///
/// # Examples
///
/// ```no_run
/// # use shardwise::{Config, Ports, RecordProcessor, Worker, WorkerError};
/// # async fn run(
/// #     config: Config,
/// #     ports: Ports,
/// #     processor: fn() -> Box<dyn RecordProcessor>,
/// # ) -> Result<(), WorkerError> {
/// let worker = Worker::new(config, ports, 42)?;
/// let stopper = worker.stopper(); // stop() it on a signal
/// worker.run(move |_shard| processor()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    config: Arc<Config>,
    ports: Ports,
    seed: u64,
    stopper: Stopper,
    board: Board,
    budget: Budget,
    decoder: Option<Arc<dyn Decoder>>,
    sinks: Vec<Arc<dyn MetricsSink>>,
}

impl Worker {
    /// A worker that is not running yet. `seed` makes its random choices; give each worker its
    /// own.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be.
    pub fn new(config: Config, ports: Ports, seed: u64) -> Result<Self, WorkerError> {
        config.validate()?;
        let board = Board::new(Arc::clone(&ports.clock));
        let budget = Budget::new(config.byte_budget);
        let (config, stopper) = (Arc::new(config), Stopper::default());
        let (decoder, sinks) = (None, Vec::new());
        Ok(Self { config, ports, seed, stopper, board, budget, decoder, sinks })
    }

    /// Has it share a byte budget with other workers of the process, instead of one of its own.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Has it decode records before they are handed over.
    #[must_use]
    pub fn with_decoder(self, decoder: impl Decoder + 'static) -> Self {
        Self { decoder: Some(Arc::new(decoder)), ..self }
    }

    /// Has it tell `sink` what it counts, beside the sinks that it was given before. Without any,
    /// nothing is counted.
    #[must_use]
    pub fn with_metrics(mut self, sink: Arc<dyn MetricsSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// A handle that stops the worker.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Where to see how the worker and each held shard stand.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Processes until it is stopped, with a processor from `factory` for each shard it holds.
    ///
    /// # Errors
    ///
    /// Only while starting: a missing stream, refused permissions, or AWS still not answering
    /// after [`start_attempts`](shardwise_core::config::CoordinatorConfig::start_attempts) tries.
    /// Once started, whatever fails is tried again.
    pub async fn run(
        self,
        factory: impl Fn(&ShardId) -> Box<dyn RecordProcessor> + Send + Sync + 'static,
    ) -> Result<Stopped, WorkerError> {
        let board = self.board.clone();
        let stopped = self.run_to_its_end(factory).await;
        board.turned(WorkerPhase::Ended);
        stopped
    }

    async fn run_to_its_end(
        self,
        factory: impl Fn(&ShardId) -> Box<dyn RecordProcessor> + Send + Sync + 'static,
    ) -> Result<Stopped, WorkerError> {
        let registration = match &self.config.retrieval {
            Retrieval::Polling => None,
            Retrieval::FanOut(consumer) => Some(Arc::new(Registration::new(consumer.clone()))),
        };
        let metrics = Metrics::new(&self.config, &self.ports.clock, self.sinks);
        let mut shared = Shared {
            ports: self.ports,
            config: self.config,
            factory: Arc::new(factory),
            decoder: self.decoder,
            board: self.board,
            budget: self.budget,
            registration,
            metrics,
            retention: retention::LEAST,
        };
        let stopper = self.stopper;
        let prepared = tokio::select! {
            biased;
            () = stopper.asked() => return Ok(Stopped { in_order: true }),
            prepared = start::prepare(&shared) => prepared,
        };
        match prepared {
            Ok(retention) => shared.retention = retention,
            Err(error) => {
                tokio::select! {
                    biased;
                    () = stopper.asked() => {}
                    () = shared.metrics.flush(FAILED_FLUSH_TIME) => {}
                }
                return Err(error);
            }
        }
        let mut running = Running::new(shared, stopper, self.seed);
        running.until_stopped().await;
        Ok(running.stop().await)
    }
}

/// A worker at work.
struct Running {
    shared: Shared,
    held: BTreeMap<LeaseKey, Held>,
    /// Leases that may bear this worker's name though it does not hold them.
    left: BTreeSet<LeaseKey>,
    /// Leases whose consumer has not ended, held or not: they are not taken again before.
    consumed: BTreeSet<LeaseKey>,
    keepers: JoinSet<(Arc<Tenure>, Option<TenureEnd>)>,
    consumers: JoinSet<(LeaseKey, Option<ConsumerEnd>)>,
    /// The duties that may take long: at most one audit and one cleanup at a time.
    duties: JoinSet<Done>,
    stopper: Stopper,
    sightings: Sightings,
    rng: Rng,
    /// Absent while an audit is under way.
    auditor: Option<Auditor>,
    cleaning: bool,
    /// Whether the leases that bear this worker's name from an earlier life were looked for.
    adopted: bool,
    next: Next,
    /// Rows that were already warned about.
    odd_rows: BTreeSet<String>,
    generation: Watch,
    /// How many leases of finished shards the last round saw.
    finished: usize,
}

struct Held {
    tenure: Arc<Tenure>,
    keeper: AbortHandle,
    signals: mpsc::UnboundedSender<Signal>,
    /// Its shard is done: it is only kept until it is cleaned up.
    finished: bool,
}

impl Held {
    fn tell(&self, signal: Signal) {
        // A consumer that has ended hears nothing.
        let _ = self.signals.send(signal);
    }
}

/// What a duty leaves behind.
enum Done {
    Audit(Auditor),
    /// The leases that were deleted.
    Cleanup(Vec<LeaseKey>),
    /// A lease was released, or lost before that.
    GivenUp,
}

/// When each duty is due.
struct Next {
    light_round: Time,
    full_round: Time,
    audit: Time,
    cleanup: Time,
}

impl Running {
    fn new(shared: Shared, stopper: Stopper, seed: u64) -> Self {
        let now = shared.ports.clock.now();
        let config = &shared.config;
        Self {
            held: BTreeMap::new(),
            left: BTreeSet::new(),
            consumed: BTreeSet::new(),
            keepers: JoinSet::new(),
            consumers: JoinSet::new(),
            duties: JoinSet::new(),
            stopper,
            sightings: Sightings::default(),
            rng: Rng::new(seed),
            auditor: Some(Auditor::new(config.sync.audit_confidence)),
            cleaning: false,
            adopted: false,
            next: Next {
                light_round: now,
                full_round: now + config.lease.take_interval(),
                audit: now + config.sync.audit_interval / 2,
                cleanup: now + config.lease.cleanup_interval,
            },
            odd_rows: BTreeSet::new(),
            generation: Watch::default(),
            finished: 0,
            shared,
        }
    }

    /// Does what is due, until a stop is asked for.
    async fn until_stopped(&mut self) {
        let clock = Arc::clone(&self.shared.ports.clock);
        let stopper = self.stopper.clone();
        loop {
            self.shared.board.turned(WorkerPhase::Running);
            let Next { light_round, full_round, audit, cleanup } = self.next;
            let due = light_round.min(full_round).min(audit).min(cleanup);
            tokio::select! {
                biased;
                () = stopper.asked() => return,
                Some(ended) = self.keepers.join_next() => self.keeper_ended(ended.ok()),
                Some(ended) = self.consumers.join_next() => self.consumer_ended(ended.ok()),
                Some(done) = self.duties.join_next() => self.duty_done(done.ok()),
                () = clock.sleep_until(due) => self.do_what_is_due(clock.now()).await,
            }
        }
    }

    async fn do_what_is_due(&mut self, now: Time) {
        let Shared { config, .. } = &self.shared;
        if now >= self.next.audit {
            self.next.audit = now + config.sync.audit_interval;
            if let Some(auditor) = self.auditor.take() {
                let audit = audit::audit(self.shared.clone(), auditor);
                self.duties.spawn(async { Done::Audit(audit.await) });
            }
        }
        if now >= self.next.cleanup {
            self.next.cleanup = now + config.lease.cleanup_interval;
            let finished = self.held.iter().filter(|(_, held)| held.finished);
            let finished: Vec<LeaseKey> = finished.map(|(key, _)| key.clone()).collect();
            if config.lease.cleanup_finished && !self.cleaning && !finished.is_empty() {
                self.cleaning = true;
                let cleanup = cleanup::cleanup(self.shared.clone(), finished);
                self.duties.spawn(async { Done::Cleanup(cleanup.await) });
            }
        }
        if now >= self.next.full_round {
            self.next.full_round = now + config.lease.take_interval();
            self.round(Round::Full).await;
        } else if now >= self.next.light_round {
            self.round(Round::Light).await;
        }
    }

    fn duty_done(&mut self, done: Option<Done>) {
        match done {
            Some(Done::Audit(auditor)) => {
                if auditor.has_seen_hole() {
                    let soon = self.shared.ports.clock.now() + LOOK_AGAIN;
                    self.next.audit = self.next.audit.min(soon);
                }
                self.auditor = Some(auditor);
            }
            Some(Done::Cleanup(deleted)) => {
                self.cleaning = false;
                deleted.iter().for_each(|key| self.forget(key));
            }
            // Its keeper has ended, and tells for itself.
            Some(Done::GivenUp) => {}
            None => {
                error!("a duty panicked: it begins anew");
                let confidence = self.shared.config.sync.audit_confidence;
                self.auditor.get_or_insert_with(|| Auditor::new(confidence));
                self.cleaning = false;
            }
        }
    }

    /// Begins the tenure of a lease that this worker wrote its name to at `written_at`.
    fn hold(&mut self, lease: Lease, written_at: Time) {
        let key = lease.key.clone();
        self.left.remove(&key);
        let (finished, checkpoint) = (lease.is_finished(), lease.checkpoint.clone());
        info!(lease = %key, %checkpoint, counter = lease.counter, "lease held");
        let Shared { ports, config, metrics, .. } = &self.shared;
        let (table, clock) = (Arc::clone(&ports.table), Arc::clone(&ports.clock));
        let (config, metrics) = (config.lease.clone(), metrics.clone());
        let (tenure, keeper) = Keeper::new(lease, written_at, table, clock, config, metrics);
        let (signals, received) = mpsc::unbounded_channel();
        let (kept, consumer) = (Arc::clone(&tenure), signals.clone());
        let keeper = self.keepers.spawn(async move {
            let end = AssertUnwindSafe(keeper.keep()).catch_unwind().await.ok();
            if end.is_none() {
                error!(lease = %kept.key(), "keeper panicked: its lease is left to expire");
                kept.end();
            }
            // At once, not when the worker gets round to it. A consumer that has ended hears
            // nothing.
            let _ = consumer.send(Signal::LeaseLost);
            (kept, end)
        });
        if !finished {
            self.shared.board.begin(&key, checkpoint);
            self.shared.metrics.begin(&key.shard());
            self.consumed.insert(key.clone());
            let consumer = Consumer::new(self.shared.clone(), Arc::clone(&tenure), received);
            let consumed = key.clone();
            self.consumers.spawn(async move {
                let end = AssertUnwindSafe(consumer.consume()).catch_unwind().await;
                (consumed, end.ok())
            });
        }
        self.held.insert(key, Held { tenure, keeper, signals, finished });
    }

    fn keeper_ended(&mut self, ended: Option<(Arc<Tenure>, Option<TenureEnd>)>) {
        // A keeper that was stopped by us says nothing; its lease is forgotten already.
        let Some((tenure, end)) = ended else { return };
        // The lease may have been taken anew meanwhile.
        if self.held.get(tenure.key()).is_some_and(|held| Arc::ptr_eq(&held.tenure, &tenure)) {
            self.held.remove(tenure.key());
            if end != Some(TenureEnd::Released) {
                self.shared.metrics.tell(&[catalogue::LOST_LEASES.of(1.0)]);
            }
            let may_bear_our_name = match end {
                None | Some(TenureEnd::Expired) => true,
                // Somebody else wrote to the row, and took nothing.
                Some(TenureEnd::Taken { by }) => by.as_ref() == Some(&self.shared.config.worker_id),
                Some(TenureEnd::RowGone | TenureEnd::Released) => false,
            };
            if may_bear_our_name {
                self.left.insert(tenure.key().clone());
            }
        }
    }

    fn consumer_ended(&mut self, ended: Option<(LeaseKey, Option<ConsumerEnd>)>) {
        let Some((key, end)) = ended else { return };
        self.consumed.remove(&key);
        self.shared.board.end(&key);
        self.shared.metrics.end(&key.shard());
        match end {
            Some(ConsumerEnd::Finished) => {
                if let Some(held) = self.held.get_mut(&key) {
                    held.finished = true;
                }
                // Its children may start: somebody may be waiting for this very shard.
                self.look_at_parents();
            }
            // Stopping releases it.
            Some(ConsumerEnd::Stopped) => {}
            Some(ConsumerEnd::Lost) => self.give_up(&key),
            None => {
                error!(lease = %key, "shard consumer panicked: its lease is given up");
                self.give_up(&key);
            }
        }
    }

    fn forget(&mut self, key: &LeaseKey) {
        if let Some(held) = self.held.remove(key) {
            held.keeper.abort();
        }
    }

    /// Releases a lease that has no consumer any more, unless it is lost already: held, and with
    /// nobody to process its records, it would be out of everyone's reach.
    fn give_up(&mut self, key: &LeaseKey) {
        let Some(held) = self.held.get(key) else { return };
        let release = stop::release(&self.shared, &held.tenure);
        self.duties.spawn(async {
            release.await;
            Done::GivenUp
        });
    }

    fn look_at_parents(&self) {
        for held in self.held.values().filter(|held| !held.finished) {
            held.tell(Signal::LookAtParents);
        }
    }
}

#[cfg(test)]
mod tests;
