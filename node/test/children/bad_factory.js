'use strict';

/** A program that catches everything, and whose function makes no record processor. */

const kcl = require('../..');

process.on('uncaughtException', (error) => console.error(`caught: ${error.message}`));
setInterval(() => {}, 1_000);
kcl(() => ({ initialize() {} })).run();
