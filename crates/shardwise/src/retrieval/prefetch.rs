//! The bounded buffer between a shard's reader and its processor.
//!
//! One side puts, one side takes. A full buffer holds the reader back, as does the process's byte
//! budget; that is all the back-pressure there is.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shardwise_core::config::PollingConfig;
use tokio::sync::Notify;

use super::Fetched;

#[derive(Debug)]
pub(super) struct Prefetch {
    queue: Mutex<Queue>,
    /// Wakes the one taker.
    filled: Notify,
    /// Wakes the one reader.
    drained: Notify,
    max_batches: usize,
    max_records: usize,
}

#[derive(Debug, Default)]
struct Queue {
    fetched: VecDeque<Fetched>,
    /// How many of them are more than the news that there is nothing new.
    batches: usize,
    records: usize,
}

impl Prefetch {
    pub(super) fn new(config: &PollingConfig) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            max_batches: config.max_pending_batches,
            max_records: config.max_pending_records,
        }
    }

    /// Returns once another answer may be fetched. An empty buffer always has room, so an answer
    /// of any size gets through.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            self.drained.notified().await;
        }
    }

    /// Puts it behind what waits. That there is nothing new waits once, as it was last.
    pub(super) fn put(&self, fetched: Fetched) {
        let mut queue = self.queue();
        let (batches, records) = size(&fetched);
        queue.batches += batches;
        queue.records += records;
        match queue.fetched.back_mut() {
            Some(last @ Fetched::Nothing(_)) if batches == 0 => *last = fetched,
            Some(_) | None => queue.fetched.push_back(fetched),
        }
        drop(queue);
        self.filled.notify_one();
    }

    pub(super) async fn take(&self) -> Fetched {
        loop {
            if let Some(fetched) = self.try_take() {
                self.drained.notify_one();
                return fetched;
            }
            self.filled.notified().await;
        }
    }

    fn has_room(&self) -> bool {
        let queue = self.queue();
        queue.batches == 0 || (queue.batches < self.max_batches && queue.records < self.max_records)
    }

    fn try_take(&self) -> Option<Fetched> {
        let mut queue = self.queue();
        let fetched = queue.fetched.pop_front()?;
        let (batches, records) = size(&fetched);
        queue.batches -= batches;
        queue.records -= records;
        Some(fetched)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much it counts as: in batches, and in records.
fn size(fetched: &Fetched) -> (usize, usize) {
    match fetched {
        Fetched::Batch(batch) => (1, batch.records.len()),
        Fetched::Nothing(_) => (0, 0),
        Fetched::End(_) => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use shardwise_core::budget::Budget;
    use shardwise_core::sequence::SequenceNumber;

    use super::super::Batch;
    use super::*;
    use crate::kinesis::Record;

    async fn batch(records: usize) -> Fetched {
        let record = Record {
            data: Bytes::new(),
            partition_key: None,
            explicit_hash_key: None,
            sequence_number: SequenceNumber::parse("1").unwrap(),
            sub_sequence_number: 0,
            approximate_arrival: None,
        };
        let hold = Budget::new(1 << 20).share(usize::MAX).reserve(1).await;
        let records = vec![record; records];
        Fetched::Batch(Batch::new(records, None, 0, hold))
    }

    fn prefetch(max_pending_batches: usize, max_pending_records: usize) -> Prefetch {
        Prefetch::new(&PollingConfig {
            max_pending_batches,
            max_pending_records,
            ..PollingConfig::default()
        })
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_bound_gets_through_an_empty_buffer() {
        let prefetch = prefetch(4, 10);
        assert!(prefetch.has_room());
        prefetch.put(batch(1_000).await);
        assert!(!prefetch.has_room());
        assert!(prefetch.try_take().is_some());
        assert!(prefetch.has_room());
    }

    #[tokio::test]
    async fn the_number_of_batches_is_bounded() {
        let prefetch = prefetch(2, usize::MAX);
        prefetch.put(batch(1).await);
        assert!(prefetch.has_room());
        prefetch.put(batch(1).await);
        assert!(!prefetch.has_room());
    }

    #[tokio::test]
    async fn nothing_new_waits_its_turn_once_and_takes_no_room() {
        let prefetch = prefetch(2, usize::MAX);
        prefetch.put(batch(1).await);
        prefetch.put(Fetched::Nothing(Some(7)));
        prefetch.put(Fetched::Nothing(Some(8)));
        assert!(prefetch.has_room());
        prefetch.put(batch(1).await);
        assert!(!prefetch.has_room());
        assert!(matches!(prefetch.try_take(), Some(Fetched::Batch(_))));
        assert!(matches!(prefetch.try_take(), Some(Fetched::Nothing(Some(8)))));
        assert!(matches!(prefetch.try_take(), Some(Fetched::Batch(_))));
        assert!(prefetch.has_room());
    }

    #[tokio::test]
    async fn taking_lets_a_waiting_reader_go_on() {
        let prefetch = Arc::new(prefetch(1, usize::MAX));
        prefetch.put(batch(1).await);
        let reader = tokio::spawn({
            let prefetch = Arc::clone(&prefetch);
            async move {
                prefetch.room().await;
                prefetch.put(Fetched::End(Vec::new()));
            }
        });
        assert!(matches!(prefetch.take().await, Fetched::Batch(_)));
        assert!(matches!(prefetch.take().await, Fetched::End(_)));
        reader.await.unwrap();
    }
}
