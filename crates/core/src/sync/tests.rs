mod audit;
mod forest;
mod lineage;
mod walk;

use proptest::prelude::*;

use super::*;
use crate::sequence::SequenceNumber;
use crate::sync::tests::forest::{reference, shard_id, streams};

fn keys(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.key.as_str()).collect()
}

#[test]
fn an_empty_table_gets_a_lease_for_each_listed_shard_in_ascending_order() {
    let stream = reference();
    let mut listed: Vec<Shard> = [6, 7, 4, 5].map(|number| stream.shard(number)).to_vec();
    listed.push(stream.shard(7));
    let leases = initial_leases(&listed, InitialPosition::TrimHorizon).unwrap();
    assert_eq!(keys(&leases), [4, 5, 6, 7].map(|n| shard_id(n).to_string()));
    let parents: Vec<ShardId> = leases[2].parents.iter().cloned().collect();
    assert_eq!(parents, [shard_id(0), shard_id(1)]);
    assert_eq!(leases[2].hash_range, Some(stream.shard(6).hash_range));
    assert!(leases.iter().all(|lease| {
        lease.checkpoint == Checkpoint::TrimHorizon && lease.owner.is_none() && lease.counter == 0
    }));
}

#[test]
fn a_checkpoint_before_a_shards_beginning_or_at_the_end_of_an_open_one_is_of_another_stream() {
    let mut stream = forest::Stream::new(2);
    stream.split(0);
    let (closed, open) = (stream.shard(0), stream.shard(1));
    let at = |sequence: &SequenceNumber| Checkpoint::at(sequence.clone());
    let before = SequenceNumber::parse("999").unwrap();
    for (checkpoint, shard, expected) in [
        (at(&before), &open, true),
        (at(&open.starting_sequence), &open, false),
        (Checkpoint::ShardEnd, &open, true),
        (Checkpoint::ShardEnd, &closed, false),
        (Checkpoint::TrimHorizon, &open, false),
    ] {
        assert_eq!(is_of_another_stream(&checkpoint, shard), expected, "{checkpoint}");
    }
}

#[test]
fn shards_that_do_not_take_every_hash_key_are_no_beginning() {
    let stream = reference();
    let listed = [4, 6, 7].map(|number| stream.shard(number));
    let hole = stream.shard(5).hash_range;
    let error = initial_leases(&listed, InitialPosition::Latest).unwrap_err();
    assert_eq!(error, SyncError::NotCovered { hole });
    let error = initial_leases(&[], InitialPosition::Latest).unwrap_err();
    assert_eq!(error, SyncError::NotCovered { hole: HashKeyRange::ALL });
}

proptest! {
    #[test]
    fn a_list_that_ends_early_is_told_from_a_whole_one(
        stream in streams(),
        left_out in any::<prop::sample::Index>(),
    ) {
        prop_assert_eq!(missing_from_list(&stream.shards), None);
        let kept = left_out.index(stream.shards.len());
        prop_assert!(missing_from_list(&stream.shards[..kept]).is_some());
    }
}
