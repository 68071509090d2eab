//! Subscriptions through the SDK's client over real connections, whose events are spoilt on their
//! way: what was taken in stays, what was spoilt comes with the next subscription.

#![expect(clippy::disallowed_methods, reason = "the endpoints and their clients go by real time")]
#![expect(clippy::unwrap_used, reason = "the lint spares test functions, but not their helpers")]

mod relay;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Connector;
use hyper_util::rt::TokioExecutor;
use shardwise::config::{Retrieval, StreamConsumer};
use shardwise::{
    Checkpointer, Config, InitialPosition, Initialize, Ports, ProcessRecords, ProcessorError,
    RecordProcessor, ShardId, StreamName, SystemClock, Worker, WorkerId, aws,
};
use shardwise_local::stream::{Capacity, NewRecord, Timestamp};
use shardwise_local::{Endpoints, Options};

use self::relay::Trouble;

const STREAM: &str = "orders";

/// HTTP/2 from the first byte on, as over TLS when the service has agreed to it.
#[derive(Clone, Debug)]
struct Http2(Client<Connector, SdkBody>);

impl HttpClient for Http2 {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http2 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            let request = request.map_err(|error| ConnectorError::user(error.into()))?;
            let answer = client.request(request).await;
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Writes down what it is handed.
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
        Ok(checkpointer.checkpoint().await?)
    }
}

fn sdk_config(url: String, http: Option<Http2>) -> SdkConfig {
    let credentials = Credentials::new("any", "any", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url);
    match http {
        Some(http) => config.http_client(http).build(),
        None => config.build(),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

fn put(endpoints: &Endpoints, text: &str) {
    let data = Bytes::from(text.to_owned());
    let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data };
    endpoints.kinesis().streams().put_record(STREAM, record, now()).unwrap();
}

/// A worker follows one shard; a record for each trouble, and one before and after each, comes
/// once and in order, and there is a new subscription behind the last record for each trouble.
async fn assert_survived(is_h2: bool, troubles: &[Trouble]) {
    let endpoints = Endpoints::start(Options::default()).await.unwrap();
    let made = endpoints.kinesis().streams().create_stream(STREAM, Capacity::Provisioned(1), now());
    made.unwrap();
    let script = relay::Shared::default();
    let relayed = relay::start(&endpoints.kinesis_url(), Arc::clone(&script), is_h2).await;
    let http = is_h2.then(|| {
        let mut client = Client::builder(TokioExecutor::new());
        Http2(client.http2_only(true).build_http())
    });
    let stream = StreamName::new(STREAM).unwrap();
    let mut config = Config::new("app", stream, WorkerId::new("w").unwrap());
    config.initial_position = InitialPosition::TrimHorizon;
    config.retrieval = Retrieval::FanOut(StreamConsumer::Named("app".to_owned()));
    let (kinesis, table) =
        aws::over(&sdk_config(relayed, http), &sdk_config(endpoints.dynamodb_url(), None), &config);
    let ports = Ports { kinesis, table, clock: Arc::new(SystemClock::start()) };
    let worker = Worker::new(config, ports, 1).unwrap();
    let stopper = worker.stopper();
    let handed = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&handed);
    let run = tokio::spawn(worker.run(move |_: &ShardId| Box::new(Recorder(Arc::clone(&log)))));

    let mut expected = Vec::new();
    for (number, trouble) in troubles.iter().enumerate() {
        for (text, trouble) in [("well", None), ("ill", Some(*trouble))] {
            script.lock().unwrap().troubles = [trouble].into();
            let text = format!("{text} {number}");
            put(&endpoints, &text);
            expected.push(text);
            until(|| handed.lock().unwrap().len() >= expected.len(), trouble).await;
        }
        assert!(script.lock().unwrap().resumed > number, "{trouble:?}");
    }

    assert_eq!(*handed.lock().unwrap(), expected);
    stopper.stop();
    assert!(run.await.unwrap().unwrap().in_order);
    endpoints.stop().await;
}

async fn until(mut holds: impl FnMut() -> bool, trouble: Option<Trouble>) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < deadline, "nothing comes behind {trouble:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_event_that_is_cut_or_spoilt_over_http_1_comes_with_the_next_subscription() {
    assert_survived(false, &[Trouble::Cut, Trouble::Short, Trouble::Spoilt]).await;
}

#[tokio::test]
async fn an_event_that_is_cut_spoilt_reset_or_goes_away_over_http_2_comes_with_the_next_one() {
    use Trouble::{Cut, GoAway, Reset, Spoilt};
    assert_survived(true, &[Cut, Spoilt, Reset, GoAway]).await;
}
