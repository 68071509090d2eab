//! The lease table's rows, as far as they are judged, and the writes to them.

use serde::Deserialize;

use crate::place::{NotAPlace, Place};

/// A lease's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The worker that holds the lease: during a hand-off (`checkpointOwner`) the old one.
    pub holder: Option<String>,
    /// Rises with every write of an owner.
    pub counter: u64,
    /// Up to where the shard is processed.
    pub checkpoint: Place,
}

/// A write to the lease table that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WriteLine")]
pub struct LeaseWrite {
    /// When, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
    /// The row's key.
    pub key: String,
    /// The row before; none if there was none, or if it is not a lease's.
    pub before: Option<Row>,
    /// The row after; none if it was deleted, or if it is not a lease's.
    pub after: Option<Row>,
}

#[derive(Deserialize)]
struct WriteLine {
    t: u64,
    #[serde(default)]
    key: Option<String>,
    before: Option<Item>,
    after: Option<Item>,
}

/// DynamoDB's JSON for an item: only the attributes that are judged.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    lease_owner: Option<Text>,
    checkpoint_owner: Option<Text>,
    lease_counter: Option<Number>,
    checkpoint: Option<Text>,
    checkpoint_sub_sequence_number: Option<Number>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    s: String,
}

#[derive(Deserialize)]
struct Number {
    #[serde(rename = "N")]
    n: String,
}

impl Item {
    /// The lease in it; none if it is a row of another kind, which has no checkpoint.
    fn row(self) -> Result<Option<Row>, NotAPlace> {
        let (Some(counter), Some(checkpoint)) = (self.lease_counter, self.checkpoint) else {
            return Ok(None);
        };
        let sub_sequence = self.checkpoint_sub_sequence_number;
        let sub_sequence = sub_sequence.map_or(Ok(0), |number| number.value())?;
        Ok(Some(Row {
            holder: self.checkpoint_owner.or(self.lease_owner).map(|owner| owner.s),
            counter: counter.value()?,
            checkpoint: Place::parse(&checkpoint.s, sub_sequence)?,
        }))
    }
}

impl Number {
    fn value(self) -> Result<u64, NotAPlace> {
        self.n.parse().map_err(|_| NotAPlace::text(self.n))
    }
}

impl TryFrom<WriteLine> for LeaseWrite {
    type Error = NotAPlace;

    fn try_from(line: WriteLine) -> Result<Self, NotAPlace> {
        Ok(Self {
            t: line.t,
            key: line.key.unwrap_or_default(),
            before: line.before.map_or(Ok(None), Item::row)?,
            after: line.after.map_or(Ok(None), Item::row)?,
        })
    }
}
