//! The one table of all keys: Java's, KCL 1.x's, and our own.
//!
//! `docs/properties.md` shows the same table; a test of the daemon compares the two.

mod coordination;
mod metrics;
mod own;
mod processing;
mod start;

use std::time::Duration;

use super::settings::Draft;
use crate::credentials::Provider;

/// One key of the properties file.
#[derive(Debug)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// What its value looks like.
    pub form: &'static str,
    /// The value that holds when the key is absent; a dash if there is none.
    pub default: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// What it does, or why it does nothing.
    pub note: &'static str,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It sets something.
    Honoured(Takes),
    /// It changes nothing here, and nothing that is delivered.
    NoEffect,
    /// What it asks for is not built yet; leaving it out delivers the same records.
    NotBuilt,
    /// It cannot be honoured, and passing over it would change what happens.
    Refused,
}

impl Fate {
    /// The word that the page of all keys uses for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Honoured(_) => "honoured",
            Self::NoEffect => "no effect",
            Self::NotBuilt => "not built yet",
            Self::Refused => "error",
        }
    }
}

pub(super) type Set<T> = fn(&mut Draft, T);

/// How a value is read, and what it sets.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A program and its arguments.
    Command(Set<Vec<String>>),
    /// Text, without the white space at its end.
    Text(Set<String>),
    /// A list as text, which may be empty.
    List(Set<String>),
    /// A region's name.
    Region(Set<String>),
    /// A whole number; 0 is the same as absent.
    Count(Set<u32>),
    /// A whole number, 0 included.
    CountFromZero(Set<u32>),
    /// A whole number; 0 and less mean that there is no limit.
    Limit(Set<u32>),
    /// A number of milliseconds; 0 is the same as absent.
    Millis(Set<Duration>),
    /// A number of milliseconds, 0 included.
    MillisFromZero(Set<Duration>),
    /// A number of seconds; 0 is the same as absent.
    Seconds(Set<Duration>),
    /// Seconds since the Unix epoch.
    EpochSeconds(Set<i64>),
    /// Yes or no.
    Flag(Set<bool>),
    /// One of these words.
    Choice(&'static [Word]),
    /// An `http://` or `https://` address.
    Endpoint(Set<String>),
    /// A list of credentials providers.
    Credentials(Set<Vec<Provider>>),
    /// `key=value` pairs.
    Tags(Set<Vec<(String, String)>>),
}

impl Takes {
    /// Whether an empty value can mean nothing but that there is none.
    pub(super) fn has_no_empty_value(&self) -> bool {
        match self {
            Self::Count(_)
            | Self::CountFromZero(_)
            | Self::Limit(_)
            | Self::Millis(_)
            | Self::MillisFromZero(_)
            | Self::Seconds(_)
            | Self::EpochSeconds(_)
            | Self::Flag(_)
            | Self::Choice(_) => true,
            Self::Command(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Region(_)
            | Self::Endpoint(_)
            | Self::Credentials(_)
            | Self::Tags(_) => false,
        }
    }
}

/// One of the words that a key takes, and what it sets.
#[derive(Debug)]
pub struct Word {
    /// The word; its case does not matter.
    pub text: &'static str,
    pub(super) set: fn(&mut Draft),
}

/// Keys that belong together.
#[derive(Debug)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// The keys.
    pub keys: &'static [Key],
}

/// Every key, section by section.
pub static SECTIONS: [Section; 8] = [
    Section { title: "What runs, and on which stream", keys: start::REQUIRED },
    Section { title: "AWS", keys: start::AWS },
    Section { title: "Retrieval", keys: processing::RETRIEVAL },
    Section { title: "Record processing", keys: processing::PROCESSING },
    Section { title: "Leases and coordination", keys: coordination::LEASES },
    Section { title: "Metrics", keys: metrics::KEYS },
    Section { title: "Features that are not built yet", keys: coordination::NOT_BUILT },
    Section { title: "Our own", keys: own::KEYS },
];

/// Another name of a key, and who knows it.
#[derive(Debug)]
pub struct Alias {
    /// The other name.
    pub name: &'static str,
    /// The name in the table.
    pub of: &'static str,
    /// Whether today's Java daemon passes over it without a word.
    pub ignored_by_java: bool,
}

/// Names that mean the same as another key.
pub static ALIASES: [Alias; 6] = [
    Alias { name: "workerIdentifier", of: "workerId", ignored_by_java: false },
    Alias {
        name: "skipShardSyncAtStartupIfLeasesExist",
        of: "skipShardSyncAtWorkerInitializationIfLeasesExist",
        ignored_by_java: true,
    },
    Alias {
        name: "timestampAtInitialPositionInStream",
        of: "initialPositionInStreamExtended",
        ignored_by_java: true,
    },
    Alias {
        name: "kinesisCredentialsProvider.class",
        of: "AwsCredentialsProvider",
        ignored_by_java: false,
    },
    Alias {
        name: "dynamoDBCredentialsProvider.class",
        of: "AwsCredentialsProviderDynamoDB",
        ignored_by_java: false,
    },
    Alias {
        name: "cloudWatchCredentialsProvider.class",
        of: "AwsCredentialsProviderCloudWatch",
        ignored_by_java: false,
    },
];

/// Prefixes below which Java has some flat keys a second time, and which.
pub const NESTED: [(&str, &[&str]); 5] = [
    (
        "pollingConfig.",
        &[
            "maxRecords",
            "idleTimeBetweenReadsInMillis",
            "millisBehindLatestThresholdForReducedTps",
            "retryGetRecordsInSeconds",
            "maxGetRecordsThreadPool",
        ],
    ),
    (
        "gracefulLeaseHandoffConfigBean.",
        &["gracefulLeaseHandoffTimeoutMillis", "isGracefulLeaseHandoffEnabled"],
    ),
    (
        "workerUtilizationAwareAssignmentConfigBean.",
        &[
            "inMemoryWorkerMetricsCaptureFrequencyMillis",
            "workerMetricsReporterFreqInMillis",
            "noOfPersistedMetricsPerWorkerMetrics",
            "disableWorkerMetrics",
            "maxThroughputPerHostKBps",
            "dampeningPercentage",
            "reBalanceThresholdPercentage",
            "allowThroughputOvershoot",
            "varianceBalancingFrequency",
            "workerMetricsEMAAlpha",
            "staleWorkerMetricsEntryCleanupDuration",
        ],
    ),
    (
        "workerMetricStatsTableConfigBean.",
        &[
            "workerMetricsTableName",
            "workerMetricsBillingMode",
            "workerMetricsReadCapacity",
            "workerMetricsWriteCapacity",
            "workerMetricsPointInTimeRecoveryEnabled",
            "workerMetricsDeletionProtectionEnabled",
            "workerMetricsTags",
        ],
    ),
    (
        "coordinatorStateTableConfigBean.",
        &[
            "coordinatorStateTableName",
            "coordinatorStateBillingMode",
            "coordinatorStateReadCapacity",
            "coordinatorStateWriteCapacity",
            "coordinatorStatePointInTimeRecoveryEnabled",
            "coordinatorStateDeletionProtectionEnabled",
            "coordinatorStateTags",
        ],
    ),
];

const CREDENTIALS: &str = "AwsCredentialsProvider";

/// What a spelling was found to mean.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The key.
    pub key: &'static Key,
    /// Whether today's Java daemon would pass over this spelling without a word.
    pub ignored_by_java: bool,
}

/// Every key of the table.
pub fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// Finds the key that `name` spells.
///
/// Java's rules: names are case-sensitive, but a name that begins with `awscredentialsprovider`
/// in any case is that key. KCL 1.x did not mind the case of the first letter; nor do we.
#[must_use]
pub fn find(name: &str) -> Option<Found> {
    let known = |key, ignored_by_java| Found { key, ignored_by_java };
    if let Some(key) = exact(name) {
        return Some(known(key, false));
    }
    if let Some(key) = credentials_name(name).and_then(|name| exact(&name)) {
        return Some(known(key, false));
    }
    if let Some(alias) = ALIASES.iter().find(|alias| alias.name == name) {
        return exact(alias.of).map(|key| known(key, alias.ignored_by_java));
    }
    let below = NESTED.iter().find_map(|(prefix, keys)| Some((name.strip_prefix(prefix)?, keys)));
    if let Some((flat, keys)) = below {
        return keys.contains(&flat).then(|| exact(flat).map(|key| known(key, false)))?;
    }
    let swapped = with_first_letter_swapped(name)?;
    let alias = ALIASES.iter().find(|alias| alias.name == swapped).map(|alias| alias.of);
    exact(alias.unwrap_or(&swapped)).map(|key| known(key, true))
}

/// The known name that is most like `name`, if one is like it at all.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    // Likeness takes time, and no known name is nearly so long.
    if name.len() > 100 {
        return None;
    }
    let lower = name.to_lowercase();
    let names = all().map(|key| key.name).chain(ALIASES.iter().map(|alias| alias.name));
    let likeness = |known: &str| strsim::jaro_winkler(&lower, &known.to_lowercase());
    let rated = names.map(|known| (likeness(known), known));
    let (likeness, best) = rated.max_by(|(left, _), (right, _)| left.total_cmp(right))?;
    (likeness > 0.85).then_some(best)
}

fn exact(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

fn credentials_name(name: &str) -> Option<String> {
    let (start, rest) = name.split_at_checked(CREDENTIALS.len())?;
    start.eq_ignore_ascii_case(CREDENTIALS).then(|| format!("{CREDENTIALS}{rest}"))
}

fn with_first_letter_swapped(name: &str) -> Option<String> {
    let first = name.chars().next().filter(char::is_ascii_alphabetic)?;
    let swapped = if first.is_ascii_lowercase() {
        first.to_ascii_uppercase()
    } else {
        first.to_ascii_lowercase()
    };
    Some(format!("{swapped}{}", &name[1..]))
}

const fn honoured(
    name: &'static str,
    form: &'static str,
    default: &'static str,
    takes: Takes,
    note: &'static str,
) -> Key {
    Key { name, form, default, fate: Fate::Honoured(takes), note }
}

const fn no_effect(name: &'static str, form: &'static str, note: &'static str) -> Key {
    Key { name, form, default: "-", fate: Fate::NoEffect, note }
}

const fn not_built(name: &'static str, form: &'static str, note: &'static str) -> Key {
    Key { name, form, default: "-", fate: Fate::NotBuilt, note }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name_of(spelling: &str) -> Option<&'static str> {
        find(spelling).map(|found| found.key.name)
    }

    #[test]
    fn no_name_is_in_the_table_twice() {
        let names = all().map(|key| key.name).chain(ALIASES.iter().map(|alias| alias.name));
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn every_alias_leads_to_a_key() {
        for alias in &ALIASES {
            assert!(exact(alias.of).is_some(), "{}", alias.name);
        }
    }

    #[test]
    fn the_credentials_keys_begin_in_any_case() {
        assert_eq!(name_of("AWSCredentialsProvider"), Some("AwsCredentialsProvider"));
        assert_eq!(
            name_of("awscredentialsproviderDynamoDB"),
            Some("AwsCredentialsProviderDynamoDB")
        );
        assert_eq!(name_of("AwsCredentialsProviderDynamoDb"), None);
    }

    #[test]
    fn a_first_letter_of_the_wrong_case_is_known_but_not_to_java() {
        for (spelling, name) in [
            ("DynamoDBEndpoint", "dynamoDBEndpoint"),
            ("MetricsLevel", "metricsLevel"),
            ("WorkerIdentifier", "workerId"),
        ] {
            let found = find(spelling).unwrap();
            assert_eq!(found.key.name, name);
            assert!(found.ignored_by_java);
        }
        assert!(!find("dynamoDBEndpoint").unwrap().ignored_by_java);
        assert_eq!(name_of("dynamodbEndpoint"), None);
    }

    #[test]
    fn nested_forms_are_the_flat_keys() {
        assert_eq!(name_of("pollingConfig.maxRecords"), Some("maxRecords"));
        assert_eq!(name_of("pollingConfig.foo"), None);
        assert_eq!(name_of("foo.maxRecords"), None);
        for (prefix, keys) in NESTED {
            for key in keys {
                assert_eq!(name_of(&format!("{prefix}{key}")), Some(*key));
            }
        }
    }

    #[test]
    fn below_a_prefix_java_has_only_keys_of_its_own() {
        for name in [
            "coordinatorStateTableConfigBean.tableName",
            "coordinatorStateTableConfigBean.streamName",
            "workerMetricStatsTableConfigBean.coordinatorStateTableName",
            "pollingConfig.retrievalMode",
            "pollingConfig.shardwise.logTo",
        ] {
            assert_eq!(name_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_typing_error_is_recognized() {
        assert_eq!(nearest("dynamodbEndpoint"), Some("dynamoDBEndpoint"));
        assert_eq!(nearest("failoverTimeMilis"), Some("failoverTimeMillis"));
        assert_eq!(nearest("fanOutConfig.consumerArn"), Some("fanoutConfig.consumerArn"));
        assert_eq!(nearest("zzz"), None);
        let longest = all().map(|key| key.name.len()).max();
        assert!(longest.is_some_and(|length| length < 80));
        assert_eq!(nearest(&"failoverTimeMillis".repeat(6)), None);
    }
}
