'use strict';

const fs = require('node:fs');
const path = require('node:path');

const NAME = 'shardwise';
/** What there are packages for: `npm/` has their manifests. */
const BUILT = ['linux-x64'];

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
  const found = inPackages(platformPackages(thisMachine())) ?? inPath(env.PATH ?? '');
  if (!found) {
    throw new BinaryNotFound(notFound('SHARDWISE_BIN is not set'));
  }
  return found;
}

/**
 * The npm packages with a binary for such a machine; what fits best is first.
 *
 * @param {{platform: string, arch: string, isGlibc: boolean}} machine
 */
function platformPackages({ platform, arch, isGlibc }) {
  const name = `@shardwise/${platform}-${arch}`;
  if (platform !== 'linux') {
    return [name];
  }
  // The one for musl is linked statically, so that glibc does not keep it from running.
  return isGlibc ? [`${name}-gnu`, `${name}-musl`] : [`${name}-musl`];
}

function thisMachine() {
  const { platform, arch } = process;
  return { platform, arch, isGlibc: platform === 'linux' && hasGlibc() };
}

function hasGlibc() {
  // Otherwise the report looks up names of peers, which may take seconds.
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime !== undefined;
}

function inPackages(names) {
  return names.map(inPackage).find((binary) => binary !== undefined);
}

function inPackage(name) {
  let manifest;
  try {
    manifest = require.resolve(`${name}/package.json`);
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
  const machine = thisMachine();
  const packages = platformPackages(machine);
  return (
    `no shardwise binary found. Searched: 1. the environment variable (${variable}); ` +
    `2. the npm package ${packages.join(' or ')}; 3. ${NAME} in PATH. ${advice(machine)}`
  );
}

/** What to install, or to do where there is nothing to install. */
function advice(machine) {
  const name = `${machine.platform}-${machine.arch}`;
  if (!BUILT.includes(name)) {
    return `There is no package for ${name} yet: build ${NAME} with cargo and set SHARDWISE_BIN.`;
  }
  const [wanted] = platformPackages(machine);
  return (
    `Install ${wanted} in the version of this package; \`npm install\` does, unless optional ` +
    'dependencies are omitted.'
  );
}

module.exports = { BinaryNotFound, advice, findBinary, platformPackages };
