// SCAN and its kind as iterators.
import { open, type Redis } from "lodis";
import { afterEach, beforeEach, expect, test } from "vitest";

let redis: Redis;
beforeEach(async () => {
  redis = await open("iterators");
});
afterEach(() => redis.close());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const names = Array.from({ length: 300 }, (_, index) => `key:${index}`);

test("all keys, over many pages; by pattern, and of one type", async () => {
  await redis.mSet(names.flatMap((name) => [name, "v"]));
  await redis.rPush("list", 1);
  const found = await all(redis.scanIterator({ COUNT: 20 }));
  expect(new Set(found)).toEqual(new Set([...names, "list"]));
  expect(found.every((key) => typeof key === "string")).toBe(true);
  expect(await all(redis.scanIterator({ TYPE: "list" }))).toEqual(["list"]);
  expect((await all(redis.scanIterator({ MATCH: "key:2?", COUNT: 7 }))).sort()).toEqual(names.slice(20, 30));
  expect(await all(redis.scanIterator())).toHaveLength(301);
  expect(await all(redis.bytes.scanIterator({ MATCH: "list" }))).toEqual([new TextEncoder().encode("list")]);
});

test("what is there all the while is found, whatever comes and goes", async () => {
  await redis.mSet(names.flatMap((name) => [name, "v"]));
  const found = new Set<string>();
  let step = 0;
  for await (const key of redis.scanIterator({ COUNT: 5 })) {
    found.add(key);
    // The table grows and shrinks under it.
    await redis.mSet(Array.from({ length: 20 }, (_, index) => [`other:${step}:${index}`, "v"]).flat());
    if (step++ % 10 === 0) await redis.unlink(await redis.keys("other:*"));
  }
  expect(names.filter((name) => !found.has(name))).toEqual([]);
});

test("fields, members, and members with scores, also of infinity", async () => {
  await redis.hSet("hash", Object.fromEntries(names.map((name, index) => [name, index])));
  const fields = await all(redis.hScanIterator("hash", { COUNT: 10 }));
  expect(Object.fromEntries(fields)).toEqual(await redis.hGetAll("hash"));
  const alone = await all(redis.hScanIterator("hash", { NOVALUES: true }));
  expect(new Set(alone)).toEqual(new Set(names));
  expect(await all(redis.bytes.hScanIterator("hash", { MATCH: "key:7" }))).toEqual([
    [new TextEncoder().encode("key:7"), new TextEncoder().encode("7")],
  ]);

  await redis.sAdd("set", names);
  expect(new Set(await all(redis.sScanIterator("set")))).toEqual(new Set(names));

  await redis.zAdd("zset", "-inf", "a", 1.5, "b", "inf", "c");
  expect(await all(redis.zScanIterator("zset"))).toEqual([["a", -Infinity], ["b", 1.5], ["c", Infinity]]);
  expect(await all(redis.bytes.zScanIterator("zset", { MATCH: "b" }))).toEqual([[new TextEncoder().encode("b"), 1.5]]);
  expect(await all(redis.sScanIterator("nothing"))).toEqual([]);
});

test("one that is left fetches no more; one that is aborted throws the reason", async () => {
  await redis.mSet(names.flatMap((name) => [name, "v"]));
  for await (const _ of redis.scanIterator({ COUNT: 1 })) break;
  const calls = Number(/cmdstat_scan:calls=(\d+)/.exec(await redis.info("commandstats"))![1]);
  expect(calls).toBe(1);

  const abort = new AbortController();
  const found: string[] = [];
  const going = async () => {
    for await (const key of redis.scanIterator({ signal: abort.signal })) {
      if (found.push(key) === 3) abort.abort(new Error("enough"));
    }
  };
  await expect(going()).rejects.toThrow("enough");
  expect(found).toHaveLength(3);
  await expect(all(redis.scanIterator({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ name: "AbortError" });
  await expect(all(redis.scanIterator({ signal: 5 as never }))).rejects.toThrow("signal is an AbortSignal");
});

test("what Redis refuses is thrown", async () => {
  await redis.set("text", "a");
  await expect(all(redis.sScanIterator("text"))).rejects.toMatchObject({ code: "WRONGTYPE" });
  await expect(all(redis.scanIterator({ COUNT: 0 }))).rejects.toMatchObject({ code: "ERR" });
  await expect(all(redis.scanIterator({ NOSUCH: 1 } as never))).rejects.toMatchObject({ code: "ERR" });
});
