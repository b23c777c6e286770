// Values that were decoded before are answered without asking the engine, and nobody can tell.
import { open, type Redis } from "lodis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

let redis: Redis;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
  redis = await open("cache", { store: "memory" });
});

afterEach(async () => {
  vi.useRealTimers();
  await redis.close();
});

/** Reads a key until its value is answered without asking. */
function warm(key: string): void {
  for (let times = 0; times < 3; times++) redis.sync.get(key);
}

function stat(name: string): number {
  return Number(new RegExp(`${name}:(\\d+)`).exec(redis.sync.info("stats"))![1]);
}

/** Whether GET does not ask the engine. */
function isKnown(key: string): boolean {
  const exec = vi.spyOn(redis.host.engine.lodis, "exec");
  redis.sync.get(key);
  const known = exec.mock.calls.length === 0;
  exec.mockRestore();
  return known;
}

test("a value that is read twice is answered without asking from then on", async () => {
  redis.sync.set("a", "1");
  redis.sync.get("a");
  expect(isKnown("a")).toBe(false);
  expect(isKnown("a")).toBe(true);
  expect(redis.sync.get("a")).toBe("1");
  expect(await redis.get("a")).toBe("1");
  redis.sync.set("b", "2");
  expect(isKnown("a")).toBe(true);
  redis.sync.set("a", "3");
  expect(isKnown("a")).toBe(false);
  expect(redis.sync.get("a")).toBe("3");
});

test("what is not there, not a string, or not asked for by text is always asked for", () => {
  redis.sync.rPush("list", "a");
  for (let times = 0; times < 3; times++) {
    expect(redis.sync.get("nothing")).toBeNull();
    expect(() => redis.sync.get("list")).toThrow(/^WRONGTYPE/);
  }
  redis.sync.set("5", "five");
  for (let times = 0; times < 3; times++) {
    expect(redis.sync.get(5)).toBe("five");
    expect(redis.sync.bytes.get("5")).toEqual(new TextEncoder().encode("five"));
  }
});

test("the number of arguments is checked all the same", async () => {
  redis.sync.set("a", "1");
  warm("a");
  const wrong = "ERR wrong number of arguments for 'get' command";
  expect(() => redis.sync.get("a", ...(["b"] as unknown as []))).toThrow(wrong);
  await expect(redis.get("a", ...(["b"] as unknown as []))).rejects.toThrow(wrong);
  expect(() => (redis.sync.get as () => unknown)()).toThrow(wrong);
});

test("a key is gone when its time has come, not later", async () => {
  redis.sync.set("a", "1", { PX: 100 });
  warm("a");
  expect(isKnown("a")).toBe(true);
  vi.setSystemTime(Date.now() + 99);
  expect(redis.sync.get("a")).toBe("1");
  expect(isKnown("a")).toBe(true);
  vi.setSystemTime(Date.now() + 1);
  expect(redis.sync.get("a")).toBeNull();
  expect(await redis.get("a")).toBeNull();
});

test("answers count as commands and hits", async () => {
  redis.sync.set("a", "1");
  warm("a");
  const [commands, hits] = [stat("total_commands_processed"), stat("keyspace_hits")];
  for (let times = 0; times < 10; times++) redis.sync.get("a");
  for (let times = 0; times < 10; times++) await redis.get("a");
  expect(stat("keyspace_hits")).toBe(hits + 20);
  expect(stat("total_commands_processed")).toBe(commands + 20 + 3);
});

test("a key that is read all the time does not become idle", async () => {
  redis.sync.set("a", "1");
  warm("a");
  await expect.poll(() => isKnown("a"), { interval: 20, timeout: 20_000 }).toBe(false);
});

describe("the view of the session", () => {
  test("SELECT", async () => {
    redis.sync.set("a", "1");
    warm("a");
    await redis.select(1);
    expect(redis.sync.get("a")).toBeNull();
    redis.sync.set("a", "2");
    warm("a");
    expect(redis.sync.get("a")).toBe("2");
    await redis.pipeline().select(0).exec();
    expect(redis.sync.get("a")).toBe("1");
  });

  test("MULTI and EXEC", async () => {
    redis.sync.set("a", "1");
    warm("a");
    expect(redis.sync.multi().set("a", "2").get("a").execSync()).toEqual(["OK", "2"]);
    expect(redis.sync.get("a")).toBe("2");
    warm("a");
    redis.sync.call("MULTI");
    expect(redis.sync.get("a")).toBe("QUEUED");
    expect(redis.sync.get("a")).toBe("QUEUED");
    expect(redis.sync.get("a")).toBe("QUEUED");
    expect(redis.sync.call("EXEC")).toEqual(["2", "2", "2"]);
    expect(redis.sync.get("a")).toBe("2");
  });

  test("close", async () => {
    redis.sync.set("a", "1");
    warm("a");
    await redis.close();
    expect(() => redis.sync.get("a")).toThrow(/closed/);
    await expect(redis.get("a")).rejects.toThrow(/closed/);
  });
});

test("the memory may grow", () => {
  redis.sync.set("a", "1");
  warm("a");
  const before = redis.host.engine.lodis;
  expect(isKnown("a")).toBe(true);
  redis.sync.set("large", "x".repeat(32 * 1024 * 1024));
  expect(redis.sync.get("a")).toBe("1");
  warm("a");
  expect(isKnown("a")).toBe(true);
  expect(redis.host.engine.lodis).toBe(before);
  redis.sync.set("a", "2");
  expect(redis.sync.get("a")).toBe("2");
});

test("more than fits", () => {
  const long = "x".repeat(100_000);
  for (let key = 0; key < 400; key++) redis.sync.set(`long:${key}`, `${long}${key}`);
  for (let key = 0; key < 70_000; key++) redis.sync.set(`key:${key}`, `value ${key}`);
  for (let times = 0; times < 3; times++) {
    for (let key = 0; key < 400; key++) {
      expect(redis.sync.get(`long:${key}`) === `${long}${key}`).toBe(true);
    }
    for (let key = 0; key < 70_000; key++) {
      if (redis.sync.get(`key:${key}`) !== `value ${key}`) throw new Error(`key:${key}`);
    }
  }
});

test("any commands in any order, by whatever way", async () => {
  let state = 12345;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
  const keys = ["a", "b", "c", "d", "é", "1"];
  const key = (): string => pick(keys);
  const value = (): string => pick(["", "1", "text", "é😀", "x".repeat(200)]);
  const other = redis.host.engine.openConnection("test", () => {});
  const wire = (...words: string[]): void => {
    const text = `*${words.length}\r\n${words.map((word) => `$${new TextEncoder().encode(word).length}\r\n${word}\r\n`).join("")}`;
    redis.host.engine.receive(other, new TextEncoder().encode(text));
  };
  const changes: (() => unknown)[] = [
    () => redis.sync.set(key(), value()),
    () => redis.sync.set(key(), value(), { PX: 1 + below(20) }),
    () => redis.sync.set(key(), value(), { KEEPTTL: true }),
    () => redis.sync.mSet({ [key()]: value(), [key()]: value() }),
    () => redis.sync.append(key(), value()),
    () => redis.sync.setRange(key(), below(5), value()),
    () => redis.sync.setBit(key(), below(100), below(2)),
    () => redis.sync.call("INCR", key()),
    () => redis.sync.incrByFloat(key(), 1.5),
    () => redis.sync.del(key()),
    () => redis.sync.getDel(key()),
    () => redis.sync.getEx(key(), { PX: 1 + below(20) }),
    () => redis.sync.expire(key(), below(3) - 1),
    () => redis.sync.pExpire(key(), below(20)),
    () => redis.sync.persist(key()),
    () => redis.sync.rename(key(), key()),
    () => redis.sync.copy(key(), key(), { REPLACE: true }),
    () => redis.sync.move(key(), 1),
    () => redis.sync.rPush(key(), "element"),
    () => redis.sync.sort(key(), { STORE: key() }),
    () => redis.sync.pfAdd(key(), value()),
    () => redis.sync.pfCount(key()),
    () => redis.sync.bitOp("NOT", key(), key()),
    () => redis.sync.flushAll(),
    () => redis.sync.swapDb(0, 1),
    () => redis.sync.select(below(2)),
    () => redis.sync.multi().set(key(), value()).incr(key()).execSync(),
    () => redis.sync.pipeline().select(below(2)).set(key(), value()).execSync(),
    () => wire("SET", key(), value()),
    () => wire("FLUSHDB"),
    () => wire("SELECT", `${below(2)}`),
    () => vi.setSystemTime(Date.now() + below(30)),
  ];
  let known = 0;
  for (let step = 0; step < 20_000; step++) {
    if (below(3) === 0) {
      try {
        pick(changes)();
      } catch (error) {
        if (!/^(WRONGTYPE|ERR)/.test(String((error as Error).message))) throw error;
      }
    }
    const one = key();
    const answer = (get: () => unknown): unknown => {
      try {
        return get();
      } catch (error) {
        return (error as Error).message;
      }
    };
    const told = answer(() => redis.sync.call("GET", one));
    const exec = vi.spyOn(redis.host.engine.lodis, "exec");
    expect(answer(() => redis.sync.get(one)), `step ${step}`).toBe(told);
    if (exec.mock.calls.length === 0) known++;
    exec.mockRestore();
  }
  expect(known).toBeGreaterThan(1000);
});
