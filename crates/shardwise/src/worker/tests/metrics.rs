//! What a worker counts.

use shardwise_core::leader;
use shardwise_core::metrics::catalogue as c;

use super::decoding::Strips;
use super::delivery::fan_out;
use super::*;
use crate::testing::{Recording, corrupt_aggregate, shard_id, two_user_records};

/// A world whose workers count, and what they have counted.
fn counting(shards: usize) -> (World, Arc<Recording>) {
    let recording = Arc::new(Recording::default());
    let sink = Arc::clone(&recording) as _;
    (World { sink: Some(sink), ..World::with_shards(shards) }, recording)
}

#[tokio::test(start_paused = true)]
async fn records_bytes_and_calls_are_counted_for_their_shard() {
    let (world, counted) = counting(1);
    let names = world.put(0, "record", 3);
    let worker = world.start("a");
    world.wait_for(&names).await;
    world.wait("a checkpoint", || counted.sum(&c::UPDATE_LEASE.success, SHARD) > 0.0).await;
    assert_eq!(counted.sum(&c::RECORDS_PROCESSED, SHARD), 3.0);
    assert_eq!(counted.sum(&c::DATA_BYTES_PROCESSED, SHARD), 3.0 * 10.0);
    let of_bytes = counted.of(&c::DATA_BYTES_PROCESSED, SHARD).unwrap();
    assert!(of_bytes.count >= 4, "a 0 and a sample for each record, as in KCL");
    for call in [&c::PROCESS, &c::GET_RECORDS, &c::GET_SHARD_ITERATOR, &c::UPDATE_LEASE] {
        let (success, time) = (&call.success, &call.time);
        let of_success = counted.of(success, SHARD).unwrap();
        assert_eq!(of_success.failures(), 0.0, "{success:?}");
        assert_eq!(counted.of(time, SHARD).unwrap().count, of_success.count, "{time:?}");
    }
    assert_eq!(counted.sum(&c::TAKEN_LEASES, "a"), 1.0);
    assert_eq!(counted.sum(&c::CREATE_LEASE_TRIM_HORIZON, ""), 1.0);
    assert_eq!(counted.sum(&c::INITIALIZE_SUCCESS, ""), 1.0);
    worker.stopper.stop();
    ended(worker).await;
    assert!(counted.is_flushed());
}

const SHARD: &str = "shardId-000000000000";

#[tokio::test(start_paused = true)]
async fn reads_without_records_are_empty_batches() {
    let (world, counted) = counting(1);
    let _worker = world.start("a");
    world.wait("ten reads", || counted.sum(&c::PROCESS.success, SHARD) >= 10.0).await;
    assert_eq!(counted.sum(&c::RECORDS_PROCESSED, SHARD), 0.0);
    assert!(counted.of(&c::PROCESS_RECORDS_TIME, SHARD).is_none(), "no call of the processor");
    let lag = counted.of(&c::SHARD_LAG, SHARD).unwrap();
    assert_eq!(lag.count, counted.of(&c::APPLICATION_LAG, "").unwrap().count);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_again_is_another_try_and_no_other_records() {
    let (world, counted) = counting(1);
    let names = world.put(0, "poison", 2);
    let _worker = world.start_with(
        "a",
        |_| {},
        |_, _, attempt| if attempt < 3 { Err(ProcessorError::retry("no good")) } else { Ok(()) },
    );
    world.wait_for(&names).await;
    world.wait("success", || counted.sum(&c::UPDATE_LEASE.success, SHARD) > 0.0).await;
    assert_eq!(counted.of(&c::PROCESS.success, SHARD).unwrap().failures(), 2.0);
    assert_eq!(counted.of(&c::PROCESS_RECORDS_TIME, SHARD).unwrap().count, 3);
    assert_eq!(counted.sum(&c::RECORDS_PROCESSED, SHARD), 2.0);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_timed_and_how_old_a_batch_is_when_it_is_handed_over() {
    let (world, counted) = counting(1);
    let names = world.put(0, "record", 3);
    tokio::time::sleep(secs(60)).await;
    let _worker = world.start_with("a", fan_out, |_, _, _| Ok(()));
    world.wait_for(&names).await;
    let (success, time) = (&c::SUBSCRIBE.success, &c::SUBSCRIBE.time);
    assert_eq!([success, time].map(|metric| counted.of(metric, SHARD).unwrap().count), [1; 2]);
    let age = counted.of(&c::DELIVERY_TIME, SHARD).unwrap();
    let mean = age.sum / age.count as f64;
    assert!((60_000.0..61_000.0).contains(&mean), "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn aggregates_of_another_shard_are_counted() {
    let (world, counted) = counting(2);
    world.stream.put(0, &two_user_records());
    let names = world.put(0, "plain", 1);
    let worker = world.start("a");
    world.wait_for(&names).await;
    assert_eq!(counted.sum(&c::AGGREGATES_LEFT_OUT, SHARD), 1.0);
    let board = worker.board.shards();
    let left_out = |shard| board[&LeaseKey::of(&shard_id(shard))].aggregates_left_out;
    assert_eq!((left_out(0), left_out(1)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn corrupt_aggregates_are_counted() {
    let (world, counted) = counting(2);
    for _ in 0..3 {
        world.stream.put(0, &corrupt_aggregate());
    }
    let names = world.put(0, "plain", 1);
    let worker = world.start("a");
    world.wait("all", || names.is_subset(&world.log.handed())).await;
    assert_eq!(counted.sum(&c::CORRUPT_AGGREGATES, SHARD), 3.0);
    let board = worker.board.shards();
    let corrupt = |shard| board[&LeaseKey::of(&shard_id(shard))].corrupt_aggregates;
    assert_eq!((corrupt(0), corrupt(1)), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_get_on_shows_for_how_long() {
    let (world, counted) = counting(2);
    world.put(0, "poison", 1);
    let _worker = world.start_with("a", |_| {}, |_, _, _| Err(ProcessorError::retry("no good")));
    let stuck = |metric, shard: usize| {
        counted.of(metric, shard_id(shard).as_str()).map_or(0.0, |series| series.standing())
    };
    world.wait("it shows", || stuck(&c::SINCE_PROCESSED, 0) > 60_000.0).await;
    let ten_seconds = 10_000.0;
    assert!(stuck(&c::SINCE_PROCESSED, 1) < ten_seconds);
    assert!(stuck(&c::SINCE_READ, 0) < ten_seconds, "reading goes on");
    let (tries, lag) = (counted.of(&c::PROCESS.success, SHARD), counted.of(&c::SHARD_LAG, SHARD));
    let tries = tries.unwrap();
    assert!(tries.sum <= 1.0 && tries.failures() > 3.0, "a read is no success: {tries:?}");
    assert_eq!(lag.unwrap().count, tries.count, "the lag is that of records handed over");
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_has_is_forgotten() {
    let (world, counted) = counting(1);
    let worker = world.start("a");
    world.wait("a read", || counted.of(&c::SHARD_LAG, SHARD).is_some()).await;
    worker.stopper.stop();
    ended(worker).await;
    assert!(counted.of(&c::SHARD_LAG, SHARD).is_none());
    assert!(counted.of(&c::APPLICATION_LAG, "").is_none(), "it was the only shard");
    assert_eq!(counted.of(&c::CURRENT_LEASES, "a").unwrap().standing(), 0.0);
    assert!(counted.sum(&c::TAKEN_LEASES, "a") > 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_ends_holds_a_stop_up_for_seconds_only() {
    let sink = Arc::new(Recording::that_hangs());
    let world = World { sink: Some(sink), ..World::with_shards(1) };
    let worker = world.start("a");
    world.wait("it is held", || world.owner(0).is_some()).await;
    let asked = world.clock.now();
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    let took = world.clock.now().since(asked);
    assert!(took >= secs(5) && took < secs(7), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_ends_adds_nothing_to_the_grace() {
    let sink = Arc::new(Recording::that_hangs());
    let world = World { sink: Some(sink), ..World::with_shards(1) };
    let set = |config: &mut Config| config.coordinator.shutdown_grace = secs(2);
    let worker = world.start_with("a", set, |_, _, _| Ok(()));
    world.wait("it is held", || world.owner(0).is_some()).await;
    let asked = world.clock.now();
    worker.stopper.stop();
    ended(worker).await;
    assert!(world.clock.now().since(asked) <= secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_cut_short_leaves_no_shard_standing() {
    let (world, counted) = counting(1);
    let worker = world.start("a");
    world.wait("a read", || counted.of(&c::SHARD_LAG, SHARD).is_some()).await;
    worker.stopper.stop();
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: false });
    assert!(counted.of(&c::SHARD_LAG, SHARD).is_none());
}

/// Nothing comes that could succeed: an empty read at the tip says that nothing is left.
#[tokio::test(start_paused = true)]
async fn a_processor_that_was_replaced_on_an_idle_shard_has_got_on() {
    let (world, counted) = counting(1);
    let _worker = world.start("a");
    world.wait("a read", || counted.of(&c::SHARD_LAG, SHARD).is_some()).await;
    world.breaks.notify_one();
    world
        .wait("another processor", || counted.of(&c::INITIALIZE_TIME, "").unwrap().count == 2)
        .await;
    tokio::time::sleep(secs(120)).await;
    let since = counted.of(&c::SINCE_PROCESSED, SHARD).unwrap().standing();
    assert!(since < 10_000.0, "{since}");
}

#[cfg(feature = "prometheus")]
#[tokio::test(start_paused = true)]
async fn what_a_worker_counts_can_be_read_as_text() {
    let metrics = Arc::new(crate::metrics::prometheus::Prometheus::new(Default::default()));
    let sink = Arc::clone(&metrics) as _;
    let world = World { sink: Some(sink), ..World::with_shards(1) };
    let names = world.put(0, "record", 3);
    let worker = world.start("a");
    world.wait_for(&names).await;
    let records = format!(
        "aws_kinesis_client_records_processed_total{{aws_kinesis_operation=\"ProcessTask\",\
         aws_kinesis_shard_id=\"{SHARD}\"}} 3\n"
    );
    world.wait("the text says so", || metrics.render().contains(&records)).await;
    worker.stopper.stop();
    ended(worker).await;
    for seconds in [1, 2, 310, 620] {
        let text = metrics.render_at(shardwise_core::time::Time::from_start(secs(seconds)));
        assert!(text.contains(&records), "told to each of several, after {seconds} s");
    }
    let text = metrics.render_at(shardwise_core::time::Time::from_start(secs(621)));
    assert!(!text.contains(SHARD), "it is another worker's now");
}

/// What is in the catalogue happens: a metric that nobody tells would be a promise not kept.
#[tokio::test(start_paused = true)]
async fn every_metric_of_the_catalogue_is_told_by_some_worker() {
    let (world, counted) = counting(2);
    world.put(0, "record", 3);
    world.stream.put(0, &two_user_records());
    world.stream.put(0, &corrupt_aggregate());
    let a = world.worker("a", |_| {}).with_decoder(Strips);
    let a = run(a, world.recorders(|_, _, _| Ok(())));
    world.wait("it reads", || counted.was_told(&c::SHARD_LAG)).await;
    world.stream.fail([KinesisError::Expired, KinesisError::Throttled]);
    world.wait("failures are told", || world.stream.has_failed()).await;
    world.stream.split(1);
    world
        .wait("a lease of a child is made", || counted.was_told(&c::CREATE_CHILD_LEASE.time))
        .await;
    world.table.delete(&LeaseKey::of(&shard_id(0)));
    world.wait("a lease is lost", || counted.sum(&c::LOST_LEASES, "a") > 0.0).await;
    world.wait("a hole is repaired", || counted.sum(&c::STREAMS_TO_SYNC, "") > 0.0).await;
    world.stream.split(2);
    world.stream.hide(2, true);
    world.wait("a shard is gone", || counted.was_told(&c::RETENTION_GAPS)).await;
    a.stopper.stop();
    ended(a).await;
    for start in [InitialPosition::Latest, InitialPosition::AtTimestamp(world.clock.date())] {
        let sink = Some(Arc::clone(&counted) as _);
        let world = World { sink, ..World::with_shards(1) };
        let set = |config: &mut Config| {
            config.initial_position = start;
            fan_out(config);
        };
        let worker = world.start_with("a", set, |_, _, _| Ok(()));
        world.wait("a subscription", || counted.was_told(&c::SUBSCRIBE.time)).await;
        world.wait("it is held", || world.owner(0).is_some()).await;
        worker.stopper.stop();
        ended(worker).await;
    }
    let untold: Vec<_> = c::all().filter(|metric| !counted.was_told(metric)).collect();
    assert!(untold.is_empty(), "{untold:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_cannot_read_the_table_has_failed() {
    let (world, counted) = counting(1);
    let _worker = world.start("a");
    world.wait("an audit", || counted.sum(&c::AUDIT.success, "") > 0.0).await;
    assert_eq!(counted.of(&c::AUDIT.success, "").unwrap().failures(), 0.0);
    world.table.refuse_scans(true);
    let failed = || counted.of(&c::AUDIT.success, "").unwrap().failures() > 0.0;
    world.wait("an audit that fails", failed).await;
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_was_found_is_for_the_next_leader_to_tell_of() {
    let both = ["a", "b"].map(|name| WorkerId::new(name).unwrap());
    let next = leader::shuffled_leader(both.clone()).unwrap();
    let first = both.into_iter().find(|other| *other != next).unwrap();
    let (world, counted) = counting(2);
    let _first = world.start(first.as_str());
    world.wait("leases", || world.owner(0).is_some() && world.owner(1).is_some()).await;
    world.table.hide(&world.lease(1).unwrap().key);
    let holes = || counted.of(&c::STREAMS_WITH_HOLES, "").map(|series| series.standing());
    world.wait("a hole", || holes() == Some(1.0)).await;
    let silent = World {
        stream: Arc::clone(&world.stream),
        table: Arc::clone(&world.table),
        clock: Arc::clone(&world.clock),
        ..World::with_shards(1)
    };
    world.stream.split(0);
    let _next = silent.start(next.as_str());
    world.wait("nothing to tell of", || holes() == Some(0.0)).await;
    assert_eq!(counted.of(&c::IS_LEADER, "").unwrap().standing(), 0.0);
}
