'use strict';

const ensureStream = require('../../util/stream');

/**
 * Puts a few random sensor readings into a stream, which it creates if need be.
 *
 * @param {object} kinesis the SDK's `Kinesis` client
 * @param {object} config `sampleProducer` of config.js
 * @param {{info: (message: string) => void}} log
 */
async function produce(kinesis, config, log) {
  await ensureStream(kinesis, config, log);
  for (let sent = 0; sent < config.records; sent += 1) {
    await putReading(kinesis, config.stream, log);
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
