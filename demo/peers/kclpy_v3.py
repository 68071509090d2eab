"""A record processor of the third interface: each way to end is a method; it checkpoints at
whatever was delivered."""

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor
from kclpy_journal import Journal


class RecordProcessor(processor.RecordProcessorBase):
    def __init__(self):
        self.journal = Journal()

    def initialize(self, initialize_input):
        self.journal.start(initialize_input.shard_id, initialize_input.sequence_number,
                           initialize_input.sub_sequence_number)

    def process_records(self, process_records_input):
        self.journal.hand(
            (record.binary_data, record.sequence_number, record.sub_sequence_number)
            for record in process_records_input.records
        )
        self.journal.checkpoint(process_records_input.checkpointer)

    def lease_lost(self, lease_lost_input):
        self.journal.end("leaseLost")

    def shard_ended(self, shard_ended_input):
        self.journal.end("shardEnded")
        self.journal.checkpoint(shard_ended_input.checkpointer)

    def shutdown_requested(self, shutdown_requested_input):
        self.journal.end("shutdownRequested")
        self.journal.checkpoint(shutdown_requested_input.checkpointer)


kcl.KCLProcess(RecordProcessor()).run()
