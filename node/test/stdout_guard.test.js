'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { guard, release, writeProtocol } = require('../lib/kcl/stdout_guard');
const fakeStreams = require('./support/fake_streams');

test('ordinary writes go elsewhere, protocol writes do not', () => {
  const { output, error, written } = fakeStreams();
  guard(output, error);
  output.write('noise\n');
  writeProtocol(output, 'message\n', () => {});
  assert.deepEqual(written, { output: 'message\n', error: 'noise\n' });
});

test('release gives the stream back as it was', () => {
  const { output, error, written } = fakeStreams();
  const before = output.write;
  guard(output, error);
  release(output);
  assert.equal(output.write, before);
  assert.equal(Object.hasOwn(output, 'write'), false);
  output.write('text\n');
  assert.equal(written.output, 'text\n');
});

test('a write that someone had replaced is given back too', () => {
  const { output, error } = fakeStreams();
  const replaced = () => true;
  output.write = replaced;
  guard(output, error);
  assert.notEqual(output.write, replaced);
  release(output);
  assert.equal(output.write, replaced);
});

test('a write that someone has wrapped around the guard is left alone', () => {
  const { output, error } = fakeStreams();
  guard(output, error);
  const inner = output.write;
  const wrapper = (...args) => inner(...args);
  output.write = wrapper;
  release(output);
  assert.equal(output.write, wrapper);
});

test('the stream stays guarded until the last guard is taken back', () => {
  const { output, error, written } = fakeStreams();
  guard(output, error);
  guard(output, error);
  release(output);
  output.write('noise\n');
  assert.equal(written.error, 'noise\n');
  release(output);
  output.write('text\n');
  assert.equal(written.output, 'text\n');
});

test('a stream without guard is written to as it is', () => {
  const { output, written } = fakeStreams();
  release(output);
  writeProtocol(output, 'message\n', () => {});
  assert.equal(written.output, 'message\n');
});

test('the callback of a diverted write is called', async () => {
  const { output, error } = fakeStreams();
  guard(output, error);
  await new Promise((resolve) => output.write('noise\n', resolve));
});
