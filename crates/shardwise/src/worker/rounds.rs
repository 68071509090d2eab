//! Rounds: read the lease table, decide, and take what was decided.

use std::time::Duration;

use shardwise_core::id::LeaseKey;
use shardwise_core::lease::{Change, Lease};
use shardwise_core::metrics::catalogue as c;
use shardwise_core::row::{self, Row};
use shardwise_core::take::{self, Plan, Round};
use shardwise_core::time::Time;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::Running;
use crate::clock::within;
use crate::consumer::Shared;
use crate::lease_table::{Outcome, Reads, Scan, TableError};

/// How many leases are taken at the same time.
const TAKES_AT_ONCE: usize = 32;
/// When the next look is after another worker was first: what else is free may be wanted by nobody.
const BEATEN_INTERVAL: Duration = Duration::from_millis(250);
/// When a scan that failed is made again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

impl Running {
    /// One round of taking leases. A stop that is asked for meanwhile cuts it short.
    pub(super) async fn round(&mut self, round: Round) {
        let Shared { ports, metrics, board, .. } = &self.shared;
        let began = ports.clock.now();
        metrics.standing(self.held.len(), board);
        let scan = ports.table.scan(Reads::Eventual);
        let scan = tokio::select! {
            biased;
            () = self.stopper.asked() => return,
            scan = metrics.measured(&c::LIST_LEASES, None, scan) => scan,
        };
        let now = self.shared.ports.clock.now();
        let Shared { config, .. } = &self.shared;
        let scan = match scan {
            Ok(scan) => scan,
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                warn!(table = config.table.name, %error, source, "lease table not scanned");
                self.next.light_round = now + RETRY_INTERVAL;
                if !self.adopted {
                    self.shared.metrics.tell(&[c::ADOPTION_FAULT.of(1.0)]);
                }
                self.shared.metrics.ended(&c::TAKE_LEASES, began, false);
                return;
            }
        };
        self.next.light_round = now + config.lease.light_scan_interval(scan.read_units);
        let leases = scan.leases();
        let may_steal = self.look_at_odd_rows(&scan);
        self.sightings.observe(&leases, now);
        let finished = leases.iter().filter(|lease| lease.is_finished()).count();
        if finished > self.finished {
            self.look_at_parents();
        }
        self.finished = finished;
        let plan = self.plan(&leases, round, may_steal, now);
        let mut wanted = Vec::new();
        if !self.adopted {
            self.adopted = true;
            self.shared.metrics.tell(&[c::ADOPTION_FAULT.of(0.0)]);
            let me = Some(&self.shared.config.worker_id);
            wanted.clone_from(&leases);
            wanted.retain(|lease| lease.owner.as_ref() == me && lease.holder() == me);
        }
        wanted.extend(plan.take);
        if self.take_all(wanted, plan.is_theft).await == Race::Lost {
            let soon = self.shared.ports.clock.now() + BEATEN_INTERVAL;
            self.next.light_round = self.next.light_round.min(soon);
        }
        self.shared.metrics.ended(&c::TAKE_LEASES, began, true);
    }

    /// Takes what can be taken, several at a time. A stop begins no more of them, and waits for
    /// those under way: a lease that is taken is there to be released. A second one does not wait.
    async fn take_all(&mut self, mut wanted: Vec<Lease>, is_theft: bool) -> Race {
        wanted.retain(|lease| {
            !self.held.contains_key(&lease.key) && !self.consumed.contains(&lease.key)
        });
        let stopper = self.stopper.clone();
        let mut wanted = wanted.into_iter();
        let mut takes = JoinSet::new();
        let mut race = Race::Won;
        loop {
            let is_stopping = stopper.is_asked();
            let room = if is_stopping { 0 } else { TAKES_AT_ONCE - takes.len() };
            for lease in wanted.by_ref().take(room) {
                let (shared, key) = (self.shared.clone(), lease.key.clone());
                takes.spawn(async move {
                    let began = shared.ports.clock.now();
                    let taken = if is_theft {
                        steal(&shared, &lease).await
                    } else {
                        take(&shared, &lease).await
                    };
                    let is_taken = matches!(taken, Take::Taken(..));
                    shared.metrics.took(began, is_taken);
                    (key, taken)
                });
            }
            let taken = tokio::select! {
                biased;
                () = stopper.asked_times(if is_stopping { 2 } else { 1 }) => {
                    if is_stopping {
                        return race;
                    }
                    continue;
                }
                taken = takes.join_next() => taken,
            };
            match taken {
                Some(Ok((_, Take::Taken(lease, sent_at)))) => self.hold(*lease, sent_at),
                Some(Ok((key, Take::Unknown))) => drop(self.left.insert(key)),
                Some(Ok((_, Take::Not))) if !is_theft => race = Race::Lost,
                Some(Ok((_, Take::Not)) | Err(_)) => {}
                None => return race,
            }
        }
    }

    fn plan(&mut self, leases: &[Lease], round: Round, may_steal: bool, now: Time) -> Plan {
        let config = &self.shared.config;
        let (me, limits, rng) = (&config.worker_id, &config.lease, &mut self.rng);
        let plan = take::plan(leases, &self.sightings, me, limits, round, may_steal, rng, now);
        self.shared.metrics.planned(&plan, leases.len());
        if !plan.take.is_empty() || plan.spillover > 0 {
            let (take, target, workers) = (plan.take.len(), plan.target, plan.workers);
            let (expired, spillover) = (plan.expired, plan.spillover);
            info!(?round, take, target, workers, expired, spillover, "leases to take");
        }
        plan
    }

    /// Warns of rows that cannot be read, once each; says whether stealing is allowed: not in a
    /// fleet of KCL 3.x, where a leader moves leases.
    fn look_at_odd_rows(&mut self, scan: &Scan) -> bool {
        for item in &scan.items {
            if let Row::Malformed { key, why } = row::read(item)
                && self.odd_rows.insert(key.clone())
            {
                warn!(key, why, "row of the lease table cannot be read: left alone");
            }
        }
        let sign = self.generation.observe(&scan.items, self.shared.ports.clock.now());
        if let Some(row) = sign
            && self.odd_rows.insert(row.to_owned())
        {
            warn!(row, "the fleet coordinates as KCL 3.x does: only free leases are taken");
        }
        sign.is_none()
    }
}

/// Whether another worker was first with a lease that was free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Race {
    Won,
    Lost,
}

/// What came of taking a lease.
enum Take {
    /// It is held: the row as it is then, and when the write was sent.
    Taken(Box<Lease>, Time),
    /// It is not.
    Not,
    /// It may be, or may come to be: no answer, and no proof that it was refused.
    Unknown,
}

/// Takes a lease from the holder that was seen, as its row is now: since the scan, whose pages may
/// take longer than a renewal lasts, the counter has gone on.
async fn steal(shared: &Shared, seen: &Lease) -> Take {
    match read(shared, &seen.key).await {
        Ok(Some(row)) if row.holder() == seen.holder() => take(shared, &row).await,
        Ok(Some(_) | None) => Take::Not,
        Err(error) => {
            warn!(lease = %seen.key, %error, "lease not read again, and not stolen");
            Take::Not
        }
    }
}

async fn take(shared: &Shared, seen: &Lease) -> Take {
    let (me, limit) = (&shared.config.worker_id, shared.config.lease.take_timeout());
    let (table, clock) = (&shared.ports.table, &shared.ports.clock);
    let (sent_at, date) = (clock.now(), clock.date());
    let taken = seen.taken_by(me, date);
    let answer = within(&**clock, limit, table.write(&row::take(seen, me, date))).await;
    match answer {
        Some(Ok(Outcome::Written)) => return Take::Taken(Box::new(taken), sent_at),
        Some(Ok(Outcome::Refused)) => {
            debug!(lease = %seen.key, "somebody else was first");
            return Take::Not;
        }
        Some(Err(error)) if !error.is_ambiguous() => {
            warn!(lease = %seen.key, %error, "lease not taken");
            return Take::Not;
        }
        Some(Err(_)) | None => {}
    }
    match read(shared, &seen.key).await {
        Ok(Some(row)) if taken.is_proven_by(&row) => confirm(shared, &taken).await,
        Ok(Some(row)) if may_yet_be_taken(seen, &row) => Take::Unknown,
        Ok(Some(_) | None) => Take::Not,
        Err(error) => {
            warn!(lease = %seen.key, %error, "not known whether the lease is taken");
            Take::Unknown
        }
    }
}

/// Whether a take of the lease that was `seen` would still find the row as it expects it: then one
/// without an answer may only be late.
fn may_yet_be_taken(seen: &Lease, row: &Lease) -> bool {
    (row.counter, &row.owner, &row.checkpoint_owner)
        == (seen.counter, &seen.owner, &seen.checkpoint_owner)
}

/// Renews a lease that a read has proven to be taken. An earlier take of the same row, late, may
/// have made it so: only a write whose sending is known says from when on the lease is held.
async fn confirm(shared: &Shared, taken: &Lease) -> Take {
    let (table, clock) = (&shared.ports.table, &shared.ports.clock);
    let limit = shared.config.lease.take_timeout();
    let sent_at = clock.now();
    let renew = row::change(taken, &Change::Renew);
    match within(&**clock, limit, table.write(&renew)).await {
        Some(Ok(Outcome::Written)) => Take::Taken(Box::new(taken.after(&Change::Renew)), sent_at),
        Some(Ok(Outcome::Refused)) => Take::Not,
        Some(Err(_)) | None => {
            warn!(lease = %taken.key, "lease taken, and not confirmed");
            Take::Unknown
        }
    }
}

/// Reads a lease consistently, within the time of one take.
async fn read(shared: &Shared, key: &LeaseKey) -> Result<Option<Lease>, TableError> {
    let limit = shared.config.lease.take_timeout();
    let read = within(&*shared.ports.clock, limit, shared.ports.table.read(key)).await;
    let item = read.unwrap_or_else(|| Err(TableError::Unanswered("timed out".into())))?;
    Ok(item.as_ref().and_then(|item| match row::read(item) {
        Row::Lease(lease) => Some(lease),
        Row::Foreign { .. } | Row::Malformed { .. } => None,
    }))
}
