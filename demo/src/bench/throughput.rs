//! How many records a second, and what they cost.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::{POLL, STOP, Usage, late};
use crate::application::{Application, Settings};
use crate::args::BenchArguments;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::producer::Acknowledged;
use crate::report::Report;
use crate::rng::Rng;
use crate::stage;
use crate::stream::Stream;
use crate::table::Table;
use crate::watch;

const RECORD_BYTES: u16 = 200;
/// What Kinesis lets one shard's readers have, and the daemon keeps to.
const READ_BYTES_PER_SECOND: f64 = 2e6;
const SHARDS: u16 = 4;
pub(super) const ALL_WITHIN: Duration = Duration::from_secs(600);

/// All records through one daemon and the sample consumer, which logs nothing.
pub(super) async fn throughput(
    arguments: &BenchArguments,
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = stage::run_directory(parent, "throughput")?;
    let shards = arguments.shards.unwrap_or(SHARDS);
    let (mut local, endpoints) =
        Endpoints::start(shardwise, &directory, &[("load", shards)], false).await?;
    let stream = Stream { client: endpoints.kinesis(), name: "load".to_owned() };
    let put_start = Instant::now();
    let acknowledged = fill(&stream, arguments.records).await?;
    let put_seconds = put_start.elapsed().as_secs_f64();

    let mut settings = Settings::journaling(shardwise, &directory, &endpoints, "load");
    settings.executable = "node sample_kcl_app.js".to_owned();
    settings.working_directory = sample();
    let table = Table { client: endpoints.dynamodb(), name: settings.application.clone() };
    let mut application = Application::new(vec![settings]);
    let start = Instant::now();
    application.start(0)?;
    let all = stream.shards().await?;
    let deadline = start + ALL_WITHIN;
    loop {
        // First of all: calls to endpoints that have ended say less.
        local.check()?;
        application.check()?;
        let leases = table.leases().await?;
        let Some(missing) = watch::unfinished(&all, &leases, &acknowledged.last) else { break };
        late(deadline, &missing, ALL_WITHIN)?;
        tokio::time::sleep(POLL * 10).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let daemon = application.daemon(0).map(Usage::of).transpose()?;
    application.stop(STOP).await?;
    let endpoints = Usage::of(&local)?;
    local.terminate(STOP).await?;
    let times = (put_seconds, seconds);
    tell(report, (arguments.records, shards), times, daemon.as_ref(), &endpoints);
    std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))
}

fn tell(
    report: &mut Report,
    (records, shards): (usize, u16),
    (put_seconds, seconds): (f64, f64),
    daemon: Option<&Usage>,
    endpoints: &Usage,
) {
    let what = format!("{records} records of {RECORD_BYTES} B");
    let records = f64::from(u32::try_from(records).unwrap_or(u32::MAX));
    let of = |usage: &Usage| format!("{:.2} s", usage.cpu_seconds / records * 1e6);
    report.tell(&what, format!("{shards} shards"));
    report.tell("  from daemon start to last checkpoint", format!("{seconds:.1} s"));
    let allowed = f64::from(shards) * READ_BYTES_PER_SECOND / f64::from(RECORD_BYTES);
    let rate = format!("{:.0} of {allowed:.0} that the shards allow", records / seconds);
    report.tell("  records a second", rate);
    if let Some(daemon) = daemon {
        report.tell("  daemon CPU (user + sys) per million", of(daemon));
        report.tell("  daemon peak memory", format!("{:.1} MiB", daemon.peak_mib));
    }
    report.tell("  endpoints CPU per million put and read", of(endpoints));
    report.tell("  records put a second", format!("{:.0}", records / put_seconds));
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/samples/basic_sample/consumer")
}

/// Puts records with keys spread over all shards.
pub(super) async fn fill(stream: &Stream, records: usize) -> Result<Acknowledged, Error> {
    let mut rng = Rng::new(0);
    let mut acknowledged = Acknowledged::default();
    while acknowledged.records < records {
        let entries = (0..500.min(records - acknowledged.records)).map(|_| {
            let key = format!("{:016x}", rng.next_u64());
            let mut data = vec![b'.'; usize::from(RECORD_BYTES)];
            data[..key.len()].copy_from_slice(key.as_bytes());
            PutRecordsRequestEntry::builder()
                .data(Blob::new(data))
                .partition_key(key)
                .build()
                .expect("data and partition key are set")
        });
        let request = stream.client.put_records().stream_name(&stream.name);
        let answer = request.set_records(Some(entries.collect())).send().await;
        let answer = answer.map_err(|error| Error::call("PutRecords", &error))?;
        for result in answer.records {
            if let (Some(shard), Some(sequence)) = (result.shard_id, result.sequence_number) {
                acknowledged.records += 1;
                acknowledged.last.insert(shard, sequence);
            }
        }
    }
    Ok(acknowledged)
}
