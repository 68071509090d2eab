'use strict';

const { parseArgs } = require('node:util');

const USAGE = `Usage: kcl-bootstrap -p FILE [options]

Starts the shardwise daemon, which runs a record processor for each shard of a stream.

Options:
  -p, --properties FILE         properties file of the application (required)
  -l, --log-configuration FILE  logging configuration, passed on to the daemon
  -e, --execute                 start the daemon; without it, only print the command
  -j, --java [PATH]             ignored: no Java is needed
  -c, --jar-path [DIR]          ignored: no jars are needed
  -h, --help                    print this

The daemon's binary is searched for in the environment variable SHARDWISE_BIN, in the npm package
for this platform, and in PATH.
`;

/** What Java needed, by each of its names; without a value where `$(which java)` found nothing. */
const JAVAS = new Map([
  ['--java', '--java'],
  ['-j', '--java'],
  ['--jar-path', '--jar-path'],
  ['-c', '--jar-path'],
]);

/** A command line that cannot be obeyed. */
class UsageError extends Error {}

/**
 * Reads the command line.
 *
 * @param {string[]} args without node and the script
 * @returns {{help: boolean, execute: boolean, properties?: string, logConfiguration?: string,
 *   ignored: string[], surplus: string[]}}
 */
function parseOptions(args) {
  const { rest, ignored } = withoutJava(args);
  let values;
  let positionals;
  try {
    ({ values, positionals } = parseArgs({
      args: rest,
      allowPositionals: true,
      options: {
        properties: { type: 'string', short: 'p' },
        'log-configuration': { type: 'string', short: 'l' },
        execute: { type: 'boolean', short: 'e', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
  if (!values.help && !values.properties) {
    throw new UsageError('Specify a valid --properties value.');
  }
  return {
    help: values.help,
    execute: values.execute,
    properties: values.properties,
    logConfiguration: values['log-configuration'],
    ignored,
    surplus: positionals,
  };
}

/** The words but those that are about Java, and the options that these were. */
function withoutJava(args) {
  const rest = [];
  const ignored = new Set();
  for (let at = 0; at < args.length; at += 1) {
    const [name, value] = split(args[at]);
    if (!JAVAS.has(name)) {
      rest.push(args[at]);
      continue;
    }
    ignored.add(JAVAS.get(name));
    const next = args[at + 1];
    if (value === undefined && next !== undefined && !next.startsWith('-')) {
      at += 1;
    }
  }
  return { rest, ignored: [...ignored] };
}

/** An option and the value in the same word, if there is one: `--java=PATH`, `-jPATH`. */
function split(word) {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=');
    return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)];
  }
  return word.length > 2 ? [word.slice(0, 2), word.slice(2)] : [word];
}

module.exports = { USAGE, UsageError, parseOptions };
