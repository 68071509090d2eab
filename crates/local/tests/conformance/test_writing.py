"""PutRecord and PutRecords."""

import threading
from hashlib import md5

from probes import LAST, Stream, data, refused, shard_id, until

REFUSED = ("InvalidArgumentException", "ValidationException")


def entries(count):
    return [{"Data": b"%d" % n, "PartitionKey": str(n)} for n in range(count)]


def test_five_hundred_records_fit_in_a_call(kinesis):
    """API_PutRecords: up to 500 records"""
    stream = Stream(kinesis)

    answer = kinesis.put_records(StreamName=stream.name, Records=entries(500))

    assert answer["FailedRecordCount"] == 0
    assert len(stream.read()["Records"]) == 500


def test_five_hundred_and_one_do_not(kinesis):
    """API_PutRecords: up to 500 records"""
    stream = Stream(kinesis)

    code = refused(kinesis.put_records, StreamName=stream.name, Records=entries(501))

    assert code in REFUSED


def test_each_record_has_its_result_in_its_place(kinesis):
    """API_PutRecords: Records in the order of the request"""
    stream = Stream(kinesis, shards=2)
    (first, last), (next_first, _) = stream.ranges()
    keys = [LAST, first, next_first, last]
    records = [{"Data": b"", "PartitionKey": "k", "ExplicitHashKey": str(key)} for key in keys]

    answer = kinesis.put_records(StreamName=stream.name, Records=records)

    shards = [result["ShardId"] for result in answer["Records"]]
    assert shards == [shard_id(1), shard_id(0), shard_id(1), shard_id(0)]
    assert all("ErrorCode" not in result for result in answer["Records"])


def test_numbers_rise_within_a_call_and_from_call_to_call(kinesis):
    """API_PutRecords, API_PutRecord: SequenceNumber, compared as integers"""
    stream = Stream(kinesis)
    numbers = []
    for _ in range(3):
        answer = kinesis.put_records(StreamName=stream.name, Records=entries(3))
        numbers += [int(result["SequenceNumber"]) for result in answer["Records"]]

    assert sorted(set(numbers)) == numbers


def test_an_explicit_hash_key_chooses_the_shard_at_both_ends_of_a_range(kinesis):
    """API_PutRecord: ExplicitHashKey"""
    stream = Stream(kinesis, shards=2)

    for index, ends in enumerate(stream.ranges()):
        for key in ends:
            assert stream.put(b"x", key)["ShardId"] == shard_id(index)


def test_the_md5_sum_of_a_partition_key_chooses_the_shard(kinesis):
    """API_PutRecord: PartitionKey, by MD5 to a 128-bit integer"""
    stream = Stream(kinesis, shards=2)
    (_, (middle, _)) = stream.ranges()
    for key in ("a", "b", "schlüssel", "鍵"):
        upper = int.from_bytes(md5(key.encode()).digest(), "big") >= middle

        put = kinesis.put_record(StreamName=stream.name, PartitionKey=key, Data=b"")

        assert put["ShardId"] == shard_id(1 if upper else 0), key


def test_a_record_above_a_mebibyte_is_refused(kinesis):
    """API_PutRecord: 1 MiB unless set higher"""
    stream = Stream(kinesis)
    asked = {"StreamName": stream.name, "PartitionKey": "k", "Data": bytes(2**20 + 1)}

    assert refused(kinesis.put_record, **asked) in REFUSED


def test_an_empty_partition_key_is_refused(kinesis):
    """API_PutRecord: PartitionKey of 1 to 256 characters"""
    asked = {"StreamName": Stream(kinesis).name, "Data": b""}

    assert refused(kinesis.put_record, **asked, PartitionKey="") in REFUSED
    assert refused(kinesis.put_record, **asked, PartitionKey="k" * 257) in REFUSED


def test_a_hash_key_outside_the_key_space_is_refused(kinesis):
    """API_PutRecord: ExplicitHashKey"""
    asked = {"StreamName": Stream(kinesis).name, "Data": b"", "PartitionKey": "k"}

    assert refused(kinesis.put_record, **asked, ExplicitHashKey=str(LAST + 1)) in REFUSED


def test_a_tailing_reader_misses_nothing_of_several_writers(kinesis):
    """API_GetRecords: records in the order of their numbers, none left out"""
    stream = Stream(kinesis)
    tip = stream.iterator("LATEST")
    wanted = {b"%d.%d" % (writer, n) for writer in range(4) for n in range(100)}

    def write(writer):
        for batch in range(10):
            datas = [b"%d.%d" % (writer, n) for n in range(batch * 10, batch * 10 + 10)]
            records = [{"Data": datum, "PartitionKey": "k"} for datum in datas]
            kinesis.put_records(StreamName=stream.name, Records=records)

    writers = [threading.Thread(target=write, args=[writer]) for writer in range(4)]
    for writer in writers:
        writer.start()
    found, numbers = [], []

    def is_all_read():
        nonlocal tip
        answer = stream.next(tip)
        tip = answer["NextShardIterator"]
        found.extend(data(answer))
        numbers.extend(int(record["SequenceNumber"]) for record in answer["Records"])
        return len(found) >= len(wanted)

    until(is_all_read)
    for writer in writers:
        writer.join()
    assert set(found) == wanted and len(found) == len(wanted)
    assert sorted(set(numbers)) == numbers
