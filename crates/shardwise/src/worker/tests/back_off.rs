//! How soon a processor that fails is replaced.

use async_trait::async_trait;

use super::*;
use crate::processor::{Checkpointer, Initialize, ProcessRecords};

/// Checkpoints nothing, and dies of one record or of the shard's end.
struct Dies {
    log: Log,
    of: &'static str,
}

#[async_trait]
impl RecordProcessor for Dies {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        let (shard, from) = (input.shard.to_string(), input.checkpoint.to_string());
        self.log.note(Told::Initialize { shard, from });
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        match input.records.iter().any(|record| *record.data == *self.of.as_bytes()) {
            true => Err(ProcessorError::restart("died")),
            false => Ok(()),
        }
    }

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        Err(ProcessorError::restart("died"))
    }
}

/// How often processors are started in two minutes; as failing as the board then shows the shard.
async fn starts_in_two_minutes(world: &World, of: &'static str) -> (usize, Option<u32>) {
    let worker = world.worker("a", |config| config.polling.max_records = 1);
    let log = world.log.clone();
    let worker = run(worker, move |_| Box::new(Dies { log: log.clone(), of }));
    tokio::time::sleep(secs(120)).await;
    let told = world.log.told();
    let starts = told.iter().filter(|told| matches!(told, Told::Initialize { .. })).count();
    let failing = worker.board.shards().into_values().find_map(|shard| shard.failing);
    (starts, failing.map(|failing| failing.times))
}

#[tokio::test(start_paused = true)]
async fn good_batches_before_the_one_that_kills_do_not_hasten_the_next_processor() {
    let world = World::with_shards(1);
    world.put(0, "r", 3);
    let (starts, failing) = starts_in_two_minutes(&world, "r-002").await;
    assert!((6..=10).contains(&starts), "{starts}");
    assert!(failing.is_some_and(|times| times >= 6), "{failing:?}");
}

#[tokio::test(start_paused = true)]
async fn nor_do_those_before_an_end_that_kills() {
    let world = World::with_shards(1);
    world.put(0, "r", 3);
    world.stream.split(0);
    let (starts, failing) = starts_in_two_minutes(&world, "no record").await;
    assert!((6..=10).contains(&starts), "{starts}");
    assert!(failing.is_some_and(|times| times >= 6), "{failing:?}");
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_gets_on_each_time_is_replaced_at_once_each_time() {
    let world = World::with_shards(1);
    let names = world.put(0, "r", 20);
    let second = Mutex::new(BTreeSet::new());
    let one = |config: &mut Config| config.polling.max_records = 1;
    let _worker = world.start_with("a", one, move |_, data, _| {
        match second.lock().unwrap().insert(data[0].clone()) {
            true => Err(ProcessorError::restart("the first time")),
            false => Ok(()),
        }
    });
    let took = world.wait_for(&names).await;
    assert!(took < secs(60), "{took:?}");
}
