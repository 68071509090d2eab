'use strict';

// The packed files in an empty project, where nothing can be fetched.
//
// `cargo xtask test npm` packs them, and names their directory in SHARDWISE_PACKAGES and the
// package with the binary in SHARDWISE_PLATFORM; `cargo xtask test static` has the static one.

const assert = require('node:assert/strict');
const { execFile, execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { after, before, test } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { promisify } = require('node:util');

const { SHARDWISE_PACKAGES: PACKAGES, SHARDWISE_PLATFORM: PLATFORM } = process.env;
const IS_STATIC = PLATFORM === 'linux-x64-musl';
/** Of a part of an ELF file: it names the program that loads this one and its libraries. */
const PT_INTERP = 3;
const STREAM = 'kclnodejssample';
const SHARDS = 2;
const RECORDS = 10;
const WITHIN_MS = 30_000;
const LOOK_MS = 50;
/** An address that nothing answers at: what is not in the files cannot come from elsewhere. */
const NOWHERE = 'http://127.0.0.1:9/';

const project = fs.mkdtempSync(path.join(os.tmpdir(), 'packed-'));
after(() => fs.rmSync(project, { recursive: true }));
/** Installed under the name of what it replaces, as programs for it have it. */
const installed = path.join(project, 'node_modules', 'aws-kcl');
const consumer = path.join(installed, 'samples', 'basic_sample', 'consumer');
const platform = path.join(project, 'node_modules', '@shardwise', String(PLATFORM));
// No variable of whoever runs the tests: SHARDWISE_BIN or AWS_PROFILE would be a way out.
const base = { PATH: process.env.PATH, HOME: project };

/** The packed file of a package. */
function packed(name) {
  const { version } = require('../../package.json');
  return path.join(PACKAGES, `${name}-${version}.tgz`);
}

function npm(...args) {
  const offline = ['--offline', `--registry=${NOWHERE}`, '--fetch-retries=0'];
  execFileSync('npm', [...args, ...offline, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: project,
    env: { ...base, npm_config_cache: path.join(project, 'cache') },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

before(() => {
  assert.ok(PACKAGES && PLATFORM, 'SHARDWISE_PACKAGES is not set: run `cargo xtask test npm`');
  fs.writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
  const main = `aws-kcl@file:${packed('shardwise')}`;
  // For npm the static one is for another machine.
  npm('install', packed(`shardwise-${PLATFORM}`), main, ...(IS_STATIC ? ['--force'] : []));
});

test('the main package names the platform that was built, and installs by no script', () => {
  const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
  const manifest = read(path.join(installed, 'package.json'));
  const named = { [`@shardwise/${PLATFORM}`]: manifest.version };
  assert.deepEqual(manifest.optionalDependencies, named);
  const binary = read(path.join(platform, 'package.json'));
  assert.deepEqual(
    [binary.version, binary.os, binary.cpu, binary.libc],
    [manifest.version, ['linux'], ['x64'], [IS_STATIC ? 'musl' : 'glibc']],
  );
  for (const { scripts = {} } of [manifest, binary]) {
    assert.deepEqual(Object.keys(scripts).filter((name) => name.includes('install')), []);
  }
  assert.equal(manifest.dependencies, undefined);
});

// npm does not install the static one here by a lock file.
if (!IS_STATIC) {
  test('what is locked is installed again, and nobody is asked for more', async (t) => {
    const asked = [];
    const registry = http.createServer((request, answer) => {
      asked.push(request.url);
      answer.writeHead(404).end('{}');
    });
    await new Promise((resolve) => registry.listen(0, '127.0.0.1', resolve));
    t.after(() => registry.close());
    const args = [`--registry=http://127.0.0.1:${registry.address().port}/`, '--fetch-retries=0'];
    args.push('--no-audit', '--no-fund', '--no-update-notifier');
    await promisify(execFile)('npm', ['ci', ...args], {
      cwd: project,
      env: { ...base, npm_config_cache: path.join(project, 'another-cache') },
    });
    assert.deepEqual(asked, []);
    assert.ok(fs.existsSync(path.join(platform, 'bin', 'shardwise')));
  });
}

test('a binary needs a C library unless it is linked statically', () => {
  const binary = path.join(platform, 'bin', 'shardwise');
  const elf = fs.readFileSync(binary);
  const [first, size, count] = [Number(elf.readBigUInt64LE(32)), elf[54], elf.readUInt16LE(56)];
  const parts = Array.from({ length: count }, (_, at) => elf.readUInt32LE(first + at * size));
  assert.equal(parts.includes(PT_INTERP), !IS_STATIC);
  const said = execFileSync(binary, ['--version'], { env: {}, encoding: 'utf8' });
  assert.equal(/^target: .*, static$/m.test(said), IS_STATIC, said);
});

/** Local endpoints from the installed binary, until the test ends; the environment to use them. */
async function endpoints(t, ...more) {
  const binary = path.join(platform, 'bin', 'shardwise');
  const ports = ['--kinesis-port', '0', '--dynamodb-port', '0'];
  const local = spawn(binary, ['local', ...ports, ...more], {
    env: base,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => local.kill('SIGKILL'));
  const { value: line } = await createInterface(local.stdout)[Symbol.asyncIterator]().next();
  const { kinesis, dynamodb } = JSON.parse(line);
  return {
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_KINESIS: kinesis,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb,
  };
}

/** Calls a local endpoint, which wants to see a signature but looks at none. */
async function call(url, target, input) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      Authorization: 'any',
      'Content-Type': 'application/x-amz-json-1.1',
      'X-Amz-Target': target,
    },
    body: JSON.stringify(input),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw Object.assign(new Error(`${target}: ${text}`), { name: JSON.parse(text).__type });
  }
  return text && JSON.parse(text);
}

/** What the sample's producer uses of the SDK, which cannot be installed here. */
function client(url) {
  const put = (operation) => (input) => call(url, `Kinesis_20131202.${operation}`, input);
  return {
    createStream: put('CreateStream'),
    describeStreamSummary: put('DescribeStreamSummary'),
    putRecord: (input) =>
      put('PutRecord')({ ...input, Data: input.Data.toString('base64') }),
  };
}

/** The checkpoint of each lease; none before there is a table. */
async function checkpoints(url) {
  const scan = { TableName: STREAM, ConsistentRead: true };
  try {
    const { Items } = await call(url, 'DynamoDB_20120810.Scan', scan);
    return new Map(Items.map((item) => [item.leaseKey.S, item.checkpoint.S]));
  } catch (error) {
    if (error.message.includes('ResourceNotFoundException')) {
      return new Map();
    }
    throw error;
  }
}

test('the basic sample runs by the command of its guide', async (t) => {
  const env = await endpoints(t);
  const last = new Map();
  const produce = require(path.join(consumer, '..', 'producer', 'sample_producer.js'));
  const kinesis = client(env.AWS_ENDPOINT_URL_KINESIS);
  const putRecord = async (input) => {
    const answer = await kinesis.putRecord(input);
    last.set(answer.ShardId, answer.SequenceNumber);
    return answer;
  };
  const config = {
    stream: STREAM,
    shards: SHARDS,
    records: RECORDS,
    describeDelayMs: LOOK_MS,
    activeDeadlineMs: WITHIN_MS,
  };
  await produce({ ...kinesis, putRecord }, config, { info() {} });

  const guide = ['--java', '/usr/bin/java', '-e', '-p', './sample.properties'];
  const daemon = spawn('../../../bin/kcl-bootstrap', guide, {
    cwd: consumer,
    env: { ...base, ...env },
  });
  t.after(() => daemon.kill('SIGKILL'));
  let said = '';
  daemon.stdout.on('data', (text) => (said += text));
  daemon.stderr.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => daemon.on('close', resolve));

  const deadline = Date.now() + WITHIN_MS;
  const isDone = async () => {
    const found = await checkpoints(env.AWS_ENDPOINT_URL_DYNAMODB);
    return [...last].every(([shard, number]) => found.get(shard) === number);
  };
  while (!(await isDone())) {
    assert.ok(daemon.exitCode === null, `the daemon has ended\n${said}`);
    assert.ok(Date.now() < deadline, `not all is checkpointed\n${said}`);
    await delay(LOOK_MS);
  }
  daemon.kill('SIGTERM');
  assert.equal(await ended, 0, said);

  assert.ok(said.includes(`\n${platform}/bin/shardwise daemon --properties-file `), said);
  assert.match(said, /^Note: --java ignored, no Java is needed\.$/m);
  const log = fs.readFileSync(path.join(consumer, 'application.log'), 'utf8');
  assert.equal(log.split('\n').filter((line) => line.includes(', Record: {')).length, RECORDS);
});

/** Waits until something is there to be had. */
async function until(what, look, said) {
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const found = await look();
    if (found) {
      return found;
    }
    assert.ok(Date.now() < deadline, `not ${what}\n${said()}`);
    await delay(LOOK_MS);
  }
}

/** The parent of a process, and that parent's arguments; nothing of a process that was reaped. */
function parentOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[1]);
    return { parent, args: fs.readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0') };
  } catch {
    return undefined;
  }
}

// Node.js as the first process of a container reaps only what it has started itself.
test('what a child leaves behind comes to a process that reaps it', async (t) => {
  const env = await endpoints(t, '--stream', `${STREAM}:1`);
  const [program, ids] = ['leaves.js', 'ids.json'].map((name) => path.join(project, name));
  fs.writeFileSync(program, `
    const fs = require('node:fs');
    if (fs.existsSync('${ids}')) {
      process.exit(1);
    }
    const left = require('node:child_process').spawn('sleep', ['60'], { detached: true });
    fs.writeFileSync('${ids}.part', JSON.stringify([process.pid, left.pid]));
    fs.renameSync('${ids}.part', '${ids}');
    process.stdin.resume();
  `);
  const properties = path.join(project, 'leaves.properties');
  const lines = [
    `executableName = node ${program}`,
    `streamName = ${STREAM}`,
    'applicationName = leaves',
    'AWSCredentialsProvider = EnvironmentVariableCredentialsProvider',
    'regionName = us-east-1',
    'retrievalMode = POLLING',
  ];
  fs.writeFileSync(properties, lines.join('\n'));
  const bootstrap = path.join(installed, 'bin', 'kcl-bootstrap');
  const daemon = spawn(bootstrap, ['-e', '-p', properties], { env: { ...base, ...env } });
  t.after(() => daemon.kill('SIGKILL'));
  let said = '';
  daemon.stdout.on('data', (text) => (said += text));
  daemon.stderr.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => daemon.on('close', resolve));
  await until('started', () => fs.existsSync(ids), () => said);
  const [child, left] = JSON.parse(fs.readFileSync(ids));
  assert.equal(parentOf(left).parent, child);
  process.kill(child, 'SIGKILL');
  const heir = await until('left', () => {
    const now = parentOf(left);
    return now.parent !== child && now;
  }, () => said);
  assert.deepEqual(heir.args.slice(1, 3), ['init', 'daemon']);
  process.kill(left, 'SIGKILL');
  await until('reaped', () => parentOf(left) === undefined, () => said);
  daemon.kill('SIGTERM');
  assert.equal(await ended, 0, said);
});

test('where optional dependencies were omitted, the error says what to install', () => {
  fs.rmSync(platform, { recursive: true });
  const properties = path.join(consumer, 'sample.properties');
  const bootstrap = path.join(installed, 'bin', 'kcl-bootstrap');
  assert.throws(
    () => execFileSync(bootstrap, ['-p', properties], { env: base, stdio: 'pipe' }),
    /ERROR: no shardwise binary found\. .* Install @shardwise\/linux-x64-gnu in the version of /,
  );
});
