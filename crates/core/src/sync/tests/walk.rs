use std::collections::BTreeMap;

use proptest::prelude::*;

use super::forest::{Stream, reference, shard_id, streams};
use super::keys;
use crate::config::InitialPosition;
use crate::id::ShardId;
use crate::lease::Lease;
use crate::rng::Rng;
use crate::sequence::Checkpoint;
use crate::shard::{HashKeyRange, Shard};
use crate::sync::{
    Parent, Parents, SyncError, child_leases, ended_for_sure, lease_of, missing_leases,
    parents_ended,
};
use crate::time::Timestamp;

const AT: InitialPosition = InitialPosition::AtTimestamp(Timestamp::from_millis(1));
const POSITIONS: [InitialPosition; 3] = [InitialPosition::TrimHorizon, InitialPosition::Latest, AT];

fn leases(stream: &Stream, numbers: &[usize]) -> Vec<Lease> {
    let lease = |&number: &usize| lease_of(&stream.shard(number), Checkpoint::TrimHorizon);
    numbers.iter().map(lease).collect()
}

#[test]
fn the_reference_lineage_gets_the_leases_that_kcl_makes() {
    let stream = reference();
    let known = leases(&stream, &[4, 5, 7]);
    let missing = |position| missing_leases(&stream.shards, &known, position, false).unwrap();

    let latest = missing(InitialPosition::Latest);
    assert_eq!(keys(&latest), ["shardId-000000000006"]);
    assert_eq!(latest[0].checkpoint, Checkpoint::Latest);

    let oldest = missing(InitialPosition::TrimHorizon);
    assert_eq!(keys(&oldest), ["shardId-000000000000", "shardId-000000000001"]);
    assert!(oldest.iter().all(|lease| lease.checkpoint == Checkpoint::TrimHorizon));

    let dated = missing(AT);
    assert_eq!(keys(&dated), ["shardId-000000000000", "shardId-000000000001"]);
    assert!(dated.iter().all(|lease| lease.checkpoint == Checkpoint::AtTimestamp));
}

#[test]
fn an_open_shard_of_an_open_parent_fails_the_sync_or_is_passed_over() {
    let mut stream = Stream::new(2);
    stream.split(1);
    stream.shards[1].ending_sequence = None;
    let sync = |ignore| missing_leases(&stream.shards, &[], InitialPosition::Latest, ignore);
    let (child, parent) = (shard_id(2), shard_id(1));
    assert_eq!(sync(false), Err(SyncError::Inconsistent { child, parent }));
    assert_eq!(keys(&sync(true).unwrap()), ["shardId-000000000000", "shardId-000000000001"]);
}

#[test]
fn a_shard_that_is_listed_as_open_and_as_closed_is_closed() {
    let mut stream = Stream::new(1);
    let stale = [stream.shard(0)];
    stream.split(0);
    for listed in [[&stale, &stream.shards[..]].concat(), [&stream.shards[..], &stale].concat()] {
        let made = missing_leases(&listed, &[], InitialPosition::TrimHorizon, false).unwrap();
        assert_eq!(keys(&made), ["shardId-000000000000"]);
    }
}

#[test]
fn a_lease_that_was_deleted_though_its_parents_had_ended_is_made_anew() {
    let mut stream = Stream::new(2);
    stream.merge(0, 1);
    let mut known = leases(&stream, &[0, 1]);
    known[0].checkpoint = Checkpoint::ShardEnd;
    let sync = |known: &[Lease]| {
        missing_leases(&stream.shards, known, InitialPosition::Latest, false).unwrap()
    };
    assert_eq!(sync(&known), []);
    known[1].checkpoint = Checkpoint::ShardEnd;
    let made = sync(&known);
    assert_eq!(keys(&made), ["shardId-000000000002"]);
    assert_eq!(made[0].checkpoint, Checkpoint::TrimHorizon);
}

#[test]
fn a_deleted_lease_is_made_anew_without_those_before_it_if_a_shard_beside_it_has_begun() {
    let mut stream = Stream::new(1);
    stream.split(0);
    stream.split(1);
    // Of shard 0, split into 1 and 2, and of 1, split into 3 and 4, no row is left.
    let mut known = leases(&stream, &[2, 4]);
    let sync = |known: &[Lease]| {
        missing_leases(&stream.shards, known, InitialPosition::TrimHorizon, false).unwrap()
    };
    assert_eq!(keys(&sync(&known)), ["shardId-000000000000"]);
    known[0].checkpoint = Checkpoint::parse("20", 0).unwrap();
    assert_eq!(keys(&sync(&known)), ["shardId-000000000001"]);
    known[1].checkpoint = Checkpoint::parse("40", 0).unwrap();
    assert_eq!(keys(&sync(&known)), ["shardId-000000000003"]);
}

#[test]
fn a_lineage_of_ten_thousand_generations_is_walked() {
    let mut stream = Stream::new(1);
    for _ in 0..10_000 {
        let newest = stream.shards.len() - 1;
        // Halved each time, the hash keys would be used up after 128 generations.
        stream.shards[newest].hash_range = HashKeyRange::ALL;
        stream.split(newest);
    }
    let made = missing_leases(&stream.shards, &[], InitialPosition::TrimHorizon, false).unwrap();
    assert_eq!(keys(&made), ["shardId-000000000000"]);
}

/// The walk as a set of facts about each shard, looked up again each time they are needed.
struct Facts<'a> {
    listed: &'a [Shard],
    leases: &'a [Lease],
    position: InitialPosition,
}

impl Facts<'_> {
    fn lease(&self, shard: &Shard) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.key.as_str() == shard.id.as_str())
    }

    fn parents(&self, shard: &Shard) -> Vec<&Shard> {
        let is_parent = |other: &&Shard| shard.parents().any(|parent| *parent == other.id);
        self.listed.iter().filter(is_parent).collect()
    }

    /// Something before it, or it itself, is processed or going to be, or is done.
    fn is_covered(&self, shard: &Shard) -> bool {
        let begins =
            |parent: &&Shard| self.is_covered(parent) || self.position != InitialPosition::Latest;
        let is_known = self.lease(shard).is_some() || self.has_ended_for_sure(shard);
        is_known || self.parents(shard).iter().any(begins)
    }

    /// A shard that came from it has begun.
    fn has_ended_for_sure(&self, shard: &Shard) -> bool {
        let has_begun = |lease: &Lease| lease.checkpoint != Checkpoint::TrimHorizon;
        let mut children = self.listed.iter().filter(|other| {
            other.parents().any(|parent| *parent == shard.id)
                && (self.lease(other).is_some_and(has_begun) || self.has_ended_for_sure(other))
        });
        self.position != InitialPosition::Latest && children.next().is_some()
    }

    /// It stands before an open shard without a lease, with nothing in between that is known.
    fn is_in_question(&self, shard: &Shard) -> bool {
        let children = self.listed.iter().filter(|other| {
            other.parents().any(|parent| *parent == shard.id) && self.is_in_question(other)
        });
        let is_known = self.lease(shard).is_some() || self.has_ended_for_sure(shard);
        !is_known && (shard.is_open() || children.count() > 0)
    }

    fn was_lost(&self, shard: &Shard) -> bool {
        let parents = self.parents(shard);
        let ended = |parent: &&Shard| match self.lease(parent) {
            Some(lease) => lease.is_finished(),
            None => self.has_ended_for_sure(parent),
        };
        !parents.is_empty() && parents.iter().all(ended)
    }

    fn checkpoint_to_make(&self, shard: &Shard) -> Option<Checkpoint> {
        if !self.is_in_question(shard) {
            return None;
        }
        if self.was_lost(shard) {
            return Some(Checkpoint::TrimHorizon);
        }
        let waits = |other: &Shard| {
            other.parents().any(|parent| *parent == shard.id)
                && self.is_in_question(other)
                && self.is_covered(other)
        };
        let is_needed = shard.is_open() || self.listed.iter().any(waits);
        (is_needed && !self.is_covered(shard)).then(|| self.position.sentinel())
    }
}

/// Some shards' leases, some of them finished.
fn some_leases(stream: &Stream, picks: &[(bool, bool)]) -> Vec<Lease> {
    let picked = stream.shards.iter().zip(picks).filter(|(_, (picked, _))| *picked);
    picked
        .map(|(shard, (_, finished))| {
            let ended = *finished && !shard.is_open();
            lease_of(shard, if ended { Checkpoint::ShardEnd } else { Checkpoint::TrimHorizon })
        })
        .collect()
}

fn picks() -> impl Strategy<Value = Vec<(bool, bool)>> {
    let pick = (proptest::bool::weighted(0.3), any::<bool>());
    proptest::collection::vec(pick, 30)
}

/// Syncs and processes shards to their ends until nothing changes; returns the order of starts.
fn process(stream: &Stream, leases: Vec<Lease>, position: InitialPosition) -> Vec<ShardId> {
    let mut table: BTreeMap<ShardId, Lease> =
        leases.into_iter().map(|lease| (lease.key.shard(), lease)).collect();
    let mut started = Vec::new();
    loop {
        let known: Vec<Lease> = table.values().cloned().collect();
        for lease in missing_leases(&stream.shards, &known, position, false).unwrap() {
            assert!(table.insert(lease.key.shard(), lease).is_none(), "there was a lease");
        }
        let before = (table.len(), started.len());
        let waiting: Vec<ShardId> = table.keys().cloned().collect();
        for id in waiting {
            begin(stream, &mut table, &mut started, &id);
        }
        if (table.len(), started.len()) == before {
            return started;
        }
    }
}

fn begin(
    stream: &Stream,
    table: &mut BTreeMap<ShardId, Lease>,
    started: &mut Vec<ShardId>,
    id: &ShardId,
) {
    let lease = table[id].clone();
    if lease.is_finished() || started.contains(id) {
        return;
    }
    let listed = |id: &ShardId| stream.shards.iter().find(|shard| shard.id == *id);
    let known: Vec<Lease> = table.values().cloned().collect();
    let ended = ended_for_sure(&stream.shards, &known);
    let look = |parent: &ShardId| match table.get(parent) {
        Some(lease) => (parent.clone(), Parent::Lease(lease.clone())),
        None => {
            let is_due = listed(parent).is_some() && !ended.contains(parent);
            (parent.clone(), Parent::Absent { is_due })
        }
    };
    let parents: Vec<(ShardId, Parent)> = lease.parents.iter().map(look).collect();
    match parents_ended(&lease, &parents) {
        Parents::Running => {}
        Parents::Missing(missing) => {
            for id in missing {
                let lease = lease_of(listed(&id).unwrap(), Checkpoint::TrimHorizon);
                table.insert(id, lease);
            }
        }
        Parents::Ended => {
            started.push(id.clone());
            if !listed(id).is_some_and(Shard::is_open) {
                for child in child_leases(&stream.children(id)) {
                    table.entry(child.key.shard()).or_insert(child);
                }
                table.insert(id.clone(), Lease { checkpoint: Checkpoint::ShardEnd, ..lease });
            }
        }
    }
}

proptest! {
    #[test]
    fn the_walk_agrees_with_the_facts_in_any_order_of_the_listing(
        stream in streams(),
        picks in picks(),
        seed: u64,
    ) {
        let leases = some_leases(&stream, &picks);
        let mut listed = [stream.shards.clone(), stream.shards.clone()].concat();
        let count = listed.len();
        let listed = Rng::new(seed).choose(&mut listed, count);
        for position in POSITIONS {
            let facts = Facts { listed: &stream.shards, leases: &leases, position };
            let expected: Vec<Lease> = stream
                .shards
                .iter()
                .filter_map(|shard| Some(lease_of(shard, facts.checkpoint_to_make(shard)?)))
                .collect();
            prop_assert_eq!(missing_leases(&listed, &leases, position, false), Ok(expected));
        }
    }

    #[test]
    fn making_the_missing_leases_leaves_none_missing(stream in streams(), picks in picks()) {
        for position in POSITIONS {
            let mut leases = some_leases(&stream, &picks);
            leases.extend(missing_leases(&stream.shards, &leases, position, false).unwrap());
            prop_assert_eq!(missing_leases(&stream.shards, &leases, position, false), Ok(vec![]));
        }
    }

    #[test]
    fn a_crash_between_two_creates_loses_no_lease(
        stream in streams(),
        picks in picks(),
        made: prop::sample::Index,
    ) {
        for position in POSITIONS {
            let before = some_leases(&stream, &picks);
            let all = missing_leases(&stream.shards, &before, position, false).unwrap();
            let (first, rest) = all.split_at(made.index(all.len() + 1));
            let known = [&before[..], first].concat();
            let again = missing_leases(&stream.shards, &known, position, false).unwrap();
            prop_assert_eq!(keys(&again), keys(rest));
        }
    }

    #[test]
    fn whatever_leases_were_deleted_every_open_shard_starts_in_the_end(
        stream in streams(),
        picks in picks(),
    ) {
        for position in POSITIONS {
            let started = process(&stream, some_leases(&stream, &picks), position);
            for shard in stream.shards.iter().filter(|shard| shard.is_open()) {
                prop_assert!(started.contains(&shard.id), "{} at {position:?}", shard.id);
            }
        }
    }

    #[test]
    fn no_shard_starts_before_a_listed_parent(stream in streams(), picks in picks()) {
        let picks: Vec<_> = picks.into_iter().map(|(picked, _)| (picked, false)).collect();
        let leases = some_leases(&stream, &picks);
        let started = process(&stream, leases, InitialPosition::TrimHorizon);
        let at = |id: &ShardId| started.iter().position(|other| other == id);
        for shard in &stream.shards {
            for parent in shard.parents().filter(|id| stream.shards.iter().any(|s| s.id == **id)) {
                prop_assert!(at(parent) < at(&shard.id), "{} before {parent}", shard.id);
            }
        }
    }
}
