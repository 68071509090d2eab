'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const SAMPLE = '../samples/click_stream_sample';
const clickStream = require(`${SAMPLE}/producer/click_stream_generator`);
const config = require(`${SAMPLE}/producer/config`);
const produce = require(`${SAMPLE}/producer/click_stream_producer`);
const { wholeNumber } = require('../samples/util/environment');

const PRODUCER = {
  stream: 's', shards: 2, recordsPerBatch: 5, putRecordsPerSecond: 1_000, records: 12,
  describeDelayMs: 1, activeDeadlineMs: 10_000,
  retry: { attempts: 3, delayMs: 1, delayMsMax: 1 },
};

/** A log that keeps what was acknowledged. */
function acknowledgements() {
  const ids = [];
  const debug = (line) => ids.push(line.match(/^Acknowledged (\S+) in shard at \d+\.$/)[1]);
  return { ids, debug, info() {}, warn() {} };
}

/** A stream that refuses the records with these numbers, counting every one that is sent. */
function fakeKinesis(refused) {
  const batches = [];
  let sent = 0;
  return {
    batches,
    async createStream() {},
    async describeStreamSummary() {
      return { StreamDescriptionSummary: { StreamStatus: 'ACTIVE' } };
    },
    async putRecords({ StreamName, Records }) {
      assert.equal(StreamName, 's');
      batches.push(Records.map(({ Data, ...rest }) => ({ ...JSON.parse(Data), ...rest })));
      return {
        Records: Records.map(() => {
          sent += 1;
          return refused(sent)
            ? { ErrorCode: 'ProvisionedThroughputExceededException' }
            : { ShardId: 'shard', SequenceNumber: `${sent}` };
        }),
      };
    },
  };
}

test('so many clicks are put, in batches, and each is acknowledged', async () => {
  const kinesis = fakeKinesis(() => false);
  const log = acknowledgements();
  assert.equal(await produce(kinesis, PRODUCER, clickStream(2), log), 12);
  assert.deepEqual(kinesis.batches.map((batch) => batch.length), [5, 5, 2]);
  for (const { id, resource, referrer, PartitionKey, ...rest } of kinesis.batches.flat()) {
    assert.ok(log.ids.includes(id));
    assert.match(resource, /^resource-[01]$/);
    assert.match(referrer, /^http:/);
    assert.deepEqual([PartitionKey, rest], [resource, {}]);
  }
  assert.equal(new Set(log.ids).size, 12);
});

test('records that are refused, and they alone, are put again', async () => {
  const kinesis = fakeKinesis((sent) => [2, 4, 7].includes(sent));
  const log = acknowledgements();
  await produce(kinesis, { ...PRODUCER, records: 5 }, clickStream(2), log);
  const ids = kinesis.batches.map((batch) => batch.map(({ id }) => id));
  assert.deepEqual(ids.slice(1), [[ids[0][1], ids[0][3]], [ids[0][3]]]);
  assert.deepEqual([...log.ids].sort(), [...ids[0]].sort());
});

test('a producer whose records are refused every time gives up and says why', async () => {
  const kinesis = fakeKinesis(() => true);
  await assert.rejects(produce(kinesis, PRODUCER, clickStream(2), acknowledgements()), {
    message: '5 of 5 records refused: ProvisionedThroughputExceededException',
  });
  assert.equal(kinesis.batches.length, 3);
});

test('clicks of two runs have different ids', () => {
  const [one, other] = [clickStream(1), clickStream(1)];
  assert.equal(new Set([one(), one(), other(), other()].map(({ id }) => id)).size, 4);
});

test('unless told otherwise the producer is that of the guide, and does not end', () => {
  const { stream, shards, recordsPerBatch, putRecordsPerSecond, records } =
    config.clickStreamProducer;
  assert.deepEqual(
    [stream, shards, recordsPerBatch, putRecordsPerSecond, records],
    ['kclnodejsclickstreamsample', 2, 5, 20, Infinity],
  );
});

test('a setting that is no whole number is an error that names it', () => {
  assert.equal(wholeNumber('N', 7, {}), 7);
  assert.equal(wholeNumber('N', 7, { N: '12' }), 12);
  for (const text of ['0', '-1', '1.5', 'many', '1e3']) {
    assert.throws(() => wholeNumber('N', 7, { N: text }), { message: /^N is ".*", must be/ });
  }
});
