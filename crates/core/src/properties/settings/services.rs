//! How a service is reached, where two keys speak of it.

use super::SettingsError;
use super::draft::Draft;
use super::reader::Reader;
use crate::credentials::Provider;

/// The keys of a service's endpoint: KCL's own, and that of the SDK's client.
const ENDPOINTS: [[&str; 2]; 2] = [
    ["kinesisEndpoint", "kinesisClient.endpointOverride"],
    ["dynamoDBEndpoint", "dynamoDbClient.endpointOverride"],
];

/// The keys that name the profile of a provider.
pub(in crate::properties) const KINESIS_PROFILE: &str = "kinesisCredentialsProvider.profileName";
pub(in crate::properties) const DYNAMODB_PROFILE: &str = "dynamoDBCredentialsProvider.profileName";
pub(in crate::properties) const CLOUDWATCH_PROFILE: &str =
    "cloudWatchCredentialsProvider.profileName";

impl Reader {
    /// Of two keys for one endpoint the later one wins.
    pub(super) fn one_endpoint_a_service(&mut self) {
        let place = |reader: &Self, key| {
            Some((reader.lines.get(key).copied()?, reader.values.get(key)?.clone()))
        };
        for [java, client] in ENDPOINTS {
            match (place(self, java), place(self, client)) {
                (Some(first), Some(second)) => {
                    let differ = first.1 != second.1;
                    let (winner, loser, (line, url)) = if first.0 > second.0 {
                        (java, client, first)
                    } else {
                        (client, java, second)
                    };
                    if differ {
                        let text = format!("passed over: `{winner}` in line {line} wins");
                        self.warn_of(loser, &text);
                        self.outweighed.insert(loser, (winner, url));
                    }
                }
                (None, Some((_, url))) => drop(self.outweighed.insert(java, (client, url))),
                (Some(_) | None, None) => {}
            }
        }
    }

    /// Gives each provider that reads a profile the one that is named for it. Others take no name,
    /// and would have the credentials of somebody else.
    pub(super) fn profiles(&mut self, draft: &mut Draft) -> Result<(), SettingsError> {
        for (key, profile) in std::mem::take(&mut draft.profiles) {
            let (of, providers) = match key {
                DYNAMODB_PROFILE => {
                    ("AwsCredentialsProviderDynamoDB", &mut draft.dynamodb_credentials)
                }
                CLOUDWATCH_PROFILE => {
                    ("AwsCredentialsProviderCloudWatch", &mut draft.metrics.credentials)
                }
                _ => ("AwsCredentialsProvider", &mut draft.credentials),
            };
            let Some([provider @ Provider::Profile(_)]) = providers.as_deref_mut() else {
                return Err(SettingsError::Wrong {
                    line: self.lines.get(key).copied().unwrap_or_default(),
                    key: key.to_owned(),
                    value: profile,
                    allowed: format!("`{of} = ProfileCredentialsProvider` is needed beside it"),
                });
            };
            *provider = Provider::Profile(Some(profile));
            let shown = provider.name();
            self.values.insert(of, shown);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{error, settings};
    use super::*;

    #[test]
    fn a_profile_may_be_named_by_a_key_of_its_own_before_or_after_the_provider() {
        let provider = "kinesisCredentialsProvider.class = ProfileCredentialsProvider";
        let profile = "kinesisCredentialsProvider.profileName = dev";
        let expected = [Provider::Profile(Some("dev".to_owned()))];
        for file in [format!("{provider}\n{profile}"), format!("{profile}\n{provider}")] {
            let settings = settings(&file);
            assert_eq!(settings.kinesis_credentials, expected);
            assert_eq!(settings.dynamodb_credentials, expected, "as for Kinesis");
            let mut effective = settings.effective();
            let shown = effective.find(|it| it.key == "AwsCredentialsProvider").unwrap();
            assert_eq!(shown.value, "ProfileCredentialsProvider|dev");
        }
        let own = settings(
            "dynamoDBCredentialsProvider.class = ProfileCredentialsProvider\n\
             dynamoDBCredentialsProvider.profileName = dev\n\
             AwsCredentialsProviderCloudWatch = ProfileCredentialsProvider|other\n\
             cloudWatchCredentialsProvider.profileName = dev",
        );
        assert_eq!(own.kinesis_credentials, [Provider::Default]);
        assert_eq!(own.dynamodb_credentials, expected);
        assert_eq!(own.metrics.cloudwatch.credentials, expected);
    }

    #[test]
    fn a_profile_of_a_provider_that_reads_none_is_an_error() {
        for (file, of) in [
            ("kinesisCredentialsProvider.profileName = dev", "AwsCredentialsProvider ="),
            ("dynamoDBCredentialsProvider.profileName = dev", "AwsCredentialsProviderDynamoDB ="),
        ] {
            let error = error(file);
            assert!(error.starts_with("line 5: ") && error.contains(of), "{error}");
        }
    }
}
