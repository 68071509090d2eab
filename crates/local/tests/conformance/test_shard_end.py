"""The end of a shard: no next iterator exactly with child shards.

A KCL takes no other shape: an answer with neither or with both is asked for again for ever.
"""

from probes import LAST, MIDDLE, Stream, data, is_end, shard_id

LOWER = {"StartingHashKey": "0", "EndingHashKey": str(MIDDLE - 1)}
UPPER = {"StartingHashKey": str(MIDDLE), "EndingHashKey": str(LAST)}
WHOLE = {"StartingHashKey": "0", "EndingHashKey": str(LAST)}


def ends(stream, shard=0):
    """The answer at the end of a shard, reached from its start in a few calls."""
    answer = stream.read(shard=shard)
    for _ in range(5):
        if "NextShardIterator" not in answer:
            break
        answer = stream.next(answer["NextShardIterator"])
    return answer


def test_a_split_shard_ends_without_an_iterator_and_with_its_children(kinesis):
    """API_GetRecords: NextShardIterator null, ChildShards"""
    stream = Stream(kinesis)
    stream.put(b"last")
    stream.split()

    end = ends(stream)

    assert is_end(end)
    children = sorted(end["ChildShards"], key=lambda child: child["ShardId"])
    assert children == [
        {"ShardId": shard_id(1), "ParentShards": [shard_id(0)], "HashKeyRange": LOWER},
        {"ShardId": shard_id(2), "ParentShards": [shard_id(0)], "HashKeyRange": UPPER},
    ]


def test_a_closed_shard_ends_without_an_iterator(kinesis):
    """API_GetRecords: NextShardIterator null when the shard has been closed"""
    stream = Stream(kinesis)
    stream.put(b"last")
    stream.split()

    assert "NextShardIterator" not in ends(stream)


def test_the_records_of_a_closed_shard_come_before_its_end(kinesis):
    """API_GetRecords; developer guide, resharding: data in the parent stays readable"""
    stream = Stream(kinesis)
    stream.put_all(b"0", b"1")
    stream.split()

    assert data(stream.read()) == [b"0", b"1"]


def test_before_the_end_there_is_an_iterator_and_no_child(kinesis):
    """API_GetRecords: ChildShards only when the end has been reached"""
    stream = Stream(kinesis)
    stream.put_all(b"0", b"1")
    stream.split()

    first = stream.next(stream.iterator(), Limit=1)

    assert data(first) == [b"0"]
    assert first["NextShardIterator"]
    assert not first.get("ChildShards")


def test_an_empty_shard_that_is_split_ends_at_once(kinesis):
    """API_GetRecords: ChildShards without records"""
    stream = Stream(kinesis)
    stream.split()

    end = ends(stream)

    assert data(end) == []
    assert is_end(end)


def test_a_reader_at_the_tip_is_told_of_the_end(kinesis):
    """API_GetRecords"""
    stream = Stream(kinesis)
    tip = stream.read()["NextShardIterator"]
    stream.split()

    end = stream.next(tip)

    assert is_end(end)
    assert len(end["ChildShards"]) == 2


def test_an_open_shard_has_an_iterator_and_no_child(kinesis):
    """API_GetRecords"""
    stream = Stream(kinesis)
    stream.split()

    tip = stream.read(shard=1)

    assert tip["NextShardIterator"]
    assert not tip.get("ChildShards")


def test_both_parents_of_a_merge_end_with_one_child_of_two_parents(kinesis):
    """API_ChildShard: ParentShards"""
    stream = Stream(kinesis, shards=2)
    stream.merge()

    for shard in (0, 1):
        end = ends(stream, shard)
        assert is_end(end)
        (child,) = end["ChildShards"]
        assert sorted(child["ParentShards"]) == [shard_id(0), shard_id(1)]
        assert (child["ShardId"], child["HashKeyRange"]) == (shard_id(2), WHOLE)


def test_latest_of_a_closed_shard_is_its_end(kinesis):
    """API_GetShardIterator: LATEST; a KCL finds the children of a finished lease by it"""
    stream = Stream(kinesis)
    stream.put(b"x")
    stream.split()

    end = stream.read("LATEST")

    assert data(end) == []
    assert is_end(end)


def test_after_the_last_number_of_a_closed_shard_is_its_end(kinesis):
    """API_GetShardIterator: AFTER_SEQUENCE_NUMBER; a KCL resumes by it"""
    stream = Stream(kinesis)
    number = stream.put(b"last")["SequenceNumber"]
    stream.split()

    end = stream.read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)

    assert data(end) == []
    assert is_end(end)


def test_children_that_were_split_themselves_are_still_named(kinesis):
    """API_GetRecords: ChildShards are the direct children"""
    stream = Stream(kinesis)
    stream.split()
    stream.split(shard=1, at=1000)

    named = sorted(child["ShardId"] for child in ends(stream)["ChildShards"])

    assert named == [shard_id(1), shard_id(2)]
