//! What must hold in every state, what must be reached in some, and when all is well.

use stateright::Property;

use super::lineage::Shard;
use super::model::{Action, Fate, WORKERS};
use super::rules::Rules;
use super::state::{Consumer, Invariant, Late, Place, Row, Stage, State, WorkerId};
use crate::checking::{Condition, Situation};
use crate::recovery::Recovers;

/// All properties of the model.
pub(crate) fn all() -> Vec<Property<Rules>> {
    use Invariant as I;

    let always: [(I, Condition<Rules>); 5] = [
        (I::ParentsFirst, |_, state| !state.is_broken(I::ParentsFirst)),
        (I::EndIsEarned, |_, state| !state.is_broken(I::EndIsEarned)),
        (I::ChildrenAreLeased, |_, state| !state.is_broken(I::ChildrenAreLeased)),
        (I::OnlyFinishedIsDeleted, |_, state| !state.is_broken(I::OnlyFinishedIsDeleted)),
        (I::NeverLeasedAgain, |_, state| !state.is_broken(I::NeverLeasedAgain)),
    ];
    let always = always.map(|(invariant, kept)| Property::always(invariant.name(), kept));
    let sometimes = SITUATIONS.map(|(name, seen)| Property::sometimes(name, seen));
    always.into_iter().chain(sometimes).collect()
}

/// The situations without which nothing would be shown.
const SITUATIONS: [Situation<Rules>; 6] = [
    ("every shard is done", |rules, state| rules.is_well(state)),
    ("two workers believe that they hold one lease", |_, state| {
        let [left, right] = &state.workers;
        left.iter().zip(right).any(|(left, right)| left.is_some() && right.is_some())
    }),
    ("a shard waits while a parent's end is in doubt", |rules, state| {
        consumers(rules, state).any(|(_, shard, consumer)| {
            consumer.stage == Stage::WaitingOnParents
                && rules.lineage.parents(shard).any(|parent| {
                    consumers(rules, state).any(|(_, other, consumer)| {
                        other == parent && consumer.stage == Stage::InDoubt(Place::End)
                    })
                })
        })
    }),
    ("an end that is in doubt was written", |rules, state| {
        consumers(rules, state).any(|(_, shard, consumer)| {
            consumer.stage == Stage::InDoubt(Place::End)
                && state.row(shard).is_some_and(Row::is_finished)
        })
    }),
    ("a delete is late", |_, state| state.late.iter().any(|late| matches!(late, Late::Delete(..)))),
    ("a parent that was lost is made anew", |rules, state| {
        let made_anew = |shard: Shard| {
            state.handed.has(shard) && state.row(shard).is_some_and(|row| row.counter == 0)
        };
        rules.lineage.shards().any(|shard| {
            let mut children = rules.lineage.children(shard);
            made_anew(shard) && children.any(|child| state.row(child).is_some())
        })
    }),
];

fn consumers<'a>(
    rules: &Rules,
    state: &'a State,
) -> impl Iterator<Item = (WorkerId, Shard, Consumer)> + use<'a> {
    let shards = rules.lineage.shards();
    shards.flat_map(move |shard| {
        WORKERS.into_iter().filter_map(move |id| Some((id, shard, state.consumer(id, shard)?)))
    })
}

impl Recovers for Rules {
    fn is_fault(&self, action: &Action) -> bool {
        match action {
            Action::LookAtParents(.., fate)
            | Action::Checkpoint(.., fate)
            | Action::LeaseChild(.., fate)
            | Action::Delete(.., fate)
            | Action::Audit(_, fate) => *fate != Fate::Answered,
            Action::Steal(..)
            | Action::NotFound(..)
            | Action::Crash(_)
            | Action::DeleteByHand(_)
            | Action::Trim(_)
            | Action::DeliverLate(_) => true,
            Action::Reshard
            | Action::Take(..)
            | Action::Lose(..)
            | Action::Hand(..)
            | Action::Confirm(..)
            | Action::ReportEnd(..)
            | Action::NameChildren(..)
            | Action::TellEnd(..) => false,
        }
    }

    /// Every record that the stream kept was handed, the rows of closed shards are gone, and those
    /// of open shards are kept.
    fn is_well(&self, state: &State) -> bool {
        let lineage = &self.lineage;
        state.reshards == lineage.reshards()
            && lineage.shards().all(|shard| {
                let handed = state.handed.has(shard) || state.trimmed.has(shard);
                let row = state.row(shard);
                let row_is_right = if lineage.is_closed(shard, state.reshards) {
                    row.is_none() || state.by_hand && row.is_some_and(Row::is_finished)
                } else {
                    let held = WORKERS.iter().any(|id| state.is_held(*id, shard));
                    held && row.is_some_and(|row| row.checkpoint == Place::Record)
                };
                handed && row_is_right
            })
    }
}
