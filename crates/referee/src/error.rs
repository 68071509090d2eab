//! Why journals could not be read.

use std::path::PathBuf;
use std::{fmt, io};

/// Why journals could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file or directory could not be read.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what this journal holds.
    Line {
        /// In which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is no journal of a kind without which nothing can be judged.
    Missing {
        /// Where it was looked for.
        directory: PathBuf,
        /// How its file's name begins.
        prefix: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read `{}`", path.display()),
            Self::Line { path, line, .. } => {
                write!(f, "`{}` line {line} is no line of this journal", path.display())
            }
            Self::Missing { directory, prefix } => {
                write!(f, "`{}` holds no file `{prefix}*.jsonl`", directory.display())
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Line { source, .. } => Some(source),
            Self::Missing { .. } => None,
        }
    }
}
