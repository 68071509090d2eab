'use strict';

const { EventEmitter } = require('node:events');
const LineSplitter = require('./line_splitter');
const { writeProtocol } = require('./stdout_guard');

/** Outputs whose `error` event has a listener of ours; one each is enough, for ever. */
const watchedOutputs = new WeakSet();

/**
 * The pipes to the daemon. Emits `line` (text without its line end) and, once, `close`.
 */
class IOHandler extends EventEmitter {
  #splitter = new LineSplitter();
  #open = true;

  constructor(inputFile, outputFile, errorFile) {
    super();
    this._inputFile = inputFile;
    this._outputFile = outputFile;
    this._errorFile = errorFile;
    this._onData = this._onData.bind(this);
    this._onEnd = this._onEnd.bind(this);
    this._onError = this._onError.bind(this);

    if (!watchedOutputs.has(outputFile)) {
      watchedOutputs.add(outputFile);
      // A failed write is reported to its own callback; unheard, the event would end the process.
      outputFile.on('error', () => {});
    }
    inputFile.on('end', this._onEnd);
    inputFile.on('close', this._onEnd);
    inputFile.on('error', this._onError);
    inputFile.on('data', this._onData);
  }

  /** Stops reading, so that the input no longer keeps the process alive. */
  destroy() {
    this.#open = false;
    this._inputFile.removeListener('data', this._onData);
    this._inputFile.removeListener('end', this._onEnd);
    this._inputFile.removeListener('close', this._onEnd);
    this._inputFile.removeListener('error', this._onError);
    this._inputFile.pause();
  }

  /**
   * Writes one message on a line of its own, whatever stood on the line before.
   *
   * A full pipe is no error: the stream keeps the message, and the callback waits for it.
   */
  writeLine(line, callback) {
    writeProtocol(this._outputFile, `\n${line}\n`, callback);
  }

  /** Writes a line of text to the error stream. */
  writeError(text) {
    this._errorFile.write(`${text}\n`);
  }

  _onData(chunk) {
    for (const line of this.#splitter.push(chunk)) {
      if (!this.#open) {
        return;
      }
      this.emit('line', line);
    }
  }

  _onError(error) {
    this.writeError(`shardwise: reading from the daemon failed: ${error.message}`);
    this._onEnd();
  }

  _onEnd() {
    if (!this.#open) {
      return;
    }
    this.#open = false;
    const { pendingBytes } = this.#splitter;
    if (pendingBytes > 0) {
      this.writeError(`shardwise: input ended inside a line, ${pendingBytes} bytes dropped`);
    }
    this.emit('close');
  }
}

module.exports = IOHandler;
