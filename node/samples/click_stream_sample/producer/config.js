'use strict';

const { wholeNumber } = require('../../util/environment');

module.exports = {
  kinesis: {
    region: process.env.AWS_REGION || 'us-east-1',
  },
  clickStreamProducer: {
    stream: process.env.CLICK_STREAM_NAME || 'kclnodejsclickstreamsample',
    /** How many the stream is created with; also, of how many resources the clicks are. */
    shards: wholeNumber('CLICK_STREAM_SHARDS', 2),
    recordsPerBatch: wholeNumber('CLICK_STREAM_RECORDS_PER_BATCH', 5),
    /** Calls of PutRecords, each with one batch. */
    putRecordsPerSecond: wholeNumber('CLICK_STREAM_BATCHES_PER_SECOND', 20),
    /** The producer ends once so many are put. */
    records: wholeNumber('CLICK_STREAM_RECORDS', Infinity),
    /** Time between two looks at a stream that is being created. */
    describeDelayMs: 5_000,
    /** How long a stream may take to become active. */
    activeDeadlineMs: 300_000,
    /** For records that were refused, by a shard that has too many for instance. */
    retry: { attempts: 20, delayMs: 100, delayMsMax: 5_000 },
  },
};
