// keyv with @keyv/redis, and cache-manager over it.
import KeyvRedis, { createKeyv } from "@keyv/redis";
import { createCache } from "cache-manager";
import { Keyv } from "keyv";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Site, start } from "./library.js";

/** So long that it does not go by of itself. */
const WHILE = process.env.LODIS_JUDGE_PORT ? 1000 : 60_000;

let site: Site;
let client: Awaited<ReturnType<Site["client"]>>;
const keyvs: Keyv[] = [];
beforeEach(async () => {
  site = await start();
  client = await site.client();
});
afterEach(async () => {
  for (const keyv of keyvs.splice(0)) await (keyv.store as KeyvRedis<unknown>).disconnect(true);
  await site.close();
});

type Options = ConstructorParameters<typeof KeyvRedis>[1];

/** A store with a client of its own. */
function store(options: Options = {}): Keyv {
  const keyv = createKeyv(site.options as never, options);
  keyvs.push(keyv);
  return keyv;
}

describe("keyv", () => {
  test("values of all kinds, one or many", async () => {
    const keyv = store();
    const values = { text: "ü", number: 1.5, zero: 0, no: false, list: [1, null], nested: { a: { b: "c" } }, bytes: Buffer.from([0, 255]) };
    for (const [key, value] of Object.entries(values)) expect(await keyv.set(key, value)).toBe(true);
    for (const [key, value] of Object.entries(values)) expect(await keyv.get(key)).toEqual(value);
    expect(await keyv.get("none")).toBeUndefined();
    expect(await keyv.get(["text", "none", "zero"])).toEqual(["ü", undefined, 0]);
    expect(await keyv.has("text")).toBe(true);
    expect(await keyv.hasMany(["text", "none"])).toEqual([true, false]);
    expect(await keyv.delete("text")).toBe(true);
    expect(await keyv.delete("text")).toBe(false);
    await keyv.setMany([{ key: "a", value: 1 }, { key: "b", value: 2, ttl: 5000 }]);
    expect(await keyv.getMany(["a", "b", "c"])).toEqual([1, 2, undefined]);
    expect(await client.pTTL("b")).toBeGreaterThan(4000);
    expect(await keyv.delete(["a", "b", "c"])).toBe(true);
    expect(await keyv.has("a")).toBe(false);
  });

  test("what expires is gone, here and there", async () => {
    const keyv = store();
    await keyv.set("short", "v", 100);
    await keyv.set("long", "v", 60_000);
    const other = new Keyv(new KeyvRedis(site.options as never), { ttl: 100, useKeyPrefix: false });
    keyvs.push(other);
    await other.set("by default", "v");
    expect(await client.pTTL("long")).toBeGreaterThan(50_000);
    await site.pass(110);
    expect(await keyv.get("short")).toBeUndefined();
    expect(await other.get("by default")).toBeUndefined();
    expect(await keyv.get("long")).toBe("v");
    expect(await client.keys("*")).toEqual(["long"]);
  });

  test("namespaces are listed and cleared apart, however many keys there are", async () => {
    const [one, other] = [store({ namespace: "one", clearBatchSize: 50 }), store({ namespace: "other" })];
    const keys = Array.from({ length: 700 }, (_, index) => `key-${index}`);
    await one.setMany(keys.map((key, value) => ({ key, value })));
    await other.set("key-0", "kept");
    expect(await client.exists("one::key-0")).toBe(1);
    const seen = new Map<string, number>();
    for await (const [key, value] of one.iterator!(undefined)) seen.set(key as string, value as number);
    expect(seen.size).toBe(700);
    expect(seen.get("key-699")).toBe(699);
    await one.clear();
    expect(await one.get("key-1")).toBeUndefined();
    expect(await other.get("key-0")).toBe("kept");
    expect(await client.dbSize()).toBe(1);
  });

  test("without a namespace, only its own keys are cleared unless all are asked for", async () => {
    const keyv = store();
    await keyv.set("k", "v");
    await client.set("one::k", "another's");
    await keyv.clear();
    expect(await client.exists("one::k")).toBe(1);
    const all = store({ noNamespaceAffectsAll: true });
    await all.clear();
    expect(await client.dbSize()).toBe(0);
  });

  test("a value of another type is an error, told or thrown", async () => {
    await client.rPush("list", "x");
    const quiet = store();
    const errors = vi.fn();
    quiet.on("error", errors);
    expect(await quiet.get("list")).toBeUndefined();
    expect(errors).toHaveBeenCalledWith(expect.objectContaining({ message: expect.stringMatching(/^WRONGTYPE/) }));
    const loud = store({ throwOnErrors: true });
    loud.throwOnErrors = true;
    loud.on("error", () => {});
    await expect(loud.get("list")).rejects.toThrow(/WRONGTYPE/);
  });
});

describe("cache-manager", () => {
  test("values expire, by the cache's time, by their own, or by what is computed", async () => {
    const cache = createCache({ stores: [store({ namespace: "c" })], ttl: WHILE });
    await cache.set("default", 1);
    await cache.set("own", 2, 50 * WHILE);
    await cache.mset([{ key: "m1", value: "a" }, { key: "m2", value: "b", ttl: 50 * WHILE }]);
    expect(await cache.mget(["default", "own", "m1", "m2", "none"])).toEqual([1, 2, "a", "b", undefined]);
    expect(await cache.ttl("own")).toBeGreaterThan(Date.now() + 40 * WHILE);
    const make = vi.fn(async () => "made");
    const ttl = vi.fn(() => 50 * WHILE);
    expect(await cache.wrap("wrapped", make, ttl)).toBe("made");
    expect(ttl).toHaveBeenCalledWith("made");
    await site.pass(WHILE);
    expect(await cache.mget(["default", "own", "m1", "m2", "wrapped"])).toEqual([undefined, 2, undefined, "b", "made"]);
    expect((await client.keys("*")).sort()).toEqual(["c::m2", "c::own", "c::wrapped"]);
    await cache.del("own");
    await cache.mdel(["m2", "none"]);
    expect(await client.keys("*")).toEqual(["c::wrapped"]);
    await cache.clear();
    expect(await client.dbSize()).toBe(0);
  });

  test("wrap makes a value once, whoever asks, and again when it has expired, or is about to", async () => {
    const cache = createCache({ stores: [store()], ttl: 10_000 });
    let made = 0;
    const make = vi.fn(async () => ++made);
    expect(await Promise.all(Array.from({ length: 20 }, () => cache.wrap("k", make)))).toEqual(Array(20).fill(1));
    expect(await cache.wrap("k", make)).toBe(1);
    expect(make).toHaveBeenCalledTimes(1);
    const fails = async (): Promise<number> => {
      throw new Error("cannot be made");
    };
    await expect(cache.wrap("other", fails)).rejects.toThrow("cannot be made");
    expect(await client.exists("other")).toBe(0);
    if (process.env.LODIS_JUDGE_PORT) return;
    const early = createCache({ stores: [store()], ttl: 10_000, refreshThreshold: 3000 });
    await site.pass(8000);
    // The old one is answered, and a new one made meanwhile.
    expect(await early.wrap("k", make)).toBe(1);
    await expect.poll(() => early.get("k")).toBe(2);
    await site.pass(11_000);
    expect(await cache.wrap("k", make)).toBe(3);
  });

  test("with a store in memory before it: what one app has, another finds", async () => {
    const far = store({ namespace: "shared" });
    const one = createCache({ stores: [new Keyv({ ttl: 500 }), far] });
    const other = createCache({ stores: [new Keyv(), store({ namespace: "shared" })] });
    const heard = vi.fn();
    one.on("set", heard);
    await one.set("k", { v: 1 }, 60_000);
    expect(heard).toHaveBeenCalledWith(expect.objectContaining({ key: "k", value: { v: 1 } }));
    expect(await other.get("k")).toEqual({ v: 1 });
    await one.del("k");
    expect(await far.get("k")).toBeUndefined();
  });

  test("without its server, a cache with another store goes on", async () => {
    if (process.env.LODIS_JUDGE_PORT) return;
    const far = store({ namespace: "gone" });
    far.on("error", () => {});
    const cache = createCache({ stores: [new Keyv(), far], nonBlocking: true });
    await cache.set("k", "v");
    await site.crash();
    expect(await cache.get("k")).toBe("v");
    await cache.set("k", "w");
    expect(await cache.get("k")).toBe("w");
  });
});
