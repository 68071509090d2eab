"""What clients speak: HTTP and the shape of errors."""

import json
import uuid

import wire
from probes import Stream


def test_http2_is_spoken_with_prior_knowledge(kinesis):
    """What Java's client speaks to an http:// endpoint"""
    stream = Stream(kinesis)

    status, answer = wire.post_http2(kinesis, "ListShards", {"StreamName": stream.name})

    assert status == 200
    assert len(answer["Shards"]) == 1


def test_an_error_has_its_name_a_text_and_a_request_id(kinesis):
    """AWS JSON 1.1: __type, message, x-amzn-RequestId, status 400"""
    name = f"none-{uuid.uuid4()}"

    response = wire.post(kinesis, "ListShards", {"StreamName": name})
    answer = json.loads(response.read())

    assert response.status == 400
    assert answer["__type"].rsplit("#")[-1] == "ResourceNotFoundException"
    assert name in answer["message"]
    assert response.getheader("x-amzn-RequestId")


def test_answers_are_in_json_as_the_requests_are(kinesis):
    """AWS JSON 1.1: Content-Type"""
    response = wire.post(kinesis, "ListStreams", {})

    assert response.status == 200
    assert response.getheader("content-type").split(";")[0] == wire.MEDIA_TYPE
