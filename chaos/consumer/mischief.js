'use strict';

/**
 * Mischief on request: a file `mode-PID` in JOURNAL_DIRECTORY names what this process is to do
 * wrong once. It is renamed to `did-PID-MODE` before, so that whoever asked knows that it happened.
 */

const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');

const DIRECTORY = process.env.JOURNAL_DIRECTORY;
const FILE = path.join(DIRECTORY, `mode-${process.pid}`);

/** What is to be done wrong now, if anything. */
function asked() {
  let mode;
  try {
    mode = fs.readFileSync(FILE, 'utf8');
    fs.renameSync(FILE, path.join(DIRECTORY, `did-${process.pid}-${mode}`));
  } catch (error) {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  return mode;
}

/** A process that nobody waits for and that only SIGKILL ends, in this process's group. */
function leaveBehind() {
  const script = 'trap "" TERM; sleep 1000 & exit 0';
  spawn('sh', ['-c', script], { stdio: 'inherit' });
}

/** A process in a session of its own, which ends by itself. */
function escape() {
  spawn('sleep', ['10'], { stdio: 'ignore', detached: true }).unref();
}

/** Does it, and then goes on with `next` unless that is what is wrong. */
function misbehave(mode, next) {
  switch (mode) {
    case 'exit':
      process.exit(1);
      break;
    case 'garbage':
      process.stdout.write('no JSON\n{"action":"status"\nnull\n[]\n\n{"action":"launch"}\n', next);
      break;
    case 'flood-stdout':
      process.stdout.write(`${'x'.repeat(200)}\n`.repeat(20_000), next);
      break;
    case 'flood-stderr':
      process.stderr.write(`${'x'.repeat(200)}\n`.repeat(20_000), next);
      break;
    case 'hang':
      break;
    case 'leave-behind':
      leaveBehind();
      next();
      break;
    case 'escape':
      escape();
      next();
      break;
    default:
      throw new Error(`no such mischief: ${mode}`);
  }
}

/** The processor, which does wrong what it is asked to, after it has been handed records. */
module.exports = (processor) => ({
  ...processor,
  processRecords(input, done) {
    const mode = asked();
    const next = () => processor.processRecords(input, done);
    if (mode === undefined) {
      next();
    } else {
      misbehave(mode, next);
    }
  },
});
