//! The leader's audit: does every hash key have a lease?

use shardwise_core::leader;
use shardwise_core::lease::Lease;
use shardwise_core::metrics::catalogue as c;
use shardwise_core::row;
use shardwise_core::sync::{self, Audit, Auditor};
use tracing::{info, warn};

use super::start;
use crate::consumer::Shared;
use crate::lease_table::Reads;
use crate::shards;

/// Looks for a hole in the hash range, and repairs one that has stayed.
pub(super) async fn audit(shared: Shared, mut auditor: Auditor) -> Auditor {
    let began = shared.ports.clock.now();
    let scan = match shared.ports.table.scan(Reads::Eventual).await {
        Ok(scan) => scan,
        Err(error) => {
            warn!(%error, "lease table not scanned for the audit");
            shared.metrics.ended(&c::AUDIT, began, false);
            return auditor;
        }
    };
    let mut leases = scan.leases();
    // This is where another way of choosing a leader goes.
    let leads = leader::leads(&shared.config.worker_id, &leases);
    let is_leader = c::IS_LEADER.count(usize::from(leads));
    shared.metrics.tell(&[is_leader, c::LEADER_DECIDER.of(1.0)]);
    if !leads {
        if auditor.stand_by(&leases) {
            // The leader says what is missing now; nobody else would take this back.
            shared.metrics.audited(&Audit::Covered);
        }
        return auditor;
    }
    fill_hash_ranges(&shared, &mut leases).await;
    let found = auditor.audit(&leases);
    shared.metrics.audited(&found);
    let repaired = match found {
        Audit::Covered => Ok(()),
        Audit::NoLeases => start::first_leases(&shared).await.map_err(|error| error.to_string()),
        Audit::Hole { range, seen, repair } => {
            warn!(%range, seen, repair, "hash keys without a lease");
            if repair { shared.metrics.synced(sync(&shared)).await } else { Ok(()) }
        }
    };
    if let Err(error) = &repaired {
        warn!(error, "shard sync failed");
    }
    shared.metrics.ended(&c::AUDIT, began, repaired.is_ok());
    auditor
}

/// Looks the hash ranges of leases up that were made by a very old worker.
async fn fill_hash_ranges(shared: &Shared, leases: &mut [Lease]) {
    let missing = sync::without_hash_range(leases);
    if missing.is_empty() {
        return;
    }
    let shards = match shards::list_all(&shared.ports, &shared.config).await {
        Ok(shards) => shards,
        Err(error) => {
            warn!(%error, "shards not listed");
            return;
        }
    };
    for lease in leases.iter_mut().filter(|lease| missing.contains(&lease.key)) {
        let id = lease.key.shard();
        let Some(shard) = shards.iter().find(|shard| shard.id == id) else { continue };
        let write = row::set_hash_range(&lease.key, shard.hash_range);
        match shared.ports.table.write(&write).await {
            Ok(_) => lease.hash_range = Some(shard.hash_range),
            Err(error) => warn!(lease = %lease.key, %error, "hash range not stored"),
        }
    }
}

/// Makes the leases that are missing. An eventual scan may show a finished lease as deleted, and
/// none of its children yet: the finished one would be made anew.
async fn sync(shared: &Shared) -> Result<(), String> {
    let Shared { ports, config, .. } = shared;
    let scan = ports.table.scan(Reads::Consistent).await.map_err(|error| error.to_string())?;
    let leases = scan.leases();
    let shards = shards::list_all(ports, config).await.map_err(|error| error.to_string())?;
    let ignore = config.sync.ignore_unexpected_child_shards;
    let missing = sync::missing_leases(&shards, &leases, config.initial_position, ignore)
        .map_err(|error| error.to_string())?;
    info!(leases = missing.len(), "shard sync");
    for lease in &leases {
        let shard = shards.iter().find(|shard| shard.id == lease.key.shard());
        if shard.is_some_and(|shard| sync::is_of_another_stream(&lease.checkpoint, shard)) {
            warn!(lease = %lease.key, checkpoint = %lease.checkpoint, "{}", shards::MADE_ANEW);
        }
    }
    start::create(shared, &missing).await.map_err(|error| error.to_string())
}
