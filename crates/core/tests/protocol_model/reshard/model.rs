//! The steps that the world can take: shard consumers and the auditor act, and much goes wrong.

use stateright::{Model, Property};

use super::audit;
use super::lineage::{Set, Shard};
use super::properties;
use super::rules::{Children, Rules};
use super::state::{Consumer, Invariant, Late, Place, Row, Stage, State, WorkerId};
use crate::recovery::Recovers;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The stream is split or merged.
    Reshard,
    /// A worker takes a lease that nobody keeps.
    Take(WorkerId, Shard),
    /// A worker takes a lease from another that keeps it.
    Steal(WorkerId, Shard),
    /// A worker learns that a lease is no longer its own.
    Lose(WorkerId, Shard),
    /// A worker looks whether a shard's parents have ended, and makes rows that should be there.
    LookAtParents(WorkerId, Shard, Fate),
    /// The record is handed to the processor.
    Hand(WorkerId, Shard),
    /// The processor has asked for a checkpoint: this one is written.
    Checkpoint(WorkerId, Shard, Place, Fate),
    /// A worker reads its row to learn what became of a checkpoint.
    Confirm(WorkerId, Shard),
    /// A read reports the shard's end, with its children.
    ReportEnd(WorkerId, Shard),
    /// A read says once that there is no such shard, though there is.
    NotFound(WorkerId, Shard),
    /// The next child's row is made.
    LeaseChild(WorkerId, Shard, Fate),
    /// The row is told its children.
    NameChildren(WorkerId, Shard),
    /// The processor hears of the end, and asks for the checkpoint there.
    TellEnd(WorkerId, Shard),
    /// A worker deletes a row that is done.
    Delete(WorkerId, Shard, Fate),
    /// A leader, whoever that is, makes a row that is missing.
    Audit(Shard, Fate),
    /// The worker dies and starts again under the same name, with nothing in memory.
    Crash(WorkerId),
    /// Somebody deletes a row.
    DeleteByHand(Shard),
    /// The stream forgets a closed shard.
    Trim(Shard),
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

pub(crate) const WORKERS: [WorkerId; 2] = [WorkerId(0), WorkerId(1)];

impl Rules {
    fn shard_actions(&self, state: &State, id: WorkerId, shard: Shard, actions: &mut Vec<Action>) {
        let may_fail = state.faults_left > 0;
        let mut with_fates = |action: &dyn Fn(Fate) -> Action, fates: &[Fate]| {
            actions.push(action(Fate::Answered));
            if may_fail {
                actions.extend(fates.iter().map(|fate| action(*fate)));
            }
        };
        let Some(consumer) = state.consumer(id, shard) else {
            if state.row(shard).is_some() {
                let other = WorkerId(1 - id.0);
                match state.is_held(other, shard) {
                    false => actions.push(Action::Take(id, shard)),
                    true if may_fail => actions.push(Action::Steal(id, shard)),
                    true => {}
                }
            }
            return;
        };
        let any = [Fate::AnswerLost, Fate::Lost, Fate::Late];
        match consumer.stage {
            Stage::WaitingOnParents => {
                let look = |fate| Action::LookAtParents(id, shard, fate);
                let (_, missing) = state.parents_ended(shard, self);
                with_fates(&look, if missing.is_empty() { &[] } else { &[Fate::Late] });
            }
            Stage::Processing(handed) => {
                let is_closed = self.lineage.is_closed(shard, state.reshards);
                let is_gone = state.trimmed.has(shard);
                if !handed && !is_gone {
                    actions.push(Action::Hand(id, shard));
                }
                if handed && consumer.checkpoint == Place::Horizon {
                    let place = Place::Record;
                    actions.push(Action::Checkpoint(id, shard, place, Fate::Answered));
                }
                if is_closed && (handed || is_gone) {
                    actions.push(Action::ReportEnd(id, shard));
                }
                if may_fail && self.not_found_is_the_end {
                    actions.push(Action::NotFound(id, shard));
                }
            }
            Stage::Ending(leased) => {
                if self.lineage.children(shard).all(|child| leased.has(child)) {
                    actions.push(Action::NameChildren(id, shard));
                } else {
                    let lease = |fate| Action::LeaseChild(id, shard, fate);
                    with_fates(&lease, &[Fate::Late]);
                }
            }
            Stage::Ready if self.end_needs_the_processor => {
                actions.push(Action::TellEnd(id, shard));
            }
            Stage::Ready | Stage::Asked => {
                with_fates(&|fate| Action::Checkpoint(id, shard, Place::End, fate), &any);
            }
            Stage::InDoubt(_) => actions.push(Action::Confirm(id, shard)),
            Stage::Finished => {
                if state.may_delete(shard, self) {
                    let fates = [Fate::AnswerLost, Fate::Late];
                    with_fates(&|fate| Action::Delete(id, shard, fate), &fates);
                }
            }
        }
        if !state.is_held(id, shard) {
            actions.push(Action::Lose(id, shard));
        }
    }

    fn faults(&self, state: &State, actions: &mut Vec<Action>) {
        for id in WORKERS {
            if state.workers[usize::from(id.0)].iter().any(Option::is_some) {
                actions.push(Action::Crash(id));
            }
        }
        for shard in self.lineage.shards() {
            if self.by_hand && state.row(shard).is_some() {
                actions.push(Action::DeleteByHand(shard));
            }
            let is_oldest = self.lineage.parents(shard).all(|parent| state.trimmed.has(parent));
            let is_closed = self.lineage.is_closed(shard, state.reshards);
            if self.trims && is_closed && is_oldest && !state.trimmed.has(shard) {
                actions.push(Action::Trim(shard));
            }
        }
    }

    fn take(&self, state: &mut State, id: WorkerId, shard: Shard) {
        let Some(row) = state.row(shard) else { return };
        let row = Row { owner: Some(id), counter: row.counter + 1, ..row };
        state.rows[shard.index()] = Some(row);
        let stage = if row.is_finished() { Stage::Finished } else { Stage::WaitingOnParents };
        let consumer = Consumer { counter: row.counter, checkpoint: row.checkpoint, stage };
        state.set(id, shard, Some(consumer));
    }

    fn look_at_parents(&self, state: &mut State, id: WorkerId, shard: Shard, fate: Fate) {
        let (ended, missing) = state.parents_ended(shard, self);
        if ended {
            let handed = state
                .consumer(id, shard)
                .is_some_and(|consumer| consumer.checkpoint == Place::Record);
            state.set_stage(id, shard, Stage::Processing(handed));
        }
        for parent in self.lineage.shards().filter(|parent| missing.has(*parent)) {
            make(state, parent, None, fate);
        }
    }

    fn write_checkpoint(
        &self,
        state: &mut State,
        (id, shard): (WorkerId, Shard),
        place: Place,
        fate: Fate,
    ) {
        let Some(consumer) = state.consumer(id, shard) else { return };
        let as_known = (id, consumer.counter);
        match fate {
            Fate::Answered if state.checkpoint(shard, as_known, place, self) => {
                self.written(state, id, shard, place);
            }
            Fate::Answered => return state.set(id, shard, None),
            Fate::AnswerLost => {
                state.checkpoint(shard, as_known, place, self);
            }
            Fate::Lost => {}
            Fate::Late => state.add_late(Late::Checkpoint(shard, id, consumer.counter, place)),
        }
        if fate != Fate::Answered {
            state.set_stage(id, shard, Stage::InDoubt(place));
        }
    }

    /// A checkpoint was made, and the worker knows.
    fn written(&self, state: &mut State, id: WorkerId, shard: Shard, place: Place) {
        let Some(consumer) = state.consumer(id, shard) else { return };
        let stage = match (place, self.children) {
            (Place::Horizon | Place::Record, _) => consumer.stage,
            (Place::End, Children::BeforeTheEnd) => Stage::Finished,
            (Place::End, Children::AfterTheEnd) => Stage::Ending(Set::default()),
        };
        let counter = consumer.counter + 1;
        state.set(id, shard, Some(Consumer { counter, checkpoint: place, stage }));
    }

    fn confirm(&self, state: &mut State, id: WorkerId, shard: Shard) {
        let Some(consumer) = state.consumer(id, shard) else { return };
        let Stage::InDoubt(place) = consumer.stage else { return };
        let row = state.row(shard).filter(|row| row.owner == Some(id));
        let found = row.map(|row| (row.counter, row.checkpoint));
        if found == Some((consumer.counter + 1, place)) {
            self.written(state, id, shard, place);
        } else if found == Some((consumer.counter, consumer.checkpoint)) {
            state.set_stage(id, shard, Stage::Asked);
        } else {
            state.set(id, shard, None);
        }
    }

    fn lease_child(&self, state: &mut State, id: WorkerId, shard: Shard, fate: Fate) {
        let Some(Consumer { stage: Stage::Ending(mut leased), .. }) = state.consumer(id, shard)
        else {
            return;
        };
        let next = self.lineage.children(shard).find(|child| !leased.has(*child));
        let Some(child) = next else { return };
        make(state, child, self.children_need_the_parents_row.then_some(shard), fate);
        if fate == Fate::Answered {
            leased.add(child);
            state.set_stage(id, shard, Stage::Ending(leased));
        }
    }

    fn name_children(&self, state: &mut State, id: WorkerId, shard: Shard) {
        if let (true, Some(row)) = (self.names_children, &mut state.rows[shard.index()]) {
            row.names_children = true;
        }
        let next = match self.children {
            Children::BeforeTheEnd => Stage::Ready,
            Children::AfterTheEnd => Stage::Finished,
        };
        state.set_stage(id, shard, next);
    }

    fn report_end(&self, state: &mut State, id: WorkerId, shard: Shard) {
        let next = match self.children {
            Children::BeforeTheEnd => Stage::Ending(Set::default()),
            Children::AfterTheEnd => Stage::Ready,
        };
        state.set_stage(id, shard, next);
    }
}

fn make(state: &mut State, shard: Shard, parent: Option<Shard>, fate: Fate) {
    match fate {
        Fate::Answered | Fate::AnswerLost => state.create(shard, parent),
        Fate::Lost => {}
        Fate::Late => state.add_late(Late::Create(shard, parent)),
    }
}

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.reshards < self.lineage.reshards() {
            actions.push(Action::Reshard);
        }
        for shard in self.lineage.shards() {
            for id in WORKERS {
                self.shard_actions(state, id, shard, actions);
            }
        }
        if let Some(shard) = audit::missing(state, self) {
            actions.push(Action::Audit(shard, Fate::Answered));
            if state.faults_left > 0 {
                actions.push(Action::Audit(shard, Fate::Late));
            }
        }
        if state.faults_left > 0 {
            self.faults(state, actions);
        }
        actions.extend((0..state.late.len()).map(Action::DeliverLate));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        if self.is_fault(&action) && !matches!(action, Action::DeliverLate(_)) {
            state.faults_left -= 1;
        }
        match action {
            Action::Reshard => state.reshards += 1,
            Action::Take(id, shard) | Action::Steal(id, shard) => self.take(&mut state, id, shard),
            Action::Lose(id, shard) => state.set(id, shard, None),
            Action::LookAtParents(id, shard, fate) => {
                self.look_at_parents(&mut state, id, shard, fate);
            }
            Action::Hand(id, shard) => {
                let in_order = self
                    .lineage
                    .parents(shard)
                    .all(|parent| state.ended.has(parent) || state.trimmed.has(parent));
                state.expect(in_order, Invariant::ParentsFirst);
                state.handed.add(shard);
                state.set_stage(id, shard, Stage::Processing(true));
            }
            Action::Checkpoint(id, shard, place, fate) => {
                self.write_checkpoint(&mut state, (id, shard), place, fate);
            }
            Action::Confirm(id, shard) => self.confirm(&mut state, id, shard),
            Action::ReportEnd(id, shard) => self.report_end(&mut state, id, shard),
            Action::NotFound(id, shard) => state.set_stage(id, shard, Stage::Ready),
            Action::LeaseChild(id, shard, fate) => self.lease_child(&mut state, id, shard, fate),
            Action::NameChildren(id, shard) => self.name_children(&mut state, id, shard),
            Action::TellEnd(id, shard) => {
                state.asked.add(shard);
                state.set_stage(id, shard, Stage::Asked);
            }
            Action::Delete(id, shard, fate) => {
                state.judge_deletion(shard, self);
                let owner = state.row(shard).and_then(|row| row.owner);
                match fate {
                    Fate::Answered | Fate::AnswerLost => state.delete(shard, owner, self),
                    Fate::Lost => {}
                    Fate::Late => state.add_late(Late::Delete(shard, owner)),
                }
                if fate == Fate::Answered {
                    state.set(id, shard, None);
                }
            }
            Action::Audit(shard, fate) => make(&mut state, shard, None, fate),
            Action::Crash(id) => state.workers[usize::from(id.0)] = Default::default(),
            Action::DeleteByHand(shard) => {
                state.rows[shard.index()] = None;
                state.by_hand = true;
            }
            Action::Trim(shard) => state.trimmed.add(shard),
            Action::DeliverLate(at) => match state.late.remove(at) {
                Late::Create(shard, parent) => state.create(shard, parent),
                Late::Checkpoint(shard, from, counter, place) => {
                    state.checkpoint(shard, (from, counter), place, self);
                }
                Late::Delete(shard, owner) => state.delete(shard, owner, self),
            },
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
