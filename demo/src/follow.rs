//! What the children were handed, read from their journals while they write them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::feed::{Total, Totals};

/// Follows the journals in a directory.
#[derive(Debug)]
pub struct Follow {
    directory: PathBuf,
    /// How far each file is read.
    read_to: HashMap<PathBuf, u64>,
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
            read_to: HashMap::new(),
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
        let read_to = self.read_to.get(path).copied().unwrap_or(0);
        let mut file = File::open(path).map_err(Error::file(path))?;
        file.seek(SeekFrom::Start(read_to)).map_err(Error::file(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file(path))?;
        // A line without its end is still being written.
        let complete = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..complete].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let said = |_| Error::Said {
                program: path.display().to_string(),
                line: String::from_utf8_lossy(line).into_owned(),
            };
            self.take(serde_json::from_slice(line).map_err(said)?);
        }
        let complete = u64::try_from(complete).expect("a file's length fits into 64 bits");
        self.read_to.insert(path.to_owned(), read_to + complete);
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
