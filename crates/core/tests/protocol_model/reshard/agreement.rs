//! Whether the model follows the rules of the crate: the one place where the two meet.
//!
//! Every row of every family is tried in every state, whether the model leads there or not.

use std::collections::BTreeMap;

use shardwise_core::config::InitialPosition;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::Lease;
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::{self, HashKeyRange};
use shardwise_core::sync::{self, Auditor, Parent, Parents};

use super::audit;
use super::lineage::{Lineage, Shard};
use super::rules::{AbsentParent, Audit, Cleanup, Rules};
use super::state::{Place, Row, State};

fn id(shard: Shard) -> ShardId {
    ShardId::new(format!("shardId-{:012}", shard.0)).expect("it is well formed")
}

fn checkpoint(place: Place, shard: Shard) -> Checkpoint {
    match place {
        Place::Horizon => Checkpoint::TrimHorizon,
        Place::Record => {
            Checkpoint::parse(&format!("{}5", shard.0 + 1), 0).expect("it is well formed")
        }
        Place::End => Checkpoint::ShardEnd,
    }
}

/// A family as the crate sees it, in one state.
struct Seen<'a> {
    lineage: &'a Lineage,
    state: &'a State,
}

impl Seen<'_> {
    fn listed(&self, rules: &Rules) -> Vec<shard::Shard> {
        let listed = self.lineage.shards().filter(|shard| self.state.is_listed(*shard, rules));
        listed.map(|shard| self.shard(shard)).collect()
    }

    fn shard(&self, shard: Shard) -> shard::Shard {
        let mut parents = self.lineage.parents(shard).map(id);
        let number =
            |shard: Shard| format!("{}0", shard.0 + 1).parse::<u64>().expect("it is well formed");
        let is_closed = self.lineage.is_closed(shard, self.state.reshards);
        let sequence = |number: u64| {
            shardwise_core::sequence::SequenceNumber::parse(&number.to_string())
                .expect("it is well formed")
        };
        shard::Shard {
            id: id(shard),
            parent: parents.next(),
            adjacent_parent: parents.next(),
            hash_range: self.hash_range(shard),
            starting_sequence: sequence(number(shard)),
            ending_sequence: is_closed.then(|| sequence(number(shard) + 9)),
        }
    }

    fn hash_range(&self, shard: Shard) -> HashKeyRange {
        let middle = u128::MAX / 2;
        match self.lineage.takes_halves(shard) {
            (true, true) => HashKeyRange::ALL,
            (true, false) => HashKeyRange::new(0, middle).expect("it is well formed"),
            (false, _) => HashKeyRange::new(middle + 1, u128::MAX).expect("it is well formed"),
        }
    }

    fn lease(&self, shard: Shard) -> Option<Lease> {
        let row = self.state.row(shard)?;
        let children = self.lineage.children(shard).filter(|_| row.names_children);
        Some(Lease {
            counter: u64::from(row.counter),
            parents: self.lineage.parents(shard).map(id).collect(),
            children: children.map(id).collect(),
            hash_range: Some(self.hash_range(shard)),
            ..Lease::new(LeaseKey::of(&id(shard)), checkpoint(row.checkpoint, shard))
        })
    }

    fn leases(&self) -> Vec<Lease> {
        self.lineage.shards().filter_map(|shard| self.lease(shard)).collect()
    }
}

/// The first lease that the crate's auditor would make.
fn first_missing(seen: &Seen<'_>, rules: &Rules) -> Option<ShardId> {
    let leases = seen.leases();
    match Auditor::new(1).audit(&leases) {
        sync::Audit::Covered => None,
        sync::Audit::NoLeases => panic!("not asked of an empty table"),
        sync::Audit::Hole { .. } => {
            let shards = seen.listed(rules);
            let position = InitialPosition::TrimHorizon;
            let missing =
                sync::missing_leases(&shards, &leases, position, false).expect("it is well formed");
            missing.first().map(|lease| lease.key.shard())
        }
    }
}

fn parents_ended(seen: &Seen<'_>, shard: Shard, rules: &Rules) -> Parents {
    let (listed, leases) = (seen.listed(rules), seen.leases());
    let ended = sync::ended_for_sure(&listed, &leases);
    let parents = seen.lineage.parents(shard).map(|parent| {
        let parent_id = id(parent);
        let is_listed = listed.iter().any(|shard| shard.id == parent_id);
        let is_due = is_listed && !ended.contains(&parent_id);
        (parent_id, seen.lease(parent).map_or(Parent::Absent { is_due }, Parent::Lease))
    });
    sync::parents_ended(
        &seen.lease(shard).expect("it is well formed"),
        &parents.collect::<Vec<_>>(),
    )
}

fn may_delete(seen: &Seen<'_>, shard: Shard, rules: &Rules) -> bool {
    let children = seen.lineage.children(shard).map(|child| (id(child), seen.lease(child)));
    let children: Vec<_> = children.collect();
    let parents_left = seen.lineage.parents(shard).any(|parent| seen.lease(parent).is_some());
    let is_listed = seen.state.is_listed(shard, rules);
    sync::may_delete(
        &seen.lease(shard).expect("it is well formed"),
        &children,
        parents_left,
        is_listed,
    )
}

/// All states of the rows and of the stream; no worker holds anything.
fn every_state(rules: &Rules) -> Vec<State> {
    let lineage = &rules.lineage;
    let with = |state: &State, change: &dyn Fn(&mut State)| {
        let mut state = state.clone();
        change(&mut state);
        state
    };
    let empty = with(&State::new(rules), &|state| state.rows = Default::default());
    let reshards = 0..=lineage.reshards();
    let mut states: Vec<State> =
        reshards.map(|reshards| with(&empty, &|state| state.reshards = reshards)).collect();
    for shard in lineage.shards() {
        let may_be_trimmed = |state: &&State| {
            lineage.is_closed(shard, state.reshards)
                && lineage.parents(shard).all(|parent| state.trimmed.has(parent))
        };
        let trimmed = states.iter().filter(may_be_trimmed);
        let trimmed: Vec<State> =
            trimmed.map(|state| with(state, &|state| state.trimmed.add(shard))).collect();
        states.extend(trimmed);
        let rowless = states.clone();
        for checkpoint in [Place::Horizon, Place::Record, Place::End] {
            let names_children = checkpoint == Place::End;
            let row = Row { owner: None, counter: 0, checkpoint, names_children };
            let may_be = |state: &&State| match checkpoint {
                Place::Horizon | Place::Record => lineage.is_born(shard, state.reshards),
                Place::End => lineage.is_closed(shard, state.reshards),
            };
            let rows = rowless.iter().filter(may_be);
            states.extend(
                rows.map(|state| with(state, &|state| state.rows[shard.index()] = Some(row))),
            );
        }
    }
    states
}

/// How often each answer was given, or where model and crate differ.
type Answers = Result<BTreeMap<&'static str, u32>, String>;

fn compare(rules: &Rules) -> Answers {
    let mut answers = BTreeMap::new();
    let mut same = |answer: &'static str, agree: bool, state: &State| {
        *answers.entry(answer).or_insert(0) += 1;
        if agree { Ok(()) } else { Err(format!("the model says {answer}: {state:#?}")) }
    };
    for state in every_state(rules) {
        let seen = Seen { lineage: &rules.lineage, state: &state };
        if !seen.leases().is_empty() {
            let ours = audit::missing(&state, rules).map(id);
            let answer = if ours.is_some() { "a row is missing" } else { "no row is missing" };
            same(answer, ours == first_missing(&seen, rules), &state)?;
        }
        for shard in rules.lineage.shards().filter(|shard| state.row(*shard).is_some()) {
            let (ended, missing) = state.parents_ended(shard, rules);
            let missing: Vec<ShardId> =
                rules.lineage.shards().filter(|shard| missing.has(*shard)).map(id).collect();
            let (answer, ours) = match (ended, missing.is_empty()) {
                (true, _) => ("parents have ended", Parents::Ended),
                (false, true) => ("parents run", Parents::Running),
                (false, false) => ("parents are missing", Parents::Missing(missing)),
            };
            same(answer, ours == parents_ended(&seen, shard, rules), &state)?;
            let ours = state.may_delete(shard, rules);
            let answer = if ours { "a row may go" } else { "a row may not go" };
            same(answer, ours == may_delete(&seen, shard, rules), &state)?;
        }
    }
    Ok(answers)
}

#[test]
fn the_models_rules_are_those_of_the_crate() {
    for lineage in [Lineage::SPLIT, Lineage::MERGE, Lineage::DIAMOND] {
        let answers = compare(&Rules { lineage, ..Rules::OURS }).unwrap();
        assert_eq!(answers.len(), 7, "every answer is given: {answers:?}");
        println!("model and crate agree: {answers:?}");
    }
}

#[test]
fn the_crate_follows_none_of_the_changed_rules() {
    let ours = Rules::OURS_FOR_A_DIAMOND;
    let mutants = [
        Rules { cleanup: Cleanup::AllBegun, ..ours },
        Rules { cleanup: Cleanup::AllMade, ..ours },
        Rules { absent_parent: AbsentParent::HasEnded, ..ours },
        Rules { waits_for_parents: false, ..ours },
        Rules { audit: Audit::LeavesChildrenToParents, ..ours },
        Rules { audit: Audit::Never, ..ours },
    ];
    for mutant in mutants {
        assert!(compare(&mutant).is_err(), "{mutant:#?}");
    }
}
