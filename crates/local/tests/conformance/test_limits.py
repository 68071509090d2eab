"""The service's limits: those of a shard, and those of calls."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from probes import Stream, Table, data, refused, until

THROTTLED = "ProvisionedThroughputExceededException"
LIMITED = "LimitExceededException"


def codes(call, times, **asked):
    """What comes of many calls at once: the error's name, or nothing, of each."""

    def code(_):
        try:
            call(**asked)
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(min(times, 50)) as pool:
        return list(pool.map(code, range(times)))


def test_a_shard_is_read_five_times_a_second(limited):
    """API_GetRecords: five transactions per second per shard"""
    iterator = Stream(limited).iterator()

    seen = codes(limited.get_records, 40, ShardIterator=iterator)

    # Some come back while the calls are made, but not as many as these.
    assert seen.count(None) >= 5
    assert set(seen) == {None, THROTTLED}
    until(lambda: codes(limited.get_records, 1, ShardIterator=iterator) == [None], pause_s=0.3)


def test_a_shard_takes_a_thousand_records_a_second_and_refuses_others_one_by_one(limited):
    """API_PutRecords: 1,000 records per second per shard; partial failure"""
    stream = Stream(limited)
    records = [{"Data": b"%d" % n, "PartitionKey": "k"} for n in range(500)]
    with ThreadPoolExecutor(8) as pool:
        put = lambda _: limited.put_records(StreamName=stream.name, Records=records)  # noqa: E731
        answers = list(pool.map(put, range(8)))

    results = [result for answer in answers for result in answer["Records"]]
    failed = [result for result in results if "ErrorCode" in result]
    assert sum(answer["FailedRecordCount"] for answer in answers) == len(failed) > 0
    assert len(results) - len(failed) >= 1000
    for result in failed:
        assert result["ErrorCode"] == THROTTLED
        assert result["ErrorMessage"]
        assert "SequenceNumber" not in result and "ShardId" not in result


def test_a_shard_takes_a_mebibyte_a_second(limited):
    """API_CreateStream: 1 MiB per second of writes per shard"""
    stream = Stream(limited)
    asked = {"StreamName": stream.name, "PartitionKey": "k", "Data": bytes(500_000)}

    seen = codes(limited.put_record, 8, **asked)

    assert 2 <= seen.count(None) < 8
    assert THROTTLED in seen


def test_iterators_are_asked_for_five_times_a_second_and_shard(limited):
    """API_GetShardIterator: five transactions per second per shard"""
    stream = Stream(limited)

    seen = codes(stream.iterator, 40)

    assert seen.count(None) >= 5
    assert set(seen) == {None, THROTTLED}


def test_summaries_are_described_twenty_times_a_second(limited):
    """API_DescribeStreamSummary: 20 transactions per second per account"""
    name = Stream(limited).name

    seen = codes(limited.describe_stream_summary, 150, StreamName=name)

    assert seen.count(None) >= 10
    assert set(seen) == {None, LIMITED}


def test_what_is_read_and_put_within_the_limits_goes_through(limited):
    """The same limits, from the other side"""
    stream = Stream(limited)
    stream.put_all(b"0", b"1", b"2")

    assert data(stream.read()) == [b"0", b"1", b"2"]


def test_five_streams_are_created_at_a_time(limited):
    """API_CreateStream: at most five in the CREATING state"""
    streams = [f"many-{uuid.uuid4()}" for _ in range(8)]
    seen = [codes(limited.create_stream, 1, StreamName=name, ShardCount=1)[0] for name in streams]

    assert 0 < seen.count(None) <= 5
    assert set(seen) == {None, LIMITED}


def test_a_shard_that_is_read_too_often_leaves_others_alone(limited):
    """Limits of a shard are its own"""
    stream = Stream(limited, shards=2)
    one, other = stream.iterator(), stream.iterator(shard=1)
    codes(limited.get_records, 12, ShardIterator=one)

    assert codes(limited.get_records, 1, ShardIterator=other) == [None]
    assert refused(limited.get_records, ShardIterator="garbage") == "InvalidArgumentException"


def test_calls_take_milliseconds(limited, limited_dynamodb):
    """No figure is published but DynamoDB's single-digit milliseconds; the table says ours"""
    stream = Stream(limited)
    table = Table(limited_dynamodb)

    def shortest_s(call):
        def taken_s():
            start = time.monotonic()
            call()
            return time.monotonic() - start

        return min(taken_s() for _ in range(5))

    # From below only: how long a busy machine adds is nobody's rule.
    assert shortest_s(stream.put) >= 0.009
    assert shortest_s(table.get) >= 0.00375


def test_a_table_takes_seconds_to_be_made(limited_dynamodb):
    """API_CreateTable: TableStatus CREATING, then ACTIVE"""
    table = Table(limited_dynamodb, wait=False)

    assert table.describe()["TableStatus"] == "CREATING"
    table.until_active()
