// Locks of several that compete in one process; those of tabs are in browser/patterns.test.ts.
import { lock, PatternError, type RedisLike } from "lodis/patterns";
import { describe, expect, test } from "vitest";
import { eventually, expectRefused, instance, KINDS, plain, refused, setClock, START } from "./playing.js";

describe.each(KINDS)("with %s", (_, of) => {
  test("one has it at a time, and each a higher token", async () => {
    const redis = of(await instance());
    let [inside, most] = [0, 0];
    const tokens: number[] = [];
    const compete = async (): Promise<void> => {
      await using held = await lock(redis, "one").acquire();
      tokens.push(held.token);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
    };
    await Promise.all(Array.from({ length: 20 }, compete));
    expect(most).toBe(1);
    expect(tokens.length).toBe(20);
    expect([...tokens].sort((a, b) => a - b)).toEqual(tokens);
    expect(new Set(tokens).size).toBe(20);
    expect(await lock(redis, "one").isHeld()).toBe(false);
  });

  test("tokens go on after the end of the lock, released or not", async () => {
    const redis = of(await instance());
    const first = await lock(redis, "fence").acquire();
    await first.release();
    const second = await lock(redis, "fence", { ttlMs: 20, extend: false }).acquire();
    const third = await lock(redis, "fence").acquire();
    expect(second.token).toBeGreaterThan(first.token);
    expect(third.token).toBeGreaterThan(second.token);
    expect(second.isHeld).toBe(false);
    expect(second.signal.reason).toMatchObject({ name: "PatternError", code: "LOST" });
    // What is released late takes nothing from who has it now.
    expect(await second.release()).toBe(false);
    expect(third.isHeld).toBe(true);
    expect(await lock(redis, "fence").tryAcquire()).toBe(null);
    expect(await third.release()).toBe(true);
  });
});

test("it is waited for as long as allowed, and no longer than a signal", async () => {
  const redis = await instance();
  const held = await lock(redis, "wait").acquire();
  const other = lock(redis, "wait");
  expect(await other.tryAcquire()).toBe(null);
  expect(await other.tryAcquire({ waitMs: 5 })).toBe(null);
  await refused(other.acquire({ waitMs: 5 }), "TIMEOUT");
  const controller = new AbortController();
  const waiting = other.acquire({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(other.acquire({ signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  await held.release();
  expect(await (await other.acquire()).release()).toBe(true);
  expect(await redis.pubSubChannels()).toEqual([]);
});

test("who waits is told of the release, and does not sleep through it", async () => {
  const redis = await instance();
  const held = await lock(redis, "bell", { ttlMs: 3_600_000 }).acquire();
  const waiting = lock(redis, "bell").acquire();
  await eventually(async () => expect(await redis.pubSubChannels()).toEqual(["lock:{bell}:free"]));
  await held.release();
  await (await waiting).release();
});

test("a lock that is released while it is asked for is not slept through", async () => {
  const redis = await instance();
  const held = await lock(redis, "race", { ttlMs: 3_600_000 }).acquire();
  const late: RedisLike = {
    ...plain(redis),
    // Released after the first try, and before anything is listened to.
    subscribe: async (channel, listener) => {
      await held.release();
      return redis.subscribe(channel, listener);
    },
  };
  await (await lock(late, "race").acquire()).release();
});

test("an object cannot wait for itself", async () => {
  const redis = await instance();
  const one = lock(redis, "self");
  const first = one.acquire();
  await refused(one.acquire(), "REENTRANT");
  const held = await first;
  await refused(one.tryAcquire(), "REENTRANT");
  await refused(
    one.use(() => 1),
    "REENTRANT",
  );
  await held.release();
  expect(await one.use(({ token }) => token)).toBeGreaterThan(held.token);
});

test("what is kept outlives its time, until it is released", async () => {
  const redis = await instance();
  const held = await lock(redis, "kept", { ttlMs: 1500 }).acquire();
  const before = await redis.pExpireTime("lock:{kept}");
  await eventually(async () => expect(await redis.pExpireTime("lock:{kept}")).toBeGreaterThan(before));
  expect(held.isHeld).toBe(true);
  expect(await held.release()).toBe(true);
  expect(await held.release()).toBe(true);
  expect(held.isHeld).toBe(false);
  expect(held.signal.aborted).toBe(false);
  expect(() => held.mustBeHeld()).toThrow(PatternError);
});

test("what is lost says so, and can be acquired anew", async () => {
  const redis = await instance();
  const one = lock(redis, "lost", { ttlMs: 60 });
  const held = await one.acquire();
  await redis.set("lock:{lost}", "somebody else", { PX: 100_000 });
  await eventually(() => expect(held.signal.aborted).toBe(true));
  expect(held.isHeld).toBe(false);
  await refused(held.extend(), "LOST");
  expect(await held.release()).toBe(false);
  expect(await redis.get("lock:{lost}")).toBe("somebody else");
  await redis.del("lock:{lost}");
  const again = await one.acquire();
  expect(again.token).toBeGreaterThan(held.token);
  await held.release();
  await refused(one.acquire(), "REENTRANT");
  await again.release();
});

test("it ends for who has it as soon as somebody else could have it", async () => {
  const redis = await instance();
  const setTime = setClock();
  const held = await lock(redis, "clock", { ttlMs: 1000, extend: false }).acquire();
  setTime(START + 999);
  expect([held.isHeld, await redis.exists("lock:{clock}")]).toEqual([true, 1]);
  setTime(START + 1000);
  expect([held.isHeld, await redis.exists("lock:{clock}")]).toEqual([false, 0]);
});

test("what goes wrong while it is used releases it", async () => {
  const redis = await instance();
  const one = lock(redis, "use");
  const failing = one.use(() => {
    throw new Error("mine");
  });
  await expect(failing).rejects.toThrow("mine");
  expect(await one.isHeld()).toBe(false);
});

test("a lock whose taking nobody was told of is given back", async () => {
  const redis = await instance();
  const lossy: RedisLike = {
    ...plain(redis),
    multi: () => {
      const multi = redis.multi();
      const names: string[] = [];
      return {
        call: (name, ...args) => names.push(name) && multi.call(name, ...args),
        exec: async () => {
          const replies = await multi.exec();
          if (names.includes("INCR")) throw new Error("no answer");
          return replies;
        },
      };
    },
  };
  await expect(lock(lossy, "unknown").acquire()).rejects.toThrow("no answer");
  expect(await redis.exists("lock:{unknown}")).toBe(0);
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  expectRefused([
    ["lock: the name is a string that is not empty", () => lock(redis, "")],
    ["lock: prefix is a string that is not empty", () => lock(redis, "a", { prefix: "" })],
    ["lock: ttlMs is a whole number from 10 to 1125899906842624", () => lock(redis, "a", { ttlMs: 9 })],
  ]);
  await expect(lock(redis, "a").acquire({ waitMs: -1 })).rejects.toThrow(
    "lock: waitMs, unless it is Infinity, is a whole number from 0 to 1125899906842624",
  );
  await expect(lock(redis, "a").use(undefined as never)).rejects.toThrow("lock: what is done with it is a function");
});
