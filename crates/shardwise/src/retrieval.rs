//! Getting records out of a shard, ahead of its processor and within bounds.
//!
//! A [`Reader`] runs one of two ways in a task of its own: [`polling`] asks for records, with
//! [`fan_out`] they are pushed. What both do alike is in [`reading`]; both end in [`prefetch`],
//! from where the shard consumer takes.

mod fan_out;
mod polling;
mod prefetch;
mod reading;
pub(crate) mod registration;
mod rhythm;
mod said;
pub(crate) mod user_records;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use shardwise_core::budget::{Hold, Share};
use shardwise_core::id::ShardId;
use shardwise_core::shard::ChildShard;
use tokio::task::JoinHandle;

use self::fan_out::Subscriber;
use self::polling::Poller;
use self::prefetch::Prefetch;
use self::reading::{Buffer, Reading};
pub(crate) use self::rhythm::Rhythm;
pub(crate) use self::said::Said;
use self::user_records::UserRecords;
use crate::consumer::Shared;
use crate::kinesis::{Position, Record};
use crate::tenure::Tenure;

/// What a reader delivers: batches in order, and at last the shard's end.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// Records; none only if empty batches are asked for.
    Batch(Batch),
    /// Nothing new, and how far behind the tip that was.
    Nothing(Option<u64>),
    /// The shard is read to its end; the shards that follow it.
    End(Vec<ChildShard>),
}

/// The records of one answer or event that are behind the checkpoint.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    pub(crate) millis_behind_latest: Option<u64>,
    /// Bytes of the same answer that the reader has in its hands until it has room for more.
    rest: usize,
    /// The bytes of the process's budget that all of this takes.
    hold: Hold,
}

impl Batch {
    pub(crate) fn new(
        records: Vec<Record>,
        millis_behind_latest: Option<u64>,
        rest: usize,
        hold: Hold,
    ) -> Self {
        let mut batch = Self { records, millis_behind_latest, rest, hold };
        batch.weigh();
        batch
    }

    /// The reader that had the rest of the answer is gone, and the rest with it.
    pub(crate) fn drop_rest(&mut self) {
        self.rest = 0;
        self.weigh();
    }

    /// Makes what it takes of the budget what its records, and the rest, take in memory.
    pub(crate) fn weigh(&mut self) {
        self.hold.resize(self.bytes() + self.rest);
    }

    /// Bytes that its records take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.records.iter().map(Record::footprint).sum()
    }
}

/// Reads one shard in a task of its own; dropping it stops the task.
#[derive(Debug)]
pub(crate) struct Reader {
    prefetch: Arc<Prefetch>,
    share: Arc<Share>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Starts at `position`, and delivers what `user_records` finds in what is read.
    pub(crate) fn start(
        shared: &Shared,
        shard: &ShardId,
        user_records: UserRecords,
        position: Position,
        rhythm: &Arc<Rhythm>,
        tenure: &Arc<Tenure>,
    ) -> Self {
        let prefetch = Arc::new(Prefetch::new(&shared.config.polling));
        let share = Arc::new(shared.budget.share(shared.config.polling.max_pending_bytes));
        let buffer = Buffer { prefetch: Arc::clone(&prefetch), share: Arc::clone(&share) };
        let (rhythm, tenure) = (Arc::clone(rhythm), Arc::clone(tenure));
        let reading = Reading::new(shared, shard, user_records, position, buffer, rhythm, tenure);
        let mut way = match &shared.registration {
            None => Way::Polling(Poller::new(reading)),
            Some(registration) => Way::FanOut(Subscriber::new(reading, Arc::clone(registration))),
        };
        let task = tokio::spawn(async move {
            while AssertUnwindSafe(way.read()).catch_unwind().await.is_err() {
                way.panicked();
            }
        });
        Self { prefetch, share, task }
    }

    /// Whether it has more of the byte budget than each shard may always have.
    pub(crate) fn has_borrowed(&self) -> bool {
        self.share.has_borrowed()
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

enum Way {
    Polling(Poller),
    FanOut(Subscriber),
}

impl Way {
    /// Reads until the shard's end.
    async fn read(&mut self) {
        match self {
            Self::Polling(poller) => poller.read().await,
            Self::FanOut(subscriber) => subscriber.read().await,
        }
    }

    fn panicked(&mut self) {
        match self {
            Self::Polling(poller) => poller.panicked(),
            Self::FanOut(subscriber) => subscriber.panicked(),
        }
    }
}
