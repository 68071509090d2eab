//! GetShardIterator and GetRecords.

use super::shard::{ChildShard, Record, ShardLog};
use super::token::ShardIterator;
use super::{SequenceNumber, ServiceError, ShardId, Stream, Streams, Timestamp};

/// The most records that one answer carries.
pub const RECORDS_PER_ANSWER_MAX: usize = 10_000;
/// The most bytes of data and partition keys in one answer, unless its first record has more.
const ANSWER_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Where in a shard reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPosition {
    /// At the oldest record kept.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// At the first record that arrived then or later.
    AtTimestamp(Timestamp),
    /// At the record with this number.
    AtSequenceNumber(SequenceNumber),
    /// Behind the record with this number.
    AfterSequenceNumber(SequenceNumber),
}

/// What one GetRecords call found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In the order of their sequence numbers.
    pub records: Vec<Record>,
    /// Where to read on; none at the end of a closed shard.
    pub next_shard_iterator: Option<String>,
    /// How old the last record read is if more follow, and zero if none do.
    pub millis_behind_latest: u64,
    /// The children of the closed shard, exactly when there is no next iterator.
    pub child_shards: Vec<ChildShard>,
}

impl Streams {
    /// Turns a position in a shard into an iterator, which is good for some minutes.
    pub fn shard_iterator(
        &mut self,
        stream: &str,
        shard: ShardId,
        position: StartingPosition,
        now: Timestamp,
    ) -> Result<String, ServiceError> {
        let now = self.advance(now);
        let calls_limited = self.settings.limits.calls;
        let stream = self.stream(stream)?;
        stream.require_records()?;
        let (name, account) = (&stream.name, &stream.account);
        if let Some(log) = stream.shards.get_mut(&shard).filter(|_| calls_limited)
            && !log.usage.admit_iterator(now)
        {
            return Err(ServiceError::rate_exceeded(shard, name, account));
        }
        let index = stream.start(shard, position, "GetShardIterator", now)?;
        let (stream, incarnation) = (stream.name.clone(), stream.incarnation);
        Ok(ShardIterator { stream, incarnation, shard, index, created: now }.encode())
    }

    /// Reads on from an iterator: at most `limit` records.
    pub fn records(
        &mut self,
        shard_iterator: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Batch, ServiceError> {
        let now = self.advance(now);
        let iterator = ShardIterator::decode(shard_iterator)
            .ok_or_else(|| ServiceError::InvalidArgument("Invalid ShardIterator.".to_owned()))?;
        let lifetime = self.settings.iterator_lifetime;
        if iterator.created + lifetime < now {
            return Err(ServiceError::ExpiredIterator(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} \
                 which is further in the future than the tolerated delay of {} milliseconds.",
                iterator.created.as_millis(),
                now.as_millis(),
                lifetime.as_millis()
            )));
        }
        let limits = self.settings.limits;
        let stream = self.incarnation(&iterator.stream, iterator.incarnation)?;
        let (shard, name, account) = (iterator.shard, &stream.name, &stream.account);
        let log = stream
            .shards
            .get_mut(&shard)
            .ok_or_else(|| ServiceError::shard_not_found(shard, name, account))?;
        if limits.reads && !log.usage.admit_read(now) {
            return Err(ServiceError::rate_exceeded(shard, name, account));
        }
        let limit = limit.min(RECORDS_PER_ANSWER_MAX);
        let found = stream.read(shard, iterator.index, limit, ANSWER_BYTES_MAX, now)?;
        if let Some(log) = stream.shards.get_mut(&shard).filter(|_| limits.reads) {
            log.usage.count_read(size_bytes(&found.records), now);
        }
        let Found { records, next, millis_behind_latest, end } = found;
        let on = || ShardIterator { index: next, created: now, ..iterator }.encode();
        Ok(Batch {
            records,
            next_shard_iterator: end.is_none().then(on),
            millis_behind_latest,
            child_shards: end.unwrap_or_default(),
        })
    }

    /// The stream of that name, unless it was made again since.
    pub(super) fn incarnation(
        &mut self,
        stream: &str,
        incarnation: u64,
    ) -> Result<&mut Stream, ServiceError> {
        let stream = self.stream(stream)?;
        stream.require_records()?;
        if stream.incarnation != incarnation {
            return Err(ServiceError::stream_not_found(&stream.name, &stream.account));
        }
        Ok(stream)
    }
}

/// What the limits count of records read.
pub(super) fn size_bytes(records: &[Record]) -> usize {
    records.iter().map(|record| record.data.len() + record.partition_key.len()).sum()
}

/// What stands at one place of a shard.
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// The index to read on at.
    pub(super) next: u64,
    pub(super) millis_behind_latest: u64,
    /// The children, if the shard is closed and read to its end.
    pub(super) end: Option<Vec<ChildShard>>,
}

impl Stream {
    /// The index at which reading from a position starts.
    pub(super) fn start(
        &self,
        shard: ShardId,
        position: StartingPosition,
        operation: &str,
        now: Timestamp,
    ) -> Result<u64, ServiceError> {
        let not_found = || ServiceError::shard_not_found(shard, &self.name, &self.account);
        let log = self.shards.get(&shard).ok_or_else(not_found)?;
        let index = match position {
            StartingPosition::TrimHorizon => log.front(),
            StartingPosition::Latest => log.end(),
            StartingPosition::AtTimestamp(at) if at > now => {
                return Err(ServiceError::InvalidArgument(format!(
                    "The timestampInMillis parameter cannot be greater than the \
                     currentTimestampInMillis. timestampInMillis: {}, \
                     currentTimestampInMillis: {}",
                    at.as_millis(),
                    now.as_millis()
                )));
            }
            StartingPosition::AtTimestamp(at) => log.index_at(at),
            StartingPosition::AtSequenceNumber(number) => {
                let index = self.index_of(log, number, operation)?;
                // A continuation number of an idle shard lies behind the record of its index.
                let is_behind = log.number_at(index).is_some_and(|record| record < number);
                if is_behind { index + 1 } else { index }
            }
            StartingPosition::AfterSequenceNumber(number) => {
                self.index_of(log, number, operation)? + 1
            }
        };
        Ok(index.min(log.end()))
    }

    /// The index that a sequence number stands for, if the shard can have given it out.
    fn index_of(
        &self,
        log: &ShardLog,
        number: SequenceNumber,
        operation: &str,
    ) -> Result<u64, ServiceError> {
        let starting = log.shard.starting_sequence_number;
        let is_of_shard =
            number.shard == starting.shard && number.created_second == starting.created_second;
        let is_given_out =
            number.index < log.end() || log.shard.ending_sequence_number == Some(number);
        if is_of_shard && is_given_out {
            return Ok(number.index);
        }
        Err(ServiceError::InvalidArgument(format!(
            "StartingSequenceNumber {number} used in {operation} on shard {} in stream {} \
             under account {} is invalid because it did not come from this stream.",
            log.shard.id, self.name, self.account
        )))
    }

    /// Reads a shard from `index` on: at most `limit` records, and at most `bytes_max` of them but
    /// for the first.
    pub(super) fn read(
        &self,
        shard: ShardId,
        index: u64,
        limit: usize,
        bytes_max: usize,
        now: Timestamp,
    ) -> Result<Found, ServiceError> {
        let not_found = || ServiceError::shard_not_found(shard, &self.name, &self.account);
        let log = self.shards.get(&shard).ok_or_else(not_found)?;
        let records = log.read(index, limit, bytes_max);
        // What was trimmed in the meantime is skipped; a reader behind the end cannot be.
        let next = index.max(log.front()) + records.len() as u64;
        let behind = |at: Timestamp| now.millis_since(at).max(1);
        let last_read = records.last().map(|record| record.arrival);
        let millis_behind_latest = match log.arrival(next) {
            Some(next_arrival) => behind(last_read.unwrap_or(next_arrival)),
            None => 0,
        };
        let is_end = next == log.end() && log.closed.is_some();
        let children =
            || log.children.iter().filter_map(|id| self.shards.get(id)).map(ShardLog::as_child);
        let end = is_end.then(|| children().collect());
        Ok(Found { records, next, millis_behind_latest, end })
    }
}
