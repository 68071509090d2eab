//! Answers.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::stream;
use crate::stream::{Placement, SequenceNumber, ServiceError, ShardPage, StreamMode, Timestamp};

#[derive(Serialize)]
pub(super) struct Nothing {}

/// The answer of an operation that only reports success.
pub(super) fn nothing((): ()) -> Nothing {
    Nothing {}
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    shard_id: String,
    #[serde(serialize_with = "number")]
    sequence_number: SequenceNumber,
    encryption_type: &'static str,
}

impl PutRecord {
    pub(super) fn new(placement: Placement) -> Self {
        Self {
            shard_id: placement.shard.to_string(),
            sequence_number: placement.sequence_number,
            encryption_type: "NONE",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecords {
    failed_record_count: usize,
    records: Vec<PutResult>,
    encryption_type: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PutResult {
    #[serde(rename_all = "PascalCase")]
    Put {
        #[serde(serialize_with = "number")]
        sequence_number: SequenceNumber,
        shard_id: String,
    },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: String },
}

impl PutRecords {
    pub(super) fn new(results: Vec<Result<Placement, ServiceError>>) -> Self {
        let failed_record_count = results.iter().filter(|result| result.is_err()).count();
        let result = |result: Result<Placement, ServiceError>| match result {
            Ok(Placement { shard, sequence_number }) => {
                PutResult::Put { sequence_number, shard_id: shard.to_string() }
            }
            Err(error) => {
                PutResult::Failed { error_code: error.name(), error_message: error.to_string() }
            }
        };
        let records = results.into_iter().map(result).collect();
        Self { failed_record_count, records, encryption_type: "NONE" }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecords {
    records: Vec<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
    millis_behind_latest: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    child_shards: Vec<ChildShard>,
}

pub(super) struct Record(pub(super) stream::Record);

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Fields<'a> {
            #[serde(serialize_with = "number")]
            sequence_number: SequenceNumber,
            #[serde(serialize_with = "time")]
            approximate_arrival_timestamp: Timestamp,
            #[serde(serialize_with = "blob")]
            data: &'a [u8],
            partition_key: &'a str,
            encryption_type: &'static str,
        }

        let record = &self.0;
        Fields {
            sequence_number: record.sequence_number,
            approximate_arrival_timestamp: record.arrival,
            data: &record.data,
            partition_key: &record.partition_key,
            encryption_type: "NONE",
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChildShard {
    shard_id: String,
    parent_shards: Vec<String>,
    hash_key_range: HashKeyRange,
}

impl ChildShard {
    pub(super) fn new(child: &stream::ChildShard) -> Self {
        Self {
            shard_id: child.id.to_string(),
            parent_shards: child.parents.iter().map(ToString::to_string).collect(),
            hash_key_range: HashKeyRange::new(child.hash_key_range),
        }
    }
}

impl GetRecords {
    pub(super) fn new(batch: stream::Batch) -> Self {
        Self {
            records: batch.records.into_iter().map(Record).collect(),
            next_shard_iterator: batch.next_shard_iterator,
            millis_behind_latest: batch.millis_behind_latest,
            child_shards: batch.child_shards.iter().map(ChildShard::new).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIterator {
    pub(super) shard_iterator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

impl HashKeyRange {
    fn new(range: stream::HashKeyRange) -> Self {
        Self { starting_hash_key: range.start.to_string(), ending_hash_key: range.end.to_string() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shard {
    shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<String>,
    hash_key_range: HashKeyRange,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<String>,
}

impl Shard {
    fn new(shard: &stream::Shard) -> Self {
        Self {
            shard_id: shard.id.to_string(),
            parent_shard_id: shard.parent.map(|id| id.to_string()),
            adjacent_parent_shard_id: shard.adjacent_parent.map(|id| id.to_string()),
            hash_key_range: HashKeyRange::new(shard.hash_key_range),
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: shard.starting_sequence_number.to_string(),
                ending_sequence_number: shard.ending_sequence_number.map(|at| at.to_string()),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    shards: Vec<Shard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl ListShards {
    pub(super) fn new(page: ShardPage) -> Self {
        Self { shards: page.shards.iter().map(Shard::new).collect(), next_token: page.next_token }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<StreamSummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSummary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: StreamModeDetails,
    #[serde(serialize_with = "time")]
    stream_creation_timestamp: Timestamp,
}

impl StreamSummary {
    fn new(summary: &stream::StreamSummary) -> Self {
        Self {
            stream_name: summary.name.clone(),
            stream_arn: summary.arn.clone(),
            stream_status: summary.status.name(),
            stream_mode_details: StreamModeDetails::new(summary.mode),
            stream_creation_timestamp: summary.created,
        }
    }
}

impl ListStreams {
    pub(super) fn new(streams: Vec<stream::StreamSummary>, more: bool) -> Self {
        let stream_names: Vec<_> = streams.iter().map(|stream| stream.name.clone()).collect();
        Self {
            // A name is a token good enough: the next page begins behind it.
            next_token: stream_names.last().filter(|_| more).cloned(),
            stream_names,
            has_more_streams: more,
            stream_summaries: streams.iter().map(StreamSummary::new).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamModeDetails {
    stream_mode: &'static str,
}

impl StreamModeDetails {
    fn new(mode: StreamMode) -> Self {
        let stream_mode = match mode {
            StreamMode::Provisioned => "PROVISIONED",
            StreamMode::OnDemand => "ON_DEMAND",
        };
        Self { stream_mode }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnhancedMetrics {
    shard_level_metrics: [&'static str; 0],
}

/// What DescribeStream and DescribeStreamSummary both tell.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(flatten)]
    stream: StreamSummary,
    retention_period_hours: u64,
    enhanced_monitoring: [EnhancedMetrics; 1],
    encryption_type: &'static str,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: usize,
}

impl Description {
    fn new(summary: &stream::StreamSummary) -> Self {
        Self {
            stream: StreamSummary::new(summary),
            retention_period_hours: hours(summary.retention),
            enhanced_monitoring: [EnhancedMetrics { shard_level_metrics: [] }],
            encryption_type: "NONE",
            max_record_size_in_kib: summary.record_bytes_max / 1024,
        }
    }
}

/// Whole hours, at least one: a test's retention of some seconds has no other way to be told.
fn hours(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(3600).max(1)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStream {
    stream_description: StreamDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    #[serde(flatten)]
    description: Description,
    shards: Vec<Shard>,
    has_more_shards: bool,
}

impl DescribeStream {
    pub(super) fn new(
        summary: stream::StreamSummary,
        shards: Vec<stream::Shard>,
        more: bool,
    ) -> Self {
        let stream_description = StreamDescription {
            description: Description::new(&summary),
            shards: shards.iter().map(Shard::new).collect(),
            has_more_shards: more,
        };
        Self { stream_description }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStreamSummary {
    stream_description_summary: DescriptionSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescriptionSummary {
    #[serde(flatten)]
    description: Description,
    open_shard_count: usize,
    consumer_count: usize,
}

impl DescribeStreamSummary {
    pub(super) fn new(summary: stream::StreamSummary) -> Self {
        let stream_description_summary = DescriptionSummary {
            description: Description::new(&summary),
            open_shard_count: summary.open_shards,
            consumer_count: summary.consumers,
        };
        Self { stream_description_summary }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeLimits {
    pub(super) shard_limit: usize,
    pub(super) open_shard_count: usize,
    pub(super) on_demand_stream_count: usize,
    pub(super) on_demand_stream_count_limit: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateShardCount {
    pub(super) stream_name: String,
    pub(super) current_shard_count: usize,
    pub(super) target_shard_count: u32,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTags {
    tags: Vec<Tag>,
    has_more_tags: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

impl ListTags {
    pub(super) fn new(tags: BTreeMap<String, String>) -> Self {
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Self { tags, has_more_tags: false }
    }
}

fn number<S: Serializer>(number: &SequenceNumber, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// A time: in text, seconds since the epoch with a fraction; else milliseconds.
pub(super) fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    #[cfg(feature = "cbor")]
    if !serializer.is_human_readable() {
        return crate::format::cbor::write_time(*time, serializer);
    }
    serializer.serialize_f64(time.as_millis() as f64 / 1000.0)
}

/// Bytes: in text, base64; else as they are.
fn blob<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.collect_str(&Base64Display::new(data, &STANDARD))
    } else {
        serializer.serialize_bytes(data)
    }
}
