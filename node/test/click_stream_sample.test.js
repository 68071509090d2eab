'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const SAMPLE = '../samples/click_stream_sample';
const RecordBuffer = require(`${SAMPLE}/consumer/record_buffer`);
const S3Emitter = require(`${SAMPLE}/consumer/s3_emitter`);
const recordProcessor = require(`${SAMPLE}/consumer/click_stream_consumer`);
const { CheckpointError } = require('..');
const { FakeDaemon, INITIALIZE, batch, checkpointed, status } = require('./support/fake_daemon');

const RETRY = { attempts: 3, delayMs: 1, delayMsMax: 2 };

/** A log that keeps its lines. */
function keptLog() {
  const lines = [];
  const keep = (message) => lines.push(message);
  return { lines, info: keep, warn: keep };
}

function record(sequenceNumber, text, subSequenceNumber = 0) {
  return { data: Buffer.from(text).toString('base64'), sequenceNumber, subSequenceNumber };
}

test('a batch has a line for each record, and is named by the first and the last', () => {
  const buffer = new RecordBuffer({ bytesMax: 100, ageMsMax: 100 });
  for (const number of ['7', '8', '9']) {
    buffer.put(record(number, `{"é":${number}}`), 0);
  }
  const { data, ...place } = buffer.take();
  assert.equal(data.toString(), '{"é":7}\n{"é":8}\n{"é":9}\n');
  assert.deepEqual(place, { range: '7-9', sequenceNumber: '9', subSequenceNumber: 0 });
  assert.equal(buffer.take(), null);
});

test('two batches that share an aggregate have different names', () => {
  const buffer = new RecordBuffer({ bytesMax: 100, ageMsMax: 100 });
  const names = [[0, 1], [2, 3]].map((places) => {
    places.forEach((place) => buffer.put(record('7', 'a', place), 0));
    return buffer.take().range;
  });
  assert.deepEqual(names, ['7-7.1', '7.2-7.3']);
});

test('a buffer is full at its limit, line ends included', () => {
  const buffer = new RecordBuffer({ bytesMax: 6, ageMsMax: 100 });
  buffer.put(record('7', 'abc'), 0);
  assert.equal(buffer.isFull(), false);
  buffer.put(record('8', 'd'), 0);
  assert.equal(buffer.isFull(), true);
  buffer.take();
  assert.equal(buffer.isFull(), false);
});

test('a buffer is as old as its first record, and never old when it is empty', () => {
  const buffer = new RecordBuffer({ bytesMax: 100, ageMsMax: 10 });
  assert.equal(buffer.isOld(1_000), false);
  buffer.put(record('7', 'a'), 1_000);
  buffer.put(record('8', 'b'), 1_009);
  assert.deepEqual([buffer.isOld(1_009), buffer.isOld(1_010)], [false, true]);
  buffer.take();
  assert.equal(buffer.isOld(2_000), false);
});

/** An error as the SDK has them. */
function answered(name, httpStatusCode) {
  return Object.assign(new Error(`${name} of S3`), { name, $metadata: { httpStatusCode } });
}

/** An S3 whose calls fail with these errors, in turn, and then succeed. */
function fakeS3({ head = [], create = [], put = [] } = {}) {
  const calls = [];
  const call = (name, failures) => async (input) => {
    calls.push([name, input]);
    const failure = failures.shift();
    if (failure) {
      throw failure;
    }
  };
  return {
    calls,
    names: () => calls.map(([name]) => name),
    headBucket: call('head', head),
    createBucket: call('create', create),
    putObject: call('put', put),
  };
}

function emitterOf(s3, config = {}, log = keptLog()) {
  const bucket = { bucket: 'clicks', region: 'us-east-1', createBucketIfAbsent: true };
  return new S3Emitter(s3, { ...bucket, retry: RETRY, ...config }, log);
}

test('a bucket that is there is not created', async () => {
  const s3 = fakeS3();
  await emitterOf(s3).initialize();
  assert.deepEqual(s3.calls, [['head', { Bucket: 'clicks' }]]);
});

for (const [region, location] of [
  ['us-east-1', {}],
  ['eu-west-1', { CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } }],
]) {
  test(`an absent bucket is created in ${region}`, async () => {
    const s3 = fakeS3({ head: [answered('NotFound', 404)] });
    await emitterOf(s3, { region }).initialize();
    assert.deepEqual(s3.calls.at(-1), ['create', { Bucket: 'clicks', ...location }]);
  });
}

test('a bucket that another child has just created will do', async () => {
  const s3 = fakeS3({
    head: [answered('NotFound', 404)],
    create: [answered('BucketAlreadyOwnedByYou', 409)],
  });
  await emitterOf(s3).initialize();
  assert.deepEqual(s3.names(), ['head', 'create']);
});

test('a bucket that two create at the same time is looked for again', async () => {
  const s3 = fakeS3({
    head: [answered('NotFound', 404)],
    create: [answered('OperationAborted', 409)],
  });
  await emitterOf(s3).initialize();
  assert.deepEqual(s3.names(), ['head', 'create', 'head']);
});

test('a bucket that is not to be had is an error that says what to do', async () => {
  const forbidden = new Array(3).fill(answered('403', 403));
  await assert.rejects(emitterOf(fakeS3({ head: forbidden })).initialize(), {
    message: /failed 3 times, bucket clicks: .*another account's.*CLICK_STREAM_BUCKET/,
  });
  const absent = fakeS3({ head: new Array(3).fill(answered('NotFound', 404)) });
  await assert.rejects(emitterOf(absent, { createBucketIfAbsent: false }).initialize(), {
    message: /NotFound/,
  });
  assert.deepEqual(absent.names(), ['head', 'head', 'head']);
});

test('an upload is tried again, after pauses that grow to a limit', async () => {
  const s3 = fakeS3({ put: new Array(3).fill(answered('SlowDown', 503)) });
  const log = keptLog();
  const data = Buffer.from('{}\n');
  await emitterOf(s3, { retry: { ...RETRY, attempts: 4 } }, log).emit('shard/1-2', data);
  assert.deepEqual(s3.names(), ['put', 'put', 'put', 'put']);
  const { Bucket, Key, Body } = s3.calls.at(-1)[1];
  assert.deepEqual([Bucket, Key, Body], ['clicks', 'shard/1-2', data]);
  const pauses = log.lines.flatMap((line) => line.match(/again in (\d) ms/)?.[1] ?? []);
  assert.deepEqual(pauses, ['1', '2', '2']);
});

test('an upload that fails for good names what, where and why', async () => {
  const s3 = fakeS3({ put: new Array(3).fill(answered('SlowDown', 503)) });
  await assert.rejects(emitterOf(s3).emit('shard/1-2', Buffer.from('')), {
    message: 'Writing shard/1-2 failed 3 times, bucket clicks: SlowDown: SlowDown of S3',
  });
  assert.equal(s3.calls.length, 3);
});

/** A processor of shard `s` with buffers of two short records, and what it did, in order. */
async function processorAt({ failures = [], ageMsMax = 1_000 } = {}) {
  const did = [];
  const emitter = {
    async initialize() {},
    async emit(key, data) {
      await new Promise(setImmediate);
      did.push(`put ${key} ${data.toString().trim().split('\n')}`);
    },
  };
  const checkpointer = {
    async checkpoint(...args) {
      const options = args.pop();
      assert.deepEqual(options, { retries: 2 });
      const failure = failures.shift();
      did.push(`checkpoint ${args.join(' ')}`);
      if (failure) {
        throw new CheckpointError(failure);
      }
    },
  };
  const config = { recordBuffer: { bytesMax: 4, ageMsMax }, checkpoint: { retries: 2 } };
  const clock = { now: 0 };
  const processor = recordProcessor(emitter, config, keptLog(), () => clock.now);
  await processor.initialize({ shardId: 's' });
  return { processor, did, checkpointer, clock };
}

test('a full buffer is written, and only then checkpointed at its last record', async () => {
  const { processor, did, checkpointer } = await processorAt();
  const records = ['a', 'b', 'c', 'd', 'e'].map((text, index) => record(`${index}`, text, index));
  await processor.processRecords({ records, checkpointer });
  assert.deepEqual(did, [
    'put s/0-1.1 a,b',
    'checkpoint 1 1',
    'put s/2.2-3.3 c,d',
    'checkpoint 3 3',
  ]);
});

test('an empty batch is done, and writes what has waited long enough', async () => {
  const { processor, did, checkpointer, clock } = await processorAt({ ageMsMax: 10 });
  await processor.processRecords({ records: [record('7', 'a')], checkpointer });
  clock.now = 9;
  await processor.processRecords({ records: [], checkpointer });
  assert.deepEqual(did, []);
  clock.now = 10;
  await processor.processRecords({ records: [], checkpointer });
  await processor.processRecords({ records: [], checkpointer });
  assert.deepEqual(did, ['put s/7-7 a', 'checkpoint 7 0']);
});

for (const [what, records, written] of [
  ['the rest is written', [record('7', 'a')], ['put s/7-7 a']],
  ['nothing is left to write', [], []],
]) {
  test(`at the shard's end ${what}, and the checkpoint has no number`, async () => {
    const { processor, did, checkpointer } = await processorAt();
    await processor.processRecords({ records, checkpointer });
    await processor.shardEnded({ checkpointer });
    assert.deepEqual(did, [...written, 'checkpoint ']);
  });
}

test('a worker that stops writes the rest and checkpoints it, once', async () => {
  const { processor, did, checkpointer } = await processorAt();
  await processor.processRecords({ records: [record('7', 'a')], checkpointer });
  await processor.shutdownRequested({ checkpointer });
  await processor.shutdownRequested({ checkpointer });
  assert.deepEqual(did, ['put s/7-7 a', 'checkpoint 7 0']);
});

test('a lost lease drops the buffer without writing it', async () => {
  const { processor, did, checkpointer } = await processorAt();
  await processor.processRecords({ records: [record('7', 'a')], checkpointer });
  await processor.leaseLost({});
  await processor.shutdownRequested({ checkpointer });
  assert.deepEqual(did, []);
});

test('a checkpoint that is refused is an error, unless the lease is lost', async () => {
  const records = [record('7', 'long enough')];
  for (const failure of ['ThrottlingException', 'InvalidStateException']) {
    const { processor, checkpointer } = await processorAt({ failures: [failure] });
    await assert.rejects(processor.processRecords({ records, checkpointer }), { code: failure });
  }
  const { processor, did, checkpointer } = await processorAt({ failures: ['ShutdownException'] });
  await processor.processRecords({ records, checkpointer });
  assert.equal(did.at(-1), 'checkpoint 7 0');
});

test('under a daemon a shard is written from its beginning to its end', async () => {
  const daemon = new FakeDaemon('click_stream.js', { args: ['taking'] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  const request = await daemon.ask(batch('{"id":"a"}'));
  const place = { sequenceNumber: '1000', subSequenceNumber: 0 };
  assert.deepEqual(request, { action: 'checkpoint', ...place });
  await daemon.said(/^put shardId-000000000000\/1000-1000$/m);
  assert.deepEqual(await daemon.ask(checkpointed(request)), status('processRecords'));
  assert.deepEqual(await daemon.ask(batch()), status('processRecords'));
  const ending = await daemon.ask({ action: 'shardEnded' });
  assert.deepEqual(ending, { action: 'checkpoint', sequenceNumber: null });
  assert.deepEqual(await daemon.ask(checkpointed(ending)), status('shardEnded'));
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
});

test('an upload that fails for good ends the process, without checkpoint and answer', async () => {
  const daemon = new FakeDaemon('click_stream.js', { args: ['refusing'] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  daemon.send(batch('{"id":"a"}'));
  assert.deepEqual(await daemon.exited(), { code: 1, signal: null });
  assert.deepEqual(daemon.unread, []);
  assert.match(daemon.stderr, /Writing shardId-000000000000\/1000-1000 failed 2 times/);
});
