//! Metrics as text that Prometheus reads, for a page of your own.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shardwise_core::id::ShardId;
use shardwise_core::metrics::totals::Totals;
use shardwise_core::metrics::{Datum, Selection, Source, prometheus};
use shardwise_core::time::Timestamp;

use super::MetricsSink;

/// What [`Prometheus::render`] gives, as the header `content-type`.
pub use shardwise_core::metrics::prometheus::CONTENT_TYPE;

/// A sink that keeps what it takes in, to be read as text. It serves nothing by itself.
///
/// What counts events rises for as long as the sink lives, whatever becomes of the worker; what is
/// about a shard is left out once the worker has it no more.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use shardwise::metrics::Selection;
/// use shardwise::metrics::prometheus::{CONTENT_TYPE, Prometheus};
///
/// let metrics = Arc::new(Prometheus::new(Selection::default()));
/// // worker.with_metrics(metrics.clone())
/// assert_eq!(metrics.render(), "", "nothing has happened yet");
/// assert!(CONTENT_TYPE.starts_with("text/plain; version=0.0.4"));
/// ```
pub struct Prometheus {
    totals: Mutex<Totals>,
}

impl Prometheus {
    /// Keeps what is selected.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self { totals: Mutex::new(Totals::new(selection)) }
    }

    /// Everything as it is now, in the text format 0.0.4. What has added up of a shard that the
    /// worker has no more is in it once more.
    #[must_use]
    pub fn render(&self) -> String {
        let told = {
            let mut totals = self.totals();
            let told = totals.clone();
            totals.settle(&told);
            told
        };
        prometheus::render(&told)
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetricsSink for Prometheus {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        // The text tells no date.
        self.totals().record(source, data, Timestamp::from_millis(0));
    }

    fn begin(&self, shard: &ShardId) {
        self.totals().begin(shard);
    }

    fn end(&self, shard: &ShardId) {
        self.totals().end(shard);
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prometheus").field(&self.totals()).finish()
    }
}
