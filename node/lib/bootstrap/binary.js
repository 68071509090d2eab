'use strict';

const fs = require('node:fs');
const path = require('node:path');

const NAME = 'shardwise';

/** No binary of the daemon where one may be. */
class BinaryNotFound extends Error {}

/**
 * Finds the daemon's binary: where `SHARDWISE_BIN` says, in the platform's npm package, in `PATH`.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {string} its path
 */
function findBinary(env) {
  const named = env.SHARDWISE_BIN;
  if (named) {
    if (isExecutable(named)) {
      return path.resolve(named);
    }
    // Going on to another binary than the one asked for would hide the mistake.
    throw new BinaryNotFound(notFound(`SHARDWISE_BIN is ${named}: not an executable file`));
  }
  const found = inPlatformPackage() ?? inPath(env.PATH ?? '');
  if (!found) {
    throw new BinaryNotFound(notFound('SHARDWISE_BIN is not set'));
  }
  return found;
}

function platformPackage() {
  return `@shardwise/${process.platform}-${process.arch}`;
}

function inPlatformPackage() {
  let manifest;
  try {
    manifest = require.resolve(`${platformPackage()}/package.json`);
  } catch {
    return undefined;
  }
  const binary = path.join(path.dirname(manifest), 'bin', NAME);
  return isExecutable(binary) ? binary : undefined;
}

function inPath(searchPath) {
  return searchPath
    .split(path.delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => path.join(directory, NAME))
    .find(isExecutable);
}

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function notFound(variable) {
  return (
    `no shardwise binary found. Searched: 1. the environment variable (${variable}); ` +
    `2. the npm package ${platformPackage()}; 3. ${NAME} in PATH.`
  );
}

module.exports = { BinaryNotFound, findBinary };
