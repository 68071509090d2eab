//! The stream, as a producer and an operator use it.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{ScalingType, StreamStatus};

use crate::error::Error;

const POLL: Duration = Duration::from_millis(20);
const ACTIVE_WITHIN: Duration = Duration::from_secs(30);

/// A stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The client that all calls go through.
    pub client: Client,
    /// Its name.
    pub name: String,
}

/// A shard, open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// None, one after a split, two after a merge.
    pub parents: Vec<String>,
    /// Whether records may still be put.
    pub is_open: bool,
    /// The first and the last hash key that it takes.
    pub hash_keys: (u128, u128),
}

impl Stream {
    /// Creates it, and waits until it can be used.
    ///
    /// # Errors
    ///
    /// When a call fails, or when it takes too long.
    pub async fn create(&self, shards: i32) -> Result<(), Error> {
        let request = self.client.create_stream().stream_name(&self.name).shard_count(shards);
        request.send().await.map_err(|error| Error::call("CreateStream", &error))?;
        self.wait_active().await
    }

    /// Waits until it is ACTIVE.
    ///
    /// # Errors
    ///
    /// When a call fails, or when it takes too long.
    pub async fn wait_active(&self) -> Result<(), Error> {
        let deadline = Instant::now() + ACTIVE_WITHIN;
        loop {
            let request = self.client.describe_stream_summary().stream_name(&self.name);
            let answer = request.send().await;
            let answer = answer.map_err(|error| Error::call("DescribeStreamSummary", &error))?;
            let status = answer.stream_description_summary.map(|summary| summary.stream_status);
            if status == Some(StreamStatus::Active) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = format!("stream `{}` is active", self.name);
                return Err(Error::Deadline { what, within: ACTIVE_WITHIN });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Every shard that it ever had.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub async fn shards(&self) -> Result<Vec<Shard>, Error> {
        let mut shards = Vec::new();
        let mut next = None;
        loop {
            let request = self.client.list_shards();
            // The service wants the name or the token, never both.
            let request = match next {
                None => request.stream_name(&self.name),
                Some(token) => request.next_token(token),
            };
            let answer = request.send().await;
            let answer = answer.map_err(|error| Error::call("ListShards", &error))?;
            shards.extend(answer.shards.unwrap_or_default().into_iter().map(Shard::from));
            next = answer.next_token;
            if next.is_none() {
                return Ok(shards);
            }
        }
    }

    /// Splits a shard in the middle of its hash keys.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub async fn split(&self, shard: &Shard) -> Result<(), Error> {
        let (first, last) = shard.hash_keys;
        let middle = first + (last - first) / 2 + 1;
        let request = self
            .client
            .split_shard()
            .stream_name(&self.name)
            .shard_to_split(&shard.id)
            .new_starting_hash_key(middle.to_string());
        request.send().await.map_err(|error| Error::call("SplitShard", &error))?;
        self.wait_active().await
    }

    /// Merges two adjacent shards.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub async fn merge(&self, lower: &Shard, upper: &Shard) -> Result<(), Error> {
        let request = self
            .client
            .merge_shards()
            .stream_name(&self.name)
            .shard_to_merge(&lower.id)
            .adjacent_shard_to_merge(&upper.id);
        request.send().await.map_err(|error| Error::call("MergeShards", &error))?;
        self.wait_active().await
    }

    /// Reshards it to another number of shards.
    ///
    /// # Errors
    ///
    /// When a call fails.
    pub async fn update_shard_count(&self, shards: i32) -> Result<(), Error> {
        let request = self
            .client
            .update_shard_count()
            .stream_name(&self.name)
            .target_shard_count(shards)
            .scaling_type(ScalingType::UniformScaling);
        request.send().await.map_err(|error| Error::call("UpdateShardCount", &error))?;
        self.wait_active().await
    }
}

/// Writes down the shards that there ever were, for the referee.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_journal(shards: &[Shard], directory: &Path) -> Result<(), Error> {
    let path = directory.join("shards.jsonl");
    let mut text = String::new();
    for shard in shards {
        let line = serde_json::json!({ "shard": shard.id, "parents": shard.parents });
        text.push_str(&format!("{line}\n"));
    }
    std::fs::write(&path, text).map_err(Error::file(&path))
}

/// The first two open shards that are neighbours, the one with the lower hash keys first. Shards
/// that are nobody's children are preferred.
#[must_use]
pub fn neighbours(shards: &[Shard]) -> Option<(&Shard, &Shard)> {
    let mut open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open).collect();
    open.sort_by_key(|shard| shard.hash_keys);
    let adjacent =
        |pair: &&[&Shard]| pair[0].hash_keys.1.checked_add(1) == Some(pair[1].hash_keys.0);
    let pairs: Vec<&[&Shard]> = open.windows(2).filter(adjacent).collect();
    let first_ones = |pair: &&&[&Shard]| pair.iter().all(|shard| shard.parents.is_empty());
    let pair = pairs.iter().find(first_ones).or_else(|| pairs.first())?;
    Some((pair[0], pair[1]))
}

impl From<aws_sdk_kinesis::types::Shard> for Shard {
    fn from(shard: aws_sdk_kinesis::types::Shard) -> Self {
        let parents = shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id);
        let range = shard.hash_key_range;
        let key = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
        Self {
            id: shard.shard_id,
            parents: parents.collect(),
            is_open: shard
                .sequence_number_range
                .is_some_and(|range| range.ending_sequence_number.is_none()),
            hash_keys: (
                key(range.as_ref().map(|range| range.starting_hash_key.as_str())),
                key(range.as_ref().map(|range| range.ending_hash_key.as_str())),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], hash_keys: (u128, u128), is_open: bool) -> Shard {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        Shard { id: id.to_owned(), parents, is_open, hash_keys }
    }

    #[test]
    fn neighbours_are_open_and_adjacent_and_preferably_first_shards() {
        let shards = [
            shard("0", &[], (0, 9), false),
            shard("1", &[], (10, 19), true),
            shard("2", &[], (20, 29), true),
            shard("3", &["0"], (0, 4), true),
            shard("4", &["0"], (5, 9), true),
        ];
        let ids = |pair: Option<(&Shard, &Shard)>| pair.map(|(a, b)| (a.id.clone(), b.id.clone()));
        assert_eq!(ids(neighbours(&shards)), Some(("1".into(), "2".into())));
        assert_eq!(ids(neighbours(&shards[2..])), Some(("3".into(), "4".into())));
        assert_eq!(ids(neighbours(&shards[..2])), None);
    }
}
