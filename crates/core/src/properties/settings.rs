//! What the properties file sets: everything the daemon is told, or one error.

mod draft;
mod effective;
mod http;
mod known;
mod metrics;
mod reader;
mod retrieval;
mod services;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

pub use draft::Draft;
pub use effective::{Effective, Origin};
pub use http::{HttpDraft, HttpSettings};
pub use metrics::{CloudWatchSettings, MetricsDraft, MetricsSettings, MetricsTarget};
pub(in crate::properties) use services::{CLOUDWATCH_PROFILE, DYNAMODB_PROFILE, KINESIS_PROFILE};

use self::reader::Reader;
use super::SyntaxError;
use crate::config::Config;
use crate::credentials::{Provider, UnknownProvider};
use crate::id::WorkerId;
use crate::time::Timestamp;

/// Everything that the daemon is told by its properties file.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// The library's settings.
    pub config: Config,
    /// The child's program and its arguments; never empty.
    pub executable: Vec<String>,
    /// The region of Kinesis, if the file names one.
    pub kinesis_region: Option<String>,
    /// The region of DynamoDB, if the file names one.
    pub dynamodb_region: Option<String>,
    /// Where Kinesis is, if not at AWS.
    pub kinesis_endpoint: Option<String>,
    /// Where DynamoDB is, if not at AWS.
    pub dynamodb_endpoint: Option<String>,
    /// Which endpoints of Kinesis are used.
    pub kinesis_endpoint_kind: EndpointKind,
    /// Which endpoints of DynamoDB are used.
    pub dynamodb_endpoint_kind: EndpointKind,
    /// Where credentials for Kinesis come from; never empty.
    pub kinesis_credentials: Vec<Provider>,
    /// Where credentials for DynamoDB come from; never empty.
    pub dynamodb_credentials: Vec<Provider>,
    /// How children are treated.
    pub child: ChildSettings,
    /// How many children may work on records at the same time, if that is limited.
    pub max_calls: Option<NonZeroUsize>,
    /// Which metrics are sent, and where.
    pub metrics: MetricsSettings,
    /// How the daemon logs.
    pub log: LogSettings,
    /// Where the daemon can be asked how it is; nowhere if there is none.
    pub http: Option<HttpSettings>,
    /// What the file says in vain, or differently from what Java would understand.
    pub warnings: Vec<Warning>,
    /// Where each key stands that the file sets.
    lines: BTreeMap<&'static str, usize>,
    /// What each of them was understood to say; nothing where it says the same as none.
    values: BTreeMap<&'static str, String>,
    /// The keys that another one outweighs: which one, and what holds by it.
    outweighed: BTreeMap<&'static str, (&'static str, String)>,
}

/// Which of a service's endpoints are used, if the file says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointKind {
    /// Those that are validated for FIPS 140.
    pub fips: Option<bool>,
    /// Those that have IPv6 addresses too.
    pub dual_stack: Option<bool>,
    /// Those that have the account's id in their names.
    pub account_id: Option<AccountIdEndpoints>,
}

/// Whether endpoints are used that have the account's id in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountIdEndpoints {
    /// Where the credentials tell the id.
    Preferred,
    /// Never.
    Disabled,
    /// Always: without the id no call is made.
    Required,
}

/// How children are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildSettings {
    /// How long a child may take for each message it owes, if the file says so.
    pub response_timeout: Option<Duration>,
    /// The same for `processRecords` alone.
    pub process_records_timeout: Option<Duration>,
    /// What a failed child ends.
    pub on_failure: OnChildFailure,
    /// Which environment variables children get.
    pub environment: ChildEnvironment,
    /// How many shards a child may serve, if several are offered.
    pub shards_per_child: Option<NonZeroUsize>,
    /// How many lines of each pipe of a child are logged in a second, if it says; 0 is all.
    pub log_lines_per_second: Option<u32>,
}

impl ChildSettings {
    /// How many shards a child may serve.
    #[must_use]
    pub fn per_child(&self) -> NonZeroUsize {
        self.shards_per_child.unwrap_or(NonZeroUsize::MIN)
    }

    /// How many lines of each pipe of a child are logged in a second, at the most.
    #[must_use]
    pub fn logged_per_second(&self) -> u32 {
        match self.log_lines_per_second {
            None => 100,
            Some(0) => u32::MAX,
            Some(lines) => lines,
        }
    }
}

/// What a failed child ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChildFailure {
    /// Its own shard, until a new child has started at the last checkpoint.
    #[default]
    Restart,
    /// The daemon, as in Java.
    Exit,
}

/// Which environment variables children get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChildEnvironment {
    /// All that the daemon has.
    #[default]
    Inherit,
    /// Those that a program needs to run at all.
    Minimal,
    /// These.
    Names(Vec<String>),
}

/// How the daemon logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Where.
    pub to: LogTo,
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or a filter as in `RUST_LOG`.
    pub level: Option<String>,
}

/// Where the daemon logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTo {
    /// To stderr.
    #[default]
    Stderr,
    /// To stdout, as Java does.
    Stdout,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// How records are to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetrievalMode {
    /// Java's rule: polling if a key of polling is set, else fan-out.
    #[default]
    Default,
    /// GetRecords.
    Polling,
    /// SubscribeToShard.
    FanOut,
}

/// Something that the file says in vain, or that Java would understand differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key.
    pub key: String,
    /// Its line; none when it is the key's absence that matters.
    pub line: Option<usize>,
    /// What about it.
    pub text: String,
    /// Whether anybody needs to do anything about it.
    pub level: Level,
}

/// Whether anybody needs to do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// No.
    Note,
    /// Perhaps.
    Warning,
}

/// Why the file cannot be used: always one fact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file's syntax.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A value that cannot be.
    #[error("line {line}: `{key}` is `{value}`: {allowed}")]
    Wrong {
        /// Where it stands.
        line: usize,
        /// Its key.
        key: String,
        /// What stands there.
        value: String,
        /// What may stand there.
        allowed: String,
    },
    /// A value that cannot be, and may be a secret: it is not shown.
    #[error("line {line}: `{key}`: {allowed}")]
    Hidden {
        /// Where it stands.
        line: usize,
        /// Its key.
        key: String,
        /// What may stand there.
        allowed: String,
    },
    /// A credentials provider that nobody knows.
    #[error("line {line}: `{key}`: {source}")]
    Credentials {
        /// Where it stands.
        line: usize,
        /// Its key.
        key: String,
        /// Which one, and which are known.
        source: UnknownProvider,
    },
    /// A key that must be there.
    #[error("`{key}` is missing: {needed}{}", meant(.instead.as_ref()))]
    Missing {
        /// The key.
        key: &'static str,
        /// What is needed.
        needed: &'static str,
        /// An unknown key that looks like it, and its line.
        instead: Option<(String, usize)>,
    },
}

fn meant(instead: Option<&(String, usize)>) -> String {
    let meant = |(key, line): &(String, usize)| format!("; `{key}` in line {line} is unknown");
    instead.map(meant).unwrap_or_default()
}

impl DaemonSettings {
    /// Reads settings from the bytes of a file, at the time `now`. `generated` is the worker's name
    /// if the file has none.
    pub fn from_bytes(
        bytes: &[u8],
        generated: &WorkerId,
        now: Timestamp,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::default();
        for (found, entry) in reader.known(&super::parse(bytes)?)? {
            reader.apply(found, entry)?;
        }
        draft::finish(reader, generated, now)
    }

    /// Whether the file sets a key.
    #[must_use]
    pub fn sets(&self, key: &'static str) -> bool {
        self.lines.contains_key(key)
    }

    /// A key as a message names it: with its line, if the file sets it.
    #[must_use]
    pub fn place(&self, key: &'static str) -> String {
        match self.lines.get(key) {
            Some(line) => format!("line {line}: `{key}`"),
            None => format!("`{key}`"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
