// An upstream: a real redis-server, by a bridge that is a process of its own, over a line that breaks.
import { randomUUID } from "node:crypto";
import type { Redis as IoRedis } from "ioredis";
import { open, type Redis, type RefusedCommand, type Upstream, UpstreamError, type UpstreamOptions } from "lodis";
import { directory } from "lodis/stores/directory";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { Line, online, type RunningBridge, Socket20, startBridge, TOKEN, until } from "./upstreaming.js";

let real: RealRedis;
let server: IoRedis;
let bridge: RunningBridge;
let line: Line;
const opened: Redis[] = [];

beforeAll(async () => {
  real = await startRealRedis(await newDirectory());
  server = real.client;
  bridge = await startBridge(`redis://127.0.0.1:${server.options.port}`);
  line = await Line.to(bridge.port);
}, 60_000);

afterAll(async () => {
  await line.close();
  await bridge.stop();
  await real.stop();
});

beforeEach(async () => {
  await server.flushall();
  line.up();
  line.swallows = false;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((redis) => redis.close()));
});

async function opens(name = "upstream", options: Parameters<typeof open>[1] = { store: "memory" }): Promise<Redis> {
  const redis = await open(name, options);
  opened.push(redis);
  return redis;
}

const settings = (options: Partial<UpstreamOptions> = {}): UpstreamOptions => ({
  url: `ws://127.0.0.1:${line.port}`,
  token: TOKEN,
  prefix: "app:",
  WebSocket: Socket20,
  timeoutMs: 5000,
  maxBackoffMs: 300,
  ...options,
});

async function connected(redis: Redis, options: Partial<UpstreamOptions> = {}): Promise<Upstream> {
  const upstream = await redis.upstream(settings(options));
  await online(upstream);
  return upstream;
}

test("what is written goes upstream, and nothing else", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  await redis.set("app:text", "ü");
  await redis.set("other", "mine");
  await redis.set("app:bytes", Uint8Array.of(0, 255, 13, 10));
  await redis.multi().rPush("app:list", "a", "b").incrBy("app:n", 5).pExpireAt("app:n", 4_000_000_000_000).exec();
  await redis.hSet("app:hash", { a: 1, b: 2 });
  await redis.zAdd("app:z", 1.5, "m");
  await redis.xAdd("app:s", "*", { f: "v" });
  await redis.rename("other", "app:moved");
  await upstream.flush();
  expect(await server.get("app:text")).toBe("ü");
  expect(await server.getBuffer("app:bytes")).toEqual(Buffer.from([0, 255, 13, 10]));
  expect(await server.lrange("app:list", 0, -1)).toEqual(["a", "b"]);
  expect([await server.get("app:n"), await server.pexpiretime("app:n")]).toEqual(["5", 4_000_000_000_000]);
  expect(await server.hgetall("app:hash")).toEqual({ a: "1", b: "2" });
  expect(await server.zscore("app:z", "m")).toBe("1.5");
  expect(await server.xrange("app:s", "-", "+")).toEqual(Object.entries(await redis.xRange("app:s", "-", "+") as object).map(([, [id, fields]]) => [id, fields]));
  expect(await server.get("app:moved")).toBe("mine");
  expect(await server.exists("other")).toBe(0);
  expect([upstream.pending, upstream.state, upstream.sends]).toEqual([0, "online", true]);
});

test("what others change upstream comes here: values, times to go, deletions", async () => {
  await server.set("app:before", "1");
  await server.set("other", "theirs");
  const redis = await opens();
  await redis.set("app:mine", "before there was an upstream");
  const upstream = await connected(redis);
  await upstream.sync();
  expect(await redis.get("app:before")).toBe("1");
  // Upstream has the say about what was here before.
  expect(await redis.exists("app:mine", "other")).toBe(0);
  await server.multi().rpush("app:list", "a", "b").set("app:ttl", "v", "PXAT", 4_000_000_000_000).set("app:\xff", "name").exec();
  await until(async () => (await redis.exists("app:list", "app:ttl", "app:\xff")) === 3, "the keys");
  expect(await redis.lRange("app:list", 0, -1)).toEqual(["a", "b"]);
  expect(await redis.pExpireTime("app:ttl")).toBe(4_000_000_000_000);
  await server.del("app:list");
  await server.persist("app:ttl");
  await until(async () => (await redis.exists("app:list")) === 0 && (await redis.ttl("app:ttl")) === -1, "the deletion");
  await server.flushall();
  await until(async () => (await redis.dbSize()) === 0, "the flush");
  expect(upstream.state).toBe("online");
});

test("values of any size come, some at a time", async () => {
  const large = "x".repeat(700_000);
  for (let index = 0; index < 10; index++) await server.set(`app:large${index}`, large + index);
  await server.call("DEBUG", "POPULATE", "3000", "app:small", "20");
  const redis = await opens();
  const upstream = await connected(redis);
  await upstream.sync();
  expect(await redis.dbSize()).toBe(3010);
  for (let index = 0; index < 10; index++) expect(await redis.get(`app:large${index}`)).toBe(large + index);
  await server.unlink("app:small:7");
  await until(async () => (await redis.dbSize()) === 3009, "it is gone");
});

test("writes wait while it cannot be reached, and are done in order then", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  const states: string[] = [];
  upstream.on("state", (state) => states.push(state));
  line.down();
  await until(() => upstream.state === "offline", "offline");
  expect(upstream.error).toBeInstanceOf(UpstreamError);
  for (let index = 0; index < 500; index++) await redis.rPush("app:list", index);
  expect(await redis.lLen("app:list")).toBe(500);
  expect(await server.exists("app:list")).toBe(0);
  await until(() => upstream.pending === 500, "that is known");
  await server.incr("app:meanwhile");
  line.up();
  await upstream.flush();
  expect(await server.lrange("app:list", 0, -1)).toEqual(Array.from({ length: 500 }, (_, index) => `${index}`));
  await until(async () => (await redis.get("app:meanwhile")) === "1", "what was changed meanwhile");
  expect(states).toContain("connecting");
  expect(states.at(-1)).toBe("online");
});

test("each write is done once, however often connections break after the server has done it", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  let cuts = 0;
  upstream.on("state", (state) => {
    // The first thing that is sent is done, and the answer to it is lost.
    line.swallows = state === "online" && ++cuts % 3 !== 0;
  });
  line.swallows = true;
  let sum = 0;
  for (let round = 0; round < 30; round++) {
    const writes = Array.from({ length: 20 }, (_, index) => {
      sum += index;
      return Promise.all([redis.incrBy("app:sum", index), redis.rPush("app:order", round * 20 + index)]);
    });
    await Promise.all(writes);
    if (round % 7 === 3) line.cut();
    if (round % 7 === 6) await server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await new Promise((resolve) => setTimeout(resolve, 20 * (round % 4)));
  }
  await upstream.flush();
  expect(await server.get("app:sum")).toBe(String(sum));
  expect(await server.lrange("app:order", 0, -1)).toEqual(Array.from({ length: 600 }, (_, index) => `${index}`));
  expect(await redis.get("app:sum")).toBe(String(sum));
  expect(cuts).toBeGreaterThan(2);
}, 60_000);

test("an answer that was lost is asked for again: what was refused is told", async () => {
  await server.set("app:text", "no number");
  const redis = await opens();
  const upstream = await redis.upstream(settings());
  const refused: RefusedCommand[] = [];
  upstream.on("refused", (command) => refused.push(command));
  await online(upstream);
  await upstream.sync();
  line.down();
  await redis.del("app:text");
  await redis.incr("app:text");
  await redis.lPush("app:list", "x");
  // Somebody else makes it what it cannot be.
  await server.set("app:list", "a text");
  let onlines = 0;
  upstream.on("state", (state) => (line.swallows = state === "online" && ++onlines === 1));
  line.up();
  await upstream.flush();
  expect(onlines).toBe(2);
  expect(await server.get("app:text")).toBe("1");
  expect(refused.map(({ text, error }) => [text, error.code])).toEqual([[["LPUSH", "app:list", "x"], "WRONGTYPE"]]);
  await until(async () => (await redis.type("app:list")) === "string", "upstream has the say");
  expect(await redis.get("app:list")).toBe("a text");
});

test("after a refusal it stops, if it is told to, until it is told to go on", async () => {
  const redis = await opens();
  const upstream = await connected(redis, { onRefused: "stop" });
  await server.set("app:k", "text");
  await until(async () => (await redis.get("app:k")) === "text", "it is here");
  line.down();
  await redis.del("app:k");
  await redis.sAdd("app:k", "m");
  await upstream.close();
  // Done by nobody, as far as this one knows: the key is a text again when it comes.
  await server.set("app:k", "text");
  line.up();
  const again = await redis.upstream(settings({ onRefused: "stop" }));
  const refused: string[] = [];
  again.on("refused", ({ text }) => refused.push(text.join(" ")));
  await again.flush();
  expect(refused).toEqual([]);
  await server.set("app:k", "text");
  await until(async () => (await redis.type("app:k")) === "string", "it is here");
  line.down();
  await redis.set("app:k", "mine");
  await redis.append("app:k", "!");
  await redis.hSet("app:h", { a: 1 });
  await server.set("app:h", "text");
  line.up();
  await until(() => again.state === "refused", "it has stopped");
  expect(refused).toEqual(["HSET app:h a 1"]);
  expect(again.error?.code).toBe("WRONGTYPE");
  await redis.set("app:later", "x");
  await server.set("app:seen", "1");
  await until(async () => (await redis.get("app:seen")) === "1", "it goes on hearing");
  expect(await server.exists("app:later")).toBe(0);
  again.resume();
  await again.flush();
  expect(await server.get("app:later")).toBe("x");
  expect(again.state).toBe("online");
});

test("operations of two merge, the last SET wins, and both see the same", async () => {
  const [one, two] = [await opens("one"), await opens("two")];
  const [a, b] = [await connected(one), await connected(two)];
  line.down();
  for (let index = 0; index < 50; index++) {
    await one.incr("app:n");
    await two.incrBy("app:n", 10);
    await one.sAdd("app:set", `a${index}`);
    await two.sAdd("app:set", `b${index}`);
    await one.hSet("app:hash", { [`a${index}`]: index });
    await two.hSet("app:hash", { [`b${index}`]: index });
  }
  await Promise.all([one.set("app:text", "one"), two.set("app:text", "two")]);
  line.up();
  await Promise.all([a.flush(), b.flush()]);
  const text = await server.get("app:text");
  for (const redis of [one, two]) {
    await until(async () => (await redis.get("app:n")) === "550" && (await redis.get("app:text")) === text, "the same");
    expect([await redis.sCard("app:set"), await redis.hLen("app:hash")]).toEqual([100, 100]);
  }
  expect(await server.get("app:n")).toBe("550");
});

test("what waits survives the end of the process", async () => {
  const path = await newDirectory();
  const name = randomUUID();
  line.down();
  const first = await open(name, { store: directory(path), appendfsync: "always" });
  await first.upstream(settings());
  for (let index = 0; index < 20; index++) await first.incr("app:n");
  // A rewritten log has what waits in its base.
  await first.bgRewriteAof();
  await first.incr("app:n");
  await first.close();
  // While there is no upstream, writes are queued as well.
  const second = await open(name, { store: directory(path) });
  await second.incr("app:n");
  await second.close();
  line.up();
  const third = await opens(name, { store: directory(path) });
  const upstream = await connected(third);
  await upstream.flush();
  expect(await server.get("app:n")).toBe("22");
  expect(await third.get("app:n")).toBe("22");
  expect(await upstream.detach()).toBe(0);
  await third.incr("app:n");
  expect(await third.call("LODIS.UPSTREAM", "STATUS")).toBe(null);
});

test("a transaction that is open meanwhile is left alone", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  await redis.set("app:before", 1);
  await redis.call("MULTI");
  await redis.call("INCR", "app:n");
  await upstream.flush();
  await server.set("app:theirs", "x");
  line.cut();
  await until(() => upstream.state !== "online", "it is told");
  await online(upstream);
  await upstream.sync();
  expect(await redis.call("EXEC")).toEqual([1]);
  await upstream.flush();
  expect([await server.get("app:n"), await redis.get("app:theirs")]).toEqual(["1", "x"]);
});

test("a flush here is no flush there: what upstream has comes again", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  await redis.mSet({ "app:a": 1, "app:b": 2, mine: 3 });
  await upstream.flush();
  await redis.flushAll();
  await until(async () => (await redis.exists("app:a", "app:b")) === 2, "they come again");
  expect(await redis.exists("mine")).toBe(0);
  expect(await server.exists("app:a", "app:b")).toBe(2);
});

test("keys that expire here are not deleted there, and come back if somebody has kept them", async () => {
  const redis = await opens();
  const upstream = await connected(redis);
  do {
    line.up();
    await redis.set("app:k", "v", { PX: 500 });
    await upstream.flush();
    line.down();
    // It may be late, on a machine that is busy.
  } while ((await server.persist("app:k")) === 0);
  await until(async () => (await redis.exists("app:k")) === 0, "it has expired here");
  line.up();
  await until(async () => (await redis.ttl("app:k")) === -1, "it comes back");
  expect(await redis.get("app:k")).toBe("v");
  expect(await server.get("app:k")).toBe("v");
});

test("a full queue refuses writes to the prefix, and says so", async () => {
  const redis = await opens();
  line.down();
  const upstream = await redis.upstream(settings({ maxPendingBytes: 1024 }));
  const writes = async (): Promise<void> => {
    for (;;) await redis.append("app:k", "x".repeat(100));
  };
  await expect(writes()).rejects.toThrow("UPSTREAMFULL");
  await redis.set("other", "is not meant");
  line.up();
  await upstream.flush();
  await redis.append("app:k", "!");
  await upstream.flush();
  expect(await server.get("app:k")).toBe(await redis.get("app:k"));
});

describe("who may not", () => {
  test("a wrong token is refused, and tried again with another one", async () => {
    const redis = await opens();
    let token = "wrong";
    const upstream = await redis.upstream(settings({ token: async () => token, maxBackoffMs: 60_000 }));
    await redis.set("app:k", "v");
    await until(() => upstream.state === "refused", "refused");
    expect(upstream.error?.code).toBe("AUTH");
    token = TOKEN;
    upstream.resume();
    await upstream.flush();
    expect(await server.get("app:k")).toBe("v");
  });

  test("bad options are told at once", async () => {
    const redis = await opens();
    const bad: [object, string][] = [
      [{ url: "nonsense" }, "url is the address"],
      [{ url: "ftp://x" }, "url is one of http:"],
      [{ prefix: undefined }, "prefix is a string"],
      [{ database: -1 }, "database is a number from 0"],
      [{ maxPendingBytes: 1 }, "maxPendingBytes is a number from 1024"],
      [{ onRefused: "shrug" }, 'onRefused is "skip" or "stop"'],
      [{ token: 5 }, "token is a string"],
      [{ compareMs: 0.5 }, "compareMs is a number"],
    ];
    for (const [options, message] of bad) {
      const call = redis.upstream({ ...settings(), ...options } as UpstreamOptions);
      await expect(call, message).rejects.toThrow(message);
    }
    await expect(redis.upstream({ ...settings(), WebSocket: undefined as never })).rejects.toThrow(
      "WebSocket" in globalThis ? /./ : "there is no WebSocket here",
    );
    expect(await redis.call("LODIS.UPSTREAM", "STATUS")).toBe(null);
    await expect(redis.upstream(settings({ database: 99 }))).rejects.toThrow("DB index is out of range");
  });

  test("an upstream of another prefix has to wait for what waits", async () => {
    const redis = await opens();
    line.down();
    const upstream = await redis.upstream(settings());
    await redis.set("app:k", "v");
    const other = redis.upstream(settings({ prefix: "other:" }));
    await expect(other).rejects.toMatchObject({ name: "UpstreamError", code: "ELSEWHERE" });
    expect(await upstream.detach()).toBe(1);
    await (await redis.upstream(settings({ prefix: "other:" }))).close();
  });
});

test("closing lets go of everything, and what is under way is told", async () => {
  const redis = await opens();
  line.down();
  const end = new AbortController();
  const upstream = await redis.upstream(settings({ signal: end.signal }));
  await redis.set("app:k", "v");
  const flush = upstream.flush();
  flush.catch(() => {});
  await expect(upstream.flush({ signal: AbortSignal.timeout(20) })).rejects.toThrow("timeout");
  end.abort();
  await expect(flush).rejects.toMatchObject({ code: "CLOSED" });
  expect(upstream.state).toBe("closed");
  await upstream.close();
  await redis.set("app:k", "w");
  line.up();
  const again = await connected(redis);
  await again.flush();
  expect(await server.get("app:k")).toBe("w");
});

/** Random commands on both sides while connections break: in the end all have the same. */
test("random histories end the same everywhere", async () => {
  const seed = Number(process.env.LODIS_SEED ?? Date.now() % 1_000_000);
  let state = seed;
  const dice = (sides: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % sides;
  };
  const command = (): [string, ...string[]] => {
    const key = (kind: string): string => `app:${kind}${dice(4)}`;
    const forms: [string, ...string[]][] = [
      ["SET", key("text"), String(dice(1000))],
      ["INCRBY", key("n"), String(dice(10))],
      ["RPUSH", key("list"), String(dice(10))],
      ["LPOP", key("list")],
      ["SADD", key("set"), String(dice(20)), String(dice(20))],
      ["SPOP", key("set")],
      ["HSET", key("hash"), String(dice(9)), String(dice(9))],
      ["HINCRBY", key("hash"), "n", "1"],
      ["ZINCRBY", key("zset"), "1", String(dice(9))],
      ["DEL", key(["text", "n", "list", "set"][dice(4)]!)],
      ["PEXPIREAT", key("text"), "4000000000000"],
      ["SETRANGE", key("text"), "2", "x"],
    ];
    return forms[dice(forms.length)]!;
  };
  const instances = [await opens("one"), await opens("two")];
  const upstreams = await Promise.all(instances.map((redis) => connected(redis)));
  for (let step = 0; step < 1500; step++) {
    const [name, ...args] = command();
    const who = dice(5);
    if (who === 4) await server.call(name, ...args);
    else await instances[who % 2]!.call(name, ...args);
    switch (dice(60)) {
      case 0:
        line.cut();
        break;
      case 1:
        line.swallows = true;
        break;
      case 2:
        line.swallows = false;
        break;
      case 3:
        await new Promise((resolve) => setTimeout(resolve, 20));
        break;
      case 4:
        if (dice(4) === 0) await server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    }
  }
  line.swallows = false;
  await Promise.all(upstreams.map((upstream) => upstream.flush()));
  const keys = (await server.keys("app:*")).filter((key) => !key.includes("__lodis__")).sort();
  const digests = (await server.call("DEBUG", "DIGEST-VALUE", ...keys)) as string[];
  const times = await Promise.all(keys.map((key) => server.pexpiretime(key)));
  for (const redis of instances) {
    const isSame = async (): Promise<boolean> => {
      const own = ((await redis.keys("app:*")) as string[]).sort();
      if (own.join() !== keys.join()) return false;
      const [ownDigests, ownTimes] = await Promise.all([
        redis.call("DEBUG", "DIGEST-VALUE", ...keys),
        Promise.all(keys.map((key) => redis.pExpireTime(key))),
      ]);
      return String(ownDigests) === String(digests) && String(ownTimes) === String(times);
    };
    await until(isSame, `the same as upstream: LODIS_SEED=${seed}`);
  }
}, 90_000);
