'use strict';

/** Errors after which the same request may well succeed. */
const RETRYABLE = new Set([
  'ThrottlingException',
  'KinesisClientLibDependencyException',
  'RuntimeException',
]);

/** A checkpoint that was refused: what the promise form rejects with. */
class CheckpointError extends Error {
  /**
   * @param {string} message
   * @param {string|null} [sequenceNumber] where the checkpoint should have been
   * @param {{name?: string, code?: string}} [names] both are the message unless given
   */
  constructor(message, sequenceNumber = null, { name = message, code = message } = {}) {
    super(message);
    this.name = name;
    this.code = code;
    this.sequenceNumber = sequenceNumber;
  }

  /** Whether trying the same checkpoint again can help. */
  get retryable() {
    return CheckpointError.isRetryable(this.code);
  }

  /** Whether a checkpoint that was answered with this name can succeed when tried again. */
  static isRetryable(javaName) {
    return RETRYABLE.has(javaName);
  }
}

module.exports = CheckpointError;
