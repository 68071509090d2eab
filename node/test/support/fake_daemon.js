'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');
const { after } = require('node:test');

const DEADLINE_MS = 20_000;

const children = new Set();

// A test that has failed leaves its child behind, and that would keep the test run from ending.
after(() => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});

/** The daemon's end of the pipes of one child program of `test/children`. */
class FakeDaemon {
  stdout = '';
  stderr = '';
  #messages = [];
  #unfinishedLine = '';
  #waiting = new Set();
  #exit = null;

  constructor(program, { args = [], env = {} } = {}) {
    const file = path.join(__dirname, '..', 'children', program);
    this.child = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env } });
    this.child.stdout.setEncoding('utf8').on('data', (text) => this.#onOutput(text));
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
      this.#wake();
    });
    children.add(this.child);
    this.child.on('close', (code, signal) => {
      children.delete(this.child);
      this.#exit = { code, signal };
      this.#wake();
    });
    // A child that has died is seen by its exit; the broken pipe says nothing new.
    this.child.stdin.on('error', () => {});
  }

  /** Sends one action, as the daemon does: compact, on one line. */
  send(action) {
    this.sendText(`${JSON.stringify(action)}\n`);
  }

  /** Sends text or bytes as they are. */
  sendText(text) {
    this.child.stdin.write(text);
  }

  /** The next line on stdout that is a message to the daemon. */
  async nextMessage() {
    await this.until(() => this.#messages.length > 0 || this.#exit);
    if (this.#messages.length === 0) {
      throw new Error(`child ended instead of answering: ${this.stderr}`);
    }
    return this.#messages.shift();
  }

  /** Sends an action and returns the answer to it. */
  async ask(action) {
    this.send(action);
    return this.nextMessage();
  }

  /** Closes the child's stdin and waits for its end. */
  async finish() {
    this.child.stdin.end();
    return this.exited();
  }

  /** Waits for the child's end. */
  async exited() {
    await this.until(() => this.#exit);
    return this.#exit;
  }

  /** Waits until stderr matches. */
  async said(pattern) {
    await this.until(() => pattern.test(this.stderr));
  }

  /** The calls that `reporter.js` has reported. */
  get calls() {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('call '))
      .map((line) => JSON.parse(line.slice('call '.length)));
  }

  /** Messages received and not yet taken. */
  get unread() {
    return [...this.#messages];
  }

  /** Waits, looking again at every event of the child. */
  async until(condition) {
    if (condition()) {
      return;
    }
    await new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(look);
        this.child.kill('SIGKILL');
        reject(new Error(`deadline passed; stdout: ${this.stdout}; stderr: ${this.stderr}`));
      }, DEADLINE_MS);
      const look = () => {
        if (condition()) {
          clearTimeout(deadline);
          this.#waiting.delete(look);
          resolve();
        }
      };
      this.#waiting.add(look);
    });
  }

  #onOutput(text) {
    this.stdout += text;
    const lines = (this.#unfinishedLine + text).split('\n');
    this.#unfinishedLine = lines.pop();
    for (const line of lines) {
      const message = parse(line);
      if (message) {
        this.#messages.push(message);
      }
    }
    this.#wake();
  }

  #wake() {
    for (const look of [...this.#waiting]) {
      look();
    }
  }
}

/** A line that counts for the daemon, parsed; it skips everything else. */
function parse(line) {
  try {
    const message = JSON.parse(line);
    return ['status', 'checkpoint'].includes(message?.action) ? message : null;
  } catch {
    return null;
  }
}

/** The status that ends an action. */
function status(action) {
  return { action: 'status', responseFor: action };
}

const INITIALIZE = Object.freeze({
  action: 'initialize',
  shardId: 'shardId-000000000000',
  sequenceNumber: 'TRIM_HORIZON',
  subSequenceNumber: 0,
});

/** A batch with one record for each text. */
function batch(...texts) {
  const records = texts.map((text, index) => ({
    data: Buffer.from(text).toString('base64'),
    partitionKey: 'key',
    sequenceNumber: `${1_000 + index}`,
    approximateArrivalTimestamp: 1_476_889_707_123,
    subSequenceNumber: 0,
    action: 'record',
  }));
  return { action: 'processRecords', records, millisBehindLatest: 0 };
}

/** The answer to a checkpoint request. */
function checkpointed(request, error = null) {
  const { sequenceNumber = null, subSequenceNumber = null } = request;
  return { action: 'checkpoint', sequenceNumber, subSequenceNumber, error };
}

module.exports = { FakeDaemon, INITIALIZE, batch, checkpointed, status };
