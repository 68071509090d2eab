//! Checkpoints as a processor makes them: prepared ones, and those that are refused.

use async_trait::async_trait;
use shardwise_core::lease::PendingCheckpoint;
use shardwise_core::time::Timestamp;
use tokio::sync::mpsc;

use super::*;
use crate::processor::{
    CheckpointError, Checkpointer, Initialize, PreparedCheckpoint, ProcessRecords,
};

/// What a test's processor does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// Prepares, and fails before it makes the checkpoint.
    PrepareAndFail,
    /// Prepares, and makes the checkpoint.
    PrepareAndMake,
}

/// What it was told, and what became of its checkpoints.
#[derive(Debug)]
enum Said {
    Starts(Initialize),
    Prepared(Checkpoint),
    Made(Result<(), CheckpointError>),
}

struct Checkpoints {
    way: Arc<Mutex<Way>>,
    said: mpsc::UnboundedSender<Said>,
}

impl Checkpoints {
    fn say(&self, said: Said) {
        self.said.send(said).unwrap();
    }

    async fn prepare(&self, checkpointer: &Checkpointer) -> PreparedCheckpoint {
        let prepared = checkpointer.prepare(Some(b"half done".to_vec())).await.unwrap();
        self.say(Said::Prepared(prepared.place().clone()));
        prepared
    }
}

#[async_trait]
impl RecordProcessor for Checkpoints {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        self.say(Said::Starts(input.clone()));
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        let way = *self.way.lock().unwrap();
        match way {
            Way::Plain => self.say(Said::Made(input.checkpointer.checkpoint().await)),
            Way::PrepareAndFail => {
                drop(self.prepare(input.checkpointer).await);
                return Err(ProcessorError::restart("after its preparation"));
            }
            Way::PrepareAndMake => {
                let prepared = self.prepare(input.checkpointer).await;
                self.say(Said::Made(prepared.checkpoint().await));
            }
        }
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

/// A worker with such processors; how they go on can be changed while it runs.
fn start(world: &World, way: Way) -> (Arc<Mutex<Way>>, mpsc::UnboundedReceiver<Said>) {
    let way = Arc::new(Mutex::new(way));
    let (said, heard) = mpsc::unbounded_channel();
    let theirs = Arc::clone(&way);
    let _worker = run(world.worker("a", |_| {}), move |_| {
        Box::new(Checkpoints { way: Arc::clone(&theirs), said: said.clone() })
    });
    (way, heard)
}

async fn started(heard: &mut mpsc::UnboundedReceiver<Said>) -> Initialize {
    let Some(Said::Starts(input)) = heard.recv().await else { panic!("it does not start") };
    input
}

async fn prepared(heard: &mut mpsc::UnboundedReceiver<Said>) -> Checkpoint {
    let Some(Said::Prepared(place)) = heard.recv().await else { panic!("nothing is prepared") };
    place
}

async fn made(heard: &mut mpsc::UnboundedReceiver<Said>) -> Result<(), CheckpointError> {
    let Some(Said::Made(result)) = heard.recv().await else { panic!("no checkpoint is made") };
    result
}

#[tokio::test(start_paused = true)]
async fn a_prepared_checkpoint_and_its_state_come_to_the_next_processor() {
    let world = World::with_shards(1);
    world.put(0, "r", 3);
    let (way, mut heard) = start(&world, Way::PrepareAndFail);
    assert_eq!(started(&mut heard).await.pending, None);
    let place = prepared(&mut heard).await;
    let lease = world.lease(0).unwrap();
    let pending = PendingCheckpoint { checkpoint: place, state: Some(b"half done".to_vec()) };
    assert_eq!(lease.pending.as_ref(), Some(&pending));
    assert_eq!(lease.checkpoint, Checkpoint::TrimHorizon, "it has not moved");

    *way.lock().unwrap() = Way::PrepareAndMake;
    let second = started(&mut heard).await;
    assert_eq!(second.pending.as_ref(), Some(&pending));
    assert_eq!(second.checkpoint, Checkpoint::TrimHorizon, "the records come again");
    assert_eq!(prepared(&mut heard).await, pending.checkpoint);
    made(&mut heard).await.unwrap();
    let lease = world.lease(0).unwrap();
    assert_eq!((lease.checkpoint, lease.pending), (pending.checkpoint, None));
}

/// How a checkpoint ends whose write has this fate.
async fn refused(fates: impl IntoIterator<Item = Fate>) -> CheckpointError {
    let world = World::with_shards(1);
    let (_, mut heard) = start(&world, Way::Plain);
    started(&mut heard).await;
    world.table.fate(fates);
    world.put(0, "r", 1);
    made(&mut heard).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_the_table_says_has_its_java_name_and_says_whether_to_try_again() {
    for (fate, java_name, is_retryable) in [
        (Fate::Throttled, "ThrottlingException", true),
        (Fate::Missing, "InvalidStateException", false),
        (Fate::Rejected, "KinesisClientLibDependencyException", false),
        (Fate::RequestLost, "KinesisClientLibDependencyException", true),
    ] {
        let error = refused([fate]).await;
        assert_eq!(error.java_name(), java_name, "{error:?}");
        assert_eq!(error.is_retryable(), is_retryable, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_after_the_lease_was_stolen_is_a_shutdown_to_java() {
    let world = World::with_shards(1);
    let (_, mut heard) = start(&world, Way::Plain);
    started(&mut heard).await;
    let thief = WorkerId::new("thief").unwrap();
    let seen = world.lease(0).unwrap();
    world.table.apply(&shardwise_core::row::take(&seen, &thief, Timestamp::from_millis(0)));
    world.put(0, "r", 1);
    let error = made(&mut heard).await.unwrap_err();
    assert_eq!((error.java_name(), error.is_retryable()), ("ShutdownException", false));
    assert_eq!(world.lease(0).unwrap().checkpoint, Checkpoint::TrimHorizon);
}
