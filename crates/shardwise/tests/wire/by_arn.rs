//! A stream that is given by its ARN, because its name alone would be a stream of this account.

use std::sync::{Arc, Mutex};

use shardwise::config::Retrieval;

use crate::proxy::{self, Script};
use crate::{Running, STREAM, config, endpoints, fan_out, put, sdk_config, until};

async fn is_named_in_every_call(retrieval: Retrieval) {
    let endpoints = endpoints(2).await;
    let arn = endpoints.kinesis().streams().arn(STREAM);
    let script = Arc::new(Mutex::new(Script::default()));
    let kinesis = proxy::start(endpoints.kinesis_url(), Arc::clone(&script)).await;
    let mut config = config(retrieval);
    config.stream_arn = Some(arn);
    let worker = Running::start(config, &sdk_config(kinesis).build(), &endpoints);
    put(&endpoints, 0, "record");
    until(|| worker.told() == ["record"], "the record").await;
    worker.stop().await;
    assert_eq!(script.lock().unwrap().without_arn, Vec::<String>::new());
    endpoints.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_given_by_its_arn_is_named_by_it_in_every_call() {
    is_named_in_every_call(Retrieval::Polling).await;
    is_named_in_every_call(fan_out()).await;
}
