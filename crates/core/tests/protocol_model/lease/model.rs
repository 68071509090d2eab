//! The steps that the world can take: workers act, and a network loses and delays.

use stateright::{Model, Property};

use super::rules::Rules;
use super::state::{Fate, Invariant, State};
use super::table::{Change, Place, Row, WorkerId, Write};
use super::worker::{Flight, Stage, Worker};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// A worker looks at the row and tries to take it. Time is not modelled: it may at any moment.
    Take(WorkerId),
    /// The next record is handed to the processor.
    Hand(WorkerId),
    Renew(WorkerId),
    Checkpoint(WorkerId, Place),
    /// A worker stops: it gives the lease up and does not wait for the answer.
    Release(WorkerId),
    /// The processor (a child) died and is started again in the same tenure.
    RestartProcessor(WorkerId),
    /// The table gets the request that its sender waits for.
    Deliver(WorkerId),
    /// The table gets a request that nobody waits for any more.
    DeliverLate(usize),
    /// The sender gets the answer.
    Answer(WorkerId),
    /// The sender gets no answer, because the request is lost or late.
    GiveUp(WorkerId, Fate),
    /// The sender gets no answer, because the answer is lost.
    LoseAnswer(WorkerId),
    /// The sender reads the row to learn what became of its write.
    Confirm(WorkerId),
    /// The worker dies and starts again under the same name, with nothing in memory.
    Crash(WorkerId, Fate),
    /// Somebody deletes the row and creates it anew.
    Recreate,
}

const WORKERS: [WorkerId; 2] = [WorkerId(0), WorkerId(1)];

impl Rules {
    fn worker_actions(&self, state: &State, id: WorkerId, actions: &mut Vec<Action>) {
        let may_count = |row: Row| self.steps(row.counter, state.generation) < self.counter_max;
        let late = state.late.iter().filter(|write| write.from == id).count();
        let fates = if late < self.late_writes_max {
            &[Fate::Lost, Fate::Late][..]
        } else {
            &[Fate::Lost][..]
        };
        match &state.workers[usize::from(id.0)] {
            Worker::Idle => {
                if may_count(state.row) {
                    actions.push(Action::Take(id));
                }
                return;
            }
            Worker::Taking(_) => {}
            Worker::Holding(tenure) => {
                if tenure.handed < Place::LAST {
                    actions.push(Action::Hand(id));
                }
                if tenure.flight.is_none() {
                    actions.push(Action::RestartProcessor(id));
                    if may_count(tenure.row) {
                        actions.push(Action::Renew(id));
                        actions.extend(tenure.allowed().map(|at| Action::Checkpoint(id, at)));
                        if late < self.late_writes_max {
                            actions.push(Action::Release(id));
                        }
                    }
                }
            }
        }
        match state.workers[usize::from(id.0)].flight().map(|flight| flight.stage) {
            Some(Stage::Sent) => {
                actions.push(Action::Deliver(id));
                actions.extend(fates.iter().map(|fate| Action::GiveUp(id, *fate)));
                actions.extend(fates.iter().map(|fate| Action::Crash(id, *fate)));
            }
            Some(Stage::Applied(..) | Stage::Refused) => {
                actions.extend([Action::Answer(id), Action::LoseAnswer(id)]);
                actions.push(Action::Crash(id, Fate::Lost));
            }
            Some(Stage::Ambiguous) => {
                actions.extend([Action::Confirm(id), Action::Crash(id, Fate::Lost)]);
            }
            None => actions.push(Action::Crash(id, Fate::Lost)),
        }
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for id in WORKERS {
            self.worker_actions(state, id, actions);
        }
        actions.extend((0..state.late.len()).map(Action::DeliverLate));
        if self.row_may_be_recreated && state.generation == 0 {
            actions.push(Action::Recreate);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Take(id) => {
                let change = Change::Take(state.taken_counter(self));
                let write = Write { from: id, tenure: None, before: state.row, change };
                *state.worker(id) = Worker::Taking(Flight { write, stage: Stage::Sent });
            }
            Action::Hand(id) => {
                let tenure = state.holding(id);
                tenure.handed.0 += 1;
                let place = tenure.handed;
                state.handed |= place.bit();
            }
            Action::Renew(id) => state.holding(id).send(id, Change::Renew),
            Action::Checkpoint(id, place) => {
                let all = place.bits_up_to();
                state.expect(state.handed & all == all, Invariant::NoHoleUnderCheckpoint);
                state.holding(id).send(id, Change::Checkpoint(place));
            }
            Action::Release(id) => {
                state.holding(id).send(id, Change::Release);
                state.leave_behind(id, Fate::Late);
                *state.worker(id) = Worker::Idle;
            }
            Action::RestartProcessor(id) => {
                let tenure = *state.holding(id);
                let next = tenure.restart(state.read(), self);
                if let Some(next) = next {
                    let starts_right = next.handed == state.row.checkpoint;
                    state.expect(starts_right, Invariant::StartIsTheRowsCheckpoint);
                }
                *state.worker(id) = next.map_or(Worker::Idle, Worker::Holding);
            }
            Action::Deliver(id) => {
                let stage = state.apply(state.flight(id).write, self);
                state.worker(id).set_stage(stage);
            }
            Action::DeliverLate(at) => {
                let write = state.late.remove(at);
                state.apply(write, self);
            }
            Action::Answer(id) | Action::Confirm(id) => state.conclude(id, self),
            Action::GiveUp(id, fate) => {
                state.leave_behind(id, fate);
                state.without_answer(id, self);
            }
            Action::LoseAnswer(id) => state.without_answer(id, self),
            Action::Crash(id, fate) => {
                if state.worker(id).flight().is_some() {
                    state.leave_behind(id, fate);
                }
                *state.worker(id) = Worker::Idle;
            }
            Action::Recreate => {
                state.row = Row { counter: self.recreated_counter, ..Row::NEW };
                state.tenure = None;
                state.generation += 1;
            }
        }
        state.settle_leaps(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        super::properties::all()
    }
}
