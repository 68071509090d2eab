//! The auditor: which row is missing, by the rows and the list of shards as they are.

use super::lineage::{Set, Shard};
use super::rules::{Audit, Rules};
use super::state::State;

/// How a shard stands to those that are or will be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    /// Its row says so, or one that came from it has begun.
    Finished,
    /// It has a row, or descends from one that has or gets one.
    Descendant,
    /// Processing may begin with it.
    Wanted,
}

/// The row that is to be made first, if there is a hole in the hash keys.
pub(crate) fn missing(state: &State, rules: &Rules) -> Option<Shard> {
    let lineage = &rules.lineage;
    let active = |shard: &Shard| state.row(*shard).is_some_and(|row| !row.is_finished());
    if rules.audit == Audit::Never || lineage.is_covered(lineage.shards().filter(active)) {
        return None;
    }
    let listed = || lineage.shards().filter(|shard| state.is_listed(*shard, rules));
    if lineage.shards().all(|shard| state.row(shard).is_none()) {
        // There is no lease at all: the application begins, with the oldest shards.
        let is_oldest =
            |shard: &Shard| lineage.parents(*shard).all(|parent| !state.is_listed(parent, rules));
        return listed().find(is_oldest);
    }
    let mut made = Set::default();
    for shard in listed().filter(|shard| !lineage.is_closed(*shard, state.reshards)) {
        if kin(shard, state, rules, &mut made) == Kin::Wanted {
            made.add(shard);
        }
    }
    lineage.shards().find(|shard| made.has(*shard))
}

/// Settles a shard and its ancestors, and adds those of them that need a row to `made`.
fn kin(shard: Shard, state: &State, rules: &Rules, made: &mut Set) -> Kin {
    match state.row(shard) {
        Some(row) if row.is_finished() => return Kin::Finished,
        Some(_) => return Kin::Descendant,
        None if state.has_begun_after(shard, rules) => return Kin::Finished,
        None => {}
    }
    let parents = rules.lineage.parents(shard).filter(|parent| state.is_listed(*parent, rules));
    let parents: Vec<(Shard, Kin)> =
        parents.map(|parent| (parent, kin(parent, state, rules, made))).collect();
    if parents.is_empty() {
        return Kin::Wanted;
    }
    let all_ended = parents.iter().all(|(_, kin)| *kin == Kin::Finished);
    if all_ended && rules.audit == Audit::Walk {
        made.add(shard);
    }
    for (parent, kin) in parents {
        match kin {
            Kin::Wanted => made.add(parent),
            Kin::Finished | Kin::Descendant => {}
        }
    }
    Kin::Descendant
}
