'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const kcl = require('..');
const fakeStreams = require('./support/fake_streams');

const INVALID =
  'Record processor must implement initialize, processRecords, and shutdown functions.';

const initialize = { action: 'initialize', shardId: 'shardId-000000000001' };
const processRecords = {
  action: 'processRecords',
  records: [{ data: 'bWVvdw==', partitionKey: 'cat', sequenceNumber: '456' }],
};
const shardEnded = { action: 'shardEnded' };

/** Completes everything at once, and tries a refused checkpoint once more. */
class Processor {
  initialize(input, completeCallback) {
    completeCallback();
  }

  processRecords({ records, checkpointer }, completeCallback) {
    const { sequenceNumber } = records[0];
    checkpointer.checkpoint(sequenceNumber, (error) => {
      if (error) {
        checkpointer.checkpoint(sequenceNumber, () => completeCallback());
      } else {
        completeCallback();
      }
    });
  }

  leaseLost(input, completeCallback) {
    completeCallback();
  }

  shardEnded(input, completeCallback) {
    completeCallback();
  }
}

/** A process whose sending is replaced, as tests of aws-kcl programs do it. */
function stubbed(answers = {}) {
  const { input, output, error, written } = fakeStreams();
  const subject = kcl(new Processor(), input, output, error);
  const sent = [];
  const receive = (action) => {
    subject._kclManager._ioHandler.emit('line', JSON.stringify(action));
  };
  subject._kclManager._actionHandler.sendAction = (action, callback) => {
    sent.push(JSON.stringify(action));
    callback();
    answers[action.responseFor ?? action.action]?.(receive, sent);
  };
  subject.run();
  return { subject, sent, receive, input, written };
}

function status(action) {
  return `{"action":"status","responseFor":"${action}"}`;
}

const answerCheckpoint = (receive) => receive({ action: 'checkpoint', checkpoint: '456' });

test('initialize is answered with exactly its status', () => {
  const { sent, input } = stubbed();
  input.emit('data', `${JSON.stringify(initialize)}\n`);
  assert.deepEqual(sent, [status('initialize')]);
});

test('processRecords asks for its checkpoint, and its status follows the answer', () => {
  const { sent, receive } = stubbed({ checkpoint: answerCheckpoint });
  receive(processRecords);
  assert.deepEqual(sent, [
    '{"action":"checkpoint","sequenceNumber":"456"}', status('processRecords'),
  ]);
});

test('shardEnded is answered with exactly its status', () => {
  const { sent, receive } = stubbed();
  receive(shardEnded);
  assert.deepEqual(sent, [status('shardEnded')]);
});

test('a life from initialize to shardEnded is answered in order', () => {
  const { sent, receive } = stubbed({
    initialize: (next) => next(processRecords),
    checkpoint: answerCheckpoint,
    processRecords: (next) => next(shardEnded),
  });
  receive(initialize);
  assert.deepEqual(sent, [
    status('initialize'),
    '{"action":"checkpoint","sequenceNumber":"456"}',
    status('processRecords'),
    status('shardEnded'),
  ]);
});

test('a checkpoint that the processor tries again is asked for exactly twice', () => {
  const { sent, receive } = stubbed({
    checkpoint(next, soFar) {
      const error = soFar.length === 1 ? 'ThrottlingException' : null;
      next({ action: 'checkpoint', checkpoint: '456', error });
    },
  });
  receive(processRecords);
  const request = '{"action":"checkpoint","sequenceNumber":"456"}';
  assert.deepEqual(sent, [request, request, status('processRecords')]);
});

test('a processor without its methods is refused', () => {
  const method = () => {};
  for (const processor of [
    {},
    null,
    { initialize: method, processRecords: method },
    { initialize: method, processRecords: method, leaseLost: method },
    { initialize: method, processRecords: method, shardEnded: method },
    { processRecords: method, shutdown: method },
    { initialize: method, shutdown: method },
    { initialize: method, processRecords: 1, shutdown: method },
    // A class is no function that makes them: it was left without `new`.
    Processor,
    Object.assign(function Old() {}, { prototype: { initialize: method } }),
  ]) {
    assert.throws(() => kcl(processor), { name: 'Error', message: INVALID });
  }
});

test('methods are called on the processor, inherited ones included', async () => {
  const { input, output, error, written } = fakeStreams();
  class Counting extends Processor {
    shards = [];

    initialize({ shardId }, completeCallback) {
      this.shards.push(shardId);
      completeCallback();
    }
  }
  const processor = new Counting();
  kcl(processor, input, output, error).run();
  input.emit('data', `${JSON.stringify(initialize)}\n`);
  assert.deepEqual(processor.shards, ['shardId-000000000001']);
  assert.equal(written.output, `\n${status('initialize')}\n`);
});

test('a processor with shutdown is of version 1, whatever else it has', () => {
  const { input, output, error, written } = fakeStreams();
  const calls = [];
  const processor = new Processor();
  processor.shutdown = (given, completeCallback) => {
    calls.push([given.reason, given.checkpointer !== undefined]);
    completeCallback();
  };
  kcl(processor, input, output, error).run();
  input.emit('data', '{"action":"leaseLost"}\n{"action":"shardEnded"}\n');
  assert.deepEqual(calls, [['ZOMBIE', false], ['TERMINATE', true]]);
  assert.equal(written.output, `\n${status('leaseLost')}\n\n${status('shardEnded')}\n`);
});

test('the input has every field of the message but its action', () => {
  const { input, output, error } = fakeStreams();
  let given;
  const processor = new Processor();
  processor.initialize = (initializeInput) => (given = initializeInput);
  kcl(processor, input, output, error).run();
  input.emit('data', '{"action":"initialize","shardId":"s","sequenceNumber":"1","new":[2]}\n');
  assert.deepEqual(given, { shardId: 's', sequenceNumber: '1', new: [2] });
});

test('without shutdownRequested its status is sent at once', () => {
  const { sent, receive } = stubbed();
  receive({ action: 'shutdownRequested' });
  assert.deepEqual(sent, [status('shutdownRequested')]);
});

test('unknown actions and unasked answers are reported and answered by nothing', () => {
  const { sent, receive, written } = stubbed();
  receive(initialize);
  receive({ action: 'resharded' });
  receive({ action: 'constructor' });
  receive({ action: 'checkpoint', sequenceNumber: '1', error: null });
  receive(shardEnded);
  assert.deepEqual(sent, [status('initialize'), status('shardEnded')]);
  assert.match(written.error, /^shardwise: shardId-0+1: unknown action 'resharded' ignored$/m);
  assert.match(written.error, /unknown action 'constructor' ignored/);
  assert.match(written.error, /not asked for/);
});

test('nothing is dispatched before run, and what came earlier is not lost', () => {
  const { input, output, error, written } = fakeStreams();
  const subject = kcl(new Processor(), input, output, error);
  input.emit('data', `${JSON.stringify(initialize)}\n`);
  assert.equal(written.output, '');
  subject.run();
  subject.run();
  assert.equal(written.output, `\n${status('initialize')}\n`);
});

test('after cleanup nothing is dispatched', () => {
  const { subject, sent, receive } = stubbed();
  subject.cleanup();
  receive(initialize);
  assert.deepEqual(sent, []);
});

test('on streams of its own a process is left alone when they end', async () => {
  const { subject, input } = stubbed();
  const before = process.exitCode;
  input.end();
  await new Promise((resolve) => input.on('close', resolve));
  assert.equal(process.exitCode, before);
  subject.cleanup();
});

test('what a method throws comes out where the line went in, and no status is sent', () => {
  const { input, output, error, written } = fakeStreams();
  const processor = new Processor();
  processor.initialize = () => {
    throw new Error('on purpose');
  };
  kcl(processor, input, output, error).run();
  const line = `${JSON.stringify(initialize)}\n`;
  assert.throws(() => input.emit('data', line), { message: 'on purpose' });
  assert.equal(written.output, '');
  assert.match(written.error, /initialize failed/);
});

test('stdout is guarded from run to cleanup, and only the real one', () => {
  const { input, output, error } = fakeStreams();
  const before = process.stdout.write;
  kcl(new Processor(), input, output, error).run();
  assert.equal(process.stdout.write, before);

  const subject = kcl(new Processor(), input);
  assert.equal(process.stdout.write, before);
  subject.run();
  assert.notEqual(process.stdout.write, before);
  subject.cleanup();
  assert.equal(process.stdout.write, before);
});
