//! Puts records to the stream, and writes down where they went.

mod aggregate;
mod loads;
mod packing;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shardwise_local::stream::{NewRecord, Shard};

pub(crate) use self::loads::put_load;
use self::packing::Packer;
use crate::dice::Dice;
use crate::plan::Family;
use crate::world::{STREAM, World};

/// Between two puts, on average.
const EVERY: Duration = Duration::from_millis(500);
/// Different partition keys of up to eight shards, and of each shard more: none is without.
const KEYS: usize = 64;
const KEYS_A_SHARD: usize = 16;

/// Puts records until `until`: a steady flow, with bursts and pauses; none if none are planned.
pub(crate) async fn produce(world: Arc<World>, until: Duration) {
    if world.plan.records_per_second == 0 {
        return;
    }
    let mut dice = Dice::new(world.plan.seed, "producer");
    let mut packer = world.plan.has(Family::Aggregates).then(|| Packer::new(&world));
    let keys = KEYS + KEYS_A_SHARD * (world.plan.shards as usize).saturating_sub(8);
    let mut number = 0_u64;
    while world.now() < until {
        let usual = world.plan.records_per_second as usize / 2;
        let count = match dice.below(10) {
            0 => 0,
            1 => 2 * usual + 2,
            _ => usual.max(1),
        };
        let records: Vec<NewRecord> = (0..count)
            .map(|_| {
                number += 1;
                NewRecord {
                    partition_key: format!("k{}", dice.below(keys)).into(),
                    explicit_hash_key: None,
                    data: Bytes::from(number.to_string()),
                }
            })
            .collect();
        match &mut packer {
            Some(packer) => packer.put(&world, records),
            None => put(&world, records),
        }
        let pause = dice.between(EVERY / 2, EVERY * 3 / 2);
        tokio::time::sleep(pause).await;
    }
}

/// Puts records to one shard.
pub(crate) fn put_to_shard(world: &World, shard: &Shard, count: u32) {
    let already = world.state().journal.puts();
    let record = |number: usize| NewRecord {
        partition_key: format!("p{number}").into(),
        explicit_hash_key: Some(shard.hash_key_range.start),
        data: Bytes::from(format!("p{number}")),
    };
    put(world, (already..already + count as usize).map(record).collect());
}

fn put(world: &World, records: Vec<NewRecord>) {
    if records.is_empty() {
        return;
    }
    let (date, t) = (world.date(), world.t());
    let mut state = world.state();
    let placed = state.streams.put_records(STREAM, records.clone(), date);
    let placed = placed.expect("the stream is there, and takes what is small");
    for (record, placement) in records.iter().zip(placed) {
        let placement = placement.expect("no limit is kept");
        state.journal.put(t, record, placement, 0);
    }
}
