'use strict';

const { Kinesis } = require('@aws-sdk/client-kinesis');
const { NodeHttpHandler } = require('@smithy/node-http-handler');

const logger = require('../../util/logger');
const config = require('./config');
const clickStream = require('./click_stream_generator');
const produce = require('./click_stream_producer');

const log = logger('clickStreamProducer');

// The SDK takes credentials and, if set, AWS_ENDPOINT_URL_KINESIS or AWS_ENDPOINT_URL from the
// environment. HTTP/1.1 instead of its HTTP/2, because most local endpoints speak only that.
const kinesis = new Kinesis({ ...config.kinesis, requestHandler: new NodeHttpHandler() });

const { clickStreamProducer } = config;
produce(kinesis, clickStreamProducer, clickStream(clickStreamProducer.shards), log)
  .catch((error) => {
    log.error(error.stack);
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => kinesis.destroy());
