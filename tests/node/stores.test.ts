// Every store that runs in Node: the conformance suite, then an instance on top of it.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { fork } from "node:child_process";
import { once } from "node:events";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open, salvage, type Store } from "lodis";
import { storeTests } from "lodis/stores/conformance";
import { directory } from "lodis/stores/directory";
import { memoryStore } from "lodis/stores/memory";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-stores-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const memories = new Map<string, Store>();
const connections = {
  memory: (place: string) => {
    if (!memories.has(place)) memories.set(place, memoryStore());
    return memories.get(place)!;
  },
  directory: (place: string) => directory(join(folder, place)),
  "the user's own": (place: string) => ownStore(place),
};

for (const [kind, connect] of Object.entries(connections)) {
  describe(kind, () => {
    for (const { name, run } of storeTests) test(name, () => run(connect));

    for (const appendfsync of ["always", "everysec", "no"] as const) {
      test(`an instance finds its data again, appendfsync ${appendfsync}`, async () => {
        const place = `instance-${appendfsync}`;
        let redis = await open("app", { store: connect(place), appendfsync });
        await redis.mSet({ a: "1", b: "ünï" });
        await redis.hSet("h", { f: "v" });
        await redis.rPush("l", ["x", "y"]);
        expect(await redis.bgRewriteAof()).toMatch(/started|scheduled/);
        await redis.incr("a");
        await rewritten(redis);
        await redis.expire("h", 1000);
        await redis.close();
        redis = await open("app", { store: connect(place), appendfsync });
        expect(await redis.mGet(["a", "b"])).toEqual(["2", "ünï"]);
        expect(await redis.hGetAll("h")).toEqual({ f: "v" });
        expect(await redis.lRange("l", 0, -1)).toEqual(["x", "y"]);
        expect(await redis.ttl("h")).toBeGreaterThan(900);
        expect(await redis.call("INFO", "persistence")).toMatch(/aof_enabled:1/);
        await redis.close();
      });
    }

    test("a store that is open is refused or fenced, and not damaged", async () => {
      const place = "twice";
      const first = await open("app", { store: connect(place), appendfsync: "always" });
      await first.set("a", "1");
      const second = await open("app", { store: connect(place) }).catch((error: Error) => error);
      if (second instanceof Error) {
        expect(second).toMatchObject({ code: "STORE_LOCKED" });
        await first.set("a", "2");
      } else {
        await expect(first.set("a", "3")).rejects.toThrow();
        await second.set("a", "2");
        await second.close();
      }
      await first.close().catch(() => {});
      const third = await open("app", { store: connect(place) });
      expect(await third.get("a")).toBe("2");
      await third.close();
    });
  });
}

test("a store without a method, and a bad path, are refused by name", async () => {
  const store = { ...ownStore("bad"), write: undefined } as unknown as Store;
  await expect(open("app", { store })).rejects.toThrow('open: the store has no method "write"');
  expect(() => directory("")).toThrow("directory: the path is a string that is not empty");
});

test("what a store throws comes to the caller", async () => {
  const failing = (code: string | undefined): Store => ({
    ...ownStore("failing"),
    open: () => Promise.reject(Object.assign(new Error("no"), { code })),
  });
  await expect(open("app", { store: failing("STORE_CORRUPT") })).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  await expect(open("app", { store: failing("EACCES") })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});

test("writes that a store refuses are MISCONF, and are stored once it takes them", async () => {
  const inner = memoryStore();
  let refuses = false;
  const store: Store = {
    open: () => inner.open(),
    read: (...args) => inner.read(...args),
    write: async (change) => {
      if (!refuses) return inner.write(change);
      // A part of it is done: the worst that the interface allows.
      await inner.write({ ...change, manifest: undefined, trim: undefined, frames: change.frames.slice(0, 1) });
      throw new Error("the disk is on fire");
    },
    close: () => inner.close(),
  };
  let redis = await open("app", { store, appendfsync: "always" });
  await redis.set("a", "1");
  refuses = true;
  await expect(redis.set("a", "2")).rejects.toThrow(/^MISCONF .*the disk is on fire/);
  await expect(redis.set("b", "x".repeat(600_000))).rejects.toThrow(/^MISCONF/);
  expect(await redis.get("a")).toBe("2");
  refuses = false;
  await expect.poll(() => redis.set("a", "3").catch(String), { timeout: 20_000 }).toBe("OK");
  await redis.close();
  redis = await open("app", { store });
  expect(await redis.get("a")).toBe("3");
  await redis.close();
});

test("a store that takes no writes can be opened and read, and is claimed once it does", async () => {
  const store = memoryStore();
  let isFull = false;
  const full: Store = {
    open: () => store.open(),
    read: (...args) => store.read(...args),
    close: () => store.close(),
    write: async (change) => {
      if (isFull) throw new Error("ENOSPC: no space left on device");
      return store.write(change);
    },
  };
  let redis = await open("app", { store: full, appendfsync: "always" });
  await redis.set("a", "1");
  await redis.close();
  isFull = true;
  redis = await open("app", { store: full, appendfsync: "always" });
  expect(await redis.get("a")).toBe("1");
  expect(redis.persistence).toMatchObject({ state: "failed", reason: expect.stringContaining("ENOSPC") });
  await expect(redis.set("b", "1")).rejects.toThrow(/MISCONF .*ENOSPC/);
  isFull = false;
  await expect.poll(() => redis.persistence.state, { timeout: 20_000 }).toBe("saved");
  await redis.set("b", "2");
  await redis.close();
  redis = await open("app", { store: full });
  expect(await redis.mGet(["a", "b"])).toEqual(["1", "2"]);
  await redis.close();
  // There is nothing to read.
  const empty = { ...full, open: async () => ({ manifest: undefined, last: undefined }) };
  isFull = true;
  await expect(open("app", { store: empty })).rejects.toThrow("ENOSPC");
});

describe("a directory", () => {
  test("is taken over from a process that was killed, with all that was acknowledged", async () => {
    const path = join(folder, "killed");
    const writer = fork(fileURLToPath(new URL("store-writer.mjs", import.meta.url)), [path]);
    let acknowledged = 0;
    writer.on("message", (count) => (acknowledged = count as number));
    await once(writer, "message");
    await expect(open("app", { store: directory(path) })).rejects.toMatchObject({
      code: "STORE_LOCKED",
      message: expect.stringContaining(`process ${writer.pid} on ${hostname()}`),
    });
    await expect.poll(() => acknowledged, { timeout: 20_000 }).toBeGreaterThan(200);
    writer.kill("SIGKILL");
    await once(writer, "exit");
    const redis = await open("app", { store: directory(path) });
    const count = Number(await redis.get("count"));
    expect(count).toBeGreaterThanOrEqual(acknowledged);
    expect(await redis.lRange("list", 0, -1)).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
    await redis.close();
  });

  test("that another machine has is not taken", async () => {
    const path = join(folder, "foreign");
    await (await open("app", { store: directory(path) })).close();
    await writeFile(join(path, "lock"), "1 another-host\n");
    await expect(open("app", { store: directory(path) })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  });

  test("that is deleted under an instance is made anew, with all the data", async () => {
    const path = join(folder, "deleted");
    let redis = await open("app", { store: directory(path), appendfsync: "always" });
    await redis.set("a", "1");
    await rm(path, { recursive: true });
    // Whether this one is refused or waits: it is stored if it is acknowledged.
    await redis.set("b", "2").catch(() => {});
    await expect.poll(() => redis.set("c", "3").catch(String), { timeout: 20_000 }).toBe("OK");
    const b = await redis.get("b");
    await redis.close();
    redis = await open("app", { store: directory(path) });
    expect(await redis.mGet(["a", "b", "c"])).toEqual(["1", b, "3"]);
    await redis.close();
  });

  test("stays small under endless writes of few keys", async () => {
    const path = join(folder, "bounded");
    const redis = await open("app", { store: directory(path), appendfsync: "no" });
    await redis.configSet({ "auto-aof-rewrite-min-size": "100kb" });
    let written = 0;
    for (let round = 0; round < 200; round++) {
      const pipeline = redis.pipeline();
      for (let key = 0; key < 50; key++) pipeline.set(`key:${key}`, `${round}`.padStart(1000, "-"));
      await pipeline.exec();
      written += 50_000;
      if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await rewritten(redis);
    await redis.bgRewriteAof();
    await rewritten(redis);
    await redis.close();
    const sizes = await Promise.all((await readdir(path)).map((name) => stat(join(path, name))));
    expect(sizes.reduce((total, { size }) => total + size, 0)).toBeLessThan(written / 8);
  });

  test("a torn tail is cut, damage before it is refused", async () => {
    const path = join(folder, "damaged");
    let redis = await open("app", { store: directory(path), appendfsync: "always" });
    for (let count = 1; count <= 5; count++) await redis.rPush("list", `${count}`);
    await redis.close();
    const [name] = (await readdir(path)).filter((entry) => entry.startsWith("records-"));
    const file = join(path, name!);
    const whole = await readFile(file);
    await writeFile(file, whole.subarray(0, whole.length - 3));
    redis = await open("app", { store: directory(path) });
    expect(await redis.lRange("list", 0, -1)).toEqual(["1", "2", "3", "4"]);
    await redis.close();
    // Each byte of the header and one of the payload: none may be taken for a torn tail.
    for (const at of [0, 5, 9, 17, 22, 24, 25, 27, 30, 40]) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x81;
      await writeFile(file, damaged);
      await expect(open("app", { store: directory(path) }), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^STORE_(CORRUPT|TOO_NEW)$/),
      });
    }
    const damaged = Buffer.from(whole);
    damaged[damaged.indexOf("$1\r\n3\r\n") + 4]! ^= 1;
    await writeFile(file, damaged);
    await expect(open("app", { store: directory(path) })).rejects.toMatchObject({ name: "StoreError" });
    const salvaged = await salvage("app", { store: directory(path) });
    expect(salvaged.lost).toMatch(/^record at offset \d+: the checksum does not match/);
    expect(salvaged.redis.sync.lRange("list", 0, -1)).toEqual(["1", "2"]);
    await salvaged.redis.close();
    expect((await readFile(file)).equals(damaged)).toBe(true);
    await writeFile(file, whole);
    redis = await open("app", { store: directory(path) });
    expect(await redis.lLen("list")).toBe(5);
    await redis.close();
  });
});

async function rewritten(redis: Awaited<ReturnType<typeof open>>): Promise<void> {
  const info = () => redis.call("INFO", "persistence");
  await expect.poll(info, { timeout: 20_000 }).toMatch(/aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/);
  expect(await info()).toMatch(/aof_last_bgrewrite_status:ok/);
}

/** What a user would write over a store of keys and values with transactions. */
function ownStore(place: string): Store {
  let entries = places.get(place);
  if (!entries) places.set(place, (entries = new Map()));
  const data = entries;
  const key = (base: number, offset: number) => `${base}:${String(offset).padStart(16, "0")}`;
  const sorted = (base: number) => [...data.keys()].filter((entry) => entry.startsWith(`${base}:`)).sort();
  const offsetOf = (entry: string) => Number(entry.split(":")[1]);
  return {
    async open() {
      const last = sorted(0).at(-1);
      return { manifest: data.get("manifest"), last: last === undefined ? undefined : offsetOf(last) };
    },
    async read(base, from, limit) {
      const found = sorted(base).filter((entry) => offsetOf(entry) >= from);
      return found.slice(0, limit).map((entry) => data.get(entry)!.slice());
    },
    async write({ expected, cut, frames, manifest, trim }) {
      const stored = data.get("manifest");
      if (Buffer.compare(expected ?? new Uint8Array(), stored ?? new Uint8Array()) !== 0) {
        throw Object.assign(new Error("not what was expected"), { code: stored ? "FENCED" : "LOST" });
      }
      const remove = (condition: (base: number, offset: number) => boolean) => {
        for (const entry of data.keys()) {
          if (entry !== "manifest" && condition(Number(entry.split(":")[0]), offsetOf(entry))) data.delete(entry);
        }
      };
      if (cut !== undefined) remove((base, offset) => base === 0 && offset >= cut);
      for (const { base, offset, bytes } of frames) data.set(key(base, offset), bytes.slice());
      if (manifest) data.set("manifest", manifest.slice());
      if (trim) remove((base, offset) => (base === 0 ? offset < trim.start : base !== trim.base));
    },
    async close() {},
  };
}

const places = new Map<string, Map<string, Uint8Array>>();
