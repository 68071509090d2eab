//! Stream consumers: registered, described, listed and deregistered.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::subscribing::Subscribed;
use super::token::ConsumersToken;
use super::{ServiceError, ShardId, Stream, Streams, Timestamp, check_name};

/// The most consumers that a stream has.
pub const CONSUMERS_PER_STREAM_MAX: usize = 20;
/// A page of ListStreamConsumers never has more consumers than this.
pub const CONSUMERS_PER_PAGE_MAX: usize = 100;

/// A consumer as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The name that it was registered under.
    pub name: String,
    /// Its ARN, which a later consumer of its name does not have.
    pub arn: String,
    /// Where it stands between its registration and its end.
    pub status: ConsumerStatus,
    /// When it was registered.
    pub created: Timestamp,
}

/// Where a consumer stands between its registration and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerStatus {
    /// It cannot subscribe yet.
    Creating,
    /// It can subscribe.
    Active,
    /// Its subscriptions have ended, and it can make no others.
    Deleting,
}

impl ConsumerStatus {
    /// The status on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}

/// One page of ListStreamConsumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPage {
    /// In the order of their names.
    pub consumers: Vec<Consumer>,
    /// What the next page is asked for with; none after the last.
    pub next_token: Option<String>,
}

/// What a consumer's ARN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerArn {
    /// The name of the stream.
    pub stream: String,
    /// The name of the consumer.
    pub consumer: String,
    /// The second in which it was registered.
    pub created_second: u64,
}

impl ConsumerArn {
    /// Reads an ARN. As with those of streams, region and account may be any.
    pub fn parse(arn: &str) -> Result<Self, ServiceError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let resource = match parts.as_slice() {
            ["arn", _, "kinesis", _, _, resource] => resource.strip_prefix("stream/"),
            _ => None,
        };
        let named = resource.and_then(|resource| {
            let (stream, consumer) = resource.split_once("/consumer/")?;
            let (consumer, second) = consumer.split_once(':')?;
            let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
            Some(Self { stream, consumer, created_second: second.parse().ok()? })
        });
        named.ok_or_else(|| {
            let rule = "Member must satisfy regular expression pattern: \
                        ^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/\
                        [a-zA-Z0-9_.-]+:[0-9]+";
            ServiceError::constraint(arn, "consumerARN", rule)
        })
    }
}

/// A consumer and its subscriptions.
#[derive(Debug)]
pub(super) struct Registration {
    /// Tells it from an earlier consumer of its name.
    pub(super) serial: u64,
    created: Timestamp,
    phase: Phase,
    /// The newest subscription to each shard, and how often there were some.
    pub(super) subscribed: BTreeMap<ShardId, Subscribed>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Creating { until: Timestamp },
    Active,
    Deleting { until: Timestamp },
}

impl Registration {
    pub(super) fn status(&self) -> ConsumerStatus {
        match self.phase {
            Phase::Creating { .. } => ConsumerStatus::Creating,
            Phase::Active => ConsumerStatus::Active,
            Phase::Deleting { .. } => ConsumerStatus::Deleting,
        }
    }

    pub(super) fn created_second(&self) -> u64 {
        self.created.as_millis() / 1000
    }

    /// Carries out what was due by `now`; false once it is gone.
    pub(super) fn advance(&mut self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Creating { until } if until <= now => self.phase = Phase::Active,
            Phase::Deleting { until } if until <= now => return false,
            Phase::Creating { .. } | Phase::Active | Phase::Deleting { .. } => {}
        }
        true
    }
}

impl Streams {
    /// Registers a consumer with a stream.
    pub fn register_consumer(
        &mut self,
        stream: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Consumer, ServiceError> {
        let now = self.advance(now);
        check_name(name, "consumerName")?;
        let of = self.stream(stream)?;
        of.require_shards()?;
        if of.consumers.contains_key(name) {
            return Err(ServiceError::ResourceInUse(format!(
                "Consumer {name} under stream {stream}, account {} already exists.",
                of.account
            )));
        }
        if of.consumers.len() >= CONSUMERS_PER_STREAM_MAX {
            return Err(ServiceError::LimitExceeded(format!(
                "Stream {stream} under account {} already has {CONSUMERS_PER_STREAM_MAX} \
                 registered consumers, and cannot have more.",
                of.account
            )));
        }
        self.check_registering()?;
        self.serial += 1;
        let registration = Registration {
            serial: self.serial,
            created: now,
            phase: Phase::Creating { until: now + self.settings.registering },
            subscribed: BTreeMap::new(),
        };
        self.stream(stream)?.consumers.insert(name.to_owned(), registration);
        // What it is answered with is its state before it is brought up to now, as a stream's.
        self.consumer(stream, name)
    }

    /// Tells what a consumer is like.
    pub fn describe_consumer(
        &mut self,
        stream: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Consumer, ServiceError> {
        self.advance(now);
        self.consumer(stream, name)
    }

    /// Refuses an ARN whose consumer is gone, even if there is a later one of its name.
    pub fn require_registered(
        &mut self,
        arn: &ConsumerArn,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        self.registration(&arn.stream, &arn.consumer, arn.created_second).map(drop)
    }

    /// The stream's consumers, at most `limit` of them, in pages.
    pub fn list_consumers(
        &mut self,
        stream: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<ConsumerPage, ServiceError> {
        let now = self.advance(now);
        self.consumer_page(stream, None, limit, now)
    }

    /// Shows the next page of a list, from the token that came with the one before.
    pub fn list_consumers_next(
        &mut self,
        stream: &str,
        next_token: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<ConsumerPage, ServiceError> {
        let now = self.advance(now);
        let refused = || ServiceError::InvalidArgument("NextToken is invalid.".to_owned());
        let token = ConsumersToken::decode(next_token).ok_or_else(refused)?;
        let lifetime = self.settings.next_token_lifetime;
        if token.created + lifetime < now {
            return Err(ServiceError::expired_next_token(lifetime));
        }
        if token.stream != stream || self.stream(stream)?.incarnation != token.incarnation {
            return Err(refused());
        }
        self.consumer_page(stream, Some(&token.after), limit, now)
    }

    /// Deregisters a consumer; its subscriptions end at once. Once more changes nothing.
    pub fn deregister_consumer(
        &mut self,
        stream: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let now = self.advance(now);
        let until = now + self.settings.registering;
        let not_found = ServiceError::consumer_not_found(name, stream, &self.settings.account);
        let registration = self.stream(stream)?.consumers.get_mut(name).ok_or(not_found)?;
        if registration.status() != ConsumerStatus::Deleting {
            registration.phase = Phase::Deleting { until };
        }
        self.changed.extend_to_all();
        self.advance(now);
        Ok(())
    }

    /// Refuses what a stream with consumers cannot have done to it.
    pub fn require_no_consumers(
        &mut self,
        stream: &str,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        let stream = self.stream(stream)?;
        if stream.consumers.is_empty() {
            return Ok(());
        }
        Err(ServiceError::ResourceInUse(format!(
            "Stream {} under account {} has {} registered consumers.",
            stream.name,
            stream.account,
            stream.consumers.len()
        )))
    }

    /// The consumer of an ARN, unless it was registered again since.
    pub(super) fn registration(
        &mut self,
        stream: &str,
        consumer: &str,
        created_second: u64,
    ) -> Result<&mut Registration, ServiceError> {
        let not_found = ServiceError::consumer_not_found(consumer, stream, &self.settings.account);
        let registration = self.stream(stream)?.consumers.get_mut(consumer);
        registration.filter(|it| it.created_second() == created_second).ok_or(not_found)
    }

    fn consumer(&mut self, stream: &str, name: &str) -> Result<Consumer, ServiceError> {
        let stream_arn = self.arn(stream);
        let not_found = ServiceError::consumer_not_found(name, stream, &self.settings.account);
        let registration = self.stream(stream)?.consumers.get(name).ok_or(not_found)?;
        Ok(described(&stream_arn, name, registration))
    }

    fn consumer_page(
        &mut self,
        stream: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<ConsumerPage, ServiceError> {
        let arn = self.arn(stream);
        let stream = self.stream(stream)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut following = stream.consumers.range::<str, _>((from, Bound::Unbounded));
        let page = following.by_ref().take(limit.min(CONSUMERS_PER_PAGE_MAX));
        let consumers: Vec<_> = page.map(|(name, it)| described(&arn, name, it)).collect();
        let last = consumers.last().filter(|_| following.next().is_some());
        let next_token = last.map(|last| {
            let (stream, incarnation) = (stream.name.clone(), stream.incarnation);
            ConsumersToken { stream, incarnation, after: last.name.clone(), created: now }.encode()
        });
        Ok(ConsumerPage { consumers, next_token })
    }
}

impl Stream {
    pub(super) fn consumers_being_made(&self) -> usize {
        let consumers = self.consumers.values();
        consumers.filter(|consumer| consumer.status() == ConsumerStatus::Creating).count()
    }
}

fn described(stream_arn: &str, name: &str, registration: &Registration) -> Consumer {
    let second = registration.created_second();
    Consumer {
        name: name.to_owned(),
        arn: format!("{stream_arn}/consumer/{name}:{second}"),
        status: registration.status(),
        created: registration.created,
    }
}
