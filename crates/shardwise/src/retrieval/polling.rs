//! Reading a shard with GetRecords: paced, and never further ahead than the buffer allows.

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::budget::Hold;
use shardwise_core::metrics::catalogue::{EXPIRED_ITERATOR, GET_RECORDS, GET_SHARD_ITERATOR};
use shardwise_core::shard::ChildShard;

use super::reading::{Missing, Reading, can_be};
use crate::clock::within;
use crate::kinesis::{Answer, KinesisError, Position, ShardIterator};

/// The shortest wait after a read that was throttled, or missed the shard: the service counts by
/// the second.
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Poller {
    reading: Reading,
    iterator: Option<ShardIterator>,
}

impl Poller {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading, iterator: None }
    }

    /// Reads until the shard's end.
    pub(super) async fn read(&mut self) {
        loop {
            let next = self.reading.rhythm.pacer().next();
            self.reading.ports.clock.sleep_until(next).await;
            self.reading.until_held().await;
            let room = self.reading.room().await;
            let children = match self.ask(self.reading.limit(&room)).await {
                Ok(answer) => self.accept(answer, room).await,
                Err(error) => {
                    drop(room);
                    self.recover(error).await
                }
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
    async fn ask(&mut self, limit: u32) -> Result<Answer, KinesisError> {
        if self.reading.retention_is_near() {
            self.drop_iterator();
        }
        let ports = self.reading.ports.clone();
        let rhythm = Arc::clone(&self.reading.rhythm);
        let time = self.reading.config.polling.request_timeout;
        let question = async {
            let iterator = match &self.iterator {
                Some(iterator) => iterator.clone(),
                None => {
                    let iterator = self.begin().await?;
                    self.iterator = Some(iterator.clone());
                    iterator
                }
            };
            rhythm.pacer().sends(ports.clock.now());
            let records = ports.kinesis.records(&iterator, limit);
            let Reading { metrics, shard, .. } = &self.reading;
            metrics.measured(&GET_RECORDS, Some(shard), records).await
        };
        within(&*ports.clock, time, question).await.unwrap_or_else(|| {
            let call = if self.iterator.is_some() { &GET_RECORDS } else { &GET_SHARD_ITERATOR };
            self.reading.metrics.timed_out(&self.reading.shard, call, time);
            Err(KinesisError::Unanswered("timed out".into()))
        })
    }

    /// Asks for an iterator where reading begins. Where that is a date to come it is the tip, but
    /// only if the date is to come still when the tip is known: records that are as new would be
    /// skipped otherwise.
    async fn begin(&mut self) -> Result<ShardIterator, KinesisError> {
        let position = self.reading.position();
        match self.reading.iterator(&position).await {
            Err(KinesisError::Invalid(_)) if self.reading.is_date_of_latest(&position) => {}
            begun => return begun,
        }
        let tip = self.reading.iterator(&Position::Latest).await?;
        match self.reading.iterator(&position).await {
            Err(KinesisError::Invalid(_)) => {
                self.reading.tell_of_tip();
                Ok(tip)
            }
            begun => begun,
        }
    }

    /// Takes an answer in; gives the child shards if it was the last one.
    async fn accept(&mut self, answer: Answer, room: Hold) -> Option<Vec<ChildShard>> {
        let is_end = answer.next.is_none();
        if let Err(error) = can_be(is_end, &answer.children) {
            self.fail_loudly(&error);
            return None;
        }
        let bytes: usize = answer.records.iter().map(|record| record.data.len()).sum();
        let behind = answer.millis_behind_latest;
        let now = self.reading.ports.clock.now();
        self.reading.rhythm.pacer().answered(bytes, behind.map(Duration::from_millis), now);
        self.reading.deliver(answer.records, room, behind, is_end).await;
        self.iterator = answer.next;
        is_end.then_some(answer.children)
    }

    /// Makes the best of a failed read; gives the child shards if the shard turns out to be gone.
    async fn recover(&mut self, error: KinesisError) -> Option<Vec<ChildShard>> {
        let text = error.to_string();
        match error {
            KinesisError::Expired => {
                self.reading.tell_of(&error);
                self.reading.metrics.tell(&[EXPIRED_ITERATOR.of(1.0)]);
                self.drop_iterator();
                self.fail(&text, Duration::ZERO);
            }
            KinesisError::Throttled => {
                self.reading.tell_of(&error);
                self.reading.rhythm.pacer().throttled(self.reading.ports.clock.now());
                self.reading.metrics.throttled(&self.reading.shard);
                self.fail(&text, SECOND);
            }
            KinesisError::NotFound(_) => {
                self.fail(&text, SECOND);
                match self.reading.look_for_shard().await {
                    Missing::Ended(children) => return Some(children),
                    Missing::Unclear => {}
                    // It may be the iterator that is of a stream which was there before.
                    Missing::Listed => self.drop_iterator(),
                }
            }
            KinesisError::Invalid(_) => {
                let error = match self.iterator {
                    None => self.reading.position_is_refused(error).await,
                    Some(_) => error,
                };
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
        self.reading.tell_of(error);
        self.fail(&error.to_string(), Duration::ZERO);
    }

    fn fail(&mut self, why: &str, at_least: Duration) {
        let patience = self.reading.rhythm.pacer().patience();
        let wait = self.reading.fail(why, patience).max(at_least);
        self.reading.rhythm.pacer().fails(wait, self.reading.ports.clock.now());
    }
}
