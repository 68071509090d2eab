//! Local endpoints, a stream, and daemons with children that write a journal.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use shardwise_local::{Endpoints, Options};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// Waits until a condition holds; fails with what there was instead.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) if Instant::now() > deadline => panic!("not {what}:\n{instead}"),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// A stream of its own, at endpoints of its own.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    endpoints: Endpoints,
}

/// The one stream of a world.
pub(crate) const STREAM: &str = "orders";
/// The one application.
pub(crate) const APPLICATION: &str = "billing";

/// One line of the children's journal.
#[derive(Clone, Debug)]
pub(crate) struct Event(Value);

impl Event {
    pub(crate) fn is(&self, event: &str) -> bool {
        self.0["event"] == event
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(crate) fn number(&self, field: &str) -> i32 {
        i32::try_from(self.0[field].as_i64().unwrap_or_default()).unwrap()
    }

    pub(crate) fn value(&self, field: &str) -> &Value {
        &self.0[field]
    }
}

/// A row of the lease table.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRow {
    pub(crate) key: String,
    pub(crate) owner: Option<String>,
    pub(crate) checkpoint: String,
    pub(crate) sub_sequence: String,
}

impl World {
    /// A world whose stream has so many shards; with none there is no stream.
    pub(crate) async fn new(shards: i32) -> Self {
        Self::with(Options::default(), shards).await
    }

    /// The same at endpoints with other settings.
    pub(crate) async fn with(options: Options, shards: i32) -> Self {
        let endpoints = Endpoints::start(options).await.unwrap();
        let loader = |url: String| {
            aws_config::defaults(aws_config::BehaviorVersion::latest())
                .region("us-east-1")
                .test_credentials()
                .endpoint_url(url)
        };
        let kinesis = loader(endpoints.kinesis_url()).load().await;
        let dynamodb = loader(endpoints.dynamodb_url()).load().await;
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            kinesis: aws_sdk_kinesis::Client::new(&kinesis),
            dynamodb: aws_sdk_dynamodb::Client::new(&dynamodb),
            endpoints,
        };
        if shards > 0 {
            let create = world.kinesis.create_stream().stream_name(STREAM).shard_count(shards);
            create.send().await.unwrap();
        }
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The URLs of Kinesis and DynamoDB.
    pub(crate) fn urls(&self) -> [String; 2] {
        [self.endpoints.kinesis_url(), self.endpoints.dynamodb_url()]
    }

    /// Puts records so that they spread over the shards; their data are `name-0`, `name-1`, ...
    pub(crate) async fn put(&self, name: &str, records: u32) -> BTreeSet<String> {
        let mut put = BTreeSet::new();
        for number in 0..records {
            let data = format!("{name}-{number}");
            let share = u128::MAX / u128::from(records);
            let share = share * u128::from(number) + share / 2;
            let request = self.kinesis.put_record().stream_name(STREAM);
            let request = request.partition_key("key").explicit_hash_key(share.to_string());
            request.data(data.clone().into_bytes().into()).send().await.unwrap();
            put.insert(data);
        }
        put
    }

    /// Deletes the stream, and makes another one of its name, of one shard.
    pub(crate) async fn make_stream_anew(&self) {
        let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let deleted_in = second();
        let delete = self.kinesis.delete_stream().stream_name(STREAM);
        delete.enforce_consumer_deletion(true).send().await.unwrap();
        until("gone, and a later second", async || {
            let described = self.kinesis.describe_stream_summary().stream_name(STREAM).send().await;
            // Numbers hold the second in which their stream was made.
            let is_past = described.is_err() && second() > deleted_in;
            if is_past { Ok(()) } else { Err(format!("{described:?}")) }
        })
        .await;
        let create = self.kinesis.create_stream().stream_name(STREAM).shard_count(1);
        create.send().await.unwrap();
    }

    /// Splits the first shard in two.
    pub(crate) async fn split(&self) {
        self.split_in_the_middle("shardId-000000000000").await;
    }

    /// Splits a shard in two.
    pub(crate) async fn split_in_the_middle(&self, shard: &str) {
        let shards = self.kinesis.list_shards().stream_name(STREAM).send().await.unwrap();
        let shards = shards.shards.unwrap();
        let range = shards.iter().find(|it| it.shard_id == shard).unwrap().hash_key_range.clone();
        let range = range.unwrap();
        let [first, last] = [range.starting_hash_key, range.ending_hash_key]
            .map(|key| key.parse::<u128>().unwrap());
        let middle = (first + (last - first) / 2).to_string();
        let split = self.kinesis.split_shard().stream_name(STREAM).shard_to_split(shard);
        split.new_starting_hash_key(middle).send().await.unwrap();
    }

    /// Makes one shard of two neighbours.
    pub(crate) async fn merge(&self, lower: &str, upper: &str) {
        let merge = self.kinesis.merge_shards().stream_name(STREAM).shard_to_merge(lower);
        merge.adjacent_shard_to_merge(upper).send().await.unwrap();
    }

    /// A properties file that suits tests; `more` comes last.
    pub(crate) fn properties(&self, executable: &str, more: &str) -> PathBuf {
        let text = format!(
            "executableName = {executable}\nstreamName = {STREAM}\n\
             applicationName = {APPLICATION}\n\
             AWSCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
             regionName = us-east-1\nkinesisEndpoint = {}\ndynamoDBEndpoint = {}\n\
             initialPositionInStream = TRIM_HORIZON\nretrievalMode = POLLING\n\
             failoverTimeMillis = 3000\nidleTimeBetweenReadsInMillis = 200\n\
             parentShardPollIntervalMillis = 200\ntaskBackoffTimeMillis = 100\n\
             shardwise.logLevel = debug\n{more}\n",
            self.endpoints.kinesis_url(),
            self.endpoints.dynamodb_url(),
        );
        let path = self.path().join("daemon.properties");
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a daemon whose children are `mischief.py` with these modes.
    pub(crate) fn daemon(&self, modes: &str, more: &str) -> Daemon {
        self.daemon_with(modes, more, &[])
    }

    pub(crate) fn daemon_with(&self, modes: &str, more: &str, arguments: &[&str]) -> Daemon {
        let properties = self.properties(&self.executable(modes), more);
        Daemon::start_with(&properties, self.path(), arguments)
    }

    /// The same with these variables in its environment.
    pub(crate) fn daemon_in(&self, modes: &str, more: &str, variables: &[(&str, &str)]) -> Daemon {
        let properties = self.properties(&self.executable(modes), more);
        let log = self.path().join("daemon.log");
        let mut command = binary();
        command.envs(variables.iter().copied());
        Daemon::start_by(command, &log, &properties, &[])
    }

    /// A daemon whose starter has left it this file open.
    pub(crate) fn daemon_holding(&self, file: &Path, modes: &str, more: &str) -> Daemon {
        let properties = self.properties(&self.executable(modes), more);
        let mut command = quiet(Command::new("sh"));
        command.arg("-c").arg(format!("exec \"$0\" \"$@\" 9>{}", file.display())).arg(BINARY);
        Daemon::start_by(command, &self.path().join("daemon.log"), &properties, &[])
    }

    /// A daemon below a process that takes over what others leave behind.
    pub(crate) fn first_process(&self, modes: &str) -> Daemon {
        let properties = self.properties(&self.executable(modes), "");
        let mut command = binary();
        command.arg("init");
        Daemon::start_by(command, &self.path().join("daemon.log"), &properties, &[])
    }

    /// A daemon that is started by another program, such as `nohup`.
    pub(crate) fn daemon_by(&self, program: &str, modes: &str) -> Daemon {
        let inner = binary();
        let mut command = Command::new(program);
        command.arg(inner.get_program()).stdout(Stdio::null());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let properties = self.properties(&self.executable(modes), "");
        Daemon::start_by(command, &self.path().join("daemon.log"), &properties, &[])
    }

    /// A daemon whose log goes to this file.
    pub(crate) fn daemon_logging_to(&self, log: &Path, modes: &str) -> Daemon {
        Daemon::start_logging_to(log, &self.properties(&self.executable(modes), ""), &[])
    }

    pub(crate) fn executable(&self, modes: &str) -> String {
        format!("python3 {} {} {modes}", child("mischief.py"), self.path().display())
    }

    pub(crate) fn journal(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.path().join("journal.jsonl")).unwrap_or_default();
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| Event(serde_json::from_str(line).unwrap())).collect()
    }

    /// Waits until the journal shows something.
    pub(crate) async fn until_journal(
        &self,
        daemon: &Daemon,
        what: &str,
        mut shows: impl FnMut(&[Event]) -> bool,
    ) -> Vec<Event> {
        until(what, async || {
            let journal = self.journal();
            if shows(&journal) {
                return Ok(journal);
            }
            let journal: Vec<_> = journal.iter().map(|event| event.0.to_string()).collect();
            Err(format!("{}\n{}", journal.join("\n"), daemon.log()))
        })
        .await
    }

    /// Waits until each of these was processed.
    pub(crate) async fn until_processed(
        &self,
        daemon: &Daemon,
        records: &BTreeSet<String>,
    ) -> Vec<Event> {
        let what = format!("processed: {records:?}");
        self.until_journal(daemon, &what, |journal| {
            let seen: BTreeSet<_> = data(journal).into_iter().collect();
            records.is_subset(&seen)
        })
        .await
    }

    pub(crate) async fn lease_rows(&self) -> Vec<LeaseRow> {
        let scan = self.dynamodb.scan().table_name(APPLICATION).consistent_read(true);
        let Ok(answer) = scan.send().await else { return Vec::new() };
        let mut rows: Vec<_> = answer
            .items()
            .iter()
            .filter(|item| item.contains_key("leaseCounter"))
            .map(|item| {
                let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
                let number = |name: &str| item[name].as_n().unwrap().clone();
                LeaseRow {
                    key: text("leaseKey").unwrap().clone(),
                    owner: text("leaseOwner").cloned(),
                    checkpoint: text("checkpoint").unwrap().clone(),
                    sub_sequence: number("checkpointSubSequenceNumber"),
                }
            })
            .collect();
        rows.sort_by(|left, right| left.key.cmp(&right.key));
        rows
    }

    /// Makes another worker the owner of a lease, as if it had taken it.
    pub(crate) async fn take_lease_away(&self, key: &str) {
        let update = self.dynamodb.update_item().table_name(APPLICATION);
        let update = update
            .key("leaseKey", AttributeValue::S(key.to_owned()))
            .update_expression("SET leaseOwner = :other ADD leaseCounter :much")
            .expression_attribute_values(":other", AttributeValue::S("worker-X".to_owned()))
            .expression_attribute_values(":much", AttributeValue::N("100".to_owned()));
        update.send().await.unwrap();
    }

    /// Deletes a lease's row.
    pub(crate) async fn delete_row(&self, key: &str) {
        let key = AttributeValue::S(key.to_owned());
        let delete = self.dynamodb.delete_item().table_name(APPLICATION).key("leaseKey", key);
        delete.send().await.unwrap();
    }

    /// Puts a row that is none of ours.
    pub(crate) async fn put_row(&self, attributes: &[(&str, AttributeValue)]) {
        let mut put = self.dynamodb.put_item().table_name(APPLICATION);
        for (name, value) in attributes {
            put = put.item(*name, value.clone());
        }
        put.send().await.unwrap();
    }
}

/// The path of a child program.
pub(crate) fn child(name: &str) -> String {
    format!("{}/tests/children/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The data of all records in a journal, in order.
pub(crate) fn data(journal: &[Event]) -> Vec<String> {
    let records = journal.iter().filter(|event| event.is("record"));
    records.map(|event| event.text("data").to_owned()).collect()
}

/// The ids of all children in a journal, and of what they have started.
pub(crate) fn processes(journal: &[Event]) -> BTreeSet<i32> {
    let ids = journal.iter().flat_map(|event| [event.number("pid"), event.number("grandchild")]);
    ids.filter(|id| *id != 0).collect()
}

/// A daemon process.
pub(crate) struct Daemon {
    process: std::process::Child,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn start(properties: &Path, directory: &Path) -> Self {
        Self::start_with(properties, directory, &[])
    }

    pub(crate) fn start_with(properties: &Path, directory: &Path, arguments: &[&str]) -> Self {
        let log = directory.join("daemon.log");
        File::create(&log).unwrap();
        Self::start_logging_to(&log, properties, arguments)
    }

    fn start_logging_to(log: &Path, properties: &Path, arguments: &[&str]) -> Self {
        Self::start_by(binary(), log, properties, arguments)
    }

    fn start_by(mut command: Command, log: &Path, properties: &Path, arguments: &[&str]) -> Self {
        let stderr = File::options().append(true).create(true).open(log).unwrap();
        command.arg("daemon").arg("-p").arg(properties).args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stderr(stderr);
        Self { process: command.spawn().unwrap(), log: log.to_owned() }
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.id(), signal).unwrap();
    }

    /// Closes the pipe that is the daemon's standard input.
    pub(crate) fn end_stdin(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Waits for the daemon's end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let (process, log) = (&mut self.process, &self.log);
        until("ended", async || process.try_wait().unwrap().ok_or_else(|| read_log(log))).await
    }

    /// Stops the daemon in order: its exit code.
    pub(crate) async fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.ended().await.code().unwrap_or(-1)
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes << 10
    }

    pub(crate) async fn until_log(&self, text: &str) {
        until(&format!("logged: {text}"), async || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}

/// What a daemon has logged. A device has nothing to read, or no end of it.
fn read_log(log: &Path) -> String {
    if !fs::metadata(log).unwrap().is_file() {
        return String::new();
    }
    String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_shardwise");

/// The built binary, with credentials and nothing else of AWS in its environment.
pub(crate) fn binary() -> Command {
    quiet(Command::new(BINARY))
}

fn quiet(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.env("AWS_ACCESS_KEY_ID", "AKIDCANARY").env("AWS_SECRET_ACCESS_KEY", "SECRETCANARY");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Waits until none of these processes runs.
pub(crate) async fn until_gone(processes: &BTreeSet<i32>) {
    until("gone", async || {
        let left: Vec<_> = processes.iter().filter(|id| runs(**id)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

/// The processes that have a file open.
pub(crate) fn who_has_open(file: &Path) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id = entry.unwrap().file_name().to_str()?.parse().ok()?;
        Some((id, fs::read_dir(format!("/proc/{id}/fd")).ok()?))
    });
    let has = |open: fs::ReadDir| {
        let mut links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.any(|link| link == file)
    };
    processes.filter_map(|(id, open)| has(open).then_some(id)).collect()
}

/// Whether a process runs; one that has ended but was not reaped does not.
pub(crate) fn runs(id: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().chars().next());
    state.flatten().is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
