"""Stream consumers and SubscribeToShard, by frames, since boto3 would judge them itself."""

import base64
import time
import uuid
from itertools import islice

from probes import Stream, refused, shard_id, tick, until
from wire import Subscription

IN_USE = "ResourceInUseException"


def consumer(kinesis, stream):
    """The ARN of a new, active consumer."""
    arn = stream.summary()["StreamARN"]
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"c-{uuid.uuid4()}")
    consumer_arn = made["Consumer"]["ConsumerARN"]

    def status():
        answer = kinesis.describe_stream_consumer(ConsumerARN=consumer_arn)
        return answer["ConsumerDescription"]["ConsumerStatus"]

    until(lambda: status() == "ACTIVE")
    return consumer_arn


def data(event):
    return [base64.b64decode(record["Data"]) for record in event["Records"]]


def first_records(kinesis, stream, kind, **position):
    """The records of the first event that has some."""
    subscription = Subscription(kinesis, consumer(kinesis, stream), shard_id(0), kind, **position)
    event = subscription.until(data)
    subscription.close()
    return data(event)


def test_a_consumer_is_registered_described_and_listed(kinesis):
    """API_RegisterStreamConsumer, API_DescribeStreamConsumer, API_ListStreamConsumers"""
    stream = Stream(kinesis)
    arn = stream.summary()["StreamARN"]

    made = consumer(kinesis, stream)

    (listed,) = kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]
    assert listed["ConsumerARN"] == made
    again = {"StreamARN": arn, "ConsumerName": listed["ConsumerName"]}
    assert refused(kinesis.register_stream_consumer, **again) == IN_USE


def test_a_subscription_begins_with_the_initial_response(kinesis):
    """Event stream encoding: initial-response is the first frame"""
    stream = Stream(kinesis)
    subscription = Subscription(
        kinesis, consumer(kinesis, stream), shard_id(0), "TRIM_HORIZON"
    )

    name, _ = subscription.next()
    subscription.close()

    assert name == "initial-response"


def test_a_subscription_delivers_from_the_trim_horizon_and_goes_on(kinesis):
    """API_SubscribeToShard: TRIM_HORIZON"""
    stream = Stream(kinesis)
    stream.put(b"before")
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")
    first = subscription.until(data)
    stream.put(b"later")

    second = subscription.until(data)
    subscription.close()

    assert [data(first), data(second)] == [[b"before"], [b"later"]]
    assert first["ContinuationSequenceNumber"] and first["MillisBehindLatest"] >= 0


def test_a_subscription_starts_at_or_after_a_number(kinesis):
    """API_StartingPosition: AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER"""
    stream = Stream(kinesis)
    number = stream.put_all(b"0", b"1", b"2")[1]

    at = first_records(kinesis, stream, "AT_SEQUENCE_NUMBER", SequenceNumber=number)
    after = first_records(kinesis, stream, "AFTER_SEQUENCE_NUMBER", SequenceNumber=number)

    assert [at, after] == [[b"1", b"2"], [b"2"]]


def test_a_subscription_starts_at_a_time(kinesis):
    """API_StartingPosition: AT_TIMESTAMP"""
    stream = Stream(kinesis)
    stream.put(b"old")
    tick()
    at = time.time()
    tick()
    stream.put(b"new")

    assert first_records(kinesis, stream, "AT_TIMESTAMP", Timestamp=at) == [b"new"]


def test_the_last_event_of_a_shard_has_children_and_no_continuation(kinesis):
    """API_SubscribeToShardEvent: ContinuationSequenceNumber null, ChildShards"""
    stream = Stream(kinesis)
    stream.put(b"last")
    stream.split()
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")

    end = subscription.until(lambda event: not event.get("ContinuationSequenceNumber"), 5)
    subscription.close()

    assert sorted(child["ShardId"] for child in end["ChildShards"]) == [shard_id(1), shard_id(2)]


def test_a_second_subscription_within_five_seconds_is_refused(kinesis):
    """API_SubscribeToShard: ResourceInUseException, as an answer or a frame"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)
    first = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")

    try:
        second = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")
        seen = [name for name, _ in islice(second.frames, 2)]
        second.close()
    except AssertionError as refusal:
        seen = [str(refusal)]
    first.close()

    assert any(IN_USE in name for name in seen)
