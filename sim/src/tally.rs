//! What happened, in numbers; and the running hash that tells two runs apart.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Write as _};
use std::hash::Hasher;
use std::time::Duration;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// One more.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Some more.
    pub fn add(&mut self, what: &'static str, how_many: u64) {
        *self.0.entry(what).or_default() += how_many;
    }

    /// How often.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Another run's counts on top.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, how_many)| self.add(what, *how_many));
    }

    /// All counts whose name begins so.
    pub fn beginning(&self, prefix: &str) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().filter(move |(what, _)| what.starts_with(prefix)).map(|(w, n)| (*w, *n))
    }
}

/// Something that went wrong, or that was done to the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, in microseconds, as in journals.
    pub t: u64,
    /// To which worker, or to which shards or row.
    pub whom: String,
    /// Its name among the counts.
    pub what: &'static str,
}

/// Everything that happened, line by line: as a hash, and as text if it is wanted.
pub struct Trace {
    hasher: DefaultHasher,
    line: String,
    events: u64,
    lines: Option<Vec<String>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

impl Trace {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            line: String::new(),
            events: 0,
            lines: keeps_lines.then(Vec::new),
        }
    }

    pub(crate) fn note(&mut self, at: Duration, who: &str, what: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{:>14.6} {who:<6} {what}", at.as_secs_f64()).expect("text grows");
        self.hasher.write(self.line.as_bytes());
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(self.line.clone());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many there were.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
