//! The soak: 64 shards under load, for a while without kills, then with a random child killed every
//! second. The shards of others must not notice, and the daemon must not grow.

pub mod child;
pub mod gaps;
pub mod usage;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shardwise_demo::application::{Application, Settings};
use shardwise_demo::clock::now_micros;
use shardwise_demo::endpoints::Endpoints;
use shardwise_demo::error::Error;
use shardwise_demo::feed::Row;
use shardwise_demo::follow::Follow;
use shardwise_demo::producer::{Producer, Progress};
use shardwise_demo::program::Program;
use shardwise_demo::report::Report;
use shardwise_demo::rng::Rng;
use shardwise_demo::stream::{self, Stream};
use shardwise_demo::table::Table;
use shardwise_demo::{stage, watch};
use shardwise_referee::{Journals, Verdict};
use tokio::task::JoinHandle;

use self::gaps::Kill;
use self::usage::Usage;
use crate::args::SoakArguments;
use crate::hands::{Hands, journal_name, shard_of};
use crate::processes::{Processes, signal};
use crate::run::Outcome;

const NAME: &str = "soak";
const SHARDS: u16 = 64;
const RECORDS_PER_SECOND: u32 = 640;
/// Enough keys that every shard has some, and many more than shards.
const KEYS: usize = 4_096;
/// What comes before the first half: the last children begin, the first records pile up.
const WARM: Duration = Duration::from_secs(10);
/// How much longer records flow than both halves last, or the second one would end in a drought.
const SPARE: Duration = Duration::from_secs(20);
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(90);
const DONE: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(200);
/// By how much the 99th percentile of the gaps may grow.
const GROWTH_MICROS: u64 = 1_000_000;

/// Soaks, and says whether everything was as it had to be.
///
/// # Errors
///
/// When there can be no verdict: something did not start, or did not come to its end in time.
pub async fn run(arguments: &SoakArguments, seed: u64) -> Result<Outcome, Error> {
    let shardwise = stage::path_variable("SHARDWISE_BIN", "chaos soak")?;
    let parent = stage::path_variable("SHARDWISE_DEMO_DIRECTORY", "chaos soak")?;
    let directory = stage::run_directory(&parent, NAME)?;
    let mut soak = Soak::start(&shardwise, &directory, seed).await?;
    let half = Duration::from_secs(60) * arguments.minutes;
    let end = stage::unless_interrupted(soak.carry_out(half)).await;
    drop(soak);
    for pid in stage::left_behind(&directory, Duration::ZERO).await {
        signal(i32::try_from(pid).unwrap_or_default(), Signal::KILL);
    }
    let mut outcome = end?;
    if outcome.report.is_good() && !arguments.keep {
        std::fs::remove_dir_all(&directory).map_err(Error::file(&directory))?;
    } else {
        outcome.notes.push(format!("journals and logs: {}", directory.display()));
    }
    Ok(outcome)
}

struct Soak {
    directory: PathBuf,
    rng: Rng,
    stream: Stream,
    table: Table,
    endpoints: Program,
    application: Application,
    worker: String,
    processes: Processes,
    progress: Progress,
    kills: Vec<Kill>,
}

/// A half, and what the daemon took at its end.
struct Half {
    t: Range<u64>,
    usage: Usage,
}

impl Soak {
    async fn start(shardwise: &Path, directory: &Path, seed: u64) -> Result<Self, Error> {
        let streams = [(NAME, SHARDS)];
        let (endpoints, urls) = Endpoints::start(shardwise, directory, &streams, true).await?;
        let own = std::env::current_exe().map_err(Error::file("/proc/self/exe"))?;
        let mut settings = Settings::journaling(shardwise, directory, &urls, NAME)
            .with("retrievalMode", "POLLING")
            .with("idleTimeBetweenReadsInMillis", "1000")
            .with("shutdownGraceMillis", "25000");
        settings.executable = format!("{} soak-child", own.display());
        settings.working_directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("consumer");
        let table = Table { client: urls.dynamodb(), name: settings.application.clone() };
        let mut application = Application::new(vec![settings]);
        let worker = application.start(0)?;
        Ok(Self {
            directory: directory.to_owned(),
            rng: Rng::new(seed),
            stream: Stream { client: urls.kinesis(), name: NAME.to_owned() },
            table,
            endpoints,
            application,
            worker,
            processes: Processes::of_run(directory),
            progress: Progress::default(),
            kills: Vec::new(),
        })
    }

    async fn carry_out(&mut self, half: Duration) -> Result<Outcome, Error> {
        self.until_all_run().await?;
        let flow = WARM + half * 2 + SPARE;
        let seconds = u32::try_from(flow.as_secs()).expect("some hours");
        let rows = rows(usize::try_from(RECORDS_PER_SECOND * seconds).expect("some millions"));
        let count = rows.len();
        let producer =
            Producer::new(self.stream.clone(), &self.directory, Progress::clone(&self.progress))?;
        let producer = tokio::spawn(producer.put(rows, flow));
        tokio::time::sleep(WARM).await;
        let calm = self.half(half, false).await?;
        let killed = self.half(half, true).await?;
        self.until_done(producer, count).await?;
        stream::write_journal(&self.stream.shards().await?, &self.directory)?;
        let ended = self.application.stop(STOP).await?;
        self.endpoints.terminate(STOP).await?;
        let left = stage::left_behind(&self.directory, Duration::from_secs(5)).await;

        let verdict = shardwise_referee::judge(&Journals::read(&self.directory)?);
        let mut report = Report::default();
        let notes = self.judge(&verdict, &calm, &killed, &mut report)?;
        let in_order = ended.iter().all(|(_, status)| status.success());
        report.check("in order at the end", in_order, format!("{ended:?}"));
        report.left_behind(&left);
        Ok(Outcome { report, notes })
    }

    /// One half, and what the daemon takes once every shard has a child again.
    async fn half(&mut self, lasts: Duration, with_kills: bool) -> Result<Half, Error> {
        let (start, t) = (Instant::now(), now_micros());
        let mut ticks = tokio::time::interval(BETWEEN_KILLS);
        while start.elapsed() < lasts {
            ticks.tick().await;
            self.check()?;
            self.processes.look();
            if with_kills {
                self.kill_one();
            }
        }
        let t = t..now_micros();
        self.until_all_run().await?;
        Ok(Half { t, usage: self.usage() })
    }

    /// The children that have begun, and their shards.
    fn children(&self) -> Vec<(i32, String)> {
        let pid = self.pid();
        let of = |pid| shard_of(&self.directory.join(journal_name(&self.worker, pid)));
        let children = self.processes.children(pid).filter(|child| child.state != 'Z');
        children.filter_map(|child| Some((child.pid, of(child.pid)?))).collect()
    }

    fn kill_one(&mut self) {
        let mut children = self.children();
        if children.is_empty() {
            return;
        }
        let (pid, shard) = children.swap_remove(self.rng.index(children.len()));
        self.kills.push(Kill { shard, t: now_micros() });
        signal(pid, Signal::KILL);
    }

    fn pid(&self) -> i32 {
        let daemon = self.application.daemon(0).map(Program::id).unwrap_or_default();
        i32::try_from(daemon).expect("process ids are small")
    }

    fn usage(&self) -> Usage {
        Usage::of(self.pid(), &self.worker, &self.processes)
    }

    fn check(&mut self) -> Result<(), Error> {
        self.endpoints.check()?;
        self.application.check()
    }

    async fn until_all_run(&mut self) -> Result<(), Error> {
        self.until("every shard has a child", START, async |soak| {
            soak.processes.look();
            let run: BTreeSet<String> = soak.children().into_iter().map(|it| it.1).collect();
            Ok((run.len() < usize::from(SHARDS)).then(|| format!("{} have one", run.len())))
        })
        .await
    }

    /// Ends the flow, and waits until everything that was put is handed and checkpointed.
    async fn until_done(
        &mut self,
        producer: JoinHandle<Result<(), Error>>,
        rows: usize,
    ) -> Result<(), Error> {
        self.until("the producer is done", DONE, async |_| {
            Ok((!producer.is_finished()).then(|| "it goes on".to_owned()))
        })
        .await?;
        producer.await.expect("the producer does not panic")?;
        let mut follow = Follow::new(&self.directory, rows);
        self.until("everything is done", DONE, async |soak| {
            follow.poll()?;
            if let Some(row) = follow.missing() {
                return Ok(Some(format!("row {row} is handed to a child")));
            }
            let (shards, leases) = (soak.stream.shards().await?, soak.table.leases().await?);
            let last = soak.progress.lock().expect("no holder of this lock panics").last.clone();
            Ok(watch::unfinished(&shards, &leases, &last))
        })
        .await
    }

    async fn until(
        &mut self,
        what: &str,
        within: Duration,
        mut missing: impl AsyncFnMut(&mut Self) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            self.check()?;
            let Some(missing) = missing(self).await? else { return Ok(()) };
            if start.elapsed() > within {
                return Err(Error::Deadline { what: format!("{what}: {missing}"), within });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn judge(
        &self,
        verdict: &Verdict,
        calm: &Half,
        killed: &Half,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        report.verdict(verdict);
        let notes = if verdict.is_clean() { Vec::new() } else { vec![verdict.to_string()] };
        let hands = Hands::of_all(&self.directory)?;
        let [before, after] = [calm, killed].map(|it| gaps::gaps(&hands, &self.kills, &it.t));
        report.tell("gaps between hand-overs without kills", figures(&before));
        report.tell("the same of others while children are killed", figures(&after));
        let (p99, growth) = (gaps::p99(&before), gaps::p99(&after));
        let growth = growth.saturating_sub(p99);
        let is_small = !before.is_empty() && !after.is_empty() && growth <= GROWTH_MICROS;
        let what = "p99 gap grows by 1 s at most (I31)";
        report.check(what, is_small, format!("by {} ms", growth / 1_000));
        let seconds = (killed.t.end - killed.t.start) / 1_000_000;
        let (kills, wanted) = (self.kills.len(), seconds.saturating_sub(seconds / 20));
        let is_enough = u64::try_from(kills).expect("some thousands") >= wanted;
        report.check("one child killed a second", is_enough, format!("{kills} in {seconds} s"));
        report.tell("the daemon after the first half", calm.usage.to_string());
        let has_not_grown = killed.usage.has_not_grown_from(&calm.usage);
        report.check("it has not grown in the second", has_not_grown, killed.usage.to_string());
        Ok(notes)
    }
}

fn figures(sorted: &[u64]) -> String {
    let millis = |micros: u64| micros / 1_000;
    let largest = sorted.last().copied().unwrap_or_default();
    let (p99, largest) = (millis(gaps::p99(sorted)), millis(largest));
    format!("{p99} ms p99, {largest} ms at most, of {}", sorted.len())
}

/// Flights that nobody flew, spread over all shards.
fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|row| {
            let key = format!("key-{}", row * 7 % KEYS);
            let fields = format!("\"row\":{row},\"origin\":\"{key}\",\"delay\":0,\"distance\":0");
            Row { data: format!("{{{fields}}}").into_bytes(), key }
        })
        .collect()
}
