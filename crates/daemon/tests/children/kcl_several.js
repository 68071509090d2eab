// A child that serves several shards: each has a record processor of its own.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const kcl = require('../../../../node');

const [, , directory, failing] = process.argv;
const journal = path.join(directory, 'journal.jsonl');

class Processor {
  shard = null;

  note(event, more) {
    const entry = { event, shard: this.shard, pid: process.pid, ...more };
    fs.appendFileSync(journal, JSON.stringify(entry) + '\n');
  }

  async initialize({ shardId }) {
    this.shard = shardId;
    this.note('initialize', {});
  }

  async processRecords(input) {
    const { records, checkpointer } = input;
    this.note('processRecords', { fields: Object.keys(input).sort() });
    for (const { data, sequenceNumber } of records) {
      const text = Buffer.from(data, 'base64').toString();
      this.note('record', { data: text, number: sequenceNumber });
      const marker = path.join(directory, `did-fail-${text}`);
      if (text === failing && !fs.existsSync(marker)) {
        fs.writeFileSync(marker, '');
        throw new Error(`cannot process ${text}`);
      }
    }
    kcl.log.info('by the channel', { of: this.shard });
    await checkpointer.checkpoint();
    this.note('checkpoint', {});
  }

  async leaseLost(input) {
    this.note('leaseLost', { fields: Object.keys(input) });
  }

  async shardEnded({ checkpointer }) {
    this.note('shardEnded', {});
    await checkpointer.checkpoint();
  }

  async shutdownRequested({ checkpointer }) {
    await checkpointer.checkpoint();
    this.note('shutdownRequested', {});
  }
}

kcl(() => new Processor()).run();
