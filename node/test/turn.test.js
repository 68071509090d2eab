'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const Turn = require('../lib/kcl/turn');

/** A turn that has called the method, what came of it so far, and its next warning. */
function turn(method, callbackPatienceMs) {
  const events = [];
  let warned;
  const warning = new Promise((resolve) => (warned = resolve));
  const subject = new Turn(
    'processRecords',
    {
      done: () => events.push('done'),
      failed: (error) => events.push(error),
      warn: (text) => warned(text),
    },
    callbackPatienceMs,
  );
  subject.call({}, method, {});
  return { events, warning };
}

/** The warning. Kept alive for it, because the patience does not keep a process alive. */
async function awaited(warning) {
  const alive = setInterval(() => {}, 1_000);
  const text = await warning;
  clearInterval(alive);
  return text;
}

test('a method that resolves and forgets its callback is warned about, and not done', async () => {
  let completeCallback;
  const { events, warning } = turn(async (input, callback) => (completeCallback = callback), 1);
  assert.match(await awaited(warning), /processRecords has resolved but not called its callback/);
  assert.deepEqual(events, []);
  completeCallback();
  assert.deepEqual(events, ['done']);
});

test('a method without callback and promise is warned about, and may still call back', async () => {
  let completeCallback;
  const { events, warning } = turn((...args) => void (completeCallback = args[1]), 1);
  const text = /processRecords neither takes a callback nor has returned a promise/;
  assert.match(await awaited(warning), text);
  assert.deepEqual(events, []);
  completeCallback();
  assert.deepEqual(events, ['done']);
});

test('anything with a then counts as a promise', async () => {
  const { events } = turn(() => ({ then: (resolve) => resolve() }));
  assert.deepEqual(events, ['done']);
});

test('a method that returns something else is waited for', () => {
  for (const returned of [undefined, null, 1, {}, { then: 1 }]) {
    assert.deepEqual(turn(() => returned).events, []);
  }
});

test('a callback that comes after a failure is nothing', () => {
  const error = new Error('on purpose');
  let completeCallback;
  const { events } = turn((input, callback) => {
    completeCallback = callback;
    throw error;
  });
  completeCallback();
  assert.deepEqual(events, [error]);
});

test('a method without an implementation is done when skipped', () => {
  const events = [];
  new Turn('shutdownRequested', { done: () => events.push('done') }).skip();
  assert.deepEqual(events, ['done']);
});
