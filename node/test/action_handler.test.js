'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const ActionHandler = require('../lib/kcl/action_handler');
const IOHandler = require('../lib/kcl/io_handler');
const fakeStreams = require('./support/fake_streams');

function handler() {
  const { input, output, error, written } = fakeStreams();
  const io = new IOHandler(input, output, error);
  const handler = new ActionHandler(io);
  const actions = [];
  handler.on('action', (action) => actions.push(action));
  return { io, handler, actions, written };
}

test('a line without an action is reported and not emitted', () => {
  const { io, actions, written } = handler();
  io.emit('line', '{"shardId":"shardId-000001"}');
  assert.equal(written.error, 'Invalid action received: {"shardId":"shardId-000001"}\n');
  for (const line of ['null', '123', '"x"', '[]']) {
    io.emit('line', line);
  }
  assert.deepEqual(actions, []);
});

test('a line with an action is emitted, parsed', () => {
  const { io, actions } = handler();
  io.emit('line', '{"action":"initialize","shardId":"shardId-000001"}');
  assert.deepEqual(actions, [{ action: 'initialize', shardId: 'shardId-000001' }]);
});

test('an empty line is nothing', () => {
  const { io, actions, written } = handler();
  io.emit('line', '');
  assert.deepEqual([actions, written.error], [[], '']);
});

test('an action is sent as compact JSON on the last complete line', async () => {
  const { handler: actionHandler, written } = handler();
  const action = { action: 'initialize', shardId: 'shardId-000001' };
  const failure = await new Promise((resolve) => actionHandler.sendAction(action, resolve));
  assert.equal(failure ?? null, null);
  const lines = written.output.split('\n');
  assert.equal(lines.at(-2), '{"action":"initialize","shardId":"shardId-000001"}');
});

test('the end of the lines is the end of the actions', () => {
  const { io, handler: actionHandler } = handler();
  let ended = 0;
  actionHandler.on('end', () => (ended += 1));
  io.emit('close');
  assert.equal(ended, 1);
});

test('a line that is not JSON is an error', () => {
  const { io, handler: actionHandler } = handler();
  const errors = [];
  actionHandler.on('error', (error) => errors.push(error.message));
  io.emit('line', '{"action":');
  assert.equal(errors.length, 1);
  assert.match(errors[0], /^line is not JSON: /);
});

test('nothing is emitted after destroy', () => {
  const { io, handler: actionHandler, actions } = handler();
  actionHandler.destroy();
  io.emit('line', '{"action":"leaseLost"}');
  assert.deepEqual(actions, []);
});
