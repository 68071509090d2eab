//! What must hold in every state, what must be reached in some, and when all is well.

use stateright::Property;

use super::model::{Action, Fate, WORKERS};
use super::row::{Change, LAST, WorkerId};
use super::rules::Rules;
use super::state::{Invariant, State};
use crate::checking::{Condition, Situation};
use crate::recovery::Recovers;

/// All properties of the model.
pub(crate) fn all() -> Vec<Property<Rules>> {
    use Invariant as I;

    let always: [(I, Condition<Rules>); 5] = [
        (I::StartIsTheRowsCheckpoint, |_, state| !state.is_broken(I::StartIsTheRowsCheckpoint)),
        (I::CheckpointNeverGoesBack, |_, state| !state.is_broken(I::CheckpointNeverGoesBack)),
        (I::OnlyTheHolderWrites, |_, state| !state.is_broken(I::OnlyTheHolderWrites)),
        (I::OnlyTheCurrentTenureWrites, |_, state| !state.is_broken(I::OnlyTheCurrentTenureWrites)),
        (I::NothingTwice, |_, state| !state.is_broken(I::NothingTwice)),
    ];
    let always = always.map(|(invariant, kept)| Property::always(invariant.name(), kept));
    let sometimes = SITUATIONS.map(|(name, seen)| Property::sometimes(name, seen));
    always.into_iter().chain(sometimes).collect()
}

/// The situations without which nothing would be shown.
const SITUATIONS: [Situation<Rules>; 6] = [
    (super::IN_ORDER, |_, state| {
        let begun = state.tenure_of(WorkerId(1)).is_some_and(|tenure| tenure.handed == LAST);
        state.in_order && state.done > 0 && begun
    }),
    ("two workers believe that they hold the lease", |_, state| {
        WORKERS.iter().all(|id| state.tenure_of(*id).is_some())
    }),
    ("a hand-off is forced upon a holder that renews", |rules, state| {
        WORKERS.iter().filter_map(|id| state.tenure_of(*id)).any(|tenure| {
            tenure.row.giver.is_some() && tenure.doubt.is_none() && !state.is_renewed(rules)
        })
    }),
    ("a transfer whose answer was lost was applied", |rules, state| {
        WORKERS.iter().filter_map(|id| state.tenure_of(*id)?.doubt).any(|write| {
            matches!(write.change, Change::Transfer(_))
                && state.row == write.applied_to(write.seen, rules)
        })
    }),
    ("a leader's late write will be refused", |rules, state| {
        let mut late = state.late.iter().filter(|write| write.tenure.is_none());
        late.any(|write| !write.is_allowed_on(state.row, rules))
    }),
    ("a lease comes back to a worker while a write of its earlier tenure is late", |_, state| {
        state.late.iter().any(|write| {
            let holder = state.tenure_of(write.seen.holder());
            write.tenure.is_some_and(|began| holder.is_some_and(|tenure| tenure.began != began))
        })
    }),
];

impl Recovers for Rules {
    fn is_fault(&self, action: &Action) -> bool {
        match action {
            Action::Write(_, _, fate) | Action::Lead(Change::Assign(_), fate) => {
                *fate != Fate::Answered
            }
            Action::Forget(_)
            | Action::Crash(_)
            | Action::Leave(_)
            | Action::Lead(..)
            | Action::Misjudge(_)
            | Action::DeliverLate(_) => true,
            Action::Hand(_)
            | Action::Confirm(_)
            | Action::Ask(_)
            | Action::Return(_)
            | Action::Begin(..) => false,
        }
    }

    fn is_well(&self, state: &State) -> bool {
        state.is_well()
    }
}
