'use strict';

const { parseArgs } = require('node:util');

const USAGE = `Usage: kcl-bootstrap -p FILE [options]

Starts the shardwise daemon, which runs a record processor for each shard of a stream.

Options:
  -p, --properties FILE         properties file of the application (required)
  -l, --log-configuration FILE  logging configuration, passed on to the daemon
  -e, --execute                 start the daemon; without it, only print the command
  -j, --java PATH               ignored: no Java is needed
  -c, --jar-path DIR            ignored: no jars are needed
  -h, --help                    print this

The daemon's binary is searched for in the environment variable SHARDWISE_BIN, in the npm package
for this platform, and in PATH.
`;

/** A command line that cannot be obeyed. */
class UsageError extends Error {}

/**
 * Reads the command line.
 *
 * @param {string[]} args without node and the script
 * @returns {{help: boolean, execute: boolean, properties?: string, logConfiguration?: string,
 *   ignored: string[]}}
 */
function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        properties: { type: 'string', short: 'p' },
        'log-configuration': { type: 'string', short: 'l' },
        java: { type: 'string', short: 'j' },
        'jar-path': { type: 'string', short: 'c' },
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
    ignored: ['java', 'jar-path'].filter((name) => name in values).map((name) => `--${name}`),
  };
}

module.exports = { USAGE, UsageError, parseOptions };
