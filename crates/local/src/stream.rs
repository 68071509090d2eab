//! Kinesis as a model: streams, shards and records in memory, and nothing else.
//!
//! [`Streams`] is deterministic. It does no I/O, holds no lock and reads no clock: each call takes
//! the time as its last argument, and what takes time (a stream's creation, a resharding, a
//! record's expiry) has happened once a later call brings a time at which it must have. Time
//! never runs backwards inside: an earlier `now` than the last one counts as the last one.
//!
//! The HTTP endpoint wraps one of these; a simulation can run one in process.

mod changed;
mod consumers;
mod error;
mod limits;
mod listing;
mod rates;
mod reading;
mod resharding;
mod sequence;
mod settings;
mod shard;
mod subscribing;
mod tags;
#[cfg(test)]
mod tests;
mod time;
mod token;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use changed::ChangedShards;
pub use consumers::{
    CONSUMERS_PER_PAGE_MAX, CONSUMERS_PER_STREAM_MAX, Consumer, ConsumerArn, ConsumerPage,
    ConsumerStatus,
};
pub use error::ServiceError;
pub use limits::Limits;
pub use listing::{SHARDS_PER_PAGE_MAX, ShardFilter, ShardPage, StreamSummary};
pub use reading::{Batch, RECORDS_PER_ANSWER_MAX, StartingPosition};
pub use resharding::ShardCounts;
pub use sequence::{ParseSequenceNumberError, SequenceNumber};
pub use settings::{Capacity, Settings, StreamMode, StreamStatus};
pub use shard::{ChildShard, HashKeyRange, ParseShardIdError, Record, Shard, ShardId};
pub use subscribing::{Pushed, Subscription, SubscriptionEvent};
pub use time::Timestamp;
pub use writing::{NewRecord, Placement, RECORDS_PER_CALL_MAX, hash_key};

use consumers::Registration;
use rates::CallUsage;
use resharding::Change;
use shard::ShardLog;

const HOUR: Duration = Duration::from_secs(3600);
/// The bounds between which a stream's retention can be set, as in the service.
const RETENTION_MIN: Duration = HOUR.saturating_mul(24);
const RETENTION_MAX: Duration = HOUR.saturating_mul(8760);
const RECORD_KIB: std::ops::RangeInclusive<usize> = 1024..=10_240;
const NAME_CHARS_MAX: usize = 128;

/// A Kinesis account: all its streams.
#[derive(Debug)]
pub struct Streams {
    settings: Settings,
    clock: Timestamp,
    streams: BTreeMap<String, Stream>,
    incarnations: u64,
    /// How many consumers were registered and subscriptions made.
    serial: u64,
    changed: ChangedShards,
    /// Above the creation second of every shard of a deleted stream, so that a new stream of the
    /// same name never repeats its sequence numbers.
    first_second: u64,
    calls: CallUsage,
}

#[derive(Debug)]
struct Stream {
    name: String,
    account: Arc<str>,
    /// Tells a stream from an earlier one of its name.
    incarnation: u64,
    created: Timestamp,
    /// The oldest time of which records and shards are kept. Never goes back, not even when the
    /// retention grows: what is gone is gone.
    horizon: Timestamp,
    phase: Phase,
    mode: StreamMode,
    retention: Duration,
    record_bytes_max: usize,
    tags: BTreeMap<String, String>,
    consumers: BTreeMap<String, Registration>,
    shards: BTreeMap<ShardId, ShardLog>,
    /// The open shards by the start of their ranges, which tile the hash key space.
    open: BTreeMap<u128, ShardId>,
    next_shard: u32,
    /// No record or shard expires before this.
    next_expiry: Timestamp,
    calls: CallUsage,
    /// When its shard count was updated, within the last day.
    scalings: Vec<Timestamp>,
}

/// A stream's status, with what is to happen next and when.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Creating { until: Timestamp, shards: u32, first_second: u64 },
    Active,
    Updating { until: Timestamp, change: Change },
    Deleting { until: Timestamp },
}

impl Streams {
    /// An account without streams.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clock: Timestamp::default(),
            streams: BTreeMap::new(),
            incarnations: 0,
            serial: 0,
            changed: ChangedShards::default(),
            first_second: 0,
            calls: CallUsage::default(),
        }
    }

    /// The ARN of the stream of that name, whether there is one or not.
    #[must_use]
    pub fn arn(&self, stream: &str) -> String {
        let Settings { region, account, .. } = &self.settings;
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    /// Creates a stream.
    pub fn create_stream(
        &mut self,
        name: &str,
        capacity: Capacity,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.create_stream_for_records(name, capacity, *RECORD_KIB.start(), now)
    }

    /// Creates a stream whose largest record is that large.
    pub fn create_stream_for_records(
        &mut self,
        name: &str,
        capacity: Capacity,
        record_kib_max: usize,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let now = self.advance(now);
        check_name(name, "streamName")?;
        check_record_size(record_kib_max)?;
        let (mode, shards) = match capacity {
            Capacity::Provisioned(shards) => (StreamMode::Provisioned, shards),
            Capacity::OnDemand => (StreamMode::OnDemand, self.settings.on_demand_shards),
        };
        if shards == 0 {
            let rule = "Member must have value greater than or equal to 1";
            return Err(ServiceError::constraint(shards, "shardCount", rule));
        }
        let account: Arc<str> = self.settings.account.as_str().into();
        if self.streams.contains_key(name) {
            return Err(ServiceError::ResourceInUse(format!(
                "Stream {name} under account {account} already exists."
            )));
        }
        self.check_shard_limit(shards as usize)?;
        self.check_creating()?;
        self.incarnations += 1;
        let until = now + self.settings.creating;
        let stream = Stream {
            name: name.to_owned(),
            account,
            incarnation: self.incarnations,
            created: now,
            horizon: until,
            phase: Phase::Creating { until, shards, first_second: self.first_second },
            mode,
            retention: self.settings.retention,
            record_bytes_max: record_kib_max * 1024,
            tags: BTreeMap::new(),
            consumers: BTreeMap::new(),
            shards: BTreeMap::new(),
            open: BTreeMap::new(),
            next_shard: 0,
            next_expiry: Timestamp::default(),
            calls: CallUsage::default(),
            scalings: Vec::new(),
        };
        self.streams.insert(name.to_owned(), stream);
        self.advance(now);
        Ok(())
    }

    /// Deletes a stream with all its records and consumers.
    pub fn delete_stream(&mut self, name: &str, now: Timestamp) -> Result<(), ServiceError> {
        let now = self.advance(now);
        let until = now + self.settings.deleting;
        let stream = self.stream(name)?;
        if matches!(stream.phase, Phase::Deleting { .. }) {
            return Err(ServiceError::ResourceInUse(format!(
                "Stream {name} under account {} is being deleted.",
                stream.account
            )));
        }
        stream.phase = Phase::Deleting { until };
        self.changed.extend_to_all();
        self.advance(now);
        Ok(())
    }

    /// Keeps the stream's records longer, or as long.
    pub fn increase_retention(
        &mut self,
        stream: &str,
        hours: u32,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.set_retention(stream, hours, "longer", |new, old| new >= old, now)
    }

    /// Keeps the stream's records shorter, or as long; what is too old by then is gone at once.
    pub fn decrease_retention(
        &mut self,
        stream: &str,
        hours: u32,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.set_retention(stream, hours, "shorter", |new, old| new <= old, now)
    }

    fn set_retention(
        &mut self,
        stream: &str,
        hours: u32,
        wanted: &str,
        fits: impl Fn(Duration, Duration) -> bool,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let now = self.advance(now);
        let stream = self.stream(stream)?;
        stream.require_active()?;
        let retention = HOUR * hours;
        if !(RETENTION_MIN..=RETENTION_MAX).contains(&retention) {
            return Err(ServiceError::InvalidArgument(format!(
                "Retention period {hours} hours is not between 24 hours and 8760 hours."
            )));
        }
        if !fits(retention, stream.retention) {
            return Err(ServiceError::InvalidArgument(format!(
                "Requested retention period {hours} hours for stream {} is not {wanted} than the \
                 existing retention period.",
                stream.name
            )));
        }
        stream.retention = retention;
        stream.next_expiry = now;
        stream.trim(now);
        Ok(())
    }

    /// Sets the largest record that the stream takes.
    pub fn set_record_size_max(
        &mut self,
        stream: &str,
        kib: usize,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        check_record_size(kib)?;
        let stream = self.stream(stream)?;
        stream.require_active()?;
        stream.record_bytes_max = kib * 1024;
        Ok(())
    }

    fn stream(&mut self, name: &str) -> Result<&mut Stream, ServiceError> {
        let account = &self.settings.account;
        let not_found = || ServiceError::stream_not_found(name, account);
        self.streams.get_mut(name).ok_or_else(not_found)
    }

    fn open_shards(&self) -> usize {
        self.streams.values().map(|stream| stream.open.len()).sum()
    }

    fn check_shard_limit(&self, more: usize) -> Result<(), ServiceError> {
        let (open, limit) = (self.open_shards(), self.settings.shard_limit);
        if open + more <= limit {
            return Ok(());
        }
        Err(ServiceError::LimitExceeded(format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard \
             count for the account: {open}. Limit: {limit}. Number of additional shards that \
             would have resulted from this request: {more}.",
            self.settings.account, self.settings.region
        )))
    }

    /// Brings every stream up to `now`, and returns the time to go by.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.clock = self.clock.max(now);
        let now = self.clock;
        let mut first_second = self.first_second;
        let changed = &mut self.changed;
        self.streams.retain(|_, stream| {
            if matches!(stream.phase, Phase::Deleting { until } if until <= now) {
                let seconds = stream.shards.values().map(ShardLog::created_second);
                first_second = first_second.max(seconds.max().map_or(0, |second| second + 1));
                return false;
            }
            if stream.advance(now) {
                changed.extend_to_all();
            }
            true
        });
        self.first_second = first_second;
        now
    }
}

fn check_record_size(kib: usize) -> Result<(), ServiceError> {
    if RECORD_KIB.contains(&kib) {
        return Ok(());
    }
    let rule = "Member must have value between 1024 and 10240";
    Err(ServiceError::constraint(kib, "maxRecordSizeInKiB", rule))
}

fn check_name(name: &str, field: &str) -> Result<(), ServiceError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !name.bytes().all(allowed) {
        let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        return Err(ServiceError::constraint(name, field, rule));
    }
    if name.is_empty() || name.len() > NAME_CHARS_MAX {
        let rule = format!("Member must have length between 1 and {NAME_CHARS_MAX}");
        return Err(ServiceError::constraint(name, field, &rule));
    }
    Ok(())
}

impl Stream {
    fn status(&self) -> StreamStatus {
        match self.phase {
            Phase::Creating { .. } => StreamStatus::Creating,
            Phase::Active => StreamStatus::Active,
            Phase::Updating { .. } => StreamStatus::Updating,
            Phase::Deleting { .. } => StreamStatus::Deleting,
        }
    }

    /// Carries out what was due by `now`; true if shards were opened or closed.
    fn advance(&mut self, now: Timestamp) -> bool {
        let is_due = match self.phase {
            Phase::Creating { until, shards, first_second } if until <= now => {
                self.phase = Phase::Active;
                self.open_first_shards(shards, first_second, until);
                true
            }
            Phase::Updating { until, change } if until <= now => {
                self.phase = Phase::Active;
                self.carry_out(change, until);
                true
            }
            Phase::Creating { .. } | Phase::Active => false,
            Phase::Updating { .. } | Phase::Deleting { .. } => false,
        };
        self.consumers.retain(|_, consumer| consumer.advance(now));
        self.trim(now);
        is_due
    }

    /// When the stream changes by itself, if it is about to.
    fn next_change(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Creating { until, .. } | Phase::Updating { until, .. } => Some(until),
            Phase::Active | Phase::Deleting { .. } => None,
        }
    }

    fn open_first_shards(&mut self, count: u32, first_second: u64, now: Timestamp) {
        // As a child of all that ever was under this name, but without a parent to show for it.
        let after = first_second.checked_sub(1);
        for index in 0..count {
            self.open_shard(HashKeyRange::part(index, count), &[], after, now);
        }
    }

    /// Forgets records and closed shards whose time is up.
    fn trim(&mut self, now: Timestamp) {
        let retention = self.retention;
        self.horizon = self.horizon.max(now - retention);
        if now < self.next_expiry {
            return;
        }
        self.shards.retain(|_, log| {
            log.trim(retention, now);
            !log.is_expired(retention, now)
        });
        let expiries = self.shards.values().filter_map(|log| log.expiry(retention));
        self.next_expiry = expiries.min().unwrap_or(Timestamp::from_millis(u64::MAX));
    }

    /// Refuses what only an active stream can do.
    fn require_active(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active => Ok(()),
            status @ (StreamStatus::Creating | StreamStatus::Updating | StreamStatus::Deleting) => {
                Err(ServiceError::not_active(&self.name, &self.account, status))
            }
        }
    }

    /// Refuses to list the shards of a stream that has none yet or none any more.
    fn require_shards(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            status @ (StreamStatus::Creating | StreamStatus::Deleting) => {
                Err(ServiceError::not_active(&self.name, &self.account, status))
            }
        }
    }

    /// Refuses to read or write a stream that is not there yet or any more.
    fn require_records(&self) -> Result<(), ServiceError> {
        match self.status() {
            StreamStatus::Active | StreamStatus::Updating => Ok(()),
            StreamStatus::Creating | StreamStatus::Deleting => {
                Err(ServiceError::stream_not_found(&self.name, &self.account))
            }
        }
    }
}
