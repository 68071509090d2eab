//! Listing a stream's shards, page by page, at the pace that the service allows.

use shardwise_core::config::{Config, InitialPosition};
use shardwise_core::shard::Shard;
use shardwise_core::sync;
use tracing::debug;

use crate::kinesis::{KinesisError, ShardPage};
use crate::worker::Ports;

/// What is wrong with leases of a stream that had the name before.
pub(crate) const MADE_ANEW: &str = "the stream was deleted and made anew, and this lease is of the \
    old one: delete its row, or the lease table, to begin with the new stream";

/// Every shard that the stream keeps.
///
/// A list that ends early, and does not say so, is an error: believed, it would have a shard that
/// it leaves out taken for one that the stream has forgotten.
pub(crate) async fn list_all(ports: &Ports, config: &Config) -> Result<Vec<Shard>, KinesisError> {
    let shards = list(ports, config, ShardPage::All).await?;
    match sync::missing_from_list(&shards) {
        Some(hole) => {
            let text = format!("the list of shards ends early: no open one takes `{hole}`");
            Err(KinesisError::Unanswered(text.into()))
        }
        None => Ok(shards),
    }
}

/// The shards that were open at `position`.
pub(crate) async fn list_open_at(
    ports: &Ports,
    config: &Config,
    position: InitialPosition,
) -> Result<Vec<Shard>, KinesisError> {
    list(ports, config, ShardPage::OpenAt(position)).await
}

async fn list(
    ports: &Ports,
    config: &Config,
    first: ShardPage,
) -> Result<Vec<Shard>, KinesisError> {
    let mut shards = Vec::new();
    let mut page = first.clone();
    let mut attempts = 1;
    loop {
        match ports.kinesis.list_shards(&config.stream_name, &page).await {
            Ok(list) => {
                shards.extend(list.shards);
                match list.next {
                    Some(token) => page = ShardPage::Next(token),
                    // A stream has shards: an empty list says nothing of them.
                    None if shards.is_empty() => {
                        return Err(KinesisError::Unanswered("no shards listed".into()));
                    }
                    None => return Ok(shards),
                }
            }
            Err(KinesisError::Throttled) if attempts < config.sync.list_shards_attempts => {
                debug!(attempts, "listing of shards throttled");
                let pause = config.sync.list_shards_backoff;
                ports.clock.sleep_until(ports.clock.now() + pause).await;
                attempts += 1;
            }
            // The token of a page lives for five minutes: begin again.
            Err(KinesisError::Expired) if attempts < config.sync.list_shards_attempts => {
                shards.clear();
                page = first.clone();
                attempts += 1;
            }
            Err(error) => return Err(error),
        }
    }
}
