//! Reading a shard with GetRecords: paced, and never further ahead than the buffer allows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use shardwise_core::config::Config;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::{ChildShard, Shard};
use shardwise_core::time::Time;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::prefetch::Prefetch;
use super::user_records::UserRecords;
use super::{Batch, Fetched};
use crate::clock::within;
use crate::kinesis::{Answer, KinesisError, Position, ShardIterator};
use crate::shards;
use crate::status::Board;
use crate::worker::Ports;

/// Bytes a second that Kinesis delivers of one shard.
const READ_RATE: u32 = 2_000_000;
/// The longest wait after a read that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The wait after a throttled read: the service counts by the second.
const THROTTLED_WAIT: Duration = Duration::from_secs(1);

/// How long a shard must be neither found nor listed before it counts as gone: a list may be old.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// Reads one shard in a task of its own; dropping it stops the task.
#[derive(Debug)]
pub(crate) struct Reader {
    prefetch: Arc<Prefetch>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Starts at `position`, and delivers what `user_records` finds in what is read.
    pub(crate) fn start(
        ports: &Ports,
        config: &Arc<Config>,
        board: &Board,
        shard: &ShardId,
        user_records: UserRecords,
        position: Position,
    ) -> Self {
        let prefetch = Arc::new(Prefetch::new(&config.polling));
        let mut poller = Poller {
            ports: ports.clone(),
            config: Arc::clone(config),
            board: board.clone(),
            shard: shard.clone(),
            user_records,
            position,
            iterator: None,
            is_ahead: false,
            read_at: ports.clock.now(),
            failures: 0,
            gone_since: None,
            prefetch: Arc::clone(&prefetch),
        };
        let task = tokio::spawn(async move {
            while AssertUnwindSafe(poller.poll()).catch_unwind().await.is_err() {
                poller.drop_iterator();
                poller.fail("the reader panicked", THROTTLED_WAIT);
            }
        });
        Self { prefetch, task }
    }

    /// What comes next. After the end it never returns again.
    pub(crate) async fn next(&self) -> Fetched {
        self.prefetch.take().await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Poller {
    ports: Ports,
    config: Arc<Config>,
    board: Board,
    shard: ShardId,
    user_records: UserRecords,
    /// Where a new iterator begins.
    position: Position,
    iterator: Option<ShardIterator>,
    /// Whether the service takes the date to begin at for one that is to come.
    is_ahead: bool,
    /// Not before then may the next question be asked.
    read_at: Time,
    /// Reads that failed in a row.
    failures: u32,
    /// Since when the stream has neither found nor listed the shard.
    gone_since: Option<Time>,
    prefetch: Arc<Prefetch>,
}

impl Poller {
    /// Reads until the shard's end.
    async fn poll(&mut self) {
        loop {
            self.prefetch.room().await;
            self.ports.clock.sleep_until(self.read_at).await;
            let children = match self.read().await {
                Ok(answer) => self.accept(answer),
                Err(error) => self.recover(error).await,
            };
            if let Some(children) = children {
                self.prefetch.put(Fetched::End(children));
                return;
            }
        }
    }

    /// Asks once. An iterator that got no answer is kept: a new one at the tip would skip records.
    async fn read(&mut self) -> Result<Answer, KinesisError> {
        let (clock, kinesis) = (Arc::clone(&self.ports.clock), Arc::clone(&self.ports.kinesis));
        let config = Arc::clone(&self.config);
        let question = async {
            let iterator = match &self.iterator {
                Some(iterator) => iterator.clone(),
                None => {
                    let stream = &config.stream_name;
                    // Nothing is as new as a date that is to come: the tip is not behind it.
                    let position = if self.is_ahead { &Position::Latest } else { &self.position };
                    let iterator = kinesis.shard_iterator(stream, &self.shard, position).await?;
                    self.is_ahead = false;
                    self.iterator = Some(iterator.clone());
                    iterator
                }
            };
            kinesis.records(&iterator, config.polling.max_records).await
        };
        within(&*clock, config.polling.request_timeout, question)
            .await
            .unwrap_or_else(|| Err(KinesisError::Unanswered("timed out".into())))
    }

    /// Takes an answer in; gives the child shards if it was the last one.
    fn accept(&mut self, answer: Answer) -> Option<Vec<ChildShard>> {
        let children_named = answer.children.iter().all(|child| !child.parents.is_empty());
        let is_end = answer.next.is_none();
        if is_end == answer.children.is_empty() || !children_named {
            let (next, children) = (answer.next.is_some(), answer.children.len());
            warn!(shard = %self.shard, next, children, "malformed answer: asked again");
            self.fail("malformed answer", Duration::ZERO);
            return None;
        }
        self.failures = 0;
        self.gone_since = None;
        self.board.fetched(&LeaseKey::of(&self.shard), answer.millis_behind_latest);
        let bytes: usize = answer.records.iter().map(|record| record.data.len()).sum();
        if let Some(last) = answer.records.last() {
            self.position = Position::After(last.sequence_number.clone());
        }
        self.iterator = answer.next;
        let pause = self.config.polling.idle_time.max(time_to_deliver(bytes));
        self.read_at = self.ports.clock.now() + pause;

        let records = self.user_records.of(answer.records);
        if !records.is_empty() || (self.config.processor.call_for_empty_batches && !is_end) {
            let millis_behind_latest = answer.millis_behind_latest;
            self.prefetch.put(Fetched::Batch(Batch { records, millis_behind_latest }));
        }
        is_end.then_some(answer.children)
    }

    /// Makes the best of a failed read; gives the child shards if the shard turns out to be gone.
    async fn recover(&mut self, error: KinesisError) -> Option<Vec<ChildShard>> {
        let text = error.to_string();
        match error {
            KinesisError::Expired => {
                debug!(shard = %self.shard, "iterator expired");
                self.drop_iterator();
                self.fail(&text, Duration::ZERO);
            }
            KinesisError::Throttled => {
                debug!(shard = %self.shard, "read throttled");
                self.fail(&text, THROTTLED_WAIT);
            }
            KinesisError::NotFound(_) => {
                self.fail(&text, THROTTLED_WAIT);
                return self.children_if_gone().await;
            }
            KinesisError::Invalid(_) => {
                let is_at_date = matches!(self.position, Position::AtTimestamp(_));
                self.is_ahead = self.iterator.is_none()
                    && is_at_date
                    && *self.user_records.checkpoint() == Checkpoint::Latest;
                self.drop_iterator();
                self.fail_loudly(&error);
            }
            KinesisError::Refused(_) | KinesisError::InUse(_) | KinesisError::Unanswered(_) => {
                self.fail_loudly(&error);
            }
        }
        None
    }

    /// The next read begins with a new iterator, right behind what was read.
    fn drop_iterator(&mut self) {
        self.iterator = None;
    }

    fn fail_loudly(&mut self, error: &KinesisError) {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let in_a_row = self.failures + 1;
        warn!(shard = %self.shard, %error, source, in_a_row, "read failed");
        self.fail(&error.to_string(), Duration::ZERO);
    }

    fn fail(&mut self, why: &str, at_least: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.board.fetch_failed(&LeaseKey::of(&self.shard), why.to_owned());
        let idle_time = self.config.polling.idle_time;
        let doubled = idle_time.saturating_mul(2_u32.pow(self.failures.min(6) - 1));
        let pause = doubled.min(LONGEST_WAIT).max(at_least).max(idle_time);
        self.read_at = self.ports.clock.now() + pause;
    }

    /// A shard that cannot be found has ended only if the lists do not show it either, for a while.
    async fn children_if_gone(&mut self) -> Option<Vec<ChildShard>> {
        match shards::list_all(&self.ports, &self.config).await {
            Ok(listed) if listed.iter().all(|shard| shard.id != self.shard) => {
                let now = self.ports.clock.now();
                if now.since(*self.gone_since.get_or_insert(now)) < GONE_AFTER {
                    warn!(shard = %self.shard, "shard neither found nor listed: asked again");
                    return None;
                }
                warn!(shard = %self.shard, "shard is no longer kept by the stream: taken as ended");
                Some(listed.iter().filter_map(|shard| self.as_child(shard)).collect())
            }
            Ok(_) => {
                self.gone_since = None;
                warn!(shard = %self.shard, "shard not found, though the stream lists it");
                None
            }
            Err(error) => {
                warn!(shard = %self.shard, %error, "shard not found");
                None
            }
        }
    }

    fn as_child(&self, shard: &Shard) -> Option<ChildShard> {
        shard.parents().any(|parent| *parent == self.shard).then(|| ChildShard {
            id: shard.id.clone(),
            parents: shard.parents().cloned().collect(),
            hash_range: shard.hash_range,
        })
    }
}

/// How long the service takes for `bytes` of one shard at its rate.
fn time_to_deliver(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1) * (bytes / READ_RATE)
        + Duration::from_secs(1) * (bytes % READ_RATE) / READ_RATE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_keeps_to_the_rate_of_a_shard() {
        assert_eq!(time_to_deliver(0), Duration::ZERO);
        assert_eq!(time_to_deliver(1_000_000), Duration::from_millis(500));
        assert_eq!(time_to_deliver(10_000_000), Duration::from_secs(5));
    }
}
