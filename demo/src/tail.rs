//! A file of lines, read while someone else writes it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Follows a file to which only ever lines are appended.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    read_to: u64,
}

impl Tail {
    /// Follows a file from its beginning.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read_to: 0 }
    }

    /// The lines that were completed since the last time.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn lines(&mut self) -> Result<Vec<String>, Error> {
        let mut file = File::open(&self.path).map_err(Error::file(&self.path))?;
        file.seek(SeekFrom::Start(self.read_to)).map_err(Error::file(&self.path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file(&self.path))?;
        // A line without its end is still being written.
        let complete = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.read_to += u64::try_from(complete).expect("a file's length fits into 64 bits");
        let lines = bytes[..complete].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }
}
