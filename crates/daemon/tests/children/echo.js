// The smallest child in Node: writes what it is told to the journal, checkpoints each batch.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const journal = path.join(process.argv[2], 'journal.jsonl');
let shard = null;
let waiting = null;

function note(event, more) {
  const entry = { event, shard, pid: process.pid, ...more };
  fs.appendFileSync(journal, JSON.stringify(entry) + '\n');
}

function send(message) {
  process.stdout.write('\n' + JSON.stringify(message) + '\n');
}

function done(action) {
  send({ action: 'status', responseFor: action });
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  const { action } = message;
  if (action === 'checkpoint') {
    note('checkpoint', { answer: message.error });
    done(waiting);
    return;
  }
  if (action === 'initialize') shard = message.shardId;
  note(action, {});
  for (const record of message.records || []) {
    note('record', { data: Buffer.from(record.data, 'base64').toString() });
  }
  if (action === 'initialize' || action === 'leaseLost') return void done(action);
  waiting = action;
  send({ action: 'checkpoint', sequenceNumber: null });
}).on('close', () => note('end of stdin', {}));
