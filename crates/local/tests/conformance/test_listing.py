"""ListShards: filters, pages and what they show."""

import time
from functools import cache

from probes import Stream, refused, shard_id, tick, until

INVALID = "InvalidArgumentException"
PARENT, LOW, HIGH = shard_id(0), shard_id(1), shard_id(2)


@cache
def split_stream(kinesis):
    """A stream whose one shard was split, and a time between its creation and the split.

    Seconds lie between, and cases that change nothing share it.
    """
    stream = Stream(kinesis)
    tick(1.1)
    between = time.time()
    tick(1.1)
    stream.split()
    tick(1.1)
    return stream, between


def test_without_a_filter_open_and_closed_shards_are_listed(kinesis):
    """API_ListShards"""
    stream, _ = split_stream(kinesis)

    assert stream.listed() == [PARENT, LOW, HIGH]


def test_only_closed_shards_have_an_ending_number(kinesis):
    """API_SequenceNumberRange: open shards have no EndingSequenceNumber"""
    stream, _ = split_stream(kinesis)

    ended = ["EndingSequenceNumber" in one["SequenceNumberRange"] for one in stream.shards()]

    assert ended == [True, False, False]


def test_at_latest_selects_the_open_shards(kinesis):
    """API_ShardFilter: AT_LATEST"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("AT_LATEST") == [LOW, HIGH]


def test_at_trim_horizon_selects_the_oldest_shards_only(kinesis):
    """API_ShardFilter: AT_TRIM_HORIZON, those that were open then"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("AT_TRIM_HORIZON") == [PARENT]


def test_from_trim_horizon_selects_all(kinesis):
    """API_ShardFilter: FROM_TRIM_HORIZON"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("FROM_TRIM_HORIZON") == [PARENT, LOW, HIGH]


def test_at_timestamp_selects_what_was_open_then(kinesis):
    """API_ShardFilter: AT_TIMESTAMP"""
    stream, between = split_stream(kinesis)

    assert stream.filtered("AT_TIMESTAMP", Timestamp=between) == [PARENT]
    assert stream.filtered("AT_TIMESTAMP", Timestamp=time.time()) == [LOW, HIGH]


def test_at_a_timestamp_before_the_stream_the_oldest_shards_are_selected(kinesis):
    """API_ListShards: a time before TRIM_HORIZON counts as TRIM_HORIZON"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("AT_TIMESTAMP", Timestamp=1) == [PARENT]


def test_from_timestamp_selects_what_was_open_then_or_later(kinesis):
    """API_ShardFilter: FROM_TIMESTAMP"""
    stream, between = split_stream(kinesis)

    assert stream.filtered("FROM_TIMESTAMP", Timestamp=between) == [PARENT, LOW, HIGH]
    assert stream.filtered("FROM_TIMESTAMP", Timestamp=time.time()) == [LOW, HIGH]


def test_from_a_timestamp_before_the_stream_all_are_selected(kinesis):
    """API_ShardFilter: FROM_TIMESTAMP is corrected to TRIM_HORIZON"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("FROM_TIMESTAMP", Timestamp=1) == [PARENT, LOW, HIGH]


def test_times_of_filters_are_in_milliseconds(kinesis):
    """API_ShardFilter: Timestamp, with precision in milliseconds"""
    stream = Stream(kinesis)
    tick()
    between = time.time()
    tick()
    stream.split()
    tick()

    assert stream.filtered("AT_TIMESTAMP", Timestamp=between) == [PARENT]
    assert stream.filtered("FROM_TIMESTAMP", Timestamp=time.time()) == [LOW, HIGH]


def test_after_shard_id_selects_what_follows(kinesis):
    """API_ShardFilter: AFTER_SHARD_ID"""
    stream, _ = split_stream(kinesis)

    assert stream.filtered("AFTER_SHARD_ID", ShardId=LOW) == [HIGH]


def test_listing_starts_behind_a_shard(kinesis):
    """API_ListShards: ExclusiveStartShardId"""
    stream = Stream(kinesis, shards=3)

    assert stream.listed(ExclusiveStartShardId=shard_id(1)) == [shard_id(2)]


def test_a_page_has_as_many_shards_as_were_asked_for_and_a_token(kinesis):
    """API_ListShards: MaxResults, NextToken"""
    stream = Stream(kinesis, shards=3)

    page = kinesis.list_shards(StreamName=stream.name, MaxResults=2)
    whole = kinesis.list_shards(StreamName=stream.name)

    assert len(page["Shards"]) == 2
    assert page["NextToken"]
    assert not whole.get("NextToken")


def test_pages_follow_by_their_token_alone(kinesis):
    """API_ListShards: NextToken without StreamName"""
    stream = Stream(kinesis, shards=5)
    page = kinesis.list_shards(StreamName=stream.name, MaxResults=2)
    found = page["Shards"]
    while token := page.get("NextToken"):
        page = kinesis.list_shards(NextToken=token, MaxResults=2)
        assert len(page["Shards"]) <= 2
        found += page["Shards"]

    assert [shard["ShardId"] for shard in found] == [shard_id(index) for index in range(5)]


def test_pages_keep_their_filter(kinesis):
    """API_ListShards: NextToken continues the list that it came with"""
    stream, _ = split_stream(kinesis)
    filter = {"Type": "AT_LATEST"}
    page = kinesis.list_shards(StreamName=stream.name, ShardFilter=filter, MaxResults=1)
    rest = kinesis.list_shards(NextToken=page["NextToken"])

    found = [shard["ShardId"] for shard in page["Shards"] + rest["Shards"]]
    assert found == [LOW, HIGH]


def test_a_token_and_a_stream_name_exclude_each_other(kinesis):
    """API_ListShards: NextToken and StreamName give InvalidArgumentException"""
    stream = Stream(kinesis, shards=2)
    token = kinesis.list_shards(StreamName=stream.name, MaxResults=1)["NextToken"]

    both = {"StreamName": stream.name, "NextToken": token}
    assert refused(kinesis.list_shards, **both) == INVALID


def test_text_that_is_no_token_is_refused(kinesis):
    """API_ListShards: InvalidArgumentException"""
    assert refused(kinesis.list_shards, NextToken="garbage") == INVALID


def test_a_token_expires(short):
    """API_ListShards: ExpiredNextTokenException, after 300 s in the service"""
    stream = Stream(short, shards=2)
    token = short.list_shards(StreamName=stream.name, MaxResults=1)["NextToken"]
    start = time.time()
    until(lambda: time.time() > start + 1.1)

    assert refused(short.list_shards, NextToken=token) == "ExpiredNextTokenException"


def test_closed_shards_are_forgotten_when_their_records_are(short):
    """Developer guide, resharding: a closed shard is EXPIRED after the retention period"""
    stream = Stream(short)
    stream.split()

    until(lambda: PARENT not in stream.listed())
    assert stream.filtered("AT_TRIM_HORIZON") == [LOW, HIGH]
    assert stream.iterator_refused("LATEST") == "ResourceNotFoundException"
