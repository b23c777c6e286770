// Client-side caching, and what CLIENT KILL makes of an instance, with the memory store.
import { open, type Redis, ReplyError } from "lodis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

let redis: Redis;
beforeEach(async () => {
  redis = await open("tracking");
});
afterEach(() => redis.close());

type Keys = readonly string[] | null;

/** What is told of keys that have changed. */
function listen(): Keys[] {
  const told: Keys[] = [];
  redis.on("invalidate", (keys) => told.push(keys));
  return told;
}

describe("client-side caching", () => {
  test("keys that were read are told when they change, as text and as bytes", async () => {
    const told = listen();
    const bytes: unknown[] = [];
    const stop = redis.bytes.on("invalidate", (keys) => bytes.push(keys));
    expect(await redis.clientTracking("ON")).toBe("OK");
    expect(await redis.clientTrackingInfo()).toEqual({ flags: ["on"], redirect: 0, prefixes: [] });
    await redis.mGet("a", "b");
    await redis.mSet({ a: 1, c: 1 });
    await vi.waitFor(() => expect(told).toEqual([["a"]]));
    expect(bytes).toEqual([[new TextEncoder().encode("a")]]);
    stop();
    await redis.flushAll();
    await vi.waitFor(() => expect(told).toEqual([["a"], null]));
    expect(bytes).toHaveLength(1);
    // @ts-expect-error of bytes there is no other event
    expect(() => redis.bytes.on("role", () => {})).toThrow(TypeError);
  });

  test("every read is seen by who tracks, though it was answered from a cache before", async () => {
    const told = listen();
    await redis.set("a", "text");
    for (let times = 0; times < 4; times++) await redis.get("a");
    await redis.clientTracking("ON");
    for (let round = 1; round <= 3; round++) {
      for (let times = 0; times < 4; times++) await redis.get("a");
      await redis.set("a", `text ${round}`);
      await vi.waitFor(() => expect(told).toHaveLength(round));
    }
    await redis.clientTracking("OFF");
    await redis.get("a");
    await redis.set("a", 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(told).toHaveLength(3);
  });

  test("prefixes, a message for all keys of a command", async () => {
    const told = listen();
    await redis.clientTracking("ON", { BCAST: true, PREFIX: ["user:", "item:"] });
    await redis.mSet({ "user:2": 1, "item:1": 1, "user:1": 1, other: 1 });
    await vi.waitFor(() => expect(told).toEqual([["item:1"], ["user:1", "user:2"]]));
    expect((await redis.clientTrackingInfo()).prefixes).toEqual(["item:", "user:"]);
    await redis.rPush("list", 2, 1);
    expect(await redis.sort("list", { GET: ["#", "user:*"] })).toEqual(["1", "1", "2", "1"]);
  });

  test("a cache that does as it is told is never out of date", async () => {
    const cache = new Map<string, string | null>();
    redis.on("invalidate", (keys) => {
      if (keys) for (const key of keys) cache.delete(key);
      else cache.clear();
    });
    await redis.clientTracking("ON");
    const read = async (key: string): Promise<void> => {
      if (cache.has(key)) return;
      const value = await redis.get(key);
      cache.set(key, value);
    };
    let used = 0;
    for (let round = 0; round < 200; round++) {
      const key = `key:${round % 7}`;
      // The reply to what is read first is on its way while the key is written.
      const reading = [read(key), read(`key:${(round * 3) % 7}`)];
      redis.set(key, round);
      if (round % 50 === 49) redis.sync.flushAll();
      await Promise.all(reading);
      await new Promise((resolve) => setTimeout(resolve, 0));
      await new Promise((resolve) => setTimeout(resolve, 0));
      for (const [known, value] of cache) {
        used++;
        expect(value, `${known} in round ${round}`).toBe(redis.sync.get(known));
      }
    }
    expect(used).toBeGreaterThan(200);
  });
});

describe("CLIENT KILL of an instance's own client", () => {
  const kill = async () => redis.call("CLIENT", "KILL", "ID", String(await redis.clientId()), "SKIPME", "no");

  test("gives it another one, which goes on where it was", async () => {
    const heard: string[] = [];
    await redis.subscribe("news", (message) => heard.push(message));
    const told = listen();
    await redis.clientTracking("ON");
    await redis.select(3);
    await redis.clientSetName("me");
    await redis.set("a", 1);
    const before = await redis.clientId();
    expect(await kill()).toBe(1);
    expect(await redis.clientId()).toBeGreaterThan(before);
    expect([await redis.get("a"), await redis.clientGetName()]).toEqual(["1", "me"]);
    expect([await redis.publish("news", "hi"), await redis.clientList()]).toEqual([1, expect.not.stringContaining(`id=${before} `)]);
    await vi.waitFor(() => expect([heard, told]).toEqual([["hi"], [null]]));
    await redis.set("a", 2);
    await vi.waitFor(() => expect(told).toEqual([null, ["a"]]));
  });

  test("in a pipeline, whose other commands are refused", async () => {
    const id = await redis.clientId();
    const killing = redis.pipeline().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").get("a");
    expect(await killing.exec()).toEqual([1, expect.any(ReplyError)]);
    expect(await redis.clientId()).not.toBe(id);
  });

  test("in a transaction, after it", async () => {
    await redis.call("MULTI");
    await redis.call("SET", "a", "1");
    await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no");
    // It was queued, and ended the client once all of it had run.
    expect(await redis.call("EXEC")).toEqual(["OK", 1]);
    expect(await redis.get("a")).toBe("1");
  });
});
