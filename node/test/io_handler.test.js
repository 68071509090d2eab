'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { Writable } = require('node:stream');
const { test } = require('node:test');

const IOHandler = require('../lib/kcl/io_handler');
const fakeStreams = require('./support/fake_streams');

function handler() {
  const { input, output, error, written } = fakeStreams();
  return { io: new IOHandler(input, output, error), input, written };
}

test('a line is emitted without its line end', () => {
  const { io, input } = handler();
  const lines = [];
  io.on('line', (line) => lines.push(line));
  input.emit('data', 'line1\n');
  assert.deepEqual(lines, ['line1']);
});

test('a message stands on a line of its own', async () => {
  const { io, written } = handler();
  await new Promise((resolve) => io.writeLine('{"action":"status"}', resolve));
  assert.equal(written.output, '\n{"action":"status"}\n');
});

test('an error is written to the error stream, with a line end', () => {
  const { io, written } = handler();
  io.writeError('an error message');
  assert.equal(written.error, 'an error message\n');
});

test('nothing is emitted after destroy', () => {
  const { io, input } = handler();
  const lines = [];
  io.on('line', (line) => lines.push(line));
  input.emit('data', 'line1\n');
  io.destroy();
  input.emit('data', 'line2\n');
  assert.deepEqual(lines, ['line1']);
});

test('a listener that destroys it gets no further line of the same chunk', () => {
  const { io, input } = handler();
  const lines = [];
  io.on('line', (line) => {
    lines.push(line);
    io.destroy();
  });
  input.emit('data', 'line1\nline2\n');
  assert.deepEqual(lines, ['line1']);
});

test('the end of input closes once, and an unfinished line is dropped', async () => {
  const { io, input, written } = handler();
  let closed = 0;
  io.on('close', () => (closed += 1));
  io.on('line', (line) => assert.fail(`line emitted: ${line}`));
  input.end('{"action":"shardEnded"}');
  await once(input, 'close');
  assert.equal(closed, 1);
  assert.match(written.error, /input ended inside a line, 23 bytes dropped/);
});

test('input that fails is reported and closes', async () => {
  const { io, input, written } = handler();
  const closed = once(io, 'close');
  input.destroy(new Error('the pipe burst'));
  await closed;
  assert.match(written.error, /the pipe burst/);
});

test('a full output delays the callback and loses nothing', async () => {
  const { input, error } = fakeStreams();
  const taken = [];
  let takeNext;
  const output = new Writable({
    highWaterMark: 1,
    write(chunk, encoding, callback) {
      taken.push(chunk.toString());
      takeNext = callback;
    },
  });
  const io = new IOHandler(input, output, error);
  const answers = [];
  io.writeLine('first', (failure) => answers.push(failure ?? 'first'));
  io.writeLine('second', (failure) => answers.push(failure ?? 'second'));
  assert.equal(output.writableNeedDrain, true);
  assert.deepEqual([taken, answers], [['\nfirst\n'], []]);
  takeNext();
  await new Promise(setImmediate);
  assert.deepEqual([taken, answers], [['\nfirst\n', '\nsecond\n'], ['first']]);
  takeNext();
  await new Promise(setImmediate);
  assert.deepEqual(answers, ['first', 'second']);
});

test('an output that fails tells the callback and nobody else', async () => {
  const { input, error } = fakeStreams();
  const output = new Writable({
    write(chunk, encoding, callback) {
      callback(new Error('EPIPE'));
    },
  });
  const io = new IOHandler(input, output, error);
  const failure = await new Promise((resolve) => io.writeLine('lost', resolve));
  assert.equal(failure.message, 'EPIPE');
});
