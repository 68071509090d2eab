//! Readers that must leave the shard to others, and subscriptions that are not to be had.

use async_trait::async_trait;

use super::delivery::fan_out;
use super::*;
use crate::kinesis::KinesisError;
use crate::processor::{Checkpointer, Initialize, ProcessRecords};
use crate::testing::shard_id;

/// Is at one batch for ever.
struct Busy(Arc<Notify>);

#[async_trait]
impl RecordProcessor for Busy {
    async fn initialize(&mut self, _: &Initialize) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn process_records(&mut self, _: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Its next owner would be throttled, or lose its subscription again and again.
#[tokio::test(start_paused = true)]
async fn a_shard_whose_lease_is_lost_during_a_long_call_is_read_no_more() {
    for configure in [(|_| {}) as fn(&mut Config), fan_out] {
        let world = World::with_shards(1);
        world.put(0, "first", 1);
        let called = Arc::new(Notify::new());
        let calls = Arc::clone(&called);
        let busy =
            move |_: &ShardId| Box::new(Busy(Arc::clone(&calls))) as Box<dyn RecordProcessor>;
        let _worker = run(world.worker("a", configure), busy);
        called.notified().await;
        world.table.delete(&LeaseKey::of(&shard_id(0)));
        tokio::time::sleep(secs(20)).await;
        world.stream.fail([KinesisError::InUse("by its next owner".to_owned())]);
        let asked = || (world.stream.reads(0), world.stream.subscriptions(0));
        let before = asked();
        tokio::time::sleep(secs(60)).await;
        assert_eq!(asked(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_are_taken_away_are_counted() {
    let world = World::with_shards(1);
    let worker = world.start_with("a", fan_out, |_, _, _| Ok(()));
    let in_use = |_| KinesisError::InUse("by another application".to_owned());
    world.stream.fail((0..5).map(in_use));
    world.wait("all of them", || world.stream.has_failed()).await;
    let names = world.put(0, "record", 3);
    world.wait_for(&names).await;
    assert_eq!(worker.board.shards()[&LeaseKey::of(&shard_id(0))].subscriptions_taken, 5);
}

/// The date that LATEST stands for may be to come for the service; that is not what is wrong here.
#[tokio::test(start_paused = true)]
async fn a_subscription_at_latest_that_is_called_wrong_is_told_of() {
    let world = World::with_shards(1);
    world.stream.refuse_subscriptions();
    let configure = |config: &mut Config| {
        config.initial_position = InitialPosition::Latest;
        fan_out(config);
    };
    let worker = world.start_with("a", configure, |_, _, _| Ok(()));
    let failing = || worker.board.shards().into_values().find_map(|shard| shard.fetch_failing);
    world.wait("it is told", || failing().is_some_and(|it| it.times > 1)).await;
    assert!(failing().unwrap().error.contains("for a reason of its own"));
}
