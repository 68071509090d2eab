//! What is at one moment, and what becomes of it: the row, two workers, writes on their way.

use super::row::{Change, LAST, Row, WorkerId, Write};
use super::rules::{Conditions, Rules};

/// A statement of the list of invariants, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    StartIsTheRowsCheckpoint,
    CheckpointNeverGoesBack,
    OnlyTheHolderWrites,
    OnlyTheCurrentTenureWrites,
    NothingTwice,
}

impl Invariant {
    /// Its name as a property of the model.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::StartIsTheRowsCheckpoint => "I2 a tenure starts at the checkpoint in the row",
            Self::CheckpointNeverGoesBack => "I9 a checkpoint never goes back",
            Self::OnlyTheHolderWrites => "I10 only the holder's writes are applied",
            Self::OnlyTheCurrentTenureWrites => "I11 only the current tenure's writes are applied",
            Self::NothingTwice => "I19 a hand-off in order hands nothing twice",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What one worker remembers of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Worker {
    Idle,
    Holding(Tenure),
    /// It is gone for good.
    Gone,
}

/// A worker's hold of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tenure {
    /// The row as the worker last proved it.
    pub(crate) row: Row,
    /// Up to where records were handed.
    pub(crate) handed: u8,
    pub(crate) phase: Phase,
    /// A write whose answer did not come.
    pub(crate) doubt: Option<Write>,
    /// The counter with which it began. For judging only.
    pub(crate) began: u8,
}

/// How far an owner is with handing the lease to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Working,
    /// The processor is asked to checkpoint once more; nothing is handed any more.
    Asked,
    /// The processor is done, up to what was handed then, or was not in time.
    Done(Option<u8>),
    /// The request was lost inside the worker: it goes on as if there were none.
    Forgotten,
}

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) row: Row,
    /// The row before its last change: what a read that is not consistent may return.
    pub(crate) before: Row,
    pub(crate) workers: [Worker; 2],
    /// Writes that nobody waits for any more and that the table may still apply, sorted.
    pub(crate) late: Vec<Write>,
    pub(crate) moves_left: u8,
    pub(crate) faults_left: u8,
    /// The counter with which the current tenure began. For judging only.
    pub(crate) tenure: u8,
    /// The last record that was ever handed. For judging only.
    pub(crate) handed: u8,
    /// Whether all went in order so far: no fault, nobody too slow. For judging only.
    pub(crate) in_order: bool,
    /// Up to where the processors of givers have said that they are done. For judging only.
    pub(crate) done: u8,
    /// The invariants that were broken on the way here.
    broken: u8,
}

impl State {
    /// The first worker holds the lease.
    pub(crate) fn new(rules: &Rules) -> Self {
        let row = Row { owner: WorkerId(0), giver: None, counter: 0, checkpoint: 0 };
        let tenure = Tenure { row, handed: 0, phase: Phase::Working, doubt: None, began: 0 };
        Self {
            row,
            before: row,
            workers: [Worker::Holding(tenure), Worker::Idle],
            late: Vec::new(),
            moves_left: rules.moves,
            faults_left: rules.faults,
            tenure: 0,
            handed: 0,
            in_order: true,
            done: 0,
            broken: 0,
        }
    }

    pub(crate) fn is_broken(&self, invariant: Invariant) -> bool {
        self.broken & invariant.bit() != 0
    }

    fn expect(&mut self, holds: bool, invariant: Invariant) {
        if !holds {
            self.broken |= invariant.bit();
        }
    }

    pub(crate) fn worker(&mut self, id: WorkerId) -> &mut Worker {
        &mut self.workers[usize::from(id.0)]
    }

    pub(crate) fn tenure_of(&self, id: WorkerId) -> Option<&Tenure> {
        match &self.workers[usize::from(id.0)] {
            Worker::Holding(tenure) => Some(tenure),
            Worker::Idle | Worker::Gone => None,
        }
    }

    pub(crate) fn holding(&mut self, id: WorkerId) -> &mut Tenure {
        match self.worker(id) {
            Worker::Holding(tenure) => tenure,
            Worker::Idle | Worker::Gone => panic!("only a holder does this"),
        }
    }

    /// Whether the holder still renews, so that the lease does not expire.
    pub(crate) fn is_renewed(&self, rules: &Rules) -> bool {
        self.tenure_of(self.row.holder()).is_some_and(|tenure| {
            let after = tenure.doubt.map(|write| write.applied_to(tenure.row, rules).counter);
            tenure.row.counter == self.row.counter || after == Some(self.row.counter)
        })
    }

    pub(crate) fn go_wrong(&mut self) {
        self.faults_left -= 1;
        self.in_order = false;
    }

    pub(crate) fn add_late(&mut self, write: Write) {
        let at = self.late.partition_point(|other| *other < write);
        self.late.insert(at, write);
    }

    /// The table gets a write, and says whether it has applied it.
    pub(crate) fn apply(&mut self, from: Option<WorkerId>, write: Write, rules: &Rules) -> bool {
        if !write.is_allowed_on(self.row, rules) {
            return false;
        }
        let (before, after) = (self.row, write.applied_to(self.row, rules));
        self.expect(after.checkpoint >= before.checkpoint, Invariant::CheckpointNeverGoesBack);
        if let Some(tenure) = write.tenure {
            let by_holder = from.is_none_or(|from| before.holder() == from);
            let counted =
                write.seen.counter == before.counter || matches!(write.change, Change::Transfer(_));
            let same_holder = before.holder() == write.seen.holder();
            self.expect(by_holder && same_holder && counted, Invariant::OnlyTheHolderWrites);
            self.expect(tenure == self.tenure, Invariant::OnlyTheCurrentTenureWrites);
        }
        match write.change {
            Change::Renew | Change::Checkpoint(_) | Change::Initiate(_) => {}
            Change::Transfer(done) => {
                self.tenure = after.counter;
                self.done = self.done.max(done.unwrap_or(0));
                self.expect(done.is_none_or(|at| after.checkpoint >= at), Invariant::NothingTwice);
            }
            // What is given to the one who has it goes on.
            Change::Assign(to) if to == before.holder() => {}
            Change::Assign(_) => self.tenure = after.counter,
        }
        (self.row, self.before) = (after, before);
        true
    }

    /// The next record is handed to the processor.
    pub(crate) fn hand(&mut self, id: WorkerId) {
        let tenure = self.holding(id);
        tenure.handed += 1;
        let (place, began) = (tenure.handed, tenure.began);
        let again = place <= self.handed;
        self.expect(!(again && self.in_order), Invariant::NothingTwice);
        // Whatever went wrong: one who has lost the lease may not know, but the others do.
        self.expect(place > self.done || began != self.tenure, Invariant::NothingTwice);
        self.handed = self.handed.max(place);
    }

    /// A worker that the row names begins. It writes nothing.
    pub(crate) fn begin(&mut self, id: WorkerId, seen: Row) {
        self.expect(seen.checkpoint == self.row.checkpoint, Invariant::StartIsTheRowsCheckpoint);
        *self.worker(id) = Worker::Holding(Tenure {
            row: seen,
            handed: seen.checkpoint,
            phase: Phase::Working,
            doubt: None,
            began: self.tenure,
        });
    }

    /// The table has refused a write of the holder, or not answered: it reads the row.
    pub(crate) fn look(&mut self, id: WorkerId, doubt: Option<Write>, rules: &Rules) {
        let (row, tenure) = (self.row, *self.holding(id));
        let known = |expected: Row| {
            // Only a leader may have come between, and only to begin a hand-off.
            let begun = row.giver == Some(id) && expected.giver.is_none();
            let same = row.owner == expected.owner && row.giver == expected.giver;
            (begun || same)
                && row.counter == expected.counter
                && row.checkpoint == expected.checkpoint
        };
        let after = doubt.map(|write| write.applied_to(tenure.row, rules));
        let is_mine = row.holder() == id;
        let kept = is_mine && (known(tenure.row) || after.is_some_and(known));
        *self.worker(id) = if kept {
            Worker::Holding(Tenure { row, doubt: None, ..tenure })
        } else {
            Worker::Idle
        };
    }

    /// The holder's write was applied, and it knows.
    pub(crate) fn written(&mut self, id: WorkerId, write: Write, rules: &Rules) {
        match write.change {
            Change::Transfer(_) => *self.worker(id) = Worker::Idle,
            Change::Renew | Change::Checkpoint(_) | Change::Initiate(_) | Change::Assign(_) => {
                let tenure = self.holding(id);
                tenure.row = write.applied_to(tenure.row, rules);
            }
        }
    }

    /// Whether a renewal would tell the holder of a hand-off that it does not know of.
    pub(crate) fn would_learn(&self, tenure: &Tenure, rules: &Rules) -> bool {
        match rules.conditions {
            Conditions::AsSeen | Conditions::Counter => {
                tenure.row.giver.is_none() && self.row.giver.is_some()
            }
            Conditions::CounterAlone => false,
        }
    }

    /// Whether nothing is left to do: no hand-off, and everything is processed and checkpointed.
    pub(crate) fn is_well(&self) -> bool {
        let held = self.tenure_of(self.row.owner).is_some_and(|tenure| tenure.row == self.row);
        self.row.giver.is_none() && held && self.row.checkpoint == LAST
    }
}
