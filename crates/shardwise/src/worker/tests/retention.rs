//! What retention removes before it is read.

use shardwise_core::metrics::catalogue::RETENTION_GAPS;
use shardwise_core::retention::Gap;
use shardwise_core::sequence::SequenceNumber;

use super::delivery::fan_out;
use super::*;
use crate::testing::{Recording, shard_id};

/// The checkpoint at this number. The shard itself has 1, its records go on from there.
fn place(number: u64) -> Checkpoint {
    Checkpoint::parse(&number.to_string(), 0).unwrap()
}

/// A worker processes two records, up to the number 3, and stops.
async fn leave_at_third(world: &World, configure: fn(&mut Config)) {
    let first = world.put(0, "first", 2);
    let worker = world.start_with("a", configure, |_, _, _| Ok(()));
    world.wait_for(&first).await;
    let checkpoint = || world.lease(0).is_some_and(|lease| lease.checkpoint == place(3));
    world.wait("the checkpoint", checkpoint).await;
    worker.stopper.stop();
    ended(worker).await;
}

#[tokio::test(start_paused = true)]
async fn where_records_may_be_lost_behind_a_checkpoint_is_on_the_board_and_counted() {
    let kept = || (0, None);
    let lost = |before| (1, Some(Gap { after: place(3), before }));
    for configure in [(|_| {}) as fn(&mut Config), fan_out] {
        for (expired, gaps) in [(1, kept()), (4, lost(number_of(6)))] {
            let counted = Arc::new(Recording::default());
            let sink = Some(Arc::clone(&counted) as _);
            let world = World { sink, ..World::with_shards(1) };
            leave_at_third(&world, configure).await;

            world.put(0, "unread", 2);
            let last = world.put(0, "last", 1);
            world.stream.expire(0, expired);
            let worker = world.start_with("b", configure, |_, _, _| Ok(()));
            world.wait_for(&last).await;
            let status = worker.board.shards().into_values().next().unwrap();
            assert_eq!((status.retention_gaps, status.last_retention_gap), gaps);
            let shard = shard_id(0);
            assert_eq!(counted.sum(&RETENTION_GAPS, shard.as_str()), gaps.0 as f64);
        }
    }
}

/// At the record behind the gap it fails until it is told otherwise; each time, a new one is made.
#[tokio::test(start_paused = true)]
async fn a_gap_is_told_once_however_often_a_processor_begins_at_it() {
    for configure in [(|_| {}) as fn(&mut Config), fan_out] {
        let world = World::with_shards(1);
        leave_at_third(&world, configure).await;

        world.put(0, "unread", 4);
        world.stream.expire(0, 4);
        let worker = world.start_with("b", configure, |_, _, _| Err(ProcessorError::restart("no")));
        let starts = || world.log.told().iter().filter(|told| is_start(told)).count();
        let gaps = || {
            let status = worker.board.shards().into_values().next().unwrap();
            (status.retention_gaps, status.last_retention_gap)
        };
        let lost = |before| Some(Gap { after: place(3), before });
        world.wait("several processors", || starts() > 4).await;
        assert_eq!(gaps(), (1, lost(number_of(6))));

        let before = starts();
        world.stream.expire(0, 5);
        world.wait("several more", || starts() > before + 3).await;
        assert_eq!(gaps(), (2, lost(number_of(7))), "it reaches further");
    }
}

/// All that it reads is as old as that: it has to look each time whether something is gone.
#[tokio::test(start_paused = true)]
async fn a_reader_of_one_record_a_time_gets_on_where_the_stream_keeps_more_than_it_must() {
    let world = World::with_shards(1);
    world.stream.says_that_it_keeps(Duration::ZERO);
    let all = world.put(0, "old", 5);
    let one_by_one = |config: &mut Config| config.polling.max_records = 1;
    let worker = world.start_with("a", one_by_one, |_, _, _| Ok(()));
    world.wait_for(&all).await;
    let status = worker.board.shards().into_values().next().unwrap();
    assert_eq!(status.retention_gaps, 0);
}

fn is_start(told: &Told) -> bool {
    matches!(told, Told::Initialize { .. })
}

fn number_of(number: u64) -> Option<SequenceNumber> {
    SequenceNumber::parse(&number.to_string()).ok()
}
