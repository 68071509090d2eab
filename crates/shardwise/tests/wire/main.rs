//! Workers that read through the SDK's client over real connections, where what comes is spoilt,
//! breaks off or falls silent on its way: nothing is skipped, and nothing comes twice.

#![expect(clippy::disallowed_methods, reason = "the endpoints and their clients go by real time")]
#![expect(clippy::unwrap_used, reason = "the lint spares test functions, but not their helpers")]

mod answers;
mod by_arn;
mod connections;
mod outages;
mod proxy;
mod relay;
mod strangers;
mod subscriptions;
mod tls;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::sdk_config::Builder;
use shardwise::config::{Retrieval, StreamConsumer};
use shardwise::{
    Checkpointer, Config, InitialPosition, Initialize, Ports, ProcessRecords, ProcessorError,
    RecordProcessor, ShardId, Stopper, StreamName, SystemClock, Worker, WorkerError, WorkerId, aws,
};
use shardwise_local::stream::{Capacity, NewRecord, Timestamp};
use shardwise_local::{Endpoints, Options};
use tokio::task::JoinHandle;

const STREAM: &str = "orders";

/// Writes down what it is told.
struct Recorder(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl RecordProcessor for Recorder {
    async fn initialize(&mut self, _: &Initialize) -> Result<(), ProcessorError> {
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        let texts = input.records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned());
        self.0.lock().unwrap().extend(texts);
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.0.lock().unwrap().push("shard ended".to_owned());
        Ok(checkpointer.checkpoint().await?)
    }
}

/// A worker that runs, and what its processors were told.
struct Running {
    told: Arc<Mutex<Vec<String>>>,
    stopper: Stopper,
    run: JoinHandle<Result<shardwise::Stopped, WorkerError>>,
}

impl Running {
    fn start(config: Config, kinesis: &SdkConfig, endpoints: &Endpoints) -> Self {
        Self::over(config, kinesis, &sdk_config(endpoints.dynamodb_url()).build())
    }

    fn over(config: Config, kinesis: &SdkConfig, dynamodb: &SdkConfig) -> Self {
        let (kinesis, table) = aws::over(kinesis, dynamodb, &config);
        let ports = Ports { kinesis, table, clock: Arc::new(SystemClock::start()) };
        let worker = Worker::new(config, ports, 1).unwrap();
        let stopper = worker.stopper();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let run = tokio::spawn(worker.run(move |_: &ShardId| Box::new(Recorder(Arc::clone(&log)))));
        Self { told, stopper, run }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.stopper.stop();
        assert!(self.run.await.unwrap().unwrap().in_order);
    }
}

async fn endpoints(shards: u32) -> Endpoints {
    let endpoints = Endpoints::start(Options::default()).await.unwrap();
    let capacity = Capacity::Provisioned(shards);
    endpoints.kinesis().streams().create_stream(STREAM, capacity, now()).unwrap();
    endpoints
}

fn config(retrieval: Retrieval) -> Config {
    let stream = StreamName::new(STREAM).unwrap();
    let mut config = Config::new("app", stream, WorkerId::new("w").unwrap());
    config.initial_position = InitialPosition::TrimHorizon;
    config.retrieval = retrieval;
    config
}

fn fan_out() -> Retrieval {
    Retrieval::FanOut(StreamConsumer::Named("app".to_owned()))
}

fn sdk_config(url: String) -> Builder {
    let credentials = Credentials::new("any", "any", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// Puts a record into the shard that has the hash key.
fn put(endpoints: &Endpoints, hash_key: u128, text: &str) {
    let data = bytes::Bytes::from(text.to_owned());
    let explicit_hash_key = Some(hash_key);
    let record = NewRecord { partition_key: "k".into(), explicit_hash_key, data };
    endpoints.kinesis().streams().put_record(STREAM, record, now()).unwrap();
}

async fn until(mut holds: impl FnMut() -> bool, what: impl Debug) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
