"""Stream consumers and SubscribeToShard, by frames, since boto3 would judge them itself."""

import base64
import time
import uuid
from itertools import islice

from probes import Stream, refused, shard_id, tick, until, unless_limited
from wire import Subscription

IN_USE = "ResourceInUseException"
NOT_FOUND = "ResourceNotFoundException"
LIMITED = "LimitExceededException"
# A second call for the same consumer and shard is refused for so long, and somewhat more.
EXCLUSIVE_S = 5.2


def arn(stream):
    return stream.summary()["StreamARN"]


def register(kinesis, stream, name):
    """The ARN of a new consumer."""
    made = kinesis.register_stream_consumer(StreamARN=arn(stream), ConsumerName=name)
    return made["Consumer"]["ConsumerARN"]


def status(kinesis, consumer_arn):
    answer = kinesis.describe_stream_consumer(ConsumerARN=consumer_arn)
    return answer["ConsumerDescription"]["ConsumerStatus"]


def consumer(kinesis, stream):
    """The ARN of a new, active consumer."""
    made = register(kinesis, stream, f"c-{uuid.uuid4()}")
    until(lambda: status(kinesis, made) == "ACTIVE")
    return made


def outcome(kinesis, consumer_arn, shard=0, kind="TRIM_HORIZON"):
    """The names of a subscription's first two frames, or the error it is refused with."""
    try:
        subscription = Subscription(kinesis, consumer_arn, shard_id(shard), kind)
    except AssertionError as refusal:
        return str(refusal)
    seen = " ".join(name for name, _ in islice(subscription.frames, 2))
    subscription.close()
    return seen


def first_continuation(kinesis, made, shard=0):
    """The continuation number of an idle shard."""
    subscription = Subscription(kinesis, made, shard_id(shard), "LATEST")
    event = subscription.until(lambda event: True)
    subscription.close()
    return event["ContinuationSequenceNumber"]


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

    made = consumer(kinesis, stream)

    (listed,) = kinesis.list_stream_consumers(StreamARN=arn(stream))["Consumers"]
    assert listed["ConsumerARN"] == made
    again = {"StreamARN": arn(stream), "ConsumerName": listed["ConsumerName"]}
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

    seen = outcome(kinesis, made)
    first.close()

    assert IN_USE in seen


def test_a_subscription_after_five_seconds_takes_over(kinesis):
    """API_SubscribeToShard: the second call takes over, the previous connection expires or fails"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)
    first = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")
    tick(EXCLUSIVE_S)

    second = Subscription(kinesis, made, shard_id(0), "TRIM_HORIZON")
    stream.put(b"x")
    found = second.until(data)
    names = [name for name, event in first.rest() if event.get("Records") != []]
    second.close()

    assert data(found) == [b"x"]
    assert names in (["initial-response"], ["initial-response", IN_USE])


def test_a_subscription_starts_at_the_latest_record(kinesis):
    """API_StartingPosition: LATEST"""
    stream = Stream(kinesis)
    stream.put(b"old")
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "LATEST")
    subscription.next()
    tick(0.5)
    stream.put(b"new")

    event = subscription.until(data)
    subscription.close()

    assert data(event) == [b"new"]


def test_an_idle_shard_has_events_with_numbers_that_go_on(kinesis):
    """API_SubscribeToShardEvent: shard progress even when no data is written to the shard"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "LATEST")

    events = [subscription.until(lambda event: True) for _ in range(2)]
    subscription.close()

    assert [event["Records"] for event in events] == [[], []]
    first, second = [int(event["ContinuationSequenceNumber"]) for event in events]
    assert first < second


def test_reading_goes_on_after_the_continuation_number_of_an_idle_shard(kinesis):
    """API_SubscribeToShardEvent: ContinuationSequenceNumber with AFTER_SEQUENCE_NUMBER"""
    stream = Stream(kinesis)
    number = first_continuation(kinesis, consumer(kinesis, stream))
    stream.put_all(b"0", b"1")

    found = []
    made = consumer(kinesis, stream)
    position = {"SequenceNumber": number}
    subscription = Subscription(kinesis, made, shard_id(0), "AFTER_SEQUENCE_NUMBER", **position)
    subscription.until(lambda event: found.extend(data(event)) or len(found) >= 2)
    subscription.close()

    assert found == [b"0", b"1"]


def test_latest_of_a_closed_shard_repeats_its_last_event(kinesis):
    """API_SubscribeToShardEvent: ChildShards; a KCL finds the children of an ended shard by it"""
    stream = Stream(kinesis)
    stream.put(b"last")
    stream.split()
    subscription = Subscription(kinesis, consumer(kinesis, stream), shard_id(0), "LATEST")

    end = subscription.until(lambda event: not event.get("ContinuationSequenceNumber"), 5)
    more = subscription.rest()

    assert end["Records"] == [] and more == []
    assert [child["ParentShards"] for child in end["ChildShards"]] == [[shard_id(0)]] * 2


def test_a_subscription_at_the_tip_is_told_of_the_end(kinesis):
    """API_SubscribeToShardEvent: ChildShards, returned only at the end of the current shard"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "LATEST")
    first = subscription.until(lambda event: True)
    stream.split()

    end = subscription.until(lambda event: not event.get("ContinuationSequenceNumber"), 5)
    more = subscription.rest()

    assert not first.get("ChildShards")
    assert len(end["ChildShards"]) == 2 and more == []


def test_a_subscription_ends_when_its_time_is_over(short):
    """API_SubscribeToShard: up to 5 minutes; here a second"""
    stream = Stream(short)
    made = consumer(short, stream)
    began = time.monotonic()
    subscription = Subscription(short, made, shard_id(0), "LATEST")

    names = {name for name, _ in subscription.rest()}

    assert time.monotonic() - began >= 1
    assert names == {"initial-response", "SubscribeToShardEvent"}


def test_a_consumer_is_creating_and_deleting_for_some_time(slow):
    """API_Consumer: ConsumerStatus; API_SubscribeToShard: the resource must be ACTIVE"""
    stream = Stream(slow)
    made = register(slow, stream, "app")

    assert status(slow, made) == "CREATING"
    assert IN_USE in outcome(slow, made)
    until(lambda: status(slow, made) == "ACTIVE")
    slow.deregister_stream_consumer(ConsumerARN=made)
    assert status(slow, made) == "DELETING"
    until(lambda: not slow.list_stream_consumers(StreamARN=arn(stream))["Consumers"])


def test_a_consumer_is_deregistered_by_name_or_arn(kinesis):
    """API_DeregisterStreamConsumer"""
    stream = Stream(kinesis)
    by_arn, by_name = consumer(kinesis, stream), "by-name"
    register(kinesis, stream, by_name)

    kinesis.deregister_stream_consumer(ConsumerARN=by_arn)
    kinesis.deregister_stream_consumer(StreamARN=arn(stream), ConsumerName=by_name)

    until(lambda: not kinesis.list_stream_consumers(StreamARN=arn(stream))["Consumers"])
    assert refused(kinesis.describe_stream_consumer, ConsumerARN=by_arn) == NOT_FOUND
    assert NOT_FOUND in outcome(kinesis, by_arn)


def test_a_subscription_ends_with_its_consumer(kinesis):
    """API_SubscribeToShardEventStream: ResourceNotFoundException"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)
    subscription = Subscription(kinesis, made, shard_id(0), "LATEST")
    subscription.until(lambda event: True)

    kinesis.deregister_stream_consumer(ConsumerARN=made)

    names = [name for name, event in subscription.rest() if "Records" not in event]
    assert names in ([], [NOT_FOUND])


def test_a_consumer_name_has_letters_digits_and_three_signs(kinesis):
    """API_RegisterStreamConsumer: ConsumerName, 1 to 128 of [a-zA-Z0-9_.-]"""
    stream = Stream(kinesis)
    asked = {"StreamARN": arn(stream)}

    for name in ["", "a b", "a/b", "x" * 129]:
        code = refused(kinesis.register_stream_consumer, ConsumerName=name, **asked)
        assert code in ("ValidationException", "InvalidArgumentException"), name
    kinesis.register_stream_consumer(ConsumerName="A-1_b.C" + "x" * 121, **asked)


def test_a_stream_has_twenty_consumers(kinesis):
    """API_RegisterStreamConsumer: up to 20 consumers per stream"""
    stream = Stream(kinesis)
    for number in range(20):
        made = until(
            lambda: unless_limited(lambda: register(kinesis, stream, f"c-{number}")), pause_s=0.1
        )
        until(lambda: status(kinesis, made) == "ACTIVE")

    one_more = {"StreamARN": arn(stream), "ConsumerName": "one-more"}
    assert refused(kinesis.register_stream_consumer, **one_more) == LIMITED


def test_consumers_are_listed_in_pages(kinesis):
    """API_ListStreamConsumers: MaxResults, NextToken"""
    stream = Stream(kinesis)
    made = {consumer(kinesis, stream) for _ in range(3)}

    page = kinesis.list_stream_consumers(StreamARN=arn(stream), MaxResults=2)
    token = {"NextToken": page["NextToken"]}
    rest = kinesis.list_stream_consumers(StreamARN=arn(stream), MaxResults=2, **token)

    assert (len(page["Consumers"]), len(rest["Consumers"])) == (2, 1)
    assert {it["ConsumerARN"] for it in page["Consumers"] + rest["Consumers"]} == made
    assert "NextToken" not in rest


def test_a_stream_with_consumers_is_deleted_only_with_them(kinesis):
    """API_DeleteStream: EnforceConsumerDeletion"""
    stream = Stream(kinesis)
    consumer(kinesis, stream)
    assert stream.summary()["ConsumerCount"] == 1

    assert refused(kinesis.delete_stream, StreamName=stream.name) == IN_USE
    kinesis.delete_stream(StreamName=stream.name, EnforceConsumerDeletion=True)


def test_a_subscription_to_what_is_not_there_is_refused(kinesis):
    """API_SubscribeToShard: ResourceNotFoundException"""
    stream = Stream(kinesis)
    made = consumer(kinesis, stream)

    assert NOT_FOUND in outcome(kinesis, made, shard=7)
    assert NOT_FOUND in outcome(kinesis, f"{arn(stream)}/consumer/none:1")


def test_five_consumers_are_registered_at_a_time(limited):
    """API_RegisterStreamConsumer: a 6th while there are 5 in a CREATING status"""
    stream = Stream(limited)
    seen = []
    for number in range(6):
        asked = {"StreamARN": until(lambda: unless_limited(lambda: arn(stream)), pause_s=0.1)}
        try:
            limited.register_stream_consumer(ConsumerName=f"c-{number}", **asked)
            seen.append(None)
        except limited.exceptions.LimitExceededException:
            seen.append(LIMITED)

    assert seen[0] is None and LIMITED in seen
