'use strict';

const CheckpointError = require('./checkpoint_error');

const IN_PROGRESS = 'Cannot checkpoint while another checkpoint is already in progress.';
const DEFAULT_DELAY_MS = 1_000;
/** What the daemon calls it when the lease is another worker's. */
const LEASE_LOST = 'ShutdownException';

/**
 * What a record processor saves its progress with. One request at a time is under way.
 */
class Checkpointer {
  /** The request under way, or null. Stays for the whole of its retries. */
  #request = null;
  #retryTimer = null;
  #isClosed = false;

  constructor(kclManager) {
    this._kclManager = kclManager;
  }

  /**
   * `checkpoint([sequenceNumber[, subSequenceNumber]][, options][, callback])`
   *
   * Without sequence number: at the last record delivered. With a callback: it gets the error's
   * name or null, and the sequence number. Without one: a promise is returned.
   */
  checkpoint(...args) {
    const { callback, ...request } = parseArguments(args);
    if (callback) {
      this.#start({ ...request, settle: callback }, callback);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settle = (name, sequenceNumber) => {
        if (name) {
          reject(new CheckpointError(name, sequenceNumber));
        } else {
          resolve(sequenceNumber);
        }
      };
      this.#start({ ...request, settle }, (message) => {
        const names = { name: 'CheckpointError', code: 'CheckpointInProgress' };
        reject(new CheckpointError(message, request.sequenceNumber, names));
      });
    });
  }

  /**
   * Takes the daemon's answer in. False if nothing had been asked.
   *
   * @param {string|null|undefined} error name of the exception
   * @param {string|null|undefined} sequenceNumber as the request had it
   */
  onCheckpointerResponse(error, sequenceNumber) {
    const request = this.#request;
    if (!request || this.#retryTimer) {
      return false;
    }
    if (request.retries > 0 && CheckpointError.isRetryable(error)) {
      request.retries -= 1;
      this.#retryTimer = setTimeout(() => {
        this.#retryTimer = null;
        this.#send(request);
      }, request.delayMs);
      return true;
    }
    this.#request = null;
    request.settle(error, sequenceNumber);
    return true;
  }

  /** Gives up waiting to try again: nobody is left to answer. */
  destroy() {
    clearTimeout(this.#retryTimer);
  }

  /**
   * The shard is not this processor's any more, though the process lives on: what is asked for now
   * would be taken for a wish of the processor that has it next.
   */
  close() {
    this.destroy();
    this.#isClosed = true;
    const request = this.#request;
    this.#request = null;
    request?.settle(LEASE_LOST, request.sequenceNumber ?? null);
  }

  #start(request, refuse) {
    if (this.#isClosed) {
      // Later, as an answer would come.
      process.nextTick(() => request.settle(LEASE_LOST, request.sequenceNumber ?? null));
      return;
    }
    if (this.#request) {
      refuse(IN_PROGRESS);
      return;
    }
    // First, because the answer may come from within the call that sends.
    this.#request = request;
    this.#send(request);
  }

  #send({ sequenceNumber, subSequenceNumber }) {
    this._kclManager.checkpoint(sequenceNumber, subSequenceNumber);
  }
}

/** Sorts the arguments of `checkpoint` by what they are. */
function parseArguments(args) {
  const rest = [...args];
  const callback = typeof rest.at(-1) === 'function' ? rest.pop() : undefined;
  const last = rest.at(-1);
  const options = typeof last === 'object' && last !== null ? rest.pop() : {};
  const { retries = 0, delayMs = DEFAULT_DELAY_MS } = options;
  if (!Number.isInteger(retries) || retries < 0) {
    throw new RangeError(`retries must be a whole number from 0, not ${retries}`);
  }
  if (!Number.isFinite(delayMs) || delayMs < 0) {
    throw new RangeError(`delayMs must be a number from 0, not ${delayMs}`);
  }
  // No argument at all is sent as null, an undefined one not at all: aws-kcl's two ways to say it.
  const sequenceNumber = rest.length === 0 ? null : rest[0];
  return {
    // JSON has no big integers, and the daemon reads digits in a string as well.
    sequenceNumber: typeof sequenceNumber === 'bigint' ? `${sequenceNumber}` : sequenceNumber,
    subSequenceNumber: rest[1],
    retries,
    delayMs,
    callback,
  };
}

module.exports = Checkpointer;
