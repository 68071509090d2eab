//! Getting ready: the stream, the lease table, and the first leases.

use std::time::Duration;

use shardwise_core::config::CreateTable;
use shardwise_core::lease::Lease;
use shardwise_core::metrics::catalogue::INITIALIZE_SUCCESS;
use shardwise_core::row::{self, Row};
use shardwise_core::sync;
use tracing::{info, warn};

use crate::consumer::Shared;
use crate::error::{WorkerError, with_causes};
use crate::kinesis::{KinesisError, StreamState};
use crate::lease_table::{Reads, Scan, TableError, TableState};
use crate::shards;

/// How often a stream or a table that is being made is looked at.
const POLL: Duration = Duration::from_secs(1);
/// How long the table may take. KCL: 600 s.
const TABLE_LOOKS: u32 = 600;
/// How often a list of shards that leaves a hole is asked for. KCL: 3, a second apart.
const LISTINGS: u32 = 3;

/// Makes stream, table and first leases ready; tries again while AWS does not answer. Gives how
/// long the stream keeps records.
pub(super) async fn prepare(shared: &Shared) -> Result<Duration, WorkerError> {
    let coordinator = &shared.config.coordinator;
    let mut attempt = 1;
    let mut first_leases = None;
    loop {
        let tried = try_once(shared, &mut first_leases).await;
        shared.metrics.tell(&[INITIALIZE_SUCCESS.was(tried.is_ok())]);
        match tried {
            Ok(retention) => return Ok(retention),
            Err(error) if error.is_configuration() || attempt >= coordinator.start_attempts => {
                return Err(error);
            }
            Err(error) => {
                warn!(error = with_causes(&error), attempt, "not started yet");
            }
        }
        attempt += 1;
        sleep(shared, coordinator.start_backoff).await;
    }
}

/// Tries once. A first shard sync that broke off leaves some leases: `first` remembers which ones
/// it was to make, and the rest of them is made.
async fn try_once(
    shared: &Shared,
    first: &mut Option<Vec<Lease>>,
) -> Result<Duration, WorkerError> {
    let retention = stream_ready(shared).await?;
    consumer_ready(shared).await?;
    table_ready(shared).await?;
    let error = |source| table_error(shared, source);
    if first.is_none() && has_leases(shared).await? {
        return Ok(retention);
    }
    let sync = async {
        let wanted = match first {
            Some(planned) => {
                let scan = shared.ports.table.scan(Reads::Consistent).await.map_err(error)?;
                let shards = shards::list_all(&shared.ports, &shared.config).await;
                let shards = shards.map_err(|source| kinesis_error(shared, source))?;
                sync::still_wanted(planned, &shards, &scan.leases())
            }
            None => first.insert(find_first_leases(shared).await?).clone(),
        };
        create(shared, &wanted).await.map_err(error)
    };
    shared.metrics.synced(sync).await?;
    Ok(retention)
}

/// Whether the application has leases. That it has none must be so now: a table that only was empty
/// may have leases of shards that are done and gone by now, which would be made anew.
async fn has_leases(shared: &Shared) -> Result<bool, WorkerError> {
    for reads in [Reads::Eventual, Reads::Consistent] {
        let scan = shared.ports.table.scan(reads).await;
        if shows_leases(shared, &scan.map_err(|source| table_error(shared, source))?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a scan shows leases. Rows that look like leases but cannot be read belong to somebody
/// else: nothing may be added to them.
fn shows_leases(shared: &Shared, scan: &Scan) -> Result<bool, WorkerError> {
    let mut odd = None;
    for item in &scan.items {
        match row::read(item) {
            Row::Lease(_) => return Ok(true),
            Row::Malformed { key, why } => odd = Some((key, why)),
            Row::Foreign { .. } => {}
        }
    }
    let Some((key, why)) = odd else { return Ok(false) };
    let table = shared.config.table.name.clone();
    Err(WorkerError::NotOurs { table, key, why: why.to_string() })
}

async fn stream_ready(shared: &Shared) -> Result<Duration, WorkerError> {
    let stream = &shared.config.stream_name;
    loop {
        match shared.ports.kinesis.stream_state(stream).await {
            Ok(StreamState::Ready { retention }) => return Ok(retention),
            Ok(StreamState::Creating) => info!(%stream, "stream is being created"),
            Ok(StreamState::Deleting) => {
                return Err(WorkerError::StreamDeleting { stream: stream.clone() });
            }
            Err(KinesisError::NotFound(_)) => {
                let place = shared.ports.kinesis.place().map(ToOwned::to_owned);
                return Err(WorkerError::StreamMissing { stream: stream.clone(), place });
            }
            Err(source) => return Err(kinesis_error(shared, source)),
        }
        sleep(shared, POLL).await;
    }
}

/// Finds or registers the stream consumer, so that what forbids it is an error now and not a shard
/// that never starts.
async fn consumer_ready(shared: &Shared) -> Result<(), WorkerError> {
    if let Some(registration) = &shared.registration {
        let found = registration.arn(&shared.ports, &shared.config).await;
        found.map_err(|source| kinesis_error(shared, source))?;
    }
    Ok(())
}

async fn table_ready(shared: &Shared) -> Result<(), WorkerError> {
    let (table, config) = (&shared.ports.table, &shared.config.table);
    let error = |source| table_error(shared, source);
    for look in 0..TABLE_LOOKS {
        match table.state().await.map_err(error)? {
            TableState::Ready => {
                if config.point_in_time_recovery {
                    table.recover_to_any_time().await.map_err(error)?;
                }
                return Ok(());
            }
            TableState::Missing if config.create == CreateTable::Never => {
                return Err(WorkerError::TableMissing { table: config.name.clone() });
            }
            TableState::Missing => {
                info!(table = config.name, "lease table is made");
                table.create(config).await.map_err(error)?;
                if look == 0 {
                    continue;
                }
            }
            TableState::NotReady => info!(table = config.name, "lease table is not ready yet"),
        }
        sleep(shared, POLL).await;
    }
    Err(WorkerError::TableNotReady { table: config.name.clone() })
}

/// Makes one lease for each shard that was open at the initial position, if there are no leases.
///
/// Several workers may do so at once: what is there already is left alone.
pub(super) async fn first_leases(shared: &Shared) -> Result<(), WorkerError> {
    if has_leases(shared).await? {
        return Ok(());
    }
    let sync = async {
        let leases = find_first_leases(shared).await?;
        create(shared, &leases).await.map_err(|source| table_error(shared, source))
    };
    shared.metrics.synced(sync).await
}

async fn find_first_leases(shared: &Shared) -> Result<Vec<Lease>, WorkerError> {
    let config = &shared.config;
    let mut listing = 1;
    loop {
        let shards = shards::list_open_at(&shared.ports, config, config.initial_position)
            .await
            .map_err(|source| kinesis_error(shared, source))?;
        match sync::initial_leases(&shards, config.initial_position) {
            Ok(leases) => {
                let position = config.initial_position;
                info!(leases = leases.len(), ?position, "first shard sync");
                let date = shared.ports.clock.date();
                return Ok(leases.into_iter().map(|lease| lease.dated(date)).collect());
            }
            Err(error) if listing < LISTINGS => warn!(%error, listing, "shards listed again"),
            Err(source) => {
                let stream = config.stream_name.clone();
                return Err(WorkerError::Sync { stream, source });
            }
        }
        listing += 1;
        sleep(shared, POLL).await;
    }
}

/// Makes each lease that is not there yet, in order, so that a crash leaves a beginning that the
/// next sync completes. LATEST is this moment.
pub(super) async fn create(shared: &Shared, leases: &[Lease]) -> Result<(), TableError> {
    let date = shared.ports.clock.date();
    for lease in leases {
        let lease = lease.clone().dated(date);
        let began = shared.ports.clock.now();
        let written = shared.ports.table.write(&row::create(&lease)).await;
        shared.metrics.created(&lease, began, written.is_ok());
        written?;
    }
    Ok(())
}

async fn sleep(shared: &Shared, pause: Duration) {
    let clock = &shared.ports.clock;
    clock.sleep_until(clock.now() + pause).await;
}

fn kinesis_error(shared: &Shared, source: KinesisError) -> WorkerError {
    let place = shared.ports.kinesis.place().map(ToOwned::to_owned);
    WorkerError::Kinesis { stream: shared.config.stream_name.clone(), place, source }
}

fn table_error(shared: &Shared, source: TableError) -> WorkerError {
    let place = shared.ports.table.place().map(ToOwned::to_owned);
    WorkerError::Table { table: shared.config.table.name.clone(), place, source }
}
