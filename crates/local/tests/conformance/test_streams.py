"""Streams as a whole: their states, their names, their retention."""

import uuid

from botocore.exceptions import ClientError

from probes import Stream, data, refused, shard_id, tile, until

NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
INVALID = "InvalidArgumentException"


def test_a_new_stream_has_shards_that_tile_the_hash_keys(kinesis):
    """API_CreateStream, API_HashKeyRange"""
    stream = Stream(kinesis, shards=3)

    assert tile(stream.shards())
    assert stream.listed() == [shard_id(0), shard_id(1), shard_id(2)]


def test_an_on_demand_stream_needs_no_shard_count(kinesis):
    """API_CreateStream: ShardCount only in provisioned mode"""
    name = f"stream-{uuid.uuid4()}"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})

    def summary():
        return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]

    until(lambda: summary()["StreamStatus"] == "ACTIVE")
    assert summary()["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert summary()["OpenShardCount"] == 4


def test_a_missing_stream_is_not_found(kinesis):
    """ResourceNotFoundException of each call"""
    name = {"StreamName": f"none-{uuid.uuid4()}"}
    at = {**name, "ShardId": shard_id(0), "ShardIteratorType": "LATEST"}

    assert refused(kinesis.describe_stream, **name) == NOT_FOUND
    assert refused(kinesis.describe_stream_summary, **name) == NOT_FOUND
    assert refused(kinesis.list_shards, **name) == NOT_FOUND
    assert refused(kinesis.get_shard_iterator, **at) == NOT_FOUND
    assert refused(kinesis.put_record, **name, PartitionKey="k", Data=b"") == NOT_FOUND


def test_a_stream_is_not_created_twice(kinesis):
    """API_CreateStream: ResourceInUseException"""
    stream = Stream(kinesis)

    again = {"StreamName": stream.name, "ShardCount": 1}
    assert refused(kinesis.create_stream, **again) == IN_USE


def test_a_deleted_stream_is_gone_in_the_end(kinesis):
    """API_DeleteStream"""
    stream = Stream(kinesis)
    kinesis.delete_stream(StreamName=stream.name)

    def code():
        try:
            kinesis.describe_stream_summary(StreamName=stream.name)
        except ClientError as error:
            return error.response["Error"]["Code"]

    assert until(code) == NOT_FOUND


def test_a_stream_is_creating_before_it_is_active(slow):
    """API_CreateStream: sets the stream status to CREATING"""
    name = f"stream-{uuid.uuid4()}"
    slow.create_stream(StreamName=name, ShardCount=1)

    seen = slow.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]

    assert seen["StreamStatus"] == "CREATING"


def test_shards_of_a_stream_being_created_are_not_listed(slow):
    """API_ListShards: ResourceInUseException unless ACTIVE or UPDATING"""
    name = f"stream-{uuid.uuid4()}"
    slow.create_stream(StreamName=name, ShardCount=1)

    assert refused(slow.list_shards, StreamName=name) == IN_USE


def test_a_stream_that_is_updating_is_written_and_read_but_not_split(slow):
    """API_SplitShard: UPDATING; reads and writes go on; ResourceInUseException"""
    stream = Stream(slow)
    split = {"StreamName": stream.name, "ShardToSplit": shard_id(0), "NewStartingHashKey": "9"}
    slow.split_shard(**split)

    assert stream.summary()["StreamStatus"] == "UPDATING"
    shard = stream.put(b"meanwhile")["ShardId"]
    assert data(stream.read(shard=int(shard.rsplit("-", 1)[1]))) == [b"meanwhile"]
    assert refused(slow.split_shard, **split) == IN_USE


def test_the_retention_is_a_day_at_first_and_is_raised_and_lowered(kinesis):
    """API_IncreaseStreamRetentionPeriod, API_DecreaseStreamRetentionPeriod"""
    stream = Stream(kinesis)
    assert stream.summary()["RetentionPeriodHours"] == 24

    asked = {"StreamName": stream.name}
    kinesis.increase_stream_retention_period(**asked, RetentionPeriodHours=48)
    stream.until_active()
    assert stream.summary()["RetentionPeriodHours"] == 48
    kinesis.decrease_stream_retention_period(**asked, RetentionPeriodHours=30)
    stream.until_active()
    assert stream.summary()["RetentionPeriodHours"] == 30


def test_the_retention_is_not_raised_to_less_nor_lowered_to_more(kinesis):
    """API_IncreaseStreamRetentionPeriod: must be more than the current one"""
    stream = Stream(kinesis)
    asked = {"StreamName": stream.name}
    kinesis.increase_stream_retention_period(**asked, RetentionPeriodHours=48)
    stream.until_active()

    raised = refused(kinesis.increase_stream_retention_period, **asked, RetentionPeriodHours=36)
    lowered = refused(kinesis.decrease_stream_retention_period, **asked, RetentionPeriodHours=72)

    assert [raised, lowered] == [INVALID, INVALID]


def test_the_retention_stays_between_a_day_and_a_year(kinesis):
    """API_IncreaseStreamRetentionPeriod: 24 to 8760 hours"""
    asked = {"StreamName": Stream(kinesis).name}

    less = refused(kinesis.decrease_stream_retention_period, **asked, RetentionPeriodHours=23)
    more = refused(kinesis.increase_stream_retention_period, **asked, RetentionPeriodHours=8761)

    assert {less, more} <= {INVALID, "ValidationException"}


def test_an_arn_stands_for_a_name(kinesis):
    """StreamARN of every call that takes StreamName"""
    stream = Stream(kinesis)
    arn = {"StreamARN": stream.summary()["StreamARN"]}

    kinesis.put_record(**arn, PartitionKey="k", Data=b"x")
    shard = kinesis.list_shards(**arn)["Shards"][0]["ShardId"]
    at = {"ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**arn, **at)["ShardIterator"]

    assert data(kinesis.get_records(**arn, ShardIterator=iterator)) == [b"x"]
    summary = kinesis.describe_stream_summary(**arn)["StreamDescriptionSummary"]
    assert summary["StreamName"] == stream.name


def test_only_open_shards_count(kinesis):
    """API_StreamDescriptionSummary: OpenShardCount"""
    stream = Stream(kinesis)
    stream.split()

    assert len(stream.shards()) == 3
    assert stream.summary()["OpenShardCount"] == 2


def test_a_stream_made_again_under_its_name_refuses_the_old_numbers(kinesis):
    """API_GetShardIterator: a number must be of this stream"""
    stream = Stream(kinesis)
    number = stream.put()["SequenceNumber"]
    kinesis.delete_stream(StreamName=stream.name)

    def is_made_again():
        try:
            stream.create(1)
        except ClientError as error:
            assert error.response["Error"]["Code"] == IN_USE
            return False
        return True

    until(is_made_again, pause_s=0.2)
    stream.until_active()
    stream.put_all(b"0", b"1")

    code = stream.iterator_refused("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    assert code == INVALID
