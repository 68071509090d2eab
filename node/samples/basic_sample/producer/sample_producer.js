'use strict';

const { setTimeout: delay } = require('node:timers/promises');

/**
 * Puts a few random sensor readings into a stream, which it creates if need be.
 *
 * @param {object} kinesis the SDK's `Kinesis` client
 * @param {object} config `sampleProducer` of config.js
 * @param {{info: (message: string) => void}} log
 */
async function produce(kinesis, config, log) {
  await createStream(kinesis, config, log);
  await waitUntilActive(kinesis, config, log);
  for (let sent = 0; sent < config.records; sent += 1) {
    await putReading(kinesis, config.stream, log);
  }
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

async function putReading(kinesis, stream, log) {
  const sensor = `sensor-${randomBelow(100_000)}`;
  const reading = { time: Date.now() % 1_000, sensor, reading: randomBelow(1_000_000) };
  const text = JSON.stringify(reading);
  const { ShardId, SequenceNumber } = await kinesis.putRecord({
    StreamName: stream,
    PartitionKey: sensor,
    Data: Buffer.from(text),
  });
  log.info(`Put ${text} into ${ShardId} at ${SequenceNumber}.`);
}

function randomBelow(limit) {
  return Math.floor(Math.random() * limit);
}

module.exports = produce;
