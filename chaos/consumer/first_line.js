'use strict';

/** Puts the line back that was read before this process had its program. */

if (process.env.FIRST_LINE !== undefined) {
  process.stdin.unshift(Buffer.from(`${process.env.FIRST_LINE}\n`));
}
