//! What is handed over when nothing goes wrong.

use super::*;
use crate::testing::two_user_records;

#[tokio::test(start_paused = true)]
async fn a_new_application_hands_everything_over_and_checkpoints_it() {
    let world = World::with_shards(4);
    let names: BTreeSet<_> = (0..4).flat_map(|n| world.put(n, &format!("s{n}"), 25)).collect();
    let _worker = world.start("a");
    let took = world.wait_for(&names).await;
    assert!(took < secs(1), "{took:?}");
    assert_eq!(world.log.all_handed().values().max(), Some(&1));
    world
        .wait("checkpoints", || {
            (0..4).all(|n| matches!(world.lease(n).unwrap().checkpoint, Checkpoint::At { .. }))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn children_start_after_their_parents_through_a_split_and_a_merge() {
    let world = World::with_shards(2);
    let mut names = world.put(0, "before", 10);
    let _worker = world.start("a");
    world.stream.split(0); // into 2 and 3
    names.extend(world.put(2, "left", 10));
    names.extend(world.put(3, "right", 10));
    world.stream.merge(2, 3); // into 4
    names.extend(world.put(4, "merged", 10));
    world.wait_for(&names).await;
    for (parent, child) in [(0, 2), (0, 3), (2, 4), (3, 4)] {
        let (parent, child) = (format!("shardId-{parent:012}"), format!("shardId-{child:012}"));
        let ended = world.position_of(|told| *told == Told::ShardEnded { shard: parent.clone() });
        let began = world.position_of(|told| of_shard(told) == child);
        assert!(ended < began, "{child} began before {parent} had ended");
    }
    assert_eq!(world.lease(0).unwrap().checkpoint, Checkpoint::ShardEnd);
    assert_eq!(world.lease(0).unwrap().children.len(), 2);
}

pub(super) fn fan_out(config: &mut Config) {
    config.retrieval = Retrieval::FanOut(StreamConsumer::Named("reader".to_owned()));
}

/// The name in the settings finds its consumer, or registers it, once for all shards and workers.
#[tokio::test(start_paused = true)]
async fn with_fan_out_records_are_pushed_through_a_split() {
    let world = World::with_shards(2);
    let mut names = world.put(0, "before", 10);
    let _first = world.start_with("a", fan_out, |_, _, _| Ok(()));
    let _second = world.start_with("b", fan_out, |_, _, _| Ok(()));
    names.extend(world.put(1, "other", 10));
    world.wait_for(&names).await;
    world.stream.split(0); // into 2 and 3
    names.extend(world.put(2, "left", 10));
    world.wait_for(&names).await;
    assert_eq!(world.lease(0).unwrap().checkpoint, Checkpoint::ShardEnd);
    assert_eq!(world.log.all_handed().values().max(), Some(&1));
    assert_eq!((0..4).map(|shard| world.stream.reads(shard)).sum::<u32>(), 0, "nothing is polled");
}

#[tokio::test(start_paused = true)]
async fn an_idle_shard_is_asked_once_a_second() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    tokio::time::sleep(secs(100)).await;
    let reads = world.stream.reads(0);
    assert!((90..=101).contains(&reads), "{reads}");
}

/// The service counts the call of a reader that was dropped before its answer came.
#[tokio::test(start_paused = true)]
async fn a_reader_that_replaces_one_in_a_call_waits_as_that_one_would_have() {
    let world = World::with_shards(1);
    let set = |config: &mut Config| config.processor.backoff = Duration::from_millis(1);
    let _worker = world.start_with("a", set, |_, _, _| Ok(()));
    for time in 0..5 {
        world.stream.hang_next_read();
        let before = world.stream.asked(0).len();
        world.wait("a call hangs", || world.stream.asked(0).len() > before).await;
        world.breaks.notify_one();
        world.wait("another call", || world.stream.asked(0).len() > before + 1).await;
        let asked = world.stream.asked(0);
        let gaps = asked.windows(2).map(|pair| pair[1].0 - pair[0].0);
        let shortest = gaps.min().unwrap();
        assert!(shortest >= Duration::from_millis(200), "{time}: {shortest:?}");
    }
}

/// The record at the checkpoint comes and is left out. What came next was reserved for as if
/// records had one byte each.
#[tokio::test(start_paused = true)]
async fn behind_a_record_that_is_left_out_no_more_is_asked_for_than_there_is_room_for() {
    let world = World::with_shards(1);
    let record = world.put(0, "record", 1);
    let first = world.start("a");
    world.wait_for(&record).await;
    let is_at_record = |lease: Lease| matches!(lease.checkpoint, Checkpoint::At { .. });
    world.wait("the checkpoint", || world.lease(0).is_some_and(is_at_record)).await;
    first.stopper.stop();
    ended(first).await;
    let before = world.stream.asked(0).len();
    let _second = world.start("b");
    world.wait("a second read", || world.stream.asked(0).len() > before + 1).await;
    let (_, records_max) = world.stream.asked(0)[before + 1];
    assert!((1..10_000).contains(&records_max), "{records_max}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_with_records_is_asked_five_times_a_second() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    for count in 0..60 {
        world.put(0, &count.to_string(), 1);
        tokio::time::sleep(secs(1)).await;
    }
    let reads = world.stream.reads(0);
    assert!((280..=301).contains(&reads), "{reads}");
}

/// As the service does, when another application reads the shard as well.
#[tokio::test(start_paused = true)]
async fn a_shard_whose_reads_are_throttled_is_asked_once_a_second() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    let reads = reads_in_fifty_seconds_after_a_refusal(&world).await;
    assert!((45..=51).contains(&reads), "{reads}");
}

/// A processor that is made anew has another reader; the service knows only the shard.
#[tokio::test(start_paused = true)]
async fn a_shard_whose_reads_are_throttled_is_asked_once_a_second_by_all_its_readers() {
    let world = World::with_shards(1);
    let _worker = world.start_with("a", |_| {}, restarts_at_each(10));
    let reads = reads_in_fifty_seconds_after_a_refusal(&world).await;
    assert!(reads <= 51, "{reads}");
}

async fn reads_in_fifty_seconds_after_a_refusal(world: &World) -> u32 {
    world.wait_for(&world.put(0, "first", 1)).await;
    world.stream.fail([KinesisError::Throttled]);
    world.wait("the refusal", || world.stream.has_failed()).await;
    let before = world.stream.reads(0);
    for count in 0..50 {
        world.put(0, &count.to_string(), 1);
        tokio::time::sleep(secs(1)).await;
    }
    world.stream.reads(0) - before
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_not_subscribed_to_again_within_five_seconds_by_any_of_its_readers() {
    let world = World::with_shards(1);
    let _worker = world.start_with("a", fan_out, restarts_at_each(3));
    for count in 0..50 {
        world.put(0, &count.to_string(), 1);
        tokio::time::sleep(secs(1)).await;
    }
    let last = world.put(0, "last", 1);
    world.wait_for(&last).await;
    assert_eq!(world.stream.in_use(), 0);
}

/// Each so-manyth call wants a new processor.
fn restarts_at_each(
    number: u32,
) -> impl Fn(&ShardId, &[String], u32) -> Result<(), ProcessorError> + Send + Sync {
    let calls = Mutex::new(0_u32);
    move |_, _, _| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        if calls.is_multiple_of(number) {
            Err(ProcessorError::restart("on purpose"))
        } else {
            Ok(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_waits_while_its_parents_row_cannot_be_read() {
    let world = World::with_shards(1);
    world.stream.split(0); // into 1 and 2
    let key = |shard: usize| LeaseKey::new(format!("shardId-{shard:012}")).unwrap();
    let child =
        Lease { parents: [key(0).shard()].into(), ..Lease::new(key(1), Checkpoint::TrimHorizon) };
    world.table.apply(&shardwise_core::row::create(&child));
    let parent = Lease::new(key(0), Checkpoint::ShardEnd);
    let Action::Put(row) = shardwise_core::row::create(&parent).action else { panic!() };
    let mut damaged = row.clone();
    damaged.insert("leaseCounter".to_owned(), Value::S("seven".to_owned()));
    world.table.put(key(0).as_str(), damaged);
    let names = world.put(1, "child", 3);

    let _worker = world.start("a");
    world.wait("a holds the child", || world.owner(1).is_some()).await;
    tokio::time::sleep(secs(60)).await;
    assert!(world.log.told().is_empty(), "{:?}", world.log.told());
    world.table.put(key(0).as_str(), row);
    world.wait_for(&names).await;
}

/// A stream that fails twice before the first record comes again.
async fn reading_goes_on_inside_an_aggregate(configure: fn(&mut Config)) {
    let world = World::with_shards(1);
    world.stream.put(0, &two_user_records());
    let worker = world.start_with("a", configure, |_, _, _| Ok(()));
    world.wait("both", || world.log.all_handed().len() == 2).await;
    let behind_both = |lease: Lease| lease.checkpoint.sub_sequence() == 1;
    world.wait("a checkpoint", || world.lease(0).is_some_and(behind_both)).await;
    worker.stopper.stop();
    ended(worker).await;

    // As if the second user record had not been processed yet.
    let lease = world.lease(0).unwrap();
    let inside = Checkpoint::parse(lease.checkpoint.as_str(), 0).unwrap();
    let Action::Put(row) =
        shardwise_core::row::create(&Lease { checkpoint: inside, ..lease }).action
    else {
        panic!()
    };
    world.table.put("shardId-000000000000", row);
    world.stream.fail([KinesisError::Expired, KinesisError::Unanswered("cut".into())]);
    let _again = world.start_with("b", configure, |_, _, _| Ok(()));
    world.wait("the second again", || world.log.all_handed()["world!"] == 2).await;
    assert_eq!(world.log.all_handed()["hello"], 1);
    assert!(world.stream.has_failed());
}

#[tokio::test(start_paused = true)]
async fn user_records_are_delivered_and_reading_goes_on_inside_their_aggregate() {
    reading_goes_on_inside_an_aggregate(|_| {}).await;
}

/// Java's next subscription begins AFTER the checkpoint, and leaves the second one out.
#[tokio::test(start_paused = true)]
async fn a_subscription_that_breaks_before_its_first_event_goes_on_inside_an_aggregate() {
    reading_goes_on_inside_an_aggregate(fan_out).await;
}

#[tokio::test(start_paused = true)]
async fn a_continuation_before_what_was_read_brings_nothing_twice() {
    let world = World::with_shards(1);
    world.stream.continue_too_early();
    let mut names = world.put(0, "first", 4);
    let _worker = world.start_with("a", fan_out, |_, _, _| Ok(()));
    world.wait_for(&names).await;
    let text = "cut off".into();
    world.stream.fail([KinesisError::Unanswered(text)]);
    world.wait("the cut", || world.stream.has_failed()).await;
    names.extend(world.put(0, "second", 2));
    world.wait_for(&names).await;
    assert_eq!(world.log.all_handed().values().max(), Some(&1), "{:?}", world.log.told());
}
