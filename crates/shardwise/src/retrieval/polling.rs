//! Reading a shard with GetRecords: paced, and never further ahead than the buffer allows.

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::shard::ChildShard;
use shardwise_core::time::Time;
use tracing::debug;

use super::reading::{Missing, Reading, can_be};
use crate::clock::within;
use crate::kinesis::{Answer, KinesisError, ShardIterator};

/// Bytes a second that Kinesis delivers of one shard.
const READ_RATE: u32 = 2_000_000;
/// The shortest wait after a read that was throttled, or missed the shard: the service counts by
/// the second.
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Poller {
    reading: Reading,
    iterator: Option<ShardIterator>,
    /// Not before then may the next question be asked.
    read_at: Time,
}

impl Poller {
    pub(super) fn new(reading: Reading) -> Self {
        let read_at = reading.ports.clock.now();
        Self { reading, iterator: None, read_at }
    }

    /// Reads until the shard's end.
    pub(super) async fn read(&mut self) {
        loop {
            self.reading.room().await;
            self.reading.ports.clock.sleep_until(self.read_at).await;
            let children = match self.ask().await {
                Ok(answer) => self.accept(answer),
                Err(error) => self.recover(error).await,
            };
            if let Some(children) = children {
                self.reading.end(children);
                return;
            }
        }
    }

    pub(super) fn panicked(&mut self) {
        self.drop_iterator();
        self.fail("the reader panicked", SECOND);
    }

    /// Asks once. An iterator that got no answer is kept: a new one at the tip would skip records.
    async fn ask(&mut self) -> Result<Answer, KinesisError> {
        let ports = self.reading.ports.clone();
        let config = Arc::clone(&self.reading.config);
        let question = async {
            let iterator = match &self.iterator {
                Some(iterator) => iterator.clone(),
                None => {
                    let (stream, shard) = (&config.stream_name, &self.reading.shard);
                    let position = self.reading.position();
                    let iterator = ports.kinesis.shard_iterator(stream, shard, &position).await?;
                    self.reading.position_is_taken();
                    self.iterator = Some(iterator.clone());
                    iterator
                }
            };
            ports.kinesis.records(&iterator, config.polling.max_records).await
        };
        within(&*ports.clock, config.polling.request_timeout, question)
            .await
            .unwrap_or_else(|| Err(KinesisError::Unanswered("timed out".into())))
    }

    /// Takes an answer in; gives the child shards if it was the last one.
    fn accept(&mut self, answer: Answer) -> Option<Vec<ChildShard>> {
        let is_end = answer.next.is_none();
        if let Err(error) = can_be(is_end, &answer.children) {
            self.fail_loudly(&error);
            return None;
        }
        let bytes: usize = answer.records.iter().map(|record| record.data.len()).sum();
        let pause = self.reading.config.polling.idle_time.max(time_to_deliver(bytes));
        self.read_at = self.reading.ports.clock.now() + pause;
        self.reading.deliver(answer.records, answer.millis_behind_latest, is_end);
        self.iterator = answer.next;
        is_end.then_some(answer.children)
    }

    /// Makes the best of a failed read; gives the child shards if the shard turns out to be gone.
    async fn recover(&mut self, error: KinesisError) -> Option<Vec<ChildShard>> {
        let text = error.to_string();
        match error {
            KinesisError::Expired => {
                debug!(shard = %self.reading.shard, "iterator expired");
                self.drop_iterator();
                self.fail(&text, Duration::ZERO);
            }
            KinesisError::Throttled => {
                debug!(shard = %self.reading.shard, "read throttled");
                self.fail(&text, SECOND);
            }
            KinesisError::NotFound(_) => {
                self.fail(&text, SECOND);
                if let Missing::Ended(children) = self.reading.look_for_shard().await {
                    return Some(children);
                }
            }
            KinesisError::Invalid(_) => {
                if self.iterator.is_none() {
                    self.reading.position_is_refused();
                }
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
        self.reading.warn_of(error);
        self.fail(&error.to_string(), Duration::ZERO);
    }

    fn fail(&mut self, why: &str, at_least: Duration) {
        let idle_time = self.reading.config.polling.idle_time;
        let wait = self.reading.fail(why, idle_time).max(at_least);
        self.read_at = self.reading.ports.clock.now() + wait;
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
