'use strict';

const { EventEmitter } = require('node:events');

/**
 * Turns lines into actions and actions into lines. Emits `action` (the parsed object), `end` when
 * no more can come, and `error` for a line that is not JSON.
 */
class ActionHandler extends EventEmitter {
  constructor(ioHandler) {
    super();
    this._ioHandler = ioHandler;
    this._onLine = this._onLine.bind(this);
    this._onClose = this._onClose.bind(this);
    ioHandler.on('line', this._onLine);
    ioHandler.on('close', this._onClose);
  }

  /** Stops listening to the I/O handler. */
  destroy() {
    this._ioHandler.removeListener('line', this._onLine);
    this._ioHandler.removeListener('close', this._onClose);
  }

  /** Sends one action; the callback gets an error or nothing. */
  sendAction(action, callback) {
    this._ioHandler.writeLine(JSON.stringify(action), callback);
  }

  _onLine(line) {
    if (line === '') {
      return;
    }
    let action;
    try {
      action = JSON.parse(line);
    } catch (error) {
      // The daemon waits for an answer to whatever this was, so going on would hang the shard.
      this.emit('error', new Error(`line is not JSON: ${error.message}`, { cause: error }));
      return;
    }
    if (!action?.action) {
      this._ioHandler.writeError(`Invalid action received: ${line}`);
      return;
    }
    this.emit('action', action);
  }

  _onClose() {
    this.emit('end');
  }
}

module.exports = ActionHandler;
