'use strict';

module.exports = {
  kinesis: {
    region: 'us-east-1',
  },
  sampleProducer: {
    stream: 'kclnodejssample',
    shards: 2,
    records: 10,
    /** Time between two looks at a stream that is being created. */
    describeDelayMs: 5_000,
    /** How long a stream may take to become active. */
    activeDeadlineMs: 300_000,
  },
};
