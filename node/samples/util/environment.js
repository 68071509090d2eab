'use strict';

/**
 * A whole number from the environment, of at least 1.
 *
 * @param {string} name the variable
 * @param {number} otherwise what counts if it is not set
 * @param {object} [env]
 */
function wholeNumber(name, otherwise, env = process.env) {
  const text = env[name];
  if (text === undefined || text === '') {
    return otherwise;
  }
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new Error(`${name} is "${text}", must be a whole number of at least 1`);
  }
  return Number(text);
}

module.exports = { wholeNumber };
