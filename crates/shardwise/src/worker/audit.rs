//! The leader's audit: does every hash key have a lease?

use shardwise_core::id::ShardId;
use shardwise_core::leader;
use shardwise_core::lease::Lease;
use shardwise_core::row;
use shardwise_core::sync::{self, Audit};
use tracing::{info, warn};

use super::{Running, start};
use crate::shards;

impl Running {
    /// Looks for a hole in the hash range, and repairs one that has stayed.
    pub(super) async fn audit(&mut self) {
        let scan = match self.shared.ports.table.scan().await {
            Ok(scan) => scan,
            Err(error) => {
                warn!(%error, "lease table not scanned for the audit");
                return;
            }
        };
        let (mut leases, _) = self.leases_of(&scan);
        // This is where another way of choosing a leader goes.
        if !leader::leads(&self.shared.config.worker_id, &leases) {
            return;
        }
        self.fill_hash_ranges(&mut leases).await;
        match self.auditor.audit(&leases) {
            Audit::Covered => {}
            Audit::NoLeases => {
                if let Err(error) = start::first_leases(&self.shared).await {
                    warn!(%error, "shard sync failed");
                }
            }
            Audit::Hole { range, seen, repair } => {
                warn!(%range, seen, repair, "hash keys without a lease");
                if repair {
                    self.repair(&leases).await;
                }
            }
        }
    }

    /// Looks the hash ranges of leases up that were made by a very old worker.
    async fn fill_hash_ranges(&self, leases: &mut [Lease]) {
        let missing = sync::without_hash_range(leases);
        if missing.is_empty() {
            return;
        }
        let Ok(shards) = shards::list_all(&self.shared.ports, &self.shared.config).await else {
            return;
        };
        for lease in leases.iter_mut().filter(|lease| missing.contains(&lease.key)) {
            let id: ShardId = lease.key.shard();
            let Some(shard) = shards.iter().find(|shard| shard.id == id) else { continue };
            let write = row::set_hash_range(&lease.key, shard.hash_range);
            match self.shared.ports.table.write(&write).await {
                Ok(_) => lease.hash_range = Some(shard.hash_range),
                Err(error) => warn!(lease = %lease.key, %error, "hash range not stored"),
            }
        }
    }

    async fn repair(&self, leases: &[Lease]) {
        let (ports, config) = (&self.shared.ports, &self.shared.config);
        let shards = match shards::list_all(ports, config).await {
            Ok(shards) => shards,
            Err(error) => {
                warn!(%error, "shards not listed");
                return;
            }
        };
        let ignore = config.sync.ignore_unexpected_child_shards;
        match sync::missing_leases(&shards, leases, config.initial_position, ignore) {
            Ok(missing) => {
                info!(leases = missing.len(), "shard sync");
                if let Err(error) = start::create(&self.shared, &missing).await {
                    warn!(%error, "leases not made");
                }
            }
            Err(error) => warn!(%error, "shard sync failed"),
        }
    }
}
