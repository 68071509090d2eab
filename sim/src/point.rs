//! Where a worker may die: on either side of each of its calls, and around each applied write.
//!
//! Everything that a worker awaits passes through a port, so that these are all the places which
//! differ for anyone else: between two calls nothing of it is seen outside.

use std::fmt;

use shardwise_core::row::{Action, Value, Write};

/// A call of a worker: to the table, to the stream, or of a record processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// The state of the table.
    TableState,
    /// Making the table.
    TableCreate,
    /// Scanning the table.
    Scan,
    /// Reading a row.
    Read,
    /// Making a lease.
    Create,
    /// Taking a lease.
    Take,
    /// Renewing a lease.
    Renew,
    /// A checkpoint.
    Checkpoint,
    /// The checkpoint at a shard's end.
    End,
    /// A prepared checkpoint.
    Prepare,
    /// Giving a lease up.
    Release,
    /// Noting a shard's children.
    Children,
    /// Noting a shard's hash keys.
    HashRange,
    /// Deleting a lease.
    Delete,
    /// The state of the stream.
    StreamState,
    /// Listing shards.
    ListShards,
    /// Getting an iterator.
    Iterator,
    /// Reading records.
    Records,
    /// Looking for the stream consumer.
    StreamConsumer,
    /// Registering the stream consumer.
    RegisterConsumer,
    /// Subscribing to a shard.
    Subscribe,
    /// The next event of a subscription.
    Event,
    /// A processor starts.
    Initialize,
    /// A processor gets records.
    Process,
    /// A processor is told of the shard's end.
    ShardEnded,
    /// A processor is told that the worker stops.
    ShutdownRequested,
    /// A processor is told that the lease is lost.
    LeaseLost,
}

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Before it is sent.
    Before,
    /// It arrived, and is not applied yet. Only of writes.
    Arrived,
    /// It is applied, and not answered yet. Only of writes.
    Applied,
    /// After its answer.
    After,
}

/// A place to die at: the `hit`-th time that it is reached, by whichever worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrashAt {
    /// Which call.
    pub call: Call,
    /// Which side of it.
    pub edge: Edge,
    /// Which time, from 1 on.
    pub hit: u32,
}

impl fmt::Display for CrashAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{:?}:{}", self.call, self.edge, self.hit)
    }
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 27] = [
        Self::TableState,
        Self::TableCreate,
        Self::Scan,
        Self::Read,
        Self::Create,
        Self::Take,
        Self::Renew,
        Self::Checkpoint,
        Self::End,
        Self::Prepare,
        Self::Release,
        Self::Children,
        Self::HashRange,
        Self::Delete,
        Self::StreamState,
        Self::ListShards,
        Self::Iterator,
        Self::Records,
        Self::StreamConsumer,
        Self::RegisterConsumer,
        Self::Subscribe,
        Self::Event,
        Self::Initialize,
        Self::Process,
        Self::ShardEnded,
        Self::ShutdownRequested,
        Self::LeaseLost,
    ];

    /// What a write is, by what it does to a row.
    #[must_use]
    pub fn of(write: &Write) -> Self {
        let text = match &write.action {
            Action::Put(_) => return Self::Create,
            Action::Delete => return Self::Delete,
            Action::Update(text) => text,
        };
        let sets = |name: &str| write.values.contains_key(&format!(":{name}"));
        if !sets("leaseCounter") {
            return if sets("childShardIds") { Self::Children } else { Self::HashRange };
        }
        if sets("leaseOwner") {
            return Self::Take;
        }
        if text.contains("REMOVE leaseOwner") {
            return Self::Release;
        }
        match write.values.get(":checkpoint") {
            None => Self::Renew,
            Some(Value::S(end)) if end == "SHARD_END" => Self::End,
            Some(_) if sets("pendingCheckpoint") => Self::Prepare,
            Some(_) => Self::Checkpoint,
        }
    }

    /// The sides of it that differ.
    #[must_use]
    pub fn edges(self) -> &'static [Edge] {
        match self {
            Self::Create
            | Self::Take
            | Self::Renew
            | Self::Checkpoint
            | Self::End
            | Self::Prepare
            | Self::Release
            | Self::Children
            | Self::HashRange
            | Self::Delete => &[Edge::Before, Edge::Arrived, Edge::Applied, Edge::After],
            Self::TableState
            | Self::TableCreate
            | Self::Scan
            | Self::Read
            | Self::StreamState
            | Self::ListShards
            | Self::Iterator
            | Self::Records
            | Self::StreamConsumer
            | Self::RegisterConsumer
            | Self::Subscribe
            | Self::Event
            | Self::Initialize
            | Self::Process
            | Self::ShardEnded
            | Self::ShutdownRequested
            | Self::LeaseLost => &[Edge::Before, Edge::After],
        }
    }
}
