'use strict';

const { setTimeout: delay } = require('node:timers/promises');

/**
 * Calls `work` until it succeeds, each pause twice as long as the one before; rejects with what the
 * last attempt failed with.
 *
 * @param {string} what for the log
 * @param {() => Promise<T>} work
 * @param {object} retry
 * @param {number} retry.attempts how often it is called at most
 * @param {number} retry.delayMs the first pause
 * @param {number} retry.delayMsMax the longest
 * @param {{warn: (message: string) => void}} log
 * @returns {Promise<T>}
 * @template T
 */
async function attempt(what, work, { attempts, delayMs, delayMsMax }, log) {
  for (let number = 1; ; number += 1) {
    try {
      return await work();
    } catch (error) {
      if (number >= attempts) {
        throw error;
      }
      const pauseMs = Math.min(delayMs * 2 ** (number - 1), delayMsMax);
      log.warn(`${what} failed, trying again in ${pauseMs} ms: ${error.name}: ${error.message}`);
      await delay(pauseMs);
    }
  }
}

module.exports = attempt;
