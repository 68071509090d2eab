//! SubscribeToShard: records as they are put, to a consumer that asks once.

use std::time::Duration;

use super::consumers::{ConsumerArn, ConsumerStatus};
use super::limits::{Bucket, READ_BYTES_PER_SECOND, tokens};
use super::reading::{Found, size_bytes};
use super::{
    ChildShard, Record, SequenceNumber, ServiceError, ShardId, StartingPosition, Stream, Streams,
    Timestamp,
};

/// The most records in one event, and the most bytes of data and partition keys unless its first
/// record has more. The service publishes no such figure: this is half a second of its rate.
const EVENT_RECORDS_MAX: usize = 2000;
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// How long a shard is idle before its subscribers get an event without records. Not documented;
/// clients have seen it, and Java's read timeout of 10 s relies on it.
const IDLE: Duration = Duration::from_secs(5);
/// How long after a successful call the next one for the same consumer and shard is refused.
const EXCLUSIVE: Duration = Duration::from_secs(5);
const SUBSCRIBES_PER_SECOND: i64 = 1;

/// A consumer's reading of one shard, to be asked for events until it ends.
#[derive(Debug)]
pub struct Subscription {
    stream: String,
    incarnation: u64,
    consumer: String,
    registration: u64,
    shard: ShardId,
    serial: u64,
    /// The index of the next record to send.
    index: u64,
    ends: Timestamp,
    /// When an event is due even if there is nothing to send.
    next_idle: Timestamp,
    bytes: Option<Bucket>,
    is_over: bool,
}

impl Subscription {
    /// The shard subscribed to.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.shard
    }
}

/// What a subscription has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// An event, and perhaps more at once.
    Event(SubscriptionEvent),
    /// Nothing before then, unless something is put or the shard is closed meanwhile.
    WaitUntil(Timestamp),
    /// Nothing any more.
    Ended,
}

/// One event of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// In the order of their sequence numbers.
    pub records: Vec<Record>,
    /// The number to go on after; none at the end of a closed shard.
    pub continuation: Option<SequenceNumber>,
    /// How old the last record sent is if more follow, and zero if none do.
    pub millis_behind_latest: u64,
    /// The children of the closed shard, exactly when there is no continuation.
    pub child_shards: Vec<ChildShard>,
}

/// The newest subscription of a consumer to a shard, and what is left of the rate of calls.
#[derive(Debug)]
pub(super) struct Subscribed {
    newest: Option<(u64, Timestamp)>,
    calls: Bucket,
}

impl Streams {
    /// Subscribes a consumer to a shard.
    ///
    /// An earlier subscription of the same consumer to the same shard ends with it.
    ///
    /// # Errors
    ///
    /// [`ServiceError::ResourceInUse`] within 5 s of an earlier success, and for a consumer that
    /// is not active.
    pub fn subscribe(
        &mut self,
        consumer_arn: &str,
        shard: ShardId,
        position: StartingPosition,
        now: Timestamp,
    ) -> Result<Subscription, ServiceError> {
        let now = self.advance(now);
        let ConsumerArn { stream, consumer, created_second } = ConsumerArn::parse(consumer_arn)?;
        let (limits, lifetime) = (self.settings.limits, self.settings.subscription_lifetime);
        let registration = self.registration(&stream, &consumer, created_second)?;
        let status = registration.status();
        let of = self.stream(&stream)?;
        of.require_records()?;
        if status != ConsumerStatus::Active {
            return Err(ServiceError::ResourceInUse(format!(
                "Consumer {consumer} with creation timestamp {created_second} under stream: \
                 {stream}, account {} is not in ACTIVE status.",
                of.account
            )));
        }
        of.admit_subscription(&consumer, shard, limits.calls, now)?;
        let index = of.start(shard, position, "SubscribeToShard", now)?;
        let incarnation = of.incarnation;
        self.serial += 1;
        let serial = self.serial;
        let registration = self.registration(&stream, &consumer, created_second)?;
        let subscribed = registration.subscribed.entry(shard);
        subscribed.or_insert_with(|| Subscribed::new(now)).newest = Some((serial, now));
        let registration = registration.serial;
        self.changed.extend([shard]);
        Ok(Subscription {
            stream,
            incarnation,
            consumer,
            registration,
            shard,
            serial,
            index,
            ends: now + lifetime,
            next_idle: now,
            bytes: limits.reads.then(|| Bucket::new(READ_BYTES_PER_SECOND, now)),
            is_over: false,
        })
    }

    /// What a subscription has to say now.
    ///
    /// # Errors
    ///
    /// [`ServiceError::ResourceInUse`] when another subscription has taken over, and
    /// [`ServiceError::ResourceNotFound`] when the consumer, the shard or the stream is gone. The
    /// subscription has ended with it.
    pub fn next_event(
        &mut self,
        subscription: &mut Subscription,
        now: Timestamp,
    ) -> Result<Pushed, ServiceError> {
        let now = self.advance(now);
        if subscription.is_over || subscription.ends <= now {
            return Ok(Pushed::Ended);
        }
        let pushed = self.push(subscription, now);
        subscription.is_over |= pushed.is_err();
        pushed
    }

    fn push(
        &mut self,
        subscription: &mut Subscription,
        now: Timestamp,
    ) -> Result<Pushed, ServiceError> {
        let stream = self.incarnation(&subscription.stream, subscription.incarnation)?;
        stream.require_subscribed(subscription)?;
        let full_again = subscription.full_until(now);
        if let Some(at) = full_again {
            return Ok(Pushed::WaitUntil(stream.next_turn(at.min(subscription.ends))));
        }
        let (shard, index) = (subscription.shard, subscription.index);
        let found = stream.read(shard, index, EVENT_RECORDS_MAX, EVENT_BYTES_MAX, now)?;
        let is_due = subscription.next_idle <= now;
        if found.records.is_empty() && found.end.is_none() && !is_due {
            let next = subscription.next_idle.min(subscription.ends);
            return Ok(Pushed::WaitUntil(stream.next_turn(next)));
        }
        Ok(Pushed::Event(stream.event(subscription, found, now)))
    }
}

impl Subscribed {
    fn new(now: Timestamp) -> Self {
        Self { newest: None, calls: Bucket::new(SUBSCRIBES_PER_SECOND, now) }
    }
}

impl Subscription {
    /// When it may send again, if it has sent more than its rate.
    fn full_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        let bytes = self.bytes.as_mut()?;
        (!bytes.is_above_zero(now)).then(|| bytes.above_zero_at())
    }
}

impl Stream {
    /// Refuses a subscription too soon after another one.
    fn admit_subscription(
        &mut self,
        consumer: &str,
        shard: ShardId,
        is_limited: bool,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let (name, account) = (&self.name, &self.account);
        if !self.shards.contains_key(&shard) {
            return Err(ServiceError::shard_not_found(shard, name, account));
        }
        let not_found = || ServiceError::consumer_not_found(consumer, name, account);
        let registration = self.consumers.get_mut(consumer).ok_or_else(not_found)?;
        let subscribed = registration.subscribed.entry(shard);
        let subscribed = subscribed.or_insert_with(|| Subscribed::new(now));
        if is_limited && !subscribed.calls.take(1, now) {
            return Err(ServiceError::LimitExceeded(format!(
                "Rate exceeded for SubscribeToShard of consumer {consumer} on shard {shard} in \
                 stream {name} under account {account}."
            )));
        }
        match subscribed.newest {
            Some((_, at)) if now < at + EXCLUSIVE => {
                Err(ServiceError::another_subscription(consumer, shard, name, account))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a subscription whose consumer is gone or has another one.
    fn require_subscribed(&self, subscription: &Subscription) -> Result<(), ServiceError> {
        let (name, account) = (&self.name, &self.account);
        let Subscription { consumer, shard, .. } = subscription;
        let registration = self.consumers.get(consumer).filter(|it| {
            it.serial == subscription.registration && it.status() == ConsumerStatus::Active
        });
        let not_found = || ServiceError::consumer_not_found(consumer, name, account);
        let subscribed = registration.ok_or_else(not_found)?.subscribed.get(shard);
        let newest = subscribed.and_then(|it| it.newest).map(|(serial, _)| serial);
        if newest != Some(subscription.serial) {
            return Err(ServiceError::another_subscription(consumer, *shard, name, account));
        }
        Ok(())
    }

    /// When there is something to say at the latest: the stream's own changes count as well.
    fn next_turn(&self, next: Timestamp) -> Timestamp {
        self.next_change().map_or(next, |change| change.min(next))
    }

    fn event(
        &self,
        subscription: &mut Subscription,
        found: Found,
        now: Timestamp,
    ) -> SubscriptionEvent {
        let Found { records, next, millis_behind_latest, end } = found;
        subscription.index = next;
        subscription.next_idle = now + IDLE;
        subscription.is_over = end.is_some();
        if let Some(bytes) = &mut subscription.bytes {
            bytes.spend(tokens(size_bytes(&records)), now);
        }
        let last = records.last().map(|record| record.sequence_number);
        // With no record, a number of its own between the last one and the next.
        let continuation =
            last.unwrap_or_else(|| self.shards[&subscription.shard].sequence_number(next - 1, now));
        SubscriptionEvent {
            records,
            continuation: end.is_none().then_some(continuation),
            millis_behind_latest,
            child_shards: end.unwrap_or_default(),
        }
    }
}
