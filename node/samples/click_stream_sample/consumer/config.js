'use strict';

const { wholeNumber } = require('../../util/environment');

const region = process.env.AWS_REGION || 'us-east-1';

module.exports = {
  s3: {
    region,
    // Other implementations of S3 seldom have a host name for each bucket.
    forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL),
    // The emitter tries again by itself, and longer.
    maxAttempts: 1,
    // Without these a connection that has gone silent would be waited for without end.
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 30_000,
      throwOnRequestTimeout: true,
    },
  },
  s3Emitter: {
    /** Names of buckets are unique in all of AWS: choose your own. */
    bucket: process.env.CLICK_STREAM_BUCKET || 'kinesis-clickstream-batchdata',
    createBucketIfAbsent: true,
    region,
    /** Pauses of some 20 s in all; calls without an answer take their own time besides. */
    retry: { attempts: 8, delayMs: 200, delayMsMax: 8_000 },
  },
  recordBuffer: {
    /** A batch is written once it has so many bytes, */
    bytesMax: wholeNumber('CLICK_STREAM_BUFFER_BYTES_MAX', 1_024 * 1_024),
    /** or once its first record has waited so long. */
    ageMsMax: wholeNumber('CLICK_STREAM_BUFFER_AGE_MS_MAX', 60_000),
  },
  checkpoint: { retries: 5, delayMs: 1_000 },
};
