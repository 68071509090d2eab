//! The rules of candidates and leaders, and the scope that is explored. A mutant changes one rule.

/// Until when a leader believes that it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// For the lock's duration from the moment that its last proven write was sent.
    FromSending,
    /// For the lock's duration from the moment that the answer came.
    FromAnswer,
    /// Until a write is refused.
    UntilTold,
}

/// When a candidate regards the lock as expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// When it has seen the same version number for the lock's duration, by its own stamp.
    OwnStamp,
    /// As `OwnStamp`, but each read begins a new stamp (KCL#1803).
    FreshRead,
    /// At first sight.
    AtOnce,
}

/// What the delete of a leader that stops is conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// The owner and the version number.
    OwnVersion,
    /// The owner.
    OwnName,
    /// Nothing.
    Unconditional,
}

/// What every candidate does, and what the explored world may do to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) belief: Belief,
    pub(crate) expiry: Expiry,
    pub(crate) release: Release,
    /// Whether a steal names the version number that was seen.
    pub(crate) steal_is_conditional: bool,
    /// Whether a heartbeat names the version number that the leader last wrote.
    pub(crate) heartbeat_is_conditional: bool,
    /// Whether a heartbeat writes a version number of its own.
    pub(crate) heartbeat_has_new_version: bool,
    /// Whether a worker that finds its name on a lock that it knows nothing of believes in it.
    pub(crate) own_name_is_enough: bool,
    /// How many workers there are, at most [`WORKERS_MAX`](super::state::WORKERS_MAX).
    pub(crate) workers: u8,
    /// How long a lock lasts.
    pub(crate) duration_ticks: u8,
    /// How many writes may be under way without anyone waiting for them.
    pub(crate) late_writes_max: usize,
}

impl Rules {
    /// Our rules, which are those of the lock client of `DynamoDB` with stamps of one's own.
    pub(crate) const OURS: Self = Self {
        belief: Belief::FromSending,
        expiry: Expiry::OwnStamp,
        release: Release::OwnVersion,
        steal_is_conditional: true,
        heartbeat_is_conditional: true,
        heartbeat_has_new_version: true,
        own_name_is_enough: false,
        workers: 2,
        duration_ticks: 2,
        late_writes_max: 2,
    };

    /// Our rules among three.
    pub(crate) const OURS_AMONG_THREE: Self = Self { workers: 3, late_writes_max: 1, ..Self::OURS };
}
