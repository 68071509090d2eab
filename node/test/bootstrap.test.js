'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const { advice, platformPackages } = require('../lib/bootstrap/binary');

const PACKAGE = path.join(__dirname, '..');
const FAKE = path.join(__dirname, 'children', 'fake_shardwise.js');
const NODE_DIR = path.dirname(process.execPath);
const RULE = '='.repeat(58);
const DEADLINE_MS = 20_000;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kcl-bootstrap-'));
after(() => fs.rmSync(directory, { recursive: true }));
const properties = path.join(directory, 'app.properties');
fs.writeFileSync(properties, 'streamName = x\n');

/** Starts kcl-bootstrap; `said` waits for text on stdout, `ended` for its end. */
function bootstrap(args, env = {}, bin = path.join(PACKAGE, 'bin', 'kcl-bootstrap')) {
  const child = spawn(bin, args, {
    cwd: directory,
    env: { PATH: `${NODE_DIR}:/usr/bin:/bin`, ...env },
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
  }
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...output, code, signal }));
  });
  const said = (text) =>
    new Promise((resolve, reject) => {
      const look = () => output.stdout.includes(text) && resolve();
      child.stdout.on('data', look);
      child.on('close', () => reject(new Error(`ended without saying ${text}`)));
      look();
    });
  return { child, said, ended };
}

function run(args, env, bin) {
  return bootstrap(args, env, bin).ended;
}

test('without -e the command is printed between rules and not run', async () => {
  const log = path.join(directory, 'logback.xml');
  const { code, stdout, stderr } = await run(
    ['-p', properties, '-l', log], { SHARDWISE_BIN: FAKE },
  );
  const command = `${FAKE} daemon --properties-file ${properties} --log-configuration ${log}`;
  assert.equal(stdout, `${RULE}\n${command}\n${RULE}\n`);
  assert.deepEqual([code, stderr], [0, '']);
});

test('the printed command can be given to a shell', async () => {
  const odd = path.join(directory, "it's a $file");
  fs.writeFileSync(odd, '');
  const printed = await run(['-p', odd], { SHARDWISE_BIN: FAKE });
  const [, command] = printed.stdout.split('\n');
  const shell = await run(['-c', command], {}, '/bin/sh');
  assert.deepEqual(JSON.parse(shell.stdout), ['daemon', '--properties-file', odd]);
});

test('with -e the daemon is run with its arguments', async () => {
  for (const args of [
    ['-e', '-p', properties],
    ['-ep', properties],
    ['--execute', `--properties=${properties}`],
  ]) {
    const { code, stdout } = await run(args, { SHARDWISE_BIN: FAKE });
    assert.equal(code, 0);
    assert.match(stdout, /^Starting MultiLangDaemon \.\.\.$/m);
    const said = stdout.trimEnd().split('\n').at(-1);
    const expected = ['init', 'daemon', '--properties-file', properties, '--stop-with-stdin'];
    assert.deepEqual(JSON.parse(said), expected);
  }
});

test('the exit code of the daemon is passed on', async () => {
  const args = ['-e', '-p', properties];
  assert.equal((await run(args, { SHARDWISE_BIN: FAKE, FAKE: 'exits with 3' })).code, 3);
  assert.equal((await run(args, { SHARDWISE_BIN: FAKE, FAKE: 'kills itself' })).code, 128 + 9);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  test(`${signal} is forwarded and the daemon's exit code awaited`, async () => {
    const { child, said, ended } = bootstrap(
      ['-e', '-p', properties], { SHARDWISE_BIN: FAKE, FAKE: 'counts signals' },
    );
    await said('ready');
    child.kill(signal);
    const { code, stdout } = await ended;
    assert.equal(code, 5);
    assert.equal(stdout.split(`got ${signal}`).length - 1, 1);
  });
}

test('a signal to the whole process group reaches the daemon once', async () => {
  const started = spawn(
    path.join(PACKAGE, 'bin', 'kcl-bootstrap'), ['-e', '-p', properties],
    {
      env: { PATH: process.env.PATH, SHARDWISE_BIN: FAKE, FAKE: 'counts signals' },
      detached: true,
      timeout: DEADLINE_MS,
    },
  );
  let stdout = '';
  const ended = new Promise((resolve) => started.on('close', resolve));
  started.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    if (text.includes('ready')) {
      process.kill(-started.pid, 'SIGINT');
    }
  });
  assert.equal(await ended, 5);
  assert.equal(stdout.split('got SIGINT').length - 1, 1);
});

test('the stdin of the daemon ends when kcl-bootstrap is killed', async () => {
  const { child, said } = bootstrap(
    ['-e', '-p', properties], { SHARDWISE_BIN: FAKE, FAKE: 'says when stdin ends' },
  );
  await said('ready');
  child.kill('SIGKILL');
  await said('stdin ended');
});

test('a daemon that dies of a signal gives 128 and its number', async () => {
  const { child, said, ended } = bootstrap(
    ['-e', '-p', properties], { SHARDWISE_BIN: FAKE, FAKE: 'dies of signals' },
  );
  await said('ready');
  child.kill('SIGTERM');
  assert.equal((await ended).code, 143);
});

test('--java and --jar-path are ignored with one note', async () => {
  const { code, stdout, stderr } = await run(
    ['--java', '/no/such/java', '-c', '/no/such/jars', '-e', '-p', properties],
    { SHARDWISE_BIN: FAKE },
  );
  assert.equal(code, 0);
  assert.match(stdout, /\["init","daemon"/);
  assert.equal(stderr, 'Note: --java and --jar-path ignored, no Java is needed.\n');
});

test('Java may be left without a path, as where nothing is found that has one', async () => {
  const lines = [
    [['--java', '-e', '-p', properties], '--java'],
    [['-j', '-e', '-p', properties], '--java'],
    [['-e', '-p', properties, '-c'], '--jar-path'],
    [['--java=/no/java', '-e', '-p', properties, '-c/no/jars'], '--java and --jar-path'],
  ];
  for (const [line, ignored] of lines) {
    const { code, stdout, stderr } = await run(line, { SHARDWISE_BIN: FAKE });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\["init","daemon"/);
    assert.equal(stderr, `Note: ${ignored} ignored, no Java is needed.\n`);
  }
});

test('a word that no option takes is ignored with a note, as aws-kcl ignores it', async () => {
  const { code, stderr } = await run(
    ['run', '-e', '-p', properties], { SHARDWISE_BIN: FAKE },
  );
  assert.equal(code, 0);
  assert.equal(stderr, 'Note: run ignored, no option takes it.\n');
});

test('a missing binary is one error that names the three places', async () => {
  const { code, stdout, stderr } = await run(['-e', '-p', properties]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^\nERROR: [^\n]+\n\n$/);
  for (const place of ['SHARDWISE_BIN', `@shardwise/${process.platform}-${process.arch}`, 'PATH']) {
    assert.ok(stderr.includes(place), place);
  }
});

test('a libc has packages of its own; the static one is the last resort of glibc', () => {
  const linux = { platform: 'linux', arch: 'x64' };
  const [gnu, musl] = ['@shardwise/linux-x64-gnu', '@shardwise/linux-x64-musl'];
  assert.deepEqual(platformPackages({ ...linux, isGlibc: true }), [gnu, musl]);
  assert.deepEqual(platformPackages({ ...linux, isGlibc: false }), [musl]);
  const mac = { platform: 'darwin', arch: 'arm64', isGlibc: false };
  assert.deepEqual(platformPackages(mac), ['@shardwise/darwin-arm64']);
});

test('what to install is named where there is a package, and what to do where none is', () => {
  const linux = { platform: 'linux', arch: 'x64', isGlibc: false };
  assert.match(advice(linux), /^Install @shardwise\/linux-x64-musl /);
  const mac = { platform: 'darwin', arch: 'arm64', isGlibc: false };
  assert.match(advice(mac), /no package for darwin-arm64 yet.* cargo and set SHARDWISE_BIN/);
});

test('SHARDWISE_BIN that is no executable file is an error, whatever else there is', async () => {
  const env = { SHARDWISE_BIN: properties, PATH: `${inPathDirectory()}:${process.env.PATH}` };
  const { code, stderr } = await run(['-p', properties], env);
  assert.equal(code, 1);
  assert.match(stderr, /ERROR: .*app\.properties: not an executable file/);
});

/** A directory for `PATH` with the binary in it. */
function inPathDirectory() {
  const bin = path.join(directory, 'path-bin');
  fs.mkdirSync(bin, { recursive: true });
  if (!fs.existsSync(path.join(bin, 'shardwise'))) {
    fs.symlinkSync(FAKE, path.join(bin, 'shardwise'));
  }
  return bin;
}

/** This package as installed, beside a package with the binary for this platform. */
function installed() {
  const modules = path.join(directory, 'node_modules');
  const platform = path.join(modules, '@shardwise', 'linux-x64-musl');
  const own = path.join(modules, 'shardwise');
  for (const part of ['bin', 'lib', 'package.json']) {
    fs.cpSync(path.join(PACKAGE, part), path.join(own, part), { recursive: true });
  }
  fs.mkdirSync(path.join(platform, 'bin'), { recursive: true });
  fs.writeFileSync(path.join(platform, 'package.json'), '{}');
  const binary = path.join(platform, 'bin', 'shardwise');
  fs.copyFileSync(FAKE, binary);
  return { bin: path.join(own, 'bin', 'kcl-bootstrap'), binary };
}

test('the binary is taken from SHARDWISE_BIN, then the platform package, then PATH', async () => {
  const PATH = `${inPathDirectory()}:${process.env.PATH}`;
  const { bin, binary } = installed();
  const args = ['-p', properties];
  const commandOf = ({ stdout }) => stdout.split('\n')[1].split(' ')[0];
  const named = await run(args, { PATH, SHARDWISE_BIN: FAKE }, bin);
  assert.equal(commandOf(named), FAKE);
  assert.equal(commandOf(await run(args, { PATH }, bin)), binary);
  const inPath = await run(args, { PATH });
  assert.equal(commandOf(inPath), path.join(directory, 'path-bin', 'shardwise'));
});

for (const [what, args, error] of [
  ['no properties', [], 'Specify a valid --properties value.'],
  ['an empty name', ['-p', ''], 'Specify a valid --properties value.'],
  [
    'a file that does not exist',
    ['-e', '-p', 'absent.properties'],
    'absent.properties file does not exist. Specify a valid --properties value.',
  ],
  ['a directory', ['-p', '/'], '/ file does not exist. Specify a valid --properties value.'],
  ['-p without a value', ['-e', '-p'], "Option '-p, --properties <value>' argument missing"],
  ['an unknown option', ['--frobnicate'], "Unknown option '--frobnicate'"],
]) {
  test(`${what}: an error on stderr, usage on stdout, exit code 1`, async () => {
    const { code, stdout, stderr } = await run(args, { SHARDWISE_BIN: FAKE });
    assert.equal(code, 1);
    assert.ok(stderr.startsWith(`\nERROR: ${error}`), stderr);
    assert.match(stdout, /^Usage: kcl-bootstrap /);
  });
}

test('-h prints the usage and exits with 0', async () => {
  const { code, stdout, stderr } = await run(['-h']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const option of ['-p', '-l', '-j', '-c', '-e', '-h']) {
    assert.match(stdout, new RegExp(`^ +${option}, --`, 'm'));
  }
});
