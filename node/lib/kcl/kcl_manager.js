'use strict';

const { inspect } = require('node:util');

const ActionHandler = require('./action_handler');
const Checkpointer = require('./checkpointer');
const IOHandler = require('./io_handler');
const Turn = require('./turn');

/** How long the process may live on after the daemon has closed its input, or after a failure. */
const LINGER_MS = 3_000;

const INVALID_STATE =
  'Kinesis Client Library is in an invalid state. Cannot proceed further.';

const VERSION1 = Symbol('version1');
const VERSION2 = Symbol('version2');

/** Action -> the method it calls, and what the input has beside the message's own fields. */
const CALLS = new Map([
  ['initialize', { method: 'initialize', checkpointer: false }],
  ['processRecords', { method: 'processRecords', checkpointer: true }],
  ['leaseLost', { method: 'leaseLost', checkpointer: false, version1Reason: 'ZOMBIE' }],
  ['shardEnded', { method: 'shardEnded', checkpointer: true, version1Reason: 'TERMINATE' }],
  ['shutdownRequested', { method: 'shutdownRequested', checkpointer: true, optional: true }],
]);

/**
 * The child's side of the protocol: calls the record processor, one action at a time, and answers.
 */
class KCLManager {
  static VERSION1 = VERSION1;
  static VERSION2 = VERSION2;

  #running = false;
  #inputEnded = false;
  #beforeRun = [];
  #shardId = null;
  #lingering = null;

  constructor({ recordProcessor, version = VERSION2 }, inputFile, outputFile, errorFile) {
    this._recordProcessor = recordProcessor;
    this._version = version;
    // On streams of someone else's the process is not ours to end.
    this._ownsProcess = inputFile === process.stdin;
    this._ioHandler = new IOHandler(inputFile, outputFile, errorFile);
    this._actionHandler = new ActionHandler(this._ioHandler);
    this._checkpointer = new Checkpointer(this);
    this._listeners = {
      action: (action) => this.#whenRunning(() => this._onAction(action)),
      end: () => this.#whenRunning(() => this._onEnd()),
      error: (error) => this.#fail('reading from the daemon', error),
    };
    for (const [event, listener] of Object.entries(this._listeners)) {
      this._actionHandler.on(event, listener);
    }
  }

  /** Starts calling the record processor. A second call does nothing. */
  run() {
    if (this.#running) {
      return;
    }
    this.#running = true;
    for (const event of this.#beforeRun.splice(0)) {
      event();
    }
  }

  /** Asks the daemon for a checkpoint; `undefined` leaves a field out. */
  checkpoint(sequenceNumber, subSequenceNumber) {
    this._send({ action: 'checkpoint', sequenceNumber, subSequenceNumber });
  }

  /** Lets go of the streams. */
  _cleanup() {
    clearTimeout(this.#lingering);
    for (const [event, listener] of Object.entries(this._listeners)) {
      this._actionHandler.removeListener(event, listener);
    }
    this._checkpointer.destroy();
    this._actionHandler.destroy();
    this._ioHandler.destroy();
  }

  _onAction(action) {
    const call = CALLS.get(action.action);
    if (call) {
      this._call(action, call);
    } else if (action.action === 'checkpoint') {
      this._onCheckpointAnswer(action);
    } else {
      // From a newer daemon perhaps; what it needs to know is said by not answering.
      this._warn(`unknown action ${inspect(action.action)} ignored`);
    }
  }

  _call(action, call) {
    const { action: name, ...input } = action;
    if (name === 'initialize') {
      this.#shardId = input.shardId;
    }
    const { method, reason } = this._methodFor(call);
    const turn = new Turn(name, {
      done: () => this._send({ action: 'status', responseFor: name }),
      failed: (error) => this.#fail(name, error),
      warn: (text) => this._warn(text),
    });
    if (typeof method !== 'function' && call.optional) {
      turn.skip();
      return;
    }
    if (reason) {
      input.reason = reason;
    }
    if (call.checkpointer) {
      input.checkpointer = this._checkpointer;
    }
    turn.call(this._recordProcessor, method, input);
  }

  _methodFor({ method, version1Reason }) {
    if (version1Reason && this._version === VERSION1) {
      return { method: this._recordProcessor.shutdown, reason: version1Reason };
    }
    return { method: this._recordProcessor[method] };
  }

  _onCheckpointAnswer({ error, sequenceNumber }) {
    if (!this._checkpointer.onCheckpointerResponse(error, sequenceNumber)) {
      this._warn('answer to a checkpoint that was not asked for ignored');
    }
  }

  _onEnd() {
    this.#inputEnded = true;
    this._cleanup();
    if (this._ownsProcess) {
      process.exitCode ??= 0;
      this.#linger();
    }
  }

  _send(action) {
    this._actionHandler.sendAction(action, (error) => {
      if (error && !this.#inputEnded) {
        this.#fail('writing to the daemon', new Error(INVALID_STATE, { cause: error }));
      }
    });
  }

  _warn(text) {
    const shard = this.#shardId ? ` ${this.#shardId}:` : '';
    this._ioHandler.writeError(`shardwise:${shard} ${text}`);
  }

  /** What arrives before `run()` is kept: a program may have to prepare first. */
  #whenRunning(event) {
    if (this.#running) {
      event();
    } else {
      this.#beforeRun.push(event);
    }
  }

  /**
   * Ends the process with 1 by an uncaught exception, so that the daemon restarts the shard from
   * its checkpoint. A program that catches those gets a moment to write its logs, no more.
   */
  #fail(what, reason) {
    this._cleanup();
    this._warn(`${what} failed; exiting, to be restarted from the last checkpoint`);
    if (this._ownsProcess) {
      process.exitCode = 1;
      this.#linger();
    }
    throw reason instanceof Error
      ? reason
      : new Error(`${what} failed with ${inspect(reason)}`, { cause: reason });
  }

  #linger() {
    // Not kept alive by this timer: with nothing left to do the process ends at once.
    this.#lingering = setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}

module.exports = KCLManager;
