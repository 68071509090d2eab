//! The kinds of faults.

use std::fmt;

/// A kind of fault that a run may leave out as a whole. Each run leaves some out (swarm testing):
/// what faults together hide, they show alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Workers die, and start again.
    Kills,
    /// Workers die at the very moment of one of their calls.
    Crashes,
    /// Workers stand still for longer than a lease lives.
    Pauses,
    /// Workers are asked to stop, and start again.
    Stops,
    /// Workers are cut off from the table, the stream, or both.
    Partitions,
    /// Clocks run at different rates; dates jump.
    Clocks,
    /// Requests to the table are lost, or their answers are.
    TableLoss,
    /// Writes arrive long after their sender gave up.
    TableLate,
    /// The table throttles, or breaks.
    TableErrors,
    /// Answers of the table take longer than a lease lives.
    TableSlow,
    /// Scans show the table as it was.
    StaleScans,
    /// The stream throttles, breaks, or loses requests.
    StreamErrors,
    /// Iterators expire.
    Expiry,
    /// The stream answers wrongly: no records though there are, no iterator and no children.
    Malformed,
    /// Lists of shards are old, doubled, out of order.
    Lists,
    /// Splits and merges.
    Reshards,
    /// Record processors fail, panic, hang, are slow, forget the shard's end.
    Processors,
    /// Somebody deletes rows, or adds rows of other kinds.
    Hands,
    /// Unusual settings: tiny batches, short intervals, one shard to a page.
    Knobs,
    /// Record processors do not return for minutes.
    Hangs,
    /// The lease table is away for a while: deleted, and made again with its rows.
    TableGone,
    /// The stream forgets records and shards while nobody reads them.
    Retention,
    /// The application begins at LATEST or AT_TIMESTAMP, when the stream has records already.
    Starts,
    /// The table answers a worker's take slowly and soon after it nothing at all; or it refuses
    /// renewals nearly as long as leases last, and then is slow.
    Brownouts,
    /// Workers subscribe to their shards, all of them or every second one.
    FanOut,
    /// Producers put several user records into one Kinesis record.
    Aggregates,
    /// Record processors are children of the daemon, which do wrong in their own ways.
    Children,
    /// Workers get little of their processor: each of their wake-ups comes late.
    Starvation,
    /// A worker's machine sleeps: its timers stand still, its clock does not.
    Suspends,
    /// For a while every call to a service is throttled, whoever makes it.
    Bursts,
    /// Credentials expire, or forbid one kind of call, and are good again.
    Denials,
    /// Somebody edits rows: raises counters, makes rows anew.
    Edits,
    /// A scan comes in pages, each from a moment of its own.
    Pages,
    /// The lease table is a while in the making.
    Creation,
    /// Workers of a Java fleet take leases, and die.
    Peers,
    /// Children are offered several shards each, and most of them take the offer.
    Sharing,
    /// Machines come up with a date that is up to an hour off.
    Births,
    /// Lists of shards end before their last shard, and nothing says so.
    ShortLists,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 38] = [
        Self::Kills,
        Self::Crashes,
        Self::Pauses,
        Self::Stops,
        Self::Partitions,
        Self::Clocks,
        Self::TableLoss,
        Self::TableLate,
        Self::TableErrors,
        Self::TableSlow,
        Self::StaleScans,
        Self::StreamErrors,
        Self::Expiry,
        Self::Malformed,
        Self::Lists,
        Self::Reshards,
        Self::Processors,
        Self::Hands,
        Self::Knobs,
        Self::Hangs,
        Self::TableGone,
        Self::Retention,
        Self::Starts,
        Self::Brownouts,
        Self::FanOut,
        Self::Aggregates,
        Self::Children,
        Self::Starvation,
        Self::Suspends,
        Self::Bursts,
        Self::Denials,
        Self::Edits,
        Self::Pages,
        Self::Creation,
        Self::Peers,
        Self::Sharing,
        Self::Births,
        Self::ShortLists,
    ];

    /// Whether a run has it is drawn alone: what those before it draw stays as it was.
    pub(super) fn draws_alone(self) -> bool {
        self >= Self::Starvation
    }

    /// How many runs in a million have it, of those that are drawn alone: as many of those with
    /// children have children that share, or few would.
    pub(super) fn alone(self) -> u32 {
        if self == Self::Sharing { 500_000 } else { 250_000 }
    }

    /// How many runs in a million have it, if those with it are drawn apart: what is usual is drawn
    /// by whether it is left out.
    pub(super) fn rarity(self) -> Option<u32> {
        let is_rare = matches!(
            self,
            Self::Hangs
                | Self::TableGone
                | Self::Retention
                | Self::Starts
                | Self::Brownouts
                | Self::Aggregates
                | Self::Children
        );
        if self == Self::FanOut { Some(500_000) } else { is_rare.then_some(250_000) }
    }

    /// The family that the command line calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.to_string() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}
