//! Rounds: read the lease table, decide, and take what was decided.

use shardwise_core::fleet;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Row};
use shardwise_core::take::{self, Round};
use shardwise_core::time::Time;
use tracing::{debug, info, warn};

use super::Running;
use crate::clock::within;
use crate::consumer::Shared;
use crate::lease_table::{Outcome, Scan, TableError};

impl Running {
    /// One round of taking leases.
    pub(super) async fn round(&mut self, round: Round) {
        let scan = self.shared.ports.table.scan().await;
        let now = self.shared.ports.clock.now();
        let config = &self.shared.config.lease;
        let scan = match scan {
            Ok(scan) => scan,
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                warn!(%error, source, "lease table not scanned");
                self.next.light_round = now + config.light_scan_interval(f64::INFINITY);
                return;
            }
        };
        self.next.light_round = now + config.light_scan_interval(scan.read_units);
        let (leases, may_steal) = self.leases_of(&scan);
        self.sightings.observe(&leases, now);
        if leases.iter().any(Lease::is_finished) {
            self.look_at_parents();
        }
        let Shared { config, .. } = &self.shared;
        let me = &config.worker_id;
        let (lease, rng) = (&config.lease, &mut self.rng);
        let plan = take::plan(&leases, &self.sightings, me, lease, round, may_steal, rng, now);
        if !plan.take.is_empty() || plan.spillover > 0 {
            let (take, target, workers) = (plan.take.len(), plan.target, plan.workers);
            let (expired, spillover) = (plan.expired, plan.spillover);
            info!(?round, take, target, workers, expired, spillover, "leases to take");
        }
        for lease in plan.take {
            if !self.held.contains_key(&lease.key) && !self.consumed.contains(&lease.key) {
                self.take(&lease).await;
            }
        }
    }

    /// The leases among the rows, and whether stealing is allowed: not in a fleet of KCL 3.x,
    /// where a leader moves leases.
    pub(super) fn leases_of(&mut self, scan: &Scan) -> (Vec<Lease>, bool) {
        let mut leases = Vec::with_capacity(scan.items.len());
        for item in &scan.items {
            match row::read(item) {
                Row::Lease(lease) => leases.push(lease),
                Row::Foreign { key } => debug!(key, "row that is no lease"),
                Row::Malformed { key, why } => {
                    if self.odd_rows.insert(key.clone()) {
                        warn!(key, why, "row of the lease table cannot be read: left alone");
                    }
                }
            }
        }
        let sign = fleet::sign_of_kcl_3(&scan.items);
        if let Some(row) = sign
            && self.odd_rows.insert(row.to_owned())
        {
            warn!(row, "the fleet coordinates as KCL 3.x does: only free leases are taken");
        }
        (leases, sign.is_none())
    }

    async fn take(&mut self, seen: &Lease) {
        let (me, limit) = (&self.shared.config.worker_id, self.shared.config.lease.write_timeout());
        let (table, clock) = (&self.shared.ports.table, &self.shared.ports.clock);
        let sent_at: Time = clock.now();
        let taken = seen.taken_by(me);
        let answer = within(&**clock, limit, table.write(&row::take(seen, me))).await;
        let written = match answer {
            Some(Ok(outcome)) => Ok(outcome == Outcome::Written),
            Some(Err(error)) if error.is_ambiguous() => is_proven(&self.shared, &taken).await,
            Some(Err(error)) => Err(error),
            None => is_proven(&self.shared, &taken).await,
        };
        match written {
            Ok(true) => self.hold(taken, sent_at),
            Ok(false) => debug!(lease = %seen.key, "somebody else was first"),
            Err(error) => warn!(lease = %seen.key, %error, "lease not taken"),
        }
    }
}

/// Whether the row is, by a consistent read, what a write without an answer would have made it.
async fn is_proven(shared: &Shared, wanted: &Lease) -> Result<bool, TableError> {
    let item = shared.ports.table.read(&wanted.key).await?;
    Ok(item.is_some_and(|item| match row::read(&item) {
        Row::Lease(lease) => wanted.is_proven_by(&lease),
        Row::Foreign { .. } | Row::Malformed { .. } => false,
    }))
}
