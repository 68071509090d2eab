//! Time to the first record.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::TableStatus;

use super::{POLL, STOP, late, milliseconds};
use crate::application::{Application, Settings};
use crate::clock::now_micros;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::feed;
use crate::follow::Follow;
use crate::producer::{Producer, Progress};
use crate::report::Report;
use crate::stage;
use crate::stream::Stream;
use crate::table::Table;

const ROUNDS: usize = 3;
const FIRST_RECORDS: usize = 400;
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// Time to the first record, of a new application and of one that was stopped.
pub(super) async fn first_records(
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = stage::run_directory(parent, "first")?;
    let (mut local, endpoints) = Endpoints::start(shardwise, &directory, &[], false).await?;
    let mut new_ones = Vec::new();
    let mut old_ones = Vec::new();
    for round in 0..ROUNDS {
        let directory = stage::run_directory(&directory, &format!("round{round}"))?;
        let name = format!("first{round}");
        let stream = Stream { client: endpoints.kinesis(), name: name.clone() };
        stream.create(4).await?;
        put_flights(&stream, &directory).await?;
        let settings = Settings::journaling(shardwise, &directory, &endpoints, &name);
        let table = Table { client: endpoints.dynamodb(), name: settings.application.clone() };
        let mut application = Application::new(vec![settings]);

        let worker = application.start(0)?;
        let active = table_active(&table).await?;
        new_ones.push(first_hand(&directory, &worker).await?.saturating_sub(active));
        application.stop(STOP).await?;

        put_flights(&stream, &directory).await?;
        let start = now_micros();
        let worker = application.start(0)?;
        old_ones.push(first_hand(&directory, &worker).await?.saturating_sub(start));
        application.stop(STOP).await?;
    }
    local.terminate(STOP).await?;
    report.tell("first record, leases free, from start", milliseconds(&mut old_ones));
    report.tell("first record, new application, from table ACTIVE", milliseconds(&mut new_ones));
    std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))
}

async fn put_flights(stream: &Stream, directory: &Path) -> Result<(), Error> {
    let (rows, _) = feed::made_up(FIRST_RECORDS);
    Producer::new(stream.clone(), directory, Progress::default())?.put(rows, Duration::ZERO).await
}

async fn table_active(table: &Table) -> Result<u64, Error> {
    let deadline = Instant::now() + FIRST_WITHIN;
    loop {
        let answer = table.client.describe_table().table_name(&table.name).send().await;
        let status = answer.ok().and_then(|answer| answer.table).and_then(|it| it.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(now_micros());
        }
        late(deadline, "the lease table is active", FIRST_WITHIN)?;
        tokio::time::sleep(POLL).await;
    }
}

async fn first_hand(directory: &Path, worker: &str) -> Result<u64, Error> {
    let deadline = Instant::now() + FIRST_WITHIN;
    loop {
        let mut follow = Follow::new(directory, FIRST_RECORDS);
        follow.poll()?;
        if let Some(t) = follow.first_hand_t.get(worker) {
            return Ok(*t);
        }
        late(deadline, "a first record is handed", FIRST_WITHIN)?;
        tokio::time::sleep(POLL).await;
    }
}
