//! Services that cannot be talked to for a while: no credentials are to be had, the clock is
//! refused, an answer drips in. Nothing ends, and nothing is skipped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use shardwise::config::{Pace, Retrieval};
use shardwise::kinesis::KinesisError;
use shardwise::{Config, StreamName, aws};

use crate::proxy::{self, Script};
use crate::{Running, STREAM, config, endpoints, put, sdk_config, until};

/// Gives credentials that expire at once, or none.
#[derive(Clone, Debug, Default)]
struct Provider {
    has_none: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        if self.has_none.load(Relaxed) {
            self.refused.fetch_add(1, Relaxed);
            return Provided::ready(Err(CredentialsError::provider_error("not now")));
        }
        let expiry = Some(SystemTime::now() + Duration::from_secs(1));
        Provided::ready(Ok(Credentials::new("any", "any", None, expiry, "test")))
    }
}

/// Reads often.
fn eager() -> Config {
    let mut config = config(Retrieval::Polling);
    let idle = Duration::from_millis(200);
    config.polling.pace = Pace::Fixed { idle, at_tip: Duration::ZERO };
    config
}

#[tokio::test]
async fn a_provider_that_has_no_credentials_for_a_while_ends_nothing() {
    let endpoints = endpoints(1).await;
    let provider = Provider::default();
    let given = |url: String| {
        let provider = SharedCredentialsProvider::new(provider.clone());
        sdk_config(url).credentials_provider(provider).build()
    };
    let (kinesis, dynamodb) = (given(endpoints.kinesis_url()), given(endpoints.dynamodb_url()));
    let worker = Running::over(eager(), &kinesis, &dynamodb);
    put(&endpoints, 0, "first");
    until(|| worker.told() == ["first"], "the first record").await;
    provider.has_none.store(true, Relaxed);
    put(&endpoints, 0, "second");
    until(|| provider.refused.load(Relaxed) >= 8, "calls that find no credentials").await;
    assert_eq!(worker.told(), ["first"]);
    provider.has_none.store(false, Relaxed);
    until(|| worker.told() == ["first", "second"], "the second record, and no other").await;
    worker.stop().await;
    endpoints.stop().await;
}

/// A machine whose clock is set soon after its start.
#[tokio::test]
async fn a_clock_that_the_service_refuses_at_the_start_is_named_and_tried_again() {
    const CODES: [&str; 3] = ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];
    let endpoints = endpoints(1).await;
    put(&endpoints, 0, "first");
    let refuses = CODES.map(str::to_owned).to_vec();
    let script = Arc::new(Mutex::new(Script { refuses, ..Script::default() }));
    let url = proxy::start(endpoints.kinesis_url(), Arc::clone(&script)).await;
    let sdk_config = sdk_config(url).build();
    let (kinesis, _) = aws::over(&sdk_config, &sdk_config, &eager());
    let stream = kinesis.stream_state(&StreamName::new(STREAM).unwrap()).await;
    let Err(KinesisError::Unanswered(why)) = stream else { panic!("{stream:?}") };
    assert!(why.to_string().contains(CODES[2]), "{why}");
    let worker = Running::start(eager(), &sdk_config, &endpoints);
    until(|| worker.told() == ["first"], "the record").await;
    assert!(script.lock().unwrap().refuses.is_empty());
    worker.stop().await;
    endpoints.stop().await;
}

/// The deadline of a call ends such an answer as it ends silence, in each service.
#[tokio::test]
async fn an_answer_that_drips_in_ends_with_its_time_and_is_asked_for_again() {
    let endpoints = endpoints(1).await;
    put(&endpoints, 0, "first");
    put(&endpoints, 0, "second");
    let mut scripts = Vec::new();
    let mut urls = Vec::new();
    for (url, operation) in
        [(endpoints.kinesis_url(), "GetRecords"), (endpoints.dynamodb_url(), "UpdateItem")]
    {
        let drips = vec![operation.to_owned(); 2];
        let script = Arc::new(Mutex::new(Script { drips, ..Script::default() }));
        urls.push(sdk_config(proxy::start(url, Arc::clone(&script)).await).build());
        scripts.push(script);
    }
    let mut config = eager();
    config.polling.request_timeout = Duration::from_secs(1);
    let worker = Running::over(config, &urls[0], &urls[1]);
    until(|| worker.told().len() >= 2, "every record").await;
    until(|| scripts.iter().all(|it| it.lock().unwrap().drips.is_empty()), "all drips").await;
    assert_eq!(worker.told(), ["first", "second"]);
    worker.stop().await;
    endpoints.stop().await;
}
