'use strict';

const { setTimeout: delay } = require('node:timers/promises');

/**
 * Creates a stream unless it exists, and waits until records can be put into it.
 *
 * @param {object} kinesis the SDK's `Kinesis` client
 * @param {object} config
 * @param {string} config.stream its name
 * @param {number} config.shards how many, if it is created
 * @param {number} config.describeDelayMs time between two looks at it
 * @param {number} config.activeDeadlineMs how long it may take to become active
 * @param {{info: (message: string) => void}} log
 */
async function ensureStream(kinesis, config, log) {
  await createStream(kinesis, config, log);
  await waitUntilActive(kinesis, config, log);
}

async function createStream(kinesis, { stream, shards }, log) {
  try {
    await kinesis.createStream({ StreamName: stream, ShardCount: shards });
    log.info(`Creating stream ${stream} with ${shards} shards.`);
  } catch (error) {
    if (error.name !== 'ResourceInUseException') {
      throw error;
    }
    log.info(`Stream ${stream} exists already, using it.`);
  }
}

async function waitUntilActive(kinesis, { stream, describeDelayMs, activeDeadlineMs }, log) {
  const deadline = Date.now() + activeDeadlineMs;
  for (;;) {
    const answer = await kinesis.describeStreamSummary({ StreamName: stream });
    const status = answer.StreamDescriptionSummary.StreamStatus;
    log.info(`Stream ${stream} is ${status}.`);
    if (status === 'ACTIVE') {
      return;
    }
    if (Date.now() + describeDelayMs > deadline) {
      throw new Error(`stream ${stream} not active after ${activeDeadlineMs} ms: ${status}`);
    }
    await delay(describeDelayMs);
  }
}

module.exports = ensureStream;
