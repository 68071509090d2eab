//! Reading a shard with GetRecords: paced, and never further ahead than the buffer allows.

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::config::Config;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::{ChildShard, Shard};
use shardwise_core::time::Time;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::prefetch::Prefetch;
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

/// Reads one shard in a task of its own; dropping it stops the task.
#[derive(Debug)]
pub(crate) struct Reader {
    prefetch: Arc<Prefetch>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Starts right behind `checkpoint`; at the shard's end there is nothing to read.
    pub(crate) fn start(
        ports: &Ports,
        config: &Arc<Config>,
        board: &Board,
        shard: &ShardId,
        checkpoint: &Checkpoint,
    ) -> Option<Self> {
        let position = Position::of(checkpoint, config.initial_position)?;
        let prefetch = Arc::new(Prefetch::new(&config.polling));
        let poller = Poller {
            ports: ports.clone(),
            config: Arc::clone(config),
            board: board.clone(),
            shard: shard.clone(),
            checkpoint: checkpoint.clone(),
            position,
            iterator: None,
            read_at: ports.clock.now(),
            failures: 0,
            prefetch: Arc::clone(&prefetch),
        };
        Some(Self { prefetch, task: tokio::spawn(poller.poll()) })
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
    /// Records up to here are processed: they are not delivered again.
    checkpoint: Checkpoint,
    /// Where a new iterator begins.
    position: Position,
    iterator: Option<ShardIterator>,
    /// Not before then may the next question be asked.
    read_at: Time,
    /// Reads that failed in a row.
    failures: u32,
    prefetch: Arc<Prefetch>,
}

impl Poller {
    async fn poll(mut self) {
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

    async fn read(&mut self) -> Result<Answer, KinesisError> {
        let (clock, kinesis) = (&*self.ports.clock, &*self.ports.kinesis);
        let polling = &self.config.polling;
        let question = async {
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => {
                    let stream = &self.config.stream_name;
                    kinesis.shard_iterator(stream, &self.shard, &self.position).await?
                }
            };
            let answer = kinesis.records(&iterator, polling.max_records).await;
            if !matches!(answer, Err(KinesisError::Expired | KinesisError::Invalid(_))) {
                self.iterator = Some(iterator);
            }
            answer
        };
        within(clock, polling.request_timeout, question)
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
            self.fail(Duration::ZERO);
            return None;
        }
        self.failures = 0;
        self.board.fetched(&LeaseKey::of(&self.shard), answer.millis_behind_latest);
        let bytes: usize = answer.records.iter().map(|record| record.data.len()).sum();
        if let Some(last) = answer.records.last() {
            self.position = Position::After(last.sequence_number.clone());
        }
        self.iterator = answer.next;
        let pause = self.config.polling.idle_time.max(time_to_deliver(bytes));
        self.read_at = self.ports.clock.now() + pause;

        let mut records = answer.records;
        if records.first().is_some_and(|first| first.place() <= self.checkpoint) {
            records.retain(|record| record.place() > self.checkpoint);
        }
        if !records.is_empty() || (self.config.processor.call_for_empty_batches && !is_end) {
            let millis_behind_latest = answer.millis_behind_latest;
            self.prefetch.put(Fetched::Batch(Batch { records, millis_behind_latest }));
        }
        is_end.then_some(answer.children)
    }

    /// Makes the best of a failed read; gives the child shards if the shard turns out to be gone.
    async fn recover(&mut self, error: KinesisError) -> Option<Vec<ChildShard>> {
        match &error {
            KinesisError::Expired => {
                debug!(shard = %self.shard, "iterator expired");
                self.fail(Duration::ZERO);
            }
            KinesisError::Throttled => {
                debug!(shard = %self.shard, "read throttled");
                self.fail(THROTTLED_WAIT);
            }
            KinesisError::NotFound(_) => {
                self.fail(THROTTLED_WAIT);
                return self.children_if_gone().await;
            }
            KinesisError::Invalid(_)
            | KinesisError::Refused(_)
            | KinesisError::InUse(_)
            | KinesisError::Unanswered(_) => {
                self.fail(Duration::ZERO);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let in_a_row = self.failures;
                warn!(shard = %self.shard, %error, source, in_a_row, "read failed");
                self.board.fetch_failed(&LeaseKey::of(&self.shard), error.to_string());
            }
        }
        None
    }

    fn fail(&mut self, at_least: Duration) {
        self.failures = self.failures.saturating_add(1);
        let doubled = self.config.polling.idle_time * 2_u32.pow(self.failures.min(6) - 1);
        let pause = doubled.min(LONGEST_WAIT).max(at_least).max(self.config.polling.idle_time);
        self.read_at = self.ports.clock.now() + pause;
    }

    /// A shard that cannot be found has ended only if a fresh list does not show it either.
    async fn children_if_gone(&self) -> Option<Vec<ChildShard>> {
        match shards::list_all(&self.ports, &self.config).await {
            Ok(listed) if listed.iter().all(|shard| shard.id != self.shard) => {
                warn!(shard = %self.shard, "shard is no longer kept by the stream: taken as ended");
                Some(listed.iter().filter_map(|shard| self.as_child(shard)).collect())
            }
            Ok(_) => {
                warn!(shard = %self.shard, "shard not found, though the stream lists it");
                None
            }
            Err(error) => {
                warn!(shard = %self.shard, %error, "shard not found");
                self.board.fetch_failed(&LeaseKey::of(&self.shard), error.to_string());
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
