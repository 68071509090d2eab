//! What record processors write down.

use serde::Deserialize;

use crate::place::{self, NotAPlace, Place};

/// A record as a processor was handed it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HandedLine")]
pub struct Handed {
    /// Its place in the shard.
    pub place: Place,
    /// A digest of its bytes.
    pub digest: String,
}

#[derive(Deserialize)]
struct HandedLine {
    seq: String,
    #[serde(default)]
    sub: Option<u64>,
    digest: String,
}

impl TryFrom<HandedLine> for Handed {
    type Error = NotAPlace;

    fn try_from(line: HandedLine) -> Result<Self, NotAPlace> {
        Ok(Self { place: place::of_record(&line.seq, line.sub)?, digest: line.digest })
    }
}

/// What happened between a worker and one record processor, in order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "EventLine")]
pub enum Event {
    /// The processor was initialized.
    Start {
        /// When.
        t: u64,
        /// A name for this tenure that no other has.
        tenure: String,
        /// The worker's id as the lease table knows it, where the processor knows that.
        worker: Option<String>,
        /// The shard.
        shard: String,
        /// Records after this place are to come.
        place: Place,
        /// The prepared checkpoint that it was given.
        pending: Option<Place>,
    },
    /// The processor got records; written before it answered.
    Hand {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// What it got, in order.
        records: Vec<Handed>,
    },
    /// The processor is about to ask for a checkpoint.
    Ask {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// Up to where; none means everything that it was handed.
        place: Option<Place>,
    },
    /// The processor was told what became of its checkpoint.
    Answer {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// Up to where; none means everything that it was handed.
        place: Option<Place>,
        /// Why it was not made, by the Java name; `ShutdownException` is for good.
        error: Option<String>,
    },
    /// The processor is about to prepare a checkpoint.
    Prepare {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// Up to where; none means everything that it was handed.
        place: Option<Place>,
    },
    /// The processor was told what became of the checkpoint that it prepared.
    Prepared {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// Up to where; none means everything that it was handed.
        place: Option<Place>,
        /// Why it was not made, by the Java name.
        error: Option<String>,
    },
    /// The processor was told that it ends.
    End {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// Why.
        why: Why,
    },
    /// The processor returned from its last call: records that it got, or its end.
    Done {
        /// When.
        t: u64,
        /// Which tenure.
        tenure: String,
        /// What it failed with.
        error: Option<String>,
    },
}

/// Why a processor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// Another worker has the lease.
    LeaseLost,
    /// Every record of the shard was handed.
    ShardEnded,
    /// The worker stops.
    ShutdownRequested,
}

impl Event {
    /// Which tenure it belongs to.
    #[must_use]
    pub fn tenure(&self) -> &str {
        match self {
            Self::Start { tenure, .. }
            | Self::Hand { tenure, .. }
            | Self::Ask { tenure, .. }
            | Self::Answer { tenure, .. }
            | Self::Prepare { tenure, .. }
            | Self::Prepared { tenure, .. }
            | Self::End { tenure, .. }
            | Self::Done { tenure, .. } => tenure,
        }
    }

    /// When it happened, in microseconds of CLOCK_MONOTONIC.
    #[must_use]
    pub fn t(&self) -> u64 {
        match self {
            Self::Start { t, .. }
            | Self::Hand { t, .. }
            | Self::Ask { t, .. }
            | Self::Answer { t, .. }
            | Self::Prepare { t, .. }
            | Self::Prepared { t, .. }
            | Self::End { t, .. }
            | Self::Done { t, .. } => *t,
        }
    }
}

/// An event as a line of JSON.
#[derive(Deserialize)]
#[serde(tag = "e", rename_all = "lowercase")]
enum EventLine {
    Start(StartLine),
    Hand {
        t: u64,
        tenure: String,
        records: Vec<Handed>,
    },
    Ask(CheckpointLine),
    Answer(CheckpointLine),
    Prepare(CheckpointLine),
    Prepared(CheckpointLine),
    End {
        t: u64,
        tenure: String,
        why: Why,
    },
    Done {
        t: u64,
        tenure: String,
        #[serde(default)]
        error: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartLine {
    t: u64,
    tenure: String,
    #[serde(default)]
    worker: Option<String>,
    shard: String,
    seq: String,
    #[serde(default)]
    sub: Option<u64>,
    #[serde(default)]
    pending: Option<String>,
    #[serde(default)]
    pending_sub: Option<u64>,
}

/// A wish for a checkpoint, or what became of it.
#[derive(Deserialize)]
struct CheckpointLine {
    t: u64,
    tenure: String,
    #[serde(default)]
    seq: Option<String>,
    #[serde(default)]
    sub: Option<u64>,
    #[serde(default)]
    error: Option<String>,
}

impl CheckpointLine {
    fn place(&self) -> Result<Option<Place>, NotAPlace> {
        place::optional(self.seq.as_deref(), self.sub)
    }
}

impl TryFrom<EventLine> for Event {
    type Error = NotAPlace;

    fn try_from(line: EventLine) -> Result<Self, NotAPlace> {
        Ok(match line {
            EventLine::Start(line) => Self::Start {
                t: line.t,
                tenure: line.tenure,
                worker: line.worker.filter(|worker| !worker.is_empty()),
                shard: line.shard,
                place: Place::parse(&line.seq, line.sub.unwrap_or(0))?,
                pending: place::optional(line.pending.as_deref(), line.pending_sub)?,
            },
            EventLine::Hand { t, tenure, records } => Self::Hand { t, tenure, records },
            EventLine::Ask(line) => {
                Self::Ask { t: line.t, place: line.place()?, tenure: line.tenure }
            }
            EventLine::Answer(line) => {
                let place = line.place()?;
                Self::Answer { t: line.t, tenure: line.tenure, place, error: line.error }
            }
            EventLine::Prepare(line) => {
                Self::Prepare { t: line.t, place: line.place()?, tenure: line.tenure }
            }
            EventLine::Prepared(line) => {
                let place = line.place()?;
                Self::Prepared { t: line.t, tenure: line.tenure, place, error: line.error }
            }
            EventLine::End { t, tenure, why } => Self::End { t, tenure, why },
            EventLine::Done { t, tenure, error } => Self::Done { t, tenure, error },
        })
    }
}
