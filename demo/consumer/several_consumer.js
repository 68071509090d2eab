'use strict';

/** The sample's record processor, one for each shard that the daemon wants served. */

const kcl = require('../../node');
const recordProcessor = require('../../node/samples/basic_sample/consumer/sample_kcl_app');

kcl(() => recordProcessor()).run();
