#!/usr/bin/env node
'use strict';

/** Stands for the daemon's binary; the environment variable FAKE says what it does. */

const arrangements = {
  'says its arguments': () => {
    process.stdout.write(`${JSON.stringify(process.argv.slice(2))}\n`);
  },
  'exits with 3': () => {
    process.exitCode = 3;
  },
  'kills itself': () => {
    process.kill(process.pid, 'SIGKILL');
  },
  'counts signals': () => {
    const alive = setInterval(() => {}, 1_000);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
      process.on(signal, () => {
        process.stdout.write(`got ${signal}\n`);
        clearInterval(alive);
        process.exitCode = 5;
      });
    }
    process.stdout.write('ready\n');
  },
  'says when stdin ends': () => {
    process.stdin.resume().on('end', () => {
      process.stdout.write('stdin ended\n');
      process.exit();
    });
    process.stdout.write('ready\n');
  },
  'dies of signals': () => {
    setInterval(() => {}, 1_000);
    process.stdout.write('ready\n');
  },
};

// In a session of its own, nobody else would end it if a test fails.
setTimeout(() => process.exit(9), 30_000).unref();

arrangements[process.env.FAKE ?? 'says its arguments']();
