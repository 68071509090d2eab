//! The AWS SDK for Rust drives the local endpoints over HTTP.

#![expect(clippy::unwrap_used, reason = "the lint spares test functions, but not their helpers")]

mod dynamodb;
mod endpoint;
mod kinesis;
mod resharding;
mod subscribing;

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use shardwise_local::{Endpoints, Options};

async fn endpoints() -> Endpoints {
    Endpoints::start(Options::default()).await.unwrap()
}

fn kinesis(endpoints: &Endpoints) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys("any", "any", None))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoints.kinesis_url());
    aws_sdk_kinesis::Client::from_conf(config.build())
}

fn dynamodb(endpoints: &Endpoints) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys("any", "any", None))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoints.dynamodb_url());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// The name of the exception that a call was refused with.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    match result {
        Err(SdkError::ServiceError(refused)) => refused.err().code().unwrap_or_default().to_owned(),
        Err(other) => panic!("no answer of the service: {other}"),
        Ok(answer) => panic!("not refused: {answer:?}"),
    }
}
