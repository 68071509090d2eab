//! What is at one moment, and what becomes of it: the row, two workers, writes on their way.

use super::rules::Rules;
use super::table::{Change, Row, TenureId, WorkerId, Write};
use super::worker::{Flight, Outcome, Read, Stage, Tenure, Worker};

/// A statement of the list of invariants, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invariant {
    NoHoleUnderCheckpoint,
    StartIsTheRowsCheckpoint,
    CheckpointNeverGoesBack,
    OnlyTheOwnerWrites,
    OnlyTheCurrentTenureWrites,
    TruthfulAcknowledgement,
}

impl Invariant {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::NoHoleUnderCheckpoint,
        Self::StartIsTheRowsCheckpoint,
        Self::CheckpointNeverGoesBack,
        Self::OnlyTheOwnerWrites,
        Self::OnlyTheCurrentTenureWrites,
        Self::TruthfulAcknowledgement,
    ];

    /// Its name as a property of the model.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoHoleUnderCheckpoint => "I1 no hole under a checkpoint",
            Self::StartIsTheRowsCheckpoint => "I2 a tenure starts at the checkpoint in the row",
            Self::CheckpointNeverGoesBack => "I9 a checkpoint never goes back",
            Self::OnlyTheOwnerWrites => "I10 only the owner's writes are applied",
            Self::OnlyTheCurrentTenureWrites => "I11 only the current tenure's writes are applied",
            Self::TruthfulAcknowledgement => "I12 a checkpoint told as made was made",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The row in the table.
    pub(crate) row: Row,
    /// The tenure that the row belongs to. For judging only.
    pub(crate) tenure: Option<TenureId>,
    /// How often the row was created anew.
    pub(crate) generation: u8,
    pub(crate) workers: [Worker; 2],
    /// Writes that nobody waits for any more and that the table may still apply, sorted.
    pub(crate) late: Vec<Write>,
    /// The records that were ever handed, as a set. For judging only.
    pub(crate) handed: u8,
    /// The invariants that were broken on the way here.
    broken: u8,
}

/// What becomes of a request that its sender gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Lost,
    Late,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            row: Row::NEW,
            tenure: None,
            generation: 0,
            workers: [Worker::Idle; 2],
            late: Vec::new(),
            handed: 0,
            broken: 0,
        }
    }

    pub(crate) fn is_broken(&self, invariant: Invariant) -> bool {
        self.broken & invariant.bit() != 0
    }

    pub(crate) fn expect(&mut self, holds: bool, invariant: Invariant) {
        if !holds {
            self.broken |= invariant.bit();
        }
    }

    pub(crate) fn read(&self) -> Read {
        Read { row: self.row, tenure: self.tenure }
    }

    pub(crate) fn worker(&mut self, id: WorkerId) -> &mut Worker {
        &mut self.workers[usize::from(id.0)]
    }

    pub(crate) fn holding(&mut self, id: WorkerId) -> &mut Tenure {
        match self.worker(id) {
            Worker::Holding(tenure) => tenure,
            Worker::Idle | Worker::Taking(_) => panic!("only a holder does this"),
        }
    }

    pub(crate) fn flight(&self, id: WorkerId) -> Flight {
        *self.workers[usize::from(id.0)].flight().expect("only a sender gets an answer")
    }

    /// The table gets a write: it applies it and says with which result, or refuses it.
    pub(crate) fn apply(&mut self, write: Write, rules: &Rules) -> Stage {
        if !write.is_allowed_on(self.row, rules) {
            return Stage::Refused;
        }
        let (before, after) = (self.row, write.applied_to(self.row));
        self.expect(after.checkpoint >= before.checkpoint, Invariant::CheckpointNeverGoesBack);
        if matches!(write.change, Change::Take(_)) {
            self.tenure = Some(TenureId { generation: self.generation, counter: after.counter });
        } else {
            let by_owner = before.owner == Some(write.from);
            let counted = before.counter == write.before.counter;
            self.expect(by_owner && counted, Invariant::OnlyTheOwnerWrites);
            self.expect(self.tenure == write.tenure, Invariant::OnlyTheCurrentTenureWrites);
        }
        if let (Change::Checkpoint(place), Worker::Holding(sender)) =
            (write.change, self.worker(write.from))
            && write.tenure == Some(sender.id)
        {
            sender.applied |= place.bit();
        }
        self.row = after;
        let tenure = self.tenure;
        if write.change == Change::Release {
            self.tenure = None;
        }
        tenure.map_or(Stage::Refused, |tenure| Stage::Applied(after, tenure))
    }

    /// The sender learns what its write came to.
    pub(crate) fn conclude(&mut self, id: WorkerId, rules: &Rules) {
        let flight = self.flight(id);
        let worker = *self.worker(id);
        *self.worker(id) = match (flight.outcome(self.read(), rules), worker) {
            (Outcome::Written(row, tenure), Worker::Taking(_)) => {
                let (tenure, starts_right) = Tenure::begin(flight.write, row, tenure, rules);
                self.expect(starts_right, Invariant::StartIsTheRowsCheckpoint);
                Worker::Holding(tenure)
            }
            (Outcome::Written(..), Worker::Holding(tenure)) => {
                self.told_success(&tenure, flight.write.change);
                Worker::Holding(Tenure { row: flight.write.after(), flight: None, ..tenure })
            }
            // The processor is told that it may try again.
            (Outcome::NotYet, Worker::Holding(tenure)) => {
                Worker::Holding(Tenure { flight: None, ..tenure })
            }
            (Outcome::NotYet | Outcome::Lost, Worker::Taking(_))
            | (Outcome::Lost, Worker::Holding(_))
            | (_, Worker::Idle) => Worker::Idle,
        };
    }

    fn told_success(&mut self, tenure: &Tenure, change: Change) {
        if let Change::Checkpoint(place) = change {
            let applied = tenure.applied & place.bit() != 0;
            self.expect(applied, Invariant::TruthfulAcknowledgement);
        }
    }

    /// The sender stops waiting for `id`'s write.
    pub(crate) fn leave_behind(&mut self, id: WorkerId, fate: Fate) {
        let flight = self.flight(id);
        if flight.stage == Stage::Sent && fate == Fate::Late {
            self.add_late(flight.write.unawaited());
        }
    }

    fn add_late(&mut self, write: Write) {
        let at = self.late.partition_point(|other| *other < write);
        self.late.insert(at, write);
    }

    pub(crate) fn without_answer(&mut self, id: WorkerId, rules: &Rules) {
        let write = self.flight(id).write;
        self.worker(id).set_stage(Stage::Ambiguous);
        if rules.ambiguity_is_success
            && let (Change::Checkpoint(_), Worker::Holding(tenure)) =
                (write.change, *self.worker(id))
        {
            self.told_success(&tenure, write.change);
            let tenure = Tenure { row: write.after(), flight: None, ..tenure };
            *self.worker(id) = Worker::Holding(tenure);
        }
    }
}
