'use strict';

const { PassThrough } = require('node:stream');

/** Three streams to stand for stdin, stdout and stderr, and what was written to the last two. */
function fakeStreams() {
  const input = new PassThrough();
  const output = new PassThrough();
  const error = new PassThrough();
  const written = { output: '', error: '' };
  output.setEncoding('utf8').on('data', (text) => (written.output += text));
  error.setEncoding('utf8').on('data', (text) => (written.error += text));
  return { input, output, error, written };
}

module.exports = fakeStreams;
