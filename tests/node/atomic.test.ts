// redis.atomic() of an instance that is alone: all of a callback, or nothing.
import { AtomicError, ClosedError, open, type Redis, ReplyError } from "lodis";
import * as full from "lodis/full";
import { memoryStore } from "lodis/stores/memory";
import { describe, expect, test } from "vitest";

const failing = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.unreachable(`no error, but ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );

class Declined extends Error {}

function transfer(redis: Redis, from: string, to: string, amount: number): Promise<number | bigint> {
  return redis.atomic((tx) => {
    tx.incrBy(to, amount);
    const left = tx.decrBy(from, amount);
    if (left < 0) throw new Declined(from);
    return left;
  });
}

test("a callback is run whole, or has never been run", async () => {
  await using redis = await open("bank", { store: "memory" });
  await redis.mSet({ ali: 100, omar: 5 });
  expect(await transfer(redis, "ali", "omar", 30)).toBe(70);
  expect(await failing(transfer(redis, "ali", "omar", 71))).toBeInstanceOf(Declined);
  expect(await redis.mGet("ali", "omar")).toEqual(["70", "35"]);
  expect(redis.sync.get("ali")).toBe("70");
});

test("the callback runs at once, and reads what it has written and not what was kept of before", async () => {
  await using redis = await open("now", { store: "memory" });
  await redis.set("k", "old");
  // Read twice, so that there is a copy of it on this side.
  expect([redis.sync.get("k"), redis.sync.get("k"), redis.sync.get("k")]).toEqual(["old", "old", "old"]);
  let seen: unknown[] = [];
  const done = redis.atomic((tx) => {
    tx.set("k", "new");
    seen = [tx.get("k"), tx.bytes.get("k"), tx.call("STRLEN", "k"), tx.exists("k", "none")];
    throw new Declined();
  });
  expect(seen).toEqual(["new", new TextEncoder().encode("new"), 3, 1]);
  expect(redis.sync.get("k")).toBe("old");
  expect(await failing(done)).toBeInstanceOf(Declined);
  const answer = { any: ["value", undefined] };
  expect(await redis.atomic(() => answer)).toBe(answer);
});

test("an error of a command is thrown in the callback, which may go on", async () => {
  await using redis = await open("errors", { store: "memory" });
  await redis.rPush("list", "a");
  const error = await failing(redis.atomic((tx) => [tx.set("a", 1), tx.incr("list")]));
  expect(error).toBeInstanceOf(ReplyError);
  expect((error as ReplyError).code).toBe("WRONGTYPE");
  expect(await redis.exists("a")).toBe(0);
  const caught = await redis.atomic((tx) => {
    tx.set("a", 1);
    try {
      tx.incr("list");
    } catch (error) {
      return (error as ReplyError).code;
    }
    return "nothing";
  });
  expect(caught).toBe("WRONGTYPE");
  expect(await redis.get("a")).toBe("1");
});

describe("what cannot be part of it is refused, and undoes it", () => {
  const cases: [name: string, code: string, run: (redis: Redis) => Promise<unknown>][] = [
    ["an async callback", "PROMISE", (redis) => redis.atomic((async (tx: never) => void tx) as never)],
    ["a thenable", "PROMISE", (redis) => redis.atomic((tx) => (tx.set("a", 2), { then: () => {} })) as never],
    [
      "an async callback that goes on after its end",
      "PROMISE",
      (redis) =>
        redis.atomic((async (tx: { set(key: string, value: number): void }) => {
          tx.set("a", 2);
          await null;
          tx.set("a", 3);
        }) as never),
    ],
    [
      "one in another",
      "INSIDE",
      (redis) => {
        let inner: Promise<unknown> | undefined;
        const outer = redis.atomic((tx) => {
          tx.set("b", 1);
          inner = redis.atomic(() => 1);
        });
        return outer.then(() => inner);
      },
    ],
    ["the instance itself", "INSIDE", (redis) => redis.atomic((tx) => (tx.set("a", 2), redis.sync.get("a")))],
    ["between MULTI and EXEC", "MULTI", (redis) => (redis.sync.call("MULTI"), redis.atomic(() => 1))],
  ];
  test.each(cases)("%s", async (_, code, run) => {
    await using redis = await open("refused", { store: "memory" });
    await redis.set("a", 1);
    const error = await failing(run(redis));
    expect(error).toBeInstanceOf(AtomicError);
    expect((error as AtomicError).code).toBe(code);
    if (code === "MULTI") await redis.call("DISCARD");
    expect(await redis.get("a")).toBe("1");
    await redis.set("a", 4);
  });

  test("commands that are not undone", async () => {
    await using redis = await open("commands", { store: "memory" });
    for (const words of [["MULTI"], ["WATCH", "a"], ["CONFIG", "SET", "maxmemory", "1"], ["SWAPDB", "0", "1"]]) {
      const error = await failing(redis.atomic((tx) => tx.call(words[0]!, ...words.slice(1))));
      expect((error as Error).message).toBe("ERR Command not allowed inside a transaction");
    }
    expect(await failing(redis.atomic((tx) => tx.call("SUBSCRIBE", "x")))).toBeInstanceOf(TypeError);
    expect(() => redis.atomic("x" as never)).toThrow(TypeError);
  });

  test("what it was given, once it has ended", async () => {
    await using redis = await open("ended", { store: "memory" });
    const tx = await redis.atomic((tx) => [tx] as const);
    expect(() => tx[0].get("a")).toThrow(AtomicError);
    expect(() => tx[0].bytes.call("GET", "a")).toThrow(/^ENDED: /);
    await redis.atomic(() => expect(() => tx[0].get("a")).toThrow(/^ENDED: /));
  });

  test("an instance that was closed meanwhile", async () => {
    const store = memoryStore();
    const redis = await open("closed", { store });
    await redis.set("a", 1);
    let closing: Promise<void> | undefined;
    const error = await failing(
      redis.atomic((tx) => {
        tx.set("a", 2);
        closing = redis.close();
      }),
    );
    expect(error).toBeInstanceOf(ClosedError);
    await closing;
    await using again = await open("closed", { store });
    expect(await again.get("a")).toBe("1");
  });
});

test("others hear of it in the end, or of nothing", async () => {
  await using redis = await open("heard", { store: "memory" });
  await redis.configSet("notify-keyspace-events", "KEA");
  const heard: string[] = [];
  await redis.pSubscribe("*", (message, channel) => heard.push(`${channel} ${message}`));
  const job = redis.blPop("queue", 0);
  const write = (end: () => void) =>
    redis.atomic((tx) => {
      tx.set("a", 1);
      expect(tx.publish("news", "hello")).toBe(1);
      tx.rPush("queue", "job");
      expect(heard).toEqual([]);
      end();
    });
  await failing(write(() => { throw new Declined(); }));
  await redis.ping();
  expect(heard).toEqual([]);
  await write(() => {});
  expect(await job).toEqual(["queue", "job"]);
  expect(heard.slice(0, 2)).toEqual(["__keyspace@0__:a set", "__keyevent@0__:set a"]);
  expect(heard).toContain("news hello");
  expect(heard.at(-1)).toMatch(/del queue$/);
});

test("time stands still inside, and the database that was selected is so again", async () => {
  await using redis = await open("time", { store: "memory" });
  await redis.set("soon", 1, { PX: 20 });
  const [before, after, there] = await redis.atomic((tx) => {
    const before = tx.time();
    const end = Date.now() + 40;
    while (Date.now() < end) tx.ping();
    const seen = [before, tx.time(), tx.exists("soon")] as const;
    tx.select(3);
    tx.set("in three", 1);
    return seen;
  });
  expect([after, there]).toEqual([before, 1]);
  expect(await redis.exists("soon", "in three")).toBe(0);
  await redis.select(3);
  expect(await redis.exists("in three")).toBe(1);
});

test("scripts are part of it", async () => {
  await using redis = await full.open("scripts", { store: "memory" });
  const script = "redis.call('INCR', KEYS[1]) redis.call('PUBLISH', 'c', 'm') return redis.call('INCR', KEYS[1])";
  await failing(
    redis.atomic((tx) => {
      expect(tx.eval(script, 1, "n")).toBe(2);
      throw new Declined();
    }),
  );
  expect(await redis.exists("n")).toBe(0);
  expect(await redis.atomic((tx) => [tx.eval(script, 1, "n"), tx.get("n")])).toEqual([2, "2"]);
});

test("with a store, what was kept is there again, and nothing else", async () => {
  const store = memoryStore();
  {
    await using redis = await open("stored", { store, appendfsync: "always" });
    await redis.rPush("list", 1, 2, 3);
    await redis.atomic((tx) => (tx.lPush("list", 0), tx.hSet("hash", { a: 1 })));
    await failing(redis.atomic((tx) => { tx.flushAll(); tx.set("a", 1); throw new Declined(); }));
    expect(redis.persistence.state).toBe("saved");
  }
  await using again = await open("stored", { store });
  expect(await again.lRange("list", 0, -1)).toEqual(["0", "1", "2", "3"]);
  expect(await again.keys("*")).toHaveLength(2);
});

test("without room it is refused with OOM, and undone", async () => {
  await using redis = await open("room", { store: "memory" });
  await redis.set("a", 1);
  await redis.configSet("maxmemory", "1");
  const error = await failing(redis.atomic((tx) => (tx.del("a"), tx.set("b", 1))));
  expect((error as ReplyError).code).toBe("OOM");
  expect(await redis.exists("a", "b")).toBe(1);
  await redis.atomic((tx) => tx.del("a"));
  expect(await redis.exists("a")).toBe(0);
});
