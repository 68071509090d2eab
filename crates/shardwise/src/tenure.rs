//! One hold of one lease: the only writer of its row while it lasts.
//!
//! Renewals, checkpoints and the release of a lease queue up before one [`Keeper`], so they never
//! race for the counter. The row in its memory changes only on a proven write: an answer, or a
//! consistent read that shows exactly what was to be written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shardwise_core::checkpoint::Again;
use shardwise_core::config::LeaseConfig;
use shardwise_core::id::{LeaseKey, WorkerId};
use shardwise_core::lease::{Change, Lease};
use shardwise_core::row::{self, Row};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::time::Time;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use crate::clock::{Clock, within};
use crate::lease_table::{LeaseTable, Outcome, TableError};
use crate::metrics::Metrics;

/// A handle on the hold of a lease.
pub(crate) struct Tenure {
    key: LeaseKey,
    clock: Arc<dyn Clock>,
    config: LeaseConfig,
    /// Microseconds of the worker's clock; 0 once the lease is lost or released.
    held_until: AtomicU64,
    requests: mpsc::Sender<Request>,
}

/// How often it is warned of one lease's failing writes.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Request {
    change: Change,
    answer: oneshot::Sender<Result<(), WriteError>>,
}

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The lease is no longer held.
    #[error("the lease is lost")]
    Lost,
    /// The row has a later checkpoint: one whose answer was lost has arrived after all.
    #[error("the checkpoint in the table is already `{0}`")]
    Behind(Checkpoint),
    /// The table did not answer, or refused. The change may be asked for again.
    #[error(transparent)]
    Table(TableError),
}

/// How a tenure ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TenureEnd {
    /// Another worker has the lease.
    Taken { by: Option<WorkerId> },
    /// The row is gone.
    RowGone,
    /// It could not be renewed in time.
    Expired,
    /// It was given up.
    Released,
}

impl Tenure {
    pub(crate) fn key(&self) -> &LeaseKey {
        &self.key
    }

    /// Whether the lease may still be relied on: no hand-over begins once this is false.
    pub(crate) fn is_held(&self) -> bool {
        micros(self.clock.now()) < self.held_until.load(Ordering::Acquire)
    }

    /// Writes `change`, after what was asked for before.
    pub(crate) async fn write(&self, change: Change) -> Result<(), WriteError> {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(Request { change, answer }).await.is_err() {
            return Err(WriteError::Lost);
        }
        answered.await.unwrap_or(Err(WriteError::Lost))
    }

    /// The tries of a checkpoint that begins now.
    pub(crate) fn tries(&self) -> Again {
        Again::new(&self.key, &self.config, self.clock.now())
    }

    /// Waits for the next try of a checkpoint; not any longer once the lease is lost, which that
    /// try will tell. Says whether there is one.
    pub(crate) async fn comes_again(&self, tries: &mut Again) -> bool {
        let Some(at) = tries.at(self.clock.now()) else { return false };
        tokio::select! {
            biased;
            () = self.requests.closed() => {}
            () = self.clock.sleep_until(at) => {}
        }
        true
    }

    fn hold_until(&self, time: Time) {
        self.held_until.store(micros(time), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.held_until.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").field("key", &self.key).finish_non_exhaustive()
    }
}

fn micros(time: Time) -> u64 {
    u64::try_from(time.since_start().as_micros()).unwrap_or(u64::MAX)
}

/// The task that keeps a lease: renews it, and makes the changes that are asked for.
pub(crate) struct Keeper {
    tenure: Arc<Tenure>,
    requests: mpsc::Receiver<Request>,
    /// The row as it was last proven to be.
    lease: Lease,
    /// What the row would be had a write without an answer been made, and when it was sent.
    in_doubt: Vec<(Lease, Time)>,
    renewed_at: Time,
    /// When it was last warned of a write that failed.
    warned_at: Option<Time>,
    table: Arc<dyn LeaseTable>,
    clock: Arc<dyn Clock>,
    config: LeaseConfig,
    metrics: Metrics,
}

impl Keeper {
    /// Keeps `lease`, a row that this worker wrote at `renewed_at` (the moment of sending).
    pub(crate) fn new(
        lease: Lease,
        renewed_at: Time,
        table: Arc<dyn LeaseTable>,
        clock: Arc<dyn Clock>,
        config: LeaseConfig,
        metrics: Metrics,
    ) -> (Arc<Tenure>, Self) {
        let (sender, requests) = mpsc::channel(16);
        let tenure = Arc::new(Tenure {
            key: lease.key.clone(),
            clock: Arc::clone(&clock),
            config: config.clone(),
            held_until: AtomicU64::new(0),
            requests: sender,
        });
        tenure.hold_until(renewed_at + config.failover_time);
        let keeper = Self {
            tenure: Arc::clone(&tenure),
            requests,
            lease,
            in_doubt: Vec::new(),
            renewed_at,
            warned_at: None,
            table,
            clock,
            config,
            metrics,
        };
        (tenure, keeper)
    }

    /// Keeps the lease until it is lost or released.
    pub(crate) async fn keep(mut self) -> TenureEnd {
        let end = self.serve().await;
        self.tenure.end();
        if end == TenureEnd::Released {
            debug!(lease = %self.lease.key, "lease released");
        } else {
            info!(lease = %self.lease.key, why = ?end, "lease lost");
        }
        end
    }

    async fn serve(&mut self) -> TenureEnd {
        let mut renew_at = self.renewed_at + self.config.renew_interval();
        loop {
            let expires_at = self.renewed_at + self.config.failover_time;
            let request = tokio::select! {
                biased;
                request = self.requests.recv() => request,
                () = self.clock.sleep_until(renew_at.min(expires_at)) => None,
            };
            if self.clock.now() >= expires_at {
                return TenureEnd::Expired;
            }
            let (change, answer) = match request {
                Some(request) => (request.change, Some(request.answer)),
                None => (Change::Renew, None),
            };
            let sent_at = self.clock.now();
            let written = self.write(&change).await;
            self.metrics.wrote(&self.lease.key, &change, sent_at, written.is_ok());
            if written.is_ok() {
                renew_at = self.renewed_at + self.config.renew_interval();
            } else if change == Change::Renew {
                // Another change that fails again and again must not put the renewal off.
                renew_at = sent_at + self.config.retry_interval();
            }
            let answered = match written {
                Ok(()) => Ok(()),
                Err(Failure::Behind(place)) => Err(WriteError::Behind(place)),
                Err(Failure::Table(error)) => {
                    self.report(&change, &error);
                    Err(WriteError::Table(error))
                }
                Err(Failure::End(end)) => {
                    self.tenure.end();
                    reply(answer, Err(WriteError::Lost));
                    return end;
                }
            };
            let released = change == Change::Release && answered.is_ok();
            if released {
                self.tenure.end();
            }
            reply(answer, answered);
            if released {
                return TenureEnd::Released;
            }
        }
    }

    /// Warns of a write that failed: of the first one, and then now and again.
    fn report(&mut self, change: &Change, error: &TableError) {
        let now = self.clock.now();
        let (lease, source) = (&self.lease.key, source(error));
        if self.warned_at.is_some_and(|at| now.since(at) < WARNING_INTERVAL) {
            debug!(%lease, ?change, %error, source, "lease not written");
        } else {
            self.warned_at = Some(now);
            warn!(%lease, ?change, %error, source, "lease not written");
        }
    }

    /// Makes one change of the row, and finds out what became of it.
    async fn write(&mut self, change: &Change) -> Result<(), Failure> {
        loop {
            if let Change::Checkpoint(place) = change
                && *place < self.lease.checkpoint
            {
                return Err(Failure::Behind(self.lease.checkpoint.clone()));
            }
            let sent_at = self.clock.now();
            let after = self.lease.after(change);
            let write = row::change(&self.lease, change);
            let limit = self.config.write_timeout();
            let answer = within(&*self.clock, limit, self.table.write(&write)).await;
            match answer.unwrap_or_else(|| Err(timed_out())) {
                Ok(Outcome::Written) => {
                    self.adopt(after, sent_at);
                    return Ok(());
                }
                // Not this very write: it was refused. But one in doubt may have come before it.
                Ok(Outcome::Refused) => match self.look(change).await? {
                    Some(row) if row == after => return Ok(()),
                    // The counter moved by our own hand: the same change on the newer row.
                    Some(_) => {}
                    // The row is as we know it, so the condition held; the next try will tell.
                    None => return Err(Failure::Table(timed_out())),
                },
                Err(error) if error.is_ambiguous() => {
                    self.in_doubt.push((after.clone(), sent_at));
                    match self.look(change).await? {
                        Some(row) if row == after => return Ok(()),
                        Some(_) => {}
                        None => return Err(Failure::Table(error)),
                    }
                }
                Err(error) => return Err(Failure::Table(error)),
            }
            if self.clock.now() >= self.renewed_at + self.config.failover_time {
                return Err(Failure::End(TenureEnd::Expired));
            }
        }
    }

    /// Reads the row consistently; the write in doubt that it proves, if it proves one. The oldest
    /// counts: it alone says when the lease was last renewed at the latest.
    async fn look(&mut self, change: &Change) -> Result<Option<Lease>, Failure> {
        let limit = self.config.write_timeout();
        let read = within(&*self.clock, limit, self.table.read(&self.lease.key)).await;
        let item = read.unwrap_or_else(|| Err(timed_out())).map_err(Failure::Table)?;
        let Some(item) = item else { return Err(Failure::End(TenureEnd::RowGone)) };
        let Row::Lease(row) = row::read(&item) else {
            return Err(Failure::End(TenureEnd::RowGone));
        };
        let proven = self.in_doubt.iter().find(|(lease, _)| lease.is_proven_by(&row)).cloned();
        if let Some((lease, sent_at)) = proven {
            let released = lease.owner.is_none() && *change != Change::Release;
            self.adopt(lease.clone(), sent_at);
            return if released { Err(Failure::End(TenureEnd::Released)) } else { Ok(Some(lease)) };
        }
        if self.lease.is_proven_by(&row) {
            return Ok(None);
        }
        Err(Failure::End(TenureEnd::Taken { by: row.owner }))
    }

    /// Takes a proven row in. Writes still in doubt carried an older counter: they are void now.
    fn adopt(&mut self, row: Lease, sent_at: Time) {
        self.in_doubt.clear();
        self.lease = row;
        self.renewed_at = self.renewed_at.max(sent_at);
        self.tenure.hold_until(self.renewed_at + self.config.failover_time);
    }
}

enum Failure {
    Behind(Checkpoint),
    Table(TableError),
    End(TenureEnd),
}

fn reply(answer: Option<oneshot::Sender<Result<(), WriteError>>>, result: Result<(), WriteError>) {
    if let Some(answer) = answer {
        // Whoever asked may have stopped waiting.
        drop(answer.send(result));
    }
}

fn timed_out() -> TableError {
    TableError::Unanswered("no answer within the time for one write".into())
}

fn source(error: &TableError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

#[cfg(test)]
mod tests;
