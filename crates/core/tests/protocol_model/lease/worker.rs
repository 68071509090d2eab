//! One worker: what it remembers, and what an answer or a read makes of that.

use super::rules::{Confirm, Restart, Rules, Start};
use super::table::{Change, Place, Row, TenureId, WorkerId, Write};

/// What one worker remembers of the lease. A crash makes it [`Idle`](Self::Idle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Worker {
    Idle,
    Taking(Flight),
    Holding(Tenure),
}

/// A worker's hold of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tenure {
    /// The row as the worker last proved it.
    pub(crate) row: Row,
    /// Up to where records were handed.
    pub(crate) handed: Place,
    /// The one write that is under way.
    pub(crate) flight: Option<Flight>,
    /// Which tenure it is. For judging only.
    pub(crate) id: TenureId,
    /// The checkpoints of this tenure that the table applied, as a set. For judging only.
    pub(crate) applied: u8,
}

/// A write whose outcome the worker does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Flight {
    pub(crate) write: Write,
    pub(crate) stage: Stage,
}

/// How far a write has come, as its sender could know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// On its way to the table.
    Sent,
    /// Applied; the answer, with the row and its tenure, is on its way back.
    Applied(Row, TenureId),
    /// Refused; the answer is on its way back.
    Refused,
    /// No answer came: it may have been applied, may be later, or never.
    Ambiguous,
}

/// What the worker makes of the outcome of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied; the row is now this one.
    Written(Row, TenureId),
    /// The row is as it was before; the write may still arrive.
    NotYet,
    /// The row is somebody else's, or was changed by something that cannot be explained.
    Lost,
}

/// The row as a consistent read returns it, with the tenure that it belongs to (for judging only).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) row: Row,
    pub(crate) tenure: Option<TenureId>,
}

impl Worker {
    /// The write whose outcome is awaited.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Idle => None,
            Self::Taking(flight) => Some(flight),
            Self::Holding(tenure) => tenure.flight.as_ref(),
        }
    }

    /// Notes how far the awaited write has come.
    pub(crate) fn set_stage(&mut self, stage: Stage) {
        let flight = match self {
            Self::Idle => None,
            Self::Taking(flight) => Some(flight),
            Self::Holding(tenure) => tenure.flight.as_mut(),
        };
        flight.expect("only a write that is awaited has a stage").stage = stage;
    }

    /// The tenure, while the worker believes that it holds the lease.
    pub(crate) fn tenure(&self) -> Option<&Tenure> {
        match self {
            Self::Idle | Self::Taking(_) => None,
            Self::Holding(tenure) => Some(tenure),
        }
    }
}

impl Flight {
    /// What the write came to, by its answer and, unless that says it was applied, by a read.
    pub(crate) fn outcome(&self, read: Read, rules: &Rules) -> Outcome {
        if let Stage::Applied(row, tenure) = self.stage {
            return Outcome::Written(row, tenure);
        }
        let after = self.write.after();
        let (owner, counter) = (after.owner == read.row.owner, after.counter == read.row.counter);
        let proven = owner
            && counter
            && match rules.confirm {
                Confirm::Everything => after.checkpoint == read.row.checkpoint,
                Confirm::WithoutSubSequence => {
                    after.checkpoint.sequence() == read.row.checkpoint.sequence()
                }
                Confirm::OwnerAndCounter => true,
            };
        match (proven, read.tenure) {
            (true, Some(tenure)) => Outcome::Written(read.row, tenure),
            (true, None) | (false, _) => {
                if self.stage == Stage::Ambiguous && self.write.before == read.row {
                    Outcome::NotYet
                } else {
                    Outcome::Lost
                }
            }
        }
    }
}

impl Tenure {
    /// The tenure that a take begins, and whether it starts at the row's checkpoint.
    pub(crate) fn begin(take: Write, row: Row, id: TenureId, rules: &Rules) -> (Self, bool) {
        let handed = match rules.start {
            Start::Written => row.checkpoint,
            Start::Scanned => take.before.checkpoint,
            Start::Tip => Place::LAST,
        };
        let tenure = Self { row: take.after(), handed, flight: None, id, applied: 0 };
        (tenure, handed == row.checkpoint)
    }

    /// Starts the processor anew; nothing if the row shows that the lease is no longer held.
    pub(crate) fn restart(self, read: Read, rules: &Rules) -> Option<Self> {
        match rules.restart {
            Restart::Remembered => Some(Self { handed: self.row.checkpoint, ..self }),
            Restart::Read => {
                (self.row == read.row).then_some(Self { handed: read.row.checkpoint, ..self })
            }
        }
    }

    /// A write of this tenure, sent by `from`.
    pub(crate) fn send(&mut self, from: WorkerId, change: Change) {
        let write = Write { from, tenure: Some(self.id), before: self.row, change };
        self.flight = Some(Flight { write, stage: Stage::Sent });
    }

    /// The checkpoints that the processor may ask for now.
    pub(crate) fn allowed(&self) -> impl Iterator<Item = Place> {
        (self.row.checkpoint.0 + 1..=self.handed.0).map(Place)
    }
}
