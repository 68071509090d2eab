'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');

const kcl = require('../lib');
const { lineOf } = require('../lib/kcl/log');

test('a line for the daemon is one flat object behind a prefix', () => {
  const line = lineOf('warn', 'late', { order: 42, of: 'x y', ok: true, none: null }, true);
  assert.ok(line.startsWith('@shardwise {'), line);
  const said = JSON.parse(line.slice('@shardwise '.length));
  const fields = { order: 42, of: 'x y', ok: true, none: null };
  assert.deepEqual(said, { ...fields, level: 'warn', message: 'late' });
});

test('values with values inside, big integers and errors become text', () => {
  const fields = { nested: { a: 1 }, big: 12n, error: new Error('no'), gone: undefined, not: NaN };
  const line = lineOf('info', new Error('why'), fields, true);
  const said = JSON.parse(line.slice('@shardwise '.length));
  assert.equal(said.nested, '{ a: 1 }');
  assert.equal(said.big, '12n');
  assert.equal(said.not, 'NaN');
  assert.match(said.error, /^Error: no\n/);
  assert.match(said.message, /^Error: why\n/);
  assert.ok(!('gone' in said));
});

test('a field cannot take the place of level or message', () => {
  const line = lineOf('error', 'broken', { level: 'trace', message: 'fine' }, true);
  const said = JSON.parse(line.slice('@shardwise '.length));
  assert.deepEqual([said.level, said.message], ['error', 'broken']);
});

test('a line that is too long is cut, and keeps its level', () => {
  const line = lineOf('error', 'é'.repeat(20_000), { more: 'x'.repeat(20_000) }, true);
  assert.ok(Buffer.byteLength(line) < 8_192);
  const said = JSON.parse(line.slice('@shardwise '.length));
  assert.deepEqual([said.level, said.cut], ['error', true]);
});

test('a line is never broken in two', () => {
  assert.ok(!lineOf('info', 'one\ntwo', { three: '\r\n' }, true).includes('\n'));
});

test('without an offer lines are plain text on stderr', () => {
  const script = "require('./lib').log.warn('late', { order: 42 })";
  const run = (environment) => {
    const env = { ...process.env, ...environment };
    const options = { cwd: `${__dirname}/..`, env, encoding: 'utf8' };
    return spawnSync(process.execPath, ['-e', script], options);
  };
  assert.equal(run({ SHARDWISE_LOG: '' }).stderr, 'WARN late order=42\n');
  const offered = run({ SHARDWISE_LOG: 'stderr' });
  assert.equal(offered.stderr, '@shardwise {"order":42,"level":"warn","message":"late"}\n');
  assert.equal(offered.stdout, '');
});

test('there is a function for each level', () => {
  assert.deepEqual(Object.keys(kcl.log), ['error', 'warn', 'info', 'debug', 'trace']);
});
