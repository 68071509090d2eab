'use strict';

const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a byte stream into lines, at LF and nowhere else.
 *
 * A batch of records is one line of up to tens of megabytes that arrives in small chunks, so each
 * byte is searched once and copied once: chunks are kept apart until their line is complete.
 */
class LineSplitter {
  #chunks = [];

  /**
   * Takes the next chunk and returns the lines that it completes, without their line ends.
   *
   * @param {Buffer|string} chunk
   * @returns {string[]}
   */
  push(chunk) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const lines = [];
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#chunks.push(bytes.subarray(start, end));
      lines.push(this.#takeLine());
      start = end + 1;
    }
    if (start < bytes.length) {
      this.#chunks.push(bytes.subarray(start));
    }
    return lines;
  }

  /** Bytes of a line whose end has not arrived. */
  get pendingBytes() {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  #takeLine() {
    const line = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#chunks = [];
    const end = line.at(-1) === CR ? line.length - 1 : line.length;
    return line.toString('utf8', 0, end);
  }
}

module.exports = LineSplitter;
