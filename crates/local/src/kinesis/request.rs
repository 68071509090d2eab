//! Requests.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::field::{Blob, Key, Time, count, hash_key, required, shard, stream};
use crate::stream::{NewRecord, ServiceError, ShardFilter};

#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stream {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecords {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) records: Option<Vec<Record>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) data: Option<Blob>,
    pub(super) partition_key: Option<Key>,
    pub(super) explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecord {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) data: Option<Blob>,
    pub(super) partition_key: Option<Key>,
    pub(super) explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecords {
    pub(super) shard_iterator: Option<String>,
    pub(super) limit: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIterator {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_id: Option<String>,
    pub(super) shard_iterator_type: Option<String>,
    pub(super) starting_sequence_number: Option<String>,
    pub(super) timestamp: Option<Time>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) next_token: Option<String>,
    pub(super) exclusive_start_shard_id: Option<String>,
    pub(super) max_results: Option<i64>,
    pub(super) stream_creation_timestamp: Option<Time>,
    pub(super) shard_filter: Option<Filter>,
}

impl ListShards {
    /// A token says all there is to say; an ARN beside it is how some SDKs route.
    pub(super) fn check_token_stands_alone(&self) -> Result<(), ServiceError> {
        let others = [
            ("StreamName", self.stream_name.is_some()),
            ("ExclusiveStartShardId", self.exclusive_start_shard_id.is_some()),
            ("StreamCreationTimestamp", self.stream_creation_timestamp.is_some()),
            ("ShardFilter", self.shard_filter.is_some()),
        ];
        match others.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(ServiceError::InvalidArgument(format!(
                "NextToken and {name} cannot be provided together."
            ))),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    r#type: Option<String>,
    shard_id: Option<String>,
    timestamp: Option<Time>,
}

impl Filter {
    pub(super) fn checked(self) -> Result<ShardFilter, ServiceError> {
        let kind = required(self.r#type, "shardFilter.type")?;
        let lacks = |field: &str| {
            ServiceError::InvalidArgument(format!(
                "{field} must be provided for a ShardFilter of type {kind}."
            ))
        };
        match kind.as_str() {
            "AFTER_SHARD_ID" => {
                let id = self.shard_id.ok_or_else(|| lacks("ShardId"))?;
                shard(&id).map(ShardFilter::AfterShardId)
            }
            "AT_TRIM_HORIZON" => Ok(ShardFilter::AtTrimHorizon),
            "FROM_TRIM_HORIZON" => Ok(ShardFilter::FromTrimHorizon),
            "AT_LATEST" => Ok(ShardFilter::AtLatest),
            "AT_TIMESTAMP" => {
                let at = self.timestamp.ok_or_else(|| lacks("Timestamp"))?;
                Ok(ShardFilter::AtTimestamp(at.0))
            }
            "FROM_TIMESTAMP" => {
                let from = self.timestamp.ok_or_else(|| lacks("Timestamp"))?;
                Ok(ShardFilter::FromTimestamp(from.0))
            }
            other => {
                let rule = "Member must satisfy enum value set: [AT_TIMESTAMP, \
                            FROM_TIMESTAMP, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, \
                            AFTER_SHARD_ID]";
                Err(ServiceError::constraint(other, "shardFilter.type", rule))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    pub(super) limit: Option<i64>,
    pub(super) next_token: Option<String>,
    pub(super) exclusive_start_stream_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeStream {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) limit: Option<i64>,
    pub(super) exclusive_start_shard_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStream {
    pub(super) stream_name: Option<String>,
    pub(super) shard_count: Option<i64>,
    pub(super) stream_mode_details: Option<StreamModeDetails>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: Option<usize>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamModeDetails {
    pub(super) stream_mode: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteStream {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) enforce_consumer_deletion: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SplitShard {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_to_split: Option<String>,
    pub(super) new_starting_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeShards {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) shard_to_merge: Option<String>,
    pub(super) adjacent_shard_to_merge: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateShardCount {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) target_shard_count: Option<i64>,
    pub(super) scaling_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Retention {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    retention_period_hours: Option<i64>,
}

impl Retention {
    pub(super) fn parts(self) -> Result<(String, u32), ServiceError> {
        let hours = required(self.retention_period_hours, "retentionPeriodHours")?;
        let hours = count(hours, "retentionPeriodHours")?;
        Ok((stream(self.stream_name, self.stream_arn)?, hours))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateMaxRecordSize {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    pub(super) max_record_size_in_kib: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddTags {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveTags {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    pub(super) tag_keys: Option<Vec<String>>,
}

impl Record {
    pub(super) fn checked(self) -> Result<NewRecord, ServiceError> {
        let explicit_hash_key = self.explicit_hash_key.as_deref();
        Ok(NewRecord {
            partition_key: required(self.partition_key, "partitionKey")?.0,
            explicit_hash_key: explicit_hash_key
                .map(|key| hash_key(key, "explicitHashKey"))
                .transpose()?,
            data: required(self.data, "data")?.0,
        })
    }
}
