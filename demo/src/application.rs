//! The application: daemons on one stream, each with a properties file like a user's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::endpoints::{Endpoints, REGION};
use crate::error::Error;
use crate::program::Program;
use crate::stage::MARK;

/// What the daemons of an application have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The daemon's binary.
    pub shardwise: PathBuf,
    /// Where properties, logs and journals go.
    pub directory: PathBuf,
    /// Where Kinesis and DynamoDB are.
    pub endpoints: Endpoints,
    /// The stream.
    pub stream: String,
    /// The application, which is also its lease table.
    pub application: String,
    /// What the daemon starts for each shard.
    pub executable: String,
    /// In which directory.
    pub working_directory: PathBuf,
    /// More properties, by their keys.
    pub properties: Vec<(String, String)>,
    /// More of the daemon's environment, by names; wins over what every daemon gets.
    pub environment: Vec<(String, String)>,
}

/// Daemons, by their places; a place is empty while its daemon is down.
#[derive(Debug)]
pub struct Application {
    /// Those of each place.
    settings: Vec<Settings>,
    places: Vec<Option<Program>>,
    /// How many daemons were started in each place.
    started: Vec<usize>,
}

impl Settings {
    /// The journaling sample consumer on a stream.
    #[must_use]
    pub fn journaling(
        shardwise: &Path,
        directory: &Path,
        endpoints: &Endpoints,
        stream: &str,
    ) -> Self {
        Self {
            shardwise: shardwise.to_owned(),
            directory: directory.to_owned(),
            endpoints: endpoints.clone(),
            stream: stream.to_owned(),
            application: format!("{stream}-application"),
            executable: "node journaling_consumer.js".to_owned(),
            working_directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("consumer"),
            properties: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// One property more.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts a daemon under a worker id; what it writes goes to `log`.
    ///
    /// # Errors
    ///
    /// When its properties cannot be written, or when it does not start.
    pub fn start(&self, worker: &str, log: &Path) -> Result<Program, Error> {
        let directory = &self.directory;
        let file = directory.join(format!("{worker}.properties"));
        let text = self.properties(worker);
        std::fs::write(&file, text).map_err(Error::file(&file))?;
        let mut command = Command::new(&self.shardwise);
        command
            .args(["daemon", "--properties-file"])
            .arg(&file)
            .current_dir(&self.working_directory)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("JOURNAL_DIRECTORY", directory)
            .env("JOURNAL_WORKER", worker)
            .env("NODE_LOG_DIR", directory)
            .env("NODE_LOG_LEVEL", "off")
            .env(MARK, directory)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Program::start(worker, &mut command, log)
    }

    fn properties(&self, worker: &str) -> String {
        let mut text = String::new();
        let fixed = [
            ("executableName", self.executable.as_str()),
            ("streamName", &self.stream),
            ("applicationName", &self.application),
            ("workerId", worker),
            ("AwsCredentialsProvider", "DefaultCredentialsProvider"),
            ("regionName", REGION),
            ("kinesisEndpoint", &self.endpoints.kinesis),
            ("dynamoDBEndpoint", &self.endpoints.dynamodb),
            ("initialPositionInStream", "TRIM_HORIZON"),
            ("failoverTimeMillis", "2000"),
            ("idleTimeBetweenReadsInMillis", "200"),
            ("parentShardPollIntervalMillis", "500"),
            ("metricsLevel", "NONE"),
        ];
        let more = self.properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in fixed.into_iter().chain(more) {
            writeln!(text, "{key} = {value}").expect("writing to a string does not fail");
        }
        text
    }
}

impl Application {
    /// An application with no daemon running yet, and a place for each of the settings.
    #[must_use]
    pub fn new(settings: Vec<Settings>) -> Self {
        let places: Vec<_> = settings.iter().map(|_| None).collect();
        Self { settings, started: vec![0; places.len()], places }
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Starts a daemon in a place, with a worker id that none had before.
    ///
    /// # Errors
    ///
    /// When its properties cannot be written, or when it does not start.
    pub fn start(&mut self, place: usize) -> Result<String, Error> {
        self.started[place] += 1;
        let worker = format!("daemon{}-{}", place + 1, self.started[place]);
        let settings = &self.settings[place];
        let log = settings.directory.join(format!("{worker}.log"));
        self.places[place] = Some(settings.start(&worker, &log)?);
        Ok(worker)
    }

    /// Kills the daemon in a place with SIGKILL, and says which it was, if there was one.
    pub fn kill(&mut self, place: usize) -> Option<String> {
        let mut program = self.places[place].take()?;
        program.kill();
        Some(program.name().to_owned())
    }

    /// The daemon in a place.
    #[must_use]
    pub fn daemon(&self, place: usize) -> Option<&Program> {
        self.places[place].as_ref()
    }

    /// The daemons that run.
    pub fn daemons(&self) -> impl Iterator<Item = &Program> {
        self.places.iter().flatten()
    }

    /// Fails if a daemon has ended by itself.
    ///
    /// # Errors
    ///
    /// When one has, naming how.
    pub fn check(&mut self) -> Result<(), Error> {
        self.places.iter_mut().flatten().try_for_each(Program::check)
    }

    /// Asks every daemon to end, and says how each did.
    ///
    /// # Errors
    ///
    /// When one has not ended `within` the time.
    pub async fn stop(&mut self, within: Duration) -> Result<Vec<(String, ExitStatus)>, Error> {
        let stops = self.places.iter_mut().filter_map(Option::take).map(|mut program| {
            tokio::spawn(async move {
                let status = program.terminate(within).await?;
                Ok::<_, Error>((program.name().to_owned(), status))
            })
        });
        // Collected first: all are asked before any is waited for.
        let stops: Vec<_> = stops.collect();
        let mut ended = Vec::new();
        for stop in stops {
            ended.push(stop.await.expect("stopping a program does not panic")?);
        }
        Ok(ended)
    }

    /// Leaves the daemons running when this value goes.
    pub fn leave(&mut self) {
        self.places.iter_mut().flatten().for_each(Program::leave);
    }
}
