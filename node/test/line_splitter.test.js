'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const LineSplitter = require('../lib/kcl/line_splitter');

function split(...chunks) {
  const splitter = new LineSplitter();
  return chunks.flatMap((chunk) => splitter.push(chunk));
}

test('lines end at LF, and a CR before it is dropped', () => {
  assert.deepEqual(split(Buffer.from('one\ntwo\r\n\nfour\n')), ['one', 'two', '', 'four']);
});

test('a CR elsewhere, U+2028, U+2029 and U+0085 end no line', () => {
  const line = 'a\rb\u2028c\u2029d\u0085e\vf\fg';
  assert.deepEqual(split(Buffer.from(`${line}\n`)), [line]);
});

test('a line is the same however its bytes are cut', () => {
  const bytes = Buffer.from('{"é":"日本\u{1f600}"}\r\nnext\n');
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const lines = split(bytes.subarray(0, cut), bytes.subarray(cut));
    assert.deepEqual(lines, ['{"é":"日本\u{1f600}"}', 'next'], `cut at ${cut}`);
  }
  assert.deepEqual(split(...[...bytes].map((byte) => Buffer.of(byte))).length, 2);
});

test('chunks may be text', () => {
  assert.deepEqual(split('on', 'e\ntw', 'o\n'), ['one', 'two']);
});

test('an unfinished line is counted, not returned', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push('one\ntw'), ['one']);
  splitter.push('o');
  assert.equal(splitter.pendingBytes, 3);
  assert.deepEqual(splitter.push('\n'), ['two']);
  assert.equal(splitter.pendingBytes, 0);
});

test('the work on a line grows with its length, not with the square of it', () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const searched = { bytes: 0 };
  const counting = new Proxy(chunk, {
    get(target, name) {
      if (name === 'indexOf') {
        return (...args) => {
          searched.bytes += target.length;
          return target.indexOf(...args);
        };
      }
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const splitter = new LineSplitter();
  for (let pushed = 0; pushed < 800; pushed += 1) {
    splitter.push(counting);
  }
  const [line] = splitter.push('\n');
  assert.equal(line.length, 800 * chunk.length);
  assert.equal(searched.bytes, 800 * chunk.length);
});
