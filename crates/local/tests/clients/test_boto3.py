"""boto3 against the local endpoints: what a KCL depends on, seen by a client that is not ours.

KINESIS_ENDPOINT and DYNAMODB_ENDPOINT say where they are. KINESIS_SHORT_ENDPOINT is a second
Kinesis whose iterators live for a second and whose records are kept for two.
"""

import os
import time
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

MIDDLE = 2**127
LAST = 2**128 - 1


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=os.environ[endpoint],
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def kinesis():
    return client("kinesis", "KINESIS_ENDPOINT")


@pytest.fixture(scope="module")
def short():
    return client("kinesis", "KINESIS_SHORT_ENDPOINT")


@pytest.fixture(scope="module")
def dynamodb():
    return client("dynamodb", "DYNAMODB_ENDPOINT")


def shard_id(index):
    return f"shardId-{index:012}"


def create(kinesis, shards=1):
    name = f"stream-{uuid.uuid4()}"
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    return name


def iterator(kinesis, stream, shard=0, kind="TRIM_HORIZON", **position):
    return kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard_id(shard), ShardIteratorType=kind, **position
    )["ShardIterator"]


def read(kinesis, stream, shard=0, kind="TRIM_HORIZON", **position):
    at = iterator(kinesis, stream, shard, kind, **position)
    return kinesis.get_records(ShardIterator=at)


def data(answer):
    return [record["Data"] for record in answer["Records"]]


def test_a_subscription_goes_on_through_a_split_to_the_end(kinesis):
    stream = create(kinesis)
    described = kinesis.describe_stream(StreamName=stream)["StreamDescription"]
    asked = {"StreamARN": described["StreamARN"], "ConsumerName": "app"}
    made = kinesis.register_stream_consumer(**asked)["Consumer"]
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"before")

    events = kinesis.subscribe_to_shard(
        ConsumerARN=made["ConsumerARN"],
        ShardId=shard_id(0),
        StartingPosition={"Type": "TRIM_HORIZON"},
    )["EventStream"]
    seen = []
    for event in events:
        event = event["SubscribeToShardEvent"]
        seen += data(event)
        if data(event) == [b"before"]:
            kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"later")
        elif data(event) == [b"later"]:
            kinesis.split_shard(
                StreamName=stream, ShardToSplit=shard_id(0), NewStartingHashKey=str(MIDDLE)
            )

    assert seen == [b"before", b"later"]
    assert [child["ShardId"] for child in event["ChildShards"]] == [shard_id(1), shard_id(2)]
    assert "ContinuationSequenceNumber" not in event



def put(kinesis, stream, data, hash_key=0):
    return kinesis.put_record(
        StreamName=stream, PartitionKey="k", ExplicitHashKey=str(hash_key), Data=data
    )


def listed(kinesis, stream, **asked):
    shards = kinesis.list_shards(StreamName=stream, **asked)["Shards"]
    return [shard["ShardId"] for shard in shards]


def filtered(kinesis, stream, kind, **filter):
    return listed(kinesis, stream, ShardFilter={"Type": kind, **filter})


def split(kinesis, stream, shard=0, at=MIDDLE):
    kinesis.split_shard(
        StreamName=stream, ShardToSplit=shard_id(shard), NewStartingHashKey=str(at)
    )


def refused(call, **asked):
    with pytest.raises(ClientError) as error:
        call(**asked)
    return error.value.response["Error"]["Code"]


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


def test_a_new_stream_is_active_and_its_shards_tile_the_hash_keys(kinesis):
    stream = create(kinesis, shards=3)

    description = kinesis.describe_stream(StreamName=stream)["StreamDescription"]

    assert description["StreamStatus"] == "ACTIVE"
    ranges = [shard["HashKeyRange"] for shard in description["Shards"]]
    starts = [int(keys["StartingHashKey"]) for keys in ranges]
    ends = [int(keys["EndingHashKey"]) for keys in ranges]
    assert starts == [0, *(end + 1 for end in ends[:-1])]
    assert ends[-1] == LAST


def test_waiters_see_a_stream_come_and_go(kinesis):
    stream = create(kinesis)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    kinesis.delete_stream(StreamName=stream)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=stream)


def test_an_on_demand_stream_needs_no_shard_count(kinesis):
    stream = f"stream-{uuid.uuid4()}"
    kinesis.create_stream(StreamName=stream, StreamModeDetails={"StreamMode": "ON_DEMAND"})

    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]

    assert summary["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert summary["OpenShardCount"] == 4


def test_records_come_back_in_order_with_their_bytes_and_time(kinesis):
    stream = create(kinesis)
    before = time.time()
    entries = [{"Data": bytes([n, 255]), "PartitionKey": "ü"} for n in range(10)]
    answer = kinesis.put_records(StreamName=stream, Records=entries)
    assert answer["FailedRecordCount"] == 0

    found = read(kinesis, stream)

    assert data(found) == [bytes([n, 255]) for n in range(10)]
    numbers = [record["SequenceNumber"] for record in found["Records"]]
    assert numbers == [record["SequenceNumber"] for record in answer["Records"]]
    assert sorted(set(numbers), key=int) == numbers
    assert {record["PartitionKey"] for record in found["Records"]} == {"ü"}
    arrival = found["Records"][0]["ApproximateArrivalTimestamp"].timestamp()
    assert before - 1 <= arrival <= time.time() + 1
    assert found["MillisBehindLatest"] == 0


def test_a_limit_is_kept_and_reading_goes_on_behind_it(kinesis):
    stream = create(kinesis)
    for n in range(5):
        put(kinesis, stream, b"%d" % n)
    at = iterator(kinesis, stream)

    first = kinesis.get_records(ShardIterator=at, Limit=2)
    second = kinesis.get_records(ShardIterator=first["NextShardIterator"], Limit=2)

    assert data(first) + data(second) == [b"0", b"1", b"2", b"3"]
    assert first["MillisBehindLatest"] > 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("AT_SEQUENCE_NUMBER", [b"1", b"2"]), ("AFTER_SEQUENCE_NUMBER", [b"2"])],
)
def test_reading_starts_at_or_after_a_sequence_number(kinesis, kind, expected):
    stream = create(kinesis)
    numbers = [put(kinesis, stream, b"%d" % n)["SequenceNumber"] for n in range(3)]

    found = read(kinesis, stream, kind=kind, StartingSequenceNumber=numbers[1])

    assert data(found) == expected


def test_reading_starts_at_a_time(kinesis):
    stream = create(kinesis)
    put(kinesis, stream, b"old")
    arrival = read(kinesis, stream)["Records"][0]["ApproximateArrivalTimestamp"].timestamp()
    until(lambda: time.time() > arrival + 0.01)
    since = time.time()
    until(lambda: time.time() > since + 0.01)
    put(kinesis, stream, b"new")

    assert data(read(kinesis, stream, kind="AT_TIMESTAMP", Timestamp=since)) == [b"new"]
    assert data(read(kinesis, stream, kind="AT_TIMESTAMP", Timestamp=1)) == [b"old", b"new"]


def test_latest_is_after_what_is_there(kinesis):
    stream = create(kinesis)
    put(kinesis, stream, b"before")
    at = iterator(kinesis, stream, kind="LATEST")
    put(kinesis, stream, b"after")

    assert data(kinesis.get_records(ShardIterator=at)) == [b"after"]


def test_a_split_shard_ends_without_an_iterator_and_with_its_children(kinesis):
    stream = create(kinesis)
    put(kinesis, stream, b"last")
    split(kinesis, stream)

    end = read(kinesis, stream)

    assert data(end) == [b"last"]
    assert "NextShardIterator" not in end
    assert end["ChildShards"] == [
        {
            "ShardId": shard_id(1),
            "ParentShards": [shard_id(0)],
            "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": str(MIDDLE - 1)},
        },
        {
            "ShardId": shard_id(2),
            "ParentShards": [shard_id(0)],
            "HashKeyRange": {"StartingHashKey": str(MIDDLE), "EndingHashKey": str(LAST)},
        },
    ]


def test_an_open_shard_has_an_iterator_and_no_children(kinesis):
    stream = create(kinesis)
    split(kinesis, stream)

    tip = read(kinesis, stream, shard=1)

    assert tip["NextShardIterator"]
    assert "ChildShards" not in tip


def test_a_tailing_reader_is_told_of_the_end(kinesis):
    stream = create(kinesis)
    tip = read(kinesis, stream)["NextShardIterator"]
    split(kinesis, stream)

    end = kinesis.get_records(ShardIterator=tip)

    assert "NextShardIterator" not in end
    assert len(end["ChildShards"]) == 2


def test_the_child_of_a_merge_has_both_parents(kinesis):
    stream = create(kinesis, shards=2)
    kinesis.merge_shards(
        StreamName=stream, ShardToMerge=shard_id(0), AdjacentShardToMerge=shard_id(1)
    )

    child = kinesis.list_shards(StreamName=stream)["Shards"][2]
    end = read(kinesis, stream, shard=1)

    assert child["ParentShardId"] == shard_id(0)
    assert child["AdjacentParentShardId"] == shard_id(1)
    assert "EndingSequenceNumber" not in child["SequenceNumberRange"]
    assert end["ChildShards"][0]["ParentShards"] == [shard_id(0), shard_id(1)]


def test_a_parents_numbers_end_below_its_childrens(kinesis):
    stream = create(kinesis)
    number = int(put(kinesis, stream, b"x")["SequenceNumber"])
    split(kinesis, stream)

    parent, *children = kinesis.list_shards(StreamName=stream)["Shards"]

    ending = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    assert number < ending
    for child in children:
        assert ending < int(child["SequenceNumberRange"]["StartingSequenceNumber"])


def test_after_a_split_records_go_to_the_children(kinesis):
    stream = create(kinesis)
    split(kinesis, stream)

    assert put(kinesis, stream, b"x", MIDDLE - 1)["ShardId"] == shard_id(1)
    assert put(kinesis, stream, b"x", MIDDLE)["ShardId"] == shard_id(2)


def test_what_cannot_be_resharded_is_refused(kinesis):
    stream = create(kinesis, shards=3)
    split(kinesis, stream, at=1000)
    again = {"ShardToSplit": shard_id(0), "NewStartingHashKey": "1000"}
    outside = {"ShardToSplit": shard_id(1), "NewStartingHashKey": "1000"}
    apart = {"ShardToMerge": shard_id(3), "AdjacentShardToMerge": shard_id(2)}
    missing = {"ShardToSplit": shard_id(99), "NewStartingHashKey": "1000"}

    invalid = "InvalidArgumentException"
    assert refused(kinesis.split_shard, StreamName=stream, **again) == invalid
    assert refused(kinesis.split_shard, StreamName=stream, **outside) == invalid
    assert refused(kinesis.merge_shards, StreamName=stream, **apart) == invalid
    not_found = "ResourceNotFoundException"
    assert refused(kinesis.split_shard, StreamName=stream, **missing) == not_found


def test_the_shard_count_follows_its_target(kinesis):
    stream = create(kinesis, shards=2)
    for target in (4, 2, 3):
        answer = kinesis.update_shard_count(
            StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING"
        )
        assert answer["TargetShardCount"] == target
        open_shards = filtered(kinesis, stream, "AT_LATEST")
        assert len(open_shards) == target
    by_id = {shard["ShardId"]: shard for shard in kinesis.list_shards(StreamName=stream)["Shards"]}
    assert all("ParentShardId" in by_id[shard] for shard in open_shards)


def test_each_filter_selects_its_shards(kinesis):
    stream = create(kinesis)
    created = time.time()
    until(lambda: time.time() > created + 0.01)
    between = time.time()
    until(lambda: time.time() > between + 0.01)
    split(kinesis, stream)
    parent, children = [shard_id(0)], [shard_id(1), shard_id(2)]

    assert filtered(kinesis, stream, "AT_LATEST") == children
    assert filtered(kinesis, stream, "AT_TRIM_HORIZON") == parent
    assert filtered(kinesis, stream, "FROM_TRIM_HORIZON") == parent + children
    assert filtered(kinesis, stream, "AT_TIMESTAMP", Timestamp=between) == parent
    assert filtered(kinesis, stream, "AT_TIMESTAMP", Timestamp=time.time() + 60) == children
    assert filtered(kinesis, stream, "FROM_TIMESTAMP", Timestamp=between) == parent + children
    assert filtered(kinesis, stream, "FROM_TIMESTAMP", Timestamp=time.time() + 60) == children
    assert filtered(kinesis, stream, "AFTER_SHARD_ID", ShardId=shard_id(1)) == [shard_id(2)]


def test_pages_of_shards_need_nothing_but_their_token(kinesis):
    stream = create(kinesis, shards=5)
    page = kinesis.list_shards(StreamName=stream, MaxResults=2)
    found = page["Shards"]
    while token := page.get("NextToken"):
        page = kinesis.list_shards(NextToken=token, MaxResults=2)
        found += page["Shards"]

    assert [shard["ShardId"] for shard in found] == [shard_id(n) for n in range(5)]
    token = kinesis.list_shards(StreamName=stream, MaxResults=2)["NextToken"]
    both = refused(kinesis.list_shards, StreamName=stream, NextToken=token)
    assert both == "InvalidArgumentException"
    assert listed(kinesis, stream, ExclusiveStartShardId=shard_id(3)) == [shard_id(4)]


def test_an_arn_stands_for_a_name_everywhere(kinesis):
    stream = create(kinesis)
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    arn = summary["StreamARN"]

    kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"x")
    at = kinesis.get_shard_iterator(
        StreamARN=arn, ShardId=shard_id(0), ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert data(kinesis.get_records(StreamARN=arn, ShardIterator=at)) == [b"x"]
    assert len(kinesis.list_shards(StreamARN=arn)["Shards"]) == 1
    kinesis.split_shard(
        StreamARN=arn, ShardToSplit=shard_id(0), NewStartingHashKey=str(MIDDLE)
    )
    kinesis.increase_stream_retention_period(StreamARN=arn, RetentionPeriodHours=30)
    assert kinesis.describe_stream(StreamARN=arn)["StreamDescription"]["StreamName"] == stream
    kinesis.delete_stream(StreamARN=arn)
    assert refused(kinesis.describe_stream, StreamARN=arn) == "ResourceNotFoundException"


def test_the_retention_grows_and_shrinks_within_bounds(kinesis):
    stream = create(kinesis)
    kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=48)
    kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=36)

    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 36
    for hours in (35, 9000):
        asked = {"StreamName": stream, "RetentionPeriodHours": hours}
        code = refused(kinesis.increase_stream_retention_period, **asked)
        assert code == "InvalidArgumentException"


def test_errors_have_the_services_names(kinesis):
    stream = create(kinesis)
    missing = {"StreamName": f"none-{uuid.uuid4()}"}
    again = {"StreamName": stream, "ShardCount": 1}
    entries = [{"Data": b"", "PartitionKey": "k"}] * 501
    at = {"StreamName": stream, "ShardId": shard_id(0), "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    foreign = put(kinesis, create(kinesis, shards=2), b"x", LAST)["SequenceNumber"]

    assert refused(kinesis.list_shards, **missing) == "ResourceNotFoundException"
    assert refused(kinesis.create_stream, **again) == "ResourceInUseException"
    many = refused(kinesis.put_records, StreamName=stream, Records=entries)
    assert many == "ValidationException"
    garbage = refused(kinesis.get_records, ShardIterator="garbage")
    assert garbage == "InvalidArgumentException"
    code = refused(kinesis.get_shard_iterator, StartingSequenceNumber=foreign, **at)
    assert code == "InvalidArgumentException"
    absent = {**at, "ShardId": shard_id(7), "ShardIteratorType": "LATEST"}
    assert refused(kinesis.get_shard_iterator, **absent) == "ResourceNotFoundException"


def test_an_iterator_expires(short):
    stream = create(short)
    at = iterator(short, stream)
    assert short.get_records(ShardIterator=at)["Records"] == []

    def code():
        try:
            short.get_records(ShardIterator=at)
        except ClientError as error:
            return error.response["Error"]["Code"]

    until(lambda: code() == "ExpiredIteratorException")


def test_records_and_closed_shards_expire(short):
    stream = create(short)
    put(short, stream, b"old")
    split(short, stream)
    put(short, stream, b"new")

    until(lambda: shard_id(0) not in listed(short, stream))
    assert filtered(short, stream, "AT_TRIM_HORIZON") == [shard_id(1), shard_id(2)]
    until(lambda: data(read(short, stream, shard=1)) == [])
    gone = {"StreamName": stream, "ShardId": shard_id(0), "ShardIteratorType": "LATEST"}
    assert refused(short.get_shard_iterator, **gone) == "ResourceNotFoundException"


def test_a_lease_is_won_by_one_of_two_takers(dynamodb):
    table = f"leases-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table)
    key = {"leaseKey": {"S": shard_id(0)}}
    dynamodb.put_item(TableName=table, Item={**key, "leaseCounter": {"N": "7"}})

    def take(owner):
        return dynamodb.update_item(
            TableName=table,
            Key=key,
            Expected={"leaseCounter": {"Value": {"N": "7"}}},
            AttributeUpdates={
                "leaseOwner": {"Value": {"S": owner}, "Action": "PUT"},
                "leaseCounter": {"Value": {"N": "8"}, "Action": "PUT"},
            },
        )

    take("one")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        take("two")
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert item == {**key, "leaseCounter": {"N": "8"}, "leaseOwner": {"S": "one"}}
    backups = dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )["ContinuousBackupsDescription"]
    status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert status == "ENABLED"
