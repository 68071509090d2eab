"""A child of the daemon that says what a recorded child said, and notes what it is told.

    replay.py DIRECTORY TRANSCRIPT SHIFT

Shards have numbers that are higher by SHIFT than in the recording. The n-th child of a shard is the
n-th one of the recording. Sequence numbers and arrival times are others than then: what is said has
today's in place of the recorded ones, and what is noted in `told-SHARD-N` has the recorded ones in
place of today's, so that its bytes can be compared. Where the recording ends, every action is
answered, and a shard that was not recorded ends in order.
"""

import json
import os
import re
import sys
import time

DIRECTORY, TRANSCRIPT, SHIFT = sys.argv[1:4]
# Next to a recorded number there are made up ones.
NEAR = 10


def say(data):
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def recorded(shard, number):
    """The entries of the n-th child of a shard; of one that was never recorded, none."""
    children = []
    name, digits = shard.rsplit("-", 1)
    shard = f"{name}-{int(digits) - int(SHIFT):012}"
    with open(TRANSCRIPT, encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    for entry in entries:
        if entry["shard"] == shard and entry["child"] not in children:
            children.append(entry["child"])
    if number >= len(children):
        return []
    child = children[number]
    return [e for e in entries if e["shard"] == shard and e["child"] == child]


class Numbers:
    """Recorded numbers by today's, and the other way; kept for the shard's next child."""

    def __init__(self, shard):
        self.path = os.path.join(DIRECTORY, f"numbers-{shard}")
        try:
            with open(self.path, encoding="utf-8") as file:
                self.today = json.load(file)
        except FileNotFoundError:
            self.today = {}

    def learn(self, told, message):
        """From a batch, and from the same one as it was recorded."""
        for ours, theirs in zip(told.get("records", []), message.get("records", [])):
            self.today[theirs["sequenceNumber"]] = ours["sequenceNumber"]
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.today, file)

    def translated(self, text, table):
        """The text with every number that is in the table, or next to one, replaced."""
        def replaced(match):
            digits = match.group().lstrip("0")
            zeros = match.group()[:len(match.group()) - len(digits)]
            if digits in table:
                return zeros + table[digits]
            if digits.endswith("0") and digits[:-1] in table:
                return zeros + table[digits[:-1]] + "0"
            for known, other in table.items():
                if len(known) == len(digits) and abs(int(known) - int(digits)) <= NEAR:
                    return zeros + str(int(other) + int(digits) - int(known))
            return match.group()
        return re.sub(r"\d{50,}", replaced, text)

    def of_today(self, text):
        return self.translated(text, self.today)

    def as_recorded(self, text):
        return self.translated(text, {today: then for then, today in self.today.items()})


def is_status(line):
    """Whether a line was taken for an answer: what follows the message did not matter."""
    try:
        message, _ = json.JSONDecoder().raw_decode(line.strip())
    except ValueError:
        return False
    fields = {"action", "responseFor"}
    return isinstance(message, dict) and set(message) == fields and message["action"] == "status"


def arrived_as_recorded(text, message):
    """The same line with the recorded times, one by one: many records may arrive at one time."""
    times = iter([record["approximateArrivalTimestamp"] for record in message.get("records", [])])
    return re.sub(r'(?<="approximateArrivalTimestamp":)\d{13}\b',
                  lambda match: str(next(times, match.group())), text)


class Child:
    def __init__(self, shard):
        number = 0
        while True:
            self.told_path = os.path.join(DIRECTORY, f"told-{shard}-{number}")
            try:
                self.told = os.open(self.told_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                break
            except FileExistsError:
                number += 1
        self.entries = recorded(shard, number)
        self.is_recorded = bool(self.entries)
        # The action that is not answered yet.
        self.open = None
        self.numbers = Numbers(shard)

    def take(self, line):
        """Notes a line, and says what was said after it."""
        told = json.loads(line)
        while self.entries and self.entries[0]["dir"] != "to_child":
            self.entries.pop(0)
        message = json.loads(self.entries.pop(0)["line"]) if self.entries else {}
        self.numbers.learn(told, message)
        noted = arrived_as_recorded(self.numbers.as_recorded(line.decode()), message)
        os.write(self.told, noted.encode())
        if told["action"] != "checkpoint":
            self.open = told["action"]
        while self.entries and self.entries[0]["dir"] != "to_child":
            entry = self.entries.pop(0)
            if entry["dir"] == "note":
                self.do(entry["line"])
                continue
            if is_status(entry["line"]):
                self.open = None
            charset = entry.get("charset", "utf-8")
            say(self.numbers.of_today(entry["line"]).encode(charset))
        if not self.entries and self.open is not None:
            self.answer(told["action"])

    def answer(self, told):
        if told == "shardEnded" and not self.is_recorded:
            say(b'{"action":"checkpoint"}')
            return
        say(json.dumps({"action": "status", "responseFor": self.open}).encode())
        self.open = None

    def do(self, note):
        if note == "exit(3)":
            os._exit(3)
        # Of the two that wait, the one that answered in the end is ended before it does.
        if note in ("no answer from now on", "answers after 5 s"):
            while True:
                time.sleep(1000)


def main():
    child = None
    for line in sys.stdin.buffer:
        if child is None:
            child = Child(json.loads(line)["shardId"])
        child.take(line)


main()
