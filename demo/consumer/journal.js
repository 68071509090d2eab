'use strict';

/**
 * The journal of one record processor: what it was handed and told.
 *
 * Each event is in the file before the processor answers, so that whoever kills this process cannot
 * make it forget what it had answered. JOURNAL_DIRECTORY and JOURNAL_WORKER name the place.
 */

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

/** Microseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
function now() {
  return Number(process.hrtime.bigint() / 1000n);
}

function digest(bytes) {
  return crypto.createHash('md5').update(bytes).digest('hex').slice(0, 16);
}

/** What the journal keeps of a record: its place, its digest, and the flight that it holds. */
function handed({ data, sequenceNumber, subSequenceNumber }) {
  const bytes = Buffer.from(data, 'base64');
  const { row, origin, delay, distance } = JSON.parse(bytes.toString());
  return {
    seq: sequenceNumber,
    sub: subSequenceNumber ?? 0,
    digest: digest(bytes),
    flight: [row, origin, delay, distance],
  };
}

class Journal {
  constructor({ JOURNAL_DIRECTORY: directory, JOURNAL_WORKER: worker } = process.env) {
    if (!directory || !worker) {
      throw new Error('JOURNAL_DIRECTORY and JOURNAL_WORKER must be set');
    }
    this.worker = worker;
    this.file = fs.openSync(path.join(directory, `hand-${worker}-${process.pid}.jsonl`), 'a');
  }

  start({ shardId, sequenceNumber, subSequenceNumber }) {
    this.tenure = `${this.worker}/${process.pid}/${now()}`;
    this.#write('start', {
      worker: this.worker,
      shard: shardId,
      seq: sequenceNumber,
      sub: subSequenceNumber ?? 0,
    });
  }

  hand(records) {
    this.#write('hand', { records: records.map(handed) });
  }

  end(why) {
    this.#write('end', { why });
  }

  /** Checkpoints, and writes down the question and the answer; no number means all delivered. */
  checkpoint(checkpointer, sequenceNumber, callback) {
    const place = { seq: sequenceNumber ?? null, sub: null };
    this.#write('ask', place);
    checkpointer.checkpoint(sequenceNumber, (error, ...rest) => {
      this.#write('answer', { ...place, error: error ?? null });
      callback(error, ...rest);
    });
  }

  #write(e, fields) {
    fs.writeSync(this.file, `${JSON.stringify({ e, t: now(), tenure: this.tenure, ...fields })}\n`);
  }
}

module.exports = Journal;
