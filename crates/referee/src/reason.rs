//! Why a worker hands nothing of a shard, in its own words.

/// What a worker's board said of a shard at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// When.
    pub t: u64,
    /// The worker's id, as the lease table knows it.
    pub worker: String,
    /// The shard.
    pub shard: String,
    /// What keeps it.
    pub kept_by: KeptBy,
}

/// What keeps a worker from handing records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptBy {
    /// The processor has not returned from a call, which began then by the worker's own date.
    Call(i64),
    /// The processor failed, so often in a row.
    Failures(u32),
}
