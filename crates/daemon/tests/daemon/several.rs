//! Children that serve several shards, where both sides want that.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Daemon, Event, World, child, data, processes, runs, until, until_gone};

const THREE: &str = "shardwise.shardsPerChild = 3";

fn start(world: &World, failing: &str) -> Daemon {
    let program = child("kcl_several.js");
    let executable = format!("node {program} {} {failing}", world.path().display());
    Daemon::start(&world.properties(&executable, THREE), world.path())
}

/// Which process each shard was begun in last.
fn homes(journal: &[Event]) -> BTreeMap<String, i32> {
    let begun = journal.iter().filter(|event| event.is("initialize"));
    begun.map(|event| (event.text("shard").to_owned(), event.number("pid"))).collect()
}

fn count(journal: &[Event], what: &str) -> usize {
    journal.iter().filter(|event| event.is(what)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_shards_live_in_three_children_and_each_record_comes_once_in_order() {
    let world = World::new(7).await;
    let daemon = start(&world, "none");
    let mut records = world.put("a", 140).await;
    world.until_processed(&daemon, &records).await;
    records.extend(world.put("b", 140).await);
    let journal = world.until_processed(&daemon, &records).await;
    assert_eq!(data(&journal).len(), records.len(), "each once");
    let homes = homes(&journal);
    let children: BTreeSet<i32> = homes.values().copied().collect();
    assert_eq!((homes.len(), children.len()), (7, 3), "{homes:?}");
    let mut last = BTreeMap::new();
    for event in journal.iter().filter(|event| event.is("record")) {
        let number = event.text("number").to_owned();
        let before = last.insert(event.text("shard").to_owned(), number.clone());
        assert!(before.is_none_or(|before| before < number), "{event:?}");
    }
    let log = daemon.log();
    for (shard, home) in &homes {
        let mine = format!("fields=\"of=\\\"{shard}\\\"");
        let logged = log.lines().find(|line| line.contains(&mine)).unwrap_or(&log);
        assert!(logged.contains(&format!(" child pid={home} ")), "{logged}");
    }
    let told = journal.iter().find(|event| event.is("processRecords")).unwrap();
    let fields = told.value("fields").to_string();
    assert_eq!(fields, r#"["checkpointer","millisBehindLatest","records"]"#);

    assert_eq!(daemon.stop().await, 0);
    let journal = world.journal();
    assert_eq!(count(&journal, "shutdownRequested"), 7);
    assert_eq!(count(&journal, "leaseLost"), 7);
    until_gone(&processes(&journal)).await;
    let rows = world.lease_rows().await;
    assert!(rows.iter().all(|row| row.owner.is_none()), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_takes_its_own_shards_with_it_and_no_others() {
    let world = World::new(6).await;
    let daemon = start(&world, "none");
    let records = world.put("a", 60).await;
    let journal = world.until_processed(&daemon, &records).await;
    let before = homes(&journal);
    let dies = before["shardId-000000000000"];
    kill_process(Pid::from_raw(dies).unwrap(), Signal::KILL).unwrap();
    let hit: BTreeSet<&String> =
        before.iter().filter(|(_, home)| **home == dies).map(|(shard, _)| shard).collect();
    assert_eq!(hit.len(), 3, "{before:?}");
    let more = world.put("b", 60).await;
    let journal = world.until_processed(&daemon, &more).await;
    let after = homes(&journal);
    for (shard, home) in &before {
        assert_eq!(after[shard] != *home, hit.contains(shard), "{shard}: {before:?} {after:?}");
    }
    let children: BTreeSet<i32> = after.values().copied().collect();
    assert_eq!(children.len(), 2, "they share one again: {after:?}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_processed_comes_again_with_those_of_its_neighbours() {
    let world = World::new(3).await;
    let daemon = start(&world, "a-13");
    let records = world.put("a", 30).await;
    let journal = world.until_processed(&daemon, &records).await;
    let seen = data(&journal);
    assert_eq!(seen.iter().filter(|data| *data == "a-13").count(), 2);
    assert!(daemon.log().contains("cannot process a-13"), "{}", daemon.log());
    assert_eq!(daemon.stop().await, 0);
}

/// The parents leave their child; the shards that come of a split join those that are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_ends_leaves_its_child_to_the_others() {
    let world = World::new(2).await;
    let daemon = start(&world, "none");
    let mut records = world.put("a", 20).await;
    world.until_processed(&daemon, &records).await;
    world.split().await;
    records.extend(world.put("b", 40).await);
    let journal = world.until_processed(&daemon, &records).await;
    until("ended", async || {
        let ended = count(&world.journal(), "shardEnded");
        if ended == 1 { Ok(()) } else { Err(daemon.log()) }
    })
    .await;
    let homes = homes(&journal);
    assert_eq!(homes.len(), 4, "{homes:?}");
    let lives = homes["shardId-000000000001"];
    assert!(runs(lives), "the other shard's child");
    assert_eq!(data(&journal).len(), records.len(), "each once");
    assert_eq!(daemon.stop().await, 0);
    until_gone(&processes(&world.journal())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_want_several_shards_has_a_child_for_each() {
    let world = World::new(4).await;
    let daemon = world.daemon("", THREE);
    let records = world.put("a", 20).await;
    let journal = world.until_processed(&daemon, &records).await;
    assert_eq!(processes(&journal).len(), 4);
    assert!(daemon.log().contains("child serves one shard only"), "{}", daemon.log());
    assert_eq!(data(&journal).len(), records.len(), "each once");
    assert_eq!(daemon.stop().await, 0);
}
