//! Random runs that keep the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shardwise_referee::judge;

use crate::story::{FAILOVER, QUIET, SECOND, Story, TAKE_INTERVAL, WORKERS};

/// What a random run does next; the numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Act {
    Put(usize, u8),
    Split(usize),
    Merge(usize, usize),
    Take(usize, usize),
    Hold(usize, Holding),
    Worker(usize, Fate),
    /// Time passes, in seconds.
    Wait(u64),
    /// Someone who is no worker notes something on a row.
    Note(usize),
}

/// What becomes of a worker.
#[derive(Clone, Debug)]
enum Fate {
    Kill,
    Stop,
    Start,
}

/// What one that holds a lease does.
#[derive(Clone, Debug)]
enum Holding {
    Restart,
    Hand(usize),
    Repeat,
    Prepare,
    Checkpoint,
    Renew,
    End,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let any = 0_usize..64;
    let holding = prop_oneof![
        1 => Just(Holding::Restart),
        5 => (1_usize..5).prop_map(Holding::Hand),
        1 => Just(Holding::Repeat),
        1 => Just(Holding::Prepare),
        4 => Just(Holding::Checkpoint),
        1 => Just(Holding::Renew),
        2 => Just(Holding::End),
    ];
    let fate = prop_oneof![1 => Just(Fate::Kill), 1 => Just(Fate::Stop), 3 => Just(Fate::Start)];
    let act = prop_oneof![
        6 => (any.clone(), 0_u8..4).prop_map(|(shard, key)| Act::Put(shard, key)),
        1 => any.clone().prop_map(Act::Split),
        1 => (any.clone(), any.clone()).prop_map(|(left, right)| Act::Merge(left, right)),
        2 => (0..WORKERS.len(), any.clone()).prop_map(|(worker, shard)| Act::Take(worker, shard)),
        1 => (0..WORKERS.len(), fate).prop_map(|(worker, fate)| Act::Worker(worker, fate)),
        1 => (1_u64..25).prop_map(Act::Wait),
        1 => any.clone().prop_map(Act::Note),
        14 => (any, holding).prop_map(|(tenure, act)| Act::Hold(tenure, act)),
    ];
    proptest::collection::vec(act, 0..200)
}

/// Which tenure of each shard holds its lease now.
type Holders = BTreeMap<String, String>;

fn nth(ids: impl IntoIterator<Item = String>, nth: usize) -> Option<String> {
    let ids: Vec<String> = ids.into_iter().collect();
    (!ids.is_empty()).then(|| ids[nth % ids.len()].clone())
}

fn open_shard(story: &Story, which: usize) -> String {
    let open = story.shards.iter().filter(|(_, shard)| !shard.is_closed);
    nth(open.map(|(id, _)| id.clone()), which).unwrap()
}

/// A shard that may be taken: it has not ended, and all its parents have.
fn ready_shard(story: &Story, which: usize) -> Option<String> {
    let ready = story.shards.iter().filter(|(_, shard)| {
        !shard.has_ended && shard.parents.iter().all(|parent| story.shards[parent].has_ended)
    });
    nth(ready.map(|(id, _)| id.clone()), which)
}

/// An act of the stream, or of a worker that holds no lease yet.
fn perform(story: &mut Story, holders: &mut Holders, act: &Act) {
    match *act {
        Act::Put(shard, key) => {
            let shard = open_shard(story, shard);
            story.put(&shard, &format!("key-{key}"));
        }
        Act::Split(shard) => {
            let shard = open_shard(story, shard);
            story.split(&shard);
        }
        Act::Merge(left, right) => {
            let (left, right) = (open_shard(story, left), open_shard(story, right));
            if left != right {
                story.merge(&left, &right);
            }
        }
        Act::Take(worker, shard) => {
            if let Some(shard) = ready_shard(story, shard)
                && story.is_at_work(WORKERS[worker])
            {
                let tenure = story.take(WORKERS[worker], &shard);
                holders.insert(shard, tenure);
            }
        }
        Act::Hold(tenure, ref act) => {
            if let Some(tenure) = nth(holders.values().cloned(), tenure) {
                perform_holding(story, holders, &tenure, act);
            }
        }
        Act::Worker(worker, ref fate) => decide(story, holders, WORKERS[worker], fate),
        Act::Wait(seconds) => story.wait(seconds * SECOND),
        Act::Note(shard) => {
            let leased = story.shards.iter().filter(|(_, shard)| shard.row.is_some());
            let shard = nth(leased.map(|(id, _)| id.clone()), shard).unwrap();
            story.write_from_outside(&shard, |row| row.note = Some(shard.clone()));
        }
    }
}

fn decide(story: &mut Story, holders: &mut Holders, worker: &str, fate: &Fate) {
    let mut tenures: Vec<String> = holders.values().cloned().collect();
    tenures.retain(|tenure| story.tenures[tenure].worker == worker);
    match (fate, story.is_at_work(worker)) {
        (Fate::Kill, true) => story.worker(worker, "killed"),
        (Fate::Stop, true) => story.stop(worker, &tenures),
        (Fate::Start, false) => return story.worker(worker, "started"),
        (Fate::Kill | Fate::Stop, false) | (Fate::Start, true) => return,
    }
    holders.retain(|_, tenure| !tenures.contains(tenure));
}

fn perform_holding(story: &mut Story, holders: &mut Holders, tenure: &str, act: &Holding) {
    let known = story.tenures[tenure].clone();
    match *act {
        Holding::Restart => {
            let tenure = story.start(&known.worker, &known.shard);
            holders.insert(known.shard, tenure);
        }
        Holding::Hand(count) => story.hand(tenure, count),
        Holding::Repeat => story.repeat_last_batch(tenure),
        Holding::Prepare => story.prepare(tenure),
        Holding::Checkpoint => story.checkpoint(tenure),
        Holding::Renew => story.renew(&known.shard),
        Holding::End => {
            if story.shards[&known.shard].is_closed {
                story.end(tenure);
                holders.remove(&known.shard);
            }
        }
    }
}

/// The quiet end of a run: everything is handed, parents before children.
fn finish(story: &mut Story, holders: &mut Holders) {
    for worker in WORKERS {
        decide(story, holders, worker, &Fate::Start);
    }
    for id in story.shards.keys().cloned().collect::<Vec<_>>() {
        if story.shards[&id].has_ended {
            continue;
        }
        let tenure = holders.remove(&id).unwrap_or_else(|| story.take(WORKERS[0], &id));
        if story.shards[&id].is_closed {
            story.end(&tenure);
        } else {
            story.hand(&tenure, usize::MAX / 2);
            story.checkpoint(&tenure);
        }
    }
}

/// What a fleet does while nothing disturbs it: leases come to rest, a record comes and is handed,
/// and a worker dies.
fn rest(story: &mut Story) {
    story.balance();
    story.begin_quiet();
    story.wait(QUIET);
    let shard = open_shard(story, 0);
    let owner = story.shards[&shard].row.as_ref().unwrap().owner.clone().unwrap();
    let tenure = story.start(&owner, &shard);
    story.put(&shard, "late");
    story.wait(2 * SECOND);
    story.hand(&tenure, 2);
    story.checkpoint(&tenure);
    story.worker(&owner, "killed");
    story.wait(FAILOVER + SECOND);
    let next = WORKERS.into_iter().find(|worker| *worker != owner).unwrap();
    for shard in story.leases_of(&owner) {
        story.write(&shard, "UpdateItem", |row| row.owner = Some(next.to_owned()));
    }
    story.wait(TAKE_INTERVAL);
    story.end_quiet();
}

fn run(mut story: Story, acts: &[Act]) -> Story {
    let mut holders = Holders::new();
    for act in acts {
        perform(&mut story, &mut holders, act);
    }
    finish(&mut story, &mut holders);
    story
}

proptest! {
    #[test]
    fn a_random_run_that_keeps_the_rules_is_clean(acts in acts()) {
        let verdict = judge(&run(Story::new(2), &acts).journals());
        prop_assert!(verdict.is_clean(), "{}", verdict);
        prop_assert_eq!(verdict.counts.put, verdict.counts.distinct);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_random_run_with_all_evidence_and_a_quiet_end_is_clean(acts in acts()) {
        let mut story = run(Story::watched(2), &acts);
        rest(&mut story);
        let verdict = judge(&story.journals());
        prop_assert!(verdict.is_clean(), "{}", verdict);
        prop_assert_eq!(verdict.not_judged, []);
    }
}
