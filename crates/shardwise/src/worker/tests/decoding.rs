//! Records that are decoded on their way.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use shardwise_core::metrics::catalogue::DECODE_FAILURES;

use super::*;
use crate::decoder::Decoder;
use crate::kinesis::Record;
use crate::testing::{Recording, shard_id};

/// Takes `raw:` off; what is without it cannot be decoded.
pub(super) struct Strips;

#[async_trait]
impl Decoder for Strips {
    async fn decode(&self, record: &Record) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        let text = str::from_utf8(&record.data)?;
        assert_ne!(text, "panic", "on purpose");
        // As long as a registry may take to answer.
        tokio::time::sleep(secs(1)).await;
        Ok(text.strip_prefix("raw:").ok_or("no prefix")?.to_owned().into())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_decoded_is_handed_over_and_what_cannot_be_as_it_came() {
    let counted = Arc::new(Recording::default());
    let world = World { sink: Some(Arc::clone(&counted) as _), ..World::with_shards(1) };
    for data in ["raw:first", "plain", "panic", "raw:last"] {
        world.stream.put(0, data.as_bytes());
    }
    let worker = world.worker("a", |_| {}).with_decoder(Strips);
    let worker = run(worker, world.recorders(|_, _, _| Ok(())));
    let names = ["first", "plain", "panic", "last"].map(str::to_owned);
    world.wait_for(&names.clone().into()).await;
    world.wait("a checkpoint", || world.lease(0).unwrap().checkpoint > Checkpoint::Latest).await;
    let batch = |told: &Told| matches!(told, Told::Records { data, .. } if *data == names);
    assert!(world.log.told().iter().any(batch), "{:?}", world.log.told());
    let status = worker.board.shards().into_values().next().unwrap();
    assert_eq!((status.decode_failures, status.failing), (2, None));
    assert_eq!(counted.sum(&DECODE_FAILURES, shard_id(0).as_str()), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_again_is_not_decoded_again() {
    let world = World::with_shards(1);
    world.stream.put(0, b"raw:raw:once");
    let worker = world.worker("a", |_| {}).with_decoder(Strips);
    let _worker = run(
        worker,
        world.recorders(|_, _, attempt| match attempt {
            1 => Err(ProcessorError::retry("not yet")),
            _ => Ok(()),
        }),
    );
    world.wait("two", || world.log.all_handed().get("raw:once") == Some(&2)).await;
}

/// A decoder that outlasts the lease: nothing is handed over that another worker may have by then.
#[tokio::test(start_paused = true)]
async fn nothing_is_handed_over_when_the_lease_was_lost_while_decoding() {
    let world = World::with_shards(1);
    world.stream.put(0, b"raw:late");
    world.stream.put(0, b"raw:later");
    let worker = world.worker("a", |config| config.lease.failover_time = secs(1));
    let _worker = run(worker.with_decoder(Strips), world.recorders(|_, _, _| Ok(())));
    world.wait("it is held", || world.owner(0).is_some()).await;
    world.table.fate([Fate::Throttled; 10]);
    world.wait("the loss", || world.log.told().contains(&lost())).await;
    assert!(world.log.handed().is_empty(), "{:?}", world.log.told());
}

/// All of them would take longer than the stop may.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_records_that_are_being_decoded() {
    let world = World::with_shards(1);
    let names: BTreeSet<_> = (0..100).map(|number| format!("{number}")).collect();
    names.iter().for_each(|name| world.stream.put(0, format!("raw:{name}").as_bytes()));
    let start = |name| {
        run(world.worker(name, |_| {}).with_decoder(Strips), world.recorders(|_, _, _| Ok(())))
    };
    let worker = start("a");
    let is_busy = |worker: &Running| {
        worker.board.shards().values().any(|shard| shard.busy_since.is_some() && shard.records == 0)
    };
    world.wait("it decodes", || is_busy(&worker)).await;
    tokio::time::sleep(secs(3)).await;
    assert!(is_busy(&worker));
    worker.stopper.stop();
    assert!(ended(worker).await.in_order);
    assert!(world.log.handed().is_empty(), "{:?}", world.log.told());

    let _worker = start("b");
    world.wait_for(&names).await;
}

fn lost() -> Told {
    Told::LeaseLost { shard: shard_id(0).to_string() }
}
