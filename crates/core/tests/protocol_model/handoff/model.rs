//! The steps that the world can take: owners and leaders act, and a network loses and delays.

use stateright::{Model, Property};

use super::properties;
use super::row::{Change, LAST, WorkerId, Write};
use super::rules::{Rules, Transfer};
use super::state::{Phase, State, Tenure, Worker};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The next record is handed to the processor.
    Hand(WorkerId),
    /// The holder writes to the row.
    Write(WorkerId, Change, Fate),
    /// The holder reads the row to learn what became of a write without an answer.
    Confirm(WorkerId),
    /// The holder has learnt of a hand-off and asks the processor for its last checkpoint.
    Ask(WorkerId),
    /// The processor has checkpointed all that it was handed, and returns.
    Return(WorkerId),
    /// The request is lost inside the holder, which goes on renewing.
    Forget(WorkerId),
    /// A worker that the row names as owner begins, by a read that may lag behind.
    Begin(WorkerId, Read),
    /// The worker dies and starts again under the same name, with nothing in memory.
    Crash(WorkerId),
    /// The worker is gone for good.
    Leave(WorkerId),
    /// A leader writes to the row, by what it has just read. There may be any number of leaders.
    Lead(Change, Fate),
    /// A leader takes a lease for expired that is not, and assigns it.
    Misjudge(WorkerId),
    /// The table gets a request that nobody waits for any more.
    DeliverLate(usize),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Answered,
    /// It is applied, or refused, but the sender does not hear of it.
    AnswerLost,
    Lost,
    Late,
}

/// How a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Read {
    Consistent,
    Lagging,
}

pub(crate) const WORKERS: [WorkerId; 2] = [WorkerId(0), WorkerId(1)];
const FAULTS: [Fate; 3] = [Fate::AnswerLost, Fate::Lost, Fate::Late];

impl Rules {
    fn worker_actions(&self, state: &State, id: WorkerId, actions: &mut Vec<Action>) {
        match &state.workers[usize::from(id.0)] {
            Worker::Gone => return,
            Worker::Idle => {
                for read in [Read::Consistent, Read::Lagging] {
                    if self.may_begin(state, id, read) {
                        actions.push(Action::Begin(id, read));
                    }
                }
            }
            Worker::Holding(tenure) if tenure.doubt.is_some() => actions.push(Action::Confirm(id)),
            Worker::Holding(tenure) => self.holder_actions(state, id, tenure, actions),
        }
        if state.faults_left > 0 {
            if state.tenure_of(id).is_some() {
                actions.push(Action::Crash(id));
            }
            if !state.workers.contains(&Worker::Gone) {
                actions.push(Action::Leave(id));
            }
        }
    }

    fn holder_actions(
        &self,
        state: &State,
        id: WorkerId,
        tenure: &Tenure,
        actions: &mut Vec<Action>,
    ) {
        let is_giver = tenure.row.giver == Some(id);
        let may_hand = match tenure.phase {
            Phase::Working | Phase::Forgotten => true,
            Phase::Asked => false,
            Phase::Done(_) => !self.stops_before_transfer,
        };
        if may_hand && tenure.handed < LAST {
            actions.push(Action::Hand(id));
        }
        let mut changes = Vec::new();
        // Beyond the explored counters it renews too, if only to learn that it has lost the lease.
        let would_learn =
            state.would_learn(tenure, self) || state.row.counter != tenure.row.counter;
        if tenure.row.counter < self.counter_max || would_learn {
            changes.push(Change::Renew);
        }
        let may_checkpoint = !matches!(tenure.phase, Phase::Done(_));
        if may_checkpoint && tenure.handed > tenure.row.checkpoint {
            changes.push(Change::Checkpoint(tenure.handed));
        }
        match tenure.phase {
            Phase::Working if is_giver => {
                match self.transfer {
                    Transfer::Asked => actions.push(Action::Ask(id)),
                    Transfer::Unasked => changes.push(Change::Transfer(None)),
                }
                if state.faults_left > 0 {
                    actions.push(Action::Forget(id));
                }
            }
            Phase::Asked => {
                if tenure.row.checkpoint == tenure.handed {
                    actions.push(Action::Return(id));
                }
                // The processor was too slow.
                if state.faults_left > 0 {
                    changes.push(Change::Transfer(None));
                }
            }
            Phase::Done(at) => changes.push(Change::Transfer(at)),
            Phase::Working | Phase::Forgotten => {}
        }
        for change in changes {
            actions.push(Action::Write(id, change, Fate::Answered));
            if state.faults_left > 0 {
                actions.extend(FAULTS.map(|fate| Action::Write(id, change, fate)));
            }
        }
    }

    fn may_begin(&self, state: &State, id: WorkerId, read: Read) -> bool {
        let row = match read {
            Read::Consistent => state.row,
            Read::Lagging if self.begins_by_consistent_read => return false,
            Read::Lagging => state.before,
        };
        row.owner == id && (row.giver.is_none() || !self.waits_for_the_holder)
    }

    /// What a leader may do, by the row as it is.
    fn leader_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let row = state.row;
        let is_gone = |id: WorkerId| state.workers[usize::from(id.0)] == Worker::Gone;
        let renewed = state.is_renewed(self);
        for to in WORKERS.into_iter().filter(|id| !is_gone(*id)) {
            let free = row.giver.is_none() || !self.initiation_is_conditional;
            if state.moves_left > 0 && free && to != row.owner {
                actions.push(Action::Lead(Change::Initiate(to), Fate::Answered));
                if state.faults_left > 0 {
                    actions.push(Action::Lead(Change::Initiate(to), Fate::Late));
                }
            }
            if !self.assigns_to_the_holder && to == row.holder() {
                continue;
            }
            // It is renewed, or its owner, who is there, will find it.
            let is_mistaken = row.giver.is_none() && (renewed || !is_gone(row.owner));
            let is_slow = row.giver.is_some() && renewed;
            if is_mistaken && state.faults_left > 0 {
                actions.push(Action::Misjudge(to));
            } else if !is_mistaken && (!is_slow || self.deadline) {
                actions.push(Action::Lead(Change::Assign(to), Fate::Answered));
                if state.faults_left > 0 {
                    actions.push(Action::Lead(Change::Assign(to), Fate::Late));
                }
            }
        }
    }

    fn lead(&self, state: &mut State, change: Change, fate: Fate) {
        let write = Write { seen: state.row, tenure: None, change };
        if matches!(change, Change::Initiate(_)) {
            state.moves_left -= 1;
        } else {
            state.in_order = false;
        }
        match fate {
            Fate::Answered | Fate::AnswerLost | Fate::Lost => {
                state.apply(None, write, self);
            }
            Fate::Late => {
                state.go_wrong();
                state.add_late(write);
            }
        }
    }

    fn write(&self, state: &mut State, id: WorkerId, change: Change, fate: Fate) {
        let tenure = state.holding(id);
        let write = Write { seen: tenure.row, tenure: Some(tenure.began), change };
        if matches!(change, Change::Transfer(_)) && tenure.phase == Phase::Asked {
            tenure.phase = Phase::Done(None);
            state.go_wrong();
        }
        if fate != Fate::Answered {
            state.faults_left = state.faults_left.saturating_sub(1);
            state.in_order = false;
            state.holding(id).doubt = Some(write);
        }
        match fate {
            Fate::Answered => match state.apply(Some(id), write, self) {
                true => state.written(id, write, self),
                false => state.look(id, None, self),
            },
            Fate::AnswerLost => {
                state.apply(Some(id), write, self);
            }
            Fate::Lost => {}
            Fate::Late => state.add_late(write),
        }
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for id in WORKERS {
            self.worker_actions(state, id, actions);
        }
        self.leader_actions(state, actions);
        actions.extend((0..state.late.len()).map(Action::DeliverLate));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Hand(id) => state.hand(id),
            Action::Write(id, change, fate) => self.write(&mut state, id, change, fate),
            Action::Confirm(id) => {
                let doubt = state.holding(id).doubt;
                state.look(id, doubt, self);
            }
            Action::Ask(id) => state.holding(id).phase = Phase::Asked,
            Action::Return(id) => {
                let tenure = state.holding(id);
                tenure.phase = Phase::Done(Some(tenure.handed));
            }
            Action::Forget(id) => {
                state.holding(id).phase = Phase::Forgotten;
                state.go_wrong();
            }
            Action::Begin(id, Read::Consistent) => state.begin(id, state.row),
            Action::Begin(id, Read::Lagging) => state.begin(id, state.before),
            Action::Crash(id) => {
                *state.worker(id) = Worker::Idle;
                state.go_wrong();
            }
            Action::Leave(id) => {
                *state.worker(id) = Worker::Gone;
                state.go_wrong();
            }
            Action::Lead(change, fate) => self.lead(&mut state, change, fate),
            Action::Misjudge(to) => {
                state.go_wrong();
                self.lead(&mut state, Change::Assign(to), Fate::Answered);
            }
            Action::DeliverLate(at) => {
                let write = state.late.remove(at);
                state.apply(None, write, self);
            }
        }
        if self.begins_by_consistent_read {
            state.before = state.row;
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
