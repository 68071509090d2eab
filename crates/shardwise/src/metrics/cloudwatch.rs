//! Metrics to CloudWatch, under the names and dimensions that KCL gives them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use shardwise_core::metrics::buffer::{Buffer, Entry, Limits, Sending};
use shardwise_core::metrics::{Datum, Selection, Source, Unit};
use shardwise_core::time::Time;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, warn};

use super::MetricsSink;
use crate::clock::Clock;
use crate::error::with_causes;

/// How long one call may take. KCL: 5 s.
const CALL_TIME: Duration = Duration::from_secs(5);
/// How many metrics go with one call. The service takes 1,000 and bills the call; KCL sends 20.
const METRICS_PER_CALL: usize = 500;
/// The longest wait after calls that failed one after the other.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often it is warned of calls that fail.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What is sent, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The namespace. KCL: the application's name.
    pub namespace: String,
    /// Which metrics are sent, and what they are told apart by. Each one is paid for.
    pub selection: Selection,
    /// How long they are collected, and how many.
    pub limits: Limits,
}

/// A sink that sends what it takes in to CloudWatch, from a task of its own.
///
/// Numbers of the same metric and dimensions are sent as one set of their sum, minimum, maximum and
/// count. A call that fails is not made again: its numbers are lost, a warning says so once a
/// minute, and the next call waits longer, up to five minutes. Dropping the sink ends its task;
/// what was not flushed is lost.
///
/// The role needs the permission `cloudwatch:PutMetricData`.
pub struct CloudWatch {
    waiting: Arc<Waiting>,
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

/// What waits to be sent.
struct Waiting {
    buffer: Mutex<Buffer>,
    clock: Arc<dyn Clock>,
    /// Wakes the one task that sends, when it has to look again when to.
    changed: Notify,
}

impl CloudWatch {
    /// Starts the task that sends. Region, credentials, endpoint and HTTP client are those of
    /// `config`; retries and time limits are ours.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(config: &SdkConfig, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(CALL_TIME).build())
            .build();
        let waiting = Arc::new(Waiting {
            buffer: Mutex::new(Buffer::new(settings.selection, settings.limits)),
            clock,
            changed: Notify::new(),
        });
        let (flushes, asked) = mpsc::unbounded_channel();
        let sender = Sender {
            client: Client::from_conf(config),
            namespace: settings.namespace,
            interval: settings.limits.time,
            failures: 0,
            resume_at: waiting.clock.now(),
            waiting: Arc::clone(&waiting),
            lost: 0,
            warned_at: None,
        };
        tokio::spawn(sender.run(asked));
        Self { waiting, flushes }
    }
}

#[async_trait]
impl MetricsSink for CloudWatch {
    fn record(&self, source: Source<'_>, data: &[Datum]) {
        let now = self.waiting.clock.now();
        let mut buffer = self.waiting.buffer();
        let due = buffer.due();
        buffer.record(source, data, now);
        if buffer.due() != due {
            self.waiting.changed.notify_one();
        }
    }

    async fn flush(&self) {
        let (sent, is_sent) = oneshot::channel();
        if self.flushes.send(sent).is_ok() {
            // A task that is gone sends nothing.
            let _ = is_sent.await;
        }
    }
}

impl std::fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CloudWatch").field(&self.waiting.buffer()).finish()
    }
}

impl Waiting {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when something is to be sent.
    async fn due(&self) {
        loop {
            let due = self.buffer().due();
            let Some(due) = due else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = self.clock.sleep_until(due) => return,
            }
        }
    }
}

/// The task that sends.
struct Sender {
    client: Client,
    namespace: String,
    interval: Duration,
    waiting: Arc<Waiting>,
    /// How many calls have failed in a row.
    failures: u32,
    /// Before then only what is asked for is sent.
    resume_at: Time,
    /// How many numbers were lost since the last warning.
    lost: u64,
    warned_at: Option<Time>,
}

impl Sender {
    /// Sends whenever it is time to, or asked for, until nobody can ask any more.
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            let due = async {
                self.waiting.clock.sleep_until(self.resume_at).await;
                self.waiting.due().await;
            };
            let asked = tokio::select! {
                biased;
                asked = asked.recv() => match asked {
                    Some(asked) => Some(asked),
                    None => return,
                },
                () = due => None,
            };
            self.send().await;
            if let Some(asked) = asked {
                // Whoever asked may have stopped waiting.
                let _ = asked.send(());
            }
        }
    }

    async fn send(&mut self) {
        let Sending { entries, dropped } = {
            let now = self.waiting.clock.now();
            self.waiting.buffer().take(now)
        };
        if dropped > 0 {
            self.lose(dropped, "more metrics than may wait");
        }
        for entries in entries.chunks(METRICS_PER_CALL) {
            let data = entries.iter().map(datum).collect();
            let call = self.client.put_metric_data().namespace(&self.namespace);
            match call.set_metric_data(Some(data)).send().await {
                Ok(_) => {
                    debug!(metrics = entries.len(), "metrics sent");
                    self.failures = 0;
                }
                Err(error) => {
                    self.lose(count(entries), &with_causes(&error));
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
        if self.failures > 0 {
            let wait = self.interval.saturating_mul(2_u32.pow(self.failures.min(16)));
            self.resume_at = self.waiting.clock.now() + wait.min(LONGEST_WAIT);
        }
    }

    /// Warns of numbers that are lost: the first time, and then now and again.
    fn lose(&mut self, numbers: u64, why: &str) {
        self.lost = self.lost.saturating_add(numbers);
        let now = self.waiting.clock.now();
        if self.warned_at.is_some_and(|at| now.since(at) < WARNING_INTERVAL) {
            debug!(numbers, why, "metrics lost");
        } else {
            let numbers = std::mem::take(&mut self.lost);
            self.warned_at = Some(now);
            warn!(namespace = self.namespace, numbers, why, "metrics lost");
        }
    }
}

fn count(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.statistics.count).sum()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn datum(entry: &Entry) -> MetricDatum {
    let Entry { key, unit, statistics } = entry;
    let dimension = |(name, value): (super::Dimension, &str)| {
        Dimension::builder().name(name.name()).value(value).build()
    };
    let set = StatisticSet::builder()
        .sample_count(statistics.count as f64)
        .sum(statistics.sum)
        .minimum(statistics.min)
        .maximum(statistics.max)
        .build();
    MetricDatum::builder()
        .metric_name(key.name)
        .set_dimensions(Some(key.dimensions().map(dimension).collect()))
        .unit(match unit {
            Unit::Count => StandardUnit::Count,
            Unit::Bytes => StandardUnit::Bytes,
            Unit::Milliseconds => StandardUnit::Milliseconds,
        })
        .statistic_values(set)
        .build()
}
