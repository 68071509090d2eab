//! The lease's row, and what a write makes of it.

use super::rules::{Conditions, Rules, TransferCondition};

/// One of the two workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u8);

/// The last record of the shard; 0 is the place before the first.
pub(crate) const LAST: u8 = 2;

/// The lease's row. It always names an owner: nobody gives it up here but to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// The worker that owns the lease, or will once it is handed off.
    pub(crate) owner: WorkerId,
    /// During a hand-off, the worker that still processes (`checkpointOwner`).
    pub(crate) giver: Option<WorkerId>,
    pub(crate) counter: u8,
    pub(crate) checkpoint: u8,
}

impl Row {
    /// The worker that processes.
    pub(crate) fn holder(self) -> WorkerId {
        self.giver.unwrap_or(self.owner)
    }

    fn owners(self) -> (WorkerId, Option<WorkerId>) {
        (self.owner, self.giver)
    }
}

/// A conditional update of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    /// The row as the sender knows it.
    pub(crate) seen: Row,
    /// The counter with which the sender's tenure began; none for a leader's. For judging only.
    pub(crate) tenure: Option<u8>,
    pub(crate) change: Change,
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Renew,
    Checkpoint(u8),
    /// The giver's last write: the owner may begin. The number is for judging only: up to where
    /// the processor has answered that it is done, if it has.
    Transfer(Option<u8>),
    /// A leader's: the lease is to be handed to another.
    Initiate(WorkerId),
    /// A leader's: the lease is another's at once.
    Assign(WorkerId),
}

impl Write {
    /// What the write makes of `row`: only the attributes that it sets change.
    pub(crate) fn applied_to(self, row: Row, rules: &Rules) -> Row {
        let assigned = row.counter + u8::from(rules.assignment_counts);
        match self.change {
            Change::Renew => Row { counter: self.seen.counter + 1, ..row },
            Change::Checkpoint(checkpoint) => {
                Row { counter: self.seen.counter + 1, checkpoint, ..row }
            }
            Change::Transfer(_) => {
                Row { owner: self.seen.owner, giver: None, counter: assigned, ..row }
            }
            Change::Initiate(to) => Row { owner: to, giver: Some(self.seen.owner), ..row },
            Change::Assign(to) => Row { owner: to, giver: None, counter: assigned, ..row },
        }
    }

    /// Whether the table would apply the write to `row`.
    pub(crate) fn is_allowed_on(self, row: Row, rules: &Rules) -> bool {
        let counter = row.counter == self.seen.counter;
        let owners = row.owners() == self.seen.owners();
        match self.change {
            Change::Renew | Change::Checkpoint(_) => match rules.conditions {
                Conditions::AsSeen => counter && owners,
                Conditions::Counter => {
                    let unknown = self.seen.giver.is_none() && row.giver.is_some();
                    counter && !(self.change == Change::Renew && unknown)
                }
                Conditions::CounterAlone => counter,
            },
            Change::Transfer(_) => match rules.transfer_condition {
                TransferCondition::AsSeen => owners && counter,
                TransferCondition::Owners => owners,
                TransferCondition::Unconditional => true,
            },
            Change::Initiate(_) => {
                let free = row.giver.is_none() || !rules.initiation_is_conditional;
                row.owner == self.seen.owner && free
            }
            Change::Assign(_) => owners,
        }
    }
}
