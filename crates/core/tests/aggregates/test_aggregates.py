"""The PyPI package aws-kinesis-agg and ours: each takes apart what the other side was given."""

import base64
import copy
import json
import os
import pathlib
import subprocess

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records

VECTORS = json.loads(pathlib.Path(__file__).with_name("vectors.json").read_text("utf-8"))


def ours(aggregates):
    """The user records of each aggregate, by our program."""
    lines = "".join(f"{aggregate}\n" for aggregate in aggregates)
    ran = subprocess.run(
        [os.environ["USER_RECORDS"]], input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def theirs(aggregate):
    """The same by the PyPI package."""
    record = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": "outer",
            "data": aggregate,
        }
    }
    told = [user_record["kinesis"] for user_record in deaggregate_records(record)]
    return [
        {
            "sub": it["subSequenceNumber"],
            "key": it["partitionKey"],
            "hash": it["explicitHashKey"],
            "data": it["data"].decode(),
        }
        for it in told
    ]


def aggregated(records):
    aggregator = RecordAggregator()
    for record in records:
        data = base64.b64decode(record["data"])
        full = aggregator.add_user_record(record["key"], data, record["hash"])
        assert full is None, "more than one Kinesis record"
    _, _, data = aggregator.clear_and_get().get_contents()
    return base64.b64encode(data).decode()


def user_records(count):
    """User records with keys that come again, and a hash key each: the package makes one of the
    partition key where none is given."""
    keys = ["10", "9", "clé", "鍵", "🔑"]
    return [
        {
            "sub": sub,
            "key": keys[sub * 7 % 5],
            "hash": str(2**127 + sub % 11),
            "data": base64.b64encode(bytes([sub % 256]) * (sub * 37 % 300)).decode(),
        }
        for sub in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 200, 3000])
def test_what_the_package_aggregates_comes_apart_to_the_same_user_records(count):
    assert ours([aggregated(user_records(count))]) == [user_records(count)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_our_vectors_come_apart_alike_but_for_a_hash_key_that_is_not_there(vector):
    assert ours([vector["aggregate"]]) == [vector["userRecords"]]
    expected = copy.deepcopy(vector["userRecords"])
    if vector["name"] == "a hash key for the second of two":
        # The package takes an index that is absent for 0. Java's client looks whether it is there,
        # and so do we: the first user record has no hash key.
        expected[0]["hash"] = expected[1]["hash"]
    assert theirs(vector["aggregate"]) == expected
