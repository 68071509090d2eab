'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const {
  FakeDaemon, INITIALIZE, batch, checkpointed, status,
} = require('./support/fake_daemon');

/** Sends an action, confirms the checkpoint it asks for, and returns the request and the status. */
async function withCheckpoint(daemon, action, error = null) {
  const request = await daemon.ask(action);
  assert.equal(request.action, 'checkpoint');
  return { request, status: await daemon.ask(checkpointed(request, error)) };
}

for (const style of ['callbacks', 'promises']) {
  test(`version 2 with ${style}: every action is called and answered`, async () => {
    const daemon = new FakeDaemon('reporter.js', { args: ['v2', style] });
    assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
    const first = await withCheckpoint(daemon, batch('one', 'two'));
    assert.deepEqual(first.request, { action: 'checkpoint' });
    assert.deepEqual(first.status, status('processRecords'));
    const second = await withCheckpoint(daemon, batch());
    assert.deepEqual(second.request, { action: 'checkpoint', sequenceNumber: null });
    assert.deepEqual(second.status, status('processRecords'));
    const requested = await withCheckpoint(daemon, { action: 'shutdownRequested' });
    assert.deepEqual(requested.request, { action: 'checkpoint' });
    assert.deepEqual(requested.status, status('shutdownRequested'));
    const lost = await withCheckpoint(daemon, { action: 'leaseLost' }, 'InvalidStateException');
    assert.deepEqual(lost.status, status('leaseLost'));
    assert.deepEqual(await daemon.finish(), { code: 0, signal: null });

    const { shardId, sequenceNumber, subSequenceNumber } = INITIALIZE;
    const { records, millisBehindLatest } = batch('one', 'two');
    assert.deepEqual(daemon.calls, [
      {
        method: 'initialize',
        input: { shardId, sequenceNumber, subSequenceNumber },
        checkpointer: false,
      },
      { method: 'processRecords', input: { records, millisBehindLatest }, checkpointer: true },
      { method: 'processRecords', input: { records: [], millisBehindLatest }, checkpointer: true },
      { method: 'shutdownRequested', input: {}, checkpointer: true },
      { method: 'leaseLost', input: {}, checkpointer: false },
    ]);
  });

  test(`version 2 with ${style}: shardEnded carries the checkpointer`, async () => {
    const daemon = new FakeDaemon('reporter.js', { args: ['v2', style] });
    await daemon.ask(INITIALIZE);
    const ended = await withCheckpoint(daemon, { action: 'shardEnded' });
    assert.deepEqual(ended.status, status('shardEnded'));
    await daemon.finish();
    const call = { method: 'shardEnded', input: {}, checkpointer: true };
    assert.deepEqual(daemon.calls.at(-1), call);
  });

  for (const [action, reason, checkpointer] of [
    ['leaseLost', 'ZOMBIE', false],
    ['shardEnded', 'TERMINATE', true],
  ]) {
    test(`version 1 with ${style}: ${action} is shutdown with reason ${reason}`, async () => {
      const daemon = new FakeDaemon('reporter.js', { args: ['v1', style] });
      await daemon.ask(INITIALIZE);
      await withCheckpoint(daemon, batch('one'));
      await withCheckpoint(daemon, { action: 'shutdownRequested' });
      const ended = await withCheckpoint(daemon, { action });
      assert.deepEqual(ended.status, status(action));
      await daemon.finish();
      const call = { method: 'shutdown', input: { reason }, checkpointer };
      assert.deepEqual(daemon.calls.at(-1), call);
    });
  }
}

test('messages are written as a newline, compact JSON, and a newline', async () => {
  const daemon = new FakeDaemon('reporter.js', { args: ['v2', 'callbacks'] });
  await daemon.ask(INITIALIZE);
  await withCheckpoint(daemon, batch('one'));
  await daemon.finish();
  assert.equal(
    daemon.stdout,
    '\n{"action":"status","responseFor":"initialize"}\n' +
      '\n{"action":"checkpoint"}\n' +
      '\n{"action":"status","responseFor":"processRecords"}\n',
  );
});

async function misbehave(behaviour) {
  const daemon = new FakeDaemon('misbehaving.js', { args: [behaviour] });
  await daemon.ask(INITIALIZE);
  return daemon;
}

test('a callback called twice sends one status and a warning', async () => {
  const daemon = await misbehave('calls back twice');
  assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
  assert.deepEqual(await daemon.ask({ action: 'leaseLost' }), status('leaseLost'));
  await daemon.finish();
  assert.deepEqual(daemon.unread, []);
  assert.match(daemon.stderr, /processRecords called its callback again/);
});

for (const behaviour of [
  'calls back and resolves', 'calls back without declaring it, and resolves',
]) {
  test(`a method that ${behaviour} sends one status and no warning`, async () => {
    const daemon = await misbehave(behaviour);
    assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
    assert.deepEqual(await daemon.ask({ action: 'leaseLost' }), status('leaseLost'));
    await daemon.finish();
    assert.deepEqual(daemon.unread, []);
    assert.equal(daemon.stderr, '');
  });
}

test('a method that declares its callback is not done before it calls it', async () => {
  const daemon = await misbehave('calls back after it has resolved');
  const request = await daemon.ask(batch('one'));
  assert.deepEqual(request, { action: 'checkpoint', sequenceNumber: '1000' });
  // Answered only after a round trip through the child: it has long resolved by then.
  daemon.send({ action: 'not yet' });
  await daemon.said(/unknown action 'not yet' ignored/);
  assert.deepEqual(daemon.unread, []);
  assert.deepEqual(await daemon.ask(checkpointed(request)), status('processRecords'));
  await daemon.finish();
});

test('of two checkpoints at once only the first is asked for', async () => {
  const daemon = await misbehave('checkpoints twice at once');
  const request = await daemon.ask(batch('one'));
  assert.deepEqual(request, { action: 'checkpoint', sequenceNumber: '1' });
  assert.deepEqual(await daemon.ask(checkpointed(request)), status('processRecords'));
  await daemon.finish();
  assert.match(
    daemon.stderr,
    /^second: Cannot checkpoint while another checkpoint is already in progress\.$/m,
  );
});

test('a checkpoint with retries is asked for again with the same numbers', async () => {
  const daemon = await misbehave('retries its checkpoint');
  const request = { action: 'checkpoint', sequenceNumber: '1', subSequenceNumber: 4 };
  assert.deepEqual(await daemon.ask(batch('one')), request);
  assert.deepEqual(await daemon.ask(checkpointed(request, 'ThrottlingException')), request);
  assert.deepEqual(await daemon.ask(checkpointed(request, 'RuntimeException')), request);
  assert.deepEqual(await daemon.ask(checkpointed(request)), status('processRecords'));
  await daemon.finish();
  assert.match(daemon.stderr, /^checkpointed at 1$/m);
});

test('a lost lease is not retried and the error has the Java name everywhere', async () => {
  const daemon = await misbehave('says how its checkpoint was refused');
  const request = await daemon.ask(batch('one'));
  const answer = await daemon.ask(checkpointed(request, 'ShutdownException'));
  assert.deepEqual(answer, status('processRecords'));
  await daemon.finish();
  const [, json] = /^refused: (.*)$/m.exec(daemon.stderr);
  assert.deepEqual(JSON.parse(json), {
    name: 'ShutdownException',
    message: 'ShutdownException',
    code: 'ShutdownException',
    retryable: false,
    isError: true,
  });
});
