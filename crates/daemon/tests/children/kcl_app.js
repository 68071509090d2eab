// A child written with the npm package: notes what it is given, checkpoints each batch.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const kcl = require('../../../../node');

const journal = path.join(process.argv[2], 'journal.jsonl');
let shard = null;

function note(event, more) {
  const entry = { event, shard, pid: process.pid, ...more };
  fs.appendFileSync(journal, JSON.stringify(entry) + '\n');
}

kcl({
  async initialize({ shardId }) {
    shard = shardId;
    note('initialize', {});
  },
  async processRecords({ records, checkpointer }) {
    note('processRecords', {});
    for (const { data, sequenceNumber } of records) {
      note('record', { data: Buffer.from(data, 'base64').toString(), number: sequenceNumber });
    }
    console.log('printed', records.length);
    kcl.log.warn('by the channel', { records: records.length });
    await checkpointer.checkpoint();
    note('checkpoint', {});
  },
  async leaseLost() {
    note('leaseLost', {});
  },
  async shardEnded({ checkpointer }) {
    note('shardEnded', {});
    await checkpointer.checkpoint();
  },
  async shutdownRequested({ checkpointer }) {
    note('shutdownRequested', {});
    await checkpointer.checkpoint();
  },
}).run();

process.on('exit', () => note('end of stdin', {}));
