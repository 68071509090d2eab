// The daemon's page, and what web pages of others make of it in a browser: they have it asked for
// anything, by every way that a browser has, and see nothing of it, nor does anything change.
//
// SHARDWISE_BIN is the daemon's binary, MISCHIEF a program that it may have as a child.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { open } from "./chromium.mjs";

const { SHARDWISE_BIN, MISCHIEF } = process.env;
const STREAM = "secret-orders";
const APPLICATION = "secret-billing";
const PAGES = ["/status.json", "/metrics", "/healthz"];
const SCRIPT = readFileSync(path.join(import.meta.dirname, "page.js"));
const WITHIN_MS = 60_000;
const LOOK_MS = 50;

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

async function freePort() {
  const server = net.createServer();
  const port = await listening(server);
  server.close();
  await once(server, "close");
  return port;
}

const directory = mkdtempSync(path.join(tmpdir(), "page-"));
let daemon, port, log = "";

/** What the daemon tells whoever may ask. */
async function standing() {
  const answer = await fetch(`http://127.0.0.1:${port}/status.json`);
  const { phase, worker, startedAtMillis, shards } = await answer.json();
  const steady = ({ shardId, state, checkpoint, records, failing }) =>
    ({ shardId, state, checkpoint, records, failing });
  return { phase, worker, startedAtMillis, shards: shards.map(steady) };
}

before(async () => {
  port = await freePort();
  const properties = path.join(directory, "app.properties");
  writeFileSync(properties, [
    `executableName = python3 ${MISCHIEF} ${directory}`,
    `streamName = ${STREAM}`,
    `applicationName = ${APPLICATION}`,
    "AWSCredentialsProvider = EnvironmentVariableCredentialsProvider",
    `shardwise.httpPort = ${port}`,
  ].join("\n"));
  daemon = spawn(SHARDWISE_BIN, ["daemon", "--local", "--stop-with-stdin", "-p", properties], {
    env: { PATH: process.env.PATH, AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" },
    stdio: ["pipe", "ignore", "pipe"],
  });
  daemon.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const found = await standing().catch(() => undefined);
    if (found?.shards.some(({ state }) => state === "PROCESSING")) {
      return;
    }
    assert.ok(daemon.exitCode === null && Date.now() < deadline, `no shard in progress\n${log}`);
    await delay(LOOK_MS);
  }
});

after(async () => {
  daemon.stdin.end();
  const [code] = await once(daemon, "exit");
  rmSync(directory, { recursive: true });
  assert.equal(code, 0, log);
});

/**
 * A port that leads to another one, which `lead` changes; `asked` is what was asked for there, and
 * what was answered: `GET /metrics 403`.
 */
async function relay(t, to) {
  const asked = [];
  const server = net.createServer((inside) => {
    inside.on("error", () => {});
    inside.once("data", (first) => {
      const outside = net.connect(to, "127.0.0.1");
      outside.on("error", () => inside.destroy());
      const questions = [];
      const look = (part) => {
        const lines = part.toString("latin1").matchAll(/^([A-Z]+ \/\S*) HTTP\/1\.1\r$/gm);
        questions.push(...[...lines].map(([, line]) => line));
      };
      look(first);
      inside.on("data", look);
      outside.on("data", (part) => {
        const lines = part.toString("latin1").matchAll(/^HTTP\/1\.1 (\d+) /gm);
        asked.push(...[...lines].map(([, status]) => `${questions.shift()} ${status}`));
      });
      outside.write(first);
      inside.pipe(outside).pipe(inside);
    });
  });
  t.after(() => server.close());
  const from = await listening(server);
  return { from, asked, lead: (other) => (to = other) };
}

/** A server of the page that means no good; `rebind` is what it does when asked for that. */
async function attacker(t, rebind = () => {}) {
  let tell;
  const reported = new Promise((resolve) => (tell = resolve));
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const part of request) {
      body += part;
    }
    const { pathname } = new URL(request.url, "http://any");
    if (pathname === "/report") {
      tell(JSON.parse(body));
    } else if (pathname === "/rebind") {
      rebind();
    }
    const isScript = pathname === "/page.js";
    response.writeHead(200, {
      "access-control-allow-origin": "*",
      connection: "close",
      "content-type": isScript ? "text/javascript" : "text/html",
    });
    response.end(isScript ? SCRIPT : '<!doctype html><body><script src="/page.js"></script>');
  });
  t.after(() => server.close());
  return { at: await listening(server), reported };
}

/** What a page of this origin reports that was told of the daemon at `daemon`. */
async function seen(t, { at, reported }, origin, daemon, more = {}) {
  const report = `http://127.0.0.1:${at}/report`;
  const ended = open(t, `${origin}/?${new URLSearchParams({ daemon, report, ...more })}`);
  const failed = ended.then((text) => assert.fail(`the browser has ended:\n${text}`));
  return Promise.race([reported, failed]);
}

/** The same of a page whose own name, `host`, leads to the daemon once it was loaded. */
async function seenAfterRebinding(t, host) {
  const way = await relay(t, 0);
  const server = await attacker(t, () => way.lead(port));
  way.lead(server.at);
  const [origin, rebind] = [`http://${host}:${way.from}`, `http://127.0.0.1:${server.at}/rebind`];
  const report = await seen(t, server, origin, origin, { rebind });
  const asked = way.asked.filter((line) => !/^GET \/(page.js|\?.*) 200$/.test(line));
  return { ...report, asked };
}

/** What a way of asking came to, for each page. */
const everywhere = (text) => Object.fromEntries(PAGES.map((page) => [page, text]));

/** Nothing at all of what the daemon tells. */
const BLIND = Object.fromEntries(
  Object.entries({
    fetch: "TypeError",
    "fetch with credentials": "TypeError",
    "fetch with a header": "TypeError",
    "fetch without CORS": "opaque 0 ",
    "POST without CORS": "opaque 0 ",
    PUT: "TypeError",
    DELETE: "TypeError",
    XMLHttpRequest: "error 0 ",
    image: "error",
    script: "error",
    module: "error",
    style: "error",
    video: "error",
    object: "error",
    frame: "shows nothing",
    "form, GET": "shows nothing",
    "form, POST": "shows nothing",
    WebSocket: "error",
    EventSource: "error",
    worker: "error",
    // Sent, which says nothing of what came of it.
    beacon: "true",
  }).map(([way, text]) => [way, everywhere(text)]),
);

/** Whether the daemon refused all that it does not tell everybody, and was asked by all ways. */
function assertRefused(asked) {
  const answered = asked.filter((line) => / [23]\d\d$/.test(line));
  assert.deepEqual(new Set(answered.map((line) => line.split(/[ ?]/)[1])), new Set(["/healthz"]));
  const ways = Object.keys(BLIND).length;
  for (const page of PAGES) {
    const of = asked.filter((line) => line.split(/[ ?]/)[1] === page);
    assert.ok(of.length >= ways - 1, `${page}: ${of.length} of ${ways} ways\n${of.join("\n")}`);
  }
}

// What the other tests do not see could be seen: by a name of this machine a page is the daemon's.
test("a page of the daemon's own origin would see all that it tells", async (t) => {
  const { seen: found, asked } = await seenAfterRebinding(t, "127.0.0.1");
  assert.ok(found.fetch["/status.json"].startsWith("basic 200 {"), asked.join("\n"));
  for (const name of [STREAM, APPLICATION]) {
    assert.ok(found.fetch["/status.json"].includes(name), found.fetch["/status.json"]);
  }
  assert.ok(found.XMLHttpRequest["/metrics"].includes("shardId-"));
});

for (const [what, host] of [
  ["another port of this machine", "127.0.0.1"],
  ["another site", "evil.example"],
]) {
  test(`a web page of ${what} sees nothing and changes nothing`, async (t) => {
    const was = await standing();
    const { from, asked } = await relay(t, port);
    const server = await attacker(t);
    const origin = `http://${host}:${server.at}`;
    const { seen: found, measured } = await seen(t, server, origin, `http://127.0.0.1:${from}`);
    assert.deepEqual(found, BLIND);
    assert.deepEqual(measured, ["0 0 0"]);
    assertRefused(asked);
    assert.deepEqual(await standing(), was);
  });
}

test("a web page whose name comes to lead to the daemon sees one word", async (t) => {
  const was = await standing();
  const { seen: found, asked } = await seenAfterRebinding(t, "rebound.example");
  const refused = "421 Misdirected Request\n";
  const told = { "/status.json": refused, "/metrics": refused, "/healthz": "200 ok\n" };
  assert.deepEqual(found.XMLHttpRequest, told);
  for (const word of [STREAM, APPLICATION, "shardId"]) {
    assert.ok(!JSON.stringify(found).includes(word), JSON.stringify(found));
  }
  assertRefused(asked);
  assert.deepEqual(await standing(), was);
});
