//! The lease table's rows, as far as they are judged, and the writes to them.

use serde::Deserialize;

use crate::item::WriteLine;
use crate::place::{NotAPlace, Place};

/// A lease's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The worker that holds the lease: during a hand-off (`checkpointOwner`) the old one.
    pub holder: Option<String>,
    /// The worker that `leaseOwner` names: during a hand-off the new one.
    pub owner: Option<String>,
    /// Rises with every write of an owner.
    pub counter: u64,
    /// Up to where the shard is processed.
    pub checkpoint: Place,
    /// A checkpoint that was prepared but not yet made.
    pub pending: Option<Place>,
    /// What the application stored with it.
    pub pending_state: Option<Vec<u8>>,
    /// The shards that follow it, sorted; empty while not known.
    pub children: Vec<String>,
    /// The date that LATEST means there, in milliseconds since 1970.
    pub latest_since: Option<u64>,
    /// The attributes that no lease of KCL has: name, and value as canonical text; sorted.
    pub others: Vec<(String, String)>,
}

/// A write to the lease table that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WriteLine")]
pub struct LeaseWrite {
    /// When it was applied, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
    /// The row's key.
    pub key: String,
    /// The worker that sent it; none for anyone else, such as an operator.
    pub by: Option<String>,
    /// When it was sent.
    pub sent_t: Option<u64>,
    /// The row before; none if there was none, or if it is not a lease's.
    pub before: Option<Row>,
    /// The row after; none if it was deleted, or if it is not a lease's.
    pub after: Option<Row>,
    /// For a row that is no lease: canonical text of it before and after.
    pub foreign: Option<(Option<String>, Option<String>)>,
}

impl TryFrom<WriteLine> for LeaseWrite {
    type Error = NotAPlace;

    fn try_from(line: WriteLine) -> Result<Self, NotAPlace> {
        let (before, foreign_before) = line.before.map_or(Ok((None, None)), |item| item.read())?;
        let (after, foreign_after) = line.after.map_or(Ok((None, None)), |item| item.read())?;
        let is_foreign = foreign_before.is_some() || foreign_after.is_some();
        Ok(Self {
            t: line.t,
            key: line.key.unwrap_or_default(),
            by: line.by.filter(|by| !by.is_empty()),
            sent_t: line.sent_t,
            before,
            after,
            foreign: is_foreign.then_some((foreign_before, foreign_after)),
        })
    }
}
