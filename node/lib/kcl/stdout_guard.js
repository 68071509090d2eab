'use strict';

/**
 * Keeps a stream for the protocol alone.
 *
 * On a guarded stream every ordinary `write` goes to another stream instead. That covers
 * `console.log`, which looks `write` up on each call. Only `writeProtocol` still reaches the
 * stream itself.
 */

/** Guarded stream -> its own `write`, and how many guards are on it. */
const guards = new WeakMap();

/** Targets whose `error` event has a listener of ours. */
const watchedTargets = new WeakSet();

/** Sends ordinary writes on `stream` to `target` until `release` has been called as often. */
function guard(stream, target) {
  const present = guards.get(stream);
  if (present) {
    present.holders += 1;
    return;
  }
  if (!watchedTargets.has(target)) {
    watchedTargets.add(target);
    // `console.log` survives a reader that has gone; its detour must not end the process either.
    target.on('error', () => {});
  }
  const ownWrite = Object.getOwnPropertyDescriptor(stream, 'write');
  const diverted = (...args) => target.write(...args);
  guards.set(stream, { write: stream.write, ownWrite, diverted, holders: 1 });
  stream.write = diverted;
}

/** Takes one guard back; the last one gives the stream its own `write` again. */
function release(stream) {
  const present = guards.get(stream);
  if (!present) {
    return;
  }
  present.holders -= 1;
  if (present.holders > 0) {
    return;
  }
  guards.delete(stream);
  if (stream.write !== present.diverted) {
    // Someone has wrapped the diverted write since: undoing theirs would be worse.
    return;
  }
  if (present.ownWrite) {
    Object.defineProperty(stream, 'write', present.ownWrite);
  } else {
    delete stream.write;
  }
}

/** Writes to the stream itself, guarded or not. */
function writeProtocol(stream, text, callback) {
  const write = guards.get(stream)?.write ?? stream.write;
  return write.call(stream, text, 'utf8', callback);
}

module.exports = { guard, release, writeProtocol };
