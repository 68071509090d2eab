//! Single calls, by example.

use bytes::Bytes;

use super::super::*;
use super::{SECOND, START, STREAM, World, assert_tile, ids, number};

#[test]
fn at_the_end_of_a_closed_shard_the_iterator_ends_and_the_children_are_named() {
    let mut world = World::new(Settings::default(), 1);
    let parent = world.open()[0].clone();
    world.put_one("a");
    let latest = world.iterator(parent.id, StartingPosition::Latest);
    world.streams.split_shard(STREAM, parent.id, 1 << 127, world.now).unwrap();

    let last = world.iterator(parent.id, StartingPosition::TrimHorizon);
    let with_last = world.streams.records(&last, 10, world.now).unwrap();
    let batch = world.streams.records(&latest, 10, world.now).unwrap();

    assert_eq!((with_last.records.len(), with_last.next_shard_iterator), (1, None));
    assert_eq!((batch.records.len(), batch.next_shard_iterator), (0, None));
    let parents: Vec<_> = batch.child_shards.iter().map(|child| child.parents.clone()).collect();
    assert_eq!(parents, [vec![parent.id], vec![parent.id]]);
}

#[test]
fn the_child_of_a_merge_names_both_parents() {
    let mut world = World::new(Settings::default(), 2);
    let (lower, upper) = (world.open()[0].id, world.open()[1].id);
    world.streams.merge_shards(STREAM, lower, upper, world.now).unwrap();

    let (_, children) = world.read(upper, 10);
    let child = world.open()[0].clone();

    assert_eq!(children.len(), 1);
    assert_eq!(children[0].parents, [lower, upper]);
    assert_eq!((child.parent, child.adjacent_parent), (Some(lower), Some(upper)));
}

#[test]
fn a_closed_shard_is_not_split_again_and_distant_shards_are_not_merged() {
    let mut world = World::new(Settings::default(), 3);
    let open = ids(&world.open());
    world.streams.split_shard(STREAM, open[0], 1000, world.now).unwrap();

    let again = world.streams.split_shard(STREAM, open[0], 1000, world.now).unwrap_err();
    let distant = world.streams.merge_shards(STREAM, open[0], open[2], world.now).unwrap_err();
    let newest = ids(&world.open())[0];
    let apart = world.streams.merge_shards(STREAM, newest, open[2], world.now).unwrap_err();

    for error in [&again, &distant] {
        assert!(error.to_string().contains("already been merged or split"), "{error}");
    }
    assert!(apart.to_string().contains("not an adjacent pair"), "{apart}");
}

#[test]
fn shards_are_counted_up_and_down_by_at_most_a_factor_of_two() {
    let mut world = World::new(Settings::default(), 2);
    for target in [4, 2, 3, 5, 3] {
        world.streams.update_shard_count(STREAM, target, world.now).unwrap();
        assert_eq!(world.open().len(), target as usize);
        assert_tile(world.open());
    }
    for target in [1, 7] {
        let error = world.streams.update_shard_count(STREAM, target, world.now).unwrap_err();
        assert_eq!(error.name(), "LimitExceededException");
    }
}

#[test]
fn records_and_closed_shards_go_when_their_time_is_up() {
    let retention = SECOND * 60;
    let mut world = World::new(Settings { retention, ..Settings::default() }, 1);
    let parent = world.open()[0].id;
    let first = world.put_one("a").sequence_number;
    world.wait(SECOND * 30);
    world.put_one("b");
    world.streams.split_shard(STREAM, parent, 1 << 127, world.now).unwrap();
    let old = world.iterator(parent, StartingPosition::AtSequenceNumber(first));

    world.wait(SECOND * 30);
    let batch = world.streams.records(&old, 10, world.now).unwrap();
    let numbers: Vec<_> = batch.records.iter().map(number).collect();
    assert_eq!(numbers, [2], "a trimmed position reads on from the oldest record kept");
    let again = world.iterator(parent, StartingPosition::AtSequenceNumber(first));
    assert_eq!(world.streams.records(&again, 10, world.now).unwrap().records.len(), 1);

    world.wait(SECOND * 30);
    assert!(!ids(&world.shards()).contains(&parent));
    assert_tile(world.filtered(ShardFilter::AtTrimHorizon));
    let error = world.streams.records(&old, 10, world.now).unwrap_err();
    assert_eq!(error.name(), "ResourceNotFoundException");
}

#[test]
fn what_a_shorter_retention_has_removed_stays_removed_when_it_grows_again() {
    let mut world = World::new(Settings::default(), 1);
    let parent = world.open()[0].id;
    world.streams.increase_retention(STREAM, 48, world.now).unwrap();
    world.streams.split_shard(STREAM, parent, 1 << 127, world.now).unwrap();
    world.wait(HOUR * 30);
    assert_eq!(world.shards().len(), 3);

    world.streams.decrease_retention(STREAM, 24, world.now).unwrap();
    world.streams.increase_retention(STREAM, 48, world.now).unwrap();

    assert_eq!(world.shards().len(), 2);
    assert_tile(world.filtered(ShardFilter::AtTrimHorizon));
    assert_tile(world.filtered(ShardFilter::AtTimestamp(START)));
}

#[test]
fn an_iterator_is_good_for_five_minutes_and_a_page_token_as_well() {
    let mut world = World::new(Settings::default(), 2);
    let shard = world.open()[0].id;
    let iterator = world.iterator(shard, StartingPosition::TrimHorizon);
    let filter = ShardFilter::FromTrimHorizon;
    let page = world.streams.list_shards(STREAM, filter, None, 1, world.now).unwrap();
    let token = page.next_token.unwrap();

    world.wait(SECOND * 300);
    assert!(world.streams.records(&iterator, 1, world.now).is_ok());
    assert!(world.streams.list_shards_next(&token, 1, world.now).is_ok());

    world.wait(Duration::from_millis(1));
    let expired = world.streams.records(&iterator, 1, world.now).unwrap_err();
    assert_eq!(expired.name(), "ExpiredIteratorException");
    let expired = world.streams.list_shards_next(&token, 1, world.now).unwrap_err();
    assert_eq!(expired.name(), "ExpiredNextTokenException");
}

#[test]
fn a_stream_passes_through_its_states_as_time_goes_by() {
    let (creating, updating, deleting) = (SECOND, SECOND * 2, SECOND * 3);
    let settings = Settings { creating, updating, deleting, ..Settings::default() };
    let mut streams = Streams::new(settings);
    let mut now = START;
    let status = |streams: &mut Streams, now| streams.summary(STREAM, now).map(|s| s.status);

    streams.create_stream(STREAM, Capacity::OnDemand, now).unwrap();
    assert_eq!(status(&mut streams, now), Ok(StreamStatus::Creating));
    let all = ShardFilter::FromTrimHorizon;
    let early = streams.list_shards(STREAM, all, None, 10, now).unwrap_err();
    assert_eq!(early.name(), "ResourceInUseException");
    streams.delete_stream(STREAM, now).unwrap();
    now = now + deleting;
    assert!(status(&mut streams, now).is_err());

    streams.create_stream(STREAM, Capacity::Provisioned(1), now).unwrap();
    now = now + creating;
    assert_eq!(status(&mut streams, now), Ok(StreamStatus::Active));
    streams.update_shard_count(STREAM, 2, now).unwrap();
    assert_eq!(status(&mut streams, now), Ok(StreamStatus::Updating));
    let again = streams.update_shard_count(STREAM, 2, now).unwrap_err();
    assert_eq!(again.name(), "ResourceInUseException");
    assert_eq!(streams.list_shards(STREAM, all, None, 10, now).unwrap().shards.len(), 1);
    now = now + updating;
    assert_eq!(streams.list_shards(STREAM, all, None, 10, now).unwrap().shards.len(), 3);
    streams.delete_stream(STREAM, now).unwrap();
    assert_eq!(status(&mut streams, now), Ok(StreamStatus::Deleting));
}

#[test]
fn a_stream_made_again_knows_no_numbers_and_iterators_of_the_one_before() {
    let mut world = World::new(Settings::default(), 1);
    let shard = world.open()[0].id;
    let iterator = world.iterator(shard, StartingPosition::TrimHorizon);
    let before = world.put_one("a").sequence_number;
    world.streams.delete_stream(STREAM, world.now).unwrap();
    world.streams.create_stream(STREAM, Capacity::Provisioned(1), world.now).unwrap();

    let stale = world.streams.records(&iterator, 1, world.now).unwrap_err();
    let position = StartingPosition::AtSequenceNumber(before);
    let foreign = world.streams.shard_iterator(STREAM, shard, position, world.now).unwrap_err();
    let after = world.put_one("a").sequence_number;

    assert_eq!(stale.name(), "ResourceNotFoundException");
    assert_eq!(foreign.name(), "InvalidArgumentException");
    assert!(before < after);
}

#[test]
fn a_number_that_was_not_given_out_yet_is_no_position() {
    let mut world = World::new(Settings::default(), 1);
    let shard = world.open()[0].id;
    let given = world.put_one("a").sequence_number;
    let future = SequenceNumber { index: given.index + 1, ..given };
    let refused = world.streams.shard_iterator(
        STREAM,
        shard,
        StartingPosition::AtSequenceNumber(future),
        START,
    );
    let later = StartingPosition::AtTimestamp(START + SECOND);

    assert_eq!(refused.unwrap_err().name(), "InvalidArgumentException");
    let refused = world.streams.shard_iterator(STREAM, shard, later, START);
    assert_eq!(refused.unwrap_err().name(), "InvalidArgumentException");
    let after = world.iterator(shard, StartingPosition::AfterSequenceNumber(given));
    assert_eq!(world.streams.records(&after, 1, world.now).unwrap().records, []);
}

#[test]
fn an_answer_ends_before_ten_mebibytes_but_carries_at_least_one_record() {
    let mut world = World::new(Settings::default(), 1);
    let shard = world.open()[0].id;
    world.streams.set_record_size_max(STREAM, 10_240, world.now).unwrap();
    for size in [6 << 20, (10 << 20) - 1, 1 << 20] {
        let data = Bytes::from(vec![7; size]);
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data };
        world.streams.put_record(STREAM, record, world.now).unwrap();
    }
    let mut iterator = world.iterator(shard, StartingPosition::TrimHorizon);
    for _ in 0..3 {
        let batch = world.streams.records(&iterator, 10_000, world.now).unwrap();
        assert_eq!(batch.records.len(), 1);
        iterator = batch.next_shard_iterator.unwrap();
    }
}

#[test]
fn a_call_has_ten_mebibytes_at_most_whatever_the_largest_record_is() {
    let mut world = World::new(Settings::default(), 1);
    let largest = || NewRecord {
        partition_key: "k".into(),
        explicit_hash_key: None,
        data: Bytes::from(vec![7; (1 << 20) - 1]),
    };
    let mut put = |count: usize| {
        let records = (0..count).map(|_| largest()).collect();
        world.streams.put_records(STREAM, records, world.now).map_err(|error| error.name())
    };

    assert_eq!(put(10).map(|results| results.len()), Ok(10));
    assert_eq!(put(11), Err("InvalidArgumentException"));
}

#[test]
fn a_reader_learns_how_far_it_is_behind() {
    let mut world = World::new(Settings::default(), 1);
    let shard = world.open()[0].id;
    world.put_one("a");
    world.wait(SECOND);
    world.put_one("b");
    world.wait(SECOND);
    let iterator = world.iterator(shard, StartingPosition::TrimHorizon);

    let first = world.streams.records(&iterator, 1, world.now).unwrap();
    let rest = world.streams.records(&iterator, 2, world.now).unwrap();

    assert_eq!(first.millis_behind_latest, 2000);
    assert_eq!(rest.millis_behind_latest, 0);
}

#[test]
fn limits_refuse_the_sixth_read_and_single_records_of_a_batch() {
    let limits = Limits { reads: true, writes: true, ..Limits::default() };
    let mut world = World::new(Settings { limits, ..Settings::default() }, 1);
    let shard = world.open()[0].id;
    let iterator = world.iterator(shard, StartingPosition::Latest);

    let reads: Vec<_> =
        (0..6).map(|_| world.streams.records(&iterator, 1, world.now).is_ok()).collect();
    let record = |size| NewRecord {
        partition_key: "k".into(),
        explicit_hash_key: None,
        data: Bytes::from(vec![0; size]),
    };
    let batch = vec![record(600_000), record(600_000), record(1)];
    let results = world.streams.put_records(STREAM, batch, world.now).unwrap();

    assert_eq!(reads, [true, true, true, true, true, false]);
    let put: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(put, [true, true, false]);
    let name = results[2].as_ref().unwrap_err().name();
    assert_eq!(name, "ProvisionedThroughputExceededException");
}

#[test]
fn a_clock_that_steps_back_does_not_disorder_arrivals() {
    let mut world = World::new(Settings::default(), 1);
    let shard = world.open()[0].id;
    world.wait(SECOND);
    world.put_one("a");
    world.now = START;
    world.put_one("b");

    let (records, _) = world.read(shard, 10);

    assert_eq!(records[0].arrival, START + SECOND);
    assert_eq!(records[1].arrival, START + SECOND);
}

#[test]
fn the_shard_limit_counts_every_stream() {
    let mut streams = Streams::new(Settings { shard_limit: 3, ..Settings::default() });
    streams.create_stream("one", Capacity::Provisioned(2), START).unwrap();

    let second = streams.create_stream("two", Capacity::Provisioned(2), START).unwrap_err();

    assert_eq!(second.name(), "LimitExceededException");
    assert_eq!(streams.shard_usage(START), (2, 3));
}
