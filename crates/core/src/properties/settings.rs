//! What the properties file sets: everything the daemon is told, or one error.

mod draft;
mod known;
mod metrics;
mod retrieval;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

pub use draft::Draft;
pub use metrics::{CloudWatchSettings, MetricsDraft, MetricsSettings, MetricsTarget};

use super::keys::{self, Fate, Found, Key, Takes};
use super::{Entry, SyntaxError, values};
use crate::config::Config;
use crate::credentials::{self, Provider, UnknownProvider};
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
    /// What the file says in vain, or differently from what Java would understand.
    pub warnings: Vec<Warning>,
    /// Where each key stands that the file sets.
    lines: BTreeMap<&'static str, usize>,
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

const YEAR_MILLIS: i64 = 365 * 24 * 3_600 * 1_000;
const NUMBER_MAX: i64 = 0x7fff_ffff;
/// As seconds since 1970 this is in the year 5138; as milliseconds, in 1973.
const MILLIS_FROM: i64 = 100_000_000_000;

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

/// Fills a draft, entry by entry.
#[derive(Default)]
struct Reader {
    draft: Draft,
    warnings: Vec<Warning>,
    lines: BTreeMap<&'static str, usize>,
    /// Keys whose number is 0.
    zeros: BTreeSet<&'static str>,
    /// Unknown keys that look like a known one: the known one, the key, and its line.
    misspelt: Vec<(&'static str, String, usize)>,
}

impl Reader {
    fn warn(&mut self, entry: &Entry, level: Level, text: impl Into<String>) {
        let (key, line) = (entry.key.clone(), Some(entry.line));
        self.warnings.push(Warning { key, line, text: text.into(), level });
    }

    /// A warning of a key by its name in the table; it has a line if the key is in the file.
    fn warn_of(&mut self, key: &'static str, text: &str) {
        self.say_of(key, Level::Warning, text);
    }

    fn say_of(&mut self, key: &'static str, level: Level, text: &str) {
        let line = self.lines.get(key).copied();
        let (key, text) = (key.to_owned(), text.to_owned());
        self.warnings.push(Warning { key, line, text, level });
    }

    fn apply(&mut self, found: Found, entry: &Entry) -> Result<(), SettingsError> {
        let Key { name, fate, note, .. } = found.key;
        if values::integer(&entry.value).is_some_and(|number| number.value == 0) {
            self.zeros.insert(name);
        } else {
            self.zeros.remove(name);
        }
        if found.ignored_by_java {
            let text = format!("read as `{name}`; KCL 2.x and 3.x ignore this spelling");
            self.warn(entry, Level::Warning, text);
        }
        match fate {
            Fate::Honoured(takes) => self.set(takes, entry),
            Fate::NoEffect => {
                self.warn(entry, Level::Note, format!("no effect: {note}"));
                Ok(())
            }
            Fate::NotBuilt => {
                self.warn(entry, Level::Warning, format!("passed over: {note}"));
                Ok(())
            }
            Fate::Refused => Err(wrong(entry, *note)),
        }
    }

    fn set(&mut self, takes: &Takes, entry: &Entry) -> Result<(), SettingsError> {
        let millis = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        match takes {
            Takes::Command(set) => set(&mut self.draft, split_command(&entry.value)),
            Takes::Text(set) => {
                if let Some(text) = self.text(entry) {
                    set(&mut self.draft, text);
                }
            }
            Takes::Region(set) => {
                if let Some(region) = self.text(entry) {
                    if !values::is_region(&region) {
                        return Err(wrong(entry, "a region is needed, such as `eu-central-1`"));
                    }
                    set(&mut self.draft, region);
                }
            }
            Takes::Count(set) => {
                if let Some(number) = self.above_zero(entry, NUMBER_MAX)? {
                    set(&mut self.draft, u32::try_from(number).unwrap_or(u32::MAX));
                }
            }
            Takes::Limit(set) => {
                if let Some(number) = self.limit(entry)? {
                    set(&mut self.draft, number);
                }
            }
            Takes::Millis(set) => {
                if let Some(number) = self.above_zero(entry, YEAR_MILLIS)? {
                    set(&mut self.draft, millis(number));
                }
            }
            Takes::MillisFromZero(set) => {
                let number = self.integer(entry, 0, YEAR_MILLIS)?;
                set(&mut self.draft, millis(number));
            }
            Takes::Seconds(set) => {
                if let Some(number) = self.above_zero(entry, YEAR_MILLIS / 1_000)? {
                    set(&mut self.draft, millis(number * 1_000));
                }
            }
            Takes::EpochSeconds(set) => {
                let number = self.integer(entry, 0, i64::MAX)?;
                if number >= MILLIS_FROM {
                    return Err(wrong(entry, "seconds since 1970 are needed, not milliseconds"));
                }
                set(&mut self.draft, number);
            }
            Takes::Flag(set) => {
                let flag = self.flag(entry)?;
                set(&mut self.draft, flag);
            }
            Takes::Choice(words) => self.choose(entry, words)?,
            Takes::Endpoint(set) => {
                if let Some(url) = self.endpoint(entry)? {
                    set(&mut self.draft, url);
                }
            }
            Takes::Credentials(set) => {
                let providers = self.credentials(entry)?;
                set(&mut self.draft, providers);
            }
            Takes::Tags(set) => match values::tags(&entry.value) {
                Ok(tags) => set(&mut self.draft, tags),
                Err(pair) => {
                    let allowed = format!("`{pair}` is no `key=value` pair");
                    return Err(wrong(entry, allowed));
                }
            },
        }
        Ok(())
    }

    /// Text without white space at its end; nothing if nothing is left.
    fn text(&mut self, entry: &Entry) -> Option<String> {
        let text = entry.value.trim();
        if text.is_empty() {
            self.warn(entry, Level::Warning, "empty: as if it were not there");
            return None;
        }
        if text.len() != entry.value.len() {
            self.warn(entry, Level::Warning, "white space at the end left out; Java keeps it");
        }
        Some(text.to_owned())
    }

    fn integer(&mut self, entry: &Entry, least: i64, most: i64) -> Result<i64, SettingsError> {
        let allowed = || format!("a whole number from {least} to {most} is needed");
        let read = values::integer(&entry.value).ok_or_else(|| wrong(entry, allowed()))?;
        if !(least..=most).contains(&read.value) {
            return Err(wrong(entry, allowed()));
        }
        self.misread(entry, read.value, read.java_reads);
        Ok(read.value)
    }

    /// A number; nothing if it is 0, which Java cannot tell from an absent key.
    fn above_zero(&mut self, entry: &Entry, most: i64) -> Result<Option<i64>, SettingsError> {
        let number = self.integer(entry, 0, most)?;
        if number == 0 {
            self.warn(entry, Level::Warning, "0 is the same as leaving it out");
        }
        Ok((number != 0).then_some(number))
    }

    /// A number; nothing if it is 0 or less, which is how Java's users say that there is no limit.
    fn limit(&mut self, entry: &Entry) -> Result<Option<u32>, SettingsError> {
        let number = u32::try_from(self.integer(entry, -NUMBER_MAX, NUMBER_MAX)?);
        let number = number.ok().filter(|number| *number > 0);
        if number.is_none() {
            self.warn(entry, Level::Warning, "0 and less are the same as no limit");
        }
        Ok(number)
    }

    fn endpoint(&mut self, entry: &Entry) -> Result<Option<String>, SettingsError> {
        let Some(url) = self.text(entry) else { return Ok(None) };
        if values::endpoint(&url).is_some() {
            return Ok(Some(url));
        }
        let allowed = "an http:// or https:// address is needed";
        // What stands before an @ may be a password.
        Err(if url.contains('@') {
            hidden(entry, format!("{allowed}, without a user"))
        } else {
            wrong(entry, allowed)
        })
    }

    fn flag(&mut self, entry: &Entry) -> Result<bool, SettingsError> {
        let read = values::flag(&entry.value);
        let read = read.ok_or_else(|| wrong(entry, "`true` or `false` is needed"))?;
        self.misread(entry, read.value, read.java_reads);
        Ok(read.value)
    }

    fn misread(
        &mut self,
        entry: &Entry,
        ours: impl std::fmt::Display,
        java_reads: Option<&'static str>,
    ) {
        if let Some(java) = java_reads {
            self.warn(entry, Level::Warning, format!("read as {ours}; Java reads {java}"));
        }
    }

    fn choose(&mut self, entry: &Entry, words: &[keys::Word]) -> Result<(), SettingsError> {
        let text = entry.value.trim();
        let Some(word) = words.iter().find(|word| word.text.eq_ignore_ascii_case(text)) else {
            let known: Vec<_> = words.iter().map(|word| format!("`{}`", word.text)).collect();
            let hint = match text {
                "AT_TIMESTAMP" => "; a time is set by `initialPositionInStreamExtended`",
                _ => "",
            };
            return Err(wrong(entry, format!("one of {} is needed{hint}", known.join(", "))));
        };
        if text.len() != entry.value.len() {
            self.warn(entry, Level::Warning, "white space at the end left out; Java refuses it");
        }
        (word.set)(&mut self.draft);
        Ok(())
    }

    fn credentials(&mut self, entry: &Entry) -> Result<Vec<Provider>, SettingsError> {
        let failed = |source| {
            let (line, key) = (entry.line, entry.key.clone());
            SettingsError::Credentials { line, key, source }
        };
        let list = credentials::parse(&entry.value).map_err(failed)?;
        for note in list.notes {
            self.warn(entry, Level::Warning, note);
        }
        if list.providers.is_empty() {
            return Err(wrong(entry, credentials::needed()));
        }
        Ok(list.providers)
    }
}

fn wrong(entry: &Entry, allowed: impl Into<String>) -> SettingsError {
    SettingsError::Wrong {
        line: entry.line,
        key: entry.key.clone(),
        value: entry.value.clone(),
        allowed: allowed.into(),
    }
}

fn hidden(entry: &Entry, allowed: impl Into<String>) -> SettingsError {
    let (line, key) = (entry.line, entry.key.clone());
    SettingsError::Hidden { line, key, allowed: allowed.into() }
}

/// The program and its arguments: split at spaces only, as Java splits.
fn split_command(text: &str) -> Vec<String> {
    text.split(' ').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests;
