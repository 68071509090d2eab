//! What workers have in memory of records that are not processed yet (I33): by what the services
//! gave them and they have not dropped, and by what they count themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use shardwise::kinesis::Record;
use shardwise_core::budget::always;

use crate::node::Node;

/// Counts that a worker had more than it may.
pub(crate) const BEYOND: &str = "memory: beyond the byte budget";
/// What a record of the producer takes, at most: keys and data of some bytes.
const RECORD: usize = size_of::<Record>() + 128;

/// What a node was given of records' bytes, and has not dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(Arc<AtomicUsize>);

impl Given {
    /// A record's data that counts until the last part of it is dropped.
    pub(crate) fn lend(&self, data: Bytes) -> Bytes {
        let bytes = data.len() + size_of::<Record>();
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Bytes::from_owner(Lent { data, bytes, given: self.clone() })
    }

    /// How much that is.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Lent {
    data: Bytes,
    bytes: usize,
    given: Given,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.given.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What all workers of a run have and had.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The most that one ever had.
    pub(crate) most: usize,
    /// The largest batch that one was handed.
    batch: usize,
    /// For each of its shards, the most that one had beside its byte budget.
    beside: Option<Beside>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Beside {
    bytes: usize,
    worker: String,
}

impl Memory {
    /// A worker is handed so many records.
    pub(crate) fn hand(&mut self, node: &Node, budget: usize, records: usize) {
        self.batch = self.batch.max(records * RECORD);
        self.look_at(node, budget);
    }

    /// Notes what a worker has now.
    pub(crate) fn look_at(&mut self, node: &Node, budget: usize) {
        let has = node.used_bytes().max(node.given.bytes());
        self.note(&node.name, has, budget, node.shards());
    }

    fn note(&mut self, worker: &str, has: usize, budget: usize, shards: usize) {
        self.most = self.most.max(has);
        // First answers may have a quarter more.
        let within = budget.max(shards * always(budget)) + budget / 4;
        let bytes = has.saturating_sub(within).div_ceil(shards.max(1));
        self.beside = self.beside.take().max(Some(Beside { bytes, worker: worker.to_owned() }));
    }

    /// Who had more than it may: beside its byte budget, and a quarter of it for first answers, one
    /// batch of each shard, as an answer may turn out to be larger than what was reserved for it.
    pub(crate) fn beyond(&self) -> Option<&str> {
        let beside = self.beside.as_ref().filter(|beside| beside.bytes > self.batch)?;
        Some(&beside.worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_batch_of_each_shard_beside_the_budget_is_allowed_and_one_byte_more_is_not() {
        let beyond = |has: usize, shards: usize| {
            let mut memory = Memory { batch: 100, ..Memory::default() };
            memory.note("a", has, 4_000, shards);
            memory.note("b", 0, 4_000, shards);
            memory.beyond().map(str::to_owned)
        };
        assert_eq!([beyond(5_200, 2), beyond(5_201, 2)], [None, Some("a".to_owned())]);
        // What each shard may always have is more than the budget.
        assert_eq!([beyond(9_800, 8), beyond(9_801, 8)], [None, Some("a".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_has_what_it_was_given_until_the_last_part_of_it_is_dropped() {
        let node = Node::new(0, "a".to_owned(), tokio::time::Instant::now(), 0);
        let record = node.given.lend(Bytes::from(vec![7; 1_000]));
        let part = record.slice(10..20);
        drop(record);
        let mut memory = Memory::default();
        memory.look_at(&node, 100);
        assert_eq!((memory.most, part.len()), (1_000 + size_of::<Record>(), 10));
        assert_eq!(memory.beyond(), Some("a"), "whatever its worker counts, which is nothing");
        drop(part);
        assert_eq!(node.given.bytes(), 0);
    }
}
