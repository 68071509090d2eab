//! The figures: throughput of a daemon with the sample consumer, and time to the first record.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::TableStatus;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use crate::application::{Application, Settings};
use crate::args::BenchArguments;
use crate::clock::now_micros;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::feed;
use crate::follow::Follow;
use crate::producer::{Acknowledged, Producer, Progress};
use crate::program::Program;
use crate::report::Report;
use crate::rng::Rng;
use crate::stage;
use crate::stream::Stream;
use crate::table::Table;
use crate::watch;

const RECORD_BYTES: u16 = 200;
/// What Kinesis lets one shard's readers have, and the daemon keeps to.
const READ_BYTES_PER_SECOND: f64 = 2e6;
const ROUNDS: usize = 3;
const FIRST_RECORDS: usize = 400;
const FIRST_WITHIN: Duration = Duration::from_secs(60);
const ALL_WITHIN: Duration = Duration::from_secs(600);
const STOP: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(5);
/// USER_HZ: what /proc counts CPU time in, on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures, and returns a table of the figures.
///
/// # Errors
///
/// When something does not start, or does not end in time.
pub async fn bench(arguments: &BenchArguments) -> Result<Report, Error> {
    let shardwise = stage::path_variable("SHARDWISE_BIN", "bench")?;
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "bench")?;
    let mut report = Report::default();
    first_records(&shardwise, &parent, &mut report).await?;
    throughput(arguments, &shardwise, &parent, &mut report).await?;
    Ok(report)
}

/// Time to the first record, of a new application and of one that was stopped.
async fn first_records(shardwise: &Path, parent: &Path, report: &mut Report) -> Result<(), Error> {
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
        let mut application = Application::new(settings, 1);

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

/// The median, and the range.
fn milliseconds(micros: &mut [u64]) -> String {
    micros.sort_unstable();
    let at = |index: usize| micros[index] / 1000;
    format!("{} ms ({} to {})", at(micros.len() / 2), at(0), at(micros.len() - 1))
}

/// All records through one daemon and the sample consumer, which logs nothing.
async fn throughput(
    arguments: &BenchArguments,
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = stage::run_directory(parent, "throughput")?;
    let shards = arguments.shards;
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
    let mut application = Application::new(settings, 1);
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
    tell(report, arguments, (put_seconds, seconds), daemon.as_ref(), &endpoints);
    std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))
}

fn tell(
    report: &mut Report,
    arguments: &BenchArguments,
    (put_seconds, seconds): (f64, f64),
    daemon: Option<&Usage>,
    endpoints: &Usage,
) {
    let records = f64::from(u32::try_from(arguments.records).unwrap_or(u32::MAX));
    let of = |usage: &Usage| format!("{:.2} s", usage.cpu_seconds / records * 1e6);
    let what = format!("{} records of {RECORD_BYTES} B", arguments.records);
    report.tell(&what, format!("{} shards", arguments.shards));
    report.tell("  from daemon start to last checkpoint", format!("{seconds:.1} s"));
    let allowed = f64::from(arguments.shards) * READ_BYTES_PER_SECOND / f64::from(RECORD_BYTES);
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
async fn fill(stream: &Stream, records: usize) -> Result<Acknowledged, Error> {
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

/// What a process has used so far.
struct Usage {
    cpu_seconds: f64,
    peak_mib: f64,
}

impl Usage {
    fn of(program: &Program) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", program.id());
            std::fs::read_to_string(&path).map_err(Error::file(path))
        };
        let stat = read("stat")?;
        // The name may hold blanks and brackets; the fields follow its last bracket.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Self {
            cpu_seconds: ticks / TICKS_PER_SECOND,
            peak_mib: peak_kib.unwrap_or(f64::NAN) / 1024.0,
        })
    }
}

fn late(deadline: Instant, what: &str, within: Duration) -> Result<(), Error> {
    if Instant::now() > deadline {
        return Err(Error::Deadline { what: what.to_owned(), within });
    }
    Ok(())
}
