//! PutRecord and PutRecords.

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::{SequenceNumber, ServiceError, ShardId, Stream, Streams, Timestamp};

/// The most records that one PutRecords call carries.
pub const RECORDS_PER_CALL_MAX: usize = 500;
const PARTITION_KEY_CHARS_MAX: usize = 256;
/// The most bytes of data and partition keys in one call, whatever the stream's largest record is.
const CALL_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A record to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Whose MD5 sum chooses the shard.
    pub partition_key: Arc<str>,
    /// A hash key that chooses the shard instead.
    pub explicit_hash_key: Option<u128>,
    /// The bytes.
    pub data: Bytes,
}

/// Where a record was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The shard that took it.
    pub shard: ShardId,
    /// Its place there.
    pub sequence_number: SequenceNumber,
}

/// The place of a partition key in the hash key space.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

impl Streams {
    /// Puts one record.
    pub fn put_record(
        &mut self,
        stream: &str,
        record: NewRecord,
        now: Timestamp,
    ) -> Result<Placement, ServiceError> {
        let mut placements = self.put_records(stream, vec![record], now)?;
        placements.pop().expect("each record has a result")
    }

    /// Puts records in their order; each one succeeds or fails by itself.
    ///
    /// # Errors
    ///
    /// The call as a whole fails, and nothing is put, if the stream cannot be written to or a
    /// record breaks a rule. A record fails alone when its shard's write limit is used up.
    pub fn put_records(
        &mut self,
        stream: &str,
        records: Vec<NewRecord>,
        now: Timestamp,
    ) -> Result<Vec<Result<Placement, ServiceError>>, ServiceError> {
        let now = self.advance(now);
        let writes_limited = self.settings.limits.writes;
        let stream = self.stream(stream)?;
        stream.require_records()?;
        check(&records, stream.record_bytes_max)?;
        let put = |record| stream.put(record, writes_limited, now);
        let placements: Vec<Result<Placement, _>> = records.into_iter().map(put).collect();
        self.changed.extend(placements.iter().flatten().map(|placement| placement.shard));
        Ok(placements)
    }
}

fn check(records: &[NewRecord], record_bytes_max: usize) -> Result<(), ServiceError> {
    if records.is_empty() || records.len() > RECORDS_PER_CALL_MAX {
        let rule = format!("Member must have length between 1 and {RECORDS_PER_CALL_MAX}");
        return Err(ServiceError::constraint(records.len(), "records", &rule));
    }
    let mut call_bytes = 0;
    for record in records {
        let key_chars = record.partition_key.chars().count();
        if key_chars == 0 || key_chars > PARTITION_KEY_CHARS_MAX {
            let rule = format!("Member must have length between 1 and {PARTITION_KEY_CHARS_MAX}");
            return Err(ServiceError::constraint(&record.partition_key, "partitionKey", &rule));
        }
        let size_bytes = record.data.len() + record.partition_key.len();
        if size_bytes > record_bytes_max {
            let rule = format!("Member must have length less than or equal to {record_bytes_max}");
            return Err(ServiceError::constraint(
                format_args!("{size_bytes} bytes"),
                "data",
                &rule,
            ));
        }
        call_bytes += size_bytes;
    }
    if call_bytes > CALL_BYTES_MAX {
        return Err(ServiceError::InvalidArgument(format!(
            "Records size exceeds {CALL_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

impl Stream {
    fn put(
        &mut self,
        record: NewRecord,
        writes_limited: bool,
        now: Timestamp,
    ) -> Result<Placement, ServiceError> {
        let key = record.explicit_hash_key.unwrap_or_else(|| hash_key(&record.partition_key));
        let (_, shard) =
            self.open.range(..=key).next_back().expect("open shards cover every hash key");
        let shard = *shard;
        let log = self.shards.get_mut(&shard).expect("an open shard has a log");
        let size_bytes = record.data.len() + record.partition_key.len();
        if writes_limited && !log.usage.admit_write(size_bytes, now) {
            return Err(ServiceError::rate_exceeded(shard, &self.name, &self.account));
        }
        let sequence_number = log.append(record.partition_key, record.data, now);
        self.next_expiry = self.next_expiry.min(now + self.retention);
        Ok(Placement { shard, sequence_number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_hashes_to_its_md5_sum_read_as_a_number() {
        assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }
}
