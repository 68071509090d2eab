//! The ports over the AWS SDK. Nothing is decided here: calls move data.

mod answers;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod credentials;
mod frames;
mod kinesis;
mod lease_table;
mod replaceable;
mod subscribers;

use std::sync::Arc;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::endpoint_config::AccountIdEndpointMode;
use aws_types::service_config::ServiceConfigKey;
use shardwise_core::config::Config;
use shardwise_core::credentials::Provider;
pub use shardwise_core::properties::settings::AccountIdEndpoints;
use shardwise_core::properties::{is_in_clear, without_user};
use tracing::info;

#[cfg(feature = "cloudwatch")]
pub use self::cloudwatch::{cloudwatch, is_only_cloudwatch_at_aws};
pub use self::credentials::NoCredentials;
use crate::clock::SystemClock;
use crate::error::with_causes;
use crate::kinesis::Kinesis;
use crate::lease_table::LeaseTable;
use crate::worker::Ports;

/// How long one request may take. KCL: 30 s for Kinesis, 60 s for DynamoDB; writes to a lease
/// have a shorter limit, a sixth of the failover time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The services' ids in the SDK.
const KINESIS: &str = "Kinesis";
const DYNAMODB: &str = "DynamoDB";

const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// How to reach AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How to reach Kinesis.
    pub kinesis: Service,
    /// How to reach DynamoDB.
    pub dynamodb: Service,
}

/// How to reach one service. What is absent is looked for where the AWS SDK does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The region. Property: `regionName`.
    pub region: Option<String>,
    /// Where the service is, if not at AWS. Properties: `kinesisEndpoint`, `dynamoDBEndpoint`.
    pub endpoint: Option<String>,
    /// Whether endpoints validated for FIPS 140 are used. Property: `kinesisClient.fipsEnabled` and
    /// the like.
    pub fips: Option<bool>,
    /// Whether endpoints with IPv6 addresses are used. Property: `kinesisClient.dualstackEnabled`
    /// and the like.
    pub dual_stack: Option<bool>,
    /// Whether endpoints with the account's id are used. Property:
    /// `dynamoDbClient.accountIdEndpointMode`.
    pub account_id: Option<AccountIdEndpoints>,
    /// Whether an `http://` endpoint on another machine is refused, whoever names it: these
    /// settings, the environment or the AWS profile. Property: `shardwise.allowInsecureEndpoint`,
    /// the other way round.
    pub https_only: bool,
    /// Whose credentials are used. Properties: `AwsCredentialsProvider`,
    /// `AwsCredentialsProviderDynamoDB`.
    pub credentials: Source,
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The first of these that has some.
    Providers(Vec<Provider>),
    /// Any will do: for the local endpoints, which look at none.
    Local,
}

impl Default for Source {
    fn default() -> Self {
        Self::Providers(vec![Provider::Default])
    }
}

/// Why AWS cannot be reached as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No region anywhere.
    #[error(
        "no region: set `regionName`, the environment variable AWS_REGION, or a region in the AWS \
         profile"
    )]
    NoRegion,
    /// No provider has credentials.
    #[error("no AWS credentials for {service}")]
    NoCredentials {
        /// The service.
        service: &'static str,
        /// Where was looked.
        source: NoCredentials,
    },
    /// Requests would cross the network in clear.
    #[error(
        "the endpoint of {service} is `{url}`, by setting, environment or AWS profile: http:// is \
         for this machine only; use https://, or set shardwise.allowInsecureEndpoint = true"
    )]
    InClear {
        /// The service.
        service: &'static str,
        /// Where it would be asked; without a user and a password.
        url: String,
    },
}

/// Connects to Kinesis and DynamoDB. The credentials are looked for once, so that missing ones
/// are an error now and not a shard that never starts.
///
/// # Errors
///
/// No region, no provider that has credentials, or an endpoint in clear; the text names where was
/// looked.
pub async fn connect(settings: &Settings, config: &Config) -> Result<Ports, ConnectError> {
    let kinesis = connected(KINESIS, &settings.kinesis).await?;
    let dynamodb = connected(DYNAMODB, &settings.dynamodb).await?;
    let (kinesis, table) = over(&kinesis, &dynamodb, config);
    Ok(Ports { kinesis, table, clock: Arc::new(SystemClock::start()) })
}

/// The stream and the lease table over SDK configurations of your own: region, credentials,
/// endpoint and HTTP client are yours. Retries and timeouts are ours, whatever yours say. With an
/// HTTP client of yours it is up to you over how many connections shards are subscribed to.
#[must_use]
pub fn over(
    kinesis: &SdkConfig,
    dynamodb: &SdkConfig,
    config: &Config,
) -> (Arc<dyn Kinesis>, Arc<dyn LeaseTable>) {
    let timeouts = || {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT);
        timeouts.operation_timeout(REQUEST_TIMEOUT).build()
    };
    let (of_stream, of_table) = (place(KINESIS, kinesis), place(DYNAMODB, dynamodb));
    // A hidden retry of a conditional write that was applied would fail its own condition, and a
    // hidden retry of a read counts against the shard's five a second.
    let kinesis = aws_sdk_kinesis::config::Builder::from(kinesis)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .build();
    let dynamodb = aws_sdk_dynamodb::config::Builder::from(dynamodb)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .build();
    let table = lease_table::Table::new(dynamodb, config.table.name.clone(), of_table);
    let stream = kinesis::Stream::new(&kinesis, config.stream_arn.clone(), of_stream);
    (Arc::new(stream), Arc::new(table))
}

/// Where a service is, in words.
fn place(service: &str, config: &SdkConfig) -> String {
    let region = config.region().map_or("none", Region::as_ref);
    match endpoint(service, config) {
        Some(url) => format!("region {region}, endpoint {}", without_user(&url)),
        None => format!("region {region}"),
    }
}

/// The endpoint that the SDK will use, if not AWS's own: the service's from environment or profile
/// before the general one.
fn endpoint(service: &str, config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service);
    let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let of_service = config.service_config().and_then(|found| found.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(ToOwned::to_owned))
}

async fn region(service: &Service) -> Result<Region, ConnectError> {
    match &service.region {
        Some(region) => Ok(Region::new(region.clone())),
        None => {
            let default = RegionProviderChain::default_provider();
            default.region().await.ok_or(ConnectError::NoRegion)
        }
    }
}

async fn connected(name: &'static str, service: &Service) -> Result<SdkConfig, ConnectError> {
    let region = region(service).await?;
    let credentials = credentials::find(&service.credentials, &region)
        .await
        .map_err(|source| ConnectError::NoCredentials { service: name, source })?;
    load(name, service, region, credentials).await
}

async fn load(
    name: &'static str,
    service: &Service,
    region: Region,
    credentials: SharedCredentialsProvider,
) -> Result<SdkConfig, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials);
    if let Some(endpoint) = &service.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(fips) = service.fips {
        loader = loader.use_fips(fips);
    }
    if let Some(dual_stack) = service.dual_stack {
        loader = loader.use_dual_stack(dual_stack);
    }
    if let Some(account_id) = service.account_id {
        loader = loader.account_id_endpoint_mode(match account_id {
            AccountIdEndpoints::Preferred => AccountIdEndpointMode::Preferred,
            AccountIdEndpoints::Disabled => AccountIdEndpointMode::Disabled,
            AccountIdEndpoints::Required => AccountIdEndpointMode::Required,
        });
    }
    let config = loader.load().await;
    if service.https_only
        && let Some(url) = endpoint(name, &config).filter(|url| is_in_clear(url))
    {
        return Err(ConnectError::InClear { service: name, url: without_user(&url) });
    }
    info!(service = name, place = place(name, &config), "AWS client");
    Ok(config)
}

/// Error codes that say the credentials are wrong or not sufficient. Not among them are codes that
/// say the clock is wrong: it may be right in a moment.
fn is_refusal(code: &str) -> bool {
    matches!(
        code,
        "AccessDeniedException"
            | "AccessDenied"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "OptInRequired"
            | "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSInvalidStateException"
            | "KMSNotFoundException"
            | "KMSOptInRequired"
    )
}

/// Error codes that say: too much, later.
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "LimitExceededException"
            | "RequestLimitExceeded"
            | "KMSThrottlingException"
    )
}

/// The SDK's error with its causes, as one line.
fn described(error: impl std::error::Error) -> Box<dyn std::error::Error + Send + Sync> {
    with_causes(&error).into()
}
