// rate-limiter-flexible, over both clients; redlock, over several servers.
import {
  BurstyRateLimiter,
  type IRateLimiterRedisOptions,
  RateLimiterMemory,
  RateLimiterQueue,
  RateLimiterRedis,
  type RateLimiterRes,
  RateLimiterUnion,
} from "rate-limiter-flexible";
import Redlock from "redlock";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Site, start } from "./library.js";

const judged = process.env.LODIS_JUDGE_PORT !== undefined;
/** A while, in seconds: so long that it does not go by of itself. */
const WHILE = judged ? 1 : 60;

let site: Site;
beforeEach(async () => {
  site = await start();
});
afterEach(() => site.close());

describe.each(["ioredis", "redis"])("rate-limiter-flexible with %s", (name) => {
  let store: Pick<IRateLimiterRedisOptions, "storeClient" | "useRedisPackage">;
  beforeEach(async () => {
    store = name === "ioredis" ? { storeClient: site.io() } : { storeClient: await site.client(), useRedisPackage: true };
  });
  const limiter = (options: Partial<IRateLimiterRedisOptions>) =>
    new RateLimiterRedis({ ...store, keyPrefix: "limit", points: 3, duration: WHILE, ...options });
  /** What a promise is rejected with. */
  const refusal = (promise: Promise<unknown>) => promise.then(() => expect.unreachable(), (refused: RateLimiterRes) => refused);

  test("points are used up, refused, and back after the time", async () => {
    const limits = limiter({});
    for (const left of [2, 1, 0]) expect(await limits.consume("a")).toMatchObject({ remainingPoints: left });
    const refused = await refusal(limits.consume("a"));
    expect(refused).toMatchObject({ remainingPoints: 0, consumedPoints: 4 });
    expect(refused.msBeforeNext).toBeGreaterThan(0);
    expect(refused.msBeforeNext).toBeLessThanOrEqual(1000 * WHILE);
    expect(await limits.consume("b", 2)).toMatchObject({ remainingPoints: 1 });
    await site.pass(1000 * WHILE);
    expect(await limits.consume("a")).toMatchObject({ remainingPoints: 2, isFirstInDuration: true });
  });

  test("of many at once, exactly as many as there are points", async () => {
    const limits = limiter({ points: 25, duration: 100 * WHILE });
    const results = await Promise.allSettled(Array.from({ length: 100 }, () => limits.consume("crowd")));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(25);
  });

  test("penalties, rewards, what is set, asked for, deleted and blocked", async () => {
    const limits = limiter({ points: 5, duration: 100 * WHILE });
    expect(await limits.get("k")).toBeNull();
    expect(await limits.penalty("k", 3)).toMatchObject({ consumedPoints: 3 });
    expect(await limits.reward("k", 2)).toMatchObject({ consumedPoints: 1, remainingPoints: 4 });
    await limits.set("k", 5, 50 * WHILE);
    expect(await limits.get("k")).toMatchObject({ consumedPoints: 5, remainingPoints: 0 });
    await refusal(limits.consume("k"));
    expect(await limits.delete("k")).toBe(true);
    expect(await limits.delete("k")).toBe(false);
    await limits.block("k", WHILE);
    expect((await refusal(limits.consume("k"))).msBeforeNext).toBeLessThanOrEqual(1000 * WHILE);
    await site.pass(1001 * WHILE);
    expect(await limits.consume("k")).toMatchObject({ remainingPoints: 4 });
  });

  test("who goes on is blocked for longer", async () => {
    const limits = limiter({ points: 1, blockDuration: 3 * WHILE });
    await limits.consume("k");
    expect((await refusal(limits.consume("k"))).msBeforeNext).toBe(3000 * WHILE);
    await site.pass(1500 * WHILE);
    expect((await refusal(limits.consume("k"))).msBeforeNext).toBeGreaterThan(0);
    await site.pass(1600 * WHILE);
    await limits.consume("k");
  });

  test("bursts, unions, and a script of one's own", async () => {
    const bursty = new BurstyRateLimiter(
      limiter({ points: 1, keyPrefix: "steady" }),
      limiter({ points: 2, duration: 100 * WHILE, keyPrefix: "burst" }),
    );
    for (let i = 0; i < 3; i++) await bursty.consume("k");
    await refusal(bursty.consume("k"));
    const union = new RateLimiterUnion(
      limiter({ points: 1, keyPrefix: "second" }),
      limiter({ points: 2, duration: 100 * WHILE, keyPrefix: "minute" }),
    );
    await union.consume("k");
    expect(await refusal(union.consume("k"))).toMatchObject({ second: { remainingPoints: 0 } });
    await site.pass(1001 * WHILE);
    // The other one has counted what was refused, too.
    expect(await refusal(union.consume("k"))).toMatchObject({ minute: { consumedPoints: 3 } });
    const script = `
      local ok = redis.call('set', KEYS[1], 0, 'EX', ARGV[2], 'NX')
      local consumed = redis.call('incrby', KEYS[1], ARGV[1] * 2)
      local ttl = redis.call('pttl', KEYS[1])
      return {consumed, ttl}`;
    const double = limiter({ customIncrTtlLuaScript: script, duration: 100 * WHILE });
    expect(await double.consume("own")).toMatchObject({ consumedPoints: 2 });
  });

  test("a queue waits for points", async () => {
    const queue = new RateLimiterQueue(limiter({ points: 2, duration: 1 }), { maxQueueSize: 2 });
    const start = Date.now();
    await Promise.all([queue.removeTokens(1), queue.removeTokens(1), queue.removeTokens(1)]);
    expect(Date.now() - start).toBeGreaterThanOrEqual(900);
    await expect(queue.removeTokens(3)).rejects.toThrow(/Requested tokens/);
  });

  test("without its server, it is an error, or another limiter's turn", async () => {
    if (judged) return;
    const options = { points: 2, duration: 100 };
    // Otherwise it waits for the server to come back.
    if (name === "ioredis") store = { storeClient: site.io({ maxRetriesPerRequest: 0 }) };
    const insured = limiter({ ...options, insuranceLimiter: new RateLimiterMemory(options) });
    const strict = limiter({ ...options, rejectIfRedisNotReady: true });
    await insured.consume("k");
    await site.crash();
    await expect.poll(() => refusal(strict.consume("k"))).toBeInstanceOf(Error);
    await expect.poll(() => insured.consume("other").then(({ remainingPoints }) => remainingPoints)).toBe(1);
    expect(await insured.consume("other")).toMatchObject({ remainingPoints: 0 });
    expect(await refusal(insured.consume("other"))).toMatchObject({ remainingPoints: 0 });
  });
});

describe("redlock", () => {
  const LONG = 1000 * WHILE;
  const sites: Site[] = [];
  /** A lock over `count` servers of their own. */
  const over = async (count: number, options: Redlock.Options = {}): Promise<Redlock> => {
    while (sites.length < count) sites.push(await start());
    const clients = sites.slice(0, count).map((each) => each.io({ maxRetriesPerRequest: 0, retryStrategy: () => 5 }));
    return new Redlock(clients as never, { retryCount: 0, ...options });
  };
  afterEach(async () => {
    for (const each of sites.splice(0)) await each.close();
  });
  const one = judged ? 1 : 3;

  test("is held by one, for its time", async () => {
    const [mine, yours] = [await over(one), await over(one)];
    const lock = await mine.lock("r", LONG);
    await expect(yours.lock("r", LONG)).rejects.toMatchObject({ name: "LockError" });
    await yours.lock("another", 1000);
    await sites[0]!.pass(LONG);
    const next = await yours.lock("r", LONG);
    // What has run out is nobody's to extend, or to give back.
    await expect(lock.extend(LONG)).rejects.toMatchObject({ name: "LockError" });
    await expect(lock.unlock()).rejects.toMatchObject({ name: "LockError" });
    await expect(mine.lock("r", LONG)).rejects.toMatchObject({ name: "LockError" });
    const longer = await next.extend(5 * LONG);
    await sites[0]!.pass(2 * LONG);
    await expect(mine.lock("r", LONG)).rejects.toMatchObject({ name: "LockError" });
    await longer.unlock();
    await (await mine.lock("r", LONG)).unlock();
  });

  test("of several resources, all or none", async () => {
    const redlock = await over(one);
    const held = await redlock.lock(["a", "b"], 10_000);
    await expect(redlock.lock(["b", "c"], 1000)).rejects.toMatchObject({ name: "LockError" });
    await (await redlock.lock("c", 1000)).unlock();
    await held.unlock();
    await (await redlock.lock(["b", "c"], 1000)).unlock();
  });

  test("who waits gets it, one after the other", async () => {
    const redlock = await over(one, { retryCount: 1000, retryDelay: 2, retryJitter: 2 });
    let [inside, most, done] = [0, 0, 0];
    const work = async (): Promise<void> => {
      const lock = await redlock.lock("r", 60_000);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside--;
      done++;
      await lock.unlock();
    };
    await Promise.all(Array.from({ length: 10 }, work));
    expect([most, done]).toEqual([1, 10]);
  });

  test("most servers are enough, and fewer are not", async () => {
    if (judged) return;
    const redlock = await over(3);
    const errors = vi.fn();
    redlock.on("clientError", errors);
    await sites[0]!.crash();
    const lock = await redlock.lock("r", 10_000);
    expect(errors).toHaveBeenCalled();
    await expect(redlock.lock("r", 10_000)).rejects.toMatchObject({ name: "LockError" });
    await lock.unlock();
    await sites[1]!.crash();
    await expect(redlock.lock("r", 10_000)).rejects.toMatchObject({ name: "LockError" });
    // What it has got of it, it has given back.
    expect(await sites[2]!.io().exists("r")).toBe(0);
  });
});
