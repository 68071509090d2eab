//! Whole workers over a stream and a table in memory, on paused time.

#![expect(clippy::disallowed_methods, reason = "tests run on tokio's paused time")]

mod back_off;
mod budget;
mod checkpoints;
mod decoding;
mod delivery;
mod failures;
mod fleet;
mod giving_way;
mod metrics;
mod retention;
mod start;
mod stopping;
mod tip;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardwise_core::budget::Budget;
use shardwise_core::config::{Config, InitialPosition, OnFailure, Retrieval, StreamConsumer};
use shardwise_core::id::{LeaseKey, ShardId, StreamName, WorkerId};
use shardwise_core::lease::Lease;
use shardwise_core::row::{Action, Item, Value};
use shardwise_core::sequence::Checkpoint;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Ports, Stopped, Stopper, Worker};
use crate::clock::Clock;
use crate::error::WorkerError;
use crate::kinesis::KinesisError;
use crate::metrics::MetricsSink;
use crate::processor::{ProcessorError, RecordProcessor};
use crate::status::Board;
use crate::testing::{Fate, Log, MemoryStream, MemoryTable, PausedClock, Recorder, Told};

struct World {
    stream: Arc<MemoryStream>,
    table: Arc<MemoryTable>,
    clock: Arc<PausedClock>,
    log: Log,
    forgets_end: Arc<Mutex<u32>>,
    loss_takes: Duration,
    breaks: Arc<Notify>,
    /// Who is told what workers count.
    sink: Option<Arc<dyn MetricsSink>>,
}

struct Running {
    stopper: Stopper,
    board: Board,
    run: JoinHandle<Result<Stopped, WorkerError>>,
}

fn run(
    worker: Worker,
    factory: impl Fn(&ShardId) -> Box<dyn RecordProcessor> + Send + Sync + 'static,
) -> Running {
    let (stopper, board) = (worker.stopper(), worker.board());
    Running { stopper, board, run: tokio::spawn(worker.run(factory)) }
}

impl World {
    fn with_shards(count: usize) -> Self {
        Self {
            stream: Arc::new(MemoryStream::with_shards(count)),
            table: Arc::new(MemoryTable::default()),
            clock: Arc::new(PausedClock::start()),
            log: Log::default(),
            forgets_end: Arc::default(),
            loss_takes: Duration::ZERO,
            breaks: Arc::default(),
            sink: None,
        }
    }

    fn start(&self, name: &str) -> Running {
        self.start_with(name, |_| {}, |_, _, _| Ok(()))
    }

    fn start_with<A>(&self, name: &str, configure: impl FnOnce(&mut Config), act: A) -> Running
    where
        A: Fn(&ShardId, &[String], u32) -> Result<(), ProcessorError> + Send + Sync + 'static,
    {
        run(self.worker(name, configure), self.recorders(act))
    }

    fn worker(&self, name: &str, configure: impl FnOnce(&mut Config)) -> Worker {
        let stream = StreamName::new("orders").unwrap();
        let mut config = Config::new("app", stream, WorkerId::new(name).unwrap());
        config.initial_position = InitialPosition::TrimHorizon;
        configure(&mut config);
        let ports = Ports {
            kinesis: Arc::clone(&self.stream) as _,
            table: Arc::clone(&self.table) as _,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let worker = Worker::new(config, ports, 1).unwrap();
        match &self.sink {
            Some(sink) => worker.with_metrics(Arc::clone(sink)),
            None => worker,
        }
    }

    /// What makes record processors that write down what they are told, and then act.
    fn recorders<A>(&self, act: A) -> impl Fn(&ShardId) -> Box<dyn RecordProcessor> + use<A>
    where
        A: Fn(&ShardId, &[String], u32) -> Result<(), ProcessorError> + Send + Sync + 'static,
    {
        let (log, forgets_end) = (self.log.clone(), Arc::clone(&self.forgets_end));
        let (loss_takes, breaks) = (self.loss_takes, Arc::clone(&self.breaks));
        let act: Arc<crate::testing::Act> = Arc::new(act);
        move |shard| {
            Box::new(Recorder {
                shard: shard.clone(),
                log: log.clone(),
                act: Arc::clone(&act),
                forgets_end: Arc::clone(&forgets_end),
                loss_takes,
                breaks: Arc::clone(&breaks),
            })
        }
    }

    /// Puts records named `PREFIX-0` and so on to a shard.
    fn put(&self, shard: usize, prefix: &str, count: usize) -> BTreeSet<String> {
        let names: BTreeSet<String> = (0..count).map(|n| format!("{prefix}-{n:03}")).collect();
        for name in &names {
            self.stream.put(shard, name.as_bytes());
        }
        names
    }

    fn lease(&self, shard: usize) -> Option<Lease> {
        self.table.lease(&LeaseKey::new(format!("shardId-{shard:012}")).unwrap())
    }

    fn owner(&self, shard: usize) -> Option<String> {
        self.lease(shard)?.owner.map(|owner| owner.to_string())
    }

    async fn wait(&self, what: &str, is_so: impl Fn() -> bool) -> Duration {
        let start = self.clock.now();
        while !is_so() {
            let waited = self.clock.now().since(start);
            assert!(waited < Duration::from_secs(600), "not after ten minutes: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.clock.now().since(start)
    }

    async fn wait_for(&self, names: &BTreeSet<String>) -> Duration {
        self.wait("everything is handed over", || self.log.handed().is_superset(names)).await
    }

    fn position_of(&self, is_it: impl Fn(&Told) -> bool) -> usize {
        self.log.told().iter().position(is_it).expect("it was told")
    }
}

fn of_shard(told: &Told) -> &str {
    match told {
        Told::Initialize { shard, .. }
        | Told::Records { shard, .. }
        | Told::ShutdownRequested { shard }
        | Told::ShardEnded { shard }
        | Told::LeaseLost { shard } => shard,
    }
}

/// How a stopped worker ended; on paused time one that goes on would go on for ever.
async fn ended(worker: Running) -> Stopped {
    let run = tokio::time::timeout(secs(120), worker.run).await;
    run.expect("it ends").unwrap().unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
