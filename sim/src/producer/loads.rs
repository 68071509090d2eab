//! The largest that a producer can put.

use std::sync::Arc;

use bytes::Bytes;
use shardwise_local::stream::{NewRecord, RECORDS_PER_CALL_MAX, Shard};

use super::aggregate::encode;
use super::put;
use crate::plan::Load;
use crate::world::{STREAM, World};

const LARGEST_KIB: usize = 10 << 10;
/// Of every outer record.
const KEY: &str = "a";

/// Puts a load to one shard.
pub(crate) fn put_load(world: &World, shard: &Shard, load: Load) {
    let key = shard.hash_key_range.start;
    let record =
        |data: Bytes| NewRecord { partition_key: KEY.into(), explicit_hash_key: Some(key), data };
    let numbered = |number: u32| record(Bytes::from(number.to_string()));
    let date = world.date();
    let resized = world.state().streams.set_record_size_max(STREAM, LARGEST_KIB, date);
    resized.expect("the stream is active");
    match load {
        Load::Largest => {
            let data = vec![b'x'; (LARGEST_KIB << 10) - KEY.len()];
            put(world, vec![record(data.into())]);
        }
        Load::Records(count) => {
            let records: Vec<NewRecord> = (0..count).map(numbered).collect();
            records.chunks(RECORDS_PER_CALL_MAX).for_each(|some| put(world, some.to_vec()));
        }
        Load::Aggregate(count) => {
            let user_records: Vec<NewRecord> = (0..count).map(numbered).collect();
            let outer = record(encode(&user_records));
            let (date, t) = (world.date(), world.t());
            let mut state = world.state();
            let placed = state.streams.put_record(STREAM, outer, date);
            let placement = placed.expect("an aggregate is no larger than a record may be");
            for (user_record, sub_sequence) in user_records.iter().zip(0..) {
                state.journal.put(t, user_record, placement, sub_sequence);
            }
        }
        Load::Bomb { key_bytes, count } => {
            let partition_key: Arc<str> = "k".repeat(key_bytes).into();
            let empty = || NewRecord {
                partition_key: Arc::clone(&partition_key),
                explicit_hash_key: None,
                data: Bytes::new(),
            };
            let user_records: Vec<NewRecord> = (0..count).map(|_| empty()).collect();
            put(world, vec![record(encode(&user_records))]);
        }
    }
}
