//! Whether a shard may start: parents before children.

use shardwise_core::config::Config;
use shardwise_core::id::LeaseKey;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Row};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::sync::{self, Parent, Parents};
use tracing::warn;

use crate::kinesis::KinesisError;
use crate::lease_table::{Outcome, Reads, TableError};
use crate::shards;
use crate::worker::Ports;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UnknownParents {
    #[error("lease table: {0}")]
    Table(#[from] TableError),
    #[error("shards: {0}")]
    Shards(#[from] KinesisError),
    #[error("no row for lease `{0}`")]
    RowGone(LeaseKey),
    #[error("row `{0}` of the lease table is no lease that can be read")]
    Unreadable(LeaseKey),
}

/// Whether every parent of the shard that `key` binds has ended, by consistent reads.
///
/// A parent without a row is looked for in a fresh list of the stream's shards, and in the table
/// for shards that came from it. If it should have a lease it is given one, so that its records
/// come before its child's.
pub(crate) async fn ended(
    ports: &Ports,
    config: &Config,
    key: &LeaseKey,
) -> Result<bool, UnknownParents> {
    let child = read(ports, key).await?.ok_or_else(|| UnknownParents::RowGone(key.clone()))?;
    let mut parents = Vec::new();
    let mut absent = Vec::new();
    let mut listed = Vec::new();
    for id in &child.parents {
        match read(ports, &LeaseKey::of(id)).await? {
            Some(lease) => parents.push((id.clone(), Parent::Lease(lease))),
            None => absent.push(id.clone()),
        }
    }
    if !absent.is_empty() {
        listed = shards::list_all(ports, config).await?;
        let leases = ports.table.scan(Reads::Eventual).await?.leases();
        let ended = sync::ended_for_sure(&listed, &leases);
        parents.extend(absent.into_iter().map(|id| {
            let is_listed = listed.iter().any(|shard| shard.id == id);
            let is_due = is_listed && !ended.contains(&id);
            (id, Parent::Absent { is_due })
        }));
    }
    match sync::parents_ended(&child, &parents) {
        Parents::Ended => Ok(true),
        Parents::Running => Ok(false),
        Parents::Missing(missing) => {
            for parent in listed.iter().filter(|shard| missing.contains(&shard.id)) {
                let (id, child) = (&parent.id, key);
                let lease = sync::lease_of(parent, Checkpoint::TrimHorizon);
                if ports.table.write(&row::create(&lease)).await? == Outcome::Written {
                    warn!(parent = %id, %child, "parent had no lease though its child waits: made");
                }
            }
            Ok(false)
        }
    }
}

/// A row that is there and cannot be read is not the same as none: its shard may have records left.
async fn read(ports: &Ports, key: &LeaseKey) -> Result<Option<Lease>, UnknownParents> {
    match ports.table.read(key).await?.as_ref().map(row::read) {
        Some(Row::Lease(lease)) => Ok(Some(lease)),
        Some(Row::Foreign { .. } | Row::Malformed { .. }) => {
            Err(UnknownParents::Unreadable(key.clone()))
        }
        None => Ok(None),
    }
}
