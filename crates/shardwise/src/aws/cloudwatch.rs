//! How CloudWatch is reached.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::OnceCell;

use super::{ConnectError, KINESIS, Service, Source, credentials, endpoint, load, region};

/// The service's id, as environment variables and profiles know it.
const CLOUDWATCH: &str = "CloudWatch";

/// How to reach CloudWatch, for its [sink](crate::metrics::cloudwatch::CloudWatch). Credentials are
/// looked for when something is sent: metrics are no reason not to start.
///
/// # Errors
///
/// No region, or an endpoint in clear.
pub async fn cloudwatch(service: &Service) -> Result<SdkConfig, ConnectError> {
    let region = region(service).await?;
    let credentials = Deferred::new(service.credentials.clone(), region.clone());
    load(CLOUDWATCH, service, region, SharedCredentialsProvider::new(credentials)).await
}

/// Whether Kinesis is somewhere else than at AWS, by settings, environment or profile, and
/// CloudWatch is not: metrics would leave the place where everything else is.
pub async fn is_only_cloudwatch_at_aws(kinesis: &Service, cloudwatch: &Service) -> bool {
    let is_elsewhere = overridden(KINESIS, kinesis).await.is_some_and(|url| !is_at_aws(&url));
    is_elsewhere && overridden(CLOUDWATCH, cloudwatch).await.is_none()
}

/// Whether a URL is one of AWS's own, such as that of an interface endpoint in a VPC.
fn is_at_aws(url: &str) -> bool {
    // Of each partition: its endpoints, and those that speak IPv6 too.
    const SUFFIXES: [&str; 10] = [
        "amazonaws.com",
        "api.aws",
        "amazonaws.com.cn",
        "api.amazonwebservices.com.cn",
        "amazonaws.eu",
        "api.amazonwebservices.eu",
        "c2s.ic.gov",
        "sc2s.sgov.gov",
        "cloud.adc-e.uk",
        "csp.hci.ic.gov",
    ];
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    SUFFIXES.iter().any(|suffix| host.ends_with(&format!(".{suffix}")))
}

/// The endpoint that the SDK will use, if not AWS's own.
async fn overridden(name: &str, service: &Service) -> Option<String> {
    // The region does not matter here, and to look for it may take seconds.
    let loader = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
    let loader = loader.region(Region::from_static("us-east-1"));
    match &service.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => endpoint(name, &loader.load().await),
    }
}

/// Credentials that are looked for when they are first needed, and again until there are some.
#[derive(Debug)]
struct Deferred {
    source: Source,
    region: Region,
    found: OnceCell<SharedCredentialsProvider>,
}

impl Deferred {
    fn new(source: Source, region: Region) -> Self {
        Self { source, region, found: OnceCell::new() }
    }
}

impl ProvideCredentials for Deferred {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found =
                self.found.get_or_try_init(|| credentials::find(&self.source, &self.region)).await;
            found.map_err(CredentialsError::not_loaded)?.provide_credentials().await
        })
    }
}

#[cfg(test)]
mod tests {
    use shardwise_core::credentials::Provider;

    use super::*;
    use crate::error::with_causes;

    #[test]
    fn endpoints_of_every_partition_are_at_aws() {
        for url in [
            "https://kinesis.us-west-2.amazonaws.com",
            "https://kinesis-fips.us-gov-west-1.amazonaws.com:443/",
            "https://vpce-1a2b-3c4d.kinesis.eu-west-1.vpce.amazonaws.com",
            "https://kinesis.us-east-1.api.aws",
            "https://kinesis.cn-north-1.AMAZONAWS.com.cn",
        ] {
            assert!(is_at_aws(url), "{url}");
        }
        for url in [
            "http://localhost:4567",
            "https://kinesis.example.com",
            "https://amazonaws.com.example.com",
            "https://notamazonaws.com",
            "https://localhost:4567/kinesis.amazonaws.com",
        ] {
            assert!(!is_at_aws(url), "{url}");
        }
    }

    #[tokio::test]
    async fn credentials_that_are_not_there_are_an_error_of_the_call() {
        let nobody = Source::Providers(vec![Provider::Anonymous]);
        let deferred = Deferred::new(nobody, Region::from_static("us-east-1"));
        let error = deferred.provide_credentials().await.unwrap_err();
        assert!(with_causes(&error).contains("anonymous"), "{}", with_causes(&error));
        let deferred = Deferred::new(Source::Local, Region::from_static("us-east-1"));
        assert!(deferred.provide_credentials().await.is_ok());
    }
}
