//! Port: the stream calls that a worker needs, in our own types.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use shardwise_core::config::InitialPosition;
use shardwise_core::id::{ShardId, StreamName};
use shardwise_core::sequence::{Checkpoint, SequenceNumber};
use shardwise_core::shard::{ChildShard, Shard};
use shardwise_core::time::Timestamp;

/// Kinesis, as a worker sees it. A call makes one request, or one for each page; it retries
/// nothing and has a deadline of its own.
#[async_trait]
pub trait Kinesis: Send + Sync + 'static {
    /// Where the service is, in words, for messages.
    fn place(&self) -> Option<&str> {
        None
    }

    /// How the stream stands.
    async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, KinesisError>;

    /// One page of the stream's shards: the first one with `shards`, another one with its token.
    async fn list_shards(
        &self,
        stream: &StreamName,
        page: &ShardPage,
    ) -> Result<ShardList, KinesisError>;

    /// A place to read from.
    async fn shard_iterator(
        &self,
        stream: &StreamName,
        shard: &ShardId,
        position: &Position,
    ) -> Result<ShardIterator, KinesisError>;

    /// The records from there on, at most `limit` of them.
    async fn records(&self, at: &ShardIterator, limit: u32) -> Result<Answer, KinesisError>;

    /// The stream's registered consumer of this name, if there is one.
    async fn stream_consumer(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<Option<RegisteredConsumer>, KinesisError>;

    /// Registers a consumer; in use if there is one of this name.
    async fn register_consumer(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<RegisteredConsumer, KinesisError>;

    /// Has the service push a shard's records from a position on. Within five seconds after the
    /// last subscription of the same consumer began, the shard is in use; later a new one ends it.
    async fn subscribe(
        &self,
        consumer: &ConsumerArn,
        shard: &ShardId,
        position: &Position,
    ) -> Result<Events, KinesisError>;

    /// Nothing has come over the connection of this shard's last subscription for so long that it
    /// must be dead: the next one is made over another.
    fn connection_is_dead(&self, _: &ShardId) {}
}

/// The name of a registered consumer, as the service gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerArn(pub Arc<str>);

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A consumer that is registered with a stream, for enhanced fan-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredConsumer {
    /// Its name.
    pub arn: ConsumerArn,
    /// Whether a shard can be subscribed to already, and still.
    pub is_active: bool,
}

/// What a subscription brings, until the service ends it: after five minutes, at the latest.
///
/// It is asked for one event at a time; whoever does not ask is not sent more than the transport
/// holds. It has no deadline of its own. Dropping it ends it.
pub type Events = BoxStream<'static, Result<Event, KinesisError>>;

/// What a subscription brings at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The records, in order; now and then none.
    pub records: Vec<Record>,
    /// Behind which number to go on; absent once a closed shard is read to its end.
    pub continuation: Option<SequenceNumber>,
    /// How far behind the tip they are.
    pub millis_behind_latest: Option<u64>,
    /// The shards that follow a closed one, in its last event.
    pub children: Vec<ChildShard>,
}

/// Whether a stream can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It is there.
    Ready {
        /// How long it keeps records.
        retention: Duration,
    },
    /// It is being created.
    Creating,
    /// It is being deleted.
    Deleting,
}

/// Which page of the shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardPage {
    /// The first page of every shard that the stream keeps.
    All,
    /// The first page of the shards that were open at a position.
    OpenAt(InitialPosition),
    /// The page that follows.
    Next(String),
}

/// One page of shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardList {
    /// The shards.
    pub shards: Vec<Shard>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// Where to begin in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the oldest record.
    TrimHorizon,
    /// At the tip.
    Latest,
    /// At the first record not older.
    AtTimestamp(Timestamp),
    /// At this record.
    At(SequenceNumber),
    /// Behind this record.
    After(SequenceNumber),
}

impl Position {
    /// Where reading begins for a lease with `checkpoint`; nowhere at the shard's end. LATEST is
    /// the tip as it was at the date `latest_since`: whoever has the lease next skips nothing.
    ///
    /// A number is read *at*, not after: it may be inside an aggregated record. Where the
    /// application begins at a date, TRIM_HORIZON means that date too: the shard of a lease that
    /// was made anew may be older, and that of any other is younger, unless the date was moved.
    #[must_use]
    pub fn of(
        checkpoint: &Checkpoint,
        latest_since: Option<Timestamp>,
        initial: InitialPosition,
    ) -> Option<Self> {
        match (checkpoint, initial) {
            (Checkpoint::At { sequence, .. }, _) => Some(Self::At(sequence.clone())),
            (
                Checkpoint::AtTimestamp | Checkpoint::TrimHorizon,
                InitialPosition::AtTimestamp(date),
            ) => Some(Self::AtTimestamp(date)),
            // The date is not stored with the lease, and this worker was configured without one.
            (Checkpoint::AtTimestamp | Checkpoint::TrimHorizon, _) => Some(Self::TrimHorizon),
            (Checkpoint::Latest, _) => Some(latest_since.map_or(Self::Latest, Self::AtTimestamp)),
            (Checkpoint::ShardEnd, _) => None,
        }
    }
}

/// The service's own handle on a place in a shard. It expires after five minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIterator(pub String);

/// What reading once gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The records, in order.
    pub records: Vec<Record>,
    /// How far behind the tip they are.
    pub millis_behind_latest: Option<u64>,
    /// Where to go on; absent once a closed shard is read to its end.
    pub next: Option<ShardIterator>,
    /// The shards that follow a closed one, in its last answer.
    pub children: Vec<ChildShard>,
}

/// A user record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the producer put.
    pub data: Bytes,
    /// Its partition key. A producer may leave it to the service.
    pub partition_key: Option<Arc<str>>,
    /// The hash key that the producer chose instead of the partition key's, in an aggregated
    /// record; of a plain one Kinesis does not tell it.
    pub explicit_hash_key: Option<Arc<str>>,
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// Its place in an aggregated record; 0 for a plain one.
    pub sub_sequence_number: u64,
    /// When it arrived, roughly.
    pub approximate_arrival: Option<Timestamp>,
}

impl Record {
    /// The checkpoint that says: everything up to and including this record is processed.
    #[must_use]
    pub fn place(&self) -> Checkpoint {
        Checkpoint::At {
            sequence: self.sequence_number.clone(),
            sub_sequence: self.sub_sequence_number,
        }
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn footprint(&self) -> usize {
        let key = |key: &Option<Arc<str>>| key.as_ref().map_or(0, |key| key.len());
        let keys = key(&self.partition_key) + key(&self.explicit_hash_key);
        self.data.len() + keys + size_of::<Self>()
    }
}

/// Why Kinesis gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KinesisError {
    /// The stream or the shard is not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// The iterator, or the token of a page, is too old: ask for a new one.
    #[error("expired")]
    Expired,
    /// Too many requests or too many bytes: ask later.
    #[error("throttled")]
    Throttled,
    /// The request itself is wrong, such as a sequence number of another stream.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The credentials are missing, wrong, or do not allow it.
    #[error("refused: {0}")]
    Refused(String),
    /// The stream is being changed in a way that forbids the call for now.
    #[error("resource in use: {0}")]
    InUse(String),
    /// No usable answer: a time-out, a broken connection, an error of the service.
    #[error("no usable answer")]
    Unanswered(#[source] Box<dyn Error + Send + Sync>),
}
