'use strict';

/** A record processor as Amazon's guide lists it: one `shutdown`, with a reason. */

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
    if (!records || records.length === 0) {
      completeCallback();
      return;
    }
    journal.hand(records);
    journal.checkpoint(checkpointer, records.at(-1).sequenceNumber, () => completeCallback());
  },

  shutdown(shutdownInput, completeCallback) {
    if (shutdownInput.reason !== 'TERMINATE') {
      journal.end('leaseLost');
      completeCallback();
      return;
    }
    journal.end('shardEnded');
    journal.checkpoint(shutdownInput.checkpointer, undefined, () => completeCallback());
  },
};

kcl(recordProcessor).run();
