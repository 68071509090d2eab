//! A run of the demo, from an empty directory to a verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shardwise_referee::Journals;
use tokio::task::JoinHandle;

use crate::application::{Application, Settings};
use crate::args::RunArguments;
use crate::display::{Display, Shown, leases_in_words};
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::feed::{self, Row, Totals};
use crate::follow::Follow;
use crate::operator::Operator;
use crate::plan;
use crate::producer::{Producer, Progress};
use crate::program::Program;
use crate::report::Report;
use crate::stage;
use crate::stream::{self, Shard, Stream};
use crate::table::{Lease, Table};
use crate::watch;

const STREAM: &str = "flights";
const SHARDS: u16 = 4;
/// How the daemons read: one polls, one is pushed.
const MODES: [&str; DAEMONS] = ["POLLING", "FANOUT"];
const DAEMONS: usize = 2;
const TICK: Duration = Duration::from_millis(250);
const AFTER_FLOW: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(40);
const ALL_GONE: Duration = Duration::from_secs(6);

/// Runs the demo, and says whether everything was as it had to be.
///
/// # Errors
///
/// When there can be no verdict: something did not start, or did not end in time.
pub async fn run(arguments: &RunArguments, seed: u64) -> Result<Outcome, Error> {
    let shardwise = stage::path_variable("SHARDWISE_BIN", "demo")?;
    let feed = stage::path_variable("SHARDWISE_FEED", "demo")?;
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "demo")?;
    let directory = stage::run_directory(&parent, "run")?;
    let display = Display::new(arguments.records);
    display.event(&format!("seed {seed}; reading {} flights", arguments.records));
    let records = arguments.records;
    let rows = tokio::task::spawn_blocking(move || feed::read(&feed, records));
    let (rows, expected) = rows.await.expect("reading the feed does not panic")?;

    let mut run = Run::start(arguments, seed, &shardwise, directory, display).await?;
    let end = stage::unless_interrupted(run.flow(rows)).await;
    run.display.finish();
    match end {
        Ok(()) => run.judge(&expected).await,
        Err(error) => {
            run.give_up().await;
            Err(error)
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What had to be so, and whether it was.
    pub report: Report,
    /// What else to say: violations, where the journals are, how to stop what still runs.
    pub notes: Vec<String>,
}

struct Run {
    arguments: RunArguments,
    directory: PathBuf,
    start: Instant,
    flow: Duration,
    operator: Operator,
    table: Table,
    endpoints: Program,
    urls: Endpoints,
    producer: Option<JoinHandle<Result<(), Error>>>,
    progress: Progress,
    follow: Follow,
    display: Display,
}

impl Run {
    async fn start(
        arguments: &RunArguments,
        seed: u64,
        shardwise: &Path,
        directory: PathBuf,
        display: Display,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let streams = [(STREAM, SHARDS)];
        let (endpoints, urls) = Endpoints::start(shardwise, &directory, &streams, true).await?;
        let settings = Settings::journaling(shardwise, &directory, &urls, STREAM);
        let name = settings.application.clone();
        let of_place = |mode| settings.clone().with("retrievalMode", mode);
        let application = Application::new(MODES.map(of_place).into());
        let stream = Stream { client: urls.kinesis(), name: STREAM.to_owned() };
        let flow = plan::flow(arguments.records, arguments.kills);
        let moments = plan::plan(seed, arguments.kills, DAEMONS, flow);
        let mut operator = Operator::new(stream, application, moments, seed);
        operator.start(&display)?;
        Ok(Self {
            arguments: arguments.clone(),
            start,
            flow,
            operator,
            table: Table { client: urls.dynamodb(), name },
            endpoints,
            urls,
            producer: None,
            progress: Progress::default(),
            follow: Follow::new(&directory, arguments.records),
            directory,
            display,
        })
    }

    /// Lets data flow, does what is planned, and ends when everything is done.
    async fn flow(&mut self, rows: Vec<Row>) -> Result<(), Error> {
        let progress = Progress::clone(&self.progress);
        let producer = Producer::new(self.operator.stream.clone(), &self.directory, progress)?;
        self.producer = Some(tokio::spawn(producer.put(rows, self.flow)));
        let start = Instant::now();
        let within = self.flow + AFTER_FLOW;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.endpoints.check()?;
            self.operator.application.check()?;
            self.operator.act(start.elapsed(), &self.display).await?;
            self.follow.poll()?;
            let shards = self.operator.stream.shards().await?;
            let leases = self.table.leases().await?;
            self.show(&shards, &leases);
            let Some(missing) = self.missing(&shards, &leases).await? else { return Ok(()) };
            if start.elapsed() > within {
                return Err(Error::Deadline { what: missing, within });
            }
        }
    }

    fn show(&mut self, shards: &[Shard], leases: &[Lease]) {
        let put = self.progress.lock().expect("no holder of this lock panics").records;
        self.display.show(&Shown {
            put,
            distinct: self.follow.distinct,
            handed: self.follow.handed,
            leases: leases_in_words(shards, leases),
        });
    }

    /// What keeps the run from being done.
    async fn missing(
        &mut self,
        shards: &[Shard],
        leases: &[Lease],
    ) -> Result<Option<String>, Error> {
        if let Some(producer) = self.producer.take_if(|producer| producer.is_finished()) {
            producer.await.expect("the producer does not panic")?;
        }
        if self.producer.is_some() {
            return Ok(Some("every record is put".to_owned()));
        }
        if !self.operator.is_done() {
            return Ok(Some("all is done that was planned".to_owned()));
        }
        if let Some(row) = self.follow.missing() {
            return Ok(Some(format!("row {row} is handed to a child")));
        }
        let acknowledged = self.progress.lock().expect("no holder of this lock panics").clone();
        Ok(watch::unfinished(shards, leases, &acknowledged.last))
    }

    async fn judge(mut self, expected: &Totals) -> Result<Outcome, Error> {
        let took = self.start.elapsed();
        let mut report = Report::default();
        let mut notes = Vec::new();
        self.write_shards().await?;
        if self.arguments.keep {
            self.leave(&mut notes);
        } else {
            self.operator.stop(&mut report).await?;
            self.endpoints.terminate(STOP).await?;
            report.left_behind(&stage::left_behind(&self.directory, ALL_GONE).await);
        }
        let verdict = shardwise_referee::judge(&Journals::read(&self.directory)?);
        report.verdict(&verdict);
        report.duplicates_after_checkpoint(&verdict);
        report.totals(&self.follow.totals, expected);
        self.tell(&verdict, &mut report, took);
        if !verdict.is_clean() {
            notes.push(verdict.to_string());
        }
        if report.is_good() && !self.arguments.keep {
            fs::remove_dir_all(&self.directory).map_err(Error::file(&self.directory))?;
        } else {
            notes.push(format!("journals and logs: {}", self.directory.display()));
        }
        Ok(Outcome { report, notes })
    }

    async fn write_shards(&self) -> Result<(), Error> {
        stream::write_journal(&self.operator.stream.shards().await?, &self.directory)
    }

    fn tell(&self, verdict: &shardwise_referee::Verdict, report: &mut Report, took: Duration) {
        let counts = &verdict.counts;
        let resharded = counts.splits > 0 && counts.merges > 0;
        let figures = format!("{} split, {} merged", counts.splits, counts.merges);
        report.check("resharded while data flowed", resharded, figures);
        report.kills(self.operator.kills, self.arguments.kills);
        let records = format!("{} in {:.0} s", counts.put, took.as_secs_f32());
        report.tell("records", records);
    }

    fn leave(&mut self, notes: &mut Vec<String>) {
        self.operator.application.leave();
        self.endpoints.leave();
        let pids: Vec<String> =
            self.operator.application.daemons().map(|daemon| daemon.id().to_string()).collect();
        let (daemons, endpoints) = (pids.join(" "), self.endpoints.id());
        let Endpoints { kinesis, dynamodb } = &self.urls;
        notes.push(format!("left running: Kinesis at {kinesis}, DynamoDB at {dynamodb}"));
        // The daemons first: they end in order only while they reach the lease table.
        notes.push(format!("to stop it all: kill {daemons}; sleep 3; kill {endpoints}"));
    }

    async fn give_up(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.abort();
        }
        // Whatever does not end in time is killed when it is dropped; why we give up matters more.
        drop(self.operator.application.stop(Duration::from_secs(5)).await);
        self.endpoints.kill();
        stage::left_behind(&self.directory, ALL_GONE).await;
    }
}
