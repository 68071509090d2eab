// A browser from an npm package: its program and the libraries that a machine may not have.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { brotliDecompressSync } from "node:zlib";

const PACKAGE = path.join(import.meta.dirname, "node_modules/@sparticuz/chromium");
const { version } = JSON.parse(fs.readFileSync(path.join(PACKAGE, "package.json"), "utf8"));
const UNPACKED = path.join(import.meta.dirname, `node_modules/.chromium-${version}`);
const WITHIN_MS = 60_000;

/** Nothing that it would look up by itself, and every name of the test is this machine. */
const QUIET = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
  // What it asks people before a page may reach this machine is no answer of the daemon's.
  "--disable-features=LocalNetworkAccessChecks",
  "--host-resolver-rules=MAP *.example 127.0.0.1",
];

function packed(name) {
  return brotliDecompressSync(fs.readFileSync(path.join(PACKAGE, "bin", name)));
}

/** The package's own way would unpack below /tmp, by a name that anybody may have taken. */
function unpack() {
  if (fs.existsSync(UNPACKED)) {
    return;
  }
  const parts = `${UNPACKED}.${process.pid}`;
  fs.mkdirSync(parts);
  fs.writeFileSync(path.join(parts, "chromium"), packed("chromium.br"), { mode: 0o755 });
  execFileSync("tar", ["-x", "-C", parts], { input: packed("al2023.tar.br") });
  // Last: what was cut off is not there.
  fs.renameSync(parts, UNPACKED);
}

/** Opens a page in a browser until the test ends; what it has said, should it end before. */
export function open(t, url) {
  unpack();
  const home = fs.mkdtempSync(path.join(tmpdir(), "browser-"));
  const browser = spawn(
    path.join(UNPACKED, "chromium"),
    [...QUIET, `--user-data-dir=${home}`, url],
    {
      env: { HOME: home, LD_LIBRARY_PATH: path.join(UNPACKED, "lib"), PATH: process.env.PATH },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: WITHIN_MS,
      killSignal: "SIGKILL",
    },
  );
  let text = "";
  browser.stderr.setEncoding("utf8").on("data", (part) => (text += part));
  const ended = new Promise((resolve, reject) => {
    browser.on("error", reject);
    browser.on("close", () => resolve(text));
  });
  t.after(async () => {
    browser.kill("SIGKILL");
    await ended;
    fs.rmSync(home, { recursive: true, force: true, maxRetries: 10 });
  });
  return ended;
}
