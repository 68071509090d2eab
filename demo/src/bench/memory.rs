//! Memory of many shards that have more records than the byte budget, with slow children.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::{STOP, Usage, late};
use crate::application::{Application, Settings};
use crate::args::BenchArguments;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::report::Report;
use crate::rng::Rng;
use crate::stage;
use crate::stream::Stream;
use crate::table::Table;

const SHARDS: u16 = 256;
const RECORD_BYTES: usize = 10_000;
/// How many records are put for each byte of the budget.
const BACKLOG: usize = 3;
const HELD_WITHIN: Duration = Duration::from_secs(120);
/// How long records pile up in the daemon before it is looked at.
const FILLS: Duration = Duration::from_secs(30);
/// What it may be above the idle one, in budgets.
const MOST: f64 = 2.5;
/// With less than that the daemon has not read.
const LEAST: f64 = 0.5;
const POLL: Duration = Duration::from_millis(200);

/// Tells a daemon's peak memory, idle and busy, by polling and by fan-out.
pub(super) async fn memory(
    arguments: &BenchArguments,
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let shards = arguments.shards.unwrap_or(SHARDS);
    let budget = usize::try_from(arguments.budget).unwrap_or(usize::MAX) << 20;
    for (what, mode) in [("polling", "POLLING"), ("fan-out", "FANOUT")] {
        let directory = stage::run_directory(parent, "memory")?;
        let streams = [("memory", shards)];
        let (mut local, endpoints) =
            Endpoints::start(shardwise, &directory, &streams, false).await?;
        let stream = Stream { client: endpoints.kinesis(), name: "memory".to_owned() };
        let mut settings = Settings::journaling(shardwise, &directory, &endpoints, "memory");
        settings.executable = super::child("--rest 5000")?;
        let settings = settings
            .with("retrievalMode", mode)
            .with("shardwise.polling", "adaptive")
            .with("shardwise.byteBudget", &budget.to_string());
        let table = Table { client: endpoints.dynamodb(), name: settings.application.clone() };
        let mut application = Application::new(vec![settings]);
        application.start(0)?;
        all_held(&table, shards).await?;
        let idle = peak(&application)?;
        fill(&stream, budget * BACKLOG).await?;
        tokio::time::sleep(FILLS).await;
        application.check()?;
        let busy = peak(&application)?;
        // Its children rest: nobody waits for them.
        drop(application.kill(0));
        local.terminate(STOP).await?;
        let times = (busy - idle) / f64::from(arguments.budget);
        let what = format!("memory, {shards} busy shards, {what}");
        let budget = arguments.budget;
        report.check(
            &what,
            (LEAST..=MOST).contains(&times),
            format!(
                "{idle:.0} MiB idle, {busy:.0} busy: {times:.2} x {budget} MiB more; goal {MOST}"
            ),
        );
        std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))?;
    }
    Ok(())
}

fn peak(application: &Application) -> Result<f64, Error> {
    let usage = application.daemon(0).map(Usage::of).transpose()?;
    Ok(usage.map_or(f64::NAN, |usage| usage.peak_mib))
}

/// Waits until the daemon has every lease.
async fn all_held(table: &Table, shards: u16) -> Result<(), Error> {
    let deadline = Instant::now() + HELD_WITHIN;
    loop {
        let leases = table.leases().await?;
        if leases.iter().filter(|lease| lease.owner.is_some()).count() >= usize::from(shards) {
            return Ok(());
        }
        late(deadline, "every lease is held", HELD_WITHIN)?;
        tokio::time::sleep(POLL).await;
    }
}

async fn fill(stream: &Stream, bytes: usize) -> Result<(), Error> {
    let mut rng = Rng::new(0);
    for _ in 0..bytes / RECORD_BYTES / 500 {
        let entries = (0..500).map(|_| {
            PutRecordsRequestEntry::builder()
                .data(Blob::new(vec![b'.'; RECORD_BYTES]))
                .partition_key(format!("{:016x}", rng.next_u64()))
                .build()
                .expect("data and partition key are set")
        });
        let request = stream.client.put_records().stream_name(&stream.name);
        let request = request.set_records(Some(entries.collect()));
        request.send().await.map_err(|error| Error::call("PutRecords", &error))?;
    }
    Ok(())
}
