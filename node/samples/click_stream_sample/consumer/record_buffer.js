'use strict';

const NEWLINE = Buffer.from('\n');

/** Collects records until they are worth an object in S3. Time is in milliseconds of any clock. */
class RecordBuffer {
  #bytesMax;
  #ageMsMax;
  #lines = [];
  #bytes = 0;
  #first = null;
  #last = null;
  #since = 0;

  constructor({ bytesMax, ageMsMax }) {
    this.#bytesMax = bytesMax;
    this.#ageMsMax = ageMsMax;
  }

  /** Puts a record in, as one line. */
  put(record, now) {
    const line = Buffer.from(record.data, 'base64');
    if (this.#first === null) {
      this.#first = record;
      this.#since = now;
    }
    this.#last = record;
    this.#lines.push(line, NEWLINE);
    this.#bytes += line.length + NEWLINE.length;
  }

  /** Whether it holds as much as one object should. */
  isFull() {
    return this.#bytes >= this.#bytesMax;
  }

  /** Whether its first record has waited long enough. */
  isOld(now) {
    return this.#first !== null && now - this.#since >= this.#ageMsMax;
  }

  /** Empties it; null if it was empty. */
  take() {
    if (this.#first === null) {
      return null;
    }
    const batch = {
      range: `${place(this.#first)}-${place(this.#last)}`,
      data: Buffer.concat(this.#lines),
      sequenceNumber: this.#last.sequenceNumber,
      subSequenceNumber: this.#last.subSequenceNumber,
    };
    this.#lines = [];
    this.#bytes = 0;
    this.#first = null;
    this.#last = null;
    return batch;
  }
}

/**
 * A record's place in its shard. Records out of one aggregate share a sequence number: two batches
 * that share an aggregate must not have one name.
 */
function place({ sequenceNumber, subSequenceNumber }) {
  return subSequenceNumber ? `${sequenceNumber}.${subSequenceNumber}` : sequenceNumber;
}

module.exports = RecordBuffer;
