// The npm package aws-kinesis-agg and ours: each takes apart what the other side was given.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import kinesisAgg from 'aws-kinesis-agg';

const { RecordAggregator, deaggregateSync } = kinesisAgg;
const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'));

/** The user records of each aggregate, by our program. */
function ours(aggregates) {
  const input = aggregates.map((aggregate) => `${aggregate}\n`).join('');
  const ran = spawnSync(process.env.USER_RECORDS, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

/** The same by the npm package. */
function theirs(aggregate) {
  let found;
  const record = { partitionKey: 'outer', sequenceNumber: '1', data: aggregate };
  deaggregateSync(record, true, (error, userRecords) => {
    assert.ifError(error);
    found = userRecords.map((it) => ({
      sub: it.subSequenceNumber,
      key: it.partitionKey,
      hash: it.explicitPartitionKey ?? null,
      data: it.data,
    }));
  });
  return found;
}

function aggregated(records) {
  const aggregator = new RecordAggregator();
  records.forEach(({ key, hash, data }) => {
    const record = { partitionKey: key, data: Buffer.from(data, 'base64') };
    aggregator.addUserRecord(hash === null ? record : { ...record, explicitHashKey: hash });
  });
  return aggregator.build().data.toString('base64');
}

/** User records with keys that come again. Keys that are small numbers the package would mix up:
 * it keeps them as names of an object, whose order is not that in which they came. */
function userRecords(count, withHash) {
  return Array.from({ length: count }, (_, sub) => ({
    sub,
    key: ['first', 'zweite', 'clé', '鍵', '🔑'][(sub * 7) % 5],
    hash: withHash(sub) ? (2n ** 127n + BigInt(sub % 11)).toString() : null,
    data: Buffer.alloc((sub * 37) % 300, sub).toString('base64'),
  }));
}

test('what the npm package aggregates comes apart to the same user records', () => {
  const lists = [
    userRecords(1, () => false),
    userRecords(2, () => true),
    userRecords(200, (sub) => sub % 3 === 0),
    userRecords(3000, () => true),
  ];
  assert.deepEqual(ours(lists.map(aggregated)), lists);
});

test('an aggregate with another digest is none', () => {
  const bytes = Buffer.from(aggregated(userRecords(3, () => false)), 'base64');
  bytes[bytes.length - 1] ^= 1;
  assert.deepEqual(ours([bytes.toString('base64')]), [null]);
});

test('our vectors come apart alike, but for a hash key that is not there', () => {
  assert.deepEqual(ours(vectors.map((it) => it.aggregate)), vectors.map((it) => it.userRecords));
  for (const { name, aggregate, userRecords } of vectors) {
    const expected = structuredClone(userRecords);
    if (name === 'a hash key for the second of two') {
      // The package takes an index that is absent for 0. Java's client looks whether it is there,
      // and so do we: the first user record has no hash key.
      expected[0].hash = expected[1].hash;
    }
    assert.deepEqual(theirs(aggregate), expected, name);
  }
});
