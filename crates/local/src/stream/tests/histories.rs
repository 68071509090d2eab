//! What must hold for every history of a stream.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::{STREAM, Seen, World, assert_tile, ids, number, steps};

proptest! {
    #[test]
    fn shards_open_at_any_one_time_tile_the_hash_keys(steps in steps(), choice in any::<usize>()) {
        let mut world = World::run(&steps);
        let at = world.moment(choice);

        assert_tile(world.open());
        assert_tile(world.filtered(ShardFilter::AtLatest));
        assert_tile(world.filtered(ShardFilter::AtTrimHorizon));
        assert_tile(world.filtered(ShardFilter::AtTimestamp(at)));
    }

    #[test]
    fn every_record_is_read_once_and_in_order_along_the_lineage(
        steps in steps(),
        limit in 1_usize..20,
    ) {
        let mut world = World::run(&steps);

        let mut read: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for record in world.read_all(limit, ShardFilter::AtTrimHorizon) {
            read.entry(record.partition_key.to_string()).or_default().push(number(&record));
        }

        prop_assert_eq!(&read, &world.put);
    }

    #[test]
    fn sequence_numbers_rise_in_a_shard_and_from_parent_to_child(steps in steps()) {
        let mut world = World::run(&steps);
        let shards: BTreeMap<_, _> =
            world.shards().into_iter().map(|shard| (shard.id, shard)).collect();

        for shard in shards.values() {
            let mut last = shard.starting_sequence_number;
            for record in world.read(shard.id, 1000).0 {
                prop_assert!(last < record.sequence_number);
                last = record.sequence_number;
            }
            if let Some(ending) = shard.ending_sequence_number {
                prop_assert!(last < ending);
            }
            for parent in [shard.parent, shard.adjacent_parent].into_iter().flatten() {
                let ending = shards[&parent].ending_sequence_number;
                prop_assert!(ending.is_some_and(|ending| ending < shard.starting_sequence_number));
            }
        }
    }

    #[test]
    fn filters_show_what_an_observer_has_seen(steps in steps(), choice in any::<usize>()) {
        let mut world = World::run(&steps);
        let at = world.moment(choice);
        let after = ShardId((choice % 5) as u32);
        let seen = |wanted: &dyn Fn(ShardId, Seen) -> bool, world: &World| -> Vec<ShardId> {
            world.seen.iter().filter(|(id, seen)| wanted(**id, **seen)).map(|(id, _)| *id).collect()
        };
        let cases: [(ShardFilter, Vec<ShardId>); 6] = [
            (ShardFilter::AfterShardId(after), seen(&|id, _| id > after, &world)),
            (ShardFilter::AtTrimHorizon, seen(&|_, seen| !seen.is_child, &world)),
            (ShardFilter::FromTrimHorizon, seen(&|_, _| true, &world)),
            (ShardFilter::AtLatest, seen(&|_, seen| seen.closed.is_none(), &world)),
            (ShardFilter::AtTimestamp(at), seen(&|_, seen| seen.is_open_at(at), &world)),
            (ShardFilter::FromTimestamp(at), seen(&|_, seen| seen.closes_no_earlier(at), &world)),
        ];

        for (filter, expected) in cases {
            prop_assert_eq!(ids(&world.filtered(filter)), expected, "{:?}", filter);
        }
    }

    #[test]
    fn pages_together_are_the_whole_list(steps in steps(), limit in 1_usize..4) {
        let mut world = World::run(&steps);
        let whole = world.filtered(ShardFilter::AtLatest);

        let filter = ShardFilter::AtLatest;
        let mut page = world.streams.list_shards(STREAM, filter, None, limit, world.now).unwrap();
        let mut shards = Vec::new();
        while let Some(token) = page.next_token.take() {
            prop_assert_eq!(page.shards.len(), limit);
            shards.append(&mut page.shards);
            page = world.streams.list_shards_next(&token, limit, world.now).unwrap();
        }
        shards.append(&mut page.shards);

        prop_assert_eq!(shards, whole);
    }

    #[test]
    fn reading_from_a_time_on_misses_nothing_that_arrived_since(
        steps in steps(),
        choice in any::<usize>(),
    ) {
        let mut world = World::run(&steps);
        let at = world.moment(choice);
        let all = world.read_all(1000, ShardFilter::AtTrimHorizon);
        let mut expected: Vec<_> =
            all.iter().filter(|record| record.arrival >= at).map(number).collect();

        let found = world.read_all(1000, ShardFilter::AtTimestamp(at));
        let mut found: Vec<_> =
            found.iter().filter(|record| record.arrival >= at).map(number).collect();

        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_timestamp_iterator_starts_at_the_first_record_not_older(
        steps in steps(),
        choice in any::<usize>(),
    ) {
        let mut world = World::run(&steps);
        let at = world.moment(choice);

        for shard in world.shards() {
            let (all, _) = world.read(shard.id, 1000);
            let expected: Vec<_> = all.into_iter().filter(|record| record.arrival >= at).collect();
            let iterator = world.iterator(shard.id, StartingPosition::AtTimestamp(at));
            let batch = world.streams.records(&iterator, 1000, world.now).unwrap();
            prop_assert_eq!(batch.records, expected);
        }
    }

    #[test]
    fn the_same_calls_give_the_same_answers(steps in steps()) {
        let (mut one, mut other) = (World::run(&steps), World::run(&steps));

        prop_assert_eq!(one.shards(), other.shards());
        let from = ShardFilter::AtTrimHorizon;
        prop_assert_eq!(one.read_all(7, from), other.read_all(7, from));
    }
}
