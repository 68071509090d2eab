//! What is known of a shard while it is read, whichever way: where to go on, and how it goes.

use std::sync::Arc;
use std::time::Duration;

use shardwise_core::budget::{self, Hold, Share};
use shardwise_core::config::Config;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::metrics::catalogue::GET_SHARD_ITERATOR;
use shardwise_core::retention::{Gap, Seen, Watch};
use shardwise_core::sequence::{Checkpoint, SequenceNumber};
use shardwise_core::shard::{ChildShard, Shard};
use shardwise_core::sync;
use shardwise_core::time::{Time, Timestamp};
use tracing::{debug, error, warn};

use super::prefetch::Prefetch;
use super::rhythm::Rhythm;
use super::user_records::{Unread, UserRecords};
use super::{Batch, Fetched};
use crate::clock::within;
use crate::consumer::Shared;
use crate::kinesis::{KinesisError, Position, Record, ShardIterator};
use crate::metrics::Metrics;
use crate::shards;
use crate::status::Board;
use crate::tenure::Tenure;
use crate::worker::Ports;

/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long a shard must be neither found nor listed before it counts as gone: a list may be old.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// How long a first read waits for those of other shards.
const FOR_OTHERS: Duration = Duration::from_secs(1);
/// How often a reader looks whether its lease, which was lost, is back.
const BACK: Duration = Duration::from_secs(1);
/// What lasts is told once in so many failures in a row: Java has six too.
const OFTEN: u32 = 6;
/// Bytes of a batch from which on no further record is taken apart for it.
const LARGEST_BATCH: usize = 16 << 20;

/// What the lists say of a shard that reading does not find.
pub(super) enum Missing {
    /// They show it.
    Listed,
    /// They do not show it, but not for long yet; or there was no list.
    Unclear,
    /// It has ended; the shards that follow it.
    Ended(Vec<ChildShard>),
}

pub(super) struct Reading {
    pub(super) ports: Ports,
    pub(super) config: Arc<Config>,
    pub(super) shard: ShardId,
    pub(super) metrics: Metrics,
    pub(super) rhythm: Arc<Rhythm>,
    tenure: Arc<Tenure>,
    board: Board,
    user_records: UserRecords,
    /// Behind all that was delivered.
    position: Position,
    watch: Watch,
    /// Failures in a row.
    failures: u32,
    /// Since when the stream has neither found nor listed the shard.
    gone_since: Option<Time>,
    buffer: Buffer,
}

/// Where what was read waits, and its part of the process's byte budget.
pub(super) struct Buffer {
    pub(super) prefetch: Arc<Prefetch>,
    pub(super) share: Arc<Share>,
}

/// Whether what came can be: a shard's end, and nothing else, has children, and they name their
/// parents.
pub(super) fn can_be(is_end: bool, children: &[ChildShard]) -> Result<(), KinesisError> {
    let are_named = children.iter().all(|child| !child.parents.is_empty());
    if is_end != children.is_empty() && are_named {
        return Ok(());
    }
    let is_end = if is_end { "an end" } else { "no end" };
    let children = children.len();
    let text =
        format!("malformed answer: {is_end} with {children} children, all named: {are_named}");
    Err(KinesisError::Unanswered(text.into()))
}

impl Reading {
    pub(super) fn new(
        shared: &Shared,
        shard: &ShardId,
        user_records: UserRecords,
        position: Position,
        buffer: Buffer,
        rhythm: Arc<Rhythm>,
        tenure: Arc<Tenure>,
    ) -> Self {
        let (checkpoint, now) = (user_records.checkpoint().clone(), shared.ports.clock.now());
        Self {
            ports: shared.ports.clone(),
            config: Arc::clone(&shared.config),
            shard: shard.clone(),
            metrics: shared.metrics.clone(),
            rhythm,
            tenure,
            board: shared.board.clone(),
            user_records,
            position,
            watch: Watch::new(shared.retention, checkpoint, now),
            failures: 0,
            gone_since: None,
            buffer,
        }
    }

    /// Returns while the lease is held. Once it is lost the shard is another worker's to read, also
    /// while the processor is still at its last call: that one would be throttled, or lose its
    /// subscription. A renewal that is answered late may bring the lease back.
    pub(super) async fn until_held(&self) {
        let clock = &self.ports.clock;
        while !self.tenure.is_held() {
            clock.sleep_until(clock.now() + BACK).await;
        }
    }

    /// Where to begin anew. What retention may have removed shows only where a record is asked for
    /// that was there.
    pub(super) fn position(&mut self) -> Position {
        let asked = self.watch.ask(self.ports.clock.now());
        asked.map_or_else(|| self.position.clone(), Position::At)
    }

    /// Whether retention may have come so far that reading has to begin anew to see it.
    pub(super) fn retention_is_near(&self) -> bool {
        self.watch.is_near(self.ports.clock.now())
    }

    /// Whether it is the date that LATEST stands for. It is a worker's, whose clock may be ahead: a
    /// service that calls it wrong takes it for one that is to come.
    pub(super) fn is_date_of_latest(&self, position: &Position) -> bool {
        let is_date = matches!(position, Position::AtTimestamp(_));
        is_date && *self.user_records.checkpoint() == Checkpoint::Latest
    }

    /// A new iterator at a position.
    pub(super) async fn iterator(&self, at: &Position) -> Result<ShardIterator, KinesisError> {
        let Self { ports, config, shard, rhythm, metrics, .. } = self;
        rhythm.pacer().sends(ports.clock.now());
        let iterator = ports.kinesis.shard_iterator(&config.stream_name, shard, at);
        metrics.measured(&GET_SHARD_ITERATOR, Some(shard), iterator).await
    }

    /// Whether the date that LATEST stands for is still to come for the service. If it is, nothing
    /// before a tip that was found earlier is as new.
    pub(super) async fn is_to_come(&self, date: &Position) -> Result<bool, KinesisError> {
        match self.iterator(date).await {
            Ok(_) => Ok(false),
            Err(KinesisError::Invalid(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Tells that reading begins at the tip: the date that LATEST stands for is to come.
    pub(super) fn tell_of_tip(&self) {
        warn!(shard = %self.shard,
            "the clock of whichever worker dated the lease is ahead of the stream's: LATEST is the \
             tip of this moment");
    }

    /// The service has called the position wrong; gives what is wrong. A number may be of a stream
    /// that was there before under this name.
    pub(super) async fn position_is_refused(&self, error: KinesisError) -> KinesisError {
        let place = match &self.position {
            Position::At(number) | Position::After(number) => Checkpoint::at(number.clone()),
            Position::TrimHorizon | Position::Latest | Position::AtTimestamp(_) => return error,
        };
        let listed = shards::list_all(&self.ports, &self.config).await.unwrap_or_default();
        let shard = listed.iter().find(|shard| shard.id == self.shard);
        match shard {
            Some(shard) if sync::is_of_another_stream(&place, shard) => {
                KinesisError::Invalid(shards::MADE_ANEW.to_owned())
            }
            Some(_) | None => error,
        }
    }

    /// Returns once there is room for more, with the bytes that may come. Of a first answer nothing
    /// is known: other first answers are waited for, but not for those that hang.
    pub(super) async fn room(&self) -> Hold {
        self.buffer.prefetch.room().await;
        let estimate = *self.rhythm.estimate();
        if estimate.is_unknown() {
            let first = self.buffer.share.reserve_first(estimate.bytes());
            if let Some(room) = within(&*self.ports.clock, FOR_OTHERS, first).await {
                return room;
            }
            return self.buffer.share.reserve(budget::BATCH).await;
        }
        self.buffer.share.reserve(estimate.bytes()).await
    }

    /// Returns once there is room for more of an answer that has come.
    async fn room_for_rest(&self) -> Hold {
        self.buffer.prefetch.room().await;
        let bytes = self.rhythm.estimate().bytes();
        self.buffer.share.reserve(bytes).await
    }

    /// Returns once there is room for an event, whose size nobody asks us for.
    pub(super) async fn room_for_event(&self) -> Hold {
        self.buffer.prefetch.room().await;
        self.buffer.share.reserve_all(budget::BATCH).await
    }

    /// How many records to ask for where so much is reserved.
    pub(super) fn limit(&self, room: &Hold) -> u32 {
        self.rhythm.estimate().limit(room.bytes())
    }

    /// Delivers what was read; reading goes on behind it. Whatever fails before it is delivered, it
    /// is read again. What turns out large when it is taken apart comes in batches, each of which
    /// waits for room.
    pub(super) async fn deliver(
        &mut self,
        records: Vec<Record>,
        mut room: Hold,
        millis_behind_latest: Option<u64>,
        is_end: bool,
    ) {
        let count = records.len();
        let came: usize = records.iter().map(Record::footprint).sum();
        let (mut total, mut rest, mut is_again) = (0, came, false);
        let mut records = records.into_iter().peekable();
        if let Some(first) = records.peek() {
            match self.watch.came(&first.sequence_number, self.ports.clock.now()) {
                Seen::Next | Seen::Kept { again: false } => {}
                Seen::Kept { again: true } => {
                    is_again = true;
                    rest -= records.next().map_or(0, |again| again.footprint());
                }
                Seen::Gone(gap) => self.tell_gap(gap, first.approximate_arrival),
            }
        }
        loop {
            let (mut batch, mut bytes, mut last) = (Vec::new(), 0, None);
            while bytes < LARGEST_BATCH
                && let Some(record) = records.next()
            {
                last = Some(record.sequence_number.clone());
                rest -= record.footprint();
                let before = batch.len();
                self.user_records.add(record, &mut batch);
                bytes += batch[before..].iter().map(Record::footprint).sum::<usize>();
            }
            let batch = Batch::new(batch, millis_behind_latest, rest, room);
            total += batch.bytes();
            let wants_empty = self.config.processor.call_for_empty_batches && !is_end;
            if !batch.records.is_empty() || wants_empty {
                self.buffer.prefetch.put(Fetched::Batch(batch));
            } else {
                self.buffer.prefetch.put(Fetched::Nothing(millis_behind_latest));
            }
            if let Some(last) = last {
                self.watch.read(last.clone());
                self.position = Position::After(last);
            }
            if records.peek().is_none() {
                break;
            }
            room = self.room_for_rest().await;
        }
        self.count_unread();
        let behind = millis_behind_latest.map(Duration::from_millis);
        self.watch.answered(behind, is_again && count == 1, self.ports.clock.now());
        let is_behind = millis_behind_latest.is_none_or(|millis| millis > 0);
        // What is left out came as well; what is taken apart may need more.
        self.rhythm.estimate().note(count, came.max(total), is_behind);
        self.metrics.read(&self.shard, self.failures);
        self.failures = 0;
        self.gone_since = None;
        self.board.fetched(&LeaseKey::of(&self.shard), millis_behind_latest);
    }

    /// Another subscription took the shard from ours.
    pub(super) fn subscription_taken(&self) {
        self.board.subscription_taken(&LeaseKey::of(&self.shard));
    }

    fn count_unread(&mut self) {
        let Unread { left_out, corrupt } = self.user_records.take_unread();
        let key = LeaseKey::of(&self.shard);
        if left_out > 0 {
            self.metrics.left_out(&self.shard, left_out);
            self.board.left_out(&key, left_out);
        }
        if corrupt > 0 {
            self.metrics.corrupt(&self.shard, corrupt);
            self.board.corrupt(&key, corrupt);
        }
    }

    /// Whatever comes, reading goes on behind `number`, unless what was read is behind it already.
    pub(super) fn go_on_after(&mut self, number: SequenceNumber) {
        if matches!(&self.position, Position::After(read) if *read >= number) {
            return;
        }
        if let Some(gap) = self.watch.passed(&number) {
            self.tell_gap(gap, None);
        }
        self.position = Position::After(number);
    }

    /// Delivers the shard's end.
    pub(super) fn end(&mut self, children: Vec<ChildShard>) {
        if let Some(gap) = self.watch.ended() {
            self.tell_gap(gap, None);
        }
        self.buffer.prefetch.put(Fetched::End(children));
    }

    /// Tells that records may be lost. Nobody can bring them back, so it is told once.
    fn tell_gap(&self, gap: Gap, arrived: Option<Timestamp>) {
        if !self.user_records.said().is_news(&gap) {
            return;
        }
        let Gap { after, before } = &gap;
        let (before, arrived_millis) = (before.as_ref(), arrived.map(Timestamp::as_millis));
        warn!(shard = %self.shard, %after, before = before.map(tracing::field::display),
            arrived_millis,
            "records between these places may have been removed by retention before they were \
             read, unless the shard was idle for that long: raise the stream's retention period, \
             or see why the shard is read so late");
        self.board.gap(&LeaseKey::of(&self.shard), gap);
        self.metrics.gap(&self.shard);
    }

    /// Failures since something was last delivered.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure, and gives how long to wait: `first`, and twice as long with each in a row.
    pub(super) fn fail(&mut self, why: &str, first: Duration) -> Duration {
        self.metrics.read_failed(&self.shard, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.board.fetch_failed(&LeaseKey::of(&self.shard), why.to_owned());
        let doubled = first.saturating_mul(2_u32.pow(self.failures.min(6) - 1));
        doubled.min(LONGEST_WAIT).max(first)
    }

    /// Tells of a failure that is about to be noted. What someone must mend, and throttling that
    /// does not end, is told now and again: it lasts.
    pub(super) fn tell_of(&self, error: &KinesisError) {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let (shard, in_a_row) = (&self.shard, self.failures + 1);
        let is_often = in_a_row.is_multiple_of(OFTEN);
        match error {
            KinesisError::Refused(_) if in_a_row == 1 || is_often => {
                error!(%shard, %error, in_a_row, "read refused: someone must allow it");
            }
            KinesisError::Throttled if is_often => {
                warn!(%shard, in_a_row, "read throttled: others read the shard too, or too fast");
            }
            KinesisError::Refused(_) | KinesisError::Throttled | KinesisError::Expired => {
                debug!(%shard, %error, in_a_row, "read failed");
            }
            KinesisError::NotFound(_)
            | KinesisError::Invalid(_)
            | KinesisError::InUse(_)
            | KinesisError::Unanswered(_) => {
                warn!(%shard, %error, source, in_a_row, "read failed");
            }
        }
    }

    /// A shard that cannot be found has ended only if the lists do not show it either, for a while.
    pub(super) async fn look_for_shard(&mut self) -> Missing {
        match shards::list_all(&self.ports, &self.config).await {
            Ok(listed) if listed.iter().all(|shard| shard.id != self.shard) => {
                let now = self.ports.clock.now();
                if now.since(*self.gone_since.get_or_insert(now)) < GONE_AFTER {
                    warn!(shard = %self.shard, "shard neither found nor listed: asked again");
                    return Missing::Unclear;
                }
                warn!(shard = %self.shard, "shard is no longer kept by the stream: taken as ended");
                let gap = self.watch.gone();
                self.tell_gap(gap, None);
                Missing::Ended(listed.iter().filter_map(|shard| self.as_child(shard)).collect())
            }
            Ok(_) => {
                self.gone_since = None;
                warn!(shard = %self.shard, "shard not found, though the stream lists it");
                Missing::Listed
            }
            Err(error) => {
                warn!(shard = %self.shard, %error, "shard not found");
                Missing::Unclear
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
