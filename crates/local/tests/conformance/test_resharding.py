"""SplitShard, MergeShards and UpdateShardCount."""

from probes import LAST, MIDDLE, Stream, refused, shard_id, tile

INVALID = "InvalidArgumentException"
# The documentation leaves open which of the two it is for a shard that is closed.
CLOSED = (INVALID, "ResourceInUseException")
PARENT, LOW, HIGH = shard_id(0), shard_id(1), shard_id(2)


def parents(shard):
    return shard.get("ParentShardId"), shard.get("AdjacentParentShardId")


def numbers(shard):
    range = shard["SequenceNumberRange"]
    return [int(range[end]) for end in ("StartingSequenceNumber", "EndingSequenceNumber")]


def test_a_split_closes_the_parent_and_its_children_tile_its_range(kinesis):
    """API_SplitShard"""
    stream = Stream(kinesis)
    stream.split(at=1000)

    parent, low, high = stream.shards()

    assert [low, high] == stream.open_shards()
    assert tile([low, high])
    assert high["HashKeyRange"]["StartingHashKey"] == "1000"
    assert [parents(low), parents(high)] == [(PARENT, None)] * 2
    assert tile([parent])


def test_a_merge_joins_two_ranges_and_names_both_parents(kinesis):
    """API_MergeShards, API_Shard: AdjacentParentShardId"""
    stream = Stream(kinesis, shards=2)
    stream.merge(0, 1)

    *closed, child = stream.shards()

    assert [child] == stream.open_shards()
    assert [shard["ShardId"] for shard in closed] == [shard_id(0), shard_id(1)]
    assert set(parents(child)) == {shard_id(0), shard_id(1)}
    assert tile([child])


def test_a_parents_numbers_end_below_its_childrens(kinesis):
    """Developer guide, resharding: numbers rise from parent to child"""
    stream = Stream(kinesis)
    record = int(stream.put()["SequenceNumber"])
    stream.split()

    parent, low, high = stream.shards()
    starting, ending = numbers(parent)

    assert starting < record < ending
    for child in (low, high):
        assert ending < int(child["SequenceNumberRange"]["StartingSequenceNumber"])


def test_records_of_children_have_higher_numbers_than_those_of_their_parent(kinesis):
    """Developer guide, resharding; a KCL orders checkpoints by it"""
    stream = Stream(kinesis)
    before = int(stream.put()["SequenceNumber"])
    stream.split()

    after = [int(stream.put(b"x", key)["SequenceNumber"]) for key in (0, LAST)]

    assert all(before < number for number in after)


def test_after_a_split_records_go_to_the_children(kinesis):
    """Developer guide, resharding: new records are routed to the child shards"""
    stream = Stream(kinesis)
    stream.split()

    assert stream.put(b"x", MIDDLE - 1)["ShardId"] == LOW
    assert stream.put(b"x", MIDDLE)["ShardId"] == HIGH


def test_a_closed_shard_is_not_split_again(kinesis):
    """API_SplitShard: only open shards"""
    stream = Stream(kinesis)
    stream.split()

    assert stream.split_refused(0, MIDDLE) in CLOSED


def test_a_closed_shard_is_not_merged(kinesis):
    """API_MergeShards: only open shards"""
    stream = Stream(kinesis, shards=2)
    stream.split(shard=0, at=1000)

    assert stream.merge_refused(0, 1) in CLOSED


def test_a_split_outside_the_shards_range_is_refused(kinesis):
    """API_SplitShard: NewStartingHashKey must be in the range"""
    stream = Stream(kinesis, shards=2)

    assert stream.split_refused(0, MIDDLE + 1000) == INVALID
    assert stream.split_refused(1, 1000) == INVALID


def test_shards_that_do_not_touch_are_not_merged(kinesis):
    """API_MergeShards: adjacent shards only"""
    stream = Stream(kinesis, shards=3)

    assert stream.merge_refused(0, 2) == INVALID


def test_a_missing_shard_is_not_resharded(kinesis):
    """API_SplitShard, API_MergeShards: ResourceNotFoundException"""
    stream = Stream(kinesis)

    assert stream.split_refused(7, MIDDLE) == "ResourceNotFoundException"
    assert stream.merge_refused(0, 7) == "ResourceNotFoundException"


def test_names_of_new_shards_rise_and_are_never_used_again(kinesis):
    """API_Shard: the id is unique in the stream; a KCL sorts by it"""
    stream = Stream(kinesis)
    stream.split()
    stream.merge(1, 2)
    stream.split(shard=3)

    assert stream.listed() == [shard_id(index) for index in range(6)]


def test_the_shard_count_is_updated_up_and_down(kinesis):
    """API_UpdateShardCount"""
    stream = Stream(kinesis, shards=2)
    for target in (4, 2, 3):
        answer = stream.scale(target)

        assert answer["TargetShardCount"] == target
        assert len(stream.open_shards()) == target
        assert tile(stream.open_shards())


def test_every_shard_of_an_updated_count_has_parents(kinesis):
    """API_UpdateShardCount: by splits and merges; a KCL finds children by their parents"""
    stream = Stream(kinesis, shards=2)
    stream.scale(4)

    assert all(parents(shard)[0] for shard in stream.open_shards())


def test_the_shard_count_is_at_most_doubled_or_halved(kinesis):
    """API_UpdateShardCount: limits of one call"""
    asked = {"StreamName": Stream(kinesis, shards=4).name, "ScalingType": "UNIFORM_SCALING"}
    codes = [
        refused(kinesis.update_shard_count, **asked, TargetShardCount=target)
        for target in (9, 1)
    ]

    assert all(code in (INVALID, "LimitExceededException") for code in codes)
