//! Deleting the leases of shards that are done, once their children are under way.

use std::collections::BTreeMap;

use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::Lease;
use shardwise_core::row;
use shardwise_core::shard::Shard;
use shardwise_core::sync;
use tracing::{info, warn};

use super::Running;
use crate::lease_table::{Outcome, TableError};
use crate::shards;

impl Running {
    /// Deletes those held leases of finished shards that nobody needs any more.
    pub(super) async fn cleanup(&mut self) {
        if !self.shared.config.lease.cleanup_finished {
            return;
        }
        let held = self.held.iter().filter(|(_, held)| held.finished);
        let finished: Vec<LeaseKey> = held.map(|(key, _)| key.clone()).collect();
        if finished.is_empty() {
            return;
        }
        let scan = match self.shared.ports.table.scan().await {
            Ok(scan) => scan,
            Err(error) => {
                warn!(%error, "lease table not scanned for the cleanup");
                return;
            }
        };
        let (leases, _) = self.leases_of(&scan);
        let leases = leases.into_iter().map(|lease| (lease.key.clone(), lease)).collect();
        let listed = match shards::list_all(&self.shared.ports, &self.shared.config).await {
            Ok(listed) => listed,
            Err(error) => {
                warn!(%error, "shards not listed for the cleanup");
                return;
            }
        };
        for key in finished {
            match self.delete_if_done(&key, &leases, &listed).await {
                Ok(true) => {
                    info!(lease = %key, "lease of a finished shard deleted");
                    self.forget(&key);
                }
                Ok(false) => {}
                Err(error) => warn!(lease = %key, %error, "finished lease not deleted"),
            }
        }
    }

    async fn delete_if_done(
        &self,
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
        Ok(self.shared.ports.table.write(&row::delete(lease)).await? == Outcome::Written)
    }
}

/// The children that the row names, or else those that the stream lists.
fn children_of(lease: &Lease, id: &ShardId, listed: &[Shard]) -> Vec<ShardId> {
    if !lease.children.is_empty() {
        return lease.children.iter().cloned().collect();
    }
    let is_child = |shard: &&Shard| shard.parents().any(|parent| parent == id);
    listed.iter().filter(is_child).map(|shard| shard.id.clone()).collect()
}
