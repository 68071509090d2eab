//! A lease, and what each write of its owner makes of it.

use std::collections::BTreeSet;

use crate::id::{LeaseKey, ShardId, WorkerId};
use crate::sequence::Checkpoint;
use crate::shard::HashKeyRange;
use crate::time::Timestamp;

/// The row that binds a shard to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which shard.
    pub key: LeaseKey,
    /// Who holds it; nobody if absent.
    pub owner: Option<WorkerId>,
    /// Rises by one with every write of an owner: heartbeat and optimistic lock in one.
    pub counter: u64,
    /// How often it changed hands since the last checkpoint. Informational.
    pub owner_switches: u64,
    /// Up to where the shard is processed.
    pub checkpoint: Checkpoint,
    /// A checkpoint that was prepared but not yet made.
    pub pending: Option<PendingCheckpoint>,
    /// The shards that must end before this one starts.
    pub parents: BTreeSet<ShardId>,
    /// The shards that follow it; empty while not known.
    pub children: BTreeSet<ShardId>,
    /// The hash keys of the shard, where known.
    pub hash_range: Option<HashKeyRange>,
    /// Since when the lease is at LATEST, while it is: the date that LATEST stands for.
    pub latest_since: Option<Timestamp>,
    /// The worker that still processes while the lease is handed to its owner (KCL 3.x).
    pub checkpoint_owner: Option<WorkerId>,
}

/// A prepared checkpoint and what the application stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCheckpoint {
    /// The place that was prepared.
    pub checkpoint: Checkpoint,
    /// The application's own bytes.
    pub state: Option<Vec<u8>>,
}

/// What the owner of a lease may write to its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// I am alive.
    Renew,
    /// Everything up to here is processed. Ends a prepared checkpoint.
    Checkpoint(Checkpoint),
    /// A checkpoint is about to be made.
    Prepare(PendingCheckpoint),
    /// I give the lease up; anyone may take it.
    Release,
}

impl Lease {
    /// A lease that nobody has held yet.
    #[must_use]
    pub fn new(key: LeaseKey, checkpoint: Checkpoint) -> Self {
        Self {
            key,
            owner: None,
            counter: 0,
            owner_switches: 0,
            checkpoint,
            pending: None,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            hash_range: None,
            latest_since: None,
            checkpoint_owner: None,
        }
    }

    /// The worker that processes the shard: during a hand-off the old one.
    #[must_use]
    pub fn holder(&self) -> Option<&WorkerId> {
        self.checkpoint_owner.as_ref().or(self.owner.as_ref())
    }

    /// Whether its shard is done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.checkpoint.is_shard_end()
    }

    /// The same lease, with a date if it is at LATEST and has none.
    #[must_use]
    pub fn dated(mut self, now: Timestamp) -> Self {
        if self.checkpoint == Checkpoint::Latest {
            self.latest_since.get_or_insert(now);
        }
        self
    }

    /// The row once `change` is applied.
    #[must_use]
    pub fn after(&self, change: &Change) -> Self {
        let mut after = Self { counter: self.counter + 1, ..self.clone() };
        match change {
            Change::Renew => {}
            Change::Checkpoint(checkpoint) => {
                after.checkpoint = checkpoint.clone();
                after.pending = None;
                after.owner_switches = 0;
                after.latest_since =
                    after.latest_since.filter(|_| after.checkpoint == Checkpoint::Latest);
            }
            Change::Prepare(pending) => after.pending = Some(pending.clone()),
            Change::Release => after.owner = None,
        }
        after
    }

    /// The row once `worker` has taken it, at `now` by its date.
    #[must_use]
    pub fn taken_by(&self, worker: &WorkerId, now: Timestamp) -> Self {
        // As KCL 3.x counts; before it there is no checkpoint owner.
        let changes_hands = self.owner.as_ref().is_some_and(|owner| owner != worker)
            || self.checkpoint_owner.as_ref() == Some(worker);
        Self {
            counter: self.counter + 1,
            owner_switches: self.owner_switches + u64::from(changes_hands),
            owner: Some(worker.clone()),
            checkpoint_owner: None,
            ..self.clone().dated(now)
        }
    }

    /// Whether `row` is this very state: same owner, counter, checkpoint and prepared checkpoint.
    ///
    /// After a write whose answer was lost this, on a consistent read, is the only proof that the
    /// write was applied. Owner and counter alone prove nothing: an earlier write of the same
    /// tenure that arrives late leaves both as expected.
    #[must_use]
    pub fn is_proven_by(&self, row: &Self) -> bool {
        self.owner == row.owner
            && self.checkpoint_owner == row.checkpoint_owner
            && self.counter == row.counter
            && self.checkpoint == row.checkpoint
            && self.pending == row.pending
    }
}
