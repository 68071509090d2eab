"""A record processor of the second interface: one input to each method, one `shutdown` with a
reason; it checkpoints at a sequence number and a sub-sequence number."""

from amazon_kclpy import kcl
from amazon_kclpy.v2 import processor
from kclpy_journal import Journal


class RecordProcessor(processor.RecordProcessorBase):
    def __init__(self):
        self.journal = Journal()

    def initialize(self, initialize_input):
        self.journal.start(initialize_input.shard_id, initialize_input.sequence_number,
                           initialize_input.sub_sequence_number)

    def process_records(self, process_records_input):
        records = process_records_input.records
        self.journal.hand(
            (record.binary_data, record.sequence_number, record.sub_sequence_number)
            for record in records
        )
        last = records[-1]
        self.journal.checkpoint(process_records_input.checkpointer, last.sequence_number,
                                last.sub_sequence_number)

    def shutdown(self, shutdown_input):
        if shutdown_input.reason != "TERMINATE":
            self.journal.end("leaseLost")
            return
        self.journal.end("shardEnded")
        self.journal.checkpoint(shutdown_input.checkpointer)

    def shutdown_requested(self, shutdown_requested_input):
        self.journal.end("shutdownRequested")
        self.journal.checkpoint(shutdown_requested_input.checkpointer)


kcl.KCLProcess(RecordProcessor()).run()
