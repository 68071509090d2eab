"""A record processor of amazon_kclpy's first interface: records are read as dicts, and there is
one `shutdown`, with a reason."""

import base64

from amazon_kclpy import kcl
from kclpy_journal import Journal


class RecordProcessor(kcl.RecordProcessorBase):
    def __init__(self):
        self.journal = Journal()

    def initialize(self, shard_id):
        # This version is not told where it begins. In a run without restarts that is here.
        self.journal.start(shard_id, "TRIM_HORIZON", 0)

    def process_records(self, records, checkpointer):
        self.journal.hand(
            (base64.b64decode(record.get("data")), record["sequenceNumber"],
             record["subSequenceNumber"])
            for record in records
        )
        self.journal.checkpoint(checkpointer, records[-1].get("sequenceNumber"))

    def shutdown(self, checkpointer, reason):
        if reason != "TERMINATE":
            self.journal.end("leaseLost")
            return
        self.journal.end("shardEnded")
        self.journal.checkpoint(checkpointer)

    def shutdown_requested(self, checkpointer):
        self.journal.end("shutdownRequested")
        self.journal.checkpoint(checkpointer)


kcl.KCLProcess(RecordProcessor()).run()
