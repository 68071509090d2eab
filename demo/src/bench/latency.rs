//! From put to processor: a record is put now and then, and a child notes when it comes.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::{POLL, STOP, late};
use crate::application::{Application, Settings};
use crate::clock::now_micros;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::report::Report;
use crate::rng::Rng;
use crate::stage;
use crate::stream::Stream;

/// How often something is put, on average every 60 ms.
const PUTS: usize = 200;
const PAUSE_MILLIS: (u64, u64) = (30, 60);
const WITHIN: Duration = Duration::from_secs(60);

type Properties = &'static [(&'static str, &'static str)];

/// What a way is held against: a goal of ours in words, and whether it is reached.
type Goal = (&'static str, fn(&Percentiles) -> bool);

/// How records are got, what is put at once, and the properties that say so.
const WAYS: [(&str, usize, usize, Properties, Option<Goal>); 4] = [
    (
        "polling as Java, 1 record",
        1,
        100,
        &[("retrievalMode", "POLLING"), ("idleTimeBetweenReadsInMillis", "1500")],
        None,
    ),
    (
        "polling, adaptive, 1 record",
        1,
        100,
        &[("retrievalMode", "POLLING"), ("shardwise.polling", "adaptive")],
        Some(("150 ms mean", |took| took.mean <= 150.0)),
    ),
    (
        "fan-out, 1 record",
        1,
        100,
        &[("retrievalMode", "FANOUT")],
        Some(("5 ms p50, 20 ms p99", |took| took.p50 <= 5.0 && took.p99 <= 20.0)),
    ),
    (
        "fan-out, 100 records of 1 KB",
        100,
        1_000,
        &[("retrievalMode", "FANOUT")],
        Some(("3 ms p50, 10 ms p99", |took| took.p50 <= 3.0 && took.p99 <= 10.0)),
    ),
];

/// Milliseconds.
struct Percentiles {
    p50: f64,
    mean: f64,
    p99: f64,
    max: f64,
}

/// Tells the latency of each way: from the call of PutRecords to the line on the child's stdin.
pub(super) async fn latency(
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = stage::run_directory(parent, "latency")?;
    let (mut local, endpoints) = Endpoints::start(shardwise, &directory, &[], false).await?;
    for (number, (what, records, bytes, properties, goal)) in WAYS.into_iter().enumerate() {
        let name = format!("latency{number}");
        let directory = stage::run_directory(&directory, &name)?;
        let journal = directory.join("came.txt");
        let stream = Stream { client: endpoints.kinesis(), name: name.clone() };
        stream.create(1).await?;
        let mut settings = Settings::journaling(shardwise, &directory, &endpoints, &name);
        settings.executable = super::child(&format!("--journal {}", journal.display()))?;
        for (key, value) in properties {
            settings = settings.with(key, value);
        }
        let mut application = Application::new(vec![settings]);
        application.start(0)?;
        put(&stream, records, bytes, 1).await?;
        came(&journal, records).await?;
        put(&stream, records, bytes, PUTS).await?;
        let mut micros = came(&journal, records * (PUTS + 1)).await?;
        application.stop(STOP).await?;
        micros.drain(..records);
        let (what, took) = (format!("latency, {what}"), Percentiles::of(&mut micros));
        match goal {
            Some((words, is_reached)) => {
                report.check(&what, is_reached(&took), format!("{took}; goal {words}"));
            }
            None => report.tell(&what, took.to_string()),
        }
    }
    local.terminate(STOP).await?;
    std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))
}

/// Puts records whose partition key says when.
async fn put(stream: &Stream, records: usize, bytes: usize, times: usize) -> Result<(), Error> {
    let mut rng = Rng::new(0);
    let (least, more) = PAUSE_MILLIS;
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(least + rng.below(more))).await;
        let now = now_micros().to_string();
        let entries = (0..records).map(|_| {
            PutRecordsRequestEntry::builder()
                .data(Blob::new(vec![b'.'; bytes]))
                .partition_key(&now)
                .build()
                .expect("data and partition key are set")
        });
        let request = stream.client.put_records().stream_name(&stream.name);
        let request = request.set_records(Some(entries.collect()));
        request.send().await.map_err(|error| Error::call("PutRecords", &error))?;
    }
    Ok(())
}

/// How long each record was under way, once so many have come.
async fn came(journal: &Path, records: usize) -> Result<Vec<u64>, Error> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        let took = |line: &str| {
            let (came, put) = line.split_once(' ')?;
            Some(came.parse::<u64>().ok()?.saturating_sub(put.parse().ok()?))
        };
        let took: Vec<u64> = text.lines().filter_map(took).collect();
        if took.len() >= records {
            return Ok(took);
        }
        late(deadline, "every record has come", WITHIN)?;
        tokio::time::sleep(POLL).await;
    }
}

impl Percentiles {
    fn of(micros: &mut [u64]) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| micros[(micros.len() - 1) * percent / 100] as f64 / 1e3;
        let mean = micros.iter().sum::<u64>() as f64 / micros.len() as f64 / 1e3;
        Self { p50: at(50), mean, p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, mean, p99, max } = self;
        write!(f, "{p50:.1} ms p50, {mean:.1} mean, {p99:.1} p99, {max:.1} max")
    }
}
