'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');

const { BinaryNotFound, findBinary } = require('./binary');
const { USAGE, UsageError, parseOptions } = require('./options');

const FORWARDED_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const RULE = '='.repeat(58);

/** Runs `kcl-bootstrap` and leaves the exit code in `process.exitCode`. */
function main(args, env = process.env) {
  try {
    start(parseOptions(args), env);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof BinaryNotFound)) {
      throw error;
    }
    fail(error.message);
    if (error instanceof UsageError) {
      process.stdout.write(USAGE);
    }
  }
}

function start(options, env) {
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const { properties, logConfiguration } = options;
  if (!fs.statSync(properties, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(
      `${properties} file does not exist. Specify a valid --properties value.`,
    );
  }
  if (options.ignored.length > 0) {
    process.stderr.write(`Note: ${options.ignored.join(' and ')} ignored, no Java is needed.\n`);
  }
  if (options.surplus.length > 0) {
    process.stderr.write(`Note: ${options.surplus.join(' and ')} ignored, no option takes it.\n`);
  }
  const binary = findBinary(env);
  const daemonArgs = ['daemon', '--properties-file', properties];
  if (logConfiguration !== undefined) {
    daemonArgs.push('--log-configuration', logConfiguration);
  }
  const command = [binary, ...daemonArgs].map(quote).join(' ');
  process.stdout.write(`${RULE}\n${command}\n${RULE}\n`);
  if (options.execute) {
    process.stdout.write('Starting MultiLangDaemon ...\n');
    runDaemon(binary, daemonArgs, env);
  }
}

function runDaemon(binary, daemonArgs, env) {
  // In a session of its own the daemon gets each signal once: from here. A terminal's Ctrl-C would
  // otherwise reach it twice, and its second signal means "at once". Its stdin ends with this
  // process, whatever ends it, and the daemon stops in order then. `init` is a process above it
  // that reaps what its children leave behind: Node.js, where it is the first process of a
  // container, never would.
  const daemon = spawn(binary, ['init', ...daemonArgs, '--stop-with-stdin'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
    env,
  });
  const forward = (signal) => daemon.kill(signal);
  for (const signal of FORWARDED_SIGNALS) {
    process.on(signal, forward);
  }
  daemon.on('error', (error) => fail(`cannot start ${binary}: ${error.message}`));
  daemon.on('exit', (code, signal) => {
    for (const forwarded of FORWARDED_SIGNALS) {
      process.removeListener(forwarded, forward);
    }
    process.exitCode = code ?? 128 + os.constants.signals[signal];
  });
}

function fail(message) {
  process.stderr.write(`\nERROR: ${message}\n\n`);
  process.exitCode = 1;
}

/** The word as a POSIX shell reads it back. */
function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

module.exports = { main };
