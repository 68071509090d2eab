'use strict';

/**
 * Writes to the daemon's log, at a level and with fields.
 *
 * The daemon offers it by a variable of the environment. Where nobody does, as under Java's daemon,
 * lines are plain text.
 */

const { inspect } = require('node:util');

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];
/** What a line for the daemon's log begins with. */
const PREFIX = '@shardwise ';
/** The daemon takes 8 KiB of a line; one that is cut loses its level. */
const LINE_BYTES_MAX = 8_000;
const MESSAGE_CHARS_MAX = 1_500;

/** Whether whoever started this process reads such lines. */
function isOffered(environment = process.env) {
  return environment.SHARDWISE_LOG === 'stderr';
}

/** One line, as it is written. */
function lineOf(level, message, fields = {}, offered = isOffered()) {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  const flat = entries.map(([name, value]) => [name, flatten(value)]);
  if (offered) {
    // In this order, so that a field of the same name does not count.
    const line = { ...Object.fromEntries(flat), level, message: textOf(message) };
    const text = PREFIX + JSON.stringify(line);
    if (Buffer.byteLength(text) <= LINE_BYTES_MAX) {
      return text;
    }
    const short = { level, message: textOf(message).slice(0, MESSAGE_CHARS_MAX), cut: true };
    return PREFIX + JSON.stringify(short);
  }
  const words = [level.toUpperCase(), textOf(message)];
  return words.concat(flat.map(([name, value]) => `${name}=${value}`)).join(' ');
}

/** The daemon reads values without values inside. */
function flatten(value) {
  const isFlat = value === null || ['string', 'boolean'].includes(typeof value);
  return isFlat || Number.isFinite(value) ? value : textOf(value);
}

function textOf(value) {
  if (typeof value === 'string') {
    return value;
  }
  return value instanceof Error ? (value.stack ?? value.message) : inspect(value);
}

/** A function for each level: `log.warn(message, fields)`. */
const log = Object.fromEntries(
  LEVELS.map((level) => [
    level,
    (message, fields) => {
      process.stderr.write(`${lineOf(level, message, fields)}\n`);
    },
  ]),
);

module.exports = { log, lineOf };
