//! The journal of what was done to the system, and the counts of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shardwise_demo::clock::now_micros;
use shardwise_demo::error::Error;

use crate::proxy::Place;
use crate::proxy::fault::Fault;

/// A handle on the journal; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    counts: Counts,
}

/// What was done to requests.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests that could have met a fault.
    pub requests: usize,
    /// Requests of daemons that were cut off.
    pub cut_off: usize,
    /// Subscriptions that began, and those of them that broke off on their way.
    pub subscriptions: [usize; 2],
    /// Those that met a fault, by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// Faults of writes to the table that were applied without an answer, or late.
    pub ambiguous_writes: usize,
}

impl Journal {
    /// A new one, `faults.jsonl` in a directory.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub fn new(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("faults.jsonl");
        let file = File::create(&path).map_err(Error::file(&path))?;
        let inner = Inner { file, counts: Counts::default() };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// What was done to requests so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner().counts.clone()
    }

    pub(crate) fn requested(&self) {
        self.inner().counts.requests += 1;
    }

    pub(crate) fn cut_off(&self) {
        self.inner().counts.cut_off += 1;
    }

    pub(crate) fn subscribed(&self) {
        self.inner().counts.subscriptions[0] += 1;
    }

    pub(crate) fn broke_off(&self) {
        self.inner().counts.subscriptions[1] += 1;
    }

    pub(crate) fn fault(&self, place: &Place, operation: &str, fault: &Fault) {
        let mut inner = self.inner();
        *inner.counts.faults.entry(fault.kind()).or_default() += 1;
        let is_lost = matches!(
            fault,
            Fault::LostAnswer | Fault::LateApply(_) | Fault::CutAnswer | Fault::SlowAnswer(_)
        );
        inner.counts.ambiguous_writes += usize::from(is_lost && operation == "UpdateItem");
        inner.write(&json!({
            "t": now_micros(),
            "daemon": place.daemon + 1,
            "service": place.service.name(),
            "operation": operation,
            "fault": format!("{fault:?}"),
        }));
    }

    /// Something done to processes, streams or networks.
    pub fn act(&self, text: &str) {
        self.inner().write(&json!({ "t": now_micros(), "act": text }));
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn write(&mut self, line: &Value) {
        // The journal helps to understand a verdict; the verdict does not need it.
        drop(writeln!(self.file, "{line}"));
    }
}
