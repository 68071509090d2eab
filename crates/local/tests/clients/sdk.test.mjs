// The AWS SDK for JavaScript against the local Kinesis: what a KCL depends on, seen by a client
// that is not ours, over HTTP/2 without TLS (its default) and over HTTP/1.1.
//
// KINESIS_ENDPOINT says where it is. KINESIS_SHORT_ENDPOINT is a second one whose iterators live
// for a second.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Kinesis } from "@aws-sdk/client-kinesis";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const MIDDLE = 2n ** 127n;
const LAST = 2n ** 128n - 1n;
const utf8 = new TextDecoder();

function connect(endpoint, requestHandler) {
  const credentials = { accessKeyId: "any", secretAccessKey: "any" };
  const settings = { endpoint, credentials, region: "us-east-1", maxAttempts: 1 };
  return new Kinesis(requestHandler ? { ...settings, requestHandler } : settings);
}

const shardId = (index) => `shardId-${String(index).padStart(12, "0")}`;

async function create(kinesis, ShardCount = 1) {
  const StreamName = `stream-${randomUUID()}`;
  await kinesis.createStream({ StreamName, ShardCount });
  return StreamName;
}

async function iterator(kinesis, StreamName, shard = 0, kind = "TRIM_HORIZON", at = {}) {
  const asked = { StreamName, ShardId: shardId(shard), ShardIteratorType: kind, ...at };
  return (await kinesis.getShardIterator(asked)).ShardIterator;
}

async function read(kinesis, StreamName, shard, kind, at) {
  const ShardIterator = await iterator(kinesis, StreamName, shard, kind, at);
  return kinesis.getRecords({ ShardIterator });
}

const texts = (answer) => answer.Records.map((record) => utf8.decode(record.Data));

async function put(kinesis, StreamName, text, hashKey = 0n) {
  const Data = Buffer.from(text);
  const ExplicitHashKey = String(hashKey);
  return kinesis.putRecord({ StreamName, PartitionKey: "k", ExplicitHashKey, Data });
}

async function split(kinesis, StreamName, shard = 0) {
  const NewStartingHashKey = String(MIDDLE);
  await kinesis.splitShard({ StreamName, ShardToSplit: shardId(shard), NewStartingHashKey });
}

async function listed(kinesis, StreamName, ShardFilter) {
  const { Shards } = await kinesis.listShards({ StreamName, ShardFilter });
  return Shards.map((shard) => shard.ShardId);
}

async function until(condition) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "the condition never came true");
    await sleep(20);
  }
}

const named = (name) => (error) => {
  assert.equal(error.name, name);
  return true;
};

function suite(protocol, version, handler) {
  describe(protocol, () => {
    const kinesis = connect(process.env.KINESIS_ENDPOINT, handler?.());
    const short = connect(process.env.KINESIS_SHORT_ENDPOINT, handler?.());
    after(() => {
      kinesis.destroy();
      short.destroy();
    });

    test("the connection is made as meant", () => {
      assert.equal(kinesis.config.requestHandler.metadata.handlerProtocol, version);
    });

    test("a stream is created, described and deleted", async () => {
      const StreamName = await create(kinesis, 2);
      const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName });
      assert.equal(StreamDescriptionSummary.StreamStatus, "ACTIVE");
      assert.equal(StreamDescriptionSummary.OpenShardCount, 2);
      await kinesis.deleteStream({ StreamName });
      const gone = kinesis.describeStreamSummary({ StreamName });
      await assert.rejects(gone, named("ResourceNotFoundException"));
    });

    test("records come back in order with their bytes, keys and times", async () => {
      const StreamName = await create(kinesis);
      const before = Date.now();
      const record = (text) => ({ PartitionKey: `key ${text}`, Data: Buffer.from(text) });
      const Records = ["ä", "b", ""].map(record);
      const answer = await kinesis.putRecords({ StreamName, Records });
      assert.equal(answer.FailedRecordCount, 0);
      const found = await read(kinesis, StreamName);
      assert.deepEqual(texts(found), ["ä", "b", ""]);
      assert.deepEqual(
        found.Records.map((record) => record.SequenceNumber),
        answer.Records.map((record) => record.SequenceNumber),
      );
      assert.equal(found.Records[0].PartitionKey, "key ä");
      const arrival = found.Records[0].ApproximateArrivalTimestamp.getTime();
      assert.ok(before - 1000 <= arrival && arrival <= Date.now() + 1000);
    });

    test("five hundred records fit in a call and one more does not", async () => {
      const StreamName = await create(kinesis, 4);
      const record = (_, n) => ({ PartitionKey: `${n}`, Data: Buffer.alloc(200, n) });
      const Records = Array.from({ length: 500 }, record);
      await kinesis.putRecords({ StreamName, Records });
      let found = 0;
      for (let shard = 0; shard < 4; shard += 1) {
        found += (await read(kinesis, StreamName, shard)).Records.length;
      }
      assert.equal(found, 500);
      const many = kinesis.putRecords({ StreamName, Records: [...Records, Records[0]] });
      await assert.rejects(many, named("ValidationException"));
    });

    test("a limit is kept and the reader learns that it is behind", async () => {
      const StreamName = await create(kinesis);
      for (const text of ["0", "1", "2"]) await put(kinesis, StreamName, text);
      const ShardIterator = await iterator(kinesis, StreamName);
      const first = await kinesis.getRecords({ ShardIterator, Limit: 2 });
      const rest = await kinesis.getRecords({ ShardIterator: first.NextShardIterator });
      assert.deepEqual([texts(first), texts(rest)], [["0", "1"], ["2"]]);
      assert.ok(first.MillisBehindLatest > 0);
      assert.equal(rest.MillisBehindLatest, 0);
    });

    test("reading starts where it is asked to", async () => {
      const StreamName = await create(kinesis);
      const numbers = [];
      for (const text of ["0", "1", "2"]) {
        numbers.push((await put(kinesis, StreamName, text)).SequenceNumber);
      }
      const StartingSequenceNumber = numbers[1];
      const from = async (kind, at) => texts(await read(kinesis, StreamName, 0, kind, at));
      assert.deepEqual(await from("AT_SEQUENCE_NUMBER", { StartingSequenceNumber }), ["1", "2"]);
      assert.deepEqual(await from("AFTER_SEQUENCE_NUMBER", { StartingSequenceNumber }), ["2"]);
      assert.deepEqual(await from("AT_TIMESTAMP", { Timestamp: new Date(1000) }), ["0", "1", "2"]);
      assert.deepEqual(await from("LATEST"), []);
    });

    test("a split shard ends without an iterator and with its children", async () => {
      const StreamName = await create(kinesis);
      await put(kinesis, StreamName, "last");
      await split(kinesis, StreamName);
      const end = await read(kinesis, StreamName);
      assert.deepEqual(texts(end), ["last"]);
      assert.equal(end.NextShardIterator, undefined);
      assert.deepEqual(end.ChildShards, [
        {
          ShardId: shardId(1),
          ParentShards: [shardId(0)],
          HashKeyRange: { StartingHashKey: "0", EndingHashKey: String(MIDDLE - 1n) },
        },
        {
          ShardId: shardId(2),
          ParentShards: [shardId(0)],
          HashKeyRange: { StartingHashKey: String(MIDDLE), EndingHashKey: String(LAST) },
        },
      ]);
    });

    test("an open shard has an iterator and no children", async () => {
      const StreamName = await create(kinesis);
      await split(kinesis, StreamName);
      const tip = await read(kinesis, StreamName, 2);
      assert.ok(tip.NextShardIterator);
      assert.equal(tip.ChildShards, undefined);
    });

    test("the child of a merge has both parents", async () => {
      const StreamName = await create(kinesis, 2);
      const merge = { StreamName, ShardToMerge: shardId(1), AdjacentShardToMerge: shardId(0) };
      await kinesis.mergeShards(merge);
      const { Shards } = await kinesis.listShards({ StreamName });
      const parents = [Shards[2].ParentShardId, Shards[2].AdjacentParentShardId];
      assert.deepEqual(parents.toSorted(), [shardId(0), shardId(1)]);
      const end = await read(kinesis, StreamName, 0);
      assert.deepEqual(end.ChildShards[0].ParentShards.toSorted(), [shardId(0), shardId(1)]);
    });

    test("after a split records go to the children, whose numbers are higher", async () => {
      const StreamName = await create(kinesis);
      const before = await put(kinesis, StreamName, "x");
      await split(kinesis, StreamName);
      const low = await put(kinesis, StreamName, "x", MIDDLE - 1n);
      const high = await put(kinesis, StreamName, "x", LAST);
      assert.deepEqual([low.ShardId, high.ShardId], [shardId(1), shardId(2)]);
      assert.ok(BigInt(before.SequenceNumber) < BigInt(low.SequenceNumber));
    });

    test("a closed shard is not split again", async () => {
      const StreamName = await create(kinesis);
      await split(kinesis, StreamName);
      await assert.rejects(split(kinesis, StreamName), named("InvalidArgumentException"));
    });

    test("the shard count follows its target", async () => {
      const StreamName = await create(kinesis, 2);
      for (const TargetShardCount of [4, 2, 3]) {
        const ScalingType = "UNIFORM_SCALING";
        await kinesis.updateShardCount({ StreamName, TargetShardCount, ScalingType });
        const open = await listed(kinesis, StreamName, { Type: "AT_LATEST" });
        assert.equal(open.length, TargetShardCount);
      }
    });

    test("each filter selects its shards", async () => {
      const StreamName = await create(kinesis);
      await split(kinesis, StreamName);
      const [parent, low, high] = [shardId(0), shardId(1), shardId(2)];
      const future = new Date(Date.now() + 60_000);
      const past = new Date(1000);
      const by = (Type, more) => listed(kinesis, StreamName, { Type, ...more });
      assert.deepEqual(await by("AT_LATEST"), [low, high]);
      assert.deepEqual(await by("AT_TRIM_HORIZON"), [parent]);
      assert.deepEqual(await by("FROM_TRIM_HORIZON"), [parent, low, high]);
      assert.deepEqual(await by("AT_TIMESTAMP", { Timestamp: past }), [parent]);
      assert.deepEqual(await by("AT_TIMESTAMP", { Timestamp: future }), [low, high]);
      assert.deepEqual(await by("FROM_TIMESTAMP", { Timestamp: past }), [parent, low, high]);
      assert.deepEqual(await by("FROM_TIMESTAMP", { Timestamp: future }), [low, high]);
      assert.deepEqual(await by("AFTER_SHARD_ID", { ShardId: low }), [high]);
    });

    test("pages of shards need nothing but their token", async () => {
      const StreamName = await create(kinesis, 5);
      let page = await kinesis.listShards({ StreamName, MaxResults: 2 });
      const token = page.NextToken;
      const found = [...page.Shards];
      while (page.NextToken) {
        page = await kinesis.listShards({ NextToken: page.NextToken, MaxResults: 2 });
        found.push(...page.Shards);
      }
      assert.deepEqual(found.map((shard) => shard.ShardId), [0, 1, 2, 3, 4].map(shardId));
      const both = kinesis.listShards({ StreamName, NextToken: token });
      await assert.rejects(both, named("InvalidArgumentException"));
    });

    test("an ARN stands for a name", async () => {
      const StreamName = await create(kinesis);
      const { StreamDescription } = await kinesis.describeStream({ StreamName });
      const { StreamARN } = StreamDescription;
      await kinesis.putRecord({ StreamARN, PartitionKey: "k", Data: Buffer.from("x") });
      const at = { StreamARN, ShardId: shardId(0), ShardIteratorType: "TRIM_HORIZON" };
      const { ShardIterator } = await kinesis.getShardIterator(at);
      assert.deepEqual(texts(await kinesis.getRecords({ StreamARN, ShardIterator })), ["x"]);
    });

    test("a subscription goes on through a split to the end", async () => {
      const StreamName = await create(kinesis);
      const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName });
      const { StreamARN } = StreamDescriptionSummary;
      const made = await kinesis.registerStreamConsumer({ StreamARN, ConsumerName: "app" });
      await put(kinesis, StreamName, "before");
      const { EventStream } = await kinesis.subscribeToShard({
        ConsumerARN: made.Consumer.ConsumerARN,
        ShardId: shardId(0),
        StartingPosition: { Type: "TRIM_HORIZON" },
      });
      const seen = [];
      let last;
      for await (const { SubscribeToShardEvent } of EventStream) {
        last = SubscribeToShardEvent;
        const found = texts(last);
        seen.push(...found);
        if (found.includes("before")) await put(kinesis, StreamName, "later");
        if (found.includes("later")) await split(kinesis, StreamName);
      }
      assert.deepEqual(seen, ["before", "later"]);
      assert.equal(last.ContinuationSequenceNumber, undefined);
      const children = last.ChildShards.map((child) => child.ShardId);
      assert.deepEqual(children, [shardId(1), shardId(2)]);
    });

    test("the retention changes within its bounds", async () => {
      const StreamName = await create(kinesis);
      await kinesis.increaseStreamRetentionPeriod({ StreamName, RetentionPeriodHours: 48 });
      const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName });
      assert.equal(StreamDescriptionSummary.RetentionPeriodHours, 48);
      const less = kinesis.decreaseStreamRetentionPeriod({ StreamName, RetentionPeriodHours: 23 });
      await assert.rejects(less, named("InvalidArgumentException"));
    });

    test("an iterator expires and garbage is none", async () => {
      const StreamName = await create(short);
      const ShardIterator = await iterator(short, StreamName);
      const code = () => short.getRecords({ ShardIterator }).then(() => "", (error) => error.name);
      await until(async () => (await code()) === "ExpiredIteratorException");
      const garbage = short.getRecords({ ShardIterator: "garbage" });
      await assert.rejects(garbage, named("InvalidArgumentException"));
    });

    test("many calls at once on one connection are all answered", async () => {
      const StreamName = await create(kinesis);
      const texts = Array.from({ length: 100 }, (_, n) => `${n}`);
      await Promise.all(texts.map((text) => put(kinesis, StreamName, text)));
      const found = await read(kinesis, StreamName);
      const seen = found.Records.map((record) => utf8.decode(record.Data));
      assert.deepEqual(seen.toSorted(), texts.toSorted());
    });
  });
}

suite("HTTP/2", "h2");
suite("HTTP/1.1", "http/1.1", () => new NodeHttpHandler());
