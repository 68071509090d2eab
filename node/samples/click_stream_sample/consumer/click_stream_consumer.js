'use strict';

/**
 * A record processor that writes its shard's records to S3 in batches, and checkpoints after each.
 *
 * It counts on nothing but the checkpoint: what fails for good is thrown, the process ends, and the
 * daemon starts another one that gets the records after the last checkpoint again.
 */

const kcl = require('../../util/kcl');
const logger = require('../../util/logger');
const RecordBuffer = require('./record_buffer');
const S3Emitter = require('./s3_emitter');

/**
 * Makes the record processor of one shard.
 *
 * @param {S3Emitter} emitter
 * @param {object} config config.js
 * @param {object} log
 * @param {() => number} [clock] milliseconds
 */
function recordProcessor(emitter, config, log, clock = () => performance.now()) {
  const buffer = new RecordBuffer(config.recordBuffer);
  let shardId;

  /** Writes what is in the buffer, and returns the batch; null if there was nothing. */
  async function upload() {
    const batch = buffer.take();
    if (batch) {
      await emitter.emit(`${shardId}/${batch.range}`, batch.data);
    }
    return batch;
  }

  /** Writes what is in the buffer, then checkpoints at its last record. */
  async function flush(checkpointer) {
    const batch = await upload();
    if (batch) {
      await checkpoint(checkpointer, batch.sequenceNumber, batch.subSequenceNumber);
    }
  }

  async function checkpoint(checkpointer, ...place) {
    try {
      await checkpointer.checkpoint(...place, config.checkpoint);
    } catch (error) {
      if (error.code !== 'ShutdownException') {
        throw error;
      }
      // Another worker has the shard, and writes these records again: leaseLost comes next.
      log.warn(`Checkpoint refused, the lease is lost. ShardID: ${shardId}`);
    }
  }

  return {
    async initialize(initializeInput) {
      shardId = initializeInput.shardId;
      log.info(`Starting. ShardID: ${shardId}`);
      await emitter.initialize();
    },

    /** Empty batches come too (see sample.properties): they let a quiet shard's time pass. */
    async processRecords({ records, checkpointer }) {
      for (const record of records ?? []) {
        buffer.put(record, clock());
        if (buffer.isFull()) {
          await flush(checkpointer);
        }
      }
      if (buffer.isOld(clock())) {
        await flush(checkpointer);
      }
    },

    /** Another worker has the shard, and gets what is in the buffer again. */
    async leaseLost() {
      buffer.take();
      log.info(`Lease lost. ShardID: ${shardId}`);
    },

    /** The shard was split or merged. Only a checkpoint without number says that it is done. */
    async shardEnded({ checkpointer }) {
      log.info(`Shard ended. ShardID: ${shardId}`);
      await upload();
      await checkpoint(checkpointer, null);
    },

    /** The worker stops: what is in the buffer need not be read again. */
    async shutdownRequested({ checkpointer }) {
      log.info(`Shutdown requested. ShardID: ${shardId}`);
      await flush(checkpointer);
    },
  };
}

if (require.main === module) {
  const { S3 } = require('@aws-sdk/client-s3');
  const config = require('./config');
  const log = logger('clickStreamConsumer');
  const emitter = new S3Emitter(new S3(config.s3), config.s3Emitter, log);
  kcl(recordProcessor(emitter, config, log)).run();
}

module.exports = recordProcessor;
