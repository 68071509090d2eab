'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { FakeDaemon, INITIALIZE, batch, status } = require('./support/fake_daemon');

async function start(behaviour) {
  const daemon = new FakeDaemon('misbehaving.js', { args: [behaviour] });
  assert.deepEqual(await daemon.ask(INITIALIZE), status('initialize'));
  return daemon;
}

test('what the program prints goes to stderr and not to the daemon', async () => {
  const daemon = await start('makes noise');
  assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
  await daemon.finish();
  assert.equal(
    daemon.stdout,
    'starting\n' + // printed before the program joined the daemon
      '\n{"action":"status","responseFor":"initialize"}\n' +
      '\n{"action":"status","responseFor":"processRecords"}\n',
  );
  assert.equal(
    daemon.stderr,
    '{"action":"status","responseFor":"shardEnded"}\ninfo\ndebug\n' +
      'a line without an endbytes\n',
  );
});

test('printing does no harm when nobody reads stderr', async () => {
  const daemon = await start('makes noise');
  daemon.child.stderr.destroy();
  assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
  assert.deepEqual(await daemon.ask(batch('two')), status('processRecords'));
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
});

test('an unfinished line that got past the guard does not spoil the next message', async () => {
  const daemon = await start('writes to stdout behind our back');
  assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
  await daemon.finish();
  assert.match(daemon.stdout, /^a line without an end$/m);
});

test('a line of 48 MiB is read', async () => {
  const daemon = await start('counts');
  const record = 'x'.repeat(1024 * 1024);
  const texts = new Array(36).fill(record);
  assert.deepEqual(await daemon.ask(batch(...texts)), status('processRecords'));
  await daemon.finish();
  assert.equal(daemon.stderr, `36 records, ${36 * record.length} bytes\n`);
});

test('a line may arrive in pieces, cut inside a character', async () => {
  const daemon = await start('counts');
  const action = { ...batch('one'), note: '\u{1f600}' };
  const bytes = Buffer.from(`${JSON.stringify(action)}\n`);
  const cut = bytes.indexOf(0xf0) + 2;
  daemon.sendText(bytes.subarray(0, cut));
  // Only when this has been read is the first piece known to have arrived alone.
  await new Promise((resolve) => daemon.child.stdin.write('', resolve));
  daemon.sendText(bytes.subarray(cut));
  assert.deepEqual(await daemon.nextMessage(), status('processRecords'));
  await daemon.finish();
  assert.equal(daemon.stderr, '1 records, 3 bytes\n');
});

test('CRLF ends a line, blank lines are nothing', async () => {
  const daemon = await start('counts');
  daemon.sendText(`\r\n\n${JSON.stringify(batch('one'))}\r\n`);
  assert.deepEqual(await daemon.nextMessage(), status('processRecords'));
  await daemon.finish();
  assert.equal(daemon.stderr, '1 records, 3 bytes\n');
});

test('a partition key with U+2028 and a carriage return arrives whole', async () => {
  const daemon = new FakeDaemon('reporter.js', { args: ['v2', 'promises'] });
  await daemon.ask(INITIALIZE);
  const action = batch('one');
  action.records[0].partitionKey = 'a\u2028b\u2029c\u0085d\re';
  daemon.send(action);
  assert.equal((await daemon.nextMessage()).action, 'checkpoint');
  const [{ partitionKey }] = daemon.calls.at(-1).input.records;
  assert.equal(partitionKey, 'a\u2028b\u2029c\u0085d\re');
  await daemon.finish();
});

test('an unknown action is reported and the next one is processed', async () => {
  const daemon = await start('counts');
  daemon.send({ action: 'leaseLent', to: 'someone' });
  await daemon.said(/unknown action 'leaseLent' ignored/);
  assert.deepEqual(await daemon.ask(batch('one')), status('processRecords'));
  await daemon.finish();
});

test('a line without action is reported in the words of aws-kcl', async () => {
  const daemon = await start('counts');
  daemon.sendText('{"hello":"world"}\n');
  await daemon.said(/^Invalid action received: \{"hello":"world"\}$/m);
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
});

test('a daemon slow to read loses no message', async () => {
  const daemon = await start('counts');
  daemon.child.stdout.pause();
  for (let sent = 0; sent < 2_000; sent += 1) {
    daemon.send(batch());
  }
  await daemon.said(/^(0 records, 0 bytes\n){1000}/m);
  daemon.child.stdout.resume();
  for (let sent = 0; sent < 2_000; sent += 1) {
    assert.deepEqual(await daemon.nextMessage(), status('processRecords'));
  }
  assert.deepEqual(await daemon.finish(), { code: 0, signal: null });
});
