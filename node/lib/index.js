'use strict';

/** What a user's program requires: the function `kcl`, with error class and log beside it. */
const kcl = require('./kcl/kcl_process');
const CheckpointError = require('./kcl/checkpoint_error');
const { log } = require('./kcl/log');

kcl.CheckpointError = CheckpointError;
kcl.log = log;

module.exports = kcl;
