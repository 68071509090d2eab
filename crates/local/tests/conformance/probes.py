"""What the cases do to an endpoint, in few words."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError

MIDDLE = 2**127
LAST = 2**128 - 1
HAPPENS_WITHIN_S = 20
PAUSE_S = 0.02


def shard_id(index):
    return f"shardId-{index:012}"


def refused(call, **asked):
    """The name of the error that the call is refused with, by status 400."""
    with pytest.raises(ClientError) as error:
        call(**asked)
    answer = error.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400, answer
    return answer["Error"]["Code"]


def until(condition, pause_s=PAUSE_S):
    """What the condition gives, once that is something."""
    deadline = time.monotonic() + HAPPENS_WITHIN_S
    while not (met := condition()):
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(pause_s)
    return met


def tick(for_s=0.02):
    """Lets some time pass, as what happened before and after it is told apart by time."""
    end = time.time() + for_s
    until(lambda: time.time() > end)


def unless_limited(call):
    """What the call gives, or nothing if there were too many of its kind lately."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "LimitExceededException":
            raise


class Stream:
    """A stream of its own for a case, and the calls on it."""

    def __init__(self, kinesis, shards=1, name=None):
        self.kinesis = kinesis
        self.name = name or f"stream-{uuid.uuid4()}"
        until(lambda: unless_limited(lambda: self.create(shards)), pause_s=0.1)
        self.until_active()

    def create(self, shards):
        return self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)

    def summary(self):
        answer = self.kinesis.describe_stream_summary(StreamName=self.name)
        return answer["StreamDescriptionSummary"]

    def is_active(self):
        return self.summary()["StreamStatus"] == "ACTIVE"

    def until_active(self):
        until(lambda: unless_limited(self.is_active), pause_s=0.1)

    def shards(self, **asked):
        return self.kinesis.list_shards(StreamName=self.name, **asked)["Shards"]

    def listed(self, **asked):
        return [shard["ShardId"] for shard in self.shards(**asked)]

    def filtered(self, kind, **more):
        return self.listed(ShardFilter={"Type": kind, **more})

    def open_shards(self):
        shards = self.shards()
        return [one for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]

    def ranges(self):
        """The first and last hash key of each shard."""
        ranges = [shard["HashKeyRange"] for shard in self.shards()]
        return [(int(keys["StartingHashKey"]), int(keys["EndingHashKey"])) for keys in ranges]

    def put(self, data=b"x", hash_key=0):
        return self.kinesis.put_record(
            StreamName=self.name, PartitionKey="k", ExplicitHashKey=str(hash_key), Data=data
        )

    def put_all(self, *datas):
        """The sequence numbers of records put one after the other."""
        return [self.put(data)["SequenceNumber"] for data in datas]

    def iterator(self, kind="TRIM_HORIZON", shard=0, **position):
        return self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard_id(shard), ShardIteratorType=kind, **position
        )["ShardIterator"]

    def read(self, kind="TRIM_HORIZON", shard=0, **position):
        return self.next(self.iterator(kind, shard, **position))

    def next(self, iterator, **asked):
        return self.kinesis.get_records(ShardIterator=iterator, **asked)

    def iterator_refused(self, kind, shard=0, **position):
        return refused(
            self.kinesis.get_shard_iterator,
            StreamName=self.name,
            ShardId=shard_id(shard),
            ShardIteratorType=kind,
            **position,
        )

    def split(self, shard=0, at=MIDDLE):
        self.kinesis.split_shard(
            StreamName=self.name, ShardToSplit=shard_id(shard), NewStartingHashKey=str(at)
        )
        self.until_active()

    def split_refused(self, shard, at):
        return refused(
            self.kinesis.split_shard,
            StreamName=self.name,
            ShardToSplit=shard_id(shard),
            NewStartingHashKey=str(at),
        )

    def merge(self, shard=0, adjacent=1):
        self.kinesis.merge_shards(
            StreamName=self.name,
            ShardToMerge=shard_id(shard),
            AdjacentShardToMerge=shard_id(adjacent),
        )
        self.until_active()

    def merge_refused(self, shard, adjacent):
        return refused(
            self.kinesis.merge_shards,
            StreamName=self.name,
            ShardToMerge=shard_id(shard),
            AdjacentShardToMerge=shard_id(adjacent),
        )

    def scale(self, target):
        answer = self.kinesis.update_shard_count(
            StreamName=self.name, TargetShardCount=target, ScalingType="UNIFORM_SCALING"
        )
        self.until_active()
        return answer


def data(answer):
    return [record["Data"] for record in answer["Records"]]


def is_end(answer):
    """Whether this is the end of a shard as a KCL takes it: no iterator, and children."""
    return "NextShardIterator" not in answer and bool(answer.get("ChildShards"))


def tile(shards):
    """Whether the shards' ranges cover every hash key once."""
    ranges = [shard["HashKeyRange"] for shard in shards]
    ranges = [(int(keys["StartingHashKey"]), int(keys["EndingHashKey"])) for keys in ranges]
    ranges.sort()
    starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
    return starts == [0, *(end + 1 for end in ends[:-1])] and ends[-1] == LAST


class Table:
    """A lease table of its own for a case, and the calls on it."""

    KEY = "leaseKey"

    def __init__(self, dynamodb, wait=True, **more):
        self.dynamodb = dynamodb
        self.name = f"leases-{uuid.uuid4()}"
        self.create(**more)
        if wait:
            self.until_active()

    def create(self, **more):
        return self.dynamodb.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": self.KEY, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": self.KEY, "KeyType": "HASH"}],
            **more,
        )["TableDescription"]

    def describe(self):
        return self.dynamodb.describe_table(TableName=self.name)["Table"]

    def until_active(self):
        until(lambda: self.describe()["TableStatus"] == "ACTIVE")

    def key(self, lease="lease-0"):
        return {self.KEY: {"S": lease}}

    def put(self, lease="lease-0", item=None, **asked):
        whole = {**self.key(lease), **(item or {})}
        return self.dynamodb.put_item(TableName=self.name, Item=whole, **asked)

    def get(self, lease="lease-0"):
        """The item without its key, or nothing."""
        asked = {"TableName": self.name, "Key": self.key(lease), "ConsistentRead": True}
        item = self.dynamodb.get_item(**asked).get("Item")
        return item and {name: value for name, value in item.items() if name != self.KEY}

    def update(self, lease="lease-0", **asked):
        return self.dynamodb.update_item(TableName=self.name, Key=self.key(lease), **asked)

    def delete(self, lease="lease-0", **asked):
        return self.dynamodb.delete_item(TableName=self.name, Key=self.key(lease), **asked)

    def conflict(self, call, *arguments, **asked):
        """The item that comes with a failed condition, if any does."""
        with pytest.raises(ClientError) as error:
            call(*arguments, **asked)
        answer = error.value.response
        assert answer["Error"]["Code"] == "ConditionalCheckFailedException", answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        return answer.get("Item")
