'use strict';

/** A record processor as programs for aws-kcl 2.x have it. */

const kcl = require('aws-kcl');
const Journal = require('./journal');

const journal = new Journal();

const recordProcessor = {
  initialize(initializeInput, completeCallback) {
    journal.start(initializeInput);
    completeCallback();
  },

  processRecords(processRecordsInput, completeCallback) {
    const { records, checkpointer } = processRecordsInput;
    journal.hand(records);
    journal.checkpoint(checkpointer, records.at(-1).sequenceNumber, () => completeCallback());
  },

  leaseLost(leaseLostInput, completeCallback) {
    journal.end('leaseLost');
    completeCallback();
  },

  shardEnded(shardEndedInput, completeCallback) {
    journal.end('shardEnded');
    journal.checkpoint(shardEndedInput.checkpointer, null, () => completeCallback());
  },

  shutdownRequested(shutdownRequestedInput, completeCallback) {
    journal.end('shutdownRequested');
    journal.checkpoint(shutdownRequestedInput.checkpointer, null, () => completeCallback());
  },
};

kcl(recordProcessor).run();
