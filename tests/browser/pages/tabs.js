// A page that shares a name with others, and does in it what a test asks for: `globalThis.tab`.
import { open } from "/index.js";
import { patternJobs } from "./patterns-jobs.js";
import { jobs } from "./tabs-jobs.js";

const { id, name, options } = JSON.parse(decodeURIComponent(location.search.slice(1)));
/** What is asked of `redis` and not answered, and since when. */
const pending = new Set();
/** What the job that runs has to say. */
const told = { progress: 0 };
const heard = [];
/** What was read since it was told of last, and what was told. */
const cache = new Map();
const invalidated = [];
const monitored = [];
const stops = new Map();
const shown = [];
const problems = [];
let [redis, running, failure] = [];

/** Notes that an answer is waited for; `what` says to what. */
function ask(what, answer) {
  const entry = { what, since: performance.now() };
  pending.add(entry);
  return answer.finally(() => pending.delete(entry));
}

const textOf = (error) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

globalThis.tab = {
  /** Begins a job; `look` tells how it goes. */
  start(job, settings) {
    Object.assign(told, { progress: 0 });
    [running, failure] = [true, undefined];
    ({ ...jobs, ...patternJobs })[job]({ redis, ask, id, told }, settings).then(
      () => (running = false),
      (error) => ([running, failure] = [false, textOf(error)]),
    );
  },
  /** The job, and how long an answer has been waited for at most, in milliseconds. */
  look() {
    let [waiting, oldest] = [0, ""];
    for (const { what, since } of pending) {
      const ms = performance.now() - since;
      if (ms > waiting) [waiting, oldest] = [ms, what];
    }
    return { role: redis.role, running, failure, waiting, oldest, ...told };
  },
  stop() {
    told.isStopped = true;
  },
  /** Any command; an error is answered as its text. */
  run: (...words) => ask(words.join(" "), redis.call(...words)).catch(textOf),
  /** Any command, of what this tab has, now. */
  sync(...words) {
    try {
      return redis.sync.call(...words);
    } catch (error) {
      return textOf(error);
    }
  },
  /** Begins a command that is answered later: `later` tells. */
  begin(...words) {
    told.later = undefined;
    ask(words.join(" "), redis.call(...words)).then(
      (reply) => (told.later = { reply }),
      (error) => (told.later = { error: textOf(error) }),
    );
  },
  /** Several commands in one transaction. */
  transact(...commands) {
    const multi = redis.multi();
    for (const words of commands) multi.call(...words);
    return ask("EXEC", multi.exec()).catch(textOf);
  },
  async subscribe(kind, ...names) {
    const listen = { channel: "subscribe", pattern: "pSubscribe", shard: "sSubscribe" }[kind];
    const listener = (message, channel) => heard.push([kind, channel, message]);
    stops.set(`${kind} ${names}`, await ask(`${kind} ${names}`, redis[listen](names, listener)));
  },
  unsubscribe: (kind, ...names) => ask(`not ${kind} ${names}`, stops.get(`${kind} ${names}`)()),
  heard: () => heard,
  monitor: async () => void stops.set("monitor", await ask("MONITOR", redis.monitor((line) => monitored.push(line)))),
  unmonitor: () => ask("MONITOR OFF", stops.get("monitor")()),
  monitored: () => monitored,
  /** Keeps what is read from now on, as long as nothing else is told. */
  async track() {
    redis.on("invalidate", (keys) => {
      invalidated.push(keys);
      if (keys) for (const key of keys) cache.delete(key);
      else cache.clear();
    });
    return ask("CLIENT TRACKING", redis.clientTracking("ON"));
  },
  async read(key) {
    if (!cache.has(key)) cache.set(key, await ask(`GET ${key}`, redis.get(key)));
    return cache.get(key);
  },
  cached: () => [...cache],
  invalidated: () => invalidated,
  /** What has become of the page: `pagehide`, `pageshow` with whether it was kept, `freeze`, `resume`. */
  shown: () => shown,
  /** What nobody has caught, and what went wrong with the store. */
  problems: () => problems,
  /** Keeps the thread busy. */
  block(ms) {
    setTimeout(() => {
      for (const until = performance.now() + ms; performance.now() < until; );
    });
  },
  close: () => redis.close(),
};

for (const type of ["pagehide", "pageshow"]) {
  addEventListener(type, ({ persisted }) => shown.push(`${type} ${persisted ? "kept" : "not kept"}`));
}
for (const type of ["freeze", "resume"]) document.addEventListener(type, () => shown.push(type));

addEventListener("error", ({ message }) => problems.push(message));
addEventListener("unhandledrejection", ({ reason }) => problems.push(textOf(reason)));

try {
  redis = await open(name, options);
  redis.on("error", (error) => problems.push(textOf(error)));
  globalThis.opened = true;
} catch (error) {
  globalThis.opened = textOf(error);
}
