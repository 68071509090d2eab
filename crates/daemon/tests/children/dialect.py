"""A child that reads and writes as the client library of another language does.

    dialect.py DIRECTORY ruby|dotnet [refused]

What each takes and sends is written out below; what it would die of, this dies of. With `refused`
it asks for a checkpoint in each batch that cannot be made, and then for one that can.
`journal.jsonl` in DIRECTORY gets a line for each thing that happens.
"""

import base64
import json
import os
import sys

DIRECTORY, LANGUAGE = sys.argv[1:3]
REFUSED = sys.argv[3:] == ["refused"]
SHARD = None

# What each message must have. Both libraries raise for an action that they do not know.
FIELDS = {
    "initialize": {"shardId", "sequenceNumber"},
    "processRecords": {"records", "millisBehindLatest"},
    "shardEnded": set(),
    "leaseLost": set(),
    "shutdownRequested": set(),
    "checkpoint": {"error", "sequenceNumber"},
}


def journal(event, **more):
    line = json.dumps({"event": event, "shard": SHARD, "pid": os.getpid(), **more}) + "\n"
    path = os.path.join(DIRECTORY, "journal.jsonl")
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line.encode())
    os.close(handle)


def read():
    """The next message, or none at the end of stdin."""
    while line := sys.stdin.buffer.readline().decode("utf-8"):
        # aws-kclrb passes over blank lines, the .NET client takes each for JSON.
        if LANGUAGE == "ruby" and line.strip() == "":
            continue
        message = json.loads(line)
        missing = FIELDS[message["action"]] - message.keys()
        if missing:
            raise ValueError(f"{message['action']} without {missing}")
        return message
    return None


def say(message):
    text = json.dumps(message, separators=(",", ":")) + "\n"
    # The leading newline parts a message from what the program may have printed before it; the
    # .NET client writes none.
    sys.stdout.write("\n" + text if LANGUAGE == "ruby" else text)
    sys.stdout.flush()


def checkpoint(number):
    """Neither sends a sub-sequence number; .NET's has the field of the answer's error too."""
    if LANGUAGE == "ruby":
        say({"action": "checkpoint", "sequenceNumber": number})
    else:
        say({"action": "checkpoint", "error": None, "sequenceNumber": number})
    answer = read()["error"]
    journal("checkpoint", answer=answer)
    return answer


def process(records):
    for record in records:
        if LANGUAGE == "dotnet" and not isinstance(record["approximateArrivalTimestamp"], int):
            raise ValueError("an arrival time that is no double")
        journal("record", data=base64.b64decode(record["data"]).decode())
    number = records[-1]["sequenceNumber"]
    # Both libraries raise, or call a handler, and leave it to the program to try again.
    if REFUSED and checkpoint("9" + number) != "IllegalArgumentException":
        raise ValueError("a checkpoint beyond the last record is made")
    checkpoint(number)


def main():
    global SHARD
    while (message := read()) is not None:
        action = message["action"]
        SHARD = message.get("shardId", SHARD)
        journal(action)
        if action == "processRecords":
            process(message["records"])
        elif action in ("shardEnded", "shutdownRequested"):
            checkpoint(None)
        say({"action": "status", "responseFor": action})
    journal("end of stdin")


main()
