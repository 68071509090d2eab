//! Getting records out of a shard, ahead of its processor and within bounds.

pub(crate) mod polling;
mod prefetch;
pub(crate) mod user_records;

use shardwise_core::shard::ChildShard;

use crate::kinesis::Record;

/// What a reader delivers: batches in order, and at last the shard's end.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// Records; none only if empty batches are asked for.
    Batch(Batch),
    /// The shard is read to its end; the shards that follow it.
    End(Vec<ChildShard>),
}

/// The records of one answer that are behind the checkpoint.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    pub(crate) millis_behind_latest: Option<u64>,
}
