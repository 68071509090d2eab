'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const readline = require('node:readline');
const { test } = require('node:test');

const PROGRAM = `
const kcl = require('./lib');
class Processor {
  async initialize({ shardId }) { this.shard = shardId; }
  async processRecords({ records, checkpointer, shardId }) {
    if (shardId !== undefined) throw new Error('the input has the shard');
    if (records[0].data === 'bad') throw new Error('bad record');
    this.checkpointer = checkpointer;
    await checkpointer.checkpoint(this.shard + '-' + records[0].data);
  }
  async leaseLost() {
    const checkpointer = this.checkpointer;
    setTimeout(() => {
      checkpointer.checkpoint('stale').then(
        () => console.error('taken'),
        (error) => console.error('refused', error.code),
      );
    }, 20);
  }
  async shardEnded({ checkpointer }) { await checkpointer.checkpoint(); }
}
kcl(() => new Processor()).run();
`;

/** A wait that is in vain ends with its test. */
const LIMITS = { timeout: 30_000 };

class Daemon {
  constructor(t, offer) {
    const env = { ...process.env };
    delete env.SHARDWISE_SHARDS_PER_CHILD;
    if (offer) {
      env.SHARDWISE_SHARDS_PER_CHILD = offer;
    }
    const options = { cwd: `${__dirname}/..`, env, stdio: ['pipe', 'pipe', 'pipe'] };
    this.child = spawn(process.execPath, ['-e', PROGRAM], options);
    t.after(() => this.child.kill('SIGKILL'));
    this.errors = '';
    this.child.stderr.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  tell(message) {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  async hear() {
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done || value !== '') {
        return done ? null : JSON.parse(value);
      }
    }
  }

  async ends() {
    this.child.stdin.end();
    const [code] = await once(this.child, 'exit');
    return code;
  }
}

const initialize = (shardId) => ({ action: 'initialize', shardId, sequenceNumber: 'LATEST' });
const records = (data, shardId) => ({ action: 'processRecords', records: [{ data }], shardId });

test('with an offer the first status names the shard, each has its turns', LIMITS, async (t) => {
  const daemon = new Daemon(t, '2');
  daemon.tell(initialize('a'));
  assert.deepEqual(await daemon.hear(), {
    action: 'status', responseFor: 'initialize', shardId: 'a',
  });
  daemon.tell(initialize('b'));
  assert.equal((await daemon.hear()).shardId, 'b');
  daemon.tell(records('1', 'a'));
  daemon.tell(records('2', 'b'));
  const asked = [await daemon.hear(), await daemon.hear()];
  assert.deepEqual(asked.map(({ sequenceNumber, shardId }) => [sequenceNumber, shardId]), [
    ['a-1', 'a'],
    ['b-2', 'b'],
  ]);
  daemon.tell({ action: 'checkpoint', sequenceNumber: 'b-2', error: null, shardId: 'b' });
  assert.deepEqual(await daemon.hear(), {
    action: 'status', responseFor: 'processRecords', shardId: 'b',
  });
  daemon.tell({ action: 'checkpoint', sequenceNumber: 'a-1', error: null, shardId: 'a' });
  assert.equal((await daemon.hear()).shardId, 'a');
  daemon.tell({ action: 'leaseLost', shardId: 'a' });
  assert.deepEqual(await daemon.hear(), {
    action: 'status', responseFor: 'leaseLost', shardId: 'a',
  });
  daemon.tell(initialize('a'));
  assert.equal((await daemon.hear()).shardId, 'a', 'it may come again');
  // What the processor that has lost it asks for late is not asked for by the one that has it.
  while (daemon.errors === '') {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(daemon.errors, 'refused ShutdownException\n');
  daemon.tell(records('3', 'a'));
  assert.equal((await daemon.hear()).sequenceNumber, 'a-3');
  daemon.tell({ action: 'checkpoint', sequenceNumber: 'a-3', error: null, shardId: 'a' });
  assert.equal((await daemon.hear()).responseFor, 'processRecords');
  assert.equal(await daemon.ends(), 0);
});

test('without an offer a function makes one processor, and nothing is named', LIMITS, async (t) => {
  const daemon = new Daemon(t);
  daemon.tell(initialize('a'));
  assert.deepEqual(await daemon.hear(), { action: 'status', responseFor: 'initialize' });
  daemon.tell({ action: 'processRecords', records: [{ data: '1' }] });
  assert.deepEqual(await daemon.hear(), { action: 'checkpoint', sequenceNumber: 'a-1' });
  daemon.tell({ action: 'checkpoint', sequenceNumber: 'a-1', error: null });
  assert.deepEqual(await daemon.hear(), { action: 'status', responseFor: 'processRecords' });
  assert.equal(await daemon.ends(), 0);
});

test('a processor that throws ends the process, and its neighbours with it', LIMITS, async (t) => {
  const daemon = new Daemon(t, '2');
  for (const shard of ['a', 'b']) {
    daemon.tell(initialize(shard));
    await daemon.hear();
  }
  daemon.tell(records('bad', 'b'));
  const [code] = await once(daemon.child, 'exit');
  assert.equal(code, 1);
});
