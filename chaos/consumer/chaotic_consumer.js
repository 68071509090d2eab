'use strict';

/** The sample's record processor, with the demo's journal, and with mischief on request. */

const Journal = require('../../demo/consumer/journal');
const journaling = require('../../demo/consumer/journaling_consumer');
const kcl = require('../../node/samples/util/kcl');
const recordProcessor = require('../../node/samples/basic_sample/consumer/sample_kcl_app');
const mischievous = require('./mischief');

kcl(journaling(mischievous(recordProcessor()), new Journal())).run();
