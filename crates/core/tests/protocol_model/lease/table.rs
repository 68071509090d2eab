//! The lease table: one row, and what a write makes of it.

use super::rules::Rules;

/// One of the two workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u8);

/// A place in the shard: before its first record (0), or one of its user records.
///
/// The shard holds one aggregated record of two user records, so that sub-sequence numbers matter:
/// place 1 is (1, 0) and place 2 is (1, 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(crate) u8);

impl Place {
    /// Before the first record.
    pub(crate) const HORIZON: Self = Self(0);
    /// The shard's last record.
    pub(crate) const LAST: Self = Self(2);

    /// The sequence number without the sub-sequence number.
    pub(crate) fn sequence(self) -> u8 {
        self.0.div_ceil(2)
    }

    /// This place as one bit of a set.
    pub(crate) fn bit(self) -> u8 {
        1 << self.0
    }

    /// The places of all records up to this one, as a set.
    pub(crate) fn bits_up_to(self) -> u8 {
        (self.bit() << 1) - 2
    }
}

/// The lease's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) owner: Option<WorkerId>,
    pub(crate) counter: u8,
    pub(crate) checkpoint: Place,
}

impl Row {
    /// A lease as shard sync creates it.
    pub(crate) const NEW: Self = Self { owner: None, counter: 0, checkpoint: Place::HORIZON };
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    /// With the counter that it writes.
    Take(u8),
    Renew,
    Checkpoint(Place),
    Release,
}

/// Which tenure a write belongs to. Workers do not know it: it is there to judge them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TenureId {
    /// How often the row had been created anew.
    pub(crate) generation: u8,
    /// The counter that the take left behind.
    pub(crate) counter: u8,
}

/// A conditional update of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    pub(crate) from: WorkerId,
    /// The tenure that sent it; a take is sent by none.
    pub(crate) tenure: Option<TenureId>,
    /// The row as the sender knows it.
    pub(crate) before: Row,
    pub(crate) change: Change,
}

impl Write {
    /// What the write makes of `row`: only the attributes that it sets change.
    pub(crate) fn applied_to(self, row: Row) -> Row {
        let counter = self.before.counter + 1;
        match self.change {
            Change::Take(counter) => Row { owner: Some(self.from), counter, ..row },
            Change::Renew => Row { counter, ..row },
            Change::Checkpoint(checkpoint) => Row { counter, checkpoint, ..row },
            Change::Release => Row { owner: None, counter, ..row },
        }
    }

    /// The write without what matters only to a sender that still waits for it.
    pub(crate) fn unawaited(self) -> Self {
        Self { before: Row { checkpoint: Place::HORIZON, ..self.before }, ..self }
    }

    /// The row as the sender expects it once the write is applied.
    pub(crate) fn after(self) -> Row {
        self.applied_to(self.before)
    }

    /// Whether the table would apply the write to `row`.
    pub(crate) fn is_allowed_on(self, row: Row, rules: &Rules) -> bool {
        let is_conditional = match self.change {
            Change::Take(_) | Change::Release => true,
            Change::Renew => rules.renewal_is_conditional,
            Change::Checkpoint(_) => rules.checkpoint_is_conditional,
        };
        let same_owner = self.before.owner == row.owner || !rules.condition_names_owner;
        !is_conditional || (self.before.counter == row.counter && same_owner)
    }
}
