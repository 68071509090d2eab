'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { FakeDaemon, INITIALIZE, batch, checkpointed, status } = require('./support/fake_daemon');

/** Sends a batch to a child that fails on it, and returns its end. */
async function fail(behaviour, ...answers) {
  const daemon = new FakeDaemon('misbehaving.js', { args: [behaviour] });
  await daemon.ask(INITIALIZE);
  daemon.send(batch('one'));
  for (const answer of answers) {
    await daemon.nextMessage();
    daemon.send(answer);
  }
  return { daemon, exit: await daemon.exited() };
}

for (const [behaviour, message] of [
  ['throws', 'thrown on purpose'],
  ['rejects', 'rejected on purpose'],
  ['rejects after declaring a callback', 'rejected on purpose'],
  ['throws in a timer', 'thrown later on purpose'],
]) {
  test(`a method that ${behaviour} ends the process with 1 and its stack`, async () => {
    const { daemon, exit } = await fail(behaviour);
    assert.deepEqual(exit, { code: 1, signal: null });
    assert.deepEqual(daemon.unread, []);
    assert.match(daemon.stderr, new RegExp(`Error: ${message}\n +at .*misbehaving\\.js`));
  });
}

test('the failed action and its shard are named', async () => {
  const { daemon } = await fail('rejects');
  assert.match(daemon.stderr, /shardwise: shardId-000000000000: processRecords failed/);
});

test('what is thrown need not be an Error', async () => {
  const { daemon, exit } = await fail('throws a string');
  assert.equal(exit.code, 1);
  assert.match(daemon.stderr, /processRecords failed with 'thrown without a stack'/);
  assert.deepEqual(daemon.unread, []);
});

test('a throw after the callback still ends the process with 1', async () => {
  const { daemon, exit } = await fail('throws after its callback');
  assert.equal(exit.code, 1);
  assert.deepEqual(daemon.unread, [status('processRecords')]);
});

test('a refused checkpoint that is not caught ends the process with 1', async () => {
  const refused = checkpointed({ sequenceNumber: '1' }, 'ThrottlingException');
  const { daemon, exit } = await fail('lets a refused checkpoint reject', refused);
  assert.equal(exit.code, 1);
  assert.deepEqual(daemon.unread, []);
  assert.match(daemon.stderr, /ThrottlingException/);
});

test('a program that catches everything cannot stay after a failure', async () => {
  const { daemon, exit } = await fail('rejects, and the program catches everything');
  assert.deepEqual(exit, { code: 1, signal: null });
  assert.deepEqual(daemon.unread, []);
  assert.match(daemon.stderr, /^caught: rejected on purpose$/m);
});

test('a function that makes no record processor fails as initialize does', async () => {
  const daemon = new FakeDaemon('bad_factory.js');
  daemon.send(INITIALIZE);
  assert.deepEqual(await daemon.exited(), { code: 1, signal: null });
  assert.match(daemon.stderr, /shardwise: shardId-000000000000: initialize failed/);
  assert.match(daemon.stderr, /^caught: Record processor must implement /m);
});

test('a line that is not JSON ends the process with 1', async () => {
  const daemon = new FakeDaemon('misbehaving.js', { args: ['counts'] });
  await daemon.ask(INITIALIZE);
  daemon.sendText('{"action":"processRecords","rec\n');
  assert.deepEqual(await daemon.exited(), { code: 1, signal: null });
  assert.match(daemon.stderr, /line is not JSON/);
});

test('a daemon that no longer reads ends the process with 1', async () => {
  const daemon = new FakeDaemon('misbehaving.js', { args: ['counts'] });
  await daemon.ask(INITIALIZE);
  daemon.child.stdout.destroy();
  daemon.send(batch('one'));
  assert.equal((await daemon.exited()).code, 1);
  assert.match(
    daemon.stderr,
    /Kinesis Client Library is in an invalid state\. Cannot proceed further\./,
  );
});
