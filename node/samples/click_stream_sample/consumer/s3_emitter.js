'use strict';

const attempt = require('../../util/attempt');

/** Writes objects into one bucket, each again until it succeeds or the attempts are used up. */
class S3Emitter {
  #s3;
  #config;
  #log;

  /**
   * @param {object} s3 the SDK's `S3` client
   * @param {object} config `s3Emitter` of config.js
   * @param {object} log
   */
  constructor(s3, config, log) {
    this.#s3 = s3;
    this.#config = config;
    this.#log = log;
  }

  /** Makes sure that the bucket is there, and rejects if it is not to be had. */
  async initialize() {
    await this.#attempt('Preparing the bucket', () => this.#ensureBucket());
  }

  /** Writes one object; one of the same key is replaced. */
  async emit(key, data) {
    const { bucket } = this.#config;
    const object = { Bucket: bucket, Key: key, Body: data, ContentType: 'application/x-ndjson' };
    await this.#attempt(`Writing ${key}`, () => this.#s3.putObject(object));
    this.#log.info(`Wrote ${data.length} bytes to ${key} in ${bucket}.`);
  }

  async #attempt(what, work) {
    const { bucket, retry } = this.#config;
    try {
      return await attempt(what, work, retry, this.#log);
    } catch (cause) {
      const why = `${cause.name}: ${cause.message}`;
      const text = `${what} failed ${retry.attempts} times, bucket ${bucket}: ${why}`;
      throw new Error(text, { cause });
    }
  }

  async #ensureBucket() {
    const { bucket, createBucketIfAbsent } = this.#config;
    try {
      await this.#s3.headBucket({ Bucket: bucket });
    } catch (error) {
      if (error.$metadata?.httpStatusCode === 403) {
        const text = 'it is another account\'s, or s3:ListBucket is not allowed';
        throw new Error(`${text}; CLICK_STREAM_BUCKET names another bucket`, { cause: error });
      }
      if (error.name !== 'NotFound' || !createBucketIfAbsent) {
        throw error;
      }
      await this.#createBucket();
    }
  }

  async #createBucket() {
    const { bucket, region } = this.#config;
    // The first region that there was is the only one that must not be said.
    const location = { CreateBucketConfiguration: { LocationConstraint: region } };
    try {
      await this.#s3.createBucket({
        Bucket: bucket,
        ...(region === 'us-east-1' ? {} : location),
      });
      this.#log.info(`Created bucket ${bucket}.`);
    } catch (error) {
      // The child of another shard was faster.
      if (error.name !== 'BucketAlreadyOwnedByYou') {
        throw error;
      }
    }
  }
}

module.exports = S3Emitter;
