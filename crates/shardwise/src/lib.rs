//! A Kinesis Client Library in Rust: process a stream with any number of workers.
//!
//! A [`Worker`] shares the shards of a stream with the other workers of its application through
//! leases in a DynamoDB table, the very table that Java's KCL keeps. For each shard it holds, it
//! calls a [`RecordProcessor`] that you write. Delivery is at least once and in order within a
//! shard; a parent shard is done before its children start; a record is never passed over because
//! a processor failed.

#[cfg(feature = "aws")]
pub mod aws;
mod clock;
mod consumer;
mod decoder;
mod error;
pub mod kinesis;
pub mod lease_table;
pub mod metrics;
mod parents;
mod processor;
mod retrieval;
mod shards;
mod status;
mod tenure;
#[cfg(test)]
mod testing;
mod worker;

pub use shardwise_core::budget::Budget;
pub use shardwise_core::config::{self, Config, InitialPosition};
pub use shardwise_core::consumer::ConsumerState;
pub use shardwise_core::id::{LeaseKey, ShardId, StreamName, WorkerId};
pub use shardwise_core::retention::Gap;
pub use shardwise_core::row;
pub use shardwise_core::sequence::{Checkpoint, SequenceNumber};
pub use shardwise_core::time::{Time, Timestamp};

pub use crate::clock::{Clock, SystemClock};
pub use crate::decoder::Decoder;
pub use crate::error::{WorkerError, with_causes};
pub use crate::kinesis::Record;
pub use crate::processor::{
    CheckpointError, Checkpointer, Initialize, PreparedCheckpoint, ProcessRecords, ProcessorError,
    ProcessorFactory, RecordProcessor,
};
pub use crate::status::{Board, Failing, ShardStatus, WorkerPhase, WorkerStatus};
pub use crate::worker::{Ports, Stopped, Stopper, Worker};
