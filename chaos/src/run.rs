//! A run, from an empty directory to a verdict.

mod stretches;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shardwise_demo::application::Settings;
use shardwise_demo::display::{Display, Shown, leases_in_words};
use shardwise_demo::endpoints::Endpoints;
use shardwise_demo::error::Error;
use shardwise_demo::follow::Follow;
use shardwise_demo::producer::{Producer, Progress};
use shardwise_demo::program::Program;
use shardwise_demo::report::Report;
use shardwise_demo::rng::Rng;
use shardwise_demo::stream::{self, Shard, Stream};
use shardwise_demo::table::{Lease, Table};
use shardwise_demo::{stage, watch};
use shardwise_referee::Journals;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::args::Arguments;
use crate::fleet::{Fleet, Place};
use crate::journal::Journal;
use crate::memory::Memory;
use crate::mischief::{Mischief, Mischiefs};
use crate::plan::{self, Act, Amounts, CutFrom, Moment};
use crate::processes::{self, Processes, own_session};
use crate::proxy::{self, Proxy, Weather};
use crate::remains::{Descriptors, Remains};
use crate::stretch::Begun;
use crate::verdict::{self, Done, Evidence};
use crate::{Service, canary};

/// The failover time of every daemon.
pub const FAILOVER: Duration = Duration::from_secs(2);
/// How many daemons there are.
pub const DAEMONS: usize = 3;

const STREAM: &str = "chaos";
const SHARDS: u16 = 8;
/// The daemon that is pushed records, where the others poll.
const FAN_OUT: usize = 1;
/// The daemon whose children are in Python.
const PYTHON: usize = 2;
/// How many of a thousand requests are drawn for a fault: a run must meet twenty, and in calm parts
/// of it there are none.
const FAULTS_PER_MILLE: u64 = 25;
const TICK: Duration = Duration::from_millis(50);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How long what is planned may take beyond the time that data flows.
const OVERTIME: Duration = Duration::from_secs(45);
/// How long everything may take to be done once all faults are over.
const QUIET: Duration = Duration::from_secs(90);
const STEADY: Duration = Duration::from_secs(10);
/// Longer than a process lives that has left its daemon's session.
const ALL_GONE: Duration = Duration::from_secs(20);

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What had to be so, and whether it was.
    pub report: Report,
    /// What else to say.
    pub notes: Vec<String>,
}

/// Runs chaos, and says whether everything was as it had to be.
///
/// # Errors
///
/// When there can be no verdict: something did not start, or did not come to its end in time.
pub async fn run(arguments: &Arguments, seed: u64) -> Result<Outcome, Error> {
    let shardwise = stage::path_variable("SHARDWISE_BIN", "chaos")?;
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "chaos")?;
    let directory = stage::run_directory(&parent, "chaos")?;
    let mut run = Run::start(arguments, seed, &shardwise, directory).await?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(Error::file("SIGINT"))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(Error::file("SIGTERM"))?;
    let end = tokio::select! {
        biased;
        _ = interrupted.recv() => Err(Error::Interrupted),
        _ = terminated.recv() => Err(Error::Interrupted),
        end = run.carry_out() => end,
    };
    run.display.finish();
    match end {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            run.give_up().await;
            Err(error)
        }
    }
}

struct Run {
    arguments: Arguments,
    directory: PathBuf,
    rng: Rng,
    moments: Vec<Moment>,
    /// Cuts that are to end.
    cuts: Vec<(usize, usize, Instant)>,
    stream: Stream,
    table: Table,
    endpoints: Program,
    fleet: Fleet,
    processes: Processes,
    mischiefs: Mischiefs,
    begun: Begun,
    remains: Remains,
    memory: Memory,
    done: Done,
    journal: Journal,
    producer: Option<JoinHandle<Result<(), Error>>>,
    progress: Progress,
    follow: Follow,
    display: Display,
    looked: Option<Instant>,
}

impl Run {
    async fn start(
        arguments: &Arguments,
        seed: u64,
        shardwise: &Path,
        directory: PathBuf,
    ) -> Result<Self, Error> {
        let journal = Journal::new(&directory)?;
        let streams = [(STREAM, SHARDS)];
        let (endpoints, urls) = Endpoints::start(shardwise, &directory, &streams, true).await?;
        let mut places = Vec::new();
        for daemon in 0..DAEMONS {
            places.push(place(daemon, seed, shardwise, &directory, &urls, &journal).await?);
        }
        let records = plan::records(arguments.minutes);
        let display = Display::new(records);
        display.event(&format!("seed {seed}, {}", directory.display()));
        let name = format!("{STREAM}-application");
        Ok(Self {
            arguments: arguments.clone(),
            rng: Rng::new(seed ^ 1),
            moments: plan::plan(seed, arguments.minutes, DAEMONS, FAILOVER),
            cuts: Vec::new(),
            stream: Stream { client: urls.kinesis(), name: STREAM.to_owned() },
            table: Table { client: urls.dynamodb(), name },
            endpoints,
            fleet: Fleet::new(&directory, places),
            processes: Processes::of_run(&directory),
            mischiefs: Mischiefs::new(&directory),
            begun: Begun::default(),
            remains: Remains::default(),
            memory: Memory::default(),
            done: Done::default(),
            journal,
            producer: None,
            progress: Progress::default(),
            follow: Follow::new(&directory, records),
            directory,
            display,
            looked: None,
        })
    }

    async fn carry_out(&mut self) -> Result<Outcome, Error> {
        self.flow().await?;
        let deaths_in_chaos = self.fleet.deaths.len();
        self.done.full_disks = self.fleet.full_disks;
        self.event("all faults are over");
        let calm = Instant::now();
        self.fleet.calm();
        self.mischiefs.calm(&self.processes);
        self.until("everything is done", QUIET, async |run| run.unfinished().await).await?;
        let quiet = calm.elapsed();
        let leaks = self.leaks().await?;
        stream::write_journal(&self.stream.shards().await?, &self.directory)?;
        self.stop_all().await?;
        let left = self.end_what_is_left().await;

        let verdict = shardwise_referee::judge(&Journals::read(&self.directory)?);
        let mut report = Report::default();
        let evidence = Evidence {
            directory: &self.directory,
            planned: Amounts::of(self.arguments.minutes),
            deaths: &self.fleet.deaths,
            deaths_in_chaos,
            done: &self.done,
            mischiefs: &self.mischiefs,
            begun: &self.begun,
            requests: &self.journal.counts(),
            remains: &self.remains,
            memory: &self.memory,
            leaks: &leaks,
            quiet,
        };
        let mut notes = verdict::judge(&evidence, &verdict, &mut report)?;
        report.check("no process left behind", left.is_empty(), format!("{}", left.len()));
        if report.is_good() && !self.arguments.keep {
            std::fs::remove_dir_all(&self.directory).map_err(Error::file(&self.directory))?;
        } else {
            notes.push(format!("journals and logs: {}", self.directory.display()));
        }
        Ok(Outcome { report, notes })
    }

    /// Lets data flow and does what is planned, until both are at their ends.
    async fn flow(&mut self) -> Result<(), Error> {
        let flow = self.arguments.flow();
        let producer =
            Producer::new(self.stream.clone(), &self.directory, Progress::clone(&self.progress))?;
        let rows = canary::rows(plan::records(self.arguments.minutes));
        let settling = self.settle().await?;
        self.producer = Some(tokio::spawn(producer.put(rows, flow)));
        self.until_handed(settling).await?;
        let start = Instant::now();
        self.until("all is done that was planned", flow + OVERTIME, async |run| {
            run.act(start).await?;
            if let Some(producer) = run.producer.take_if(|producer| producer.is_finished()) {
                producer.await.expect("the producer does not panic")?;
            }
            let is_done = run.moments.is_empty()
                && run.producer.is_none()
                && run.cuts.is_empty()
                && !run.fleet.is_kill_to_come()
                && !run.mischiefs.is_open();
            let what = || format!("{} moments, the producer, mischief", run.moments.len());
            Ok((!is_done).then(what))
        })
        .await
    }

    /// Goes on until nothing is missing any more.
    async fn until(
        &mut self,
        what: &str,
        within: Duration,
        mut missing: impl AsyncFnMut(&mut Self) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.tick().await?;
            let Some(missing) = missing(self).await? else { return Ok(()) };
            if start.elapsed() > within {
                return Err(Error::Deadline { what: format!("{what}: {missing}"), within });
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Error> {
        self.endpoints.check()?;
        for text in self.fleet.tick()? {
            self.event(&text);
        }
        self.processes.look();
        let daemons: Vec<i32> = self.fleet.up().map(|(_, pid)| pid).collect();
        self.remains.look(&self.fleet.deaths, &self.processes, &daemons);
        self.memory.look(&self.processes, &daemons);
        self.mischiefs.poll(&self.processes, &daemons)?;
        let now = Instant::now();
        for (daemon, service, _) in self.cuts.extract_if(.., |(_, _, until)| *until <= now) {
            let weather = &self.fleet.place(daemon).weather[service];
            weather.send_replace(Weather::Faults { per_mille: FAULTS_PER_MILLE });
        }
        if self.looked.is_none_or(|looked| looked.elapsed() > BETWEEN_LOOKS) {
            self.looked = Some(now);
            self.follow.poll()?;
            let (shards, leases) = (self.stream.shards().await?, self.table.leases().await?);
            self.show(&shards, &leases);
        }
        Ok(())
    }

    /// Does what is due.
    async fn act(&mut self, start: Instant) -> Result<(), Error> {
        while self.moments.first().is_some_and(|moment| moment.at <= start.elapsed()) {
            let moment = self.moments.remove(0);
            let Some(who) = self.try_act(moment.act).await? else {
                // It comes when it can.
                self.moments.insert(0, moment);
                return Ok(());
            };
            self.event(&format!("{}{who}", moment.act));
        }
        Ok(())
    }

    /// Does it, unless no daemon is up that it could be done to, or something has to come before:
    /// then nothing is returned, else the daemon that it was done to, as the end of a line.
    async fn try_act(&mut self, act: Act) -> Result<Option<String>, Error> {
        let mut who = String::new();
        match act {
            Act::Begin(stretch) => {
                if !self.begin(stretch) {
                    return Ok(None);
                }
            }
            Act::Split => self.split().await?,
            Act::Merge => self.merge().await?,
            Act::Kill { daemon, after } => {
                if self.mischiefs.is_wanted(Mischief::LeaveBehind) {
                    // The kill is for the daemon of the child that does it.
                    return Ok(None);
                }
                let daemon = self.with_one_left_behind().unwrap_or(daemon);
                let Some(daemon) = self.fleet.one_up(daemon) else { return Ok(None) };
                who = self.named(daemon);
                self.fleet.kill(daemon, after);
            }
            Act::Pause { daemon, lasts, with_children } => {
                let Some(daemon) = self.fleet.one_up(daemon) else { return Ok(None) };
                who = self.named(daemon);
                self.fleet.pause(daemon, lasts, with_children, &self.processes);
                self.done.pauses += 1;
            }
            Act::Stop { daemon, after } => {
                let Some(daemon) = self.fleet.one_up(daemon) else { return Ok(None) };
                who = self.named(daemon);
                self.fleet.stop(daemon, after);
            }
            Act::Child { mischief, victim } => self.mischiefs.ask(mischief, victim),
            Act::Cut { daemon, from, cut, lasts } => {
                let services = match from {
                    CutFrom::All => 0..2,
                    CutFrom::Kinesis => 0..1,
                    CutFrom::DynamoDb => 1..2,
                };
                for service in services {
                    let weather = &self.fleet.place(daemon).weather[service];
                    weather.send_replace(Weather::Cut(cut));
                    self.cuts.retain(|(other, one, _)| (*other, *one) != (daemon, service));
                    self.cuts.push((daemon, service, Instant::now() + lasts));
                }
                self.done.cuts += 1;
            }
            Act::Shortage { daemon, spare, lasts } => {
                let Some(daemon) = self.fleet.one_up(daemon) else { return Ok(None) };
                let pid = self.fleet.leave_descriptors(daemon, spare, lasts);
                if !pid.is_some_and(|pid| self.mischiefs.kill_one_of(pid, &self.processes)) {
                    return Ok(None);
                }
                who = self.named(daemon);
                self.done.shortages += 1;
            }
        }
        Ok(Some(who))
    }

    fn named(&self, place: usize) -> String {
        self.fleet.daemon(place).map(|(worker, _)| format!(": {worker}")).unwrap_or_default()
    }

    /// The place of a daemon that has a process whose own parent is gone.
    fn with_one_left_behind(&self) -> Option<usize> {
        let (processes, session) = (&self.processes, own_session());
        let has_one = |place: &usize| {
            self.fleet.daemon(*place).is_some_and(|(worker, pid)| {
                let own: Vec<_> = processes.of_worker(worker, pid, session).collect();
                let is_known = |parent| parent == pid || own.iter().any(|it| it.pid == parent);
                own.iter().any(|it| !is_known(it.parent))
            })
        };
        (0..DAEMONS).find(has_one)
    }

    async fn split(&mut self) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open).collect();
        self.stream.split(open[self.rng.index(open.len())]).await
    }

    async fn merge(&mut self) -> Result<(), Error> {
        let shards = self.stream.shards().await?;
        let (lower, upper) = stream::neighbours(&shards).expect("open shards cover all hash keys");
        self.stream.merge(lower, upper).await
    }

    fn event(&self, text: &str) {
        self.journal.act(text);
        self.display.event(text);
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

    /// What is not yet processed.
    async fn unfinished(&mut self) -> Result<Option<String>, Error> {
        if let Some(row) = self.follow.missing() {
            return Ok(Some(format!("row {row} is handed to a child")));
        }
        let up = self.fleet.up().count();
        if up < DAEMONS {
            return Ok(Some(format!("{up} daemons are up")));
        }
        if self.mischiefs.is_hanging(&self.processes) {
            return Ok(Some("a child that does not answer is replaced".to_owned()));
        }
        if self.remains.is_something_left() {
            return Ok(Some("the children of daemons that ended are gone".to_owned()));
        }
        let acknowledged = self.progress.lock().expect("no holder of this lock panics").clone();
        let (shards, leases) = (self.stream.shards().await?, self.table.leases().await?);
        Ok(watch::unfinished(&shards, &leases, &acknowledged.last))
    }

    /// Which daemons have more descriptors than their children need. A child that is just coming or
    /// going upsets the balance for a moment, so it has some time to be found.
    async fn leaks(&mut self) -> Result<Vec<String>, Error> {
        let deadline = Instant::now() + STEADY;
        loop {
            self.tick().await?;
            let leaks: Vec<String> = self
                .fleet
                .up()
                .map(|(worker, pid)| (worker, Descriptors::of(pid, &self.processes)))
                .filter(|(_, descriptors)| !descriptors.is_balanced())
                .map(|(worker, descriptors)| format!("{worker}: {descriptors:?}"))
                .collect();
            if leaks.is_empty() || Instant::now() > deadline {
                return Ok(leaks);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    async fn stop_all(&mut self) -> Result<(), Error> {
        self.fleet.stop_all();
        self.until("daemons have ended", crate::fleet::STOP * 2, async |run| {
            let is_over = run.fleet.is_empty() && !run.remains.is_something_left();
            Ok((!is_over).then(|| "some have not, or something of them is left".to_owned()))
        })
        .await?;
        self.endpoints.terminate(crate::fleet::STOP).await?;
        Ok(())
    }

    /// Waits until no process of the run is left; ends and returns those that are.
    async fn end_what_is_left(&self) -> Vec<u32> {
        let left = stage::left_behind(&self.directory, ALL_GONE).await;
        for pid in left.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
            processes::signal(pid, Signal::KILL);
        }
        left
    }

    async fn give_up(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.abort();
        }
        // Daemons are killed as they are dropped; why we give up matters more than how they end.
        self.fleet = Fleet::new(&self.directory, Vec::new());
        self.endpoints.kill();
        self.end_what_is_left().await;
        self.display.event(&format!("journals and logs: {}", self.directory.display()));
    }
}

/// A place for a daemon, behind two proxies.
async fn place(
    daemon: usize,
    seed: u64,
    shardwise: &Path,
    directory: &Path,
    urls: &Endpoints,
    journal: &Journal,
) -> Result<Place, Error> {
    let mut seeds = Rng::new(seed ^ (2 + u64::try_from(daemon).expect("few")));
    let mut start = async |service: Service, upstream: &str| {
        let seed = seeds.next_u64();
        let place = proxy::Place { daemon, service, failover: FAILOVER, seed };
        Proxy::start(place, upstream, journal.clone()).await
    };
    let kinesis = start(Service::Kinesis, &urls.kinesis).await?;
    let dynamodb = start(Service::DynamoDb, &urls.dynamodb).await?;
    let urls = Endpoints { kinesis: kinesis.url(), dynamodb: dynamodb.url() };
    let mut settings = Settings::journaling(shardwise, directory, &urls, STREAM)
        .with("timeoutInSeconds", "6")
        .with("shutdownGraceMillis", "25000")
        .with("retrievalMode", if daemon == FAN_OUT { "FANOUT" } else { "POLLING" })
        // One of them says all that it has to say, for the canaries' sake.
        .with("shardwise.logLevel", if daemon == 0 { "debug" } else { "info" });
    settings.working_directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("consumer");
    settings.executable = if daemon == PYTHON {
        "python3 chaotic_consumer.py".to_owned()
    } else {
        "node chaotic_consumer.js".to_owned()
    };
    settings.environment.push(("AWS_SECRET_ACCESS_KEY".to_owned(), canary::SECRET.to_owned()));
    Ok(Place::new(settings, [kinesis.weather, dynamodb.weather]))
}
