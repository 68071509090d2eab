//! What may be a secret is in no error and no warning, however it is shown.

use proptest::prelude::*;

use super::*;

/// A line of the file whose value has a secret in it.
fn line(place: usize, secret: &str) -> (&'static str, String) {
    match place {
        0 => ("kinesisCredentialsProvider.secretAccessKey", secret.to_owned()),
        1 => ("kinesisEndpoint", format!("http://user:{secret}@example.org")),
        2 => ("dynamoDBEndpoint", format!("https://{secret}@example.org")),
        3 => ("cloudWatchClient.endpointOverride", format!("https://a:{secret}@example.org/x")),
        4 => ("shardwise.otlpEndpoint", format!("https://user:{secret}@example.org")),
        5 => ("AwsCredentialsProvider", format!("MyProvider|AKIA|{secret}")),
        6 => ("AwsCredentialsProviderDynamoDB", format!("ProfileCredentialsProvider|a|{secret}")),
        7 => ("AwsCredentialsProviderCloudWatch", format!("Basic|{secret}|x")),
        _ => ("AwsCredentialsProvider", format!("EnvironmentVariableCredentialsProvider|{secret}")),
    }
}

proptest! {
    #[test]
    fn a_secret_of_a_file_is_shown_by_no_error_and_no_warning(
        place in 0_usize..9,
        secret in "zQ[A-Za-z0-9+/]{10,40}",
    ) {
        let (key, value) = line(place, &secret);
        match read(&format!("{key} = {value}")) {
            Err(error) => {
                let (told, shown) = (error.to_string(), format!("{error:?}"));
                prop_assert!(!told.contains(&secret) && !shown.contains(&secret), "{told} {shown}");
                prop_assert!(told.starts_with("line 5: ") && told.contains(key), "{told}");
            }
            Ok(settings) => {
                let shown = format!("{:?}", settings.warnings);
                prop_assert!(!shown.contains(&secret), "{shown}");
            }
        }
    }
}
