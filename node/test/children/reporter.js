'use strict';

/**
 * Reports each call on stderr as a line `call {"method":…,"input":…}` and checkpoints where the
 * interface allows it: without sequence number, but with null for every second batch. That is what
 * the child of the recorded transcripts does.
 *
 * Arguments: `v1` or `v2` (the interface), `callbacks` or `promises`.
 */

const kcl = require('../..');

const [version, style] = process.argv.slice(2);
let checkpointer;
let batches = 0;

function report(method, input) {
  const { checkpointer: given, ...rest } = input;
  checkpointer = given ?? checkpointer;
  batches += method === 'processRecords' ? 1 : 0;
  const call = { method, input: rest, checkpointer: given !== undefined };
  process.stderr.write(`call ${JSON.stringify(call)}\n`);
}

function checkpoint(name, callback) {
  if (name === 'processRecords' && batches % 2 === 0) {
    checkpointer.checkpoint(callback);
  } else {
    checkpointer.checkpoint(undefined, callback);
  }
}

function method(name, checkpoints) {
  if (style === 'promises') {
    return async (input) => {
      report(name, input);
      if (checkpoints) {
        await new Promise((resolve) => checkpoint(name, resolve));
      }
    };
  }
  return (input, completeCallback) => {
    report(name, input);
    if (checkpoints) {
      checkpoint(name, () => completeCallback());
    } else {
      completeCallback();
    }
  };
}

const processor = {
  initialize: method('initialize', false),
  processRecords: method('processRecords', true),
  shutdownRequested: method('shutdownRequested', true),
};
if (version === 'v1') {
  processor.shutdown = method('shutdown', true);
} else {
  // A checkpoint after a lost lease is refused, which must do no harm.
  processor.leaseLost = method('leaseLost', true);
  processor.shardEnded = method('shardEnded', true);
}

kcl(processor).run();
