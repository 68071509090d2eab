//! What the children were handed, read from their journals while they write them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::feed::{Total, Totals};
use crate::tail::Tail;

/// Follows the journals in a directory.
#[derive(Debug)]
pub struct Follow {
    directory: PathBuf,
    journals: HashMap<PathBuf, Tail>,
    /// Which rows were handed, by their numbers.
    is_handed: Vec<bool>,
    /// Hand-overs, repeated ones included.
    pub handed: usize,
    /// Different rows among them.
    pub distinct: usize,
    /// What the different rows add up to.
    pub totals: Totals,
    /// When the first record was handed to each worker's children, in microseconds.
    pub first_hand_t: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Line {
    e: String,
    t: u64,
    tenure: String,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    flight: (usize, String, i64, i64),
}

impl Follow {
    /// Follows journals of rows numbered below `rows`.
    #[must_use]
    pub fn new(directory: &Path, rows: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            journals: HashMap::new(),
            is_handed: vec![false; rows],
            handed: 0,
            distinct: 0,
            totals: Totals::new(),
            first_hand_t: BTreeMap::new(),
        }
    }

    /// Reads what was written since the last time.
    ///
    /// # Errors
    ///
    /// When a journal cannot be read, or says what it should not.
    pub fn poll(&mut self) -> Result<(), Error> {
        for entry in self.directory.read_dir().map_err(Error::file(&self.directory))? {
            let entry = entry.map_err(Error::file(&self.directory))?;
            if entry.file_name().to_string_lossy().starts_with("hand-") {
                self.read(&entry.path())?;
            }
        }
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<(), Error> {
        let journal = self.journals.entry(path.to_owned()).or_insert_with(|| Tail::new(path));
        for line in journal.lines()? {
            let parsed = serde_json::from_str(&line);
            let said = |_| Error::Said { program: path.display().to_string(), line };
            self.take(parsed.map_err(said)?);
        }
        Ok(())
    }

    fn take(&mut self, line: Line) {
        if line.e != "hand" {
            return;
        }
        self.handed += line.records.len();
        let worker = line.tenure.split('/').next().unwrap_or_default().to_owned();
        let first = self.first_hand_t.entry(worker).or_insert(line.t);
        *first = line.t.min(*first);
        for Record { flight: (row, origin, delay, distance) } in line.records {
            // A row beyond the last one was never put: the referee will say so.
            let Some(is_handed) = self.is_handed.get_mut(row) else { continue };
            if !std::mem::replace(is_handed, true) {
                self.distinct += 1;
                let total: &mut Total = self.totals.entry(origin).or_default();
                *total = total.with(delay, distance);
            }
        }
    }

    /// A row that was not handed, if there is one.
    #[must_use]
    pub fn missing(&self) -> Option<usize> {
        self.is_handed.iter().position(|is_handed| !is_handed)
    }
}
