'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const logger = require('../samples/util/logger');
const recordProcessor = require('../samples/basic_sample/consumer/sample_kcl_app');
const produce = require('../samples/basic_sample/producer/sample_producer');
const { FakeDaemon, INITIALIZE, batch, checkpointed, status } = require('./support/fake_daemon');

const CONSUMER = path.join('..', '..', 'samples', 'basic_sample', 'consumer', 'sample_kcl_app.js');

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'basic-sample-'));
after(() => fs.rmSync(directory, { recursive: true }));

/** A log that keeps its lines. */
function keptLog() {
  const lines = [];
  const keep = (message) => lines.push(message);
  return { lines, info: keep, warn: keep, error: keep };
}

test('the consumer logs each record and checkpoints after each batch', async () => {
  const daemon = new FakeDaemon(CONSUMER, { env: { NODE_LOG_DIR: directory } });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  const request = await daemon.ask(batch('{"reading":1}', '{"reading":2}'));
  assert.deepEqual(request, { action: 'checkpoint', sequenceNumber: '1001' });
  assert.deepEqual(await daemon.ask(checkpointed(request)), status('processRecords'));
  assert.deepEqual(await daemon.ask(batch()), status('processRecords'));
  for (const action of ['shutdownRequested', 'shardEnded']) {
    const ending = await daemon.ask({ action });
    assert.deepEqual(ending, { action: 'checkpoint', sequenceNumber: null });
    assert.deepEqual(await daemon.ask(checkpointed(ending)), status(action));
  }
  assert.deepEqual(await daemon.ask({ action: 'leaseLost' }), status('leaseLost'));
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });

  const log = fs.readFileSync(path.join(directory, 'application.log'), 'utf8');
  const record =
    'ShardID: shardId-000000000000, Record: {"reading":2}, SequenceNumber: 1001, PartitionKey: key';
  assert.ok(log.includes(`(PID: ${daemon.child.pid}) INFO [recordProcessor] ${record}\n`), log);
  assert.match(log, /Checkpoint successful\. ShardID: shardId-000000000000, SequenceNumber: 1001/);
});

/** Runs one batch through the consumer, with these answers to its checkpoints. */
async function processWith(answers) {
  const log = keptLog();
  const processor = recordProcessor({ log, retries: 2, retryDelayMs: 0 });
  let asked = 0;
  const checkpointer = {
    checkpoint(sequenceNumber, callback) {
      asked += 1;
      callback(answers.shift());
    },
  };
  const { records } = batch('one');
  await new Promise((resolve) => processor.processRecords({ records, checkpointer }, resolve));
  return { asked, log: log.lines.join('\n') };
}

test('the consumer retries an error that may pass, and gives up in the end', async () => {
  const lucky = await processWith(['ThrottlingException', 'RuntimeException', null]);
  assert.equal(lucky.asked, 3);
  assert.match(lucky.log, /Checkpoint successful/);
  const unlucky = await processWith(new Array(9).fill('KinesisClientLibDependencyException'));
  assert.equal(unlucky.asked, 3);
  assert.doesNotMatch(unlucky.log, /Checkpoint successful/);
});

test('the consumer does not retry when the lease is lost', async () => {
  const { asked, log } = await processWith(['ShutdownException', null]);
  assert.equal(asked, 1);
  assert.match(log, /failed with ShutdownException/);
});

test('the log level can be off', () => {
  const env = { NODE_LOG_DIR: directory, NODE_LOG_LEVEL: 'off' };
  const file = path.join(directory, 'application.log');
  const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  logger('test', env).error('not to be seen');
  const now = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  assert.equal(now, before);
  assert.throws(() => logger('test', { NODE_LOG_LEVEL: 'loud' }), /must be one of off, error/);
});

/** A client whose stream exists or not, and is active after so many looks. */
function fakeKinesis({ exists, looksUntilActive }) {
  const calls = { created: [], looks: 0, put: [] };
  return {
    calls,
    async createStream(input) {
      calls.created.push(input);
      if (exists) {
        throw Object.assign(new Error('in use'), { name: 'ResourceInUseException' });
      }
    },
    async describeStreamSummary() {
      calls.looks += 1;
      const StreamStatus = calls.looks < looksUntilActive ? 'CREATING' : 'ACTIVE';
      return { StreamDescriptionSummary: { StreamStatus } };
    },
    async putRecord(input) {
      calls.put.push(input);
      return { ShardId: 'shardId-000000000000', SequenceNumber: `${calls.put.length}` };
    },
  };
}

const PRODUCER = {
  stream: 's', shards: 2, records: 10, describeDelayMs: 1, activeDeadlineMs: 10_000,
};

for (const exists of [false, true]) {
  const what = exists ? 'exists' : 'is new';
  test(`the producer puts ten readings when the stream ${what}`, async () => {
    const kinesis = fakeKinesis({ exists, looksUntilActive: 3 });
    await produce(kinesis, PRODUCER, keptLog());
    const { created, looks, put } = kinesis.calls;
    assert.deepEqual(created, [{ StreamName: 's', ShardCount: 2 }]);
    assert.equal(looks, 3);
    assert.equal(put.length, 10);
    for (const { StreamName, PartitionKey, Data } of put) {
      const { time, sensor, reading, ...rest } = JSON.parse(Data.toString());
      assert.deepEqual([StreamName, PartitionKey, rest], ['s', sensor, {}]);
      assert.match(sensor, /^sensor-\d{1,5}$/);
      assert.ok(Number.isInteger(time) && time >= 0 && time < 1_000);
      assert.ok(Number.isInteger(reading) && reading >= 0 && reading < 1_000_000);
    }
  });
}

test('the producer gives up on a stream that does not become active', async () => {
  const kinesis = fakeKinesis({ exists: true, looksUntilActive: Infinity });
  const config = { ...PRODUCER, activeDeadlineMs: 5 };
  await assert.rejects(produce(kinesis, config, keptLog()), /stream s not active after 5 ms/);
  assert.equal(kinesis.calls.put.length, 0);
});

test('the producer does not hide why a stream cannot be created', async () => {
  const kinesis = fakeKinesis({ exists: false, looksUntilActive: 1 });
  kinesis.createStream = async () => {
    throw Object.assign(new Error('no'), { name: 'LimitExceededException' });
  };
  await assert.rejects(produce(kinesis, PRODUCER, keptLog()), { name: 'LimitExceededException' });
});
