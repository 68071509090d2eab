//! What must hold in every state, and what must be reached in some.

use stateright::Property;

use super::rules::Rules;
use super::state::{Invariant, State};
use super::table::{Change, Place, WorkerId};
use super::worker::{Stage, Worker};
use crate::checking::Situation;

/// The situations that our rules must lead to.
const SITUATIONS: [Situation<Rules>; 7] = [
    ("two workers believe that they hold the lease", |_, state| {
        state.workers.iter().all(|worker| worker.tenure().is_some())
    }),
    ("an ambiguous write was applied", |_, state| {
        state.workers.iter().any(|worker| {
            worker.flight().is_some_and(|flight| {
                flight.stage == Stage::Ambiguous
                    && flight.write.after() == state.row
                    && !state.late.contains(&flight.write.unawaited())
            })
        })
    }),
    ("an ambiguous write is still on its way", |_, state| {
        state.workers.iter().any(|worker| {
            worker.flight().is_some_and(|flight| {
                flight.stage == Stage::Ambiguous && state.late.contains(&flight.write.unawaited())
            })
        })
    }),
    ("a late write will be refused", |rules, state| {
        state.late.iter().any(|write| !write.is_allowed_on(state.row, rules))
    }),
    ("a late checkpoint moved the row of a worker that had given it up", |_, state| {
        holders(state).any(|(_, tenure)| {
            tenure.flight.is_none()
                && state.tenure == Some(tenure.id)
                && state.row.checkpoint > tenure.row.checkpoint
        })
    }),
    ("a checkpoint is told as made after the lease was taken", |_, state| {
        holders(state).any(|(_, tenure)| {
            state.tenure != Some(tenure.id)
                && tenure.flight.is_some_and(|flight| {
                    matches!(flight.stage, Stage::Applied(..))
                        && matches!(flight.write.change, Change::Checkpoint(_))
                })
        })
    }),
    ("a restarted worker finds its own name on a checkpointed row", |_, state| {
        (0..).zip(&state.workers).any(|(id, worker)| {
            *worker == Worker::Idle
                && state.row.owner == Some(WorkerId(id))
                && state.row.checkpoint == Place::LAST
        })
    }),
];

fn holders(state: &State) -> impl Iterator<Item = (WorkerId, &super::worker::Tenure)> {
    (0..).map(WorkerId).zip(&state.workers).filter_map(|(id, worker)| Some((id, worker.tenure()?)))
}

/// All properties of the model.
pub(crate) fn all() -> Vec<Property<Rules>> {
    use Invariant as I;

    // The checker wants function pointers, so each invariant has a closure of its own.
    let always: [fn(&Rules, &State) -> bool; 6] = [
        |_, state| !state.is_broken(I::NoHoleUnderCheckpoint),
        |_, state| !state.is_broken(I::StartIsTheRowsCheckpoint),
        |_, state| !state.is_broken(I::CheckpointNeverGoesBack),
        |_, state| !state.is_broken(I::OnlyTheOwnerWrites),
        |_, state| !state.is_broken(I::OnlyTheCurrentTenureWrites),
        |_, state| !state.is_broken(I::TruthfulAcknowledgement),
    ];
    let always =
        I::ALL.iter().zip(always).map(|(invariant, kept)| Property::always(invariant.name(), kept));
    let sometimes = SITUATIONS.map(|(name, seen)| Property::sometimes(name, seen));
    always.chain(sometimes).collect()
}
