'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const CheckpointError = require('../lib/kcl/checkpoint_error');
const Checkpointer = require('../lib/kcl/checkpointer');

const IN_PROGRESS = 'Cannot checkpoint while another checkpoint is already in progress.';

/** A checkpointer, its requests as they stand on the wire, and answers in the order given. */
function checkpointer(answers = []) {
  const requests = [];
  const subject = new Checkpointer({
    checkpoint(sequenceNumber, subSequenceNumber) {
      requests.push(JSON.stringify({ sequenceNumber, subSequenceNumber }));
      if (answers.length > 0) {
        subject.onCheckpointerResponse(answers.shift(), sequenceNumber);
      }
    },
  });
  return { subject, requests };
}

function callbackOf(subject, ...args) {
  return new Promise((resolve) => {
    subject.checkpoint(...args, (...answer) => resolve(answer));
  });
}

test('a sequence number is sent as given and the answer has no error', async () => {
  const { subject, requests } = checkpointer([null]);
  assert.deepEqual(await callbackOf(subject, '4711'), [null, '4711']);
  assert.deepEqual(requests, ['{"sequenceNumber":"4711"}']);
});

test('a callback alone asks for a null sequence number', async () => {
  const { subject, requests } = checkpointer([null]);
  assert.deepEqual(await callbackOf(subject), [null, null]);
  assert.deepEqual(requests, ['{"sequenceNumber":null}']);
});

test('an undefined sequence number is left out', async () => {
  const { subject, requests } = checkpointer([null]);
  await callbackOf(subject, undefined);
  assert.deepEqual(requests, ['{}']);
});

test('an error reaches the callback as the string it is', async () => {
  const { subject } = checkpointer(['ThrottlingException']);
  assert.equal((await callbackOf(subject, '4711'))[0], 'ThrottlingException');
});

test('a second checkpoint is refused at once and does not disturb the first', () => {
  const { subject, requests } = checkpointer();
  const answers = [];
  subject.checkpoint('1', (error, at) => answers.push(['first', error, at]));
  subject.checkpoint('2', (error) => answers.push(['second', error]));
  assert.deepEqual(answers, [['second', IN_PROGRESS]]);
  subject.onCheckpointerResponse(null, '1');
  assert.deepEqual(answers[1], ['first', null, '1']);
  assert.equal(requests.length, 1);
});

test('a callback may ask for the next checkpoint', () => {
  const { subject, requests } = checkpointer(['ThrottlingException', null]);
  let end;
  subject.checkpoint('1', (error) => {
    assert.equal(error, 'ThrottlingException');
    subject.checkpoint('1', (second) => (end = second));
  });
  assert.equal(end, null);
  assert.equal(requests.length, 2);
});

test('the callback form returns nothing', () => {
  const { subject } = checkpointer();
  assert.equal(subject.checkpoint('1', () => {}), undefined);
});

test('a promise resolves with the sequence number', async () => {
  const { subject, requests } = checkpointer([null, null, null, null]);
  assert.equal(await subject.checkpoint('7'), '7');
  assert.equal(await subject.checkpoint('7', 3), '7');
  assert.equal(await subject.checkpoint(7n), '7');
  assert.equal(await subject.checkpoint(), null);
  assert.deepEqual(requests, [
    '{"sequenceNumber":"7"}',
    '{"sequenceNumber":"7","subSequenceNumber":3}',
    '{"sequenceNumber":"7"}',
    '{"sequenceNumber":null}',
  ]);
});

test('a promise rejects with an error named after the exception', async () => {
  const { subject } = checkpointer(['ShutdownException']);
  const error = await subject.checkpoint('7').catch((rejection) => rejection);
  assert.ok(error instanceof CheckpointError && error instanceof Error);
  const { name, message, code, sequenceNumber, retryable } = error;
  assert.deepEqual(
    { name, message, code, sequenceNumber, retryable },
    {
      name: 'ShutdownException',
      message: 'ShutdownException',
      code: 'ShutdownException',
      sequenceNumber: '7',
      retryable: false,
    },
  );
});

test('a second promise is refused with the same text', async () => {
  const { subject } = checkpointer();
  subject.checkpoint('1', () => {});
  const error = await subject.checkpoint('2').catch((rejection) => rejection);
  assert.equal(error.message, IN_PROGRESS);
  assert.equal(error.code, 'CheckpointInProgress');
});

for (const name of [
  'ThrottlingException', 'KinesisClientLibDependencyException', 'RuntimeException',
]) {
  test(`${name} is retried as often as asked, and no more`, async () => {
    const options = { retries: 2, delayMs: 0 };
    const patient = checkpointer([name, name, null]);
    assert.equal(await patient.subject.checkpoint('7', options), '7');
    assert.equal(patient.requests.length, 3);

    const unlucky = checkpointer([name, name, name, null]);
    await assert.rejects(unlucky.subject.checkpoint('7', options), { code: name, retryable: true });
    assert.equal(unlucky.requests.length, 3);
  });
}

for (const name of ['ShutdownException', 'InvalidStateException', 'IllegalArgumentException']) {
  test(`${name} is never retried`, async () => {
    const { subject, requests } = checkpointer([name, null]);
    await assert.rejects(subject.checkpoint({ retries: 9, delayMs: 0 }), { code: name });
    assert.equal(requests.length, 1);
  });
}

test('nothing is retried unless asked', async () => {
  const { subject, requests } = checkpointer(['ThrottlingException', null]);
  await assert.rejects(subject.checkpoint('7'), { code: 'ThrottlingException' });
  assert.equal(requests.length, 1);
});

test('between two tries another checkpoint is refused', async () => {
  const { subject } = checkpointer(['ThrottlingException', null]);
  const first = subject.checkpoint('1', { retries: 1, delayMs: 1 });
  await assert.rejects(subject.checkpoint('2'), { code: 'CheckpointInProgress' });
  assert.equal(await first, '1');
});

test('between two tries an answer is one to nothing', async () => {
  const { subject, requests } = checkpointer(['ThrottlingException', null]);
  const first = subject.checkpoint('1', { retries: 1, delayMs: 1 });
  assert.equal(subject.onCheckpointerResponse(null, '1'), false);
  assert.equal(await first, '1');
  assert.equal(requests.length, 2);
});

test('after destroy nothing is tried again', async () => {
  const { subject, requests } = checkpointer(['ThrottlingException']);
  subject.checkpoint('1', { retries: 1, delayMs: 1 }, () => {});
  subject.destroy();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(requests.length, 1);
});

test('an answer to nothing is told apart', () => {
  const { subject } = checkpointer();
  assert.equal(subject.onCheckpointerResponse(null, '1'), false);
  subject.checkpoint('1', () => {});
  assert.equal(subject.onCheckpointerResponse(null, '1'), true);
});

test('options that make no sense are refused and leave the checkpointer free', async () => {
  const { subject } = checkpointer([null]);
  assert.throws(() => subject.checkpoint('1', { retries: -1 }), RangeError);
  assert.throws(() => subject.checkpoint('1', { retries: 1.5 }), RangeError);
  assert.throws(() => subject.checkpoint('1', { retries: 1, delayMs: NaN }), RangeError);
  assert.equal(await subject.checkpoint('1'), '1');
});
