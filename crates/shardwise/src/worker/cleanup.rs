//! Deleting the leases of shards that are done, once their children are under way.

use std::collections::BTreeMap;

use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::Lease;
use shardwise_core::row;
use shardwise_core::shard::Shard;
use shardwise_core::sync;
use tracing::{info, warn};

use crate::consumer::Shared;
use crate::lease_table::{Outcome, Reads, TableError};
use crate::shards;

/// Deletes those of the held `finished` leases that nobody needs any more; says which.
pub(super) async fn cleanup(shared: Shared, finished: Vec<LeaseKey>) -> Vec<LeaseKey> {
    let mut deleted = Vec::new();
    let scan = match shared.ports.table.scan(Reads::Eventual).await {
        Ok(scan) => scan,
        Err(error) => {
            warn!(%error, "lease table not scanned for the cleanup");
            return deleted;
        }
    };
    let leases = scan.leases();
    let leases = leases.into_iter().map(|lease| (lease.key.clone(), lease)).collect();
    let listed = match shards::list_all(&shared.ports, &shared.config).await {
        Ok(listed) => listed,
        Err(error) => {
            warn!(%error, "shards not listed for the cleanup");
            return deleted;
        }
    };
    for key in finished {
        match delete_if_done(&shared, &key, &leases, &listed).await {
            Ok(true) => {
                info!(lease = %key, "lease of a finished shard deleted");
                deleted.push(key);
            }
            Ok(false) => {}
            Err(error) => warn!(lease = %key, %error, "finished lease not deleted"),
        }
    }
    deleted
}

async fn delete_if_done(
    shared: &Shared,
    key: &LeaseKey,
    leases: &BTreeMap<LeaseKey, Lease>,
    listed: &[Shard],
) -> Result<bool, TableError> {
    let Some(lease) = leases.get(key) else { return Ok(false) };
    let id = key.shard();
    let children: Vec<(ShardId, Option<Lease>)> = children_of(lease, &id, listed)
        .into_iter()
        .map(|child| {
            let lease = leases.get(&LeaseKey::of(&child)).cloned();
            (child, lease)
        })
        .collect();
    let parents_left =
        lease.parents.iter().any(|parent| leases.contains_key(&LeaseKey::of(parent)));
    let is_listed = listed.iter().any(|shard| shard.id == id);
    if !sync::may_delete(lease, &children, parents_left, is_listed) {
        return Ok(false);
    }
    Ok(shared.ports.table.write(&row::delete(lease)).await? == Outcome::Written)
}

/// The children that the row names, or else those that the stream lists.
fn children_of(lease: &Lease, id: &ShardId, listed: &[Shard]) -> Vec<ShardId> {
    if !lease.children.is_empty() {
        return lease.children.iter().cloned().collect();
    }
    let is_child = |shard: &&Shard| shard.parents().any(|parent| parent == id);
    listed.iter().filter(is_child).map(|shard| shard.id.clone()).collect()
}
