//! DynamoDB by its JSON protocol, with dynoxide (SQLite in memory) behind it.

mod opening;
mod operation;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use dynoxide::Database;

use crate::http::Answer;
use crate::stream::Timestamp;
use opening::Opening;
use operation::CallError;
use tap::Tap;

pub use tap::{TableWrite, WriteKind};

/// What the `X-Amz-Target` header of every request begins with.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// Why the tables could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// The database in memory could not be opened.
    #[error("no database in memory")]
    Database(#[source] Box<dynoxide::DynoxideError>),
    /// The journal of writes could not be opened.
    #[error("journal `{path}` cannot be written")]
    Journal {
        /// Where it was to be.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A DynamoDB account in memory that answers JSON requests.
pub struct Tables {
    database: Database,
    tap: Option<Mutex<Tap>>,
    /// For each table asked about, whether its backups are on. dynoxide has no such calls.
    backups: Mutex<BTreeMap<String, bool>>,
    opening: Option<Mutex<Opening>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("tapped", &self.tap.is_some()).finish_non_exhaustive()
    }
}

impl Tables {
    /// An account without tables.
    pub fn new() -> Result<Self, TablesError> {
        let database =
            Database::memory().map_err(|error| TablesError::Database(Box::new(error)))?;
        Ok(Self { database, tap: None, backups: Mutex::default(), opening: None })
    }

    /// Keeps each new table in the state CREATING for that long.
    ///
    /// Calls that name several tables, and indexes added later, do not wait for it.
    #[must_use]
    pub fn creating_for(mut self, takes: Duration) -> Self {
        self.opening = (!takes.is_zero()).then(|| Mutex::new(Opening::new(takes)));
        self
    }

    /// Shows every write that is applied from now on, in the order in which they are.
    ///
    /// Writes are made one at a time then, each with a read before and after.
    #[must_use]
    pub fn tapped(mut self, seen: impl FnMut(&TableWrite) + Send + 'static) -> Self {
        self.tap = Some(Mutex::new(Tap::new(Box::new(seen))));
        self
    }

    /// Appends every write that is applied from now on to a file, as a line of JSON.
    pub fn journaled(self, path: &Path) -> Result<Self, TablesError> {
        let append = tap::journal(path)
            .map_err(|source| TablesError::Journal { path: path.display().to_string(), source })?;
        Ok(self.tapped(append))
    }

    /// Answers a request: the value of its `X-Amz-Target` header and its body.
    ///
    /// Every table is ACTIVE here, whatever [`creating_for`](Self::creating_for) said; only
    /// [`call_at`](Self::call_at) knows the time.
    pub fn call(&self, target: &str, body: &[u8]) -> Answer {
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        match self.run(operation, body) {
            Ok(body) => Answer::ok(body),
            Err(CallError::UnknownOperation) => {
                let message = format!("operation `{target}` is not known");
                Answer::error(400, "UnknownOperationException", &message)
            }
            Err(CallError::TableNotFound { table }) => {
                let message = format!("Table not found: {table}");
                Answer::error(400, "TableNotFoundException", &message)
            }
            Err(CallError::Serialization(message)) => {
                Answer::error(400, "SerializationException", &message)
            }
            Err(CallError::Database(error)) => {
                let name = error.error_type().rsplit('#').next().unwrap_or_default();
                let body = error.to_json().into_bytes();
                Answer { status: error.status_code(), error: Some(name.to_owned()), body }
            }
        }
    }

    /// Answers a request as [`call`](Self::call) does, by tables that take time to be created.
    pub fn call_at(&self, target: &str, body: &[u8], now: Timestamp) -> Answer {
        let Some(opening) = &self.opening else { return self.call(target, body) };
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or_default();
        let mut opening = opening.lock().expect("no call panics while it holds the lock");
        opening.answer(operation, body, || self.call(target, body), now)
    }

    fn tap(&self) -> Option<MutexGuard<'_, Tap>> {
        let tap = self.tap.as_ref()?;
        Some(tap.lock().expect("no call panics while it holds the lock"))
    }
}
