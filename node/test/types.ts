// Compiled, never run: what must type-check does, and what must not is marked as an expected error.

import kcl = require('shardwise');

const promises: kcl.RecordProcessor = {
  async initialize({ shardId, sequenceNumber }) {
    const started: string = shardId + (sequenceNumber ?? '');
    void started;
  },
  async processRecords({ records, millisBehindLatest, checkpointer }) {
    const behind: number = millisBehindLatest ?? 0;
    void behind;
    for (const { data, partitionKey, sequenceNumber, subSequenceNumber } of records) {
      void [data.length, partitionKey.length];
      const at: string | null = await checkpointer.checkpoint(sequenceNumber, subSequenceNumber);
      void at;
    }
    await checkpointer.checkpoint();
    await checkpointer.checkpoint({ retries: 3 });
    await checkpointer.checkpoint(12n, { retries: 3, delayMs: 10 });
    await checkpointer.checkpoint('12', 3, { delayMs: 10 });
  },
  async leaseLost() {},
  async shardEnded({ checkpointer }) {
    try {
      await checkpointer.checkpoint();
    } catch (error) {
      if (error instanceof kcl.CheckpointError && error.retryable) {
        const name: string = error.code;
        void name;
      }
    }
  },
};

class Callbacks implements kcl.RecordProcessor {
  initialize(_input: kcl.InitializeInput, completeCallback: kcl.Callback): void {
    completeCallback();
  }

  processRecords(input: kcl.ProcessRecordsInput, completeCallback: kcl.Callback): void {
    const last: kcl.Record | undefined = input.records.at(-1);
    input.checkpointer.checkpoint(last?.sequenceNumber, (error, sequenceNumber) => {
      const name: string | null | undefined = error;
      void [name, sequenceNumber];
      completeCallback();
    });
  }

  leaseLost(_input: kcl.LeaseLossInput, completeCallback: kcl.Callback): void {
    completeCallback();
  }

  shardEnded(input: kcl.ShardEndedInput, completeCallback: kcl.Callback): void {
    // Annotated as programs written against older types have it.
    input.checkpointer.checkpoint((_error: string | undefined, _at: string) => completeCallback());
  }

  shutdownRequested(input: kcl.ShutdownRequestedInput, completeCallback: kcl.Callback): void {
    input.checkpointer.checkpoint(() => completeCallback());
  }
}

const version1: kcl.RecordProcessorV1 = {
  initialize: (_input, completeCallback) => completeCallback(),
  processRecords: (_input, completeCallback) => completeCallback(),
  shutdown(input, completeCallback) {
    if (input.reason === 'TERMINATE') {
      input.checkpointer.checkpoint(() => completeCallback());
    } else {
      completeCallback();
    }
  },
};

for (const processor of [promises, new Callbacks(), version1]) {
  const process: kcl.KCLProcess = kcl(processor);
  process.run();
  process.cleanup();
}

// @ts-expect-error: a processor must have its ends
kcl({ initialize: async () => {}, processRecords: async () => {} });

// @ts-expect-error: a method returns nothing or a promise
promises.initialize = () => 1;

declare const checkpointer: kcl.Checkpointer;
// @ts-expect-error: a sequence number has too many digits for a number
checkpointer.checkpoint(49_590_338_271_490_256_608);
// @ts-expect-error: options have no such field
checkpointer.checkpoint({ retry: 1 });
