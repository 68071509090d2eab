'use strict';

const KCLManager = require('./kcl_manager');
const stdoutGuard = require('./stdout_guard');

const INVALID_PROCESSOR =
  'Record processor must implement initialize, processRecords, and shutdown functions.';

/**
 * Joins a record processor to the daemon that started this process.
 *
 * Once `run()` has been called on the real stdout, that is the protocol's alone: what the program
 * writes there, `console.log` included, goes to stderr.
 */
function kcl(
  recordProcessor,
  inputFile = process.stdin,
  outputFile = process.stdout,
  errorFile = process.stderr,
) {
  const version = versionOf(recordProcessor);
  const kclManager = new KCLManager(
    { recordProcessor, version }, inputFile, outputFile, errorFile,
  );
  let guarded = false;

  return {
    /** For tests. */
    _kclManager: kclManager,

    /** Starts processing. */
    run() {
      if (!guarded && outputFile === process.stdout) {
        guarded = true;
        stdoutGuard.guard(process.stdout, process.stderr);
      }
      kclManager.run();
    },

    /** Lets go of the streams; for a program that goes on without the daemon. */
    cleanup() {
      kclManager._cleanup();
      if (guarded) {
        guarded = false;
        stdoutGuard.release(process.stdout);
      }
    },
  };
}

/** Which of the two interfaces the processor has; `shutdown` decides if it has both. */
function versionOf(recordProcessor) {
  const has = (name) => typeof recordProcessor?.[name] === 'function';
  const ends = has('shutdown') || (has('leaseLost') && has('shardEnded'));
  if (!has('initialize') || !has('processRecords') || !ends) {
    throw new Error(INVALID_PROCESSOR);
  }
  return has('shutdown') ? KCLManager.VERSION1 : KCLManager.VERSION2;
}

module.exports = kcl;
