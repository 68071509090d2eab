"""The journal of one record processor on amazon_kclpy: what it was handed and told.

It is the one that `journal.js` keeps: each event is in the file before the processor answers, so
that whoever kills this process cannot make it forget what it had answered. JOURNAL_DIRECTORY and
JOURNAL_WORKER name the place.
"""

import hashlib
import json
import os
import time

from amazon_kclpy import kcl


def now():
    """Microseconds of CLOCK_MONOTONIC, which all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def handed(data, sequence_number, sub_sequence_number):
    """What the journal keeps of a record: its place, its digest, and the flight that it holds."""
    flight = json.loads(data)
    return {
        "seq": sequence_number,
        "sub": sub_sequence_number,
        "digest": hashlib.md5(data).hexdigest()[:16],
        "flight": [flight["row"], flight["origin"], flight["delay"], flight["distance"]],
    }


class Journal:
    def __init__(self):
        self.worker = os.environ["JOURNAL_WORKER"]
        name = f"hand-{self.worker}-{os.getpid()}.jsonl"
        path = os.path.join(os.environ["JOURNAL_DIRECTORY"], name)
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.tenure = None

    def start(self, shard_id, sequence_number, sub_sequence_number):
        self.tenure = f"{self.worker}/{os.getpid()}/{now()}"
        self._write("start", worker=self.worker, shard=shard_id, seq=sequence_number,
                    sub=sub_sequence_number)

    def hand(self, records):
        self._write("hand", records=[handed(*record) for record in records])

    def end(self, why):
        self._write("end", why=why)

    def checkpoint(self, checkpointer, sequence_number=None, sub_sequence_number=None):
        """Checkpoints, and writes down the question and the answer; no number: all delivered."""
        place = {"seq": sequence_number, "sub": sub_sequence_number}
        self._write("ask", **place)
        error = None
        try:
            checkpointer.checkpoint(sequence_number, sub_sequence_number)
        except kcl.CheckpointError as refusal:
            error = refusal.value
        self._write("answer", **place, error=error)

    def _write(self, event, **fields):
        line = json.dumps({"e": event, "t": now(), "tenure": self.tenure, **fields})
        os.write(self.file, line.encode() + b"\n")
