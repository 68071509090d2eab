//! What users write: a [`RecordProcessor`], one for each shard; and the [`Checkpointer`] it gets.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use shardwise_core::checkpoint::{Decision, LastRecord, OutOfRange, Progress};
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::{Change, PendingCheckpoint};
use shardwise_core::sequence::Checkpoint;

use crate::error::with_causes;
use crate::kinesis::Record;
use crate::lease_table::TableError;
use crate::tenure::{Tenure, WriteError};

/// Processes the records of one shard.
///
/// A worker makes one processor for each shard it holds, and calls it from one task at a time: a
/// call begins when the one before it has returned. Delivery is at least once: after a failure,
/// or when another worker takes the shard over, records behind the last checkpoint come again.
///
/// A call that returns an error is made again after a back-off, or the processor is replaced by a
/// new one that starts at the last checkpoint ([`ProcessorError`] says which). Meanwhile this
/// shard waits and others go on. A panic counts as a request for a new processor.
#[async_trait]
pub trait RecordProcessor: Send {
    /// Tells which shard, and from where. The first call. After an error a new processor is made.
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError>;

    /// Hands a batch over. After an error the very same batch comes again.
    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError>;

    /// Tells that every record of the shard was processed. The processor must checkpoint before
    /// it returns, or the child shards never start; until it has, it is told again.
    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError>;

    /// Tells that the worker stops: the last chance to checkpoint.
    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        let _ = checkpointer;
        Ok(())
    }

    /// Tells that another worker may have the shard now. The last call.
    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }

    /// Returns when the processor has failed between two calls, as one that relies on another
    /// process does when that process dies; it is replaced then as after a failed call, whatever
    /// the error asks for. By default it never returns.
    ///
    /// It is waited for while the next batch is, and dropped when that comes: it must be safe to
    /// cancel.
    async fn failure(&mut self) -> ProcessorError {
        std::future::pending().await
    }
}

/// Makes the record processor of a shard.
pub type ProcessorFactory = dyn Fn(&ShardId) -> Box<dyn RecordProcessor> + Send + Sync;

/// What a processor is told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialize {
    /// Its shard.
    pub shard: ShardId,
    /// The last checkpoint: records come from right behind it.
    pub checkpoint: Checkpoint,
    /// A checkpoint that was prepared but not made, by this or an earlier worker.
    pub pending: Option<PendingCheckpoint>,
}

/// A batch of records.
#[derive(Debug)]
pub struct ProcessRecords<'a> {
    /// The records, in order.
    pub records: &'a [Record],
    /// How far the last of them is behind the shard's tip.
    pub millis_behind_latest: Option<u64>,
    /// 1 for a new batch, more when processing it has failed before.
    pub attempt: u32,
    /// Records progress.
    pub checkpointer: &'a Checkpointer,
}

/// Why a processor's call failed, and what should happen next.
///
/// It is made from any error by `?`, which asks for the same call again.
pub struct ProcessorError {
    source: Box<dyn Error + Send + Sync>,
    asks: Asks,
}

/// What a processor that did not do what it was called for asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// The same call again: it has failed.
    Again,
    /// A new processor.
    Anew,
    /// The same call, should it still be due: it was not begun.
    Later,
}

impl ProcessorError {
    /// Asks for the same call again, after a back-off.
    pub fn retry(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into(), asks: Asks::Again }
    }

    /// Asks for a new processor, which starts at the last checkpoint, after a back-off.
    pub fn restart(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into(), asks: Asks::Anew }
    }

    /// Says that the call was not begun, because the worker stops or the lease is lost. Nothing has
    /// failed, so it is no error in the log, and nothing is passed over.
    pub fn not_begun(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: why.into(), asks: Asks::Later }
    }

    /// Whether a new processor was asked for.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.asks == Asks::Anew
    }

    /// Whether nothing has failed.
    #[must_use]
    pub fn was_not_begun(&self) -> bool {
        self.asks == Asks::Later
    }

    /// What went wrong, with its causes. What is shown without them is less likely to quote what
    /// the processor was handed.
    #[must_use]
    pub fn with_causes(&self) -> String {
        with_causes(&*self.source)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ProcessorError {
    fn from(source: E) -> Self {
        Self::retry(source)
    }
}

impl fmt::Display for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl fmt::Debug for ProcessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// Records how far a shard is processed.
///
/// It belongs to one processor and one hold of the shard's lease: once the lease is lost or the
/// processor replaced, every checkpoint is refused with [`CheckpointError::LeaseLost`].
#[derive(Clone, Debug)]
pub struct Checkpointer {
    shared: Arc<Shared>,
    tries_again: bool,
}

#[derive(Debug)]
struct Shared {
    tenure: Arc<Tenure>,
    progress: Mutex<Progress>,
    one_at_a_time: tokio::sync::Mutex<()>,
    /// Its processor was replaced: the lease goes on without it.
    revoked: AtomicBool,
}

impl Checkpointer {
    pub(crate) fn new(tenure: Arc<Tenure>, stored: Checkpoint) -> Self {
        let progress = Mutex::new(Progress::new(stored));
        let one_at_a_time = tokio::sync::Mutex::new(());
        let revoked = AtomicBool::new(false);
        let shared = Arc::new(Shared { tenure, progress, one_at_a_time, revoked });
        Self { shared, tries_again: false }
    }

    /// The same checkpointer, which tries a checkpoint again that the lease table has turned down
    /// for load or left without an answer: up to nine times, with growing pauses, as long as that
    /// takes no more than a third of the failover time. Then, or once the lease is lost, the error
    /// is told as without.
    ///
    /// It is for those who can do nothing better meanwhile, as a child that waits for the answer.
    #[must_use]
    pub fn that_tries_again(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), tries_again: true }
    }

    /// Records that every record delivered so far is processed; at the shard's end, the shard.
    ///
    /// This covers the batch in hand: call it when that batch is done. A batch whose processing
    /// has failed, and which will come again, is not covered.
    ///
    /// # Errors
    ///
    /// As [`checkpoint_at`](Self::checkpoint_at).
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        self.make(None, LastRecord::IsTheEnd).await
    }

    /// Records that every record up to and including `place` is processed.
    ///
    /// A worker that takes the shard over starts right after it. This is one conditional write to
    /// the lease table, or none when the last checkpoint was there already. A future dropped
    /// half-way leaves open whether the write was made; the same checkpoint may be asked for
    /// again either way.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](CheckpointError::LeaseLost) when another worker may have the shard: stop, and
    /// write nothing more for it. Any other error leaves open whether the last checkpoint moved,
    /// but never moves it back; [`is_retryable`](CheckpointError::is_retryable) says whether
    /// another try can help.
    pub async fn checkpoint_at(&self, place: Checkpoint) -> Result<(), CheckpointError> {
        self.make(Some(place), LastRecord::IsTheEnd).await
    }

    /// As [`checkpoint_at`](Self::checkpoint_at), or without a place as
    /// [`checkpoint`](Self::checkpoint), of one who may not have been told of the shard's end: the
    /// last record is a record, and never stands for the end.
    ///
    /// # Errors
    ///
    /// As [`checkpoint_at`](Self::checkpoint_at).
    pub async fn checkpoint_records(
        &self,
        up_to: Option<Checkpoint>,
    ) -> Result<(), CheckpointError> {
        self.make(up_to, LastRecord::IsARecord).await
    }

    /// Stores, beside the last checkpoint, one that is about to be made at everything delivered,
    /// with `state`, the application's own bytes.
    ///
    /// It moves nothing. A processor that is initialized before it was confirmed is given both.
    ///
    /// # Errors
    ///
    /// As [`checkpoint_at`](Self::checkpoint_at).
    pub async fn prepare(
        &self,
        state: Option<Vec<u8>>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        self.prepare_place(None, state).await
    }

    /// As [`prepare`](Self::prepare), at `place`.
    ///
    /// # Errors
    ///
    /// As [`checkpoint_at`](Self::checkpoint_at).
    pub async fn prepare_at(
        &self,
        place: Checkpoint,
        state: Option<Vec<u8>>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        self.prepare_place(Some(place), state).await
    }

    /// The last checkpoint of this tenure.
    #[must_use]
    pub fn last(&self) -> Checkpoint {
        self.progress().last().clone()
    }

    /// The last record delivered so far, [`SHARD_END`](Checkpoint::ShardEnd) at the shard's end;
    /// where this tenure began if there was none.
    #[must_use]
    pub fn delivered(&self) -> Checkpoint {
        self.progress().delivered().clone()
    }

    /// Whether the end of the shard is checkpointed.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.progress().last().is_shard_end()
    }

    /// Whether the lease may still be relied on at this moment. A processor that waits for
    /// something before it begins with a batch asks again once it has waited.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.shared.revoked.load(Ordering::Acquire) && self.shared.tenure.is_held()
    }

    pub(crate) fn deliver(&self, place: Checkpoint) {
        self.progress().deliver(place);
    }

    pub(crate) fn settle(&self) {
        self.progress().settle();
    }

    pub(crate) fn fail(&self) {
        self.progress().fail();
    }

    pub(crate) fn reach_end(&self) {
        self.progress().reach_end();
    }

    /// Refuses everything from here on: another processor continues.
    pub(crate) fn revoke(&self) {
        self.shared.revoked.store(true, Ordering::Release);
    }

    async fn make(
        &self,
        place: Option<Checkpoint>,
        last_record: LastRecord,
    ) -> Result<(), CheckpointError> {
        let _turn = self.shared.one_at_a_time.lock().await;
        let Some(place) = self.decide(place, last_record)? else { return Ok(()) };
        let tenure = &self.shared.tenure;
        let mut tries = self.tries_again.then(|| tenure.tries());
        loop {
            let error = match tenure.write(Change::Checkpoint(place.clone())).await {
                Ok(()) => {
                    self.progress().written(place);
                    return Ok(());
                }
                Err(WriteError::Behind(stored)) => {
                    self.progress().written(stored);
                    let error = self.decide(Some(place), last_record).err();
                    return Err(error.unwrap_or_else(|| self.lost()));
                }
                Err(error) => self.failed(error),
            };
            let again = tries.as_mut().filter(|_| error.may_pass_by_itself());
            let Some(tries) = again else { return Err(error) };
            if !tenure.comes_again(tries).await {
                return Err(error);
            }
            if self.shared.revoked.load(Ordering::Acquire) {
                return Err(self.lost());
            }
        }
    }

    async fn prepare_place(
        &self,
        place: Option<Checkpoint>,
        state: Option<Vec<u8>>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        let _turn = self.shared.one_at_a_time.lock().await;
        let checkpointer = self.clone();
        let Some(place) = self.decide(place, LastRecord::IsTheEnd)? else {
            return Ok(PreparedCheckpoint { place: self.last(), checkpointer });
        };
        let pending = PendingCheckpoint { checkpoint: place.clone(), state };
        match self.shared.tenure.write(Change::Prepare(pending)).await {
            Ok(()) => Ok(PreparedCheckpoint { place, checkpointer }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The place to write, or nothing if the last checkpoint is there already.
    fn decide(
        &self,
        place: Option<Checkpoint>,
        last_record: LastRecord,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        if self.shared.revoked.load(Ordering::Acquire) {
            return Err(self.lost());
        }
        let lease = || self.shared.tenure.key().clone();
        match self.progress().decide(place, last_record) {
            Ok(Decision::AlreadyThere) => Ok(None),
            Ok(Decision::Write(place)) => Ok(Some(place)),
            Err(source) => Err(CheckpointError::OutOfRange { lease: lease(), source }),
        }
    }

    fn failed(&self, error: WriteError) -> CheckpointError {
        let lease = self.shared.tenure.key().clone();
        match error {
            WriteError::Lost | WriteError::Behind(_) => self.lost(),
            WriteError::Table(source) => CheckpointError::Table { lease, source },
        }
    }

    fn lost(&self) -> CheckpointError {
        CheckpointError::LeaseLost { lease: self.shared.tenure.key().clone() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A checkpoint that was prepared and can now be made.
#[derive(Clone, Debug)]
#[must_use = "a prepared checkpoint moves nothing until it is made"]
pub struct PreparedCheckpoint {
    place: Checkpoint,
    checkpointer: Checkpointer,
}

impl PreparedCheckpoint {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Checkpoint {
        &self.place
    }

    /// Makes it: an ordinary checkpoint at its place.
    ///
    /// # Errors
    ///
    /// As [`Checkpointer::checkpoint_at`]; a later checkpoint that has passed it refuses it.
    pub async fn checkpoint(self) -> Result<(), CheckpointError> {
        self.checkpointer.checkpoint_at(self.place).await
    }
}

/// Why a checkpoint was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Another worker may have the lease, and process again from the last checkpoint.
    #[error("lease `{lease}` is no longer held by this worker")]
    LeaseLost {
        /// The lease.
        lease: LeaseKey,
    },
    /// The place is behind the last checkpoint, or was never delivered to this processor.
    #[error("checkpoint of lease `{lease}` is out of range")]
    OutOfRange {
        /// The lease.
        lease: LeaseKey,
        /// Which place, and what would be allowed.
        source: OutOfRange,
    },
    /// The lease table did not answer, or turned the write down.
    #[error("lease table refused the checkpoint of lease `{lease}`")]
    Table {
        /// The lease.
        lease: LeaseKey,
        /// What the table said.
        source: TableError,
    },
}

impl CheckpointError {
    /// Whether the same checkpoint may succeed when tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::LeaseLost { .. } | Self::OutOfRange { .. } => false,
            Self::Table { source, .. } => {
                !matches!(source, TableError::Missing | TableError::Rejected(_))
            }
        }
    }

    /// Whether it says no more than that the table is busy or out of reach.
    fn may_pass_by_itself(&self) -> bool {
        match self {
            Self::LeaseLost { .. } | Self::OutOfRange { .. } => false,
            Self::Table { source, .. } => match source {
                TableError::Throttled | TableError::Unanswered(_) => true,
                TableError::Missing | TableError::Refused(_) | TableError::Rejected(_) => false,
            },
        }
    }

    /// The simple name of the exception that KCL throws for it, as the stdio protocol says it.
    #[must_use]
    pub fn java_name(&self) -> &'static str {
        match self {
            Self::LeaseLost { .. } => "ShutdownException",
            Self::OutOfRange { .. } => "IllegalArgumentException",
            Self::Table { source, .. } => match source {
                TableError::Missing => "InvalidStateException",
                TableError::Throttled => "ThrottlingException",
                TableError::Refused(_) | TableError::Rejected(_) | TableError::Unanswered(_) => {
                    "KinesisClientLibDependencyException"
                }
            },
        }
    }
}
