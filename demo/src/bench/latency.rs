//! From put to processor: a record is put now and then, and a child notes when it comes.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::relay::Relay;
use super::{POLL, STOP, late};
use crate::application::{Application, Settings};
use crate::clock::now_micros;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::report::Report;
use crate::rng::Rng;
use crate::stage;
use crate::stream::Stream;

/// How often something is put.
const PUTS: usize = 200;
/// How long the pause before is, at the least, and how much longer it may be.
type Millis = (u64, u64);
const OFTEN: Millis = (30, 60);
/// So that a poll finds what was put at once, and no more: there are five a second at the most.
const ONE_A_POLL: Millis = (210, 40);
const WITHIN: Duration = Duration::from_secs(60);

/// What a way is held against: a goal of ours in words, and whether it is reached.
type Goal = (&'static str, fn(&Percentiles) -> bool);

/// A way to get records.
struct Way {
    what: &'static str,
    /// What is put at once.
    records: usize,
    bytes: usize,
    pause: Millis,
    properties: &'static [(&'static str, &'static str)],
    /// Where the time begins.
    from: From,
    goal: Option<Goal>,
}

/// Where the time begins of which the end is the line on the child's stdin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The call of PutRecords.
    Put,
    /// When the last of what was put has left Kinesis.
    Answer,
}

const WAYS: [Way; 6] = [
    Way {
        what: "polling as Java, 1 record",
        records: 1,
        bytes: 100,
        pause: OFTEN,
        properties: &[("retrievalMode", "POLLING"), ("idleTimeBetweenReadsInMillis", "1500")],
        from: From::Put,
        goal: None,
    },
    Way {
        what: "polling, adaptive, 1 record",
        records: 1,
        bytes: 100,
        pause: OFTEN,
        properties: &[("retrievalMode", "POLLING"), ("shardwise.polling", "adaptive")],
        from: From::Put,
        goal: Some(("150 ms mean", |took| took.mean <= 150.0)),
    },
    Way {
        what: "polling, adaptive, 100 records of 1 KB, from the answer on",
        records: 100,
        bytes: 1_000,
        pause: ONE_A_POLL,
        properties: &[("retrievalMode", "POLLING"), ("shardwise.polling", "adaptive")],
        from: From::Answer,
        goal: Some(FROM_ANSWER),
    },
    Way {
        what: "fan-out, 1 record",
        records: 1,
        bytes: 100,
        pause: OFTEN,
        properties: &[("retrievalMode", "FANOUT")],
        from: From::Put,
        goal: Some(("5 ms p50, 20 ms p99", |took| took.p50 <= 5.0 && took.p99 <= 20.0)),
    },
    Way {
        what: "fan-out, 100 records of 1 KB",
        records: 100,
        bytes: 1_000,
        pause: OFTEN,
        properties: &[("retrievalMode", "FANOUT")],
        from: From::Put,
        goal: None,
    },
    Way {
        what: "fan-out, 100 records of 1 KB, from the answer on",
        records: 100,
        bytes: 1_000,
        pause: OFTEN,
        properties: &[("retrievalMode", "FANOUT")],
        from: From::Answer,
        goal: Some(FROM_ANSWER),
    },
];
const FROM_ANSWER: Goal = ("3 ms p50, 10 ms p99", |took| took.p50 <= 3.0 && took.p99 <= 10.0);

/// Milliseconds.
struct Percentiles {
    p50: f64,
    mean: f64,
    p99: f64,
    max: f64,
}

/// Tells the latency of each way: until the line is on the child's stdin.
pub(super) async fn latency(
    shardwise: &Path,
    parent: &Path,
    report: &mut Report,
) -> Result<(), Error> {
    let directory = stage::run_directory(parent, "latency")?;
    let (mut local, endpoints) = Endpoints::start(shardwise, &directory, &[], false).await?;
    for (number, way) in WAYS.iter().enumerate() {
        let name = format!("latency{number}");
        let directory = stage::run_directory(&directory, &name)?;
        let took = measure(way, &name, &directory, shardwise, &endpoints).await?;
        let what = format!("latency, {}", way.what);
        match way.goal {
            Some((words, is_reached)) => {
                report.check(&what, is_reached(&took), format!("{took}; goal {words}"));
            }
            None => report.tell(&what, took.to_string()),
        }
    }
    local.terminate(STOP).await?;
    std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))
}

async fn measure(
    way: &Way,
    name: &str,
    directory: &Path,
    shardwise: &Path,
    endpoints: &Endpoints,
) -> Result<Percentiles, Error> {
    let (records, journal) = (way.records, directory.join("came.txt"));
    let stream = Stream { client: endpoints.kinesis(), name: name.to_owned() };
    stream.create(1).await?;
    let relay = Relay::start(&endpoints.kinesis).await?;
    let mut seen = endpoints.clone();
    if way.from == From::Answer {
        seen.kinesis.clone_from(&relay.url);
    }
    let mut settings = Settings::journaling(shardwise, directory, &seen, name);
    settings.executable = super::child(&format!("--journal {}", journal.display()))?;
    for (key, value) in way.properties {
        settings = settings.with(key, value);
    }
    let mut application = Application::new(vec![settings]);
    application.start(0)?;
    put(&stream, way, 1).await?;
    came(&journal, records).await?;
    put(&stream, way, PUTS).await?;
    let came = came(&journal, records * (PUTS + 1)).await?;
    application.stop(STOP).await?;
    let took = |came: &Came| {
        let began = match way.from {
            From::Put => came.put,
            From::Answer => relay.passed(came.put).expect("what came has passed the relay"),
        };
        came.at.saturating_sub(began)
    };
    let mut micros: Vec<u64> = came[records..].iter().map(took).collect();
    Ok(Percentiles::of(&mut micros))
}

/// Puts records whose partition key says when.
async fn put(stream: &Stream, way: &Way, times: usize) -> Result<(), Error> {
    let mut rng = Rng::new(0);
    let (least, more) = way.pause;
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(least + rng.below(more))).await;
        let now = now_micros().to_string();
        let entries = (0..way.records).map(|_| {
            PutRecordsRequestEntry::builder()
                .data(Blob::new(vec![b'.'; way.bytes]))
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

/// A record that came; microseconds of the clock of all journals.
struct Came {
    at: u64,
    /// When it was put, which is its partition key.
    put: u64,
}

/// What came, once so many have.
async fn came(journal: &Path, records: usize) -> Result<Vec<Came>, Error> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        let came = |line: &str| {
            let (at, put) = line.split_once(' ')?;
            Some(Came { at: at.parse().ok()?, put: put.parse().ok()? })
        };
        let came: Vec<Came> = text.lines().filter_map(came).collect();
        if came.len() >= records {
            return Ok(came);
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
