"""A record processor that speaks the protocol itself, keeps the journal that the one in
JavaScript keeps, and does wrong what it is asked to.

A file `mode-PID` in JOURNAL_DIRECTORY names what this process is to do wrong once. It is renamed
to `did-PID-MODE` before, so that whoever asked knows that it happened.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time

DIRECTORY = os.environ["JOURNAL_DIRECTORY"]
WORKER = os.environ["JOURNAL_WORKER"]
PID = os.getpid()
# Errors that may pass, as in the sample in JavaScript.
RETRYABLE = {"ThrottlingException", "KinesisClientLibDependencyException", "RuntimeException"}
RETRIES = 5


def now():
    """Microseconds of CLOCK_MONOTONIC, which all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Journal:
    """Each event is in the file before anything is answered."""

    def __init__(self):
        path = os.path.join(DIRECTORY, f"hand-{WORKER}-{PID}.jsonl")
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.tenure = None

    def write(self, event, **fields):
        line = json.dumps({"e": event, "t": now(), "tenure": self.tenure, **fields})
        os.write(self.file, line.encode() + b"\n")

    def start(self, message):
        self.tenure = f"{WORKER}/{PID}/{now()}"
        self.write("start", worker=WORKER, shard=message["shardId"],
                   seq=message["sequenceNumber"], sub=message["subSequenceNumber"] or 0)

    def hand(self, records):
        self.write("hand", records=[handed(record) for record in records])


def handed(record):
    data = base64.b64decode(record["data"])
    flight = json.loads(data)
    return {
        "seq": record["sequenceNumber"],
        "sub": record["subSequenceNumber"] or 0,
        "digest": hashlib.md5(data).hexdigest()[:16],
        "flight": [flight["row"], flight["origin"], flight["delay"], flight["distance"]],
    }


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def read():
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def checkpoint(journal, number):
    """Checkpoints, again after errors that may pass; no number means all delivered."""
    for attempt in range(RETRIES + 1):
        if attempt > 0:
            time.sleep(1)
        journal.write("ask", seq=number, sub=None)
        say(json.dumps({"action": "checkpoint", "sequenceNumber": number,
                        "subSequenceNumber": None}) + "\n")
        answer = read()
        if answer is None:
            sys.exit(0)
        error = answer["error"]
        journal.write("answer", seq=number, sub=None, error=error)
        if error not in RETRYABLE:
            return


def asked():
    """What is to be done wrong now, if anything."""
    path = os.path.join(DIRECTORY, f"mode-{PID}")
    try:
        with open(path, encoding="utf-8") as file:
            mode = file.read()
        os.rename(path, os.path.join(DIRECTORY, f"did-{PID}-{mode}"))
    except FileNotFoundError:
        return None
    return mode


def misbehave(mode):
    if mode == "exit":
        os._exit(1)
    elif mode == "garbage":
        say('no JSON\n{"action":"status"\nnull\n[]\n\n{"action":"launch"}\n')
    elif mode == "flood-stdout":
        say(("x" * 200 + "\n") * 20_000)
    elif mode == "flood-stderr":
        sys.stderr.write(("x" * 200 + "\n") * 20_000)
        sys.stderr.flush()
    elif mode == "hang":
        while True:
            time.sleep(1000)
    elif mode == "leave-behind":
        # Nobody waits for it, and only SIGKILL ends it.
        subprocess.run(["sh", "-c", 'trap "" TERM; sleep 1000 & exit 0'], check=True)
    elif mode == "escape":
        quiet = subprocess.DEVNULL
        subprocess.Popen(["sleep", "10"], stdin=quiet, stdout=quiet, stderr=quiet,
                         start_new_session=True)
    else:
        raise ValueError(f"no such mischief: {mode}")


def process(journal, records):
    journal.hand(records)
    mode = asked()
    if mode is not None:
        misbehave(mode)
    if records:
        checkpoint(journal, records[-1]["sequenceNumber"])


def main():
    journal = Journal()
    while (message := read()) is not None:
        action = message["action"]
        if action == "initialize":
            journal.start(message)
        elif action == "processRecords":
            process(journal, message["records"])
        else:
            journal.write("end", why=action)
            if action != "leaseLost":
                checkpoint(journal, None)
        say(json.dumps({"action": "status", "responseFor": action}) + "\n")


main()
