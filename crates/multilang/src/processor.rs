//! A record processor that is a child process.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use shardwise::{
    Checkpointer, Initialize, ProcessRecords, ProcessorError, Record, RecordProcessor, ShardId,
    Stopper,
};
use shardwise_core::multilang::{self, Action, RecordFields};
use shardwise_core::properties::settings::{ChildSettings, OnChildFailure};
use tracing::{error, info, warn};

use crate::child::{Child, Undone};
use crate::children::Children;
use crate::failure::Broken;
use crate::launch::Ending;
use crate::talk::TIMEOUT;
use crate::turns::{Turn, Turns};

/// What all processors of a daemon share.
pub struct Shared {
    /// Where their children come from.
    pub children: Children,
    /// How long children may take, and what their failure does.
    pub settings: ChildSettings,
    /// The turns of children that work on records, if there is a limit.
    pub turns: Option<Arc<Turns>>,
    /// Ends the daemon.
    pub stopper: Stopper,
    /// What became of the children.
    pub outcome: Arc<Outcome>,
}

/// What became of the children.
#[derive(Debug, Default)]
pub struct Outcome {
    /// A child has failed, and that ends the daemon.
    pub failed: AtomicBool,
    /// A child did not end in order while the daemon stopped.
    pub forced: AtomicBool,
}

/// A shard's child process.
pub struct ChildProcessor {
    shard: ShardId,
    shared: Arc<Shared>,
    child: Option<Child>,
}

impl ChildProcessor {
    /// The processor of a shard; its child starts with the first call.
    #[must_use]
    pub fn new(shard: &ShardId, shared: &Arc<Shared>) -> Self {
        Self { shard: shard.clone(), shared: Arc::clone(shared), child: None }
    }

    fn timeout(&self, action: Action) -> Option<Duration> {
        let settings = &self.shared.settings;
        match action {
            Action::ProcessRecords => {
                settings.process_records_timeout.or(settings.response_timeout)
            }
            Action::Initialize
            | Action::LeaseLost
            | Action::ShardEnded
            | Action::ShutdownRequested => Some(settings.response_timeout.unwrap_or(TIMEOUT)),
        }
    }

    async fn act(
        &mut self,
        action: Action,
        line: Vec<u8>,
        checkpointer: Option<&Checkpointer>,
    ) -> Result<(), ProcessorError> {
        let Some(child) = &self.child else { return Err(self.failed("there is no child")) };
        match child.act(action, line, checkpointer, self.timeout(action)).await {
            Ok(()) => Ok(()),
            Err(Undone::TooLate) => {
                Err(ProcessorError::not_begun("the lease was lost while waiting for a turn"))
            }
            Err(Undone::Failed(failure)) => {
                self.child = None;
                Err(self.failed(failure))
            }
        }
    }

    fn failed(&self, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ProcessorError {
        let why = why.into();
        self.not_in_order();
        match self.shared.settings.on_failure {
            OnChildFailure::Restart => {}
            OnChildFailure::Exit => {
                if !self.shared.outcome.failed.swap(true, Ordering::AcqRel) {
                    warn!(shard = %self.shard, "child failed: the daemon ends, as configured");
                    self.shared.stopper.stop_in_order();
                }
            }
        }
        ProcessorError::restart(why)
    }

    /// A child has failed, or was ended by force: the exit code tells, if that is the daemon's end.
    fn not_in_order(&self) {
        if self.shared.stopper.is_asked() {
            self.shared.outcome.forced.store(true, Ordering::Release);
        }
    }

    /// Closes a child that has done everything it was asked to do.
    async fn close(&mut self) {
        let Some(child) = self.child.take() else { return };
        match child.close().await {
            Ending::InOrder => info!(shard = %self.shard, "child ended"),
            Ending::Forced => {
                self.not_in_order();
                error!(shard = %self.shard, "child did not end by itself");
            }
        }
    }
}

#[async_trait]
impl RecordProcessor for ChildProcessor {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        let shared = Arc::clone(&self.shared);
        // First of all: who is sent away at a stop leaves no child behind, which may be others'.
        let _turn = turn(&shared, &self.shard).await?;
        let connection = shared.children.connect(&input.shard).await;
        let connection = connection.map_err(|error| self.failed(error))?;
        self.child = Some(Child::of(&input.shard, connection));
        let mut line = Vec::new();
        multilang::initialize(&mut line, &input.shard, &input.checkpoint);
        self.act(Action::Initialize, line, None).await
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        let shared = Arc::clone(&self.shared);
        let _turn = turn(&shared, &self.shard).await?;
        let mut line = Vec::new();
        let records = input.records.iter().map(fields);
        multilang::process_records(&mut line, records, input.millis_behind_latest);
        self.act(Action::ProcessRecords, line, Some(input.checkpointer)).await
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let action = Action::ShutdownRequested;
        self.act(action, ending(action), Some(checkpointer)).await
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let action = Action::ShardEnded;
        self.act(action, ending(action), Some(checkpointer)).await?;
        if checkpointer.is_at_end() {
            self.close().await;
            return Ok(());
        }
        let Some(child) = self.child.take() else { return Ok(()) };
        let failure = child.fail(Broken::NoFinalCheckpoint).await;
        Err(self.failed(failure))
    }

    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        if self.child.is_none() {
            return Ok(());
        }
        let action = Action::LeaseLost;
        self.act(action, ending(action), None).await?;
        self.close().await;
        Ok(())
    }

    async fn failure(&mut self) -> ProcessorError {
        let Some(child) = &self.child else { return pending().await };
        let failure = child.failure().await;
        self.child = None;
        self.failed(failure)
    }
}

/// Waits until one more child may work on records, unless the worker stops first: then every shard
/// in the queue has to be told so while it still can be. What ends a child never waits.
async fn turn<'a>(shared: &'a Shared, shard: &ShardId) -> Result<Option<Turn<'a>>, ProcessorError> {
    let Some(turns) = &shared.turns else { return Ok(None) };
    match turns.take(shard, shared.stopper.asked()).await {
        Some(turn) => Ok(Some(turn)),
        None => Err(ProcessorError::not_begun("the worker stops: nothing more is begun")),
    }
}

fn ending(action: Action) -> Vec<u8> {
    let mut line = Vec::new();
    multilang::ending(&mut line, action);
    line
}

fn fields(record: &Record) -> RecordFields<'_> {
    RecordFields {
        data: &record.data,
        partition_key: record.partition_key.as_deref(),
        sequence_number: record.sequence_number.as_str(),
        sub_sequence_number: record.sub_sequence_number,
        approximate_arrival: record.approximate_arrival,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::{Mutex, PoisonError};

    use shardwise::Checkpoint;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::launch::{Launch, Launched, Patience};
    use crate::scripted::{scripted, shard};

    /// Has one child, or none.
    struct Prepared(Mutex<Option<Launched>>);

    #[async_trait]
    impl Launch for Prepared {
        async fn launch(&self, _: &ShardId) -> std::io::Result<Launched> {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            left.take().ok_or(std::io::ErrorKind::OutOfMemory.into())
        }
    }

    /// One turn for all, and children for two shards each.
    fn shared(child: Option<Launched>) -> Arc<Shared> {
        let launcher = Box::new(Prepared(Mutex::new(child)));
        Arc::new(Shared {
            children: Children::new(launcher, NonZeroUsize::new(2).unwrap()),
            settings: ChildSettings::default(),
            turns: Some(Arc::new(Turns::new(1))),
            stopper: Stopper::default(),
            outcome: Arc::default(),
        })
    }

    async fn begin(number: u32, shared: &Arc<Shared>) -> Result<ChildProcessor, ProcessorError> {
        let mut processor = ChildProcessor::new(&shard(number), shared);
        let input =
            Initialize { shard: shard(number), checkpoint: Checkpoint::TrimHorizon, pending: None };
        processor.initialize(&input).await.map(|()| processor)
    }

    fn status(action: &str) -> String {
        format!(r#"{{"action":"status","responseFor":"{action}","shardId":"shardId-0"}}"#)
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_waits_for_its_turn_leaves_the_child_of_others_alone_at_a_stop() {
        let (launched, mut child) = scripted(None);
        let shared = shared(Some(launched));
        let begins = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { begin(0, &shared).await }
        });
        assert!(child.hears().await.contains("initialize"));
        child.says(&status("initialize")).await;
        let mut first = begins.await.unwrap().unwrap();
        // It has a batch in hand.
        let held = turn(&shared, &shard(0)).await.unwrap();
        let waits = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { begin(1, &shared).await.map(drop) }
        });
        sleep(Duration::from_secs(1)).await;
        shared.stopper.stop_in_order();
        assert!(!waits.await.unwrap().unwrap_err().wants_restart());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(child.ended.try_recv().ok(), None, "the first shard has it still");
        drop(held);
        let leaves = tokio::spawn(async move { first.lease_lost().await });
        assert!(child.hears().await.contains("leaseLost"));
        child.says(&status("leaseLost")).await;
        leaves.await.unwrap().unwrap();
        assert_eq!(child.ended.recv().await, Some(Patience::Told));
        assert!(!shared.outcome.forced.load(Ordering::Acquire), "all of it in order");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_turn_hears_of_the_stop() {
        let shared = shared(None);
        let _held = turn(&shared, &shard(0)).await.unwrap();
        let waits = [1, 2, 3].map(|number| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { turn(&shared, &shard(number)).await.map(drop) })
        });
        tokio::task::yield_now().await;
        shared.stopper.stop();
        for wait in waits {
            let told = timeout(Duration::from_secs(1), wait).await.expect("while it waits");
            assert!(told.unwrap().unwrap_err().was_not_begun(), "nothing has failed");
        }
    }
}
