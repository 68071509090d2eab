'use strict';

/**
 * A record processor that logs each record and checkpoints after each batch.
 *
 * It uses callbacks only, so it runs on aws-kcl as well.
 */

const kcl = require('../../util/kcl');
const logger = require('../../util/logger');

const RETRYABLE = [
  'ThrottlingException',
  'KinesisClientLibDependencyException',
  'RuntimeException',
];

/**
 * Makes the record processor of one shard.
 *
 * @param {object} [options]
 * @param {object} [options.log] where to write
 * @param {number} [options.retries] how often a checkpoint is tried again
 * @param {number} [options.retryDelayMs] how long to wait before each retry
 */
function recordProcessor({
  log = logger('recordProcessor'),
  retries = 5,
  retryDelayMs = 1_000,
} = {}) {
  let shardId;

  /** Checkpoints, again after errors that may pass, and calls `done` whatever comes of it. */
  function checkpoint(checkpointer, sequenceNumber, done, retriesLeft = retries) {
    const place = sequenceNumber ?? 'the last record delivered';
    checkpointer.checkpoint(sequenceNumber, (error) => {
      if (!error) {
        log.info(`Checkpoint successful. ShardID: ${shardId}, SequenceNumber: ${place}`);
        done();
      } else if (RETRYABLE.includes(error) && retriesLeft > 0) {
        log.warn(`Checkpoint at ${place} failed with ${error}, trying again.`);
        const retry = () => checkpoint(checkpointer, sequenceNumber, done, retriesLeft - 1);
        setTimeout(retry, retryDelayMs);
      } else {
        // The next checkpoint covers this one. If the lease is lost, its new owner starts at the
        // last checkpoint and processes these records again.
        log.error(`Checkpoint at ${place} failed with ${error}.`);
        done();
      }
    });
  }

  return {
    initialize(initializeInput, completeCallback) {
      shardId = initializeInput.shardId;
      log.info(`Starting. ShardID: ${shardId}`);
      completeCallback();
    },

    processRecords(processRecordsInput, completeCallback) {
      const { records, checkpointer } = processRecordsInput;
      if (!records || records.length === 0) {
        completeCallback();
        return;
      }
      for (const { data, sequenceNumber, partitionKey } of records) {
        const text = Buffer.from(data, 'base64').toString();
        log.info(
          `ShardID: ${shardId}, Record: ${text}, SequenceNumber: ${sequenceNumber}, ` +
            `PartitionKey: ${partitionKey}`,
        );
      }
      checkpoint(checkpointer, records.at(-1).sequenceNumber, completeCallback);
    },

    /** Another worker has the shard: there is nothing left to save. */
    leaseLost(leaseLostInput, completeCallback) {
      log.info(`Lease lost. ShardID: ${shardId}`);
      completeCallback();
    },

    /** The shard was split or merged. Without this checkpoint its child shards do not start. */
    shardEnded(shardEndedInput, completeCallback) {
      log.info(`Shard ended. ShardID: ${shardId}`);
      checkpoint(shardEndedInput.checkpointer, null, completeCallback);
    },

    /** The worker stops: the last chance to checkpoint. */
    shutdownRequested(shutdownRequestedInput, completeCallback) {
      log.info(`Shutdown requested. ShardID: ${shardId}`);
      checkpoint(shutdownRequestedInput.checkpointer, null, completeCallback);
    },
  };
}

if (require.main === module) {
  kcl(recordProcessor()).run();
}

module.exports = recordProcessor;
