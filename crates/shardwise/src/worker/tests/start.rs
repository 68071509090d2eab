//! What a worker that starts waits for, and what it ends with.

use async_trait::async_trait;
use shardwise_core::config::CreateTable;

use super::*;
use crate::kinesis::StreamState;
use crate::lease_table::TableState;
use crate::processor::{Checkpointer, Initialize, ProcessRecords};
use crate::testing::shard_id;

async fn refused(worker: Running) -> WorkerError {
    worker.run.await.unwrap().unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_being_created_is_waited_for() {
    let world = World::with_shards(1);
    let names = world.put(0, "record", 3);
    world.stream.say([const { Ok(StreamState::Creating) }; 5]);
    let worker = world.start("a");
    assert!(world.wait_for(&names).await >= secs(5));
    worker.stopper.stop_in_order();
    worker.stopper.stop_in_order();
    assert!(ended(worker).await.in_order, "asking twice cuts nothing short");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_or_goes_is_an_error_that_only_a_person_can_mend() {
    let missing = || Err(KinesisError::NotFound("orders".to_owned()));
    for said in [missing(), Ok(StreamState::Deleting)] {
        let world = World::with_shards(1);
        let is_missing = said.is_err();
        world.stream.say([said]);
        let error = refused(world.start("a")).await;
        assert!(error.is_configuration(), "{error}");
        assert_eq!(is_missing, matches!(error, WorkerError::StreamMissing { .. }), "{error}");
        assert_eq!(!is_missing, matches!(error, WorkerError::StreamDeleting { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_table_is_made_and_waited_for_unless_that_is_not_wanted() {
    let world = World::with_shards(1);
    let names = world.put(0, "record", 3);
    world.table.say([TableState::Missing, TableState::NotReady, TableState::Ready]);
    let _worker = world.start_with(
        "a",
        |config| config.table.point_in_time_recovery = true,
        |_, _, _| Ok(()),
    );
    world.wait_for(&names).await;
    assert!(world.table.keeps_history());

    let world = World::with_shards(1);
    world.table.say([TableState::Missing]);
    let never = |config: &mut Config| config.table.create = CreateTable::Never;
    let error = refused(world.start_with("a", never, |_, _, _| Ok(()))).await;
    assert!(matches!(error, WorkerError::TableMissing { .. }), "{error}");

    let world = World::with_shards(1);
    world.table.say([TableState::NotReady]);
    let once = |config: &mut Config| config.coordinator.start_attempts = 1;
    let error = refused(world.start_with("a", once, |_, _, _| Ok(()))).await;
    assert!(matches!(error, WorkerError::TableNotReady { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_shards_that_breaks_off_begins_again() {
    let world = World::with_shards(3);
    world.stream.fail_lists([KinesisError::Expired, KinesisError::Throttled]);
    let _worker = world.start("a");
    world.wait("all are held", || (0..3).all(|shard| world.owner(shard).is_some())).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_of_shards_with_a_hole_makes_no_lease_and_is_an_error_if_it_stays() {
    let world = World::with_shards(3);
    world.stream.hide(1, true);
    let began = tokio::time::Instant::now();
    let error = refused(world.start("a")).await;
    assert!(matches!(error, WorkerError::Sync { .. }), "{error}");
    assert!(began.elapsed() >= secs(2), "it was asked for again");
    assert!((0..3).all(|shard| world.lease(shard).is_none()));
}

/// Takes minutes over a batch, and has nothing to say when the worker stops.
struct Slow(Log);

#[async_trait]
impl RecordProcessor for Slow {
    async fn initialize(&mut self, _: &Initialize) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        tokio::time::sleep(secs(300)).await;
        let data = vec![input.records.len().to_string()];
        self.0.note(Told::Records { shard: shard_id(0).to_string(), data, attempt: 1 });
        Ok(input.checkpointer.checkpoint().await?)
    }

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_takes_minutes_is_shown_as_busy_and_keeps_its_lease() {
    let world = World::with_shards(1);
    world.put(0, "record", 3);
    let log = world.log.clone();
    let worker = run(world.worker("a", |_| {}), move |_| Box::new(Slow(log.clone())));
    let busy = || worker.board.shards().values().any(|shard| shard.busy_since.is_some());
    world.wait("it is busy", busy).await;
    tokio::time::sleep(secs(200)).await;
    assert!(busy() && world.owner(0).as_deref() == Some("a"));
    world.wait("the checkpoint", || world.lease(0).unwrap().checkpoint > Checkpoint::Latest).await;
    assert!(world.log.told().iter().any(|told| matches!(told, Told::Records { .. })));
    worker.stopper.stop();
    assert!(ended(worker).await.in_order);
}
