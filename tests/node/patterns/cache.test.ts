// Caches: two of them over the same instance are as two tabs; those of tabs are in browser/patterns.test.ts.
import { bytes, cache, type CacheOptions, type RedisLike } from "lodis/patterns";
import { describe, expect, test, vi } from "vitest";
import { eventually, expectRefused, instance, KINDS, plain, refused, setClock, START } from "./playing.js";

/** Loads that end when the test says so. */
function loads<T>() {
  const waiting: { key: string; signal: AbortSignal; resolve: (value: T | undefined) => void; reject: (error: unknown) => void }[] = [];
  const load = vi.fn(
    (key: string, { signal }: { signal: AbortSignal }) =>
      new Promise<T | undefined>((resolve, reject) => waiting.push({ key, signal, resolve, reject })),
  );
  const next = async () => {
    await eventually(() => expect(waiting.length).toBeGreaterThan(0));
    return waiting.shift()!;
  };
  return { load, next };
}

const OPTIONS: CacheOptions<string> = { ttlMs: 1000, jitter: 0 };

describe.each(KINDS)("with %s", (_, of) => {
  test("a value is loaded once, and kept as long as it is fresh", async () => {
    const redis = await instance();
    const setTime = setClock();
    const values = cache<{ name: string }>(of(redis), { ttlMs: 1000, jitter: 0 });
    const load = vi.fn(async (key: string) => ({ name: key }));
    expect(await values.peek("eve")).toBe(undefined);
    expect(await values.get("eve", load)).toEqual({ name: "eve" });
    setTime(START + 999);
    expect(await values.get("eve", load)).toEqual({ name: "eve" });
    expect(await values.peek("eve")).toEqual({ name: "eve" });
    expect(load).toHaveBeenCalledTimes(1);
    setTime(START + 1000);
    expect(await values.peek("eve")).toBe(undefined);
    expect(await values.get("eve", load)).toEqual({ name: "eve" });
    expect(load).toHaveBeenCalledTimes(2);
    expect(await redis.keys("*")).toEqual(["cache:value:eve"]);
  });

  test("one loads for all, in this tab and in others", async () => {
    const redis = of(await instance());
    const tabs = Array.from({ length: 4 }, () => cache<string>(redis, OPTIONS));
    const { load, next } = loads<string>();
    const asked = tabs.flatMap((tab) => [tab.get("k", load), tab.get("k", load), tab.get("k", load)]);
    (await next()).resolve("v");
    expect(await Promise.all(asked)).toEqual(Array(12).fill("v"));
    expect(load).toHaveBeenCalledTimes(1);
  });

  test("what is stale is answered while it is loaded anew, once", async () => {
    const redis = await instance();
    const setTime = setClock();
    const tabs = [0, 1].map(() => cache<string>(of(redis), { ...OPTIONS, staleMs: 500 }));
    await tabs[0]!.set("k", "old");
    setTime(START + 1000);
    const { load, next } = loads<string>();
    for (const tab of [...tabs, ...tabs]) expect(await tab.get("k", load)).toBe("old");
    (await next()).resolve("new");
    await eventually(async () => expect(await tabs[1]!.peek("k")).toBe("new"));
    expect(load).toHaveBeenCalledTimes(1);
    setTime(START + 1999);
    expect(await tabs[0]!.get("k", load)).toBe("new");
    setTime(START + 2500);
    expect(await tabs[0]!.peek("k")).toBe(undefined);
    expect(load).toHaveBeenCalledTimes(1);
  });

  test("what is forgotten while it is loaded is not kept, and not given to who asks later", async () => {
    const redis = of(await instance());
    const [one, other] = [cache<string>(redis, OPTIONS), cache<string>(redis, OPTIONS)];
    const { load, next } = loads<string>();
    const before = one.get("k", load);
    const loading = await next();
    await other.invalidate("k");
    const after = [one.get("k", load), other.get("k", load)];
    loading.resolve("before");
    expect(await before).toBe("before");
    (await next()).resolve("after");
    expect(await Promise.all(after)).toEqual(["after", "after"]);
    expect(await other.peek("k")).toBe("after");
    expect(load).toHaveBeenCalledTimes(2);
  });

  test("a tag takes all with it, those that are being loaded as well", async () => {
    const redis = of(await instance());
    const values = cache<string>(redis, OPTIONS);
    await values.set("a", "1", { tags: ["user:1", "list"] });
    await values.set("b", "2", { tags: ["user:2", "list"] });
    await values.set("c", "3");
    await values.invalidateTags("user:1");
    expect([await values.peek("a"), await values.peek("b"), await values.peek("c")]).toEqual([undefined, "2", "3"]);
    const { load, next } = loads<string>();
    const before = values.get("a", load, { tags: ["user:1", "list"] });
    const loading = await next();
    await values.invalidateTags("list");
    loading.resolve("before");
    expect(await before).toBe("before");
    expect([await values.peek("a"), await values.peek("b"), await values.peek("c")]).toEqual([undefined, undefined, "3"]);
  });
});

test("what a call has found before it was forgotten is not given to those that ask later", async () => {
  const redis = plain(await instance());
  const other = cache<string>(redis, OPTIONS);
  let reads = 0;
  let setting = Promise.resolve();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  // Between the two reads of a call another tab has set the value, and the reply to the second takes its time.
  const slow: RedisLike = {
    ...redis,
    call: async (...words) => {
      if (words[0] === "PTTL") await setting;
      return redis.call(...words);
    },
    bytes: {
      call: async (...words) => {
        const isSecond = ++reads === 2;
        if (isSecond) await (setting = other.set("k", "before"));
        const reply = await redis.bytes.call(...words);
        if (isSecond) await held;
        return reply;
      },
    },
  };
  const one = cache<string>(slow, OPTIONS);
  const load = vi.fn(async () => "after");
  const first = one.get("k", load);
  await eventually(async () => expect(await other.peek("k")).toBe("before"));
  await other.invalidate("k");
  const later = one.get("k", load);
  await eventually(() => expect(reads).toBe(3));
  await new Promise((resolve) => setTimeout(resolve));
  release();
  expect([await first, await later]).toEqual(["before", "after"]);
});

test("what fails is not kept, and who waits in another tab tries it", async () => {
  const redis = await instance();
  const [one, other] = [cache<string>(redis, OPTIONS), cache<string>(redis, OPTIONS)];
  const { load, next } = loads<string>();
  const failing = [one.get("k", load), one.get("k", load)];
  const loading = await next();
  const waiting = other.get("k", load);
  loading.reject(new Error("down"));
  for (const each of failing) await expect(each).rejects.toThrow("down");
  (await next()).resolve("v");
  expect(await waiting).toBe("v");
  expect(load).toHaveBeenCalledTimes(2);
});

test("that there is no value is kept if it is wanted", async () => {
  const redis = await instance();
  const setTime = setClock();
  const load = vi.fn(() => undefined);
  const values = cache<string>(redis, { ...OPTIONS, negativeTtlMs: 100 });
  expect([await values.get("none", load), await values.get("none", load)]).toEqual([undefined, undefined]);
  expect(load).toHaveBeenCalledTimes(1);
  setTime(START + 100);
  await values.get("none", load);
  expect(load).toHaveBeenCalledTimes(2);
  const without = cache<string>(redis, { ...OPTIONS, prefix: "without" });
  await without.get("none", load);
  await without.get("none", load);
  expect(load).toHaveBeenCalledTimes(4);
  // What was there, and is no longer, is not answered again.
  const stale = cache<string>(redis, { ...OPTIONS, staleMs: 1000 });
  await stale.set("gone", "v");
  setTime(START + 1100);
  expect(await stale.get("gone", load)).toBe("v");
  await eventually(async () => expect(await redis.exists("cache:value:gone")).toBe(0));
});

test("a load that takes too long has failed, and its turn is over", async () => {
  const redis = await instance();
  const values = cache<string>(redis, { ...OPTIONS, loadMs: 20 });
  const { load, next } = loads<string>();
  const asked = values.get("k", load);
  const loading = await next();
  await refused(asked, "TIMEOUT");
  expect(loading.signal.reason).toMatchObject({ code: "TIMEOUT" });
  loading.resolve("late");
  expect(await values.get("k", () => "in time")).toBe("in time");
});

test("a tab that has died while it loaded is waited for only so long", async () => {
  const redis = await instance();
  await redis.set("cache:turn:k", "of the dead", { PX: 30 });
  expect(await cache<string>(redis, OPTIONS).get("k", () => "v")).toBe("v");
});

test("a call can give up while others wait on", async () => {
  const redis = await instance();
  const values = cache<string>(redis, OPTIONS);
  const { load, next } = loads<string>();
  const controller = new AbortController();
  const asked = [values.get("k", load, { signal: controller.signal }), values.get("k", load)];
  const loading = await next();
  controller.abort(new Error("enough"));
  await expect(asked[0]).rejects.toThrow("enough");
  loading.resolve("v");
  expect(await asked[1]).toBe("v");
  await expect(values.get("k", load, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
});

test("times differ by chance, and what is asked for often is loaded before its end", async () => {
  const redis = await instance();
  const setTime = setClock();
  const jittery = cache<string>(redis, { ttlMs: 1000, jitter: 0.5 });
  for (let key = 0; key < 50; key++) await jittery.set(`${key}`, "v");
  const ttls = await Promise.all(Array.from({ length: 50 }, (_, key) => redis.pttl(`cache:value:${key}`)));
  expect(Math.min(...ttls)).toBeGreaterThanOrEqual(500);
  expect(Math.max(...ttls)).toBeLessThanOrEqual(1000);
  expect(new Set(ttls).size).toBeGreaterThan(10);

  vi.spyOn(Math, "random").mockReturnValue(1 - Math.exp(-1)); // whose logarithm makes it one times as long
  try {
    const early = cache<string>(redis, { ...OPTIONS, prefix: "early", earlyRefresh: 1 });
    const { load, next } = loads<string>();
    const first = early.get("k", load);
    const loading = await next();
    setTime(START + 100);
    loading.resolve("v");
    expect(await first).toBe("v");
    setTime(START + 999); // it is fresh until 1100
    expect(await early.get("k", load)).toBe("v");
    expect(load).toHaveBeenCalledTimes(1);
    setTime(START + 1000);
    expect(await early.get("k", load)).toBe("v");
    (await next()).resolve("newer");
    await eventually(async () => expect(await early.peek("k")).toBe("newer"));
  } finally {
    vi.restoreAllMocks();
  }
});

test("what goes wrong in the background is told", async () => {
  const redis = await instance();
  const setTime = setClock();
  const told: unknown[] = [];
  const options = { ...OPTIONS, staleMs: 1000, onError: (error: unknown, key: string) => told.push([`${error}`, key]) };
  const values = cache<string>(redis, options);
  await values.set("k", "old");
  setTime(START + 1500);
  const failing = () => Promise.reject(new Error("down"));
  expect(await values.get("k", failing)).toBe("old");
  await eventually(() => expect(told).toEqual([["Error: down", "k"]]));
  await redis.set("cache:value:other", '{"s":0,"d":0}\n{not JSON', { PX: 1000 });
  expect(await values.get("other", () => "v")).toBe("v");
  expect(told.slice(1)).toContainEqual([expect.stringContaining("SyntaxError"), "other"]);
});

test("bytes are kept as they are, and so is what a serializer makes", async () => {
  const redis = await instance();
  const blobs = cache<Uint8Array>(redis, { ttlMs: 1000, serializer: bytes });
  const value = Uint8Array.from({ length: 256 }, (_, i) => i);
  await blobs.set("b", value);
  expect(await blobs.peek("b")).toEqual(value);
  const dates = cache<Date>(redis, {
    ttlMs: 1000,
    serializer: { encode: (date) => date.toISOString(), decode: (bytes) => new Date(new TextDecoder().decode(bytes)) },
  });
  await dates.set("d", new Date(START));
  expect(await dates.peek("d")).toEqual(new Date(START));
  await expect(cache<unknown>(redis, { ttlMs: 1 }).set("f", () => {})).rejects.toThrow("a value of type function is nothing in JSON");
});

describe("written through", () => {
  test("a value goes where it belongs first, and is kept then", async () => {
    const redis = await instance();
    const values = cache<string>(redis, OPTIONS);
    const source = new Map<string, string | undefined>([["k", "old"]]);
    await values.get("k", (key) => source.get(key));
    await values.writeThrough("k", "new", async (key, value) => {
      expect(await values.peek("k")).toBe(undefined);
      source.set(key, value);
    });
    expect([source.get("k"), await values.peek("k")]).toEqual(["new", "new"]);
    await values.writeThrough("k", undefined, (key) => void source.delete(key));
    expect([source.has("k"), await values.peek("k")]).toEqual([false, undefined]);
    expect(await redis.exists("cache:turn:k")).toBe(0);
  });

  test("what fails is not kept, nor is what was there before", async () => {
    const redis = await instance();
    const values = cache<string>(redis, OPTIONS);
    await values.set("k", "old");
    const failing = values.writeThrough("k", "new", () => Promise.reject(new Error("down")));
    await expect(failing).rejects.toThrow("down");
    expect(await values.get("k", () => "what is there")).toBe("what is there");
  });

  test("writes and loads of a key wait for each other, in all tabs", async () => {
    const redis = await instance();
    const [one, other] = [cache<string>(redis, OPTIONS), cache<string>(redis, OPTIONS)];
    let source = "old";
    let busy = 0;
    const slowly = async (run: () => void): Promise<void> => {
      expect(++busy).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      run();
      busy--;
    };
    const write = (tab: typeof one, value: string) => tab.writeThrough("k", value, () => slowly(() => (source = value)));
    const load = async () => {
      await slowly(() => {});
      return source;
    };
    const reads = Promise.all([one.get("k", load), other.get("k", load)]);
    await Promise.all([write(one, "a"), write(other, "b"), write(one, "c"), reads]);
    expect(await other.peek("k")).toBe(source);
  });
});

test("a turn that is over before the value is there keeps nothing", async () => {
  const redis = await instance();
  const setTime = setClock();
  const values = cache<string>(redis, OPTIONS);
  const asked = values.get("k", () => {
    setTime(START + 30_000); // the computer slept
    return "of before";
  });
  expect(await asked).toBe("of before");
  expect(await values.peek("k")).toBe(undefined);
});

test("options that are no good are refused", async () => {
  const redis: RedisLike = plain(await instance());
  expectRefused([
    ["cache: ttlMs is a whole number from 1 to 1125899906842624", () => cache(redis, { ttlMs: 0 })],
    ["cache: staleMs is a whole number from 0 to 1125899906842624", () => cache(redis, { ttlMs: 1, staleMs: -1 })],
    ["cache: jitter is a number from 0 to 1", () => cache(redis, { ttlMs: 1, jitter: 2 })],
    ["cache: onError is a function", () => cache(redis, { ttlMs: 1, onError: 1 as never })],
  ]);
  const values = cache<string>(redis, OPTIONS);
  await expect(values.get("k", 1 as never)).rejects.toThrow("cache: load is a function");
  await expect(values.get("", () => "")).rejects.toThrow("cache: the key is a string that is not empty");
  await expect(values.set("k", "v", { tags: "t" as never })).rejects.toThrow("cache: tags is an array of strings");
  await expect(values.set("k", "v", { tags: [""] })).rejects.toThrow("cache: a tag is a string that is not empty");
  await expect(values.set("k", "v", { ttlMs: 0.5 })).rejects.toThrow("cache: ttlMs is a whole number");
});
