'use strict';

const { inspect } = require('node:util');

const ActionHandler = require('./action_handler');
const IOHandler = require('./io_handler');
const { Session, VERSION1, VERSION2 } = require('./session');
const Turn = require('./turn');

/** How long the process may live on after the daemon has closed its input, or after a failure. */
const LINGER_MS = 3_000;

const INVALID_STATE =
  'Kinesis Client Library is in an invalid state. Cannot proceed further.';

/** Action -> the method it calls, and what the input has beside the message's own fields. */
const CALLS = new Map([
  ['initialize', { method: 'initialize', checkpointer: false }],
  ['processRecords', { method: 'processRecords', checkpointer: true }],
  [
    'leaseLost',
    { method: 'leaseLost', checkpointer: false, version1Reason: 'ZOMBIE', isLast: true },
  ],
  [
    'shardEnded',
    { method: 'shardEnded', checkpointer: true, version1Reason: 'TERMINATE', isLast: true },
  ],
  ['shutdownRequested', { method: 'shutdownRequested', checkpointer: true, optional: true }],
]);

/** How many shards the daemon offers to have served by one process. */
function offered(environment = process.env) {
  return Number.parseInt(environment.SHARDWISE_SHARDS_PER_CHILD ?? '', 10) || 1;
}

/**
 * The child's side of the protocol: calls the record processor, one action at a time, and answers.
 *
 * With a function that makes record processors in place of one, the process serves several shards
 * where the daemon offers that: each has a processor and turns of its own.
 */
class KCLManager {
  static VERSION1 = VERSION1;
  static VERSION2 = VERSION2;

  #running = false;
  #inputEnded = false;
  #beforeRun = [];
  #lingering = null;
  /** Makes a record processor for each shard, if the program brings more than one. */
  #make = null;
  /** The one shard of a process that serves one; null before there is any. */
  #only = null;
  /** The shards by their ids, once the process has agreed to serve several. */
  #several = null;

  constructor({ recordProcessor, version = VERSION2, make }, inputFile, outputFile, errorFile) {
    if (make) {
      this.#make = make;
    } else {
      this.#only = new Session(recordProcessor, (message) => this._send(message), version);
    }
    // On streams of someone else's the process is not ours to end.
    this._ownsProcess = inputFile === process.stdin;
    this._ioHandler = new IOHandler(inputFile, outputFile, errorFile);
    this._actionHandler = new ActionHandler(this._ioHandler);
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

  /** Lets go of the streams. */
  _cleanup() {
    clearTimeout(this.#lingering);
    for (const [event, listener] of Object.entries(this._listeners)) {
      this._actionHandler.removeListener(event, listener);
    }
    for (const session of this.#several?.values() ?? [this.#only]) {
      session?.checkpointer.destroy();
    }
    this._actionHandler.destroy();
    this._ioHandler.destroy();
  }

  _onAction(action) {
    const call = CALLS.get(action.action);
    if (!call && action.action !== 'checkpoint') {
      // From a newer daemon perhaps; what it needs to know is said by not answering.
      this._warn(`unknown action ${inspect(action.action)} ignored`);
      return;
    }
    let session;
    try {
      session = this.#sessionOf(action);
    } catch (error) {
      this.#fail(action.action, error, action.shardId);
      return;
    }
    if (!session) {
      this._warn(`${action.action} of a shard that is not here ignored: ${action.shardId}`);
    } else if (call) {
      this._call(session, action, call);
    } else {
      this._onCheckpointAnswer(session, action);
    }
  }

  /** Whom a message is about; the first one about a shard makes its record processor. */
  #sessionOf(action) {
    const present = this.#several ? this.#several.get(action.shardId) : this.#only;
    if (present || action.action !== 'initialize') {
      return present;
    }
    const session = new Session(this.#make(), (message) => this._send(message));
    if (this.#several) {
      session.isNamed = true;
      this.#several.set(action.shardId, session);
    } else {
      this.#only = session;
    }
    return session;
  }

  _call(session, action, call) {
    const { action: name, ...input } = action;
    if (name === 'initialize') {
      session.shardId = input.shardId;
      this.#mayAgree(session);
    } else if (this.#several) {
      // It is the daemon's way to say whom it means, and no part of the input.
      delete input.shardId;
    }
    const { method, reason } = session.methodFor(call);
    const turn = new Turn(name, {
      done: () => this.#done(session, name, call),
      failed: (error) => this.#fail(name, error, session.shardId),
      warn: (text) => this._warn(text, session.shardId),
    });
    if (typeof method !== 'function' && call.optional) {
      turn.skip();
      return;
    }
    if (reason) {
      input.reason = reason;
    }
    if (call.checkpointer) {
      input.checkpointer = session.checkpointer;
    }
    turn.call(session.processor, method, input);
  }

  /** Serves several shards from now on, if the program can and the daemon wants that. */
  #mayAgree(session) {
    if (this.#several || !this.#make || offered() < 2) {
      return;
    }
    session.isNamed = true;
    this.#several = new Map([[session.shardId, session]]);
    this.#only = null;
  }

  #done(session, name, call) {
    if (call.isLast && this.#several) {
      session.checkpointer.close();
      this.#several.delete(session.shardId);
    }
    session.send({ action: 'status', responseFor: name });
  }

  _onCheckpointAnswer(session, { error, sequenceNumber }) {
    if (!session.checkpointer.onCheckpointerResponse(error, sequenceNumber)) {
      this._warn('answer to a checkpoint that was not asked for ignored', session.shardId);
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

  _warn(text, shardId = this.#only?.shardId) {
    const shard = shardId ? ` ${shardId}:` : '';
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
  #fail(what, reason, shardId) {
    this._cleanup();
    this._warn(`${what} failed; exiting, to be restarted from the last checkpoint`, shardId);
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
