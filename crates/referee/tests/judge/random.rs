//! Random runs that keep the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shardwise_referee::judge;

use crate::story::{Story, WORKERS};

/// What a random run does next; the numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Act {
    Put(usize, u8),
    Split(usize),
    Merge(usize, usize),
    Take(usize, usize),
    Hold(usize, Holding),
}

/// What one that holds a lease does.
#[derive(Clone, Debug)]
enum Holding {
    Restart,
    Hand(usize),
    Repeat,
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
        4 => Just(Holding::Checkpoint),
        1 => Just(Holding::Renew),
        2 => Just(Holding::End),
    ];
    let act = prop_oneof![
        6 => (any.clone(), 0_u8..4).prop_map(|(shard, key)| Act::Put(shard, key)),
        1 => any.clone().prop_map(Act::Split),
        1 => (any.clone(), any.clone()).prop_map(|(left, right)| Act::Merge(left, right)),
        2 => (0..WORKERS.len(), any.clone()).prop_map(|(worker, shard)| Act::Take(worker, shard)),
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
            if let Some(shard) = ready_shard(story, shard) {
                let tenure = story.take(WORKERS[worker], &shard);
                holders.insert(shard, tenure);
            }
        }
        Act::Hold(tenure, ref act) => {
            if let Some(tenure) = nth(holders.values().cloned(), tenure) {
                perform_holding(story, holders, &tenure, act);
            }
        }
    }
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

proptest! {
    #[test]
    fn a_random_run_that_keeps_the_rules_is_clean(acts in acts()) {
        let mut story = Story::new(2);
        let mut holders = Holders::new();
        for act in &acts {
            perform(&mut story, &mut holders, act);
        }
        finish(&mut story, &mut holders);
        let verdict = judge(&story.journals());
        prop_assert!(verdict.is_clean(), "{}", verdict);
        prop_assert_eq!(verdict.counts.put, verdict.counts.distinct);
    }
}
