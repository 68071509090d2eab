//! Credentials by the names that KCL knows: the first provider that has some is used.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use shardwise_core::credentials::{AssumeRole, Provider};

use super::{Source, described};

/// No provider has credentials.
#[derive(Debug, thiserror::Error)]
#[error("tried {tried}")]
pub struct NoCredentials {
    tried: String,
}

/// The first of the source's providers that has credentials now.
pub(super) async fn find(
    source: &Source,
    region: &Region,
) -> Result<SharedCredentialsProvider, NoCredentials> {
    let providers = match source {
        Source::Local => {
            let any = Credentials::new("local", "local", None, None, "local endpoints");
            return Ok(SharedCredentialsProvider::new(any));
        }
        Source::Providers(providers) => providers,
    };
    let mut tried = Vec::new();
    for provider in providers {
        let Some(built) = build(provider, region).await else {
            tried.push(format!("{} (gives none, and AWS needs some)", name(provider)));
            continue;
        };
        match built.provide_credentials().await {
            Ok(_) => return Ok(built),
            Err(error) => tried.push(format!("{} ({})", name(provider), described(error))),
        }
    }
    Err(NoCredentials { tried: tried.join("; ") })
}

async fn build(provider: &Provider, region: &Region) -> Option<SharedCredentialsProvider> {
    let config = ProviderConfig::default().with_region(Some(region.clone()));
    Some(match provider {
        Provider::Default => SharedCredentialsProvider::new(
            DefaultCredentialsChain::builder().region(region.clone()).build().await,
        ),
        Provider::Environment => {
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        Provider::Profile(profile) => {
            let builder = ProfileFileCredentialsProvider::builder().configure(&config);
            SharedCredentialsProvider::new(match profile {
                Some(profile) => builder.profile_name(profile).build(),
                None => builder.build(),
            })
        }
        Provider::WebIdentity => SharedCredentialsProvider::new(
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build(),
        ),
        Provider::Container => SharedCredentialsProvider::new(
            EcsCredentialsProvider::builder().configure(&config).build(),
        ),
        Provider::InstanceProfile => SharedCredentialsProvider::new(
            ImdsCredentialsProvider::builder().configure(&config).build(),
        ),
        Provider::AssumeRole(role) => assume(role, region).await,
        Provider::Anonymous => return None,
    })
}

async fn assume(role: &AssumeRole, region: &Region) -> SharedCredentialsProvider {
    let region = role.region.clone().map_or_else(|| region.clone(), Region::new);
    let mut base = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
    if let Some(endpoint) = &role.endpoint {
        base = base.endpoint_url(endpoint);
    }
    let mut builder = AssumeRoleProvider::builder(&role.role_arn)
        .session_name(&role.session_name)
        .region(region)
        .configure(&base.load().await);
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    SharedCredentialsProvider::new(builder.build().await)
}

fn name(provider: &Provider) -> String {
    match provider {
        Provider::Default => "the default chain: environment, profile, web identity token, \
                              container, EC2 instance"
            .to_owned(),
        Provider::Environment => "environment".to_owned(),
        Provider::Profile(None) => "profile".to_owned(),
        Provider::Profile(Some(profile)) => format!("profile `{profile}`"),
        Provider::WebIdentity => "web identity token".to_owned(),
        Provider::Container => "container".to_owned(),
        Provider::InstanceProfile => "EC2 instance".to_owned(),
        Provider::AssumeRole(role) => format!("role `{}`", role.role_arn),
        Provider::Anonymous => "anonymous".to_owned(),
    }
}
