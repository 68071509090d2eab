"""Shard iterators and GetRecords."""

import time

from botocore.exceptions import ClientError

from probes import LAST, Stream, data, refused, shard_id, tick, until

INVALID = "InvalidArgumentException"
NOT_FOUND = "ResourceNotFoundException"


def test_records_come_back_in_order_as_they_were_put(kinesis):
    """API_GetRecords, API_Record"""
    stream = Stream(kinesis)
    datas = [bytes([n, 255]) for n in range(10)]
    entries = [{"Data": datum, "PartitionKey": "ключ"} for datum in datas]
    put = kinesis.put_records(StreamName=stream.name, Records=entries)["Records"]

    found = stream.read()

    assert data(found) == datas
    assert {record["PartitionKey"] for record in found["Records"]} == {"ключ"}
    numbers = [record["SequenceNumber"] for record in found["Records"]]
    assert numbers == [record["SequenceNumber"] for record in put]


def test_a_limit_is_kept_and_reading_goes_on_behind_it(kinesis):
    """API_GetRecords: Limit"""
    stream = Stream(kinesis)
    stream.put_all(b"0", b"1", b"2")

    first = stream.next(stream.iterator(), Limit=2)
    rest = stream.next(first["NextShardIterator"], Limit=2)

    assert [data(first), data(rest)] == [[b"0", b"1"], [b"2"]]


def test_a_limit_above_ten_thousand_is_refused(kinesis):
    """API_GetRecords: Limit of 10,000 at most"""
    stream = Stream(kinesis)

    code = refused(kinesis.get_records, ShardIterator=stream.iterator(), Limit=10_001)

    assert code in (INVALID, "ValidationException")


def test_an_answer_has_ten_mebibytes_at_most(kinesis):
    """API_GetRecords: the maximum size of data is 10 MiB"""
    stream = Stream(kinesis)
    entry = {"Data": bytes(1_000_000), "PartitionKey": "k"}
    for _ in range(3):
        kinesis.put_records(StreamName=stream.name, Records=[entry] * 4)

    first = stream.read()
    rest = stream.next(first["NextShardIterator"])

    assert len(first["Records"]) == 10
    assert len(rest["Records"]) == 2


def test_latest_starts_behind_what_is_there(kinesis):
    """API_GetShardIterator: LATEST"""
    stream = Stream(kinesis)
    stream.put(b"before")
    iterator = stream.iterator("LATEST")
    stream.put(b"after")

    assert data(stream.next(iterator)) == [b"after"]


def test_at_a_number_starts_with_it(kinesis):
    """API_GetShardIterator: AT_SEQUENCE_NUMBER"""
    stream = Stream(kinesis)
    numbers = stream.put_all(b"0", b"1", b"2")

    middle = stream.read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1])
    last = stream.read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2])

    assert [data(middle), data(last)] == [[b"1", b"2"], [b"2"]]


def test_after_a_number_starts_behind_it(kinesis):
    """API_GetShardIterator: AFTER_SEQUENCE_NUMBER"""
    stream = Stream(kinesis)
    numbers = stream.put_all(b"0", b"1", b"2")

    assert data(stream.read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[0])) == [
        b"1",
        b"2",
    ]


def test_after_the_last_number_waits_for_the_next_record(kinesis):
    """API_GetShardIterator: AFTER_SEQUENCE_NUMBER at the tip"""
    stream = Stream(kinesis)
    number = stream.put(b"last")["SequenceNumber"]

    tip = stream.read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    stream.put(b"next")

    assert data(tip) == []
    assert data(stream.next(tip["NextShardIterator"])) == [b"next"]


def test_a_shards_starting_number_starts_at_its_first_record(kinesis):
    """API_SequenceNumberRange: StartingSequenceNumber"""
    stream = Stream(kinesis)
    stream.put_all(b"0", b"1")
    number = stream.shards()[0]["SequenceNumberRange"]["StartingSequenceNumber"]

    found = stream.read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)

    assert data(found) == [b"0", b"1"]


def test_a_number_of_another_shard_is_refused(kinesis):
    """API_GetShardIterator: InvalidArgumentException"""
    stream = Stream(kinesis, shards=2)
    number = stream.put(b"x", LAST)["SequenceNumber"]
    stream.put_all(b"0", b"1")

    code = stream.iterator_refused("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)

    assert code == INVALID


def test_text_that_is_no_number_is_refused(kinesis):
    """API_GetShardIterator: InvalidArgumentException"""
    stream = Stream(kinesis)

    code = stream.iterator_refused("AT_SEQUENCE_NUMBER", StartingSequenceNumber="12345")

    assert code == INVALID


def test_a_number_is_needed_where_it_says_where_to_start(kinesis):
    """API_GetShardIterator: StartingSequenceNumber with AT_ and AFTER_SEQUENCE_NUMBER"""
    code = Stream(kinesis).iterator_refused("AT_SEQUENCE_NUMBER")

    assert code in (INVALID, "ValidationException")


def test_at_a_time_starts_with_the_first_record_that_is_not_older(kinesis):
    """API_GetShardIterator: AT_TIMESTAMP, to the millisecond"""
    stream = Stream(kinesis)
    stream.put(b"old")
    tick()
    at = time.time()
    tick()
    stream.put(b"new")

    assert data(stream.read("AT_TIMESTAMP", Timestamp=at)) == [b"new"]


def test_at_a_time_before_every_record_starts_with_the_oldest(kinesis):
    """API_GetShardIterator: a time before the trim horizon is the trim horizon"""
    stream = Stream(kinesis)
    stream.put(b"oldest")

    assert data(stream.read("AT_TIMESTAMP", Timestamp=1)) == [b"oldest"]


def test_at_a_time_behind_every_record_waits_for_the_next(kinesis):
    """API_GetShardIterator: AT_TIMESTAMP without an exact match starts with the next record"""
    stream = Stream(kinesis)
    stream.put(b"old")
    tick()

    tip = stream.read("AT_TIMESTAMP", Timestamp=time.time())
    stream.put(b"next")

    assert data(tip) == []
    assert data(stream.next(tip["NextShardIterator"])) == [b"next"]


def test_a_time_in_the_future_is_refused(kinesis):
    """Seen of the service; not documented: InvalidArgumentException"""
    stream = Stream(kinesis)

    assert stream.iterator_refused("AT_TIMESTAMP", Timestamp=time.time() + 3600) == INVALID


def test_an_iterator_of_a_missing_shard_is_not_found(kinesis):
    """API_GetShardIterator: ResourceNotFoundException"""
    assert Stream(kinesis).iterator_refused("LATEST", shard=7) == NOT_FOUND


def test_text_that_is_no_iterator_is_refused(kinesis):
    """API_GetRecords: InvalidArgumentException"""
    assert refused(kinesis.get_records, ShardIterator="garbage") == INVALID


def test_an_iterator_gives_the_same_records_each_time(kinesis):
    """API_GetRecords: an iterator can be used until it expires"""
    stream = Stream(kinesis)
    stream.put_all(b"0", b"1")
    iterator = stream.iterator()

    assert data(stream.next(iterator)) == data(stream.next(iterator)) == [b"0", b"1"]


def test_an_empty_answer_leads_on(kinesis):
    """API_GetRecords: an empty list and an iterator, while the shard is open"""
    stream = Stream(kinesis)
    empty = stream.read()
    stream.put(b"later")

    assert data(empty) == []
    assert data(stream.next(empty["NextShardIterator"])) == [b"later"]


def test_a_reader_learns_how_far_it_is_behind(kinesis):
    """API_GetRecords: MillisBehindLatest"""
    stream = Stream(kinesis)
    stream.put(b"0")
    tick()
    stream.put(b"1")
    tick()

    behind = stream.next(stream.iterator(), Limit=1)
    tip = stream.next(behind["NextShardIterator"])

    assert behind["MillisBehindLatest"] > 0
    assert tip["MillisBehindLatest"] == 0


def test_arrival_times_are_in_milliseconds(kinesis):
    """API_Record: ApproximateArrivalTimestamp has millisecond precision"""
    before = time.time()
    stream = Stream(kinesis)
    for _ in range(4):
        stream.put()
        tick()

    records = stream.read()["Records"]
    times = [record["ApproximateArrivalTimestamp"].timestamp() for record in records]

    assert len(set(times)) == 4 and sorted(times) == times
    assert before - 1 <= times[0] and times[-1] <= time.time() + 1


def test_numbers_of_records_lie_above_the_shards_first_and_rise(kinesis):
    """API_SequenceNumberRange; compared as integers"""
    stream = Stream(kinesis)
    numbers = [int(number) for number in stream.put_all(b"0", b"1", b"2")]
    first = int(stream.shards()[0]["SequenceNumberRange"]["StartingSequenceNumber"])

    assert first < numbers[0] < numbers[1] < numbers[2]


def code_of(call, **asked):
    try:
        call(**asked)
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_an_iterator_expires(short):
    """API_GetRecords: ExpiredIteratorException, after 5 minutes in the service"""
    iterator = Stream(short).iterator()
    assert short.get_records(ShardIterator=iterator)["Records"] == []

    code = until(lambda: code_of(short.get_records, ShardIterator=iterator))

    assert code == "ExpiredIteratorException"


def test_records_are_forgotten_after_the_retention(short):
    """Developer guide: records older than the retention period are not accessible"""
    stream = Stream(short)
    number = stream.put(b"old")["SequenceNumber"]

    until(lambda: data(stream.read()) == [])
    stream.put(b"new")
    at = {"ShardId": shard_id(0), "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    found = short.get_shard_iterator(StreamName=stream.name, **at, StartingSequenceNumber=number)
    assert data(stream.next(found["ShardIterator"])) == [b"new"]
