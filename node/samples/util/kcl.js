'use strict';

/**
 * The client library: `aws-kcl` if it is installed here (as it is in a program of your own, see the
 * sample's README), else the package that this sample is a part of.
 */
function load() {
  let installed;
  try {
    installed = require.resolve('aws-kcl');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') {
      throw error;
    }
    return require('../..');
  }
  return require(installed);
}

module.exports = load();
