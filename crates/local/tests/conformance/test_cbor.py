"""CBOR, which Java's SDK speaks but for SubscribeToShard: the calls of JSON, with bytes as they are
and times in milliseconds."""

import json
import time
import uuid
from base64 import b64encode

import cbor
import wire
from probes import Stream, shard_id, tick


def call(client, operation, body):
    """What a call in CBOR is answered with that succeeds."""
    response = wire.post(client, operation, cbor.encode(body), media_type=wire.CBOR)
    answer = response.read()
    assert response.status == 200, answer
    return cbor.decode(answer)


def put(stream, data):
    body = {"StreamName": stream.name, "Data": data, "PartitionKey": "k"}
    return call(stream.kinesis, "PutRecord", body)


def read(stream, kind="TRIM_HORIZON", **position):
    body = {"StreamName": stream.name, "ShardId": shard_id(0), "ShardIteratorType": kind}
    asked = call(stream.kinesis, "GetShardIterator", {**body, **position})
    body = {"ShardIterator": asked["ShardIterator"], "Limit": 10_000}
    return call(stream.kinesis, "GetRecords", body)["Records"]


def millis():
    return int(time.time() * 1000)


def test_a_record_put_in_cbor_is_read_in_json(kinesis):
    """What Java's client sends: maps of indefinite length, blobs as byte strings"""
    stream = Stream(kinesis)
    data = bytes(range(256))

    body = {"StreamName": stream.name, "Records": [{"Data": data, "PartitionKey": "é"}]}
    answer = call(kinesis, "PutRecords", body)

    assert answer["FailedRecordCount"] == 0
    # By hand: what else than base64 stands there is for the case to judge, not for boto3.
    read = wire.post(kinesis, "GetRecords", {"ShardIterator": stream.iterator()})
    (record,) = json.loads(read.read())["Records"]
    assert record["Data"] == b64encode(data).decode()
    assert record["PartitionKey"] == "é"
    assert record["SequenceNumber"] == answer["Records"][0]["SequenceNumber"]


def test_a_record_read_in_cbor_has_bytes(kinesis):
    """What Java's client reads: blobs as byte strings"""
    stream = Stream(kinesis)
    stream.put(b"\x00\xff")

    (record,) = read(stream)

    assert record["Data"] == b"\x00\xff"
    assert record["PartitionKey"] == "k"


def test_times_of_answers_in_cbor_are_whole_milliseconds(kinesis):
    """What Java's client reads: epoch milliseconds, by Long.parseLong"""
    before = millis()
    stream = Stream(kinesis)
    stream.put()

    (record,) = read(stream)
    streams = call(kinesis, "DescribeStreamSummary", {"StreamName": stream.name})

    created = streams["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    # A second is what an implementation may round a stream's creation to.
    assert isinstance(created, int) and before - 1000 <= created <= millis()
    arrived = record["ApproximateArrivalTimestamp"]
    assert isinstance(arrived, int) and before <= arrived <= millis()


def test_times_of_requests_in_cbor_are_milliseconds(kinesis):
    """What Java's client sends: epoch milliseconds under tag 1"""
    stream = Stream(kinesis)
    stream.put(b"before")
    tick()
    at = millis()
    tick()
    stream.put(b"after")

    (record,) = read(stream, "AT_TIMESTAMP", Timestamp=cbor.Time(at))

    assert record["SequenceNumber"] == stream.read()["Records"][1]["SequenceNumber"]


def test_answers_are_in_cbor_as_the_requests_are(kinesis):
    """What Java's client reads: Content-Type"""
    body = cbor.encode({})

    response = wire.post(kinesis, "ListStreams", body, media_type=wire.CBOR)

    assert response.status == 200
    assert response.getheader("content-type").split(";")[0] == wire.CBOR
    assert isinstance(cbor.decode(response.read())["StreamNames"], list)


def test_an_error_in_cbor_has_its_name_and_a_text(kinesis):
    """What Java's client reads: __type, message, status 400"""
    name = f"none-{uuid.uuid4()}"
    body = cbor.encode({"StreamName": name})

    response = wire.post(kinesis, "ListShards", body, media_type=wire.CBOR)
    answer = cbor.decode(response.read())

    assert response.status == 400
    assert answer["__type"].rsplit("#")[-1] == "ResourceNotFoundException"
    assert name in answer["message"]


def test_a_body_that_is_no_cbor_is_refused(kinesis):
    """CommonErrors: the request could not be parsed, status 400"""
    stream = Stream(kinesis)
    whole = cbor.encode({"StreamName": stream.name, "Data": b"x", "PartitionKey": "k"})

    for body in whole[:-1], whole[:20], json.dumps({}).encode():
        response = wire.post(kinesis, "PutRecord", body, media_type=wire.CBOR)
        answer = cbor.decode(response.read())
        assert response.status == 400, answer
        assert answer["__type"].rsplit("#")[-1] == "SerializationException"
    assert stream.read()["Records"] == []


def test_a_record_of_ten_mebibytes_is_put_and_read_in_cbor(kinesis):
    """API_PutRecord: up to 10 MiB; API_UpdateMaxRecordSize"""
    stream = Stream(kinesis)
    arn = stream.summary()["StreamARN"]
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10_240)
    data = bytes(10 * 2**20 - len("k"))

    put(stream, data)
    put(stream, b"after")

    (record,) = read(stream)
    assert record["Data"] == data
