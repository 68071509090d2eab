//! Kinesis by its protocol: one operation and a body in, a body or an error out.

mod answer;
mod consumers;
mod control;
mod field;
mod locked;
mod request;
#[cfg(feature = "endpoints")]
mod subscribing;

use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Format;
#[cfg(feature = "endpoints")]
use crate::stream::ChangedShards;
use crate::stream::{
    NewRecord, RECORDS_PER_ANSWER_MAX, SHARDS_PER_PAGE_MAX, ServiceError, Settings, ShardFilter,
    Streams, Timestamp,
};

pub use locked::Locked;
#[cfg(feature = "endpoints")]
pub use subscribing::{
    FRAMES_MEDIA_TYPE, PushedFrame, SUBSCRIBE, event_frame, exception_frame, initial_response,
};

/// What the `X-Amz-Target` header of every request begins with.
pub const TARGET_PREFIX: &str = "Kinesis_20131202.";

/// The highest limit that a call may ask for, whatever it then gets.
const LIMIT_MAX: usize = 10_000;

/// Why an operation was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service would refuse it.
    #[error(transparent)]
    Refused(#[from] ServiceError),
    /// The body is not what the operation takes.
    #[error("{0}")]
    Serialization(String),
    /// There is no such operation here.
    #[error("operation `{0}` is not known")]
    UnknownOperation(String),
}

impl CallError {
    /// The exception's name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.name(),
            Self::Serialization(_) => "SerializationException",
            Self::UnknownOperation(_) => "UnknownOperationException",
        }
    }

    #[cfg(feature = "endpoints")]
    fn answer(&self, format: Format) -> crate::Answer {
        crate::Answer::error_in(format, 400, self.name(), &self.to_string())
    }
}

/// A Kinesis account that answers requests.
#[derive(Debug)]
pub struct Kinesis {
    streams: Mutex<Streams>,
    /// Who waits for shards to change, by their places among those that may have.
    #[cfg(feature = "endpoints")]
    waiting: [tokio::sync::Notify; ChangedShards::PLACES],
}

impl Kinesis {
    /// An account without streams.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::of(Streams::new(settings))
    }

    /// An account with these streams.
    #[must_use]
    pub fn of(streams: Streams) -> Self {
        Self {
            streams: Mutex::new(streams),
            #[cfg(feature = "endpoints")]
            waiting: std::array::from_fn(|_| tokio::sync::Notify::new()),
        }
    }

    /// Its streams.
    #[must_use]
    pub fn into_streams(self) -> Streams {
        self.streams.into_inner().expect("no call panics while it holds the lock")
    }

    /// Answers a request: the value of its `X-Amz-Target` header and its body. A subscription is
    /// for [`subscribe_at`](Self::subscribe_at): its answer is not one body.
    #[cfg(feature = "endpoints")]
    pub fn call_at(
        &self,
        target: &str,
        format: Format,
        body: &[u8],
        now: Timestamp,
    ) -> crate::Answer {
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
        match self.call(operation, format, body, now) {
            Ok(body) => crate::Answer::ok(body),
            Err(error) => error.answer(format),
        }
    }

    /// Carries out one operation, named without its prefix. The answer is in the body's format.
    pub fn call(
        &self,
        operation: &str,
        format: Format,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, CallError> {
        self.streams().admit(operation, None, now)?;
        let body = Body { format, bytes: body };
        match operation {
            "PutRecords" => body.run(|asked| self.put_records(asked, now)),
            "PutRecord" => body.run(|asked| self.put_record(asked, now)),
            "GetRecords" => body.run(|asked| self.records(&asked, now)),
            "GetShardIterator" => body.run(|asked| self.shard_iterator(asked, now)),
            "ListShards" => body.run(|asked| self.list_shards(asked, now)),
            "ListStreams" => body.run(|asked| self.list_streams(&asked, now)),
            "DescribeStream" => body.run(|asked| self.describe_stream(asked, now)),
            "DescribeStreamSummary" => body.run(|asked| self.describe_summary(asked, now)),
            "DescribeLimits" => body.run(|asked| self.describe_limits(&asked, now)),
            "CreateStream" => body.run(|asked| self.create_stream(asked, now)),
            "DeleteStream" => body.run(|asked| self.delete_stream(asked, now)),
            "SplitShard" => body.run(|asked| self.split_shard(asked, now)),
            "MergeShards" => body.run(|asked| self.merge_shards(asked, now)),
            "UpdateShardCount" => body.run(|asked| self.update_shard_count(asked, now)),
            "IncreaseStreamRetentionPeriod" => body.run(|asked: request::Retention| {
                let (stream, hours) = asked.parts()?;
                self.streams().increase_retention(&stream, hours, now).map(answer::nothing)
            }),
            "DecreaseStreamRetentionPeriod" => body.run(|asked: request::Retention| {
                let (stream, hours) = asked.parts()?;
                self.streams().decrease_retention(&stream, hours, now).map(answer::nothing)
            }),
            "RegisterStreamConsumer" => body.run(|asked| self.register_consumer(asked, now)),
            "DescribeStreamConsumer" => body.run(|asked| self.describe_consumer(asked, now)),
            "ListStreamConsumers" => body.run(|asked| self.list_consumers(asked, now)),
            "DeregisterStreamConsumer" => body.run(|asked| self.deregister_consumer(asked, now)),
            "UpdateMaxRecordSize" => body.run(|asked| self.update_record_size(asked, now)),
            "AddTagsToStream" => body.run(|asked| self.add_tags(asked, now)),
            "RemoveTagsFromStream" => body.run(|asked| self.remove_tags(asked, now)),
            "ListTagsForStream" => body.run(|asked| self.list_tags(asked, now)),
            other => Err(CallError::UnknownOperation(other.to_owned())),
        }
    }

    fn put_records(
        &self,
        asked: request::PutRecords,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let records = field::required(asked.records, "records")?;
        let records: Vec<NewRecord> =
            records.into_iter().map(request::Record::checked).collect::<Result<_, _>>()?;
        let results = self.streams().put_records(&stream, records, now)?;
        Ok(answer::PutRecords::new(results))
    }

    fn put_record(
        &self,
        asked: request::PutRecord,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let record = request::Record {
            data: asked.data,
            partition_key: asked.partition_key,
            explicit_hash_key: asked.explicit_hash_key,
        };
        let placement = self.streams().put_record(&stream, record.checked()?, now)?;
        Ok(answer::PutRecord::new(placement))
    }

    fn records(
        &self,
        asked: &request::GetRecords,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let iterator = field::required(asked.shard_iterator.as_deref(), "shardIterator")?;
        let limit = field::limit(asked.limit, RECORDS_PER_ANSWER_MAX, "limit")?;
        // Taken out of the lock before it is written out: 10 MiB of base64 take a while.
        let batch = self.streams().records(iterator, limit, now)?;
        Ok(answer::GetRecords::new(batch))
    }

    fn shard_iterator(
        &self,
        asked: request::GetShardIterator,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let shard = field::required(asked.shard_id, "shardId")?;
        let position = field::Position {
            kind: (asked.shard_iterator_type, "shardIteratorType"),
            number: (asked.starting_sequence_number, "startingSequenceNumber"),
            timestamp: (asked.timestamp, "timestamp"),
        };
        let position = position.checked("GetShardIterator", &shard, &stream)?;
        let shard = field::existing_shard(&shard, &stream)?;
        let shard_iterator = self.streams().shard_iterator(&stream, shard, position, now)?;
        Ok(answer::GetShardIterator { shard_iterator })
    }

    fn list_shards(
        &self,
        asked: request::ListShards,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let limit = field::limit(asked.max_results, LIMIT_MAX, "maxResults")?;
        let limit = limit.min(SHARDS_PER_PAGE_MAX);
        let page = if let Some(token) = &asked.next_token {
            asked.check_token_stands_alone()?;
            self.streams().list_shards_next(token, limit, now)?
        } else {
            let filter = asked.shard_filter.map(request::Filter::checked).transpose()?;
            let filter = filter.unwrap_or(ShardFilter::FromTrimHorizon);
            let stream = field::stream(asked.stream_name, asked.stream_arn)?;
            self.streams().admit("ListShards", Some(&stream), now)?;
            let after = asked.exclusive_start_shard_id.as_deref();
            let after = after.map(field::shard).transpose()?;
            self.streams().list_shards(&stream, filter, after, limit, now)?
        };
        Ok(answer::ListShards::new(page))
    }
}

/// What came with a request.
struct Body<'a> {
    format: Format,
    bytes: &'a [u8],
}

impl Body<'_> {
    /// Reads the request, has it carried out, and writes the answer.
    fn run<Q: DeserializeOwned, A: Serialize>(
        &self,
        operation: impl FnOnce(Q) -> Result<A, ServiceError>,
    ) -> Result<Vec<u8>, CallError> {
        let answer = operation(self.read()?)?;
        Ok(self.format.write(&answer))
    }

    fn read<Q: DeserializeOwned>(&self) -> Result<Q, CallError> {
        self.format.read(self.bytes).map_err(CallError::Serialization)
    }
}
