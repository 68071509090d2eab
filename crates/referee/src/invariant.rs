//! The invariants, by name and number.

use std::fmt;

/// What must hold in every run. The numbers are those of the project's list of invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// I1: every record up to a checkpoint was handed before the checkpoint was written.
    NoHoleUnderCheckpoint,
    /// I2: a tenure starts at the row's checkpoint and leaves nothing out.
    NoHoleInTenure,
    /// I3: records of a tenure come in order.
    OrderInTenure,
    /// I4: nothing at or before its start is handed in a tenure.
    NothingBeforeStart,
    /// I5: a child shard starts after its parents ended.
    ParentsFirst,
    /// I6: a shard is marked as ended only when it did, and its processor said so.
    ShardEndEarned,
    /// I7: the leases of all children exist before their parent is marked as ended.
    ChildrenLeased,
    /// I8: every record was handed.
    EverythingDelivered,
    /// I9: a checkpoint never goes back.
    CheckpointNeverGoesBack,
    /// I10: only the worker that holds a lease renews or checkpoints it.
    OwnerWrites,
    /// I11: nothing that a worker sent before a lease changed hands is applied afterwards.
    NoWriteOfEarlierTenure,
    /// I12: a checkpoint that was told as made was made.
    TruthfulAcknowledgement,
    /// I13: a processor that was refused a checkpoint for good is handed nothing more.
    NothingAfterFinalRefusal,
    /// I14: a prepared checkpoint moves nothing, and the next tenure is given it.
    PendingKept,
    /// I16: no hand-over begins after the lease may have expired.
    NoHandAfterDeadline,
    /// I17: an old tenure overlaps a new one by no more than the call it is in.
    OverlapBounded,
    /// I18: a record comes again only once for each tenure that started before it.
    DuplicatesBounded,
    /// I19: a tenure that ended in order, with a checkpoint, causes no duplicates.
    OrderlyEndNoDuplicates,
    /// I20: a lease that is renewed is taken only by the balancing rule, one a run.
    OneLiveSteal,
    /// I21: a lease without a living owner finds one in time.
    TakeoverInTime,
    /// I22: leases come to rest, spread evenly.
    Balanced,
    /// I23: every shard has a lease, or is done, or waits for its parents.
    Coverage,
    /// I24: a held lease whose records wait hands them.
    HeldLeaseAlive,
    /// I27: a lease is deleted only when its shard and the start of its children are done.
    DeletedOnlyWhenDone,
    /// I28: a worker that lives goes on renewing what it holds.
    ThrottlingEndsNothing,
    /// I34: a worker that says it ended in order has no lease.
    OrderlyExit,
    /// I35: what no one knows in the lease table stays as it is.
    UnknownKept,
    /// Records of one key come in order when they come first, across reshards too.
    OrderOfKeys,
    /// What was handed is what was put.
    Content,
    /// The journals agree with themselves; otherwise they are no evidence.
    Journals,
}

impl Invariant {
    /// Its number, or a name where it has none.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.id_and_statement().0
    }

    /// What it says, in a few words.
    #[must_use]
    pub fn statement(self) -> &'static str {
        self.id_and_statement().1
    }

    fn id_and_statement(self) -> (&'static str, &'static str) {
        match self {
            Self::NoHoleUnderCheckpoint => ("I1", "no hole under a checkpoint"),
            Self::NoHoleInTenure => ("I2", "no hole inside a tenure"),
            Self::OrderInTenure => ("I3", "order inside a tenure"),
            Self::NothingBeforeStart => ("I4", "nothing before the start"),
            Self::ParentsFirst => ("I5", "parents before children"),
            Self::ShardEndEarned => ("I6", "SHARD_END is earned"),
            Self::ChildrenLeased => ("I7", "children leased before SHARD_END"),
            Self::EverythingDelivered => ("I8", "everything delivered"),
            Self::CheckpointNeverGoesBack => ("I9", "checkpoints never go back"),
            Self::OwnerWrites => ("I10", "only the owner writes"),
            Self::NoWriteOfEarlierTenure => ("I11", "no write of an earlier tenure"),
            Self::TruthfulAcknowledgement => ("I12", "acknowledged means written"),
            Self::NothingAfterFinalRefusal => ("I13", "nothing after a final refusal"),
            Self::PendingKept => ("I14", "prepared checkpoints are kept"),
            Self::NoHandAfterDeadline => ("I16", "no hand-over after the deadline"),
            Self::OverlapBounded => ("I17", "overlap is bounded"),
            Self::DuplicatesBounded => ("I18", "duplicates are bounded"),
            Self::OrderlyEndNoDuplicates => ("I19", "no duplicates after an orderly end"),
            Self::OneLiveSteal => ("I20", "live leases are stolen one a run"),
            Self::TakeoverInTime => ("I21", "takeover in time"),
            Self::Balanced => ("I22", "leases are balanced"),
            Self::Coverage => ("I23", "every shard is covered"),
            Self::HeldLeaseAlive => ("I24", "held leases are alive"),
            Self::DeletedOnlyWhenDone => ("I27", "leases deleted only when done"),
            Self::ThrottlingEndsNothing => ("I28", "renewals never end"),
            Self::OrderlyExit => ("I34", "orderly exit leaves no lease"),
            Self::UnknownKept => ("I35", "unknown attributes and rows kept"),
            Self::OrderOfKeys => ("keys", "order of each key"),
            Self::Content => ("content", "handed as it was put"),
            Self::Journals => ("journals", "journals agree"),
        }
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 30] = [
        Self::NoHoleUnderCheckpoint,
        Self::NoHoleInTenure,
        Self::OrderInTenure,
        Self::NothingBeforeStart,
        Self::ParentsFirst,
        Self::ShardEndEarned,
        Self::ChildrenLeased,
        Self::EverythingDelivered,
        Self::CheckpointNeverGoesBack,
        Self::OwnerWrites,
        Self::NoWriteOfEarlierTenure,
        Self::TruthfulAcknowledgement,
        Self::NothingAfterFinalRefusal,
        Self::PendingKept,
        Self::NoHandAfterDeadline,
        Self::OverlapBounded,
        Self::DuplicatesBounded,
        Self::OrderlyEndNoDuplicates,
        Self::OneLiveSteal,
        Self::TakeoverInTime,
        Self::Balanced,
        Self::Coverage,
        Self::HeldLeaseAlive,
        Self::DeletedOnlyWhenDone,
        Self::ThrottlingEndsNothing,
        Self::OrderlyExit,
        Self::UnknownKept,
        Self::OrderOfKeys,
        Self::Content,
        Self::Journals,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
