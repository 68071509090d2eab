//! Daemons on some endpoints, a producer, and what the children were handed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use shardwise_demo::application::{Application, Settings};
use shardwise_demo::endpoints::Endpoints;
use shardwise_demo::error::Error;
use shardwise_demo::feed::{self, Totals};
use shardwise_demo::follow::Follow;
use shardwise_demo::producer::{Producer, Progress};
use shardwise_demo::program::Program;
use shardwise_demo::stream::{Stream, write_journal};
use shardwise_demo::table::Table;
use shardwise_demo::{stage, watch};
use shardwise_referee::{Event, Journals, Paths, Verdict, Why};
use tokio::task::JoinHandle;

const DONE_WITHIN: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(100);

/// What `cargo xtask test` installed.
pub(crate) fn installed(name: &'static str) -> PathBuf {
    stage::path_variable(name, "test").unwrap_or_else(|error| panic!("{error}"))
}

/// A directory that goes with the scene.
pub(crate) fn directory(name: &str) -> PathBuf {
    stage::run_directory(&std::env::temp_dir().join("shardwise-peers"), name).unwrap()
}

pub(crate) struct Scene {
    pub(crate) directory: PathBuf,
    pub(crate) stream: Stream,
    pub(crate) table: Table,
    pub(crate) application: Application,
    follow: Follow,
    progress: Progress,
    expected: Totals,
    producer: Option<JoinHandle<Result<(), Error>>>,
    _servers: Vec<Program>,
}

impl Scene {
    /// The sample consumer.
    pub(crate) fn settings(directory: &std::path::Path, endpoints: &Endpoints) -> Settings {
        Settings::journaling(&installed("SHARDWISE_BIN"), directory, endpoints, "flights")
    }

    /// Makes the stream, starts daemons, and puts rows evenly over a time.
    pub(crate) async fn start(
        servers: Vec<Program>,
        settings: Settings,
        endpoints: &Endpoints,
        (shards, daemons): (i32, usize),
        (rows, over): (usize, Duration),
    ) -> Self {
        let stream = Stream { client: endpoints.kinesis(), name: settings.stream.clone() };
        stream.create(shards).await.unwrap();
        let directory = settings.directory.clone();
        let name = settings.application.clone();
        let table = Table { client: endpoints.dynamodb(), name };
        let mut application = Application::new(vec![settings; daemons]);
        for place in 0..daemons {
            application.start(place).unwrap();
        }
        let progress = Progress::default();
        let producer =
            Producer::new(stream.clone(), &directory, Progress::clone(&progress)).unwrap();
        let (made, expected) = feed::made_up(rows);
        Self {
            follow: Follow::new(&directory, rows),
            directory,
            stream,
            table,
            application,
            progress,
            expected,
            producer: Some(tokio::spawn(producer.put(made, over))),
            _servers: servers,
        }
    }

    /// Waits until children were handed so many different rows.
    pub(crate) async fn until_handed(&mut self, rows: usize) {
        let deadline = Instant::now() + DONE_WITHIN;
        while self.follow.distinct < rows {
            self.application.check().unwrap();
            self.follow.poll().unwrap();
            let handed = self.follow.distinct;
            assert!(Instant::now() < deadline, "{handed} rows handed, not {rows}{}", self.logs());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills a daemon as with kill -9, and starts another in its place.
    pub(crate) fn kill_and_start(&mut self, place: usize) {
        assert!(self.application.kill(place).is_some(), "it runs");
        self.application.start(place).unwrap();
    }

    /// Waits until all rows are handed and every checkpoint is at the end of its shard.
    pub(crate) async fn until_done(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.await.unwrap().unwrap();
        }
        let acknowledged = self.progress.lock().unwrap().clone();
        let deadline = Instant::now() + DONE_WITHIN;
        loop {
            self.application.check().unwrap();
            self.follow.poll().unwrap();
            let shards = self.stream.shards().await.unwrap();
            let leases = self.table.leases().await.unwrap();
            let missing = self.follow.missing().map(|row| format!("row {row} was not handed"));
            let missing =
                missing.or_else(|| watch::unfinished(&shards, &leases, &acknowledged.last));
            let Some(missing) = missing else { break };
            assert!(Instant::now() < deadline, "{missing}{}", self.logs());
            tokio::time::sleep(POLL).await;
        }
        assert_eq!(self.follow.totals, self.expected);
    }

    /// Stops the daemons in order.
    pub(crate) async fn stop(&mut self) {
        for (worker, status) in self.application.stop(STOP).await.unwrap() {
            assert!(status.success(), "{worker} ended with {status}{}", self.logs());
        }
    }

    /// How many processors were told that they end, for this reason.
    pub(crate) fn ended(&self, wanted: Why) -> usize {
        let journals = Journals::read_files(&self.paths()).unwrap();
        let is_wanted = |event: &&Event| matches!(event, Event::End { why, .. } if *why == wanted);
        journals.hand_overs.iter().flatten().filter(is_wanted).count()
    }

    /// Stops the daemons that still run, and has the journals judged.
    pub(crate) async fn judge(mut self) -> Verdict {
        self.stop().await;
        write_journal(&self.stream.shards().await.unwrap(), &self.directory).unwrap();
        let verdict = shardwise_referee::judge(&Journals::read_files(&self.paths()).unwrap());
        let left = stage::left_behind(&self.directory, Duration::from_secs(6)).await;
        assert!(left.is_empty(), "processes left: {left:?}");
        std::fs::remove_dir_all(&self.directory).unwrap();
        verdict
    }

    fn paths(&self) -> Paths {
        let files = |prefix: &str| -> Vec<PathBuf> {
            let entries = self.directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
            let is_wanted = |path: &PathBuf| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with(prefix) && name.ends_with(".jsonl")
            };
            entries.filter(is_wanted).collect()
        };
        Paths {
            producer: files("producer"),
            shards: files("shards"),
            hand_overs: files("hand-"),
            lease_writes: files("lease"),
            ..Paths::default()
        }
    }

    /// The daemons' last words, for a test that fails.
    fn logs(&self) -> String {
        let mut text = String::new();
        for entry in self.directory.read_dir().unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(15).collect();
                text.push_str(&format!("\n--- {}\n", entry.path().display()));
                lines.iter().rev().for_each(|line| text.push_str(&format!("{line}\n")));
            }
        }
        text
    }
}
