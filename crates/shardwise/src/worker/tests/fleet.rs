//! Workers together: sharing, taking over, stopping, cleaning up.

use super::*;
use crate::testing::shard_id;

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_releases_its_leases_and_another_has_them_within_seconds() {
    let world = World::with_shards(4);
    let a = world.start("a");
    world.wait("a holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("a"))).await;
    let b = world.start("b");
    let before = world.put(0, "before", 5);
    world.wait_for(&before).await;
    a.stopper.stop();
    assert_eq!(ended(a).await, Stopped { in_order: true });
    assert!((0..4).all(|n| world.owner(n).as_deref() != Some("a")));
    let took =
        world.wait("b holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("b"))).await;
    assert!(took <= secs(2), "{took:?}");
    let after = world.put(0, "after", 5);
    world.wait_for(&after).await;
    assert_eq!(world.log.all_handed().values().max(), Some(&1), "a hand-over repeats nothing");
    let told = world.log.told();
    let asked = told.iter().filter(|told| matches!(told, Told::ShutdownRequested { .. })).count();
    let lost = told.iter().filter(|told| matches!(told, Told::LeaseLost { .. })).count();
    assert!(asked >= 1 && lost >= asked, "{asked} asked, {lost} lost");
    b.stopper.stop();
    assert_eq!(ended(b).await, Stopped { in_order: true });
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_vanishes_is_replaced_within_forty_seconds() {
    let world = World::with_shards(4);
    let a = world.start("a");
    world.wait("a holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("a"))).await;
    let _b = world.start("b");
    tokio::time::sleep(secs(15)).await;
    a.run.abort();
    let took =
        world.wait("b holds all", || (0..4).all(|n| world.owner(n).as_deref() == Some("b"))).await;
    assert!(took <= secs(40), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_come_to_share_the_leases() {
    let world = World::with_shards(6);
    let _workers: Vec<_> = ["a", "b", "c"].map(|name| world.start(name)).into();
    let count = |name: &str| (0..6).filter(|&n| world.owner(n).as_deref() == Some(name)).count();
    world.wait("two leases each", || ["a", "b", "c"].iter().all(|name| count(name) == 2)).await;
    tokio::time::sleep(secs(120)).await;
    assert!(["a", "b", "c"].iter().all(|name| count(name) == 2), "the shares do not last");
}

#[tokio::test(start_paused = true)]
async fn finished_leases_are_deleted_once_their_children_are_under_way() {
    let world = World::with_shards(1);
    let _worker = world.start("a");
    world.put(0, "r", 2);
    world.stream.split(0);
    world.wait("children", || (1..3).all(|n| world.owner(n).is_some())).await;
    tokio::time::sleep(secs(700)).await;
    assert!(world.lease(0).is_some(), "a parent goes before its children have begun");
    world.put(1, "left", 1);
    world.put(2, "right", 1);
    world.wait("the cleanup", || world.lease(0).is_none()).await;
}

/// An eventual scan shows some rows as they are, and others as they were: a parent's is gone, and
/// its children have none yet.
#[tokio::test(start_paused = true)]
async fn an_audit_that_is_not_shown_children_makes_no_lease_of_their_parent_anew() {
    let world = World::with_shards(3);
    let _worker = world.start("a");
    let key = |shard: usize| LeaseKey::of(&shard_id(shard));
    world.put(0, "r", 2);
    world.stream.split(0); // into 3 and 4
    world.wait("children", || (3..5).all(|n| world.owner(n).is_some())).await;
    world.put(3, "left", 1);
    world.put(4, "right", 1);
    world.wait("the cleanup", || world.lease(0).is_none()).await;
    (3..5).for_each(|shard| world.table.hide(&key(shard)));
    world.table.delete(&key(1));
    world.wait("the hole is repaired", || world.lease(1).is_some()).await;
    tokio::time::sleep(secs(10)).await;
    assert!(world.lease(0).is_none());
    assert_eq!(world.log.all_handed().get("r-000"), Some(&1));
}

/// The lease of a shard that is done is gone by now.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_shown_the_table_as_it_was_makes_no_lease_of_a_finished_shard_anew() {
    let world = World::with_shards(1);
    let _first = world.start("a");
    world.put(0, "r", 2);
    world.stream.split(0);
    world.wait("children", || (1..3).all(|n| world.owner(n).is_some())).await;
    world.put(1, "left", 1);
    world.put(2, "right", 1);
    world.wait("the cleanup", || world.lease(0).is_none()).await;
    world.table.show_it_empty(true);
    let _second = world.start("b");
    tokio::time::sleep(secs(10)).await;
    assert!(world.lease(0).is_none());
    assert_eq!(world.log.all_handed().get("r-000"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_by_hand_is_made_again() {
    let world = World::with_shards(2);
    let _worker = world.start("a");
    world.wait("a holds all", || (0..2).all(|n| world.owner(n).is_some())).await;
    world.table.delete(&LeaseKey::new("shardId-000000000001").unwrap());
    world.wait("the repair", || world.owner(1).is_some()).await;
    let names = world.put(1, "r", 3);
    world.wait_for(&names).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_does_not_wait() {
    let world = World::with_shards(1);
    let worker = world.start_with("a", |_| {}, |_, _, _| Ok(()));
    world.wait("a holds it", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Hangs; 50]);
    worker.stopper.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: false });
}

#[tokio::test(start_paused = true)]
async fn a_table_of_another_kind_of_application_is_left_alone() {
    let world = World::with_shards(1);
    let text = |text: &str| Value::S(text.to_owned());
    let key = "111122223333:orders:1700000000:shardId-000000000007";
    let item = [
        ("leaseKey", text(key)),
        ("streamName", text("111122223333:orders:1700000000")),
        ("shardId", text("shardId-000000000007")),
        ("leaseCounter", Value::N("3".to_owned())),
        ("ownerSwitchesSinceCheckpoint", Value::N("0".to_owned())),
        ("checkpoint", text("TRIM_HORIZON")),
    ];
    let item = item.map(|(name, value)| (name.to_owned(), value)).into();
    world.table.put(key, item);
    let run = tokio::time::timeout(secs(60), world.start("a").run).await;
    let error = run.expect("it ends at once").unwrap().unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains(key), "{error}");
    assert!(world.lease(0).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_the_leases_of_finished_shards_too() {
    let world = World::with_shards(1);
    let worker = world.start("a");
    world.put(0, "r", 2);
    world.stream.split(0);
    world.wait("children", || (1..3).all(|n| world.owner(n).is_some())).await;
    world.table.fate([Fate::Throttled, Fate::Throttled]);
    worker.stopper.stop();
    assert_eq!(ended(worker).await, Stopped { in_order: true });
    assert!((0..3).all(|n| world.owner(n).is_none()));
}
