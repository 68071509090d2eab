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
        let connection = self.shared.children.connect(&input.shard).await;
        let connection = connection.map_err(|error| self.failed(error))?;
        self.child = Some(Child::of(&input.shard, connection));
        let mut line = Vec::new();
        multilang::initialize(&mut line, &input.shard, &input.checkpoint);
        let shared = Arc::clone(&self.shared);
        let _turn = turn(&shared, &self.shard).await?;
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

    use tokio::time::timeout;

    use super::*;
    use crate::launch::{Launch, Launched};
    use crate::scripted::shard;

    struct NoChildren;

    #[async_trait]
    impl Launch for NoChildren {
        async fn launch(&self, _: &ShardId) -> std::io::Result<Launched> {
            Err(std::io::ErrorKind::OutOfMemory.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_turn_hears_of_the_stop() {
        let shared = Arc::new(Shared {
            children: Children::new(Box::new(NoChildren), NonZeroUsize::MIN),
            settings: ChildSettings::default(),
            turns: Some(Arc::new(Turns::new(1))),
            stopper: Stopper::default(),
            outcome: Arc::default(),
        });
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
