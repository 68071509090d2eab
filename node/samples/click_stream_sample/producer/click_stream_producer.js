'use strict';

const { setTimeout: delay } = require('node:timers/promises');

const attempt = require('../../util/attempt');
const ensureStream = require('../../util/stream');

/**
 * Puts clicks into a stream, which it creates if need be, in batches at an even pace.
 *
 * @param {object} kinesis the SDK's `Kinesis` client
 * @param {object} config `clickStreamProducer` of config.js
 * @param {() => {id: string, resource: string}} click makes one
 * @param {object} log
 * @returns {Promise<number>} how many were acknowledged: all that were made
 */
async function produce(kinesis, config, click, log) {
  await ensureStream(kinesis, config, log);
  const intervalMs = 1_000 / config.putRecordsPerSecond;
  let put = 0;
  let due = performance.now();
  while (put < config.records) {
    const size = Math.min(config.recordsPerBatch, config.records - put);
    await putBatch(kinesis, config, Array.from({ length: size }, click), log);
    put += size;
    log.info(`Put ${size} records into ${config.stream}, ${put} so far.`);
    // What was late is not made up for: a burst would only be late again.
    due = Math.max(due + intervalMs, performance.now());
    await delay(due - performance.now());
  }
  return put;
}

/** Puts clicks, those that are refused again, until every one is acknowledged. */
async function putBatch(kinesis, { stream, retry }, clicks, log) {
  let left = clicks;
  const putLeft = async () => {
    const results = await putOnce(kinesis, stream, left);
    left = left.filter((click, index) => {
      const { ErrorCode, ShardId, SequenceNumber } = results[index];
      if (!ErrorCode) {
        log.debug(`Acknowledged ${click.id} in ${ShardId} at ${SequenceNumber}.`);
      }
      return ErrorCode;
    });
    if (left.length > 0) {
      const codes = new Set(results.map(({ ErrorCode }) => ErrorCode).filter(Boolean));
      throw new Error(`${left.length} of ${results.length} records refused: ${[...codes]}`);
    }
  };
  await attempt(`PutRecords to ${stream}`, putLeft, retry, log);
}

/** The result of each click, in their order. */
async function putOnce(kinesis, stream, clicks) {
  const answer = await kinesis.putRecords({
    StreamName: stream,
    Records: clicks.map((click) => ({
      PartitionKey: click.resource,
      Data: Buffer.from(JSON.stringify(click)),
    })),
  });
  return answer.Records;
}

module.exports = produce;
