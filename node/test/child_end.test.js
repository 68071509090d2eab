'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { FakeDaemon, INITIALIZE, status } = require('./support/fake_daemon');

/** Runs a child to the end of its input; returns how it ended and how long that took. */
async function end(arrangement) {
  const daemon = new FakeDaemon('ending.js', { args: [arrangement] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  const closed = process.hrtime.bigint();
  const exit = await daemon.finish();
  const ms = Number(process.hrtime.bigint() - closed) / 1e6;
  return { daemon, exit, ms };
}

test('the end of input ends the process with 0, and calls no method', async () => {
  const { daemon, exit, ms } = await end('nothing');
  assert.deepEqual(exit, { code: 0, signal: null });
  assert.equal(daemon.stderr, '');
  assert.ok(ms < 2_500, `took ${ms} ms, as if something had kept it`);
});

test('a timer keeps the process for three seconds and no longer', async () => {
  const { exit, ms } = await end('a timer');
  assert.deepEqual(exit, { code: 0, signal: null });
  assert.ok(ms > 2_500, `took only ${ms} ms`);
});

test('an exit code that the program has set is kept', async () => {
  const { exit } = await end('an exit code');
  assert.equal(exit.code, 7);
});

test('input that ends before any message ends the process with 0', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['nothing'] });
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
  assert.equal(daemon.stdout, '');
});

test('an action cut off by the end of input is not called', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['nothing'] });
  await daemon.ask(INITIALIZE);
  daemon.sendText('{"action":"shardEnded"}');
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
  assert.doesNotMatch(daemon.stderr, /shardEnded called/);
  assert.match(daemon.stderr, /input ended inside a line/);
});

test('a message that arrives before run waits for it', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['a late start'] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
});

test('input that ends before run ends the process too', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['a late start'] });
  daemon.send(INITIALIZE);
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
  assert.deepEqual(daemon.unread, [status('initialize')]);
});

test('cleanup lets the process end before its input, and frees stdout', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['a cleanup'] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  assert.deepEqual(await daemon.exited(), { code: 0, signal: null });
  assert.match(daemon.stdout, /^printed after cleanup$/m);
});

test('a stray SIGTERM is not handled: how a program stops is its own choice', async () => {
  const daemon = new FakeDaemon('ending.js', { args: ['nothing'] });
  await daemon.ask(INITIALIZE);
  daemon.child.kill('SIGTERM');
  assert.deepEqual(await daemon.exited(), { code: null, signal: 'SIGTERM' });
});
