//! The end of a shard: the leases of its children, what they wait for, and when its own may go.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LeaseKey, ShardId};
use crate::lease::Lease;
use crate::sequence::Checkpoint;
use crate::shard::{ChildShard, Shard};

/// The leases that `children` need.
#[must_use]
pub fn child_leases(children: &[ChildShard]) -> Vec<Lease> {
    children
        .iter()
        .map(|child| Lease {
            parents: child.parents.iter().cloned().collect(),
            hash_range: Some(child.hash_range),
            ..Lease::new(LeaseKey::of(&child.id), Checkpoint::TrimHorizon)
        })
        .collect()
}

/// What is known of a shard's parent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are two of them at most, and not for long")]
pub enum Parent {
    /// Its lease, read consistently.
    Lease(Lease),
    /// A consistent read found no lease.
    Absent {
        /// Whether it may have records that nobody has processed: a listing made after that read
        /// still has the shard, and it is not [`ended_for_sure`].
        is_due: bool,
    },
}

/// Whether a shard may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parents {
    /// Every parent is done.
    Ended,
    /// A parent is still being processed.
    Running,
    /// These parents have records to process and no lease: it has to be made.
    Missing(Vec<ShardId>),
}

/// Whether the shard of `child` may start, by what is known of its parents.
///
/// A shard that was begun goes on. A parent without a lease is no reason to wait if it is not due,
/// or if `child` itself is where the application began. Otherwise its lease was lost, and to start
/// would hand a child's records before its parent's.
#[must_use]
pub fn parents_ended(child: &Lease, parents: &[(ShardId, Parent)]) -> Parents {
    let began_here = match child.checkpoint {
        Checkpoint::At { .. } | Checkpoint::ShardEnd => return Parents::Ended,
        Checkpoint::Latest | Checkpoint::AtTimestamp => true,
        Checkpoint::TrimHorizon => false,
    };
    let known: BTreeSet<&ShardId> = parents.iter().map(|(id, _)| id).collect();
    let mut running = child.parents.iter().any(|parent| !known.contains(parent));
    let mut missing = Vec::new();
    for (id, parent) in parents {
        match parent {
            Parent::Lease(lease) => running |= !lease.is_finished(),
            Parent::Absent { is_due: true } if !began_here => missing.push(id.clone()),
            Parent::Absent { .. } => {}
        }
    }
    match (missing.is_empty(), running) {
        (false, _) => Parents::Missing(missing),
        (true, true) => Parents::Running,
        (true, false) => Parents::Ended,
    }
}

/// The listed shards from which one has come that has begun.
///
/// A shard begins once its parents have ended, so these have ended, though no row may be left to
/// say so. Without this a row that was deleted by hand would have all of its shard's ancestors
/// processed anew, as far back as the stream keeps them.
#[must_use]
pub fn ended_for_sure<'a>(shards: &'a [Shard], leases: &[Lease]) -> BTreeSet<&'a ShardId> {
    let listed: BTreeMap<&ShardId, &'a Shard> =
        shards.iter().map(|shard| (&shard.id, shard)).collect();
    let begun = leases.iter().filter(|lease| has_begun(lease)).map(|lease| lease.key.shard());
    let mut open: Vec<&'a Shard> = begun.filter_map(|id| listed.get(&id).copied()).collect();
    let mut ended = BTreeSet::new();
    while let Some(shard) = open.pop() {
        let parents = shard.parents().filter_map(|parent| listed.get(parent).copied());
        open.extend(parents.filter(|parent| ended.insert(&parent.id)));
    }
    ended
}

/// Of the leases that a first sync was to make and may not have made, those that are wanted still:
/// others are at work by now, and some of the shards may be done, and their leases deleted again.
///
/// `shards` must not be listed before the leases were.
#[must_use]
pub fn still_wanted(planned: &[Lease], shards: &[Shard], leases: &[Lease]) -> Vec<Lease> {
    let ended = ended_for_sure(shards, leases);
    let is_listed = |id: &ShardId| shards.iter().any(|shard| shard.id == *id);
    let is_wanted = |lease: &&Lease| {
        let id = lease.key.shard();
        is_listed(&id) && !ended.contains(&id)
    };
    planned.iter().filter(is_wanted).cloned().collect()
}

/// Whether the row of a finished shard may be deleted without its being processed once more.
///
/// While the stream lists the shard, a sync that finds no row for it may make one. So the row
/// stays until every child's own checkpoint shows that its parents are done, and until no row is
/// left of its own parents, which would look for it.
#[must_use]
pub fn may_delete(
    finished: &Lease,
    children: &[(ShardId, Option<Lease>)],
    parent_rows_left: bool,
    shard_listed: bool,
) -> bool {
    if !finished.is_finished() {
        return false;
    }
    if !shard_listed {
        return true;
    }
    let given: BTreeSet<&ShardId> = children.iter().map(|(id, _)| id).collect();
    let all_begun = children.iter().all(|(_, lease)| lease.as_ref().is_some_and(has_begun));
    !children.is_empty()
        && finished.children.iter().all(|child| given.contains(child))
        && all_begun
        && !parent_rows_left
}

fn has_begun(lease: &Lease) -> bool {
    match lease.checkpoint {
        Checkpoint::At { .. } | Checkpoint::ShardEnd => true,
        Checkpoint::AtTimestamp | Checkpoint::TrimHorizon | Checkpoint::Latest => false,
    }
}
