//! Operations on streams as a whole: made, described, resharded, tagged.

use serde::Serialize;

use super::{Kinesis, LIMIT_MAX, answer, field, request};
use crate::stream::{Capacity, ServiceError, ShardId, Timestamp};

const DESCRIBED_SHARDS: i64 = 100;
const LISTED_STREAMS: i64 = 100;
const ON_DEMAND_STREAM_LIMIT: usize = 50;

impl Kinesis {
    pub(super) fn list_streams(
        &self,
        asked: &request::ListStreams,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let limit = asked.limit.unwrap_or(LISTED_STREAMS);
        let limit = field::limit(Some(limit), LIMIT_MAX, "limit")?;
        let after = asked.next_token.as_deref().or(asked.exclusive_start_stream_name.as_deref());
        let (streams, more) = self.streams().list_streams(after, limit, now);
        Ok(answer::ListStreams::new(streams, more))
    }

    pub(super) fn describe_stream(
        &self,
        asked: request::DescribeStream,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let limit = asked.limit.unwrap_or(DESCRIBED_SHARDS);
        let limit = field::limit(Some(limit), LIMIT_MAX, "limit")?;
        let after = asked.exclusive_start_shard_id.as_deref().map(field::shard).transpose()?;
        let mut streams = self.streams();
        let summary = streams.summary(&stream, now)?;
        let (shards, more) = streams.describe_shards(&stream, after, limit, now)?;
        Ok(answer::DescribeStream::new(summary, shards, more))
    }

    pub(super) fn describe_summary(
        &self,
        asked: request::Stream,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        Ok(answer::DescribeStreamSummary::new(self.streams().summary(&stream, now)?))
    }

    pub(super) fn describe_limits(
        &self,
        _asked: &request::Nothing,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let mut streams = self.streams();
        let (open_shard_count, shard_limit) = streams.shard_usage(now);
        Ok(answer::DescribeLimits {
            shard_limit,
            open_shard_count,
            on_demand_stream_count: streams.on_demand_streams(),
            on_demand_stream_count_limit: ON_DEMAND_STREAM_LIMIT,
        })
    }

    pub(super) fn create_stream(
        &self,
        asked: request::CreateStream,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let name = field::required(asked.stream_name, "streamName")?;
        let mode = asked.stream_mode_details.map(|details| details.stream_mode);
        let capacity = match (mode.as_deref(), asked.shard_count) {
            (Some("ON_DEMAND"), None) => Capacity::OnDemand,
            (Some("ON_DEMAND"), Some(_)) => {
                return Err(ServiceError::Validation(
                    "ShardCount must not be given for a stream in On-Demand mode.".to_owned(),
                ));
            }
            (Some("PROVISIONED") | None, count) => {
                let count = field::required(count, "shardCount")?;
                Capacity::Provisioned(field::count(count, "shardCount")?)
            }
            (Some(other), _) => {
                let rule = "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]";
                return Err(ServiceError::constraint(other, "streamMode", rule));
            }
        };
        let mut streams = self.streams();
        match asked.max_record_size_in_kib {
            Some(kib) => streams.create_stream_for_records(&name, capacity, kib, now)?,
            None => streams.create_stream(&name, capacity, now)?,
        }
        if !asked.tags.is_empty() {
            streams.add_tags(&name, asked.tags, now)?;
        }
        Ok(answer::nothing(()))
    }

    pub(super) fn delete_stream(
        &self,
        asked: request::DeleteStream,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let mut streams = self.streams();
        if asked.enforce_consumer_deletion != Some(true) {
            streams.require_no_consumers(&stream, now)?;
        }
        streams.delete_stream(&stream, now).map(answer::nothing)
    }

    pub(super) fn split_shard(
        &self,
        asked: request::SplitShard,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let shard = field::required(asked.shard_to_split, "shardToSplit")?;
        let at = field::required(asked.new_starting_hash_key, "newStartingHashKey")?;
        let at = field::hash_key(&at, "newStartingHashKey")?;
        let shard = field::existing_shard(&shard, &stream)?;
        self.streams().split_shard(&stream, shard, at, now).map(answer::nothing)
    }

    pub(super) fn merge_shards(
        &self,
        asked: request::MergeShards,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let shard = field::required(asked.shard_to_merge, "shardToMerge")?;
        let adjacent = field::required(asked.adjacent_shard_to_merge, "adjacentShardToMerge")?;
        let existing = |id: &str| -> Result<ShardId, _> { field::existing_shard(id, &stream) };
        let (shard, adjacent) = (existing(&shard)?, existing(&adjacent)?);
        self.streams().merge_shards(&stream, shard, adjacent, now).map(answer::nothing)
    }

    pub(super) fn update_shard_count(
        &self,
        asked: request::UpdateShardCount,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let target = field::required(asked.target_shard_count, "targetShardCount")?;
        let target = field::count(target, "targetShardCount")?;
        if asked.scaling_type.as_deref() != Some("UNIFORM_SCALING") {
            let rule = "Member must satisfy enum value set: [UNIFORM_SCALING]";
            let given = asked.scaling_type.unwrap_or_default();
            return Err(ServiceError::constraint(given, "scalingType", rule));
        }
        let mut streams = self.streams();
        let counts = streams.update_shard_count(&stream, target, now)?;
        let stream_arn = streams.arn(&stream);
        Ok(answer::UpdateShardCount {
            stream_name: stream,
            stream_arn,
            current_shard_count: counts.current,
            target_shard_count: counts.target,
        })
    }

    pub(super) fn update_record_size(
        &self,
        asked: request::UpdateMaxRecordSize,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let kib = field::required(asked.max_record_size_in_kib, "maxRecordSizeInKiB")?;
        self.streams().set_record_size_max(&stream, kib, now).map(answer::nothing)
    }

    pub(super) fn add_tags(
        &self,
        asked: request::AddTags,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let tags = field::required(asked.tags, "tags")?;
        self.streams().add_tags(&stream, tags, now).map(answer::nothing)
    }

    pub(super) fn remove_tags(
        &self,
        asked: request::RemoveTags,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let keys = field::required(asked.tag_keys, "tagKeys")?;
        self.streams().remove_tags(&stream, &keys, now).map(answer::nothing)
    }

    pub(super) fn list_tags(
        &self,
        asked: request::Stream,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let stream = field::stream(asked.stream_name, asked.stream_arn)?;
        let tags = self.streams().tags(&stream, now)?;
        Ok(answer::ListTags::new(tags))
    }
}
