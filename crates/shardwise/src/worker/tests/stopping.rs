//! What a stop leaves in the table.

use super::*;
use crate::status::WorkerPhase;

/// The take is applied after a read has shown the row as it was.
#[tokio::test(start_paused = true)]
async fn a_stop_releases_a_lease_whose_take_came_late() {
    let world = World::with_shards(2);
    world.table.fate([Fate::Answered, Fate::Answered, Fate::Late]);
    let worker = world.start("a");
    world.wait("the late take", || (0..2).all(|shard| world.owner(shard).is_some())).await;
    worker.stopper.stop();
    assert!(ended(worker).await.in_order);
    assert_eq!([world.owner(0), world.owner(1)], [None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_a_lease_that_expires_meanwhile() {
    let world = World::with_shards(1);
    let worker = world.start("a");
    world.wait("a holds it", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Throttled; 14]);
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    assert_eq!(world.owner(0), None);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_leaves_a_lease_behind_is_not_in_order() {
    let world = World::with_shards(1);
    let worker = world.start("a");
    world.wait("a holds it", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Throttled; 1_000]);
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: false });
    assert_eq!(world.owner(0).as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_the_leases_that_are_just_being_taken() {
    let world = World::with_shards(4);
    world.table.fate([Fate::Answered; 4]);
    world.table.fate([Fate::Slow(secs(2)); 4]);
    let worker = world.start("a");
    world.wait("they are taken", || (0..4).all(|n| world.owner(n).is_some())).await;
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    assert!((0..4).all(|n| world.owner(n).is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_does_not_wait_for_leases_that_expired() {
    let world = World::with_shards(1);
    let worker = world.start("a");
    world.wait("a holds it", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Throttled; 1_000]);
    let stopper = worker.stopper.clone();
    stopper.stop();
    // Past the lease's time, and well within the grace.
    tokio::time::sleep(secs(14)).await;
    stopper.stop();
    let stopped = tokio::time::timeout(secs(1), ended(worker)).await;
    assert_eq!(stopped, Ok(Stopped { in_order: false }));
}

#[tokio::test(start_paused = true)]
async fn the_board_tells_what_a_worker_is_at_and_whether_it_is_stuck() {
    let world = World::with_shards(1);
    world.table.fate([Fate::Slow(secs(2))]);
    let worker = world.start("a");
    let board = worker.board.clone();
    assert_eq!(board.worker().phase, WorkerPhase::Starting);
    board.reached(WorkerPhase::Running).await;
    world.wait("a holds it", || world.owner(0).is_some()).await;
    tokio::time::sleep(secs(600)).await;
    assert!(board.worker().quiet_for <= secs(20), "{:?}", board.worker());
    world.table.fate([Fate::Throttled; 14]);
    worker.stopper.stop();
    board.reached(WorkerPhase::Stopping).await;
    assert!(ended(worker).await.in_order);
    assert_eq!(board.worker().phase, WorkerPhase::Ended);
}
