//! The steps that the world can take.

use stateright::{Model, Property};

use super::rules::Rules;
use super::state::{Change, Flight, Stage, State, Version, Worker, WorkerId, Write};
use crate::checking::Situation;
use crate::recovery::Recovers;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Time passes. Nobody need have done anything meanwhile: every worker may be paused.
    Tick,
    /// A worker that does not lead reads the lock, and takes it if it may.
    Look(WorkerId),
    Heartbeat(WorkerId),
    /// A leader stops: it deletes the lock, which comes to pass at once, or late, or never.
    Release(WorkerId, Fate),
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
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    AtOnce,
    Lost,
    Late,
}

impl Rules {
    fn worker_actions(&self, state: &State, id: WorkerId, actions: &mut Vec<Action>) {
        let may_be_late = state.late.len() < self.late_writes_max;
        let fates = if may_be_late { &[Fate::Lost, Fate::Late][..] } else { &[Fate::Lost][..] };
        let worker = &state.workers[usize::from(id.0)];
        match worker.flight.map(|flight| flight.stage) {
            None if worker.lead.is_some() => {
                actions.extend([Action::Heartbeat(id), Action::Release(id, Fate::AtOnce)]);
                actions.extend(fates.iter().map(|fate| Action::Release(id, *fate)));
            }
            None => actions.push(Action::Look(id)),
            Some(Stage::Sent) => {
                actions.push(Action::Deliver(id));
                actions.extend(fates.iter().map(|fate| Action::GiveUp(id, *fate)));
                actions.extend(fates.iter().map(|fate| Action::Crash(id, *fate)));
                return;
            }
            Some(Stage::Applied | Stage::Refused) => {
                actions.extend([Action::Answer(id), Action::LoseAnswer(id)]);
            }
            Some(Stage::Ambiguous) => actions.push(Action::Confirm(id)),
        }
        actions.push(Action::Crash(id, Fate::Lost));
    }
}

impl State {
    /// What becomes of the write that `id` no longer waits for.
    fn leave_behind(&mut self, id: WorkerId, fate: Fate) {
        if let (Some(Flight { write, stage: Stage::Sent, .. }), Fate::Late) =
            (self.worker(id).flight, fate)
        {
            self.add_late(write);
        }
    }

    fn set_stage(&mut self, id: WorkerId, stage: Stage) {
        self.worker(id).flight.as_mut().expect("only what is sent has a stage").stage = stage;
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::NEW]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        for id in (0..self.workers).map(WorkerId) {
            self.worker_actions(state, id, actions);
        }
        actions.extend((0..state.late.len()).map(Action::DeliverLate));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick(self),
            Action::Look(id) => state.look(id, self),
            Action::Heartbeat(id) => {
                let mine = state.worker(id).lead?.version;
                let version = if self.heartbeat_has_new_version { Version::NEW } else { mine };
                state.send(id, Change::Heartbeat { mine, version }, self);
            }
            Action::Release(id, fate) => {
                let lead = state.worker(id).lead.take()?;
                let write = Write { from: id, change: Change::Release { mine: lead.version } };
                match fate {
                    Fate::AtOnce => {
                        state.apply(write, self);
                    }
                    Fate::Lost => {}
                    Fate::Late => state.add_late(write),
                }
            }
            Action::Deliver(id) => {
                let write = state.worker(id).flight?.write;
                let stage = state.apply(write, self);
                state.set_stage(id, stage);
            }
            Action::DeliverLate(at) => {
                let write = state.late.remove(at);
                state.apply(write, self);
            }
            Action::Answer(id) | Action::Confirm(id) => state.conclude(id, self),
            Action::GiveUp(id, fate) => {
                state.leave_behind(id, fate);
                state.set_stage(id, Stage::Ambiguous);
            }
            Action::LoseAnswer(id) => state.set_stage(id, Stage::Ambiguous),
            Action::Crash(id, fate) => {
                state.leave_behind(id, fate);
                *state.worker(id) = Worker::default();
            }
        }
        state.settle(self);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let one_leader = |rules: &Self, state: &State| state.leaders(rules).count() <= 1;
        let always = [Property::always(super::ONE_LEADER, one_leader)];
        let sometimes = SITUATIONS.map(|(name, seen)| Property::sometimes(name, seen));
        always.into_iter().chain(sometimes).collect()
    }
}

/// The situations without which nothing would be shown.
const SITUATIONS: [Situation<Rules>; 5] = [
    ("a leader is followed by another", |rules, state| {
        let mut leads = state.workers.iter().filter_map(|worker| worker.lead);
        leads.any(|lead| lead.left_ticks == 0) && state.leaders(rules).count() == 1
    }),
    ("two steal at the same time", |_, state| {
        let flights = state.workers.iter().filter_map(|worker| worker.flight);
        flights.filter(|flight| matches!(flight.write.change, Change::Steal { .. })).count() > 1
    }),
    ("a late write is on its way to a lock that its sender leads by", |rules, state| {
        let is_leader = |write: &Write| state.leaders(rules).any(|leader| leader == write.from);
        state.lock.is_some_and(|lock| state.late.iter().any(|write| lock.owner == write.from))
            && state.late.iter().any(is_leader)
    }),
    ("an ambiguous heartbeat was applied", |_, state| {
        state.workers.iter().filter_map(|worker| worker.flight).any(|flight| {
            flight.stage == Stage::Ambiguous
                && matches!(flight.write.change, Change::Heartbeat { .. })
                && state.lock == flight.write.after()
        })
    }),
    ("a lock bears the name of a worker that knows nothing of it", |_, state| {
        let owner = state.lock.map(|lock| state.workers[usize::from(lock.owner.0)]);
        owner == Some(Worker::default())
    }),
];

impl Recovers for Rules {
    fn is_fault(&self, action: &Action) -> bool {
        match action {
            Action::Release(..)
            | Action::DeliverLate(_)
            | Action::GiveUp(..)
            | Action::LoseAnswer(_)
            | Action::Crash(..) => true,
            Action::Tick
            | Action::Look(_)
            | Action::Heartbeat(_)
            | Action::Deliver(_)
            | Action::Answer(_)
            | Action::Confirm(_) => false,
        }
    }

    /// Somebody leads, by the lock that is there.
    fn is_well(&self, state: &State) -> bool {
        state.leaders(self).any(|id| {
            let lead = state.workers[usize::from(id.0)].lead;
            state.lock.is_some_and(|lock| {
                lock.owner == id && lead.is_some_and(|lead| lead.version == lock.version)
            })
        })
    }
}
