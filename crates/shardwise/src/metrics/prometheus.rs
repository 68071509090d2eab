//! Metrics as text that Prometheus reads, for a page of your own.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardwise_core::id::ShardId;
use shardwise_core::metrics::totals::Totals;
use shardwise_core::metrics::{Datum, Selection, Source, prometheus};
use shardwise_core::time::{Time, Timestamp};

use super::MetricsSink;
use crate::clock::{Clock, SystemClock};

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
    kept: Mutex<Kept>,
    clock: SystemClock,
}

struct Kept {
    totals: Totals,
    /// What was told once, and when: what had been left by then will be left out.
    told: Option<(Time, Totals)>,
}

/// For how long at the least what has added up of a shard that the worker has no more is told: for
/// a few scrapes of each of several scrapers.
const LINGER: Duration = Duration::from_secs(300);

impl Prometheus {
    /// Keeps what is selected.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        let kept = Kept { totals: Totals::new(selection), told: None };
        Self { kept: Mutex::new(kept), clock: SystemClock::start() }
    }

    /// Everything as it is now, in the text format 0.0.4. What has added up of a shard that the
    /// worker has no more is in it for five minutes more, so that each of several scrapers has it.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_at(self.clock.now())
    }

    pub(crate) fn render_at(&self, now: Time) -> String {
        let told = self.kept().tell(now);
        prometheus::render(&told)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn tell(&mut self, now: Time) -> Totals {
        let told = self.totals.clone();
        let is_due = |since: Time| now.since(since) >= LINGER;
        match &self.told {
            Some((since, _)) if !is_due(*since) => {}
            Some((_, earlier)) => {
                self.totals.settle(earlier);
                self.told = Some((now, told.clone()));
            }
            None => self.told = Some((now, told.clone())),
        }
        told
    }
}

impl MetricsSink for Prometheus {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        // The text tells no date.
        self.kept().totals.record(source, data, Timestamp::from_millis(0));
    }

    fn begin(&self, shard: &ShardId) {
        self.kept().totals.begin(shard);
    }

    fn end(&self, shard: &ShardId) {
        self.kept().totals.end(shard);
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prometheus").field(&self.kept().totals).finish()
    }
}
