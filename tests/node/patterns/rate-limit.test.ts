// Limiters, by a clock that the test sets.
import { fixedWindow, type RateLimiter, type RedisLike, slidingLog, slidingWindow, tokenBucket } from "lodis/patterns";
import { describe, expect, test } from "vitest";
import { chance, expectRefused, instance, KINDS, plain, refused, SEED, setClock, START } from "./playing.js";

const ok = (remaining: number, resetMs: number, limit = 3) => ({ allowed: true, limit, remaining, retryAfterMs: 0, resetMs });
const no = (remaining: number, retryAfterMs: number, resetMs: number, limit = 3) => ({
  allowed: false,
  limit,
  remaining,
  retryAfterMs,
  resetMs,
});

describe.each(KINDS)("with %s", (_, of) => {
  test("a fixed window begins with the first call, and ends", async () => {
    const redis = await instance();
    const setTime = setClock();
    const limiter = fixedWindow(of(redis), { limit: 3, windowMs: 1000 });
    expect(await limiter.peek("a")).toEqual(ok(3, 0));
    expect(await limiter.limit("a")).toEqual(ok(2, 1000));
    setTime(START + 400);
    expect(await limiter.limit("a", 2)).toEqual(ok(0, 600));
    expect(await limiter.limit("a")).toEqual(no(0, 600, 600));
    expect(await limiter.limit("b")).toEqual(ok(2, 1000));
    setTime(START + 999);
    expect(await limiter.limit("a")).toEqual(no(0, 1, 1));
    setTime(START + 1000);
    expect(await redis.exists("limit:a")).toBe(0);
    expect(await limiter.limit("a", 3)).toEqual(ok(0, 1000));
    await limiter.reset("a");
    expect(await limiter.peek("a", 3)).toEqual(ok(3, 0));
  });

  test("a call that costs too much is not counted", async () => {
    const redis = await instance();
    setClock();
    const limiter = fixedWindow(of(redis), { limit: 3, windowMs: 1000 });
    await limiter.limit("a", 2);
    expect(await limiter.limit("a", 2)).toEqual(no(1, 1000, 1000));
    expect(await limiter.peek("a", 2)).toEqual(no(1, 1000, 1000));
    expect(await limiter.peek("a")).toEqual(ok(1, 1000));
    expect(await limiter.limit("a")).toEqual(ok(0, 1000));
  });

  test("a sliding window counts a part of the one before", async () => {
    const redis = await instance();
    const setTime = setClock(); // a whole number of seconds: where a window begins
    const limiter = slidingWindow(of(redis), { limit: 4, windowMs: 1000 });
    setTime(START + 500);
    for (let call = 3; call >= 0; call--) expect(await limiter.limit("a")).toEqual(ok(call, 1500, 4));
    expect(await limiter.limit("a")).toEqual(no(0, 750, 1500, 4));
    setTime(START + 1249);
    expect(await limiter.limit("a")).toEqual(no(0, 1, 751, 4));
    setTime(START + 1250);
    expect(await limiter.limit("a")).toEqual(ok(0, 1750, 4));
    expect(await limiter.limit("a")).toEqual(no(0, 250, 1750, 4));
    setTime(START + 1500);
    expect(await limiter.peek("a")).toEqual(ok(1, 1500, 4));
    setTime(START + 3000);
    expect(await limiter.limit("a", 4)).toEqual(ok(0, 2000, 4));
  });

  test("a log lets go of each call when it is as old as the window", async () => {
    const redis = await instance();
    const setTime = setClock();
    const limiter = slidingLog(of(redis), { limit: 3, windowMs: 1000 });
    expect(await limiter.limit("a")).toEqual(ok(2, 1000));
    setTime(START + 300);
    expect(await limiter.limit("a")).toEqual(ok(1, 1000));
    expect(await limiter.limit("a")).toEqual(ok(0, 1000));
    expect(await limiter.limit("a")).toEqual(no(0, 700, 1000));
    expect(await limiter.limit("a", 2)).toEqual(no(0, 1000, 1000));
    setTime(START + 1000);
    expect(await limiter.limit("a")).toEqual(ok(0, 1000));
    expect(await limiter.limit("a")).toEqual(no(0, 300, 1000));
    setTime(START + 1300);
    expect(await limiter.limit("a", 2)).toEqual(ok(0, 1000));
  });

  test("a bucket is full in the beginning, and fills at a steady pace", async () => {
    const redis = await instance();
    const setTime = setClock();
    const limiter = tokenBucket(of(redis), { capacity: 3, refill: 10 });
    expect(await limiter.limit("a", 3)).toEqual(ok(0, 300));
    expect(await limiter.limit("a")).toEqual(no(0, 100, 300));
    setTime(START + 99);
    expect(await limiter.limit("a")).toEqual(no(0, 1, 201));
    setTime(START + 100);
    expect(await limiter.limit("a")).toEqual(ok(0, 300));
    setTime(START + 350);
    expect(await limiter.peek("a")).toEqual(ok(2, 50));
    expect(await limiter.limit("a", 2)).toEqual(ok(0, 250));
    setTime(START + 60_000);
    expect(await limiter.limit("a")).toEqual(ok(2, 100));
  });

  test("no more than the limit goes through when many call at once", async () => {
    const redis = of(await instance());
    const limiters: RateLimiter[] = [fixedWindow, slidingWindow, slidingLog].map((kind) =>
      kind(redis, { limit: 20, windowMs: 3_600_000, prefix: kind.name }),
    );
    limiters.push(tokenBucket(redis, { capacity: 20, refill: 1, intervalMs: 3_600_000, prefix: "bucket" }));
    for (const limiter of limiters) {
      const results = await Promise.all(Array.from({ length: 50 }, () => limiter.limit("a")));
      const through = results.filter(({ allowed }) => allowed);
      expect(through.length).toBe(20);
      expect(through.map(({ remaining }) => remaining).sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
    }
  });
});

test("what is tried in vain ends with an error", async () => {
  const redis = await instance();
  const busy: RedisLike = {
    ...plain(redis),
    call: (name, ...args) => (name === "SET" ? Promise.resolve(null) : redis.call(name, ...args)),
  };
  await refused(fixedWindow(busy, { limit: 3, windowMs: 1000 }).limit("a"), "CONFLICT");
});

test("a key that has something else is left alone", async () => {
  const redis = await instance();
  await redis.set("limit:a", "something else");
  for (const [, of] of KINDS) {
    await refused(fixedWindow(of(redis), { limit: 3, windowMs: 1000 }).limit("a"), "REPLY");
    await refused(tokenBucket(of(redis), { capacity: 3, refill: 1 }).peek("a"), "REPLY");
  }
  expect(await redis.get("limit:a")).toBe("something else");
});

test("a tab whose copy has just gone goes on without", async () => {
  const redis = await instance();
  const gone: RedisLike = { ...plain(redis), atomic: () => Promise.reject(Object.assign(new Error(), { code: "NO_COPY" })) };
  expect((await fixedWindow(gone, { limit: 1, windowMs: 1000 }).limit("a")).allowed).toBe(true);
  expect((await fixedWindow(gone, { limit: 1, windowMs: 1000 }).limit("a")).allowed).toBe(false);
});

test("clocks that differ by a little, or are set back, open no window", async () => {
  const redis = await instance();
  const setTime = setClock();
  const limiters = [fixedWindow, slidingWindow, slidingLog].map((kind) =>
    kind(redis, { limit: 2, windowMs: 1000, prefix: kind.name }),
  );
  limiters.push(tokenBucket(redis, { capacity: 2, refill: 2, prefix: "bucket" }));
  for (const limiter of limiters) {
    setTime(START);
    await limiter.limit("a", 2);
    setTime(START - 7);
    expect((await limiter.limit("a")).allowed).toBe(false);
    setTime(START - 5_000_000);
    expect((await limiter.limit("a", 2)).retryAfterMs, "it is not closed until the clock is there again").toBeLessThan(2001);
  }
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  expectRefused([
    ["fixedWindow: limit is a whole number from 1 to 1125899906842624", () => fixedWindow(redis, { limit: 0, windowMs: 1 })],
    ["slidingLog: windowMs is a whole number from 1 to 1125899906842624", () => slidingLog(redis, { limit: 1, windowMs: 1.5 })],
    ["slidingWindow: prefix is a string that is not empty", () => slidingWindow(redis, { limit: 1, windowMs: 1, prefix: "" })],
    [
      "tokenBucket: capacity is a whole number from 1 to 1125899906842624",
      () => tokenBucket(redis, { capacity: "3" as never, refill: 1 }),
    ],
  ]);
  const limiter = fixedWindow(redis, { limit: 3, windowMs: 1 });
  await expect(limiter.limit("a", 4)).rejects.toThrow("limit: the cost is a whole number from 1 to 3");
  await expect(limiter.limit("")).rejects.toThrow("limit: the id is a string that is not empty");
  expect(await redis.dbsize()).toBe(0);
});

describe(`whatever is called when, LODIS_SEED=${SEED}`, () => {
  const LIMIT = 7;
  const WINDOW = 1000;
  const EACH = 130;
  /** What went through from `since` on. */
  const sum = (calls: readonly (readonly [number, number])[], since: number) =>
    calls.reduce((sum, [time, cost]) => sum + (time > since ? cost : 0), 0);
  const kinds: [string, (redis: RedisLike) => RateLimiter, (calls: [number, number][], now: number) => void][] = [
    ["fixedWindow", (redis) => fixedWindow(redis, { limit: LIMIT, windowMs: WINDOW }), (calls, now) =>
      expect(sum(calls, now - WINDOW)).toBeLessThanOrEqual(2 * LIMIT)],
    ["slidingWindow", (redis) => slidingWindow(redis, { limit: LIMIT, windowMs: WINDOW }), (calls, now) =>
      expect(sum(calls, now - WINDOW)).toBeLessThanOrEqual(2 * LIMIT)],
    ["slidingLog", (redis) => slidingLog(redis, { limit: LIMIT, windowMs: WINDOW }), (calls, now) =>
      expect(sum(calls, now - WINDOW)).toBeLessThanOrEqual(LIMIT)],
    ["tokenBucket", (redis) => tokenBucket(redis, { capacity: LIMIT, refill: 1, intervalMs: EACH }), (calls, now) => {
      for (const [since] of calls) expect(sum(calls, since - 1)).toBeLessThanOrEqual(LIMIT + (now - since) / EACH + 1e-9);
    }],
  ];
  test.each(kinds)("%s keeps what it says", async (_, make, holds) => {
    const redis = await instance();
    const setTime = setClock();
    const to = chance(SEED);
    for (const of of [(all: typeof redis): RedisLike => all, plain]) {
      await redis.flushAll();
      const limiter = make(of(redis));
      const calls: [number, number][] = [];
      let now = START + to(1000);
      for (let step = 0; step < 300; step++) {
        now += to(4) === 0 ? to(3 * WINDOW) : to(EACH);
        setTime(now);
        const cost = 1 + to(to(5) === 0 ? LIMIT : 2);
        const result = await limiter.limit("a", cost);
        if (result.allowed) {
          calls.push([now, cost]);
          holds(calls.slice(-40), now);
          expect(result.remaining).toBeGreaterThanOrEqual(0);
          expect(result.remaining).toBeLessThanOrEqual(LIMIT - cost);
          continue;
        }
        // It may go on exactly when it was said that it may.
        setTime(now + result.retryAfterMs - 1);
        expect((await limiter.peek("a", cost)).allowed, `${now} ${JSON.stringify(result)}, a moment before`).toBe(false);
        setTime(now + result.retryAfterMs);
        expect((await limiter.peek("a", cost)).allowed, `${now} ${JSON.stringify(result)}, then`).toBe(true);
        now += result.retryAfterMs;
        if (to(5) > 0) continue;
        now += result.resetMs - result.retryAfterMs;
        setTime(now);
        expect((await limiter.peek("a", LIMIT)).allowed, `${now} ${JSON.stringify(result)}, everything`).toBe(true);
      }
      expect(calls.length).toBeGreaterThan(50);
    }
  });
});
