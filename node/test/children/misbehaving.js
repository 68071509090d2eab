'use strict';

/** A record processor whose `processRecords` does what the first argument names. */

const { setTimeout: delay } = require('node:timers/promises');
const kcl = require('../..');

const behaviours = {
  'throws': () => {
    throw new Error('thrown on purpose');
  },
  'throws a string': () => {
    throw 'thrown without a stack';
  },
  'throws after its callback': (input, completeCallback) => {
    completeCallback();
    throw new Error('thrown on purpose');
  },
  'rejects': async () => {
    await delay(1);
    throw new Error('rejected on purpose');
  },
  'rejects after declaring a callback': async (input, completeCallback) => {
    await delay(1);
    void completeCallback;
    throw new Error('rejected on purpose');
  },
  'rejects, and the program catches everything': async () => {
    process.on('uncaughtException', (error) => console.error(`caught: ${error.message}`));
    process.on('unhandledRejection', (error) => console.error(`unhandled: ${error.message}`));
    setInterval(() => {}, 1_000);
    throw new Error('rejected on purpose');
  },
  'throws in a timer': () => {
    setTimeout(() => {
      throw new Error('thrown later on purpose');
    }, 1);
  },
  'calls back twice': (input, completeCallback) => {
    completeCallback();
    completeCallback();
  },
  'calls back and resolves': async (input, completeCallback) => {
    completeCallback();
  },
  'calls back without declaring it, and resolves': async function () {
    arguments[1]();
  },
  'calls back after it has resolved': async (input, completeCallback) => {
    input.checkpointer.checkpoint(input.records[0].sequenceNumber, () => completeCallback());
  },
  'checkpoints twice at once': (input, completeCallback) => {
    const { checkpointer } = input;
    checkpointer.checkpoint('1', () => completeCallback());
    checkpointer.checkpoint('2', (error) => process.stderr.write(`second: ${error}\n`));
  },
  'lets a refused checkpoint reject': async ({ checkpointer }) => {
    await checkpointer.checkpoint('1');
  },
  'retries its checkpoint': async ({ checkpointer }) => {
    const at = await checkpointer.checkpoint('1', 4, { retries: 2, delayMs: 1 });
    process.stderr.write(`checkpointed at ${at}\n`);
  },
  'says how its checkpoint was refused': async ({ checkpointer }) => {
    const error = await checkpointer.checkpoint('1', { retries: 9, delayMs: 1 }).catch((e) => e);
    const { name, message, code, retryable } = error;
    const isError = error instanceof kcl.CheckpointError;
    const seen = { name, message, code, retryable, isError };
    process.stderr.write(`refused: ${JSON.stringify(seen)}\n`);
  },
  'makes noise': async () => {
    console.log('{"action":"status","responseFor":"shardEnded"}');
    console.info('info');
    console.debug('debug');
    process.stdout.write('a line without an end');
    await new Promise((resolve) => process.stdout.write(Buffer.from('bytes\n'), resolve));
  },
  'writes to stdout behind our back': (input, completeCallback) => {
    require('node:fs').writeSync(1, 'a line without an end');
    completeCallback();
  },
  'counts': async ({ records }) => {
    const bytes = records.reduce((sum, { data }) => sum + Buffer.from(data, 'base64').length, 0);
    process.stderr.write(`${records.length} records, ${bytes} bytes\n`);
  },
};

console.log('starting');
const nothing = async () => {};
kcl({
  initialize: nothing,
  processRecords: behaviours[process.argv[2]],
  leaseLost: nothing,
  shardEnded: nothing,
}).run();
