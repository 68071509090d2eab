use std::collections::BTreeMap;

use shardwise_core::row::Value;
use shardwise_referee::{Handed, Shard};

use super::*;

fn start(t: u64, tenure: &str, worker: &str) -> Event {
    Event::Start {
        t,
        tenure: tenure.to_owned(),
        worker: Some(worker.to_owned()),
        shard: "s".to_owned(),
        place: Place::TrimHorizon,
        pending: None,
    }
}

fn hand(t: u64, tenure: &str) -> Event {
    Event::Hand { t, tenure: tenure.to_owned(), records: Vec::<Handed>::new() }
}

fn done(t: u64, tenure: &str) -> Event {
    Event::Done { t, tenure: tenure.to_owned(), error: None }
}

fn row(holder: Option<&str>, checkpoint: Place) -> Row {
    Row { holder: holder.map(str::to_owned), checkpoint, ..Row::default() }
}

fn write(t: u64, key: &str, by: Option<&str>, rows: [Option<Row>; 2]) -> LeaseWrite {
    let [before, after] = rows;
    let by = by.map(str::to_owned);
    LeaseWrite { t, key: key.to_owned(), by, before, after, ..LeaseWrite::default() }
}

fn shard(id: &str, parents: &[&str]) -> Shard {
    let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
    Shard { shard: id.to_owned(), parents }
}

fn counted(journals: &Journals, what: &str) -> u64 {
    let mut tally = Tally::default();
    count(journals, &Counts::default(), &mut tally);
    tally.of(what)
}

#[test]
fn tenures_overlap_while_the_call_of_one_that_lives_is_out() {
    let begin = [start(1, "a/1", "a"), hand(2, "a/1"), start(3, "b/1", "b")];
    let overlaps = |more: Vec<Event>, workers: Vec<WorkerEvent>| {
        let events = begin.iter().cloned().chain(more).collect();
        counted(&Journals { hand_overs: vec![events], workers, ..Journals::default() }, OVERLAP)
    };
    assert_eq!(overlaps(vec![hand(4, "b/1")], vec![]), 1);
    assert_eq!(overlaps(vec![done(3, "a/1"), hand(4, "b/1")], vec![]), 0, "it had returned");
    let killed = WorkerEvent::Killed { t: 3, worker: "a".to_owned() };
    assert_eq!(overlaps(vec![hand(4, "b/1")], vec![killed]), 0, "it was dead");
    assert_eq!(overlaps(vec![start(3, "a/2", "a"), hand(4, "a/2")], vec![]), 0, "it is the same");
}

#[test]
fn a_merge_waits_while_a_worker_has_its_child_and_one_parent_is_done() {
    let waited = |held_t: u64| {
        let end = |t, key| write(t, key, Some("a"), [None, Some(row(None, Place::ShardEnd))]);
        let child = row(Some("a"), Place::TrimHorizon);
        let mut lease_writes =
            vec![end(10, "p"), end(20, "q"), write(held_t, "c", Some("a"), [None, Some(child)])];
        lease_writes.sort_by_key(|write| write.t);
        let shards = vec![shard("p", &[]), shard("q", &[]), shard("c", &["p", "q"])];
        counted(&Journals { shards, lease_writes, ..Journals::default() }, MERGED)
    };
    assert_eq!([5, 15, 25].map(waited), [1, 1, 0]);
}

#[test]
fn a_zombie_wakes_up_when_another_has_its_lease() {
    let woke = |taken_t: u64| {
        let held = |by| Some(row(Some(by), Place::TrimHorizon));
        let lease_writes = vec![
            write(1, "s", Some("a"), [None, held("a")]),
            write(taken_t, "s", Some("b"), [held("a"), held("b")]),
        ];
        let worker = || "a".to_owned();
        let workers = vec![
            WorkerEvent::Paused { t: 5, worker: worker() },
            WorkerEvent::Resumed { t: 9, worker: worker() },
        ];
        counted(&Journals { lease_writes, workers, ..Journals::default() }, ZOMBIE)
    };
    assert_eq!([3, 7, 11].map(woke), [0, 1, 0]);
}

#[test]
fn a_hole_is_repaired_where_no_parent_can_have_made_the_lease() {
    let repaired = |parent: Place| {
        let lease = || Some(row(None, Place::TrimHorizon));
        let lease_writes = vec![
            write(1, "p", Some("a"), [None, Some(row(None, parent))]),
            write(1, "c", Some("a"), [None, lease()]),
            write(2, "c", None, [lease(), None]),
            write(3, "c", Some("b"), [None, lease()]),
        ];
        let shards = vec![shard("p", &[]), shard("c", &["p"])];
        counted(&Journals { shards, lease_writes, ..Journals::default() }, REPAIRED)
    };
    assert_eq!(repaired(Place::ShardEnd), 1);
    assert_eq!(repaired(Place::TrimHorizon), 0, "its parent may have come to its end");
}

#[test]
fn a_checkpoint_in_doubt_is_proved_by_the_row_as_it_left_it_and_by_no_other() {
    let item = |counter: &str| -> Item {
        BTreeMap::from([("leaseCounter".to_owned(), Value::N(counter.to_owned()))])
    };
    let proved = |call: Call, shown: Option<Item>| {
        let (mut doubts, mut tally) = (Doubts::default(), Tally::default());
        doubts.made(call, "s", Some(&item("7")), &mut tally);
        doubts.shown("s", shown.as_ref(), &mut tally);
        doubts.shown("s", Some(&item("7")), &mut tally);
        tally.of(PROVED)
    };
    assert_eq!(proved(Call::Checkpoint, Some(item("7"))), 1);
    assert_eq!(proved(Call::Checkpoint, Some(item("8"))), 0);
    assert_eq!(proved(Call::Checkpoint, None), 0);
    assert_eq!(proved(Call::Renew, Some(item("7"))), 0);
}
