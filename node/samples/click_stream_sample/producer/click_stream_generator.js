'use strict';

const { randomUUID } = require('node:crypto');

const REFERRERS = [
  'http://www.amazon.com',
  'http://www.google.com',
  'http://www.yahoo.com',
  'http://www.bing.com',
  'http://www.stackoverflow.com',
  'http://www.reddit.com',
];

/**
 * Returns a function that makes a click up, as `{ id, resource, referrer }`.
 *
 * The id is the click's own, whatever becomes of it: it may be put twice, or written to S3 twice,
 * and whoever counts ids counts clicks.
 *
 * @param {number} resources of how many resources the clicks are
 */
function clickStream(resources) {
  const run = randomUUID();
  let made = 0;
  return function click() {
    const id = `${run}-${made}`;
    made += 1;
    return {
      id,
      resource: `resource-${randomBelow(resources)}`,
      referrer: REFERRERS[randomBelow(REFERRERS.length)],
    };
  };
}

function randomBelow(limit) {
  return Math.floor(Math.random() * limit);
}

module.exports = clickStream;
