'use strict';

/** Programs that have something left when their input ends; the first argument names it. */

const kcl = require('../..');

const arrangements = {
  'nothing': () => {},
  'a timer': () => setInterval(() => {}, 1_000),
  'an exit code': () => (process.exitCode = 7),
  'a late start': () => {},
  'a cleanup': () => {
    setImmediate(() => {
      joined.cleanup();
      console.log('printed after cleanup');
    });
  },
};

const what = process.argv[2];
const processor = {
  async initialize() {
    arrangements[what]();
  },
  async processRecords() {},
  async leaseLost() {
    process.stderr.write('leaseLost called\n');
  },
  async shardEnded() {
    process.stderr.write('shardEnded called\n');
  },
  async shutdownRequested() {
    process.stderr.write('shutdownRequested called\n');
  },
};

const joined = kcl(processor);
if (what === 'a late start') {
  // The daemon's first message arrives long before this.
  process.stdin.once('data', () => setTimeout(() => joined.run(), 20));
} else {
  joined.run();
}
