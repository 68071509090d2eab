'use strict';

const path = require('node:path');

/**
 * The client library: `aws-kcl` if it is installed for the program that runs (see the sample's
 * README), else the package that this sample is a part of.
 */
function load() {
  let installed;
  try {
    installed = require.resolve('aws-kcl', { paths: [path.dirname(require.main.filename)] });
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') {
      throw error;
    }
    return require('../..');
  }
  return require(installed);
}

module.exports = load();
