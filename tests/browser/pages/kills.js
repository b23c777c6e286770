// A page that writes numbered steps into a store as fast as it can, to be killed while it does.
//
// Step after step is a function of its number and a seed. Steps with odd numbers are transactions that
// set `n` to the number, the others single commands. What a store must hold after so many steps, an
// instance in memory shows that took the same steps.
import { open } from "/index.js";

/** So many keys are there from the first step on, so that a rewrite takes its time. */
const FILLING = 20_000;
/** So many steps may wait to be acknowledged. */
const WINDOW = 300;
const REWRITE_EVERY = 500;
const FAR = 4_000_000_000_000;

/** Numbers below a bound, the same ones for the same seed. */
function random(seed) {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) % bound;
  };
}

/** Commands of every type, some of which change nothing, or delete. */
const COMMANDS = [
  (n, to) => ["SET", `string:${to(50)}`, `${n}:${"x".repeat(to(10) ? to(60) : to(60_000))}`],
  (n, to) => ["SET", `fill:${to(FILLING)}`, `${n}`, "PXAT", `${FAR + n}`],
  (n, to) => ["APPEND", `text:${to(5)}`, `${n},`],
  (_, to) => ["INCRBY", `number:${to(5)}`, `${to(1000)}`],
  (n, to) => ["PEXPIREAT", `string:${to(50)}`, `${FAR + n}`],
  (_, to) => ["PERSIST", `string:${to(50)}`],
  (_, to) => ["DEL", `string:${to(50)}`, `text:${to(5)}`],
  (_, to) => ["UNLINK", `${["list", "set", "hash", "zset", "stream"][to(5)]}:${to(100)}`],
  (_, to) => ["RENAME", `fill:${to(FILLING)}`, `fill:${to(FILLING)}`],
  (_, to) => ["COPY", `set:${to(5)}`, `set:${to(5)}`, "REPLACE"],
  (n, to) => ["RPUSH", `list:${to(5)}`, `${n}`, "x".repeat(to(100))],
  (_, to) => ["LPOP", `list:${to(5)}`, `${1 + to(3)}`],
  (_, to) => ["LTRIM", `list:${to(5)}`, "-500", "-1"],
  (n, to) => ["SADD", `set:${to(5)}`, `${to(2) ? n : `m${to(1000)}`}`],
  (_, to) => ["SREM", `set:${to(5)}`, `m${to(1000)}`],
  (n, to) => ["HSET", `hash:${to(5)}`, `f${to(700)}`, `${n}`],
  (n, to) => ["HPEXPIREAT", `hash:${to(5)}`, `${FAR + n}`, "FIELDS", "1", `f${to(700)}`],
  (_, to) => ["HDEL", `hash:${to(5)}`, `f${to(700)}`],
  (n, to) => ["ZADD", `zset:${to(5)}`, `${n / 4}`, `m${to(700)}`],
  (_, to) => ["ZPOPMIN", `zset:${to(5)}`],
  (n, to) => ["XADD", `stream:${to(5)}`, "MAXLEN", "300", "*", "n", `${n}`],
  (n, to) => ["SETRANGE", `large`, `${to(300_000)}`, `${n}`],
];

/** What step `n` does. */
function step(seed, n) {
  const to = random(seed * 1_000_003 + n);
  if (n === 1) {
    const fill = Array.from({ length: FILLING }, (_, i) => ["SET", `fill:${i}`, `value ${i}`]);
    return { isTransaction: true, commands: [["SET", "n", "1"], ...fill] };
  }
  const command = () => {
    const words = COMMANDS[to(COMMANDS.length)](n, to);
    // An id that does not depend on the clock, and grows.
    return words[0] === "XADD" ? words.map((word) => (word === "*" ? `${n}-*` : word)) : words;
  };
  if (n % 2 === 0) return { isTransaction: false, commands: [command()] };
  const commands = Array.from({ length: 1 + to(5) }, command);
  // The number comes somewhere in the middle: what is before it and after it belong together.
  commands.splice(to(commands.length + 1), 0, ["SET", "n", `${n}`]);
  return { isTransaction: true, commands };
}

/** Takes a step; what a command of it answers, an error too, is not looked at here. */
function take(redis, seed, n) {
  const { isTransaction, commands } = step(seed, n);
  const batch = isTransaction ? redis.multi() : redis.pipeline();
  for (const words of commands) batch.call(...words);
  return batch.exec();
}

const READS = {
  string: [["GET"]],
  list: [["LRANGE", "0", "-1"]],
  set: [["SMEMBERS"]],
  hash: [["HGETALL"]],
  zset: [["ZRANGE", "0", "-1", "WITHSCORES"]],
  stream: [["XRANGE", "-", "+"], ["XINFO STREAM"]],
};

const sorted = (value) => (Array.isArray(value) ? value.toSorted() : value);

/** Every key with all that can be read of it. */
async function stateOf(redis) {
  const keys = (await redis.keys("*")).sort();
  const asking = redis.pipeline();
  for (const key of keys) asking.type(key).pexpiretime(key);
  const about = await asking.exec();
  const reading = redis.pipeline();
  const counts = keys.map((key, i) => {
    const type = about[i * 2];
    for (const [command, ...words] of READS[type]) {
      const [name, ...sub] = command.split(" ");
      reading.call(name, ...sub, key, ...words);
    }
    return READS[type].length;
  });
  const values = await reading.exec();
  const state = new Map();
  let at = 0;
  for (const [i, key] of keys.entries()) {
    const [type, expires] = about.slice(i * 2, i * 2 + 2);
    let read = values.slice(at, (at += counts[i]));
    if (type === "set") read = sorted(read[0]);
    if (type === "hash") {
      const fields = Object.keys(read[0]).sort();
      const times = await redis.call("HPEXPIRETIME", key, "FIELDS", fields.length, ...fields);
      read = fields.map((field, j) => [field, read[0][field], times[j]]);
    }
    if (type === "stream") {
      // How it is laid out in memory may differ.
      const { "radix-tree-keys": _keys, "radix-tree-nodes": _nodes, ...info } = read[1];
      read = [read[0], info];
    }
    state.set(key, JSON.stringify([type, expires, read]));
  }
  return state;
}

/** The first key in which two states differ. */
function difference(found, wanted) {
  for (const key of new Set([...found.keys(), ...wanted.keys()])) {
    const [is, should] = [found.get(key), wanted.get(key)];
    if (is !== should) return `${key} is ${`${is}`.slice(0, 300)}, not ${`${should}`.slice(0, 300)}`;
  }
  return undefined;
}

/** After how many steps the store is; throws if it is as after no number of whole steps in order. */
async function stepsIn(redis, seed) {
  const n = Number(await redis.get("n"));
  const found = await stateOf(redis);
  const model = await open("model", { store: "memory" });
  for (let i = 1; i <= n; i++) {
    const done = take(model, seed, i);
    if (i % 1000 === 0) await done;
  }
  const without = difference(found, await stateOf(model));
  await take(model, seed, n + 1);
  const withNext = n > 0 && difference(found, await stateOf(model));
  await model.close();
  // The step after a transaction has no number; it may also have changed nothing.
  if (withNext === undefined) return n + 1;
  if (without === undefined) return n;
  throw new Error(`not as after ${n} steps: ${without}; nor as after one more: ${withNext}`);
}

const isRewriting = (redis) => redis.sync.info("persistence").includes("aof_rewrite_in_progress:1");
const nextTask = () => new Promise((resolve) => setTimeout(resolve));

/**
 * Opens the store, says what is in it, and writes on until the page ends. `tell` gets `{ steps,
 * baseSize }` once, then `{ acknowledged, isRewriting }` again and again.
 */
globalThis.run = async (name, seed, appendfsync) => {
  const redis = await open(name, { appendfsync });
  let n = await stepsIn(redis, seed);
  const baseSize = Number(/aof_base_size:(\d+)/.exec(await redis.info("persistence"))[1]);
  tell({ steps: n, baseSize });

  let acknowledged = n;
  let isTold = true;
  const acknowledge = (steps) => {
    acknowledged = Math.max(acknowledged, steps);
    if (!isTold) return;
    isTold = false;
    queueMicrotask(() => {
      isTold = true;
      tell({ acknowledged, isRewriting: isRewriting(redis) });
    });
  };
  // A step that changes nothing waits for nothing, so that it may overtake others.
  const settled = new Set();
  const settle = (number) => {
    settled.add(number);
    let reached = acknowledged;
    while (settled.delete(reached + 1)) reached++;
    if (reached > acknowledged) acknowledge(reached);
  };
  // Everything written so far is stored.
  redis.on("saved", () => acknowledge(n));
  const stored = async () => {
    const reached = n;
    if (to(2)) await redis.waitaof(1, 0, 0).then(() => acknowledge(reached));
    else while (acknowledged < reached) await nextTask();
  };
  const to = random(seed ^ n);
  for (;;) {
    for (let burst = 1 + to(WINDOW); burst > 0; burst--) {
      const number = ++n;
      const done = take(redis, seed, number);
      if (appendfsync === "always") done.then(() => settle(number));
      if (number % REWRITE_EVERY === 0 && !isRewriting(redis)) await redis.bgrewriteaof();
    }
    if (appendfsync === "always" ? n - acknowledged > WINDOW : to(20) === 0) await stored();
    else await nextTask();
  }
};
