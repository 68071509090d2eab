//! What producers and record processors write down.

use serde::Deserialize;

use crate::place::{self, NotAPlace, Place};

/// A record that the stream acknowledged to its producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// When the answer arrived, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
    /// The shard it went to.
    pub shard: String,
    /// Its place there.
    pub place: Place,
    /// Its partition key.
    pub key: String,
    /// A digest of its bytes.
    pub digest: String,
}

/// A line of a producer's journal: a record, or a request that failed or was not answered.
#[derive(Deserialize)]
#[serde(try_from = "AnyProducerLine")]
pub(crate) enum ProducerLine {
    Put(Put),
    Failure,
}

#[derive(Deserialize)]
struct AnyProducerLine {
    t: u64,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    shard: Option<String>,
    #[serde(default)]
    seq: Option<String>,
    #[serde(default)]
    sub: Option<u64>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    digest: Option<String>,
}

impl TryFrom<AnyProducerLine> for ProducerLine {
    type Error = String;

    fn try_from(line: AnyProducerLine) -> Result<Self, String> {
        if line.error.is_some() {
            return Ok(Self::Failure);
        }
        let missing = |field: &str| format!("neither `error` nor `{field}`");
        let seq = line.seq.ok_or_else(|| missing("seq"))?;
        Ok(Self::Put(Put {
            t: line.t,
            shard: line.shard.ok_or_else(|| missing("shard"))?,
            place: place::of_record(&seq, line.sub).map_err(|error| error.to_string())?,
            key: line.key.ok_or_else(|| missing("key"))?,
            digest: line.digest.ok_or_else(|| missing("digest"))?,
        }))
    }
}

/// A shard, open or closed, and the shards that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Shard {
    /// The shard's id.
    pub shard: String,
    /// None for a first shard, one after a split, two after a merge.
    pub parents: Vec<String>,
}

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
        /// Why it was not made.
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
            | Self::End { tenure, .. } => tenure,
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
            | Self::End { t, .. } => *t,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "e", rename_all = "lowercase")]
enum EventLine {
    Start {
        t: u64,
        tenure: String,
        #[serde(default)]
        worker: Option<String>,
        shard: String,
        seq: String,
        #[serde(default)]
        sub: Option<u64>,
    },
    Hand {
        t: u64,
        tenure: String,
        records: Vec<Handed>,
    },
    Ask {
        t: u64,
        tenure: String,
        #[serde(default)]
        seq: Option<String>,
        #[serde(default)]
        sub: Option<u64>,
    },
    Answer {
        t: u64,
        tenure: String,
        #[serde(default)]
        seq: Option<String>,
        #[serde(default)]
        sub: Option<u64>,
        #[serde(default)]
        error: Option<String>,
    },
    End {
        t: u64,
        tenure: String,
        why: Why,
    },
}

impl TryFrom<EventLine> for Event {
    type Error = NotAPlace;

    fn try_from(line: EventLine) -> Result<Self, NotAPlace> {
        Ok(match line {
            EventLine::Start { t, tenure, worker, shard, seq, sub } => {
                let worker = worker.filter(|worker| !worker.is_empty());
                let place = Place::parse(&seq, sub.unwrap_or(0))?;
                Self::Start { t, tenure, worker, shard, place }
            }
            EventLine::Hand { t, tenure, records } => Self::Hand { t, tenure, records },
            EventLine::Ask { t, tenure, seq, sub } => {
                Self::Ask { t, tenure, place: place::optional(seq.as_deref(), sub)? }
            }
            EventLine::Answer { t, tenure, seq, sub, error } => {
                Self::Answer { t, tenure, place: place::optional(seq.as_deref(), sub)?, error }
            }
            EventLine::End { t, tenure, why } => Self::End { t, tenure, why },
        })
    }
}
