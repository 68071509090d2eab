'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { FakeDaemon } = require('./support/fake_daemon');

const TRANSCRIPTS = ['01-new-application', '03-split-and-merge', '05-sigterm-grace-5000'];

/** The lines of each recorded child: what it was told, and what it said. */
function recordedChildren(name) {
  const text = fs.readFileSync(path.join(__dirname, 'fixtures', `${name}.jsonl`), 'utf8');
  const children = new Map();
  for (const line of text.trimEnd().split('\n')) {
    const { dir, child, line: said } = JSON.parse(line);
    if (!children.has(child)) {
      children.set(child, { to_child: [], from_child: [], note: [] });
    }
    children.get(child)[dir].push(said);
  }
  return children;
}

/** Says to a child of ours what was said to the recorded one, waiting for each answer. */
async function replay({ to_child: lines }, style) {
  const daemon = new FakeDaemon('reporter.js', { args: ['v2', style] });
  const said = [];
  for (const line of lines) {
    daemon.sendText(`${line}\n`);
    said.push(await daemon.nextMessage());
  }
  const exit = await daemon.finish();
  return { said: said.concat(daemon.unread), exit, calls: daemon.calls };
}

for (const name of TRANSCRIPTS) {
  for (const style of ['callbacks', 'promises']) {
    test(`the children of ${name}, with ${style}, answer as the recorded ones did`, async () => {
      for (const [number, recorded] of recordedChildren(name)) {
        const { said, exit, calls } = await replay(recorded, style);
        const expected = recorded.from_child.map((line) => JSON.parse(line));
        assert.deepEqual(said, expected, `child ${number}`);
        assert.deepEqual(exit, { code: 0, signal: null });

        const told = recorded.to_child
          .map((line) => JSON.parse(line))
          .filter(({ action }) => action !== 'checkpoint')
          .map(({ action: method, ...input }) => ({ method, input }));
        const heard = calls.map(({ method, input }) => ({ method, input }));
        assert.deepEqual(heard, told, `child ${number}`);
      }
    });
  }
}
