// The surfaces of an instance, with the memory store.
import { ClosedError, deleteStore, open, type Redis, ReplyError, salvage } from "lodis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let redis: Redis;
beforeEach(async () => {
  redis = await open("api");
});
afterEach(() => redis.close());

describe("arguments", () => {
  test("flat, as options, as data, as lists and maps", async () => {
    expect(await redis.set("a", 1, "EX", 10)).toBe("OK");
    expect(await redis.ttl("a")).toBe(10);
    expect(await redis.set("a", 2, { EX: 20, NX: true })).toBeNull();
    expect(await redis.set("a", 2, { EX: 20, NX: false, XX: undefined, GET: null })).toBe("OK");
    expect(await redis.ttl("a")).toBe(20);
    expect(await redis.mSet({ x: "1", y: 2 })).toBe("OK");
    expect(await redis.mSet(new Map([["z", 3n]]))).toBe("OK");
    expect(await redis.mSet([["v", 4], ["w", 5]])).toBe("OK");
    expect(await redis.mSet("u", 6, "t", 7)).toBe("OK");
    expect(await redis.mGet("x", ["y", ["z"]], "v", "w", "u", "t")).toEqual([..."1234567"]);
    expect(await redis.del(["x", "y"], "z")).toBe(3);
    expect(await redis.scan(0, { MATCH: "a", COUNT: 1000 })).toEqual(["0", ["a"]]);
  });

  test("a data object may have any names", async () => {
    const names = ["__proto__", "constructor", "toString", "1", ""];
    const data = Object.create(null);
    for (const name of names) data[name] = `of ${name}`;
    await redis.mSet(data);
    expect(await redis.mGet(names)).toEqual(names.map((name) => `of ${name}`));
  });

  test("what no command takes is a TypeError that names it, and nothing is sent", async () => {
    await redis.set("a", "kept");
    const wrong: [unknown, RegExp][] = [
      [null, /argument 2 is null/],
      [true, /argument 2 is true/],
      [new Date(0), /argument 2 is a value of class Date/],
      [Symbol("s"), /argument 2 is symbol/],
      [() => {}, /argument 2 is function/],
      [["x", undefined], /argument 2 is undefined/],
      [new ArrayBuffer(2), /argument 2 is a value of class ArrayBuffer/],
      [{ EX: {} }, /argument EX is a value of class Object/],
    ];
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    wrong.push([cyclic, /nested too deeply/]);
    for (const [value, message] of wrong) {
      await expect(redis.set("a", value as string)).rejects.toThrow(message);
      await expect(redis.set("a", value as string)).rejects.toThrow(TypeError);
      expect(() => redis.sync.set("a", value as string)).toThrow(message);
    }
    expect(await redis.get("a")).toBe("kept");
  });

  test("a getter that calls back does not disturb the request being written", async () => {
    const options = {
      get EX() {
        redis.sync.set("inner", "x".repeat(100_000));
        return 50;
      },
    };
    expect(redis.sync.set("outer", "value", options)).toBe("OK");
    expect([redis.sync.get("outer"), redis.sync.ttl("outer")]).toEqual(["value", 50]);
    expect(redis.sync.strLen("inner")).toBe(100_000);
  });
});

describe("replies", () => {
  test("an error rejects with Redis's own text and code", async () => {
    await redis.set("a", "text");
    const error = await redis.incr("a").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ReplyError);
    expect(error).toMatchObject({
      name: "ReplyError",
      code: "ERR",
      message: "ERR value is not an integer or out of range",
    });
    expect(() => redis.sync.incr("a")).toThrow(ReplyError);
  });

  test("maps are objects without a prototype", async () => {
    await redis.mSet({ a: "ohmytext", b: "mynewtext" });
    const reply = (await redis.lcs("a", "b", { IDX: true })) as Record<string, unknown>;
    expect(Object.getPrototypeOf(reply)).toBeNull();
    expect({ ...reply }).toEqual({ matches: [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], len: 6 });
    const bytes = (await redis.bytes.lcs("a", "b", "IDX")) as unknown as Record<string, unknown>;
    expect({ ...bytes }).toEqual({ ...reply });
  });

  test("null is null, on every surface", async () => {
    expect(await redis.get("none")).toBeNull();
    expect(redis.sync.get("none")).toBeNull();
    expect(await redis.bytes.get("none")).toBeNull();
    expect(await redis.mGet("none", "none")).toEqual([null, null]);
  });

  test("camel case, lower case and call are the same command", async () => {
    expect(await redis.incrBy("n", 2)).toBe(2);
    expect(await redis.incrby("n", 2)).toBe(4);
    expect(await redis.call("INCRBY", "n", 2)).toBe(6);
    expect(await redis.call("incrBy", "n", 2)).toBe(8);
    expect(redis.sync.call("Get", "n")).toBe("8");
    expect(await redis.bytes.call("GET", "n")).toEqual(Uint8Array.of(56));
  });
});

describe("call", () => {
  test("an unknown command and a wrong number of arguments are Redis's errors", async () => {
    await expect(redis.call("NOSUCH", "a")).rejects.toThrow(
      new ReplyError("ERR unknown command 'NOSUCH', with args beginning with: 'a' "),
    );
    await expect(redis.call("GET")).rejects.toThrow(
      new ReplyError("ERR wrong number of arguments for 'get' command"),
    );
    await expect(redis.call("")).rejects.toThrow(/unknown command ''/);
  });

  test("what has no single reply is refused with what to use instead", async () => {
    await expect(redis.call("SUBSCRIBE", "a")).rejects.toThrow(
      "SUBSCRIBE cannot be called: use subscribe(channel, listener)",
    );
    await expect(redis.call("HELLO", 2)).rejects.toThrow(/speaks RESP3/);
    await expect(redis.call("client", "Reply", "OFF")).rejects.toThrow(/every call has a reply/);
    await expect(redis.call("CLIENT", Buffer.from("reply"), "OFF")).rejects.toThrow(/every call has a reply/);
    await expect(redis.call("HELLO", Buffer.from("2"))).rejects.toThrow(/speaks RESP3/);
    await expect(redis.call("RESET")).rejects.toThrow(TypeError);
    await expect(redis.call(7 as unknown as string)).rejects.toThrow(TypeError);
    expect(() => redis.sync.call("QUIT")).toThrow(/use close/);
  });

  test("settings are read and changed", async () => {
    expect({ ...((await redis.configGet("databases")) as object) }).toEqual({ databases: "16" });
    expect({ ...((await redis.config("GET", "databases")) as object) }).toEqual({ databases: "16" });
    expect(await redis.call("CONFIG", "SET", "notify-keyspace-events", "KEA")).toBe("OK");
  });
});

describe("batches", () => {
  test("a pipeline answers every reply, errors as values", async () => {
    const replies = await redis.pipeline().set("a", "x").incr("a").get("a").call("TTL", "a").exec();
    expect(replies).toEqual(["OK", expect.any(ReplyError), "x", -1]);
    expect(await redis.pipeline().exec()).toEqual([]);
    expect(await redis.bytes.pipeline().get("a").exec()).toEqual([Uint8Array.of(120)]);
    expect(redis.sync.pipeline().get("a").execSync()).toEqual(["x"]);
  });

  test("arguments are taken when the command is added", async () => {
    const bytes: string[] = ["a"];
    const pipeline = redis.pipeline().del(bytes);
    bytes.push("b");
    await redis.mSet({ a: 1, b: 1 });
    expect(await pipeline.exec()).toEqual([1]);
  });

  test("a transaction runs as one", async () => {
    expect(await redis.multi().incr("a").incrBy("a", 5).get("a").exec()).toEqual([1, 6, "6"]);
    expect(await redis.multi().exec()).toEqual([]);
    expect(redis.sync.multi().get("a").execSync()).toEqual(["6"]);
    await redis.set("t", "text");
    expect(await redis.multi().incr("t").incr("a").exec()).toEqual([expect.any(ReplyError), 7]);
  });

  test("a command that cannot be queued aborts it, with the reason", async () => {
    const error = await redis.multi().set("a", 1).call("NOSUCH").exec().catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "EXECABORT",
      message: "EXECABORT Transaction discarded because of previous errors.",
      cause: { message: "ERR unknown command 'NOSUCH', with args beginning with: " },
    });
    expect(await redis.exists("a")).toBe(0);
    expect(await redis.set("a", 1)).toBe("OK");
  });

  test("discard forgets what was collected", async () => {
    const multi = redis.multi().set("a", 1);
    expect(multi.length).toBe(1);
    multi.discard();
    expect(await multi.exec()).toEqual([]);
    expect(await redis.exists("a")).toBe(0);
  });

  test("a key under WATCH that was touched makes exec answer null", async () => {
    await redis.watch("a");
    await redis.set("a", "touched");
    expect(await redis.multi().set("a", "lost").exec()).toBeNull();
    expect(await redis.get("a")).toBe("touched");
    await redis.watch("a");
    expect(await redis.multi().set("a", "won").exec()).toEqual(["OK"]);
    await redis.watch("a");
    await redis.set("a", "touched");
    await redis.unwatch();
    expect(await redis.multi().get("a").exec()).toEqual(["touched"]);
  });
});

describe("subscriptions", () => {
  const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

  test("channels and patterns, until stopped", async () => {
    const seen: unknown[] = [];
    const stop = await redis.subscribe("news", (...message) => seen.push(message));
    const stopPattern = await redis.pSubscribe("n?ws", (...message) => seen.push(message));
    expect(await redis.publish("news", "häll\0o")).toBe(2);
    await soon();
    expect(seen).toEqual([["häll\0o", "news", undefined], ["häll\0o", "news", "n?ws"]]);
    await stop();
    await stop();
    expect(await redis.publish("news", "two")).toBe(1);
    await stopPattern();
    expect(await redis.publish("news", "three")).toBe(0);
    await soon();
    expect(seen).toHaveLength(3);
  });

  test("several channels, several listeners, bytes", async () => {
    const seen: unknown[] = [];
    const stop = await redis.subscribe(["a", "b"], (message, channel) => seen.push(channel + message));
    const stopToo = await redis.subscribe("a", (message) => seen.push(`too ${message}`));
    const stopBytes = await redis.bytes.subscribe("a", (message) => seen.push(message));
    expect(await redis.publish("a", "1")).toBe(1);
    expect(await redis.publish("b", Uint8Array.of(0x32))).toBe(1);
    await soon();
    expect(seen).toEqual(["a1", "too 1", Uint8Array.of(0x31), "b2"]);
    await stop();
    expect([await redis.publish("a", "x"), await redis.publish("b", "x")]).toEqual([1, 0]);
    await Promise.all([stopToo(), stopBytes()]);
    expect(await redis.publish("a", "x")).toBe(0);
  });

  test("a listener may call back, at once and later", async () => {
    const seen: unknown[] = [];
    const stop = await redis.subscribe("in", async (message) => {
      seen.push(redis.sync.incr("count"));
      if (Number(message) < 3) redis.sync.publish("in", Number(message) + 1);
      seen.push(await redis.get("count"));
      if (message === "3") await stop();
    });
    await redis.publish("in", 1);
    await soon();
    expect(seen).toEqual([1, 2, "1", 3, "2", "3"]);
    expect(await redis.publish("in", 9)).toBe(0);
  });

  test("a listener that throws is reported and does not keep others from being called", async () => {
    const reported: unknown[] = [];
    const before = globalThis.reportError;
    globalThis.reportError = (error: unknown) => void reported.push(error);
    try {
      const seen: string[] = [];
      const mistake = new Error("mistake");
      await redis.subscribe("a", () => {
        throw mistake;
      });
      await redis.subscribe("a", (message) => seen.push(message));
      await redis.publish("a", "1");
      await redis.publish("a", "2");
      await soon();
      expect(seen).toEqual(["1", "2"]);
      expect(reported).toEqual([mistake, mistake]);
    } finally {
      globalThis.reportError = before;
    }
  });

  test("bad arguments", async () => {
    await expect(redis.subscribe("a", undefined as never)).rejects.toThrow(TypeError);
    await expect(redis.subscribe([], () => {})).rejects.toThrow(TypeError);
    await expect(redis.subscribe(1 as never, () => {})).rejects.toThrow(TypeError);
    await expect(redis.subscribe("\ud800", () => {})).rejects.toThrow(/surrogate/);
  });

  test("expired keys are announced without anybody asking", async () => {
    await redis.configSet("notify-keyspace-events", "Ex");
    const expired = new Promise((resolve) => {
      void redis.subscribe("__keyevent@0__:expired", (key) => resolve(key));
    });
    await redis.set("brief", "x", { PX: 20 });
    expect(await expired).toBe("brief");
    expect(await redis.dbSize()).toBe(0);
  });
});

describe("instances", () => {
  test("role and persistence without a store", () => {
    expect(redis.role).toBe("alone");
    expect(redis.persistence).toEqual({ state: "memory" });
  });

  test("options are checked", async () => {
    const wrong: [unknown, unknown, string][] = [
      ["", {}, "open: the name is a string that is not empty"],
      [undefined, {}, "open: the name is a string that is not empty"],
      ["a", null, "open: the options are an object"],
      ["a", { sotre: "memory" }, 'open: unknown option "sotre"'],
      ["a", { onProgress: "yes" }, "open: onProgress is a function"],
      ["a", { store: "disk" }, 'open: store is one of "indexeddb", "memory"'],
      ["a", { appendonly: "yes" }, "open: appendonly is true or false"],
      ["a", { appendonly: true }, 'open: appendonly needs a store, and store is "memory"'],
      ["a", { appendfsync: "never" }, 'open: appendfsync is one of "always", "everysec", "no"'],
      ["a", { persist: "yes" }, "open: persist is true or false"],
      ["a", { onBlocked: 1 }, "open: onBlocked is a function"],
      ["a", { databases: 0 }, "open: databases is a whole number from 1 to 16384"],
      ["a", { databases: 1.5 }, "open: databases is a whole number from 1 to 16384"],
      ["a", { maxmemory: -1 }, 'open: maxmemory is a number of bytes or a size like "100mb"'],
      ["a", { maxmemory: 1.5 }, 'open: maxmemory is a number of bytes or a size like "100mb"'],
      ["a", { maxmemory: "1 mb" }, 'open: maxmemory is a number of bytes or a size like "100mb"'],
      [
        "a",
        { maxmemoryPolicy: "lru" },
        'open: maxmemoryPolicy is one of "volatile-lru", "volatile-lfu", "volatile-random", ' +
          '"volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"',
      ],
    ];
    for (const [name, options, message] of wrong) {
      await expect(open(name as string, options as never)).rejects.toThrow(new TypeError(message));
    }
  });

  test("there is no storage of a browser to tell of", async () => {
    await using redis = await open("none", { persist: true });
    expect(await redis.storage()).toEqual({ persisted: undefined, usage: undefined, quota: undefined });
    await expect(deleteStore("none")).rejects.toMatchObject({ name: "StoreError", code: "STORE_UNAVAILABLE" });
    await expect(salvage("none")).rejects.toMatchObject({ name: "StoreError", code: "STORE_UNAVAILABLE" });
  });

  test("databases is how many there are", async () => {
    await using few = await open("few", { databases: 2 });
    expect(await few.call("SELECT", 1)).toBe("OK");
    await expect(few.call("SELECT", 2)).rejects.toThrow("ERR DB index is out of range");
  });

  test("maxmemory is kept by letting keys go", async () => {
    const used = Number(/used_memory:(\d+)/.exec((await redis.info("memory")) as string)![1]);
    const most = used + 1_000_000;
    await using cache = await open("cache", { maxmemory: most, maxmemoryPolicy: "allkeys-lru" });
    expect({ ...((await cache.configGet("maxmemory*")) as object) }).toMatchObject({
      maxmemory: String(most),
      "maxmemory-policy": "allkeys-lru",
    });
    const value = "v".repeat(1000);
    for (let number = 0; number < 5000; number++) cache.sync.set(`key:${number}`, value);
    const size = await cache.dbSize();
    const info = (await cache.info()) as string;
    const field = (name: string) => Number(new RegExp(`\n${name}:(\\d+)`).exec(info)![1]);
    expect(field("used_memory")).toBeLessThan(most + 200_000);
    expect(field("used_memory")).toBeLessThanOrEqual(field("used_memory_rss"));
    expect(field("used_memory_peak")).toBeGreaterThanOrEqual(field("used_memory"));
    expect(field("evicted_keys")).toBeGreaterThan(4000);
    // A key or two may have gone to make room for what was answered.
    expect(Math.abs(field("evicted_keys") + size - 5000)).toBeLessThan(10);
    expect(await cache.get("key:4999")).toBe(value);
    expect(await cache.memoryUsage("key:4999")).toBeGreaterThan(1000);
  });

  test("without keys that may go, maxmemory refuses writes", async () => {
    await using full = await open("full", { maxmemory: "1kb" });
    const refused = "OOM command not allowed when used memory > 'maxmemory'.";
    await expect(full.set("a", "b")).rejects.toMatchObject({ code: "OOM", message: refused });
    expect(await full.get("a")).toBe(null);
    await full.configSet("maxmemory", "0");
    await full.set("a", "b");
  });

  test("a closed instance says so, however it is called", async () => {
    await redis.set("a", 1);
    await redis.close();
    await redis.close();
    const closed = "The connection is closed.";
    await expect(redis.get("a")).rejects.toThrow(new ClosedError());
    await expect(redis.call("GET", "a")).rejects.toThrow(closed);
    await expect(redis.multi().get("a").exec()).rejects.toThrow(closed);
    await expect(redis.pipeline().get("a").exec()).rejects.toThrow(closed);
    await expect(redis.subscribe("a", () => {})).rejects.toThrow(closed);
    expect(() => redis.sync.get("a")).toThrow(ClosedError);
  });

  test("hints are the command table", () => {
    const get = redis.hints().find((hint) => hint.name === "get");
    expect(get).toMatchObject({ syntax: "key", group: "string", since: "1.0.0", readOnly: true });
  });
});
