//! What holds in the end, key by key, and why.

use super::DaemonSettings;
use crate::properties::keys::{self, Fate, Key};

/// What holds of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The key, as the table of all keys names it.
    pub key: &'static str,
    /// What holds.
    pub value: String,
    /// Why.
    pub origin: Origin,
}

/// Why a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file says so, in this line.
    Line(usize),
    /// Another key says so.
    Key(&'static str),
    /// Another key says so, whatever this one says.
    By(&'static str),
    /// Nobody says anything else.
    Default,
}

impl DaemonSettings {
    /// What holds of every key that is honoured, in the order of the table of all keys.
    pub fn effective(&self) -> impl Iterator<Item = Effective> {
        let honoured = |key: &&Key| matches!(key.fate, Fate::Honoured(_));
        keys::all().filter(honoured).map(|key| self.effective_of(key))
    }

    fn effective_of(&self, key: &'static Key) -> Effective {
        if let Some((by, value)) = self.outweighed.get(key.name) {
            return Effective { key: key.name, value: value.clone(), origin: Origin::By(by) };
        }
        let says = (self.lines.get(key.name), self.values.get(key.name));
        if let (Some(line), Some(value)) = says {
            return Effective { key: key.name, value: value.clone(), origin: Origin::Line(*line) };
        }
        let quoted = key.default.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        match keys::all().find(|other| Some(other.name) == quoted) {
            Some(other) => {
                let value = self.effective_of(other).value;
                Effective { key: key.name, value, origin: Origin::Key(other.name) }
            }
            None => {
                let value = key.default.replace('`', "");
                Effective { key: key.name, value, origin: Origin::Default }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    fn of(more: &str, key: &str) -> (String, Origin) {
        let settings = settings(more);
        let found = settings.effective().find(|effective| effective.key == key).unwrap();
        (found.value, found.origin)
    }

    #[test]
    fn a_value_is_shown_as_it_is_understood() {
        for (line, key, shown) in [
            ("failoverTimeMillis = 0x400", "failoverTimeMillis", "1024"),
            ("maxRecords=1e3", "maxRecords", "1000"),
            ("initialPositionInStream = trim_horizon ", "initialPositionInStream", "TRIM_HORIZON"),
            ("cleanupLeasesUponShardCompletion = no", "cleanupLeasesUponShardCompletion", "false"),
            ("tableName = leases ", "tableName", "leases"),
            ("shardwise.leaseTable.tags = a=b, c=d", "shardwise.leaseTable.tags", "a=b, c=d"),
            ("timeoutInSeconds = 9", "timeoutInSeconds", "9"),
        ] {
            assert_eq!(of(line, key), (shown.to_owned(), Origin::Line(5)), "{line}");
        }
        assert_eq!(of("", "executableName"), ("node app.js".to_owned(), Origin::Line(1)));
    }

    #[test]
    fn what_says_the_same_as_nothing_is_the_default() {
        for line in ["", "failoverTimeMillis = 0"] {
            let default = ("10000".to_owned(), Origin::Default);
            assert_eq!(of(line, "failoverTimeMillis"), default, "{line}");
        }
        let collector = of("", "shardwise.otlpEndpoint").0;
        assert!(collector.ends_with("OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318"));
    }

    #[test]
    fn a_default_that_is_another_key_has_its_value() {
        let from = |key, value: &str| (value.to_owned(), Origin::Key(key));
        assert_eq!(of("", "tableName"), from("applicationName", "app"));
        let more = "shardwise.leaseTable.billing = provisioned\ninitialLeaseTableReadCapacity = 7";
        let expected = from("initialLeaseTableReadCapacity", "7");
        assert_eq!(of(more, "shardwise.leaseTable.readCapacity"), expected);
        let credentials = of("", "AwsCredentialsProviderDynamoDB");
        assert_eq!(credentials, from("AwsCredentialsProvider", "DefaultCredentialsProvider"));
    }

    #[test]
    fn what_another_key_outweighs_is_not_shown_as_if_it_held() {
        let arn = "streamArn = arn:aws:kinesis:eu-west-1:123456789012:stream/sample";
        assert_eq!(of(arn, "streamName").0, "sample");
        let date = "initialPositionInStream = LATEST\ninitialPositionInStreamExtended = 5";
        assert_eq!(of(date, "initialPositionInStream").0, "AT_TIMESTAMP");
        for (java, client) in [
            ("kinesisEndpoint", "kinesisClient.endpointOverride"),
            ("dynamoDBEndpoint", "dynamoDbClient.endpointOverride"),
        ] {
            let one = format!("{java} = https://a");
            assert_eq!(of(&one, client).0, "https://a");
            let other = format!("{client} = https://b");
            assert_eq!(of(&other, java).0, "https://b");
            assert_eq!(of(&format!("{one}\n{other}"), java).0, "https://b");
            assert_eq!(of(&format!("{other}\n{one}"), client).0, "https://a");
        }
    }

    #[test]
    fn no_secret_of_a_role_is_shown() {
        let value = "StsAssumeRoleCredentialsProvider|arn:aws:iam::1:role/r|me|externalId=hush";
        let line = format!("AwsCredentialsProviderDynamoDB = {value}");
        let (shown, _) = of(&line, "AwsCredentialsProviderDynamoDB");
        assert_eq!(shown, "StsAssumeRoleCredentialsProvider|arn:aws:iam::1:role/r");
    }
}
