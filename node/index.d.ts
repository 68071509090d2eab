/**
 * Joins a record processor to the daemon that started this process, over stdin and stdout.
 *
 * With a function that makes record processors, one process serves several shards where
 * `shardwise.shardsPerChild` allows that; each shard has a processor of its own, and they fail
 * together.
 *
 * Throws if the processor lacks `initialize`, `processRecords`, or its ends: `leaseLost` and
 * `shardEnded`, or the older `shutdown`.
 *
 * @param inputFile where the daemon's messages come from; stdin by default
 * @param outputFile where answers go; stdout by default
 * @param errorFile where warnings go; stderr by default
 */
declare function kcl(
  recordProcessor: kcl.RecordProcessor | kcl.RecordProcessorV1 | kcl.RecordProcessorFactory,
  inputFile?: kcl.InputFile,
  outputFile?: kcl.OutputFile,
  errorFile?: kcl.OutputFile,
): kcl.KCLProcess;

declare namespace kcl {
  /** A record processor, joined to its daemon. */
  interface KCLProcess {
    /** Starts processing. From here on stdout is the protocol's; other output goes to stderr. */
    run(): void;
    /** Lets go of the streams, for a program that goes on without the daemon. */
    cleanup(): void;
  }

  /** Says that the method has done its work. Call it once. */
  type Callback = () => void;

  /**
   * What a method of a record processor returns.
   *
   * Either the method takes `completeCallback` and calls it when done, or it takes only the input
   * and returns a promise. If it does both, the callback counts. A throw or a rejection ends the
   * process with exit code 1; the daemon then restarts the shard from its last checkpoint.
   */
  type Completion = void | PromiseLike<unknown>;

  /** Processes the records of one shard. Methods are called one at a time. */
  interface RecordProcessor {
    /** Called first, once. */
    initialize(input: InitializeInput, completeCallback: Callback): Completion;
    /** Called with each batch of records. */
    processRecords(input: ProcessRecordsInput, completeCallback: Callback): Completion;
    /** Called last, when another worker has the lease. No checkpoint is possible any more. */
    leaseLost(input: LeaseLossInput, completeCallback: Callback): Completion;
    /** Called last, when the shard is processed to its end. Must checkpoint, without number. */
    shardEnded(input: ShardEndedInput, completeCallback: Callback): Completion;
    /** Called when the worker is about to stop: the last chance to checkpoint. */
    shutdownRequested?(input: ShutdownRequestedInput, completeCallback: Callback): Completion;
    /** With a `shutdown` method this would be the older interface. */
    shutdown?: undefined;
  }

  /** The older interface: one `shutdown` for both ends. */
  interface RecordProcessorV1 {
    /** Called first, once. */
    initialize(input: InitializeInput, completeCallback: Callback): Completion;
    /** Called with each batch of records. */
    processRecords(input: ProcessRecordsInput, completeCallback: Callback): Completion;
    /** Called last. Must checkpoint, without number, if the reason is `TERMINATE`. */
    shutdown(input: ShutdownInput, completeCallback: Callback): Completion;
    /** Called when the worker is about to stop: the last chance to checkpoint. */
    shutdownRequested?(input: ShutdownRequestedInput, completeCallback: Callback): Completion;
  }

  /** Makes the record processor of one shard. */
  type RecordProcessorFactory = () => RecordProcessor | RecordProcessorV1;

  /** Which shard, and where in it processing starts. */
  interface InitializeInput {
    shardId: string;
    /** Digits, or `TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP`. */
    sequenceNumber?: string | null | undefined;
    /** Above 0 if the checkpoint was inside an aggregated record. */
    subSequenceNumber?: number | null | undefined;
  }

  /** An input that carries the checkpointer. */
  interface CheckpointInput {
    checkpointer: Checkpointer;
  }

  /** A batch of records. */
  interface ProcessRecordsInput extends CheckpointInput {
    records: Record[];
    /** How far the batch is behind the end of the shard. */
    millisBehindLatest?: number | null | undefined;
  }

  /** One record. Nothing in it is decoded. */
  interface Record {
    /** Base64: `Buffer.from(record.data, 'base64')`. */
    data: string;
    partitionKey: string;
    /** Digits; too many for a number. */
    sequenceNumber: string;
    /** Place in an aggregated record, from 0; 0 for a plain one. */
    subSequenceNumber: number;
    /** Milliseconds since 1970, UTC. */
    approximateArrivalTimestamp: number | null;
  }

  /** Empty. */
  interface LeaseLossInput {}

  /** Carries the checkpointer. */
  interface ShardEndedInput extends CheckpointInput {}

  /** Carries the checkpointer. */
  interface ShutdownRequestedInput extends CheckpointInput {}

  /** Why a processor of the older interface ends. */
  type ShutdownInput =
    | { reason: 'TERMINATE'; checkpointer: Checkpointer }
    | { reason: 'ZOMBIE'; checkpointer?: undefined };

  /** Saves how far a shard has been processed. One request at a time. */
  interface Checkpointer {
    /** Checkpoints at the last record delivered. */
    checkpoint(callback: CheckpointCallback): void;
    /** Checkpoints at a record. */
    checkpoint(sequenceNumber: SequenceNumber, callback: CheckpointCallback): void;
    /** Checkpoints inside an aggregated record. */
    checkpoint(
      sequenceNumber: SequenceNumber,
      subSequenceNumber: number,
      callback: CheckpointCallback,
    ): void;
    /** Checkpoints at the last record delivered. Rejects with a {@link CheckpointError}. */
    checkpoint(options?: CheckpointOptions): Promise<string | null>;
    /** Checkpoints at a record. Rejects with a {@link CheckpointError}. */
    checkpoint(
      sequenceNumber: SequenceNumber,
      options?: CheckpointOptions,
    ): Promise<string | null>;
    /** Checkpoints inside an aggregated record. Rejects with a {@link CheckpointError}. */
    checkpoint(
      sequenceNumber: SequenceNumber,
      subSequenceNumber: number,
      options?: CheckpointOptions,
    ): Promise<string | null>;
  }

  /** Digits, or `SHARD_END` and its like; null or undefined: the last record delivered. */
  type SequenceNumber = string | bigint | null | undefined;

  /** What to do when a checkpoint fails for a reason that may pass. */
  interface CheckpointOptions {
    /** How often to try again; never after `ShutdownException` and its like. Default 0. */
    retries?: number;
    /** How long to wait before each. Default 1000. */
    delayMs?: number;
  }

  /** Gets null, or the name of the Java exception; and the sequence number as it was asked for. */
  type CheckpointCallback = {
    // A method, so that callbacks typed more narrowly are accepted too.
    bivarianceHack(error: string | null | undefined, sequenceNumber: string | null): void;
  }['bivarianceHack'];

  /** A refused checkpoint: what the promise form rejects with. */
  class CheckpointError extends Error {
    /** The name of the Java exception, such as `ThrottlingException`; `message` is the same. */
    readonly code: string;
    /** As it was asked for. */
    readonly sequenceNumber: string | null | undefined;
    /** Whether trying again can help. */
    readonly retryable: boolean;
    /** Whether a checkpoint refused for this reason can succeed when tried again. */
    static isRetryable(javaName: string): boolean;
  }

  /**
   * Writes to the daemon's log, at this level, with the shard and these fields. Under a daemon that
   * does not offer it, a line of text on stderr.
   */
  type LogFunction = (message: unknown, fields?: { readonly [name: string]: unknown }) => void;

  /** A function for each level. */
  const log: {
    readonly error: LogFunction;
    readonly warn: LogFunction;
    readonly info: LogFunction;
    readonly debug: LogFunction;
    readonly trace: LogFunction;
  };

  /** As much of a readable stream as is used. */
  interface InputFile {
    on(event: string, listener: (...args: any[]) => void): unknown;
    removeListener(event: string, listener: (...args: any[]) => void): unknown;
    pause(): unknown;
  }

  /** As much of a writable stream as is used. */
  interface OutputFile {
    on(event: string, listener: (...args: any[]) => void): unknown;
    write(text: string, encoding?: any, callback?: (error?: Error | null) => void): boolean;
  }
}

export = kcl;
