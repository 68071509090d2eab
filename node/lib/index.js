'use strict';

/** What a user's program requires: the function `kcl`, with the error class beside it. */
const kcl = require('./kcl/kcl_process');
const CheckpointError = require('./kcl/checkpoint_error');

kcl.CheckpointError = CheckpointError;

module.exports = kcl;
