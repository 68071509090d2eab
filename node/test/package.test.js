'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const PACKAGE = path.join(__dirname, '..');

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'package-'));
after(() => fs.rmSync(directory, { recursive: true }));

/** A copy of the package in which the sample has been installed and run. */
function used() {
  const copy = path.join(directory, 'shardwise');
  const filter = (from) => path.basename(from) !== 'node_modules';
  fs.cpSync(PACKAGE, copy, { recursive: true, filter });
  const sample = path.join(copy, 'samples', 'basic_sample');
  const installed = path.join(sample, 'node_modules', 'some-sdk');
  fs.mkdirSync(installed, { recursive: true });
  fs.writeFileSync(path.join(installed, 'index.js'), '');
  fs.writeFileSync(path.join(sample, 'consumer', 'application.log'), 'a record\n');
  return copy;
}

test('the package has the samples, but nothing that came of running them', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--offline'], {
    cwd: used(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const files = JSON.parse(packed)[0].files.map((file) => file.path);
  for (const file of [
    'lib/index.js',
    'index.d.ts',
    'bin/kcl-bootstrap',
    'samples/basic_sample/consumer/sample.properties',
    'samples/basic_sample/producer/config.js',
    'samples/click_stream_sample/consumer/sample.properties',
    'samples/click_stream_sample/producer/config.js',
    'samples/util/logger.js',
  ]) {
    assert.ok(files.includes(file), `${file} is missing`);
  }
  assert.deepEqual(files.filter((file) => /node_modules|\.log$|^test\//.test(file)), []);
});
