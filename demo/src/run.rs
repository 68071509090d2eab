//! A run of the demo, from an empty directory to a verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shardwise_referee::Journals;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::application::{Application, Settings};
use crate::args::RunArguments;
use crate::display::{Display, Shown, leases_in_words};
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::feed::{self, Row, Totals};
use crate::follow::Follow;
use crate::plan::{self, Act, Moment};
use crate::producer::{Producer, Progress};
use crate::program::Program;
use crate::report::Report;
use crate::rng::Rng;
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
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Error::file("SIGINT"))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::file("SIGTERM"))?;
    let end = tokio::select! {
        biased;
        _ = interrupted.recv() => Err(Error::Interrupted),
        _ = terminated.recv() => Err(Error::Interrupted),
        end = run.flow(rows) => end,
    };
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
    rng: Rng,
    moments: Vec<Moment>,
    flow: Duration,
    stream: Stream,
    table: Table,
    endpoints: Program,
    urls: Endpoints,
    application: Application,
    /// Which places are empty, and when they are to be filled again.
    down: Vec<(usize, Instant)>,
    producer: Option<JoinHandle<Result<(), Error>>>,
    progress: Progress,
    follow: Follow,
    display: Display,
    kills: usize,
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
        let mut application = Application::new(MODES.map(of_place).into());
        for place in 0..DAEMONS {
            let worker = application.start(place)?;
            display.event(&format!("{worker} started"));
        }
        let flow = plan::flow(arguments.records, arguments.kills);
        Ok(Self {
            arguments: arguments.clone(),
            start,
            rng: Rng::new(seed ^ 1),
            moments: plan::plan(seed, arguments.kills, DAEMONS, flow),
            flow,
            stream: Stream { client: urls.kinesis(), name: STREAM.to_owned() },
            table: Table { client: urls.dynamodb(), name },
            endpoints,
            urls,
            application,
            down: Vec::new(),
            producer: None,
            progress: Progress::default(),
            follow: Follow::new(&directory, arguments.records),
            directory,
            display,
            kills: 0,
        })
    }

    /// Lets data flow, does what is planned, and ends when everything is done.
    async fn flow(&mut self, rows: Vec<Row>) -> Result<(), Error> {
        let progress = Progress::clone(&self.progress);
        let producer = Producer::new(self.stream.clone(), &self.directory, progress)?;
        self.producer = Some(tokio::spawn(producer.put(rows, self.flow)));
        let start = Instant::now();
        let within = self.flow + AFTER_FLOW;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.endpoints.check()?;
            self.application.check()?;
            self.act(start).await?;
            self.follow.poll()?;
            let (shards, leases) = (self.stream.shards().await?, self.table.leases().await?);
            self.show(&shards, &leases);
            let Some(missing) = self.missing(&shards, &leases).await? else { return Ok(()) };
            if start.elapsed() > within {
                return Err(Error::Deadline { what: missing, within });
            }
        }
    }

    /// Does what is due.
    async fn act(&mut self, start: Instant) -> Result<(), Error> {
        let due = self.down.iter().position(|(_, at)| *at <= Instant::now());
        if let Some(due) = due {
            let (place, _) = self.down.swap_remove(due);
            let worker = self.application.start(place)?;
            self.display.event(&format!("{worker} started"));
        }
        while self.moments.first().is_some_and(|moment| moment.at <= start.elapsed()) {
            let Moment { act, .. } = self.moments.remove(0);
            match act {
                Act::Split => self.split().await?,
                Act::Merge => self.merge().await?,
                Act::Kill { daemon, down } => self.kill(daemon, down),
            }
        }
        Ok(())
    }

    fn kill(&mut self, daemon: usize, down: Duration) {
        // With this one down already, the other is the victim.
        let victims = [daemon, (daemon + 1) % DAEMONS];
        let Some(place) =
            victims.into_iter().find(|&place| self.application.daemon(place).is_some())
        else {
            // Both are down: the kill comes when one is up again.
            let at = Duration::ZERO;
            self.moments.insert(0, Moment { at, act: Act::Kill { daemon, down } });
            return;
        };
        if let Some(worker) = self.application.kill(place) {
            self.kills += 1;
            self.display.event(&format!("kill -9 {worker}, back in {} ms", down.as_millis()));
            self.down.push((place, Instant::now() + down));
        }
    }

    async fn split(&mut self) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open).collect();
        let shard = open[self.rng.index(open.len())];
        self.stream.split(shard).await?;
        self.display.event(&format!("split {}", shard.id));
        Ok(())
    }

    async fn merge(&mut self) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let (lower, upper) = stream::neighbours(&shards).expect("open shards cover all hash keys");
        self.stream.merge(lower, upper).await?;
        self.display.event(&format!("merged {} and {}", lower.id, upper.id));
        Ok(())
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
        if !self.moments.is_empty() || !self.down.is_empty() {
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
            let ended = self.application.stop(STOP).await?;
            let in_order = ended.iter().filter(|(_, status)| status.success()).count();
            let figures = format!("{in_order} of {DAEMONS}");
            report.check("daemons ended in order", in_order == DAEMONS, figures);
            self.endpoints.terminate(STOP).await?;
            let left = stage::left_behind(&self.directory, ALL_GONE).await;
            report.check("no process left behind", left.is_empty(), format!("{} left", left.len()));
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
        stream::write_journal(&self.stream.shards().await?, &self.directory)
    }

    fn tell(&self, verdict: &shardwise_referee::Verdict, report: &mut Report, took: Duration) {
        let counts = &verdict.counts;
        let resharded = counts.splits > 0 && counts.merges > 0;
        let figures = format!("{} split, {} merged", counts.splits, counts.merges);
        report.check("resharded while data flowed", resharded, figures);
        let (done, planned) = (self.kills, self.arguments.kills);
        report.check(
            "daemons killed with kill -9",
            done == planned,
            format!("{done} of {planned}"),
        );
        let records = format!("{} in {:.0} s", counts.put, took.as_secs_f32());
        report.tell("records", records);
    }

    fn leave(&mut self, notes: &mut Vec<String>) {
        self.application.leave();
        self.endpoints.leave();
        let pids: Vec<String> =
            self.application.daemons().map(|daemon| daemon.id().to_string()).collect();
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
        drop(self.application.stop(Duration::from_secs(5)).await);
        self.endpoints.kill();
        stage::left_behind(&self.directory, ALL_GONE).await;
    }
}
