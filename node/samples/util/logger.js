'use strict';

/**
 * A logger that appends to a file: a record processor has no terminal, and its stdout is the
 * daemon's. Several processes may write to the same file; each line says which one did.
 *
 * `NODE_LOG_DIR` is the directory of `application.log` (default: the working directory),
 * `NODE_LOG_LEVEL` one of off, error, warn, info (default), debug.
 */

const fs = require('node:fs');
const path = require('node:path');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug'];

function logger(category, env = process.env) {
  const file = path.join(env.NODE_LOG_DIR || '.', 'application.log');
  const level = LEVELS.indexOf(env.NODE_LOG_LEVEL || 'info');
  if (level === -1) {
    throw new Error(`NODE_LOG_LEVEL is ${env.NODE_LOG_LEVEL}, must be one of ${LEVELS.join(', ')}`);
  }
  const write = (name, message) => {
    if (LEVELS.indexOf(name) <= level) {
      const head = `${new Date().toISOString()} (PID: ${process.pid}) ${name.toUpperCase()}`;
      fs.appendFileSync(file, `${head} [${category}] ${message}\n`);
    }
  };
  return {
    error: (message) => write('error', message),
    warn: (message) => write('warn', message),
    info: (message) => write('info', message),
    debug: (message) => write('debug', message),
  };
}

module.exports = logger;
