// The work, the same for every subject. A workload has
// - `name`, and `group`, which it is compared in,
// - `fill(commands)`: what is there before,
// - `run(commands)`: makes the function that is measured, of the number of the call,
// - `check(reply)`: whether a reply is the right one,
// - `ops`: how many commands a call is.

const ASCII = "0123456789abcdef";
const OTHER = "Zürich ♥ 東京, ";

/** Text of so many UTF-16 units. */
const text = (length, alphabet = ASCII) => alphabet.repeat(Math.ceil(length / alphabet.length)).slice(0, length);

/** Keys of 16 bytes. */
const keys = (count, prefix = "key:") =>
  Array.from({ length: count }, (_, i) => prefix + String(i).padStart(16 - prefix.length, "0"));

const MANY = keys(10_000);
/** A number that visits every index below a power of two, in no order that a cache would like. */
const shuffled = (i, mask) => Math.imul(i, 0x9e3779b1) >>> 7 & mask;

async function setAll(commands, names, value) {
  for (const name of names) await commands.set(name, value);
}

function strings(name, value) {
  const hot = MANY.slice(0, 128);
  // No more than 16 MB of values.
  const cold = Math.min(8192, 2 ** Math.floor(Math.log2(2 ** 24 / value.length)));
  return [
    {
      group: "string",
      name: `GET, ${name}, hot`,
      fill: (commands) => setAll(commands, hot, value),
      run: (commands) => (i) => commands.get(hot[i & 127]),
      check: (reply) => reply === value,
    },
    {
      group: "string",
      name: `GET, ${name}, just written`,
      fill: (commands) => setAll(commands, hot, value),
      // What has been written since is nobody's cache's.
      before: async (commands) => setAll(commands, MANY.slice(0, cold), value),
      run: (commands) => (i) => commands.get(MANY[i & (cold - 1)]),
      calls: cold,
      check: (reply) => reply === value,
    },
    {
      group: "string",
      name: `SET, ${name}`,
      fill: (commands) => setAll(commands, MANY.slice(0, cold), value),
      run: (commands) => (i) => commands.set(MANY[shuffled(i, cold - 1)], value),
      check: (reply) => reply === "OK",
    },
  ];
}

function sortedSets(size) {
  const members = Array.from({ length: size }, (_, i) => `member:${i}`);
  const mask = 2 ** Math.floor(Math.log2(size)) - 1;
  const label = size.toLocaleString("en-US");
  const fill = async (commands) => {
    for (let i = 0; i < size; i++) await commands.zadd("zset", shuffled(i, 0xffff), members[i]);
  };
  const of = (name, run, check) => ({ group: `sorted set of ${label}`, name: `${name}, ${label} members`, fill, run, check });
  return [
    of("ZADD", (c) => (i) => c.zadd("zset", i & 0xffff, members[shuffled(i, mask)]), (reply) => reply === 0),
    of("ZINCRBY", (c) => (i) => c.zincrby("zset", 1, members[shuffled(i, mask)]), (reply) => Number(reply) > 0),
    of("ZRANGE 0 9", (c) => () => c.zrange("zset", 0, 9), (reply) => reply.length === 10),
    of("ZREVRANK", (c) => (i) => c.zrevrank("zset", members[shuffled(i, mask)]), (reply) => reply >= 0 && reply < size),
  ];
}

function list(length) {
  const elements = Array.from({ length }, (_, i) => `element:${i}`);
  return {
    group: "list",
    name: `LPUSH and RPOP, ${length.toLocaleString("en-US")} elements`,
    ops: 2,
    fill: async (c) => {
      for (let i = 0; i < length; i += 1000) await c.lpush("list", elements.slice(i, i + 1000));
    },
    run: (c) => (i) => (c.lpush("list", elements[i % length]), c.rpop("list")),
    check: (reply) => reply.startsWith("element:"),
  };
}

const FIELDS = Array.from({ length: 1000 }, (_, i) => `field:${i}`);
const fillHash = (fields) => async (commands) => {
  for (const field of fields) await commands.hset("hash", field, text(32));
};

function pipelines(length) {
  const value = text(32);
  const names = MANY.slice(0, length);
  const of = (name, list, check) => ({
    group: "pipeline",
    name: `pipeline of ${length.toLocaleString("en-US")} ${name}`,
    ops: length,
    fill: (commands) => setAll(commands, names, value),
    run: (commands) => () => commands.pipeline(list),
    check: (reply) => reply.length === length && check(reply[length - 1]),
  });
  return [
    of("GET", names.map((name) => ["get", name]), (reply) => reply === value),
    of("SET", names.map((name) => ["set", name, value]), (reply) => reply === "OK"),
  ];
}

/** All of them; `isShort`: with collections that are made at once. */
export const workloads = (isShort) => [
  ...strings("32 B", text(32)),
  ...strings("32 B not ASCII", text(20, OTHER)),
  ...strings("1 KB", text(1024)),
  ...strings("64 KB", text(65_536)),
  {
    group: "string",
    name: "INCR",
    fill: async () => {},
    run: (c) => (i) => c.incr(MANY[i & 127]),
    check: (reply) => reply > 0,
  },
  {
    group: "hash",
    name: "HSET, 1,000 fields",
    fill: fillHash(FIELDS),
    run: (c) => (i) => c.hset("hash", FIELDS[i % 1000], text(32)),
    check: (reply) => reply === 0,
  },
  {
    group: "hash",
    name: "HGET, 1,000 fields",
    fill: fillHash(FIELDS),
    run: (c) => (i) => c.hget("hash", FIELDS[i % 1000]),
    check: (reply) => reply === text(32),
  },
  {
    group: "hash",
    name: "HGETALL, 20 fields",
    fill: fillHash(FIELDS.slice(0, 20)),
    run: (c) => () => c.hgetall("hash"),
    check: (reply) => Object.keys(reply).length === 20 && reply["field:7"] === text(32),
  },
  list(1000),
  list(isShort ? 2000 : 100_000),
  {
    group: "set",
    name: "SADD, 1,024 members",
    fill: async () => {},
    run: (c) => (i) => c.sadd("set", MANY[shuffled(i, 1023)]),
    check: (reply) => reply === 0 || reply === 1,
  },
  {
    group: "set",
    name: "SISMEMBER, 1,024 members",
    fill: async (c) => {
      for (const name of MANY.slice(0, 1024)) await c.sadd("set", name);
    },
    run: (c) => (i) => c.sismember("set", MANY[shuffled(i, 1023)]),
    check: (reply) => reply === 1,
  },
  ...sortedSets(1000),
  ...sortedSets(isShort ? 2000 : 100_000),
  {
    group: "stream",
    name: "XADD and XRANGE of 10",
    ops: 2,
    fill: async (c) => {
      for (let i = 0; i < 1000; i++) await c.xadd("stream", "field", `value:${i}`);
    },
    run: (c) => (i) => (c.xadd("stream", "field", `value:${i}`), c.xrange("stream", 10)),
    check: (reply) => reply.length === 10,
  },
  {
    group: "pipeline",
    name: "rate limiter with a sliding window, pipeline of 4",
    ops: 4,
    fill: async () => {},
    run: (c) => (i) => {
      const [key, now] = [MANY[i & 127], 1_700_000_000_000 + i];
      return c.pipeline([
        ["zremrangebyscore", key, 0, now - 10_000],
        ["zadd", key, now, `${now}`],
        ["zcard", key],
        ["expire", key, 10],
      ]);
    },
    check: (reply) => reply.length === 4 && reply[2] > 0,
  },
  ...pipelines(1),
  ...pipelines(10),
  ...pipelines(1000),
  {
    group: "durable",
    name: "durable SET, one by one",
    fill: async () => {},
    run: (c) => (i) => c.put(MANY[i & 1023], text(32)),
    check: (reply) => reply === "OK",
  },
  {
    group: "durable",
    name: "durable SET, 1,000 at once",
    ops: 1000,
    fill: async () => {},
    run: (c) => () => c.putMany(MANY.slice(0, 1000).map((key) => [key, text(32)])),
    check: (reply) => reply.length === 1000,
  },
];
