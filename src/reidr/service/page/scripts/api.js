// The service's HTTP interface, as the page uses it. Paths are relative, so that a proxy may put a prefix before them.

const KEY = "reidr key";
const MOST_TRIES = 20;

/** What the server says is wrong: RFC 9457's title and detail, and the seconds to wait where it is busy. */
export class Problem extends Error {
  constructor(status, title, detail, wait = null) {
    super(detail || title);
    Object.assign(this, { status, title, detail, wait });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Called with the seconds left while a busy server is waited for, and with null when it has answered. */
export const waiting = { tell: () => {} };

/** A key of a change: sent again with it, the change is made once. Plain HTTP has no crypto.randomUUID. */
export function changeKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // A proxy's own page: the status alone is known.
  }
  const fields = (told.errors ?? []).map((each) => `${each.field}: ${each.detail}`).join("; ");
  const detail = [told.detail, fields].filter(Boolean).join(" ");
  const wait = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, told.title ?? `HTTP ${response.status}`, detail, wait > 0 ? wait : null);
}

/** One request; throws a Problem. */
async function once(path, options) {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  if (options.body) headers.set("Content-Type", "application/json");
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No connection", "The server cannot be reached. Is `reidr serve` still running?");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(new DOMException("stopped", "AbortError"));
      },
      { once: true },
    );
  });
}

/** One request, asked again while the server is busy (429, 503) for as long as it says. */
async function ask(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await once(path, options);
      if (tries > 1) waiting.tell(null);
      return response;
    } catch (problem) {
      const busy = problem.status === 429 || problem.status === 503;
      if (!busy || tries === MOST_TRIES || options.patient === false) {
        waiting.tell(null);
        throw problem;
      }
      for (let left = Math.min(problem.wait ?? 2 ** Math.min(tries, 5), 60); left > 0; left -= 1) {
        waiting.tell(left);
        await pause(Math.min(left, 1), options.signal);
      }
    }
  }
}

const json = async (path, options) => (await ask(path, options)).json();
const post = (path, value, signal) =>
  json(path, { method: "POST", body: JSON.stringify(value), signal, headers: { "Idempotency-Key": changeKey() } });
const name = encodeURIComponent;

/** Query parameters; those of lists are repeated, those without a value left out. */
function parameters(values) {
  const pairs = Object.entries(values).flatMap(([key, value]) => [value].flat().map((each) => [key, each]));
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const caller = () => json("v1/caller", { patient: false });
export const gallery = () => json("v1/gallery", { patient: false });
export const understand = (words, signal) =>
  json("v1/descriptions", { method: "POST", body: JSON.stringify({ words }), signal });
export const tracks = (which) => json(`v1/tracks${parameters(which)}`);
export const search = (question, signal) => post("v1/searches", question, signal);
export const results = (token, after = null) => json(`v1/searches/${name(token)}${parameters({ after })}`);
export const decide = (decision) => post("v1/decisions", decision);
export const caseOf = (id) => json(`v1/cases/${name(id)}`);
export const crops = (which) => json(`v1/crops${parameters(which)}`);
export const audit = (after) => json(`v1/audit${parameters({ newest_first: true, after, limit: 500 })}`);
export const verification = (head) => json(`v1/audit/verification${parameters({ head })}`);

/** Erases for good. Gives the receipt, and the very file of it: its hash is that of these numbers as they are written. */
export async function erase(which, changeKey) {
  const headers = { "Idempotency-Key": changeKey };
  const response = await ask(`v1/crops${parameters(which)}`, { method: "DELETE", headers });
  const file = await response.blob();
  return { file, told: JSON.parse(await file.text()) };
}

export const exported = (id, format) => ask(`v1/cases/${name(id)}/export${parameters({ format })}`);

/** The events of a stream (server-sent events, read by fetch: an EventSource could send no key), as [kind, value]. */
export async function* reasons(token, signal, track = null) {
  const path = `v1/searches/${name(token)}/reasons${parameters({ track })}`;
  const response = await ask(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    held += (value ?? "").replaceAll("\r", "");
    const blocks = held.split("\n\n");
    held = done ? "" : blocks.pop();
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
    if (done) return;
  }
}

function eventOf(block) {
  let kind = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") kind = value;
    else if (field === "data") data.push(value);
  }
  return data.length ? [kind, JSON.parse(data.join("\n"))] : null;
}

// Pictures need the key too, so an address in an <img> would not do. Each is fetched once and kept for the page's life.
const pictures = new Map();
const waitingPictures = [];
let running = 0;
const AT_ONCE = 4;

/** A local address of a picture of the gallery. */
export function picture(path) {
  if (!pictures.has(path)) {
    const made = new Promise((resolve, reject) => waitingPictures.push({ path, resolve, reject }));
    made.catch(() => pictures.delete(path));
    pictures.set(path, made);
    nextPicture();
  }
  return pictures.get(path);
}

/** Forgets pictures that may be other ones by now, or erased; `which` says of a path whether it is one of these. */
export function forgetPictures(which) {
  for (const [path, made] of pictures) {
    if (!which(path)) continue;
    pictures.delete(path);
    made.then(URL.revokeObjectURL, () => {});
  }
}

/** A picture as it was given to search with. */
export const pictureFile = async (path) => (await ask(path.replace(/^\//, ""))).blob();

async function nextPicture() {
  if (running >= AT_ONCE || !waitingPictures.length) return;
  running += 1;
  const { path, resolve, reject } = waitingPictures.shift();
  try {
    const response = await ask(path.replace(/^\//, ""));
    resolve(URL.createObjectURL(await response.blob()));
  } catch (problem) {
    reject(problem);
  } finally {
    running -= 1;
    nextPicture();
  }
}
