// What tabs do.
import { open } from "lodis";
import { key, must, pause, timed, VALUE } from "../store/writing.mjs";

/** As long as a small request of Lodis's. */
const MESSAGE_LEN = 90;
const COUNTER = "counter";
const NOTHING = "nothing";
let redis;
let channel;
let counting;
const granted = {};

const now = () => performance.timeOrigin + performance.now();

/** Waits for `is` without giving the others time off. */
async function until(is, what) {
  for (const end = now() + 30_000; !is(); await pause(0)) must(now() < end, `waited for ${what}`);
}

function isThere(name, value) {
  try {
    return redis.sync.get(name) === value;
  } catch {
    return false; // there is no copy yet
  }
}

/** Answers every message of the bare channel, or listens only. */
function listen(answers) {
  channel ??= new BroadcastChannel("bare");
  channel.onmessage = ({ data }) => {
    if (answers && data[0] === 1) channel.postMessage(answer);
  };
}
const question = new Uint8Array(MESSAGE_LEN).fill(1);
const answer = new Uint8Array(MESSAGE_LEN).fill(2);

/** Asks so many times at once; resolves when all have been answered. */
function ask(times) {
  return new Promise((resolve) => {
    let left = times;
    channel.onmessage = ({ data }) => {
      if (data[0] === 2 && --left === 0) resolve();
    };
    for (let i = 0; i < times; i++) channel.postMessage(question);
  });
}

async function each(count, work) {
  const samples = [];
  for (let i = 0; i < count; i++) samples.push((await timed(work))[0]);
  return samples;
}

const increments = (count) => Promise.all(Array.from({ length: count }, () => redis.incr(COUNTER)));

function pipelined(count) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < count; i++) pipeline.incr(COUNTER);
  return pipeline.exec();
}

const WAYS = {
  message: (count) => each(count, () => ask(1)),
  messages: async (count) => [(await timed(() => ask(count)))[0] / count],
  awaited: (count) => each(count, () => redis.incr(COUNTER)),
  pipelined: async (count) => [(await timed(() => pipelined(count)))[0] / count],
  together: async (count) => [(await timed(() => increments(count)))[0] / count],
};

globalThis.bench = {
  now,

  async join(name, options, role) {
    redis = await open(name, options);
    must(redis.role === role, `the tab is ${redis.role}, not ${role}`);
  },

  listen,

  /** Milliseconds each time, or for each of those that are asked for at once. */
  ask: (way, count) => WAYS[way](count),

  count: async () => Number(await redis.get(COUNTER)),

  /** Sets so many keys, in tasks of a thousand; answers the milliseconds until others have all of them. */
  async replicate(count, token, copies) {
    const had = new Promise((resolve) => {
      let left = copies;
      channel.onmessage = () => --left === 0 && resolve();
    });
    const [ms] = await timed(async () => {
      for (let i = 0; i < count; i += 1000) {
        const size = Math.min(1000, count - i);
        await Promise.all(Array.from({ length: size }, (_, j) => redis.set(key(i + j), VALUE)));
      }
      await redis.set("end", token);
      await had;
    });
    return ms;
  },

  /** Waits until the copy has what `replicate` writes, and says so. */
  async receive(count, token) {
    await until(() => isThere("end", token), "the copy");
    channel.postMessage("here");
    must(redis.sync.dbsize() === count + 1, `${redis.sync.dbsize()} keys in the copy`);
  },

  /** Holds a bare lock, or waits for it. */
  async hold() {
    await new Promise((held) => {
      navigator.locks.request("bare", () => {
        held();
        return new Promise(() => {});
      });
    });
  },
  wait() {
    granted.at = undefined;
    navigator.locks.request("bare", () => {
      granted.at = now();
    });
  },
  async fill(count) {
    for (let i = 0; i < count; i += 1000) {
      const pipeline = redis.pipeline();
      for (let j = i; j < Math.min(count, i + 1000); j++) pipeline.set(key(j), VALUE);
      await pipeline.exec();
    }
    while (redis.persistence.state === "pending") await pause(20);
  },

  /** Writes one after the other, in a store with something in it or in an empty one. */
  write(isEmpty) {
    const calls = [];
    const stop = { is: false };
    const work = async () => {
      while (!stop.is) {
        const begun = now();
        await (isEmpty ? redis.del(NOTHING) : redis.incr(COUNTER));
        calls.push([begun, now()]);
        await pause(1);
      }
    };
    counting = { calls, stop, done: work() };
  },

  /** How many were answered. */
  written: () => counting.calls.length,

  /** When the one was answered that was the last to begin before the bare lock was this tab's, and when that was. */
  async stopped() {
    counting.stop.is = true;
    await counting.done;
    const { calls } = counting;
    const [, answered] = calls.findLast(([begun]) => begun <= granted.at);
    return { answered, granted: granted.at, calls: calls.length };
  },

  close: () => redis.close(),

  /** Milliseconds from open() until the copy can be read. */
  async joinTimed(name, options, count, role) {
    const [ms] = await timed(async () => {
      redis = await open(name, options);
      await until(() => isThere(key(count - 1), VALUE), "the copy");
    });
    must(redis.role === role, `the tab is ${redis.role}, not ${role}`);
    must(redis.sync.dbsize() === count, `${redis.sync.dbsize()} keys in the copy`);
    return ms;
  },
};
