//! Many shards, and fewer bytes than they have.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;

use super::delivery::fan_out;
use super::*;
use crate::decoder::Decoder;
use crate::kinesis::Record;
use crate::testing::shard_id;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Puts records of 100 KiB, whose first line is their name.
fn put_large(world: &World, shard: usize, prefix: &str, count: usize) -> BTreeSet<String> {
    let names = (0..count).map(|number| format!("{prefix}-{number:03}\n{}", "x".repeat(100 * KIB)));
    let names: BTreeSet<String> = names.collect();
    names.iter().for_each(|name| world.stream.put(shard, name.as_bytes()));
    names
}

fn small(config: &mut Config) {
    config.byte_budget = 800 * KIB;
}

fn small_and_pushed(config: &mut Config) {
    small(config);
    fan_out(config);
}

fn all_of(world: &World, shards: usize) -> BTreeSet<String> {
    (0..shards).flat_map(|shard| put_large(world, shard, &shard.to_string(), 30)).collect()
}

/// The batches of a shard that were handed over for the first time, by the names of their records.
fn batches_of(world: &World, index: usize) -> Vec<Vec<String>> {
    let name = |record: String| record.lines().next().unwrap().to_owned();
    let mut batches = Vec::new();
    for told in world.log.told() {
        if let Told::Records { shard, data, attempt: 1 } = told
            && shard == shard_id(index).to_string()
        {
            batches.push(data.into_iter().map(name).collect());
        }
    }
    batches
}

#[tokio::test(start_paused = true)]
async fn more_than_the_budget_gets_through_bit_by_bit() {
    for configure in [small, small_and_pushed] {
        let world = World::with_shards(6);
        let names = all_of(&world, 6);
        let _worker = world.start_with("a", configure, |_, _, _| Ok(()));
        world.wait_for(&names).await;
        assert_eq!(world.log.all_handed().values().max(), Some(&1));
    }
}

/// What it has read ahead is read again.
#[tokio::test(start_paused = true)]
async fn a_shard_that_fails_gives_back_what_it_borrowed_and_loses_nothing() {
    let world = World::with_shards(1);
    let names = put_large(&world, 0, "r", 100);
    let fives = |config: &mut Config| config.polling.max_records = 5;
    let budget = Budget::new(64 * MIB);
    let worker = world.worker("a", fives).with_budget(budget.clone());
    let is_broken = Arc::new(Mutex::new(true));
    let breaks = Arc::clone(&is_broken);
    let _worker = run(
        worker,
        world.recorders(move |_, _, _| match *breaks.lock().unwrap() {
            true => Err(ProcessorError::retry("no")),
            false => Ok(()),
        }),
    );
    world.wait("it has borrowed", || budget.used() > 3 * MIB / 2).await;

    // All that is left is lent, and one more waits.
    let shares = [0; 4].map(|_| budget.share(usize::MAX));
    let mut held = Vec::new();
    for share in &shares {
        held.push(share.reserve(16 * MIB).await);
    }
    let late = &shares[3];
    let waits = tokio::time::timeout(secs(600), late.reserve(MIB));
    held.push(waits.await.expect("it is given back"));
    *is_broken.lock().unwrap() = false;
    world.wait_for(&names).await;
    let expected: Vec<String> = (0..100).map(|number| format!("r-{number:03}")).collect();
    assert_eq!(batches_of(&world, 0).concat(), expected);
}

/// So it is with a child that died: what the next one is handed is read anew.
#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_for_its_next_processor_holds_nothing() {
    for breaks_between_calls in [false, true] {
        let world = World::with_shards(1);
        put_large(&world, 0, "r", 100);
        let configure = |config: &mut Config| {
            config.polling.max_records = 5;
            config.processor.backoff = secs(3_600);
            config.processor.backoff_max = secs(3_600);
        };
        let budget = Budget::new(64 * MIB);
        let worker = world.worker("a", configure).with_budget(budget.clone());
        let act = move |_: &ShardId, _: &[String], _| match breaks_between_calls {
            true => Ok(()),
            false => Err(ProcessorError::restart("no")),
        };
        let worker = run(worker, world.recorders(act));
        if breaks_between_calls {
            world.wait("a batch", || !world.log.handed().is_empty()).await;
            world.breaks.notify_one();
        }
        let is_failing = || worker.board.shards().values().any(|shard| shard.failing.is_some());
        world.wait("a failure", is_failing).await;
        tokio::time::sleep(secs(60)).await;
        assert_eq!(budget.used(), 0);
    }
}

/// Two workers of one process.
#[tokio::test(start_paused = true)]
async fn a_budget_can_be_shared() {
    let budget = Budget::new(800 * KIB);
    let held = budget.share(usize::MAX).reserve(200 * KIB).await;
    let world = World::with_shards(1);
    let names = put_large(&world, 0, "r", 30);
    let worker = world.worker("a", |_| {}).with_budget(budget.clone());
    let _worker = run(worker, world.recorders(|_, _, _| Ok(())));
    world.wait_for(&names).await;
    world.wait("all is given back", || budget.used() == held.bytes()).await;
}

/// Takes its time, sees how much of the budget is used by then, and makes small of what it gets.
struct Watches {
    budget: Budget,
    most: Arc<Mutex<usize>>,
}

#[async_trait]
impl Decoder for Watches {
    async fn decode(&self, _: &Record) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        tokio::time::sleep(secs(1)).await;
        let mut most = self.most.lock().unwrap();
        *most = self.budget.used().max(*most);
        Ok(Bytes::from_static(b"small"))
    }
}

/// Each of them could be answered with 10 MiB at once. What is lent to the first shards is on top
/// of what those have that come later.
#[tokio::test(start_paused = true)]
async fn first_reads_of_many_shards_with_large_records_keep_to_what_budgets_may_come_to() {
    const SHARDS: usize = 256;
    let world = World::with_shards(SHARDS);
    let data = Bytes::from(vec![b'x'; MIB - KIB]);
    let put_ten = |shard| (0..10).for_each(|_| world.stream.put_shared(shard, data.clone()));
    (0..SHARDS).for_each(put_ten);
    let (budget, most) = (Budget::new(256 * MIB), Arc::default());
    let watches = Watches { budget: budget.clone(), most: Arc::clone(&most) };
    let worker = world.worker("a", |_| {}).with_budget(budget).with_decoder(watches);
    let _worker = run(worker, world.recorders(|_, _, _| Ok(())));
    let handed = || world.log.all_handed().get("small").copied();
    world.wait("all", || handed() == Some(10 * SHARDS)).await;
    let most = *most.lock().unwrap() / MIB;
    assert!((200..=256 + 64 + 256).contains(&most), "{most} MiB");
}

#[tokio::test(start_paused = true)]
async fn first_reads_of_many_shards_with_small_records_are_full() {
    const SHARDS: usize = 256;
    let world = World::with_shards(SHARDS);
    let names: BTreeSet<_> =
        (0..SHARDS).flat_map(|shard| world.put(shard, &format!("{shard} has"), 20)).collect();
    let _worker = world.start("a");
    world.wait_for(&names).await;
    assert!((0..SHARDS).all(|shard| batches_of(&world, shard)[0].len() == 20));
}

/// Three of the service's largest records in one answer.
#[tokio::test(start_paused = true)]
async fn a_large_answer_comes_in_batches() {
    let world = World::with_shards(1);
    for _ in 0..3 {
        world.stream.put(0, &vec![b'x'; 10 << 20]);
    }
    let _worker = world.start("a");
    let sizes = || batches_of(&world, 0).iter().map(Vec::len).collect::<Vec<_>>();
    world.wait("all", || sizes().iter().sum::<usize>() == 3).await;
    assert_eq!(sizes(), [2, 1]);
}

/// The first batch has two of them, and nothing more is lent to the shard while it has these.
#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_large_answer_counts_while_its_first_batch_is_processed() {
    let world = World::with_shards(1);
    for _ in 0..3 {
        world.stream.put(0, &vec![b'x'; 10 << 20]);
    }
    let (budget, most) = (Budget::new(64 * MIB), Arc::default());
    let watches = Watches { budget: budget.clone(), most: Arc::clone(&most) };
    let worker = world.worker("a", |_| {}).with_budget(budget.clone()).with_decoder(watches);
    let _worker = run(worker, world.recorders(|_, _, _| Ok(())));
    world.wait("all", || world.log.all_handed().get("small") == Some(&3)).await;
    assert_eq!(*most.lock().unwrap() / MIB, 30);
    world.wait("all is given back", || budget.used() <= MIB).await;
}

/// Takes its time with each record.
struct Slow;

#[async_trait]
impl Decoder for Slow {
    async fn decode(&self, record: &Record) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        Ok(record.data.clone())
    }
}

/// Each shard has no more than its own of the budget: what was pushed is with the processor for
/// three seconds, and nothing is pushed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_processor_that_takes_a_few_seconds_a_batch_keeps_its_subscription() {
    let world = World::with_shards(4);
    let names: BTreeSet<_> = (0..4).flat_map(|shard| world.put(shard, "record", 40)).collect();
    let all_its_own = |config: &mut Config| {
        fan_out(config);
        config.byte_budget = 4 * MIB;
    };
    let worker = world.worker("a", all_its_own).with_decoder(Slow);
    let _worker = run(worker, world.recorders(|_, _, _| Ok(())));
    world.wait_for(&names).await;
    assert_eq!([0, 1, 2, 3].map(|shard| world.stream.subscriptions(shard)), [1; 4]);
}
