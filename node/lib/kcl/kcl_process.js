'use strict';

const KCLManager = require('./kcl_manager');
const { versionOf } = require('./session');
const stdoutGuard = require('./stdout_guard');

/**
 * Joins a record processor to the daemon that started this process; or a function that makes one,
 * which may be called for several shards.
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
  const served = isFactory(recordProcessor)
    ? { make: recordProcessor }
    : { recordProcessor, version: versionOf(recordProcessor) };
  const kclManager = new KCLManager(served, inputFile, outputFile, errorFile);
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

/** Whether it is a function that makes record processors, and no class of them. */
function isFactory(given) {
  const isClass = /^class\b/.test(String(given)) || given?.prototype?.initialize;
  return typeof given === 'function' && !given.initialize && !isClass;
}

module.exports = kcl;
