//! Reading a shard with SubscribeToShard: its records are pushed, never further ahead than the
//! buffer allows.
//!
//! A subscription ends after five minutes, or before that for any reason. The next one begins
//! behind the last event that was taken in, so nothing comes twice and nothing is left out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use shardwise_core::budget::Hold;
use shardwise_core::metrics::catalogue::SUBSCRIBE;
use shardwise_core::shard::ChildShard;
use tracing::{debug, warn};

use super::reading::{Missing, Reading, can_be};
use super::registration::Registration;
use crate::clock::within;
use crate::kinesis::{ConsumerArn, Event, Events, KinesisError, Position};

/// How long a subscription may say nothing: an event comes every five seconds or so, also without
/// records. A connection that died without a word is noticed by this alone.
const SILENCE: Duration = Duration::from_secs(30);
/// For so long after a subscription began the service refuses the next one.
const EXCLUSIVE: Duration = Duration::from_secs(5);
/// How long a subscription is kept while the buffer is full. What is on its way then takes room on
/// the connection, which other shards share; but given up before the next one is allowed, a
/// processor that takes a little longer would wait for that with each batch.
const HELD_BACK: Duration = EXCLUSIVE;
/// The wait after a call that was not answered, or after a first failure: the service allows one
/// call a second.
const WAIT: Duration = Duration::from_secs(1);
/// How often in a row the shard may be in use before that is worth a warning: whoever had the
/// lease before may still be reading, or we ourselves on a connection that broke.
const IN_USE_EXPECTED: u32 = 10;

/// After so many subscriptions in a row that another one took the shard from, somebody else
/// subscribes with the same stream consumer: when a lease moves it is one.
const TAKEN_OFTEN: u32 = 5;

pub(super) struct Subscriber {
    reading: Reading,
    registration: Arc<Registration>,
    /// Subscriptions in a row that another one took the shard from.
    taken: u32,
}

impl Subscriber {
    pub(super) fn new(reading: Reading, registration: Arc<Registration>) -> Self {
        Self { reading, registration, taken: 0 }
    }

    /// Reads until the shard's end.
    pub(super) async fn read(&mut self) {
        loop {
            drop(self.reading.room_for_event().await);
            self.may_subscribe().await;
            self.reading.until_held().await;
            if let Some(children) = self.subscribe_once().await {
                self.reading.end(children);
                return;
            }
        }
    }

    pub(super) fn panicked(&mut self) {
        self.fail("the reader panicked");
    }

    /// Follows one subscription; gives the child shards if the shard is at its end.
    async fn subscribe_once(&mut self) -> Option<Vec<ChildShard>> {
        let (ports, config) = (self.reading.ports.clone(), Arc::clone(&self.reading.config));
        let consumer = match self.registration.arn(&ports, &config).await {
            Ok(consumer) => consumer,
            Err(error) => {
                self.fail_loudly(&error);
                return None;
            }
        };
        let result = match self.open(&consumer).await {
            Ok(Some(events)) => {
                let result = self.follow(events).await;
                self.note_taken(matches!(result, Err(KinesisError::InUse(_))), &consumer);
                result
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match result {
            Ok(children) => children,
            Err(error) => self.recover(error, &consumer).await,
        }
    }

    /// Notes whether another subscription took the shard from this one.
    fn note_taken(&mut self, is_taken: bool, consumer: &ConsumerArn) {
        if !is_taken {
            self.taken = 0;
            return;
        }
        self.taken = self.taken.saturating_add(1);
        self.reading.subscription_taken();
        if self.taken.is_multiple_of(TAKEN_OFTEN) {
            let in_a_row = self.taken;
            warn!(shard = %self.reading.shard, %consumer, in_a_row,
                "subscriptions to the shard are taken away again and again: another application \
                 may use this stream consumer, and each needs one of its own");
        }
    }

    /// Begins a subscription. Where it is to begin at a date to come it does at the tip, but only
    /// if the date is to come still when that has begun: records that are as new would be skipped
    /// otherwise. Gives none where the date has come meanwhile: the next one begins there.
    async fn open(&mut self, consumer: &ConsumerArn) -> Result<Option<Events>, KinesisError> {
        let position = self.reading.position();
        match self.subscribe(consumer, &position).await {
            Err(KinesisError::Invalid(_)) if self.reading.is_date_of_latest(&position) => {}
            opened => return opened.map(Some),
        }
        self.may_subscribe().await;
        if !self.reading.is_to_come(&position).await? {
            // It has come meanwhile, unless that was not what was wrong.
            return self.subscribe(consumer, &position).await.map(Some);
        }
        let at_tip = self.subscribe(consumer, &Position::Latest).await?;
        if !self.reading.is_to_come(&position).await? {
            return Ok(None);
        }
        self.reading.tell_of_tip();
        Ok(Some(at_tip))
    }

    /// Returns once the service may be asked for a subscription.
    async fn may_subscribe(&self) {
        self.reading.ports.clock.sleep_until(self.reading.rhythm.subscribe_at()).await;
    }

    async fn subscribe(
        &self,
        consumer: &ConsumerArn,
        position: &Position,
    ) -> Result<Events, KinesisError> {
        let Reading { ports, config, shard, rhythm, metrics, .. } = &self.reading;
        rhythm.put_off(ports.clock.now() + WAIT);
        let time = config.polling.request_timeout;
        let opening = ports.kinesis.subscribe(consumer, shard, position);
        let opening = metrics.measured(&SUBSCRIBE, Some(shard), opening);
        let events = within(&*ports.clock, time, opening).await.unwrap_or_else(|| {
            metrics.timed_out(shard, &SUBSCRIBE, time);
            Err(KinesisError::Unanswered("timed out".into()))
        })?;
        rhythm.put_off(ports.clock.now() + EXCLUSIVE);
        Ok(events)
    }

    /// Takes in what a subscription brings, to its end; gives the child shards if that is the
    /// shard's.
    async fn follow(
        &mut self,
        mut events: Events,
    ) -> Result<Option<Vec<ChildShard>>, KinesisError> {
        let clock = Arc::clone(&self.reading.ports.clock);
        let mut has_brought = false;
        loop {
            let Some(room) = within(&*clock, HELD_BACK, self.reading.room_for_event()).await else {
                debug!(shard = %self.reading.shard, "buffer full: subscription given up for now");
                return Ok(None);
            };
            match within(&*clock, SILENCE, events.next()).await {
                Some(Some(event)) => {
                    let children = self.accept(event?, room).await?;
                    if children.is_some() {
                        return Ok(children);
                    }
                    has_brought = true;
                }
                Some(None) if has_brought => return Ok(None),
                Some(None) => {
                    let text = "the subscription ended before its first event";
                    return Err(KinesisError::Unanswered(text.into()));
                }
                None => return Err(self.lose_connection("no event came for 30 s")),
            }
        }
    }

    /// Has the next subscription made over another connection.
    fn lose_connection(&self, why: &'static str) -> KinesisError {
        self.reading.ports.kinesis.connection_is_dead(&self.reading.shard);
        KinesisError::Unanswered(why.into())
    }

    /// Takes an event in; gives the child shards if it was the shard's last one.
    async fn accept(
        &mut self,
        event: Event,
        room: Hold,
    ) -> Result<Option<Vec<ChildShard>>, KinesisError> {
        let is_end = event.continuation.is_none();
        can_be(is_end, &event.children)?;
        self.reading.deliver(event.records, room, event.millis_behind_latest, is_end).await;
        if let Some(number) = event.continuation {
            self.reading.go_on_after(number);
        }
        Ok(is_end.then_some(event.children))
    }

    /// Makes the best of a failure; gives the child shards if the shard turns out to be gone.
    async fn recover(
        &mut self,
        error: KinesisError,
        consumer: &ConsumerArn,
    ) -> Option<Vec<ChildShard>> {
        match error {
            KinesisError::NotFound(_) => {
                self.fail(&error.to_string());
                match self.reading.look_for_shard().await {
                    Missing::Ended(children) => return Some(children),
                    Missing::Unclear => {}
                    Missing::Listed => {
                        warn!(shard = %self.reading.shard, %consumer,
                            "perhaps the stream consumer is gone: it is looked for again");
                        self.registration.forget(consumer).await;
                    }
                }
            }
            KinesisError::InUse(_) if self.reading.failures() < IN_USE_EXPECTED => {
                debug!(shard = %self.reading.shard, "shard is subscribed to elsewhere");
                self.fail(&error.to_string());
            }
            KinesisError::Throttled => {
                self.reading.tell_of(&error);
                self.reading.metrics.throttled(&self.reading.shard);
                self.fail(&error.to_string());
            }
            KinesisError::Invalid(_) => {
                let error = self.reading.position_is_refused(error).await;
                self.fail_loudly(&error);
            }
            KinesisError::Expired
            | KinesisError::Refused(_)
            | KinesisError::InUse(_)
            | KinesisError::Unanswered(_) => self.fail_loudly(&error),
        }
        None
    }

    fn fail_loudly(&mut self, error: &KinesisError) {
        self.reading.tell_of(error);
        self.fail(&error.to_string());
    }

    fn fail(&mut self, why: &str) {
        let wait = self.reading.fail(why, WAIT);
        self.reading.rhythm.put_off(self.reading.ports.clock.now() + wait);
    }
}
