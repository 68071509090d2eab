//! The rules of owners, new owners and leaders, and the scope that is explored. A mutant changes
//! one rule.

/// What the writes of an owner are conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// The counter and both owners, as the owner last knew them.
    AsSeen,
    /// The counter; a renewal also that no hand-off has begun that the owner does not know. Java's.
    Counter,
    /// The counter alone, as before KCL 3.x.
    CounterAlone,
}

/// When an owner writes that the new owner may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Once the processor was asked and has answered, or has not in time.
    Asked,
    /// Without a word to the processor.
    Unasked,
}

/// What an owner's transfer is conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferCondition {
    /// Both owners and the counter.
    AsSeen,
    /// Both owners. Java's.
    Owners,
    /// Nothing.
    Unconditional,
}

/// What every worker and leader does, and what the explored world may do to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) conditions: Conditions,
    pub(crate) transfer: Transfer,
    pub(crate) transfer_condition: TransferCondition,
    /// Whether nothing is handed any more once the processor has said that it is done.
    pub(crate) stops_before_transfer: bool,
    /// Whether a worker leaves a lease that names it alone while another still holds it.
    pub(crate) waits_for_the_holder: bool,
    /// Whether a worker reads the row consistently before it begins.
    pub(crate) begins_by_consistent_read: bool,
    /// Whether an assignment raises the counter.
    pub(crate) assignment_counts: bool,
    /// Whether a leader begins a hand-off only if none is under way.
    pub(crate) initiation_is_conditional: bool,
    /// Whether a leader ends a hand-off that takes too long.
    pub(crate) deadline: bool,
    /// Whether a leader also assigns to the worker that holds the lease, to end a hand-off.
    pub(crate) assigns_to_the_holder: bool,
    /// How many hand-offs leaders begin.
    pub(crate) moves: u8,
    /// How many things may go wrong, of whatever kind.
    pub(crate) faults: u8,
    /// Up to which counter an owner renews without a reason.
    pub(crate) counter_max: u8,
}

impl Rules {
    /// Our rules.
    pub(crate) const OURS: Self = Self {
        conditions: Conditions::AsSeen,
        transfer: Transfer::Asked,
        transfer_condition: TransferCondition::AsSeen,
        stops_before_transfer: true,
        waits_for_the_holder: true,
        begins_by_consistent_read: true,
        assignment_counts: true,
        initiation_is_conditional: true,
        deadline: true,
        assigns_to_the_holder: true,
        moves: 2,
        faults: 2,
        counter_max: 1,
    };

    /// Our rules with Java's conditions of an owner's renewals and checkpoints.
    pub(crate) const JAVAS: Self = Self { conditions: Conditions::Counter, ..Self::OURS };

    /// Less of the world, to look for a way out of every state.
    pub(crate) const OURS_IN_A_SMALL_WORLD: Self = Self { moves: 1, ..Self::OURS };
}
