// What becomes of writes of two that know nothing of each other, by kinds of commands, as the README has it.
import type { Redis as IoRedis } from "ioredis";
import { open, type Redis, type RefusedCommand, type Upstream } from "lodis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { Line, online, type RunningBridge, Socket20, startBridge, TOKEN, until } from "./upstreaming.js";

let real: RealRedis;
let server: IoRedis;
let bridge: RunningBridge;
const lines: Line[] = [];
let sides: { redis: Redis; upstream: Upstream; line: Line; refused: RefusedCommand[] }[] = [];

beforeAll(async () => {
  real = await startRealRedis(await newDirectory());
  server = real.client;
  bridge = await startBridge(`redis://127.0.0.1:${server.options.port}`);
  for (let side = 0; side < 2; side++) lines.push(await Line.to(bridge.port));
}, 60_000);
afterAll(async () => {
  await Promise.all(lines.map((line) => line.close()));
  await bridge.stop();
  await real.stop();
});
beforeEach(() => server.flushall());
afterEach(async () => {
  await Promise.all(sides.splice(0).map(({ redis }) => redis.close()));
});

type Words = [string, ...string[]];
const words = (line: string): Words => line.split(" ") as Words;

/** Two that have what `before` has made upstream. */
async function begins(before: readonly string[]): Promise<void> {
  for (const line of before) await server.call(...words(line));
  for (const line of lines) {
    line.up();
    const redis = await open("side", { store: "memory" });
    const refused: RefusedCommand[] = [];
    const upstream = await redis.upstream({
      url: `ws://127.0.0.1:${line.port}`,
      token: TOKEN,
      prefix: "a:",
      WebSocket: Socket20,
      maxBackoffMs: 50,
    });
    upstream.on("refused", (command) => refused.push(command));
    await online(upstream);
    sides.push({ redis, upstream, line, refused });
  }
  await areSame();
}

/** Waits until both have what upstream has. */
async function areSame(): Promise<void> {
  const isSame = async (): Promise<boolean> => {
    const there = await found((...words) => server.call(...words));
    const here = await Promise.all(sides.map(({ redis }) => found((...words) => redis.call(...words))));
    return here.every((each) => each === there);
  };
  await until(isSame, "all have the same");
}

/** What there is of the prefix, at one of them. */
async function found(call: (...words: Words) => Promise<unknown>): Promise<string> {
  const keys = ((await call("KEYS", "a:*")) as string[]).filter((key) => !key.includes("__lodis__")).sort();
  const digests = keys.length > 0 ? ((await call("DEBUG", "DIGEST-VALUE", ...keys)) as string[]) : [];
  return keys.map((key, i) => `${key} ${digests[i]}`).join("\n");
}

/** Both write while they know nothing of each other; the first one's writes arrive first. */
async function write(first: readonly string[], second: readonly string[]): Promise<void> {
  for (const { line } of sides) line.down();
  for (const [i, lines] of [first, second].entries()) {
    for (const line of lines) await sides[i]!.redis.call(...words(line));
  }
  for (const { line, upstream } of sides) {
    line.up();
    await upstream.flush();
  }
  await areSame();
}

/** A reply, of which RESP2 and RESP3 have different types. */
const said = (reply: unknown): string => JSON.stringify(reply, (_, value: unknown) => (typeof value === "number" ? String(value) : value));

interface Conflict {
  readonly before?: readonly string[];
  readonly first: readonly string[];
  readonly second: readonly string[];
  /** What a command then answers, upstream and at both. */
  readonly then: readonly [string, unknown][];
}

const KINDS: Record<string, Record<string, Conflict>> = {
  "operations merge": {
    INCR: { first: ["INCR a:n", "DECRBY a:n 3"], second: ["INCRBY a:n 10"], then: [["GET a:n", "8"]] },
    HINCRBY: { first: ["HINCRBY a:h f 1"], second: ["HINCRBY a:h f 2"], then: [["HGET a:h f", "3"]] },
    ZINCRBY: { first: ["ZINCRBY a:z 1 m"], second: ["ZINCRBY a:z 2 m"], then: [["ZSCORE a:z m", "3"]] },
    APPEND: { before: ["SET a:t x"], first: ["APPEND a:t 1"], second: ["APPEND a:t 2"], then: [["GET a:t", "x12"]] },
    SETRANGE: {
      before: ["SET a:t abc"],
      first: ["SETRANGE a:t 0 X"],
      second: ["SETRANGE a:t 2 Z"],
      then: [["GET a:t", "XbZ"]],
    },
    bits: {
      first: ["SETBIT a:b 1 1", "BITFIELD a:c INCRBY u8 0 5"],
      second: ["SETBIT a:b 2 1", "BITFIELD a:c INCRBY u8 0 6"],
      then: [["BITCOUNT a:b", 2], ["BITFIELD_RO a:c GET u8 0", [11]]],
    },
    PFADD: { first: ["PFADD a:p x y"], second: ["PFADD a:p z"], then: [["PFCOUNT a:p", 3]] },
    // What PFCOUNT has counted is noted in the value, which is no write of anybody's.
    "PFADD, and PFCOUNT": {
      first: ["PFADD a:p x y", "PFCOUNT a:p"],
      second: ["PFADD a:p z", "PFCOUNT a:p"],
      then: [["PFCOUNT a:p", 3]],
    },
  },
  "members, fields and ends": {
    sets: {
      before: ["SADD a:s k l"],
      first: ["SADD a:s m", "SREM a:s k"],
      second: ["SADD a:s n", "SREM a:s l"],
      then: [["SMISMEMBER a:s k l m n", [0, 0, 1, 1]]],
    },
    "fields: of one, the last": {
      first: ["HSET a:h one 1 both first"],
      second: ["HSET a:h two 2 both second"],
      then: [["HMGET a:h one two both", ["1", "2", "second"]]],
    },
    "scores: of one, the last": {
      first: ["ZADD a:z 1 x 1 both"],
      second: ["ZADD a:z 2 y 2 both"],
      then: [["ZMSCORE a:z x y both", ["1", "2", "2"]]],
    },
    "what is pushed": { first: ["LPUSH a:l 1"], second: ["LPUSH a:l 2"], then: [["LRANGE a:l 0 -1", ["2", "1"]]] },
    "what is popped: each takes one away": {
      before: ["RPUSH a:l 1 2 3"],
      first: ["LPOP a:l"],
      second: ["LPOP a:l"],
      then: [["LRANGE a:l 0 -1", ["3"]]],
    },
    "positions, as they are there": {
      before: ["RPUSH a:l 1 2 3"],
      first: ["LPUSH a:l 0"],
      second: ["LSET a:l 0 x"],
      then: [["LRANGE a:l 0 -1", ["x", "1", "2", "3"]]],
    },
    streams: { first: ["XADD a:x 1-1 f 1"], second: ["XADD a:x 2-1 f 2"], then: [["XLEN a:x", 2]] },
  },
  "what it came to": {
    SPOP: { before: ["SADD a:s x"], first: ["SPOP a:s"], second: ["SADD a:s y"], then: [["SMEMBERS a:s", ["y"]]] },
    INCRBYFLOAT: {
      before: ["SET a:f 1"],
      first: ["INCRBYFLOAT a:f 0.5"],
      second: ["INCRBYFLOAT a:f 2"],
      then: [["GET a:f", "3"]],
    },
    EXPIRE: {
      before: ["SET a:k v"],
      first: ["EXPIREAT a:k 4000000000"],
      second: ["EXPIREAT a:k 4100000000"],
      then: [["EXPIRETIME a:k", 4_100_000_000]],
    },
    "SET … NX, of which both are told that it is done: the last": {
      first: ["SET a:k first NX"],
      second: ["SET a:k second NX"],
      then: [["GET a:k", "second"]],
    },
    "SET … XX, GETDEL": {
      before: ["SET a:k v", "SET a:g v"],
      first: ["SET a:k first XX", "GETDEL a:g"],
      second: ["SET a:k second XX", "SET a:g second XX"],
      then: [["GET a:k", "second"], ["GET a:g", "second"]],
    },
  },
  "the last": {
    SET: { first: ["SET a:k 1"], second: ["MSET a:k 2 a:l 2"], then: [["MGET a:k a:l", ["2", "2"]]] },
    DEL: { before: ["SET a:k v"], first: ["SET a:k 1"], second: ["DEL a:k"], then: [["EXISTS a:k", 0]] },
    RENAME: {
      before: ["SET a:k v"],
      first: ["SET a:other 1"],
      second: ["RENAME a:k a:other"],
      then: [["MGET a:k a:other", [null, "v"]]],
    },
    SUNIONSTORE: {
      before: ["SADD a:s x", "SADD a:u y"],
      first: ["SADD a:d z", "SADD a:s late"],
      second: ["SUNIONSTORE a:d a:s a:u"],
      then: [["SMISMEMBER a:d x y z late", [1, 1, 0, 1]]],
    },
    "what has keys outside of the prefix": {
      before: ["SADD a:s x"],
      first: ["SADD a:s first"],
      second: ["SADD outside x2", "SMOVE outside a:s x2"],
      then: [["SMISMEMBER a:s x first x2", [1, 0, 1]]],
    },
    "commands that servers may not have": {
      before: ["SET a:k v"],
      first: ["APPEND a:k w"],
      second: ["MSETEX 2 a:k x a:l y KEEPTTL"],
      then: [["MGET a:k a:l", ["x", "y"]]],
    },
  },
  "the first": {
    SETNX: { first: ["SETNX a:k first"], second: ["SETNX a:k second"], then: [["GET a:k", "first"]] },
    HSETNX: { first: ["HSETNX a:h f first"], second: ["HSETNX a:h f second"], then: [["HGET a:h f", "first"]] },
    MSETNX: {
      first: ["MSETNX a:k first"],
      second: ["MSETNX a:k second a:l second"],
      then: [["MGET a:k a:l", ["first", null]]],
    },
    "RENAMENX and COPY": {
      before: ["SET a:k v", "SET a:l v"],
      first: ["SET a:m first", "SET a:n first"],
      second: ["RENAMENX a:k a:m", "COPY a:l a:n"],
      then: [["MGET a:k a:m a:n", ["v", "first", "first"]]],
    },
  },
};

for (const [kind, cases] of Object.entries(KINDS)) {
  describe(kind, () => {
    test.each(Object.entries(cases))("%s", async (_, { before = [], first, second, then }) => {
      await begins(before);
      await write(first, second);
      for (const [line, expected] of then) {
        expect(said(await server.call(...words(line))), `${line} upstream`).toBe(said(expected));
        for (const { redis } of sides) {
          await expect.poll(async () => said(await redis.call(...words(line))), { message: `${line} here` }).toBe(said(expected));
        }
      }
      for (const { refused } of sides) expect(refused).toEqual([]);
    });
  });
}
