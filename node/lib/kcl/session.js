'use strict';

const Checkpointer = require('./checkpointer');

/** The two interfaces of a record processor. */
const VERSION1 = Symbol('version1');
const VERSION2 = Symbol('version2');

const INVALID_PROCESSOR =
  'Record processor must implement initialize, processRecords, and shutdown functions.';

/**
 * One shard: its record processor, its checkpointer, and what is sent about it.
 */
class Session {
  /** Known once the shard is. */
  shardId = null;
  /** Whether messages name the shard: the process may serve several. */
  isNamed = false;

  /**
   * @param {object} processor the record processor
   * @param {(message: object) => void} send sends a message to the daemon
   * @param {symbol} [version] which interface the processor has; looked up if absent
   */
  constructor(processor, send, version = versionOf(processor)) {
    this.processor = processor;
    this.version = version;
    this.checkpointer = new Checkpointer(this);
    this._send = send;
  }

  /** Asks the daemon for a checkpoint; `undefined` leaves a field out. */
  checkpoint(sequenceNumber, subSequenceNumber) {
    this.send({ action: 'checkpoint', sequenceNumber, subSequenceNumber });
  }

  send(message) {
    this._send(this.isNamed ? { ...message, shardId: this.shardId } : message);
  }

  /** The method of a call, and the reason that the older interface is given. */
  methodFor({ method, version1Reason }) {
    if (version1Reason && this.version === VERSION1) {
      return { method: this.processor.shutdown, reason: version1Reason };
    }
    return { method: this.processor[method] };
  }
}

/** Which of the two interfaces the processor has; `shutdown` decides if it has both. */
function versionOf(processor) {
  const has = (name) => typeof processor?.[name] === 'function';
  const ends = has('shutdown') || (has('leaseLost') && has('shardEnded'));
  if (!has('initialize') || !has('processRecords') || !ends) {
    throw new Error(INVALID_PROCESSOR);
  }
  return has('shutdown') ? VERSION1 : VERSION2;
}

module.exports = { Session, VERSION1, VERSION2, versionOf };
