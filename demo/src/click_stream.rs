//! The click-stream sample, run as a user would: its producer, and its consumer under two daemons
//! that write to S3, through a split, a merge and kills; then the bucket is judged.

mod bucket;
mod clicks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::application::{Application, Settings};
use crate::args::RunArguments;
use crate::display::{Display, leases_in_words};
use crate::endpoints::{Endpoints, REGION};
use crate::error::Error;
use crate::operator::Operator;
use crate::plan;
use crate::program::Program;
use crate::report::Report;
use crate::run::Outcome;
use crate::stage::{self, MARK};
use crate::stream::{Shard, Stream};
use crate::table::{Lease, Table};
use crate::watch;
use bucket::Bucket;
use clicks::Clicks;

const STREAM: &str = "clicks";
const BUCKET: &str = "click-batches";
const SHARDS: u16 = 2;
/// How the daemons read: one polls, one is pushed.
const MODES: [&str; 2] = ["POLLING", "FANOUT"];
/// The sample's own pace.
const BATCHES_PER_SECOND: usize = 20;
const RECORDS_PER_BATCH: usize = 5;
const FLOW_SECONDS_MAX: usize = 60;
/// So small that the run sees batches that are full, and so short that it sees some that are old.
const BUFFER: [(&str, &str); 2] =
    [("CLICK_STREAM_BUFFER_BYTES_MAX", "4096"), ("CLICK_STREAM_BUFFER_AGE_MS_MAX", "1000")];
const TICK: Duration = Duration::from_millis(250);
const AFTER_FLOW: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(40);
const ALL_GONE: Duration = Duration::from_secs(6);

/// Runs the sample, and says whether everything was as it had to be.
///
/// # Errors
///
/// When there can be no verdict: something did not start, or did not end in time.
pub async fn run(arguments: &RunArguments, seed: u64) -> Result<Outcome, Error> {
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "demo")?;
    let directory = stage::run_directory(&parent, "click-stream")?;
    let mut run = Run::start(arguments, seed, directory).await?;
    match stage::unless_interrupted(run.flow()).await {
        Ok(()) => run.judge().await,
        Err(error) => {
            run.give_up().await;
            Err(error)
        }
    }
}

struct Run {
    arguments: RunArguments,
    directory: PathBuf,
    start: Instant,
    /// How long the producer takes at its pace.
    flow: Duration,
    operator: Operator,
    table: Table,
    endpoints: Program,
    urls: Endpoints,
    s3: Program,
    bucket: Bucket,
    /// None once it has put everything.
    producer: Option<Program>,
    clicks: Clicks,
    display: Display,
}

impl Run {
    async fn start(arguments: &RunArguments, seed: u64, directory: PathBuf) -> Result<Self, Error> {
        let (start, display) = (Instant::now(), Display::lines());
        let shardwise = stage::path_variable("SHARDWISE_BIN", "demo")?;
        let packages = stage::path_variable("SHARDWISE_SAMPLE_PACKAGES", "demo")?;
        let python = stage::path_variable("SHARDWISE_PYTHON", "demo")?;
        display.event(&format!("seed {seed}; {} clicks", arguments.records));
        let streams = [(STREAM, SHARDS)];
        let (endpoints, urls) = Endpoints::start(&shardwise, &directory, &streams, false).await?;
        let (s3, bucket) = Bucket::serve(python, BUCKET, &directory).await?;

        let settings = consumer(&shardwise, &directory, &urls, &bucket, &packages);
        let name = settings.application.clone();
        let of_place = |mode| settings.clone().with("retrievalMode", mode);
        let application = Application::new(MODES.map(of_place).into());
        let batch = batch_size(arguments.records);
        let flow = flow(arguments.records, batch);
        let moments = plan::plan(seed, arguments.kills, application.places(), flow);
        let stream = Stream { client: urls.kinesis(), name: STREAM.to_owned() };
        let mut operator = Operator::new(stream, application, moments, seed);
        operator.start(&display)?;

        let clicks = Clicks::follow(&directory.join("producer"))?;
        let mut producer = producer(&directory, &urls, &packages);
        producer
            .env("CLICK_STREAM_RECORDS", arguments.records.to_string())
            .env("CLICK_STREAM_RECORDS_PER_BATCH", batch.to_string())
            .env("CLICK_STREAM_BATCHES_PER_SECOND", BATCHES_PER_SECOND.to_string());
        let log = directory.join("producer.log");
        let producer = Some(Program::start("click_stream_producer_app.js", &mut producer, &log)?);
        Ok(Self {
            arguments: arguments.clone(),
            directory,
            start,
            flow,
            operator,
            table: Table { client: urls.dynamodb(), name },
            endpoints,
            urls,
            s3,
            bucket,
            producer,
            clicks,
            display,
        })
    }

    /// Lets clicks flow, does what is planned, and ends when every checkpoint is at its end.
    async fn flow(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        let within = self.flow * 2 + AFTER_FLOW;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.endpoints.check()?;
            self.s3.check()?;
            self.operator.application.check()?;
            self.clicks.poll()?;
            self.operator.act(self.flowed(), &self.display).await?;
            let shards = self.operator.stream.shards().await?;
            let leases = self.table.leases().await?;
            let (put, leases_in_words) = (self.clicks.count(), leases_in_words(&shards, &leases));
            self.display.tell(&format!("acknowledged {put}; {leases_in_words}"));
            let Some(missing) = self.missing(&shards, &leases)? else { return Ok(()) };
            if start.elapsed() > within {
                return Err(Error::Deadline { what: missing, within });
            }
        }
    }

    /// How much of the flow is over, by what was put: a producer that is late changes no plan.
    fn flowed(&self) -> Duration {
        let number = |count| u32::try_from(count).expect("a few millions");
        self.flow * number(self.clicks.count()) / number(self.arguments.records)
    }

    /// What keeps the run from being done.
    fn missing(&mut self, shards: &[Shard], leases: &[Lease]) -> Result<Option<String>, Error> {
        if let Some(producer) = &mut self.producer {
            match producer.try_end()? {
                None => return Ok(Some("every click is acknowledged".to_owned())),
                Some(status) if status.success() => self.producer = None,
                Some(_) => producer.check()?,
            }
            // What it said at the end is compared with leases that are read later.
            return Ok(Some("what was acknowledged last is checkpointed".to_owned()));
        }
        if !self.operator.is_done() {
            return Ok(Some("all is done that was planned".to_owned()));
        }
        Ok(watch::unfinished(shards, leases, &self.clicks.last()))
    }

    async fn judge(mut self) -> Result<Outcome, Error> {
        let took = self.start.elapsed();
        let (mut report, mut notes) = (Report::default(), Vec::new());
        // Before anything is stopped: whatever is checkpointed has to be there by now.
        let bucket = self.bucket.clone();
        let objects = tokio::task::spawn_blocking(move || bucket.objects()).await;
        let objects = objects.expect("reading objects does not panic")?;
        let (put, wanted) = (self.clicks.count(), self.arguments.records);
        report.check("every click acknowledged", put == wanted, format!("{put} of {wanted}"));
        self.clicks.compare(&objects, &mut report);
        resharded(&self.operator.stream.shards().await?, &mut report);
        report.kills(self.operator.kills, self.arguments.kills);
        if self.arguments.keep {
            self.leave(&mut notes);
        } else {
            self.operator.stop(&mut report).await?;
            self.endpoints.terminate(STOP).await?;
            self.s3.terminate(STOP).await?;
            report.left_behind(&stage::left_behind(&self.directory, ALL_GONE).await);
        }
        report.tell("clicks", format!("{put} in {:.0} s", took.as_secs_f32()));
        if report.is_good() && !self.arguments.keep {
            fs::remove_dir_all(&self.directory).map_err(Error::file(&self.directory))?;
        } else {
            notes.push(format!("logs: {}", self.directory.display()));
        }
        Ok(Outcome { report, notes })
    }

    fn leave(&mut self, notes: &mut Vec<String>) {
        self.operator.application.leave();
        self.endpoints.leave();
        self.s3.leave();
        let daemons = self.operator.application.daemons();
        let daemons: Vec<String> = daemons.map(|daemon| daemon.id().to_string()).collect();
        let (endpoints, s3) = (self.endpoints.id(), self.s3.id());
        let Endpoints { kinesis, dynamodb } = &self.urls;
        let (bucket, url) = (self.bucket.name, &self.bucket.url);
        notes.push(format!("left running: Kinesis at {kinesis}, DynamoDB at {dynamodb}"));
        notes.push(format!("bucket {bucket} at {url}"));
        // The daemons first: they end in order only while they reach all the others.
        let daemons = daemons.join(" ");
        notes.push(format!("to stop it all: kill {daemons}; sleep 3; kill {endpoints} {s3}"));
    }

    async fn give_up(&mut self) {
        self.producer = None;
        // Whatever does not end in time is killed when it is dropped; why we give up matters more.
        drop(self.operator.application.stop(Duration::from_secs(5)).await);
        self.endpoints.kill();
        self.s3.kill();
        stage::left_behind(&self.directory, ALL_GONE).await;
    }
}

/// The sample's consumer, in the directory where it lies.
fn consumer(
    shardwise: &Path,
    directory: &Path,
    urls: &Endpoints,
    bucket: &Bucket,
    packages: &Path,
) -> Settings {
    let mut settings = Settings::journaling(shardwise, directory, urls, STREAM);
    settings.executable = "node click_stream_consumer.js".to_owned();
    settings.working_directory = sample("consumer");
    let environment = [
        ("NODE_PATH", node_path(packages)),
        ("NODE_LOG_LEVEL", "info".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL_S3", bucket.url.clone()),
        ("CLICK_STREAM_BUCKET", bucket.name.to_owned()),
    ];
    let buffer = BUFFER.map(|(name, value)| (name, value.to_owned()));
    let environment = environment.into_iter().chain(buffer);
    settings.environment = environment.map(|(name, value)| (name.to_owned(), value)).collect();
    settings.with("callProcessRecordsEvenForEmptyRecordList", "true")
}

/// The sample's producer, which names in its log every click that was acknowledged.
fn producer(directory: &Path, urls: &Endpoints, packages: &Path) -> Command {
    let mut command = Command::new("node");
    command
        .arg("click_stream_producer_app.js")
        .current_dir(sample("producer"))
        .env("NODE_PATH", node_path(packages))
        .env("NODE_LOG_DIR", directory.join("producer"))
        .env("NODE_LOG_LEVEL", "debug")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_REGION", REGION)
        .env("AWS_ENDPOINT_URL_KINESIS", &urls.kinesis)
        .env("CLICK_STREAM_NAME", STREAM)
        .env("CLICK_STREAM_SHARDS", SHARDS.to_string())
        .env(MARK, directory);
    command
}

fn sample(part: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("node/samples/click_stream_sample").join(part)
}

/// Where node finds packages that are not installed beside the sample.
fn node_path(packages: &Path) -> String {
    packages.join("node_modules").display().to_string()
}

/// How many clicks the producer puts at once: as the sample does, or more if that took too long.
fn batch_size(records: usize) -> usize {
    let batches = BATCHES_PER_SECOND * FLOW_SECONDS_MAX;
    records.div_ceil(batches).clamp(RECORDS_PER_BATCH, 500)
}

fn flow(records: usize, batch: usize) -> Duration {
    let seconds = records.div_ceil(batch * BATCHES_PER_SECOND);
    Duration::from_secs(u64::try_from(seconds).expect("a few minutes"))
}

fn resharded(shards: &[Shard], report: &mut Report) {
    let with = |parents| shards.iter().filter(|shard| shard.parents.len() == parents).count();
    let (split, merged) = (with(1) / 2, with(2));
    let figures = format!("{split} split, {merged} merged");
    report.check("resharded while data flowed", split > 0 && merged > 0, figures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clicks_flow_at_the_samples_pace_and_many_for_a_minute() {
        assert_eq!((batch_size(3_000), flow(3_000, 5)), (5, Duration::from_secs(30)));
        assert_eq!((batch_size(60_000), flow(60_000, 50)), (50, Duration::from_secs(60)));
    }
}
