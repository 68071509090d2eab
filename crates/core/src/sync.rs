//! Shard sync: which leases the shards of a stream ask for, and which may go.

mod audit;
mod lineage;
mod walk;

use std::collections::BTreeMap;

pub use audit::{Audit, Auditor, LOOK_AGAIN, without_hash_range};
pub use lineage::{
    Parent, Parents, child_leases, ended_for_sure, may_delete, parents_ended, still_wanted,
};
pub use walk::missing_leases;

use crate::config::InitialPosition;
use crate::id::{LeaseKey, ShardId};
use crate::lease::Lease;
use crate::sequence::Checkpoint;
use crate::shard::{HashKeyRange, Shard, first_hole};

/// Why a listing of shards cannot be worked with. Another listing may be better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The stream was listed while its shards changed, or not to the end.
    #[error("no listed shard takes the hash keys `{hole}`")]
    NotCovered {
        /// The first stretch of hash keys without a shard.
        hole: HashKeyRange,
    },
    /// The stream was listed while its shards changed.
    #[error("shard `{child}` is listed as open, and so is its parent `{parent}`")]
    Inconsistent {
        /// The open shard.
        child: ShardId,
        /// Its parent.
        parent: ShardId,
    },
}

/// A lease for `shard` that nobody has held yet.
#[must_use]
pub fn lease_of(shard: &Shard, checkpoint: Checkpoint) -> Lease {
    Lease {
        parents: shard.parents().cloned().collect(),
        hash_range: Some(shard.hash_range),
        ..Lease::new(LeaseKey::of(&shard.id), checkpoint)
    }
}

/// The leases of an application that has none yet: one for each shard that was open at `position`.
///
/// They come in the order in which they are to be made, so that whatever part of them was made
/// before a crash, [`missing_leases`] makes the rest.
pub fn initial_leases(
    shards: &[Shard],
    position: InitialPosition,
) -> Result<Vec<Lease>, SyncError> {
    if let Some(hole) = first_hole(shards.iter().map(|shard| shard.hash_range)) {
        return Err(SyncError::NotCovered { hole });
    }
    let listed = by_id(shards);
    Ok(in_order(listed.values().map(|&shard| (shard, position.sentinel()))))
}

/// The first hash keys that no open shard takes, in a list of all shards. If there are some, the
/// list ends early: shards come in the order in which they were made, and the last one is open.
#[must_use]
pub fn missing_from_list(shards: &[Shard]) -> Option<HashKeyRange> {
    first_hole(shards.iter().filter(|shard| shard.is_open()).map(|shard| shard.hash_range))
}

/// Whether a checkpoint cannot be of this shard: of one that has its id, in a stream that had the
/// name before. It is before the shard's first number, or at the end of a shard that is open.
#[must_use]
pub fn is_of_another_stream(checkpoint: &Checkpoint, shard: &Shard) -> bool {
    match checkpoint {
        Checkpoint::At { sequence, .. } => *sequence < shard.starting_sequence,
        Checkpoint::ShardEnd => shard.is_open(),
        Checkpoint::TrimHorizon | Checkpoint::Latest | Checkpoint::AtTimestamp => false,
    }
}

/// The listed shards, each of them once. A shard that was listed open and closed is closed.
fn by_id(shards: &[Shard]) -> BTreeMap<&ShardId, &Shard> {
    let mut listed: BTreeMap<&ShardId, &Shard> = BTreeMap::new();
    for shard in shards {
        let known = listed.entry(&shard.id).or_insert(shard);
        if known.is_open() {
            *known = shard;
        }
    }
    listed
}

/// Leases in ascending order of their shards' starting sequence numbers: ancestors first.
fn in_order<'a>(wanted: impl Iterator<Item = (&'a Shard, Checkpoint)>) -> Vec<Lease> {
    let mut wanted: Vec<(&Shard, Checkpoint)> = wanted.collect();
    wanted.sort_by(|(left, _), (right, _)| {
        (&left.starting_sequence, &left.id).cmp(&(&right.starting_sequence, &right.id))
    });
    wanted.into_iter().map(|(shard, checkpoint)| lease_of(shard, checkpoint)).collect()
}

#[cfg(test)]
mod tests;
