//! Port: the lease-table calls that a worker needs, in our own types.

use std::error::Error;

use async_trait::async_trait;
use shardwise_core::config::TableConfig;
use shardwise_core::id::LeaseKey;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Item, Row, Write};

/// The lease table. A call makes one request, or one for each page; it retries nothing and has a
/// deadline of its own.
#[async_trait]
pub trait LeaseTable: Send + Sync + 'static {
    /// Where the service is, in words, for messages.
    fn place(&self) -> Option<&str> {
        None
    }

    /// How the table stands.
    async fn state(&self) -> Result<TableState, TableError>;

    /// Makes the table. That someone else has just made it is a success.
    async fn create(&self, table: &TableConfig) -> Result<(), TableError>;

    /// Switches point-in-time recovery on.
    async fn recover_to_any_time(&self) -> Result<(), TableError>;

    /// Every row, page by page.
    async fn scan(&self, reads: Reads) -> Result<Scan, TableError>;

    /// One row as it is now: a consistent read.
    async fn read(&self, key: &LeaseKey) -> Result<Option<Item>, TableError>;

    /// One conditional write.
    async fn write(&self, write: &Write) -> Result<Outcome, TableError>;
}

/// What a scan shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Each row as it is, or was a moment ago.
    Eventual,
    /// Each row as it is, for twice the price.
    Consistent,
}

/// Whether the table can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableState {
    /// There is none.
    Missing,
    /// It is not ready yet, or being deleted.
    NotReady,
    /// It can be used.
    Ready,
}

/// All rows, and what reading them cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// The rows, in no order that matters.
    pub items: Vec<Item>,
    /// Read capacity units consumed.
    pub read_units: f64,
}

impl Scan {
    /// The leases among the rows.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        let lease = |item| match row::read(item) {
            Row::Lease(lease) => Some(lease),
            Row::Foreign { .. } | Row::Malformed { .. } => None,
        };
        self.items.iter().filter_map(lease).collect()
    }
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Written,
    /// Its condition did not hold: somebody was first, or an earlier write of ours arrived.
    Refused,
}

/// Why the lease table gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such table.
    #[error("the lease table is missing")]
    Missing,
    /// The table's capacity is used up; nothing was written.
    #[error("throttled")]
    Throttled,
    /// The credentials are missing, wrong, or do not allow it; nothing was written.
    #[error("refused: {0}")]
    Refused(String),
    /// The service turned the request down; nothing was written.
    #[error("rejected: {0}")]
    Rejected(String),
    /// No answer came. A write may have been made, or may yet be made.
    #[error("no usable answer")]
    Unanswered(#[source] Box<dyn Error + Send + Sync>),
}

impl TableError {
    /// Whether a write may have been made all the same.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }
}
