// A page that means no good: it tries every way that a page has to what another server tells, and
// reports what it has come to see. Its query names that server, and where to report.

const { daemon, report, rebind } = Object.fromEntries(new URLSearchParams(location.search));
const PATHS = ["/status.json", "/metrics", "/healthz"];
const WITHIN_MS = 10_000;

const text = async (answer) => `${answer.type} ${answer.status} ${await answer.text()}`;
const fetched = (options) => async (url) => text(await fetch(url, options));

/** What becomes of an element that loads something. */
function element(name, attribute, more = {}) {
  return (url) =>
    new Promise((resolve) => {
      const made = Object.assign(document.createElement(name), more, { [attribute]: url });
      made.onload = () => resolve("loaded");
      made.onloadedmetadata = () => resolve("loaded");
      made.onerror = () => resolve("error");
      document.body.append(made);
    });
}

/** What a frame shows to the page around it, once something was loaded there. */
function framed(load) {
  return (url) =>
    new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.name = `frame-${Math.random()}`;
      // Empty at first, which is loaded at once.
      document.body.append(frame);
      frame.onload = () => {
        // Of another origin's page there is no document to see.
        resolve(`shows ${frame.contentDocument?.body.innerText ?? "nothing"}`);
      };
      load(frame, url);
    });
}

function submit(method) {
  return (frame, url) => {
    const form = document.createElement("form");
    Object.assign(form, { method, action: url, target: frame.name });
    const field = Object.assign(document.createElement("input"), { name: "stop", value: "now" });
    form.append(field);
    document.body.append(form);
    form.submit();
  };
}

function xhr(url) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.onload = () => resolve(`${request.status} ${request.responseText}`);
    request.onerror = () => resolve(`error ${request.status} ${request.responseText}`);
    request.open("GET", url);
    request.send();
  });
}

function socket(url) {
  return new Promise((resolve) => {
    const opened = new WebSocket(url.replace("http", "ws"));
    opened.onopen = () => resolve("open");
    opened.onerror = () => resolve("error");
  });
}

function events(url) {
  return new Promise((resolve) => {
    const source = new EventSource(url);
    const end = (what) => {
      source.close();
      resolve(what);
    };
    source.onmessage = ({ data }) => end(`message ${data}`);
    source.onopen = () => end("open");
    source.onerror = () => end("error");
  });
}

function worker(url) {
  return new Promise((resolve) => {
    const code = `importScripts(${JSON.stringify(url)}); postMessage("loaded");`;
    const started = new Worker(URL.createObjectURL(new Blob([code])));
    started.onmessage = ({ data }) => resolve(data);
    started.onerror = () => resolve("error");
  });
}

const WAYS = {
  fetch: fetched({}),
  "fetch with credentials": fetched({ credentials: "include" }),
  "fetch with a header": fetched({ headers: { "x-any": "1" } }),
  "fetch without CORS": fetched({ mode: "no-cors" }),
  "POST without CORS": fetched({ mode: "no-cors", method: "POST", body: "stop=now" }),
  PUT: fetched({ method: "PUT", body: "{}" }),
  DELETE: fetched({ method: "DELETE" }),
  XMLHttpRequest: xhr,
  image: element("img", "src"),
  script: element("script", "src"),
  module: element("script", "src", { type: "module" }),
  style: element("link", "href", { rel: "stylesheet" }),
  video: element("video", "src"),
  object: element("object", "data"),
  frame: framed((frame, url) => (frame.src = url)),
  "form, GET": framed(submit("get")),
  "form, POST": framed(submit("post")),
  WebSocket: socket,
  EventSource: events,
  worker,
  beacon: async (url) => String(navigator.sendBeacon(url, "stop=now")),
};

const late = () => new Promise((resolve) => setTimeout(resolve, WITHIN_MS, "no answer"));
const attempt = (way, url) => Promise.race([way(url).catch((error) => error.name), late()]);

/** What the browser tells of the sizes and statuses of what it has loaded from there. */
function measured() {
  const entries = performance.getEntriesByType("resource");
  return entries
    .filter(({ name }) => name.startsWith(daemon))
    .map(({ responseStatus, transferSize, encodedBodySize }) =>
      [responseStatus, transferSize, encodedBodySize].join(" "),
    );
}

async function main() {
  if (rebind) {
    // From here on the page's own name leads to the daemon.
    await fetch(rebind);
  }
  const seen = {};
  for (const [name, way] of Object.entries(WAYS)) {
    seen[name] = {};
    for (const path of PATHS) {
      seen[name][path] = await attempt(way, `${daemon}${path}`);
    }
  }
  const body = JSON.stringify({ seen, measured: [...new Set(measured())] });
  await fetch(report, { method: "POST", body });
}

main();
