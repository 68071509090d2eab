"""Kinesis without an SDK: HTTP/1.1 and HTTP/2 by hand, and the frames of an event stream."""

import http.client
import json
import struct
import time
from urllib.parse import urlsplit

import h2.connection
import h2.events
import socket

TARGET = "Kinesis_20131202."
MEDIA_TYPE = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"
# Any will do: these implementations look only whether there is one.
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/kinesis/aws4_request, "
    "SignedHeaders=host;x-amz-date;x-amz-target, Signature=0"
)
STRING = 7


def headers(operation, media_type=MEDIA_TYPE):
    return {
        "content-type": media_type,
        "x-amz-target": TARGET + operation,
        "x-amz-date": "20260101T000000Z",
        "authorization": AUTHORIZATION,
    }


def address(client):
    url = urlsplit(client.meta.endpoint_url)
    return url.hostname, url.port


def post(client, operation, body, media_type=MEDIA_TYPE, timeout_s=10):
    """The answer of one call over HTTP/1.1, whose body is JSON unless it says otherwise."""
    connection = http.client.HTTPConnection(*address(client), timeout=timeout_s)
    body = json.dumps(body) if media_type == MEDIA_TYPE else body
    connection.request("POST", "/", body, headers(operation, media_type))
    return connection.getresponse()


def post_http2(client, operation, body, timeout_s=5):
    """The status and JSON of one call over HTTP/2 with prior knowledge."""
    host, port = address(client)
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        state = h2.connection.H2Connection()
        state.initiate_connection()
        payload = json.dumps(body).encode()
        named = {":method": "POST", ":path": "/", ":scheme": "http", ":authority": host}
        asked = {**named, **headers(operation), "content-length": str(len(payload))}
        state.send_headers(1, list(asked.items()))
        state.send_data(1, payload, end_stream=True)
        connection.sendall(state.data_to_send())
        status, answer = None, b""
        while chunk := connection.recv(65536):
            for event in state.receive_data(chunk):
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                elif isinstance(event, h2.events.DataReceived):
                    answer += event.data
                    state.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, h2.events.StreamEnded):
                    return status, json.loads(answer)
            connection.sendall(state.data_to_send())
    raise AssertionError("the connection ended without an answer")


def frames(response):
    """The frames of an event stream: name and JSON of each, as they come."""
    while len(prelude := response.read(12)) == 12:
        total, headers_length, _ = struct.unpack(">III", prelude)
        rest = response.read(total - 12)
        named = parse(rest[:headers_length])
        payload = rest[headers_length:-4]
        name = named.get(":event-type") or named.get(":exception-type")
        yield name, json.loads(payload) if payload else {}


def parse(text):
    found = {}
    while text:
        length = text[0]
        name, kind = text[1 : 1 + length].decode(), text[1 + length]
        assert kind == STRING, f"header {name} of type {kind}"
        (value_length,) = struct.unpack(">H", text[2 + length : 4 + length])
        end = 4 + length + value_length
        found[name], text = text[4 + length : end].decode(), text[end:]
    return found


class Subscription:
    """A call of SubscribeToShard, and the frames that have come."""

    def __init__(self, client, consumer, shard, kind, **position):
        start = {"Type": kind, **position}
        body = {"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": start}
        self.response = post(client, "SubscribeToShard", body)
        assert self.response.status == 200, self.response.read()
        self.frames = frames(self.response)

    def next(self):
        return next(self.frames)

    def until(self, condition, within_s=10):
        """The first event that meets the condition, which comes before the deadline."""
        deadline = time.monotonic() + within_s
        for name, event in self.frames:
            if name == "SubscribeToShardEvent" and condition(event):
                return event
            assert time.monotonic() < deadline, f"last came {name}: {event}"
        raise AssertionError("the subscription ended")

    def rest(self, within_s=10):
        """The frames up to the end of the subscription, which comes before the deadline."""
        deadline = time.monotonic() + within_s
        found = []
        for name, event in self.frames:
            assert time.monotonic() < deadline, f"last came {name}: {event}"
            found.append((name, event))
        return found

    def close(self):
        self.response.close()
