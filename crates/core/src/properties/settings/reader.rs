//! Fills settings, entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Draft, Level, SettingsError, Warning};
use crate::credentials::{self, Provider};
use crate::properties::keys::{self, Fate, Found, Key, Set, Takes};
use crate::properties::{Entry, values};

const YEAR_MILLIS: i64 = 365 * 24 * 3_600 * 1_000;
const NUMBER_MAX: i64 = 0x7fff_ffff;
/// As seconds since 1970 this is in the year 5138; as milliseconds, in 1973.
const MILLIS_FROM: i64 = 100_000_000_000;

const AT_THE_END: &str = "white space at the end left out; Java keeps it";

/// Fills a draft, entry by entry.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) draft: Draft,
    pub(super) warnings: Vec<Warning>,
    pub(super) lines: BTreeMap<&'static str, usize>,
    pub(super) values: BTreeMap<&'static str, String>,
    /// The keys that another one outweighs: which one, and what holds by it.
    pub(super) outweighed: BTreeMap<&'static str, (&'static str, String)>,
    /// Keys that today's Java daemon passes over as they are spelled.
    pub(super) ignored_by_java: BTreeSet<&'static str>,
    /// Keys whose number is 0, or empty.
    pub(super) zeros: BTreeSet<&'static str>,
    /// Unknown keys that look like a known one: the known one, the key, and its line.
    pub(super) misspelt: Vec<(&'static str, String, usize)>,
}

impl Reader {
    pub(super) fn warn(&mut self, entry: &Entry, level: Level, text: impl Into<String>) {
        let (key, line) = (entry.key.clone(), Some(entry.line));
        self.warnings.push(Warning { key, line, text: text.into(), level });
    }

    /// A warning of a key by its name in the table; it has a line if the key is in the file.
    pub(super) fn warn_of(&mut self, key: &'static str, text: &str) {
        self.say_of(key, Level::Warning, text);
    }

    /// A warning of each of these keys that says more than none would.
    pub(super) fn in_vain(&mut self, keys: &[&'static str], text: &str) {
        for key in keys {
            if self.values.contains_key(key) && !self.zeros.contains(key) {
                self.warn_of(key, text);
            }
        }
    }

    pub(super) fn say_of(&mut self, key: &'static str, level: Level, text: &str) {
        let line = self.lines.get(key).copied();
        let (key, text) = (key.to_owned(), text.to_owned());
        self.warnings.push(Warning { key, line, text, level });
    }

    pub(super) fn apply(&mut self, found: Found, entry: &Entry) -> Result<(), SettingsError> {
        let Key { name, fate, note, .. } = found.key;
        // Java reads an empty number as 0.
        if entry.value.trim().is_empty()
            || values::integer(&entry.value).is_some_and(|number| number.value == 0)
        {
            self.zeros.insert(name);
        } else {
            self.zeros.remove(name);
        }
        if found.ignored_by_java {
            let text = format!("read as `{name}`; KCL 2.x and 3.x ignore this spelling");
            self.warn(entry, Level::Warning, text);
            self.ignored_by_java.insert(name);
        } else {
            self.ignored_by_java.remove(name);
        }
        match fate {
            Fate::Honoured(takes) => {
                let shown = self.set(takes, entry)?;
                self.values.extend(shown.map(|shown| (*name, shown)));
                Ok(())
            }
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

    fn command(&mut self, entry: &Entry) -> Vec<String> {
        let text = entry.value.trim_end();
        // Blanks end a word in Java; other white space is a part of it.
        if text.len() != entry.value.trim_end_matches(' ').len() {
            self.warn(entry, Level::Warning, AT_THE_END);
        }
        split_command(text)
    }

    /// Sets what a key says, and tells how that is understood; nothing if it says the same as none.
    fn set(&mut self, takes: &Takes, entry: &Entry) -> Result<Option<String>, SettingsError> {
        let millis = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        let in_millis = |time: &Duration| time.as_millis().to_string();
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        if takes.has_no_empty_value() && entry.value.trim().is_empty() {
            // As a template leaves it whose variable is not set.
            return Ok(self.text(entry));
        }
        Ok(match takes {
            Takes::Command(set) => {
                let command = Some(self.command(entry));
                put(set, command, &mut self.draft, |command| command.join(" "))
            }
            Takes::Text(set) => put(set, self.text(entry), &mut self.draft, Clone::clone),
            Takes::List(set) => {
                let list = Some(entry.value.trim().to_owned());
                put(set, list, &mut self.draft, Clone::clone)
            }
            Takes::Region(set) => put(set, self.region(entry)?, &mut self.draft, Clone::clone),
            Takes::Count(set) => {
                let number = self.above_zero(entry, NUMBER_MAX)?.map(count);
                put(set, number, &mut self.draft, ToString::to_string)
            }
            Takes::CountFromZero(set) => {
                let number = count(self.integer(entry, 0, NUMBER_MAX)?);
                put(set, Some(number), &mut self.draft, ToString::to_string)
            }
            Takes::Limit(set) => put(set, self.limit(entry)?, &mut self.draft, ToString::to_string),
            Takes::Millis(set) => {
                let time = self.above_zero(entry, YEAR_MILLIS)?.map(millis);
                put(set, time, &mut self.draft, in_millis)
            }
            Takes::MillisFromZero(set) => {
                let time = millis(self.integer(entry, 0, YEAR_MILLIS)?);
                put(set, Some(time), &mut self.draft, in_millis)
            }
            Takes::Seconds(set) => {
                let seconds = self.above_zero(entry, YEAR_MILLIS / 1_000)?;
                let time = seconds.map(|seconds| millis(seconds * 1_000));
                put(set, time, &mut self.draft, |time| time.as_secs().to_string())
            }
            Takes::EpochSeconds(set) => {
                let number = self.integer(entry, 0, i64::MAX)?;
                if number >= MILLIS_FROM {
                    return Err(wrong(entry, "seconds since 1970 are needed, not milliseconds"));
                }
                put(set, Some(number), &mut self.draft, ToString::to_string)
            }
            Takes::Flag(set) => {
                put(set, Some(self.flag(entry)?), &mut self.draft, ToString::to_string)
            }
            Takes::Choice(words) => Some(self.choose(entry, words)?),
            Takes::Endpoint(set) => put(set, self.endpoint(entry)?, &mut self.draft, Clone::clone),
            Takes::Credentials(set) => {
                let names = |providers: &Vec<Provider>| {
                    providers.iter().map(Provider::name).collect::<Vec<_>>().join(", ")
                };
                put(set, Some(self.credentials(entry)?), &mut self.draft, names)
            }
            Takes::Tags(set) => {
                let tags = values::tags(&entry.value)
                    .map_err(|pair| wrong(entry, format!("`{pair}` is no `key=value` pair")))?;
                let shown = |tags: &Vec<(String, String)>| {
                    let pairs = tags.iter().map(|(key, value)| format!("{key}={value}"));
                    pairs.collect::<Vec<_>>().join(", ")
                };
                put(set, Some(tags), &mut self.draft, shown)
            }
        })
    }

    fn region(&mut self, entry: &Entry) -> Result<Option<String>, SettingsError> {
        let region = self.text(entry);
        if region.as_ref().is_some_and(|region| !values::is_region(region)) {
            return Err(wrong(entry, "a region is needed, such as `eu-central-1`"));
        }
        Ok(region)
    }

    /// Text without white space at its end; nothing if nothing is left.
    fn text(&mut self, entry: &Entry) -> Option<String> {
        let text = entry.value.trim();
        if text.is_empty() {
            self.warn(entry, Level::Warning, "empty: as if it were not there");
            return None;
        }
        if text.len() != entry.value.len() {
            self.warn(entry, Level::Warning, AT_THE_END);
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

    fn choose(&mut self, entry: &Entry, words: &[keys::Word]) -> Result<String, SettingsError> {
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
        Ok(word.text.to_owned())
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

pub(super) fn hidden(entry: &Entry, allowed: impl Into<String>) -> SettingsError {
    let (line, key) = (entry.line, entry.key.clone());
    SettingsError::Hidden { line, key, allowed: allowed.into() }
}

/// The program and its arguments: split at spaces only, as Java splits.
pub(super) fn split_command(text: &str) -> Vec<String> {
    text.split(' ').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
}

/// Sets a value if there is one, and says how it looks.
fn put<T>(
    set: &Set<T>,
    value: Option<T>,
    draft: &mut Draft,
    shown: impl FnOnce(&T) -> String,
) -> Option<String> {
    let value = value?;
    let text = shown(&value);
    set(draft, value);
    Some(text)
}
