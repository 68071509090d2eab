//! Which leases are missing: from every open shard without one, back through its ancestors.

use std::collections::{BTreeMap, BTreeSet};

use super::{SyncError, by_id, ended_for_sure, in_order};
use crate::config::InitialPosition;
use crate::id::ShardId;
use crate::lease::Lease;
use crate::sequence::Checkpoint;
use crate::shard::Shard;

/// The leases to make so that every open shard is processed, or will be once its ancestors are.
///
/// Three rules: a shard starts after its parents have ended; once any shard has a lease, its
/// descendants get theirs when it ends, not now; and at most one generation of a lineage is made
/// at once. `shards` is the whole listing, in any order; a shard listed twice counts once. A
/// parent that is no longer listed is trimmed, and nobody waits for it.
///
/// KCL follows the same rules but for two cases. A shard without a lease whose parents have all
/// ended had one, since a shard's end is written after its children's leases, so somebody has
/// deleted it: KCL waits for ever; here it is made anew. And a shard without a lease that is
/// [`ended_for_sure`] is begun anew by KCL; here it counts as ended. Not at LATEST, where a shard
/// that was open at first may have an ancestor that was never processed.
pub fn missing_leases(
    shards: &[Shard],
    leases: &[Lease],
    position: InitialPosition,
    ignore_unexpected_child_shards: bool,
) -> Result<Vec<Lease>, SyncError> {
    let listed = by_id(shards);
    let mut open = Vec::new();
    for &shard in listed.values().filter(|shard| shard.is_open()) {
        match open_parent(shard, &listed) {
            Some(_) if ignore_unexpected_child_shards => {}
            Some(parent) => {
                return Err(SyncError::Inconsistent {
                    child: shard.id.clone(),
                    parent: parent.clone(),
                });
            }
            None => open.push(shard),
        }
    }
    let leased = leases.iter().map(|lease| (lease.key.shard(), lease.is_finished())).collect();
    let ended = match position {
        InitialPosition::TrimHorizon | InitialPosition::AtTimestamp(_) => {
            ended_for_sure(shards, leases)
        }
        InitialPosition::Latest => BTreeSet::new(),
    };
    let (lineage, made) = (BTreeMap::new(), BTreeMap::new());
    let mut walk = Walk { listed, leased, ended, position, lineage, made };
    for shard in open {
        walk.visit(shard);
        match walk.lineage_of(&shard.id) {
            Lineage::Finished | Lineage::Descendant => {}
            Lineage::Wanted | Lineage::Unwanted => {
                walk.made.insert(&shard.id, (shard, position.sentinel()));
            }
        }
    }
    Ok(in_order(walk.made.into_values()))
}

fn open_parent<'a>(shard: &'a Shard, listed: &BTreeMap<&ShardId, &Shard>) -> Option<&'a ShardId> {
    shard.parents().find(|parent| listed.get(parent).is_some_and(|parent| parent.is_open()))
}

/// How a shard stands to the shards that are or will be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lineage {
    /// It is done: its lease says so, or a shard that came from it has begun.
    Finished,
    /// It has or gets a lease, or descends from a shard that has or gets one.
    Descendant,
    /// It does not, and processing may begin with it.
    Wanted,
    /// It does not, and it lies before the position where processing begins.
    Unwanted,
}

struct Walk<'a> {
    listed: BTreeMap<&'a ShardId, &'a Shard>,
    /// The shards that have a lease, and whether they are done.
    leased: BTreeMap<ShardId, bool>,
    /// The shards that are done whether they have a lease or not.
    ended: BTreeSet<&'a ShardId>,
    position: InitialPosition,
    lineage: BTreeMap<&'a ShardId, Lineage>,
    made: BTreeMap<&'a ShardId, (&'a Shard, Checkpoint)>,
}

impl<'a> Walk<'a> {
    /// Settles `shard` and those of its ancestors that matter, ancestors first.
    ///
    /// A stack of its own, because a stream that is resharded often has long lineages.
    fn visit(&mut self, shard: &'a Shard) {
        let mut seen = BTreeSet::new();
        let mut stack = vec![(shard, false)];
        while let Some((shard, parents_settled)) = stack.pop() {
            if parents_settled {
                self.settle(shard);
            } else if !self.lineage.contains_key(&shard.id) && seen.insert(&shard.id) {
                stack.push((shard, true));
                if !self.leased.contains_key(&shard.id) && !self.ended.contains(&shard.id) {
                    stack.extend(self.listed_parents(shard).map(|parent| (parent, false)));
                }
            }
        }
    }

    /// Settles one shard whose parents are settled, and makes the leases of those parents that
    /// have to come before it.
    fn settle(&mut self, shard: &'a Shard) {
        let settled = match self.leased.get(&shard.id) {
            Some(true) => Lineage::Finished,
            Some(false) => Lineage::Descendant,
            None if self.ended.contains(&shard.id) => Lineage::Finished,
            None => self.settle_by_parents(shard),
        };
        self.lineage.insert(&shard.id, settled);
    }

    fn settle_by_parents(&mut self, shard: &'a Shard) -> Lineage {
        let parents: Vec<(&'a Shard, Lineage)> = self
            .listed_parents(shard)
            .map(|parent| (parent, self.lineage_of(&parent.id)))
            .collect();
        let lineages = || parents.iter().map(|(_, lineage)| *lineage);
        if lineages().all(|lineage| lineage == Lineage::Unwanted) {
            return match self.position {
                InitialPosition::TrimHorizon | InitialPosition::AtTimestamp(_) => Lineage::Wanted,
                InitialPosition::Latest => Lineage::Unwanted,
            };
        }
        if lineages().all(|lineage| lineage == Lineage::Finished) {
            self.made.insert(&shard.id, (shard, Checkpoint::TrimHorizon));
        }
        for (parent, lineage) in parents {
            self.make_parent(parent, lineage);
        }
        Lineage::Descendant
    }

    /// Makes the lease of a parent of a shard that is going to be processed.
    fn make_parent(&mut self, parent: &'a Shard, lineage: Lineage) {
        let checkpoint = match (lineage, self.position) {
            // It has a lease, or gets it when its own parents end.
            (Lineage::Finished | Lineage::Descendant, _) => return,
            (Lineage::Wanted, InitialPosition::TrimHorizon | InitialPosition::Latest) => {
                Checkpoint::TrimHorizon
            }
            (Lineage::Wanted, InitialPosition::AtTimestamp(_)) | (Lineage::Unwanted, _) => {
                self.position.sentinel()
            }
        };
        self.made.entry(&parent.id).or_insert((parent, checkpoint));
    }

    /// What a shard was settled as. A lineage that bites its own tail counts as no lineage.
    fn lineage_of(&self, id: &ShardId) -> Lineage {
        self.lineage.get(id).copied().unwrap_or(Lineage::Unwanted)
    }

    fn listed_parents(&self, shard: &'a Shard) -> impl Iterator<Item = &'a Shard> + use<'a, '_> {
        shard.parents().filter_map(|parent| self.listed.get(parent).copied())
    }
}
