'use strict';

/**
 * The click-stream consumer with an S3 that takes nothing (`refusing`) or everything (`taking`).
 */

const kcl = require('../..');
const recordProcessor = require('../../samples/click_stream_sample/consumer/click_stream_consumer');
const S3Emitter = require('../../samples/click_stream_sample/consumer/s3_emitter');

const s3 = {
  async headBucket() {},
  async putObject({ Key }) {
    if (process.argv[2] === 'refusing') {
      throw new Error('out of order');
    }
    process.stderr.write(`put ${Key}\n`);
  },
};
const log = { info() {}, warn() {} };
const retry = { attempts: 2, delayMs: 1, delayMsMax: 1 };
const config = { recordBuffer: { bytesMax: 1, ageMsMax: 1 }, checkpoint: { retries: 0 } };
kcl(recordProcessor(new S3Emitter(s3, { bucket: 'b', retry }, log), config, log)).run();
