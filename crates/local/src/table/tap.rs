//! The tap: what every write changed, for those who judge a run afterwards.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::{AttributeValue, Database};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tracing::error;

/// Which kind of write was made, whatever call brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum WriteKind {
    /// The whole item was replaced.
    PutItem,
    /// Some attributes were changed.
    UpdateItem,
    /// The item was removed.
    DeleteItem,
}

/// One write that was applied. As JSON it is a line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableWrite {
    /// Microseconds on the system's CLOCK_MONOTONIC, which processes can compare.
    #[serde(rename = "t")]
    pub at_micros: u64,
    /// The table written to.
    pub table: String,
    /// What was done.
    pub op: WriteKind,
    /// The item's `leaseKey`, if it has one of type string.
    pub key: Option<String>,
    /// The item before the write, in DynamoDB's JSON.
    pub before: Option<BTreeMap<String, AttributeValue>>,
    /// The item after it.
    pub after: Option<BTreeMap<String, AttributeValue>>,
}

/// An item that is about to be written.
pub(super) struct Target {
    table: String,
    op: WriteKind,
    key: HashMap<String, AttributeValue>,
    /// Whether the call has a token by which it may be the repetition of an earlier one.
    may_repeat: bool,
}

impl Target {
    pub(super) fn new(
        table: &str,
        op: WriteKind,
        key: Option<HashMap<String, AttributeValue>>,
    ) -> Option<Self> {
        Some(Self { table: table.to_owned(), op, key: key?, may_repeat: false })
    }

    pub(super) fn or_repeated(self, may_repeat: bool) -> Self {
        Self { may_repeat, ..self }
    }

    /// The item as it is now; a key that cannot be read has none.
    pub(super) fn read(&self, database: &Database) -> Option<BTreeMap<String, AttributeValue>> {
        let asked = GetItemRequest {
            table_name: self.table.clone(),
            key: self.key.clone(),
            consistent_read: Some(true),
            ..GetItemRequest::default()
        };
        let item = database.get_item(asked).ok()?.item?;
        Some(item.into_iter().collect())
    }
}

pub(super) struct Tap {
    seen: Box<dyn FnMut(&TableWrite) + Send>,
}

impl Tap {
    pub(super) fn new(seen: Box<dyn FnMut(&TableWrite) + Send>) -> Self {
        Self { seen }
    }

    pub(super) fn show(
        &mut self,
        target: Target,
        before: Option<BTreeMap<String, AttributeValue>>,
        after: Option<BTreeMap<String, AttributeValue>>,
    ) {
        // A repeated transaction is answered again but not applied again.
        if target.may_repeat && before == after {
            return;
        }
        let key = match target.key.get("leaseKey") {
            Some(AttributeValue::S(key)) => Some(key.clone()),
            Some(_) | None => None,
        };
        let Target { table, op, .. } = target;
        (self.seen)(&TableWrite { at_micros: monotonic_micros(), table, op, key, before, after });
    }
}

fn monotonic_micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    u64::try_from(micros).expect("a monotonic clock is not negative")
}

/// Opens a journal; what it returns appends one line a write, and leaves none half-written in
/// memory should the process be killed.
pub(super) fn journal(path: &Path) -> io::Result<impl FnMut(&TableWrite) + Send + use<>> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    Ok(move |write: &TableWrite| {
        let mut line = serde_json::to_vec(write).expect("keys are strings");
        line.push(b'\n');
        if let Err(error) = file.write_all(&line) {
            error!(%error, table = write.table, "journal line lost");
        }
    })
}
