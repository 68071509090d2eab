//! What producers write down, and what the stream says of its shards.

use serde::Deserialize;

use crate::place::{self, Place};

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
