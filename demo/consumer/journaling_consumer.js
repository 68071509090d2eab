'use strict';

/** The sample's record processor, with a journal. */

const Journal = require('./journal');
const kcl = require('../../node/samples/util/kcl');
const recordProcessor = require('../../node/samples/basic_sample/consumer/sample_kcl_app');

function journaling(processor, journal) {
  /** The same input, with a checkpointer that the journal listens to. */
  const withJournal = (input) => {
    if (!input.checkpointer) {
      return input;
    }
    const checkpointer = {
      checkpoint: (sequenceNumber, callback) =>
        journal.checkpoint(input.checkpointer, sequenceNumber, callback),
    };
    return { ...input, checkpointer };
  };

  const ending = (why) => (input, done) => {
    journal.end(why);
    processor[why](withJournal(input), done);
  };

  return {
    initialize(input, done) {
      journal.start(input);
      processor.initialize(input, done);
    },
    processRecords(input, done) {
      journal.hand(input.records);
      processor.processRecords(withJournal(input), done);
    },
    leaseLost: ending('leaseLost'),
    shardEnded: ending('shardEnded'),
    shutdownRequested: ending('shutdownRequested'),
  };
}

if (require.main === module) {
  kcl(journaling(recordProcessor(), new Journal())).run();
}

module.exports = journaling;
