// RDB files in and out, as JavaScript sees them; a real redis-server judges both directions.
import { execFile } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ClosedError, FileError, open, type Redis } from "lodis";
import { directory } from "lodis/stores/directory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";

const run = promisify(execFile);

let redis: Redis;
let others: { stop(): Promise<void> }[];
beforeEach(async () => {
  redis = await open("files");
  others = [];
});
afterEach(async () => {
  await redis.close();
  await Promise.all(others.map((other) => other.stop()));
});

/** Runs a command on either server. */
type Call = (...words: (string | number | Buffer)[]) => Promise<unknown>;
const ofLodis = (redis: Redis): Call => (name, ...words) => redis.bytes.call(String(name), ...words);
const ofRedis = ({ client }: RealRedis): Call => (name, ...words) => client.callBuffer(String(name), ...words);

async function real(directory: string, ...options: string[]): Promise<RealRedis> {
  const server = await startRealRedis(directory, ...options);
  others.push(server);
  return server;
}

/** A server that has loaded these bytes. */
async function loaded(file: Blob | Buffer): Promise<RealRedis> {
  const directory = await newDirectory();
  await writeFile(join(directory, "dump.rdb"), await bytesOf(file));
  return real(directory);
}

const bytesOf = async (file: Blob | Buffer): Promise<Buffer<ArrayBuffer>> =>
  file instanceof Blob ? Buffer.from(await file.arrayBuffer()) : Buffer.from(file);

async function another(name = "another"): Promise<Redis> {
  const other = await open(name);
  others.push({ stop: () => other.close() });
  return other;
}

const FAR = 4_000_000_000_000;

/** Every type in every encoding, times, several databases, and names of any bytes. */
async function populate(call: Call): Promise<void> {
  const many = (count: number, of: (index: number) => (string | number)[]) =>
    Array.from({ length: count }, (_, index) => of(index)).flat();
  await call("SET", "int", "12345678901");
  await call("SET", "short", "value");
  await call("SET", "repeats", "abc".repeat(100_000));
  await call("SET", "random", Buffer.from(many(200_000, (i) => [(i * i * 31 + (i >> 3)) & 255]) as number[]));
  await call("SET", Buffer.from([0, 255, 13, 10, 128]), Buffer.from([255, 0, 10]));
  await call("SET", "expires", "later", "PXAT", FAR);
  await call("RPUSH", "list", "a", "1", "-70000", "x".repeat(100));
  await call("RPUSH", "long list", ...many(3000, (i) => [`element ${i}`.repeat(1 + (i % 9))]));
  await call("SADD", "integers", 1, 2, -3, 1e12);
  await call("SADD", "words", "a", "b", "1");
  await call("SADD", "many words", ...many(1000, (i) => [`word ${i}`]));
  await call("ZADD", "scores", 1, "one", "-inf", "lowest", 0.1, "a tenth", 1e300, "high");
  await call("ZADD", "many scores", ...many(1000, (i) => [i / 7, `member ${i}`]));
  await call("HSET", "hash", "field", "value", "number", 7);
  await call("HSET", "large hash", ...many(1000, (i) => [`field ${i}`, `value ${i}`]));
  await call("PEXPIREAT", "large hash", FAR + 1);
  for (let index = 1; index <= 250; index++) await call("XADD", "stream", `${index}-1`, "field", index);
  await call("XDEL", "stream", "7-1");
  await call("XGROUP", "CREATE", "stream", "group", "3-1");
  await call("XGROUP", "CREATE", "stream", "idle", "$");
  await call("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 5, "STREAMS", "stream", ">");
  await call("XACK", "stream", "group", "5-1");
  await call("PFADD", "visitors", ...many(500, (i) => [i]));
  await call("SELECT", 9);
  await call("SET", "elsewhere", "there");
  await call("SELECT", 0);
}

/** The judge of what two real servers hold: their own digest, times, and consumer groups. */
async function holds(server: RealRedis): Promise<unknown> {
  const { client } = server;
  const keys = (await client.keysBuffer("*")).sort(Buffer.compare);
  const times = await Promise.all(keys.map((key) => client.call("PEXPIRETIME", key)));
  const pending = await client.xpending("stream", "group", "-", "+", 10);
  return {
    digest: await client.call("DEBUG", "DIGEST"),
    times,
    // Since when something is pending depends on when it was read.
    pending: (pending as unknown[][]).map(([id, consumer, , count]) => [id, consumer, count]),
    groups: ((await client.xinfo("GROUPS", "stream")) as unknown[][]).map((group) => group.slice(0, 8)),
  };
}

describe("a real redis-server", () => {
  test("loads our RDB file", async () => {
    const theirs = await real(await newDirectory());
    await populate(ofRedis(theirs));
    await populate(ofLodis(redis));
    const file = await redis.exportRdb();
    expect(file).toBeInstanceOf(Blob);
    expect(file.type).toBe("application/octet-stream");
    const ours = await loaded(file);
    expect(await holds(ours)).toEqual(await holds(theirs));
    const checked = await run("redis-check-rdb", [join(ours.directory, "dump.rdb")]);
    expect(checked.stdout).toContain("RDB looks OK!");
    expect(checked.stdout).toContain("redis-ver = '8.4.0'");
  });

  test("loads our AOF", async () => {
    const theirs = await real(await newDirectory());
    await populate(ofRedis(theirs));
    await populate(ofLodis(redis));
    const directory = await newDirectory();
    const file = join(directory, "appendonly.aof");
    await writeFile(file, await bytesOf(await redis.exportAof()));
    const checked = await run("redis-check-aof", [file]);
    expect(checked.stdout).toContain("RDB preamble is OK");
    expect(checked.stdout).toContain("is valid");
    const ours = await real(directory, "--appendonly", "yes");
    expect(await holds(ours)).toEqual(await holds(theirs));
    // It goes on with it as with its own.
    await ours.client.set("after", "1");
    expect(await ours.client.dbsize()).toBe(await redis.dbSize() + 1);
  });

  test("has its own file loaded here", async () => {
    const theirs = await real(await newDirectory());
    await populate(ofRedis(theirs));
    await theirs.client.save();
    await redis.set("old", "goes");
    const file = await readFile(join(theirs.directory, "dump.rdb"));
    const imported = await redis.importRdb(new Blob([file]));
    expect(imported).toEqual({
      keys: (await theirs.client.dbsize()) + 1,
      version: 10,
      skipped: { expired: 0, empty: 0, functions: 0 },
    });
    expect(await redis.exists("old")).toBe(0);
    expect(await redis.pExpireTime("expires")).toBe(FAR);
    const encodings = ["int", "long list", "integers", "scores", "many scores", "hash", "large hash"];
    for (const key of encodings) {
      expect([key, await redis.object("ENCODING", key)]).toEqual([key, await theirs.client.object("ENCODING", key)]);
    }
    const back = await loaded(await redis.exportRdb());
    expect(await holds(back)).toEqual(await holds(theirs));
  });

  test("has what is not taken from its file told", async () => {
    const theirs = await real(await newDirectory());
    const { client } = theirs;
    await client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0");
    await client.call("FUNCTION", "LOAD", "#!lua name=library\nredis.register_function('f', function() return 1 end)");
    await client.set("expired", "1", "PX", 1);
    await client.set("kept", "1");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.save();
    const imported = await redis.importRdb(await readFile(join(theirs.directory, "dump.rdb")));
    expect(imported).toMatchObject({ keys: 1, skipped: { expired: 1, empty: 0, functions: 0 } });
    expect(await redis.keys("*")).toEqual(["kept"]);
  });
});

/** So many keys that an export of them takes more than one slice. */
async function fill(count: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let index = 0; index < count; index++) pipeline.set(`key:${index}`, `value ${index}`);
  await pipeline.exec();
}

describe("an export", () => {
  test("is what there was when it began, whatever is written meanwhile", async () => {
    await fill(100_000);
    await redis.rPush("list", "a", "b");
    let slices = 0;
    const exported = redis.exportRdb({
      onProgress: () => {
        slices++;
        for (let index = slices; index < 100_000; index += 97) redis.sync.set(`key:${index}`, "changed");
        redis.sync.del(`key:${100_000 - slices}`, `key:${slices}`);
        redis.sync.set(`new:${slices}`, "1");
        redis.sync.rPush("list", slices);
        if (slices === 5) redis.sync.flushAll();
      },
    });
    const file = await exported;
    expect(slices).toBeGreaterThan(5);
    const copy = await another();
    expect(await copy.importRdb(file)).toMatchObject({ keys: 100_001 });
    expect(await copy.dbSize()).toBe(100_001);
    expect(await copy.lRange("list", 0, -1)).toEqual(["a", "b"]);
    const keys = Array.from({ length: 100_000 }, (_, index) => `key:${index}`);
    expect(await copy.mGet(keys)).toEqual(keys.map((_, index) => `value ${index}`));
    expect(await redis.get("new:6")).toBe("1");
  });

  test("waits for the one before it", async () => {
    await fill(20_000);
    const during: string[] = [];
    const of = (name: string) => ({
      onProgress: () => {
        during.push(name);
        redis.sync.set(name, "1");
      },
    });
    const exported = [redis.exportRdb(of("first")), redis.exportAof(of("second"))];
    redis.sync.set("after the call", "1");
    const copies = [];
    for (const file of await Promise.all(exported)) {
      const copy = await another();
      await copy.importRdb(file);
      copies.push(await copy.mGet("key:1", "after the call", "first", "second"));
    }
    expect(copies).toEqual([["value 1", null, null, null], ["value 1", "1", "1", null]]);
    expect(during).toEqual([...during].sort());
    expect(new Set(during).size).toBe(2);
  });

  test("that is aborted leaves nothing behind", async () => {
    await fill(20_000);
    const controller = new AbortController();
    let steps = 0;
    const onProgress = () => {
      if (++steps === 2) controller.abort(new Error("enough"));
    };
    const aborted = redis.exportRdb({ onProgress, signal: controller.signal });
    await expect(aborted).rejects.toThrow("enough");
    expect(steps).toBe(2);
    await expect(redis.exportRdb({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    const copy = await another();
    expect(await copy.importRdb(await redis.exportRdb())).toMatchObject({ keys: 20_000 });
  });

  test("and an import tell how far they are", async () => {
    await fill(20_000);
    for (const work of [
      (onProgress: (done: number) => void) => redis.exportRdb({ onProgress }),
      async (onProgress: (done: number) => void) => redis.importRdb(await redis.exportRdb(), { onProgress }),
      async (onProgress: (done: number) => void) => {
        const file = await redis.exportRdb();
        return redis.importRdb(file.stream() as never, { onProgress, size: file.size });
      },
    ]) {
      const told: number[] = [];
      await work((done) => told.push(done));
      expect(told.length).toBeGreaterThan(2);
      expect(told).toEqual([...told].sort((a, b) => a - b));
      expect(told[0]).toBeLessThan(0.9);
      expect(told[0]).toBeGreaterThan(0);
      expect(told.at(-2)).toBeLessThan(1);
      expect(told.at(-1)).toBe(1);
    }
  });

  test("ends when the instance is closed", async () => {
    await fill(20_000);
    const other = await another();
    const [exported, imported] = [redis.exportRdb(), other.importRdb(new ReadableStream())];
    await redis.close();
    await expect(exported).rejects.toThrow(ClosedError);
    await other.close();
    await expect(imported).rejects.toThrow(ClosedError);
    await expect(redis.exportRdb()).rejects.toThrow(ClosedError);
  });
});

describe("an import", () => {
  let file: Buffer<ArrayBuffer>;
  beforeEach(async () => {
    await redis.mSet({ new: "1", both: "there" });
    await redis.rPush("list", "a", "b");
    file = await bytesOf(await redis.exportRdb());
    await redis.flushAll();
    await redis.mSet({ old: "1", both: "here" });
  });

  const isOld = async () => {
    expect((await redis.keys("*")).sort()).toEqual(["both", "old"]);
    expect(await redis.get("both")).toBe("here");
  };

  test("takes a Blob, bytes and a stream", async () => {
    const padded = Buffer.concat([Buffer.alloc(5), file, Buffer.alloc(5)]);
    const inside = new Uint8Array(padded.buffer, padded.byteOffset + 5, file.length);
    const letters = new ReadableStream({
      pull(controller) {
        const at = sent++;
        if (at === file.length) controller.close();
        else controller.enqueue(new Uint8Array([file[at]!]));
      },
    });
    let sent = 0;
    for (const source of [new Blob([file]), inside.slice().buffer, inside, letters]) {
      await redis.set("old", "1");
      expect(await redis.importRdb(source)).toMatchObject({ keys: 3 });
      expect((await redis.keys("*")).sort()).toEqual(["both", "list", "new"]);
    }
    await expect(redis.importRdb("dump.rdb" as never)).rejects.toThrow(TypeError);
    await expect(redis.importRdb(new Blob(["x"]).stream().pipeThrough(new TextDecoderStream()) as never))
      .rejects.toThrow(TypeError);
  });

  test("of a file that is not good changes nothing", async () => {
    const bad: [Buffer, string, RegExp][] = [
      [Buffer.from(""), "RDB_CORRUPT", /ends too early/],
      [Buffer.from("*1\r\n$4\r\nPING\r\n"), "RDB_CORRUPT", /is no RDB file/],
      [Buffer.concat([file, Buffer.from("*1\r\n")]), "RDB_CORRUPT", /goes on after its end/],
      [Buffer.from("REDIS9999"), "RDB_TOO_NEW", /RDB version 9999/],
      [Buffer.from("REDIS0010\xfe\x20", "latin1"), "RDB_UNSUPPORTED", /no database 32/],
    ];
    for (let end = 0; end < file.length; end += 3) bad.push([file.subarray(0, end), "RDB_CORRUPT", /ends too early/]);
    for (let at = 9; at < file.length; at += 3) {
      const flipped = Buffer.from(file);
      flipped[at]! ^= 1;
      bad.push([flipped, "RDB_(CORRUPT|UNSUPPORTED)", /cannot be loaded/]);
    }
    for (const [bytes, code, message] of bad) {
      const error = await redis.importRdb(bytes).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(FileError);
      expect((error as FileError).code).toMatch(new RegExp(`^${code}$`));
      expect((error as FileError).message).toMatch(message);
      await isOld();
    }
    expect(await redis.importRdb(file)).toMatchObject({ keys: 3 });
  });

  test("that is aborted, or whose stream fails, changes nothing", async () => {
    const stalled = new AbortController();
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(file.subarray(0, 20)));
      },
      cancel: () => void (cancelled = true),
    });
    let cancelled = false;
    const waits = redis.importRdb(stream, { signal: stalled.signal });
    setTimeout(() => stalled.abort(new Error("too long")), 20);
    await expect(waits).rejects.toThrow("too long");
    expect(cancelled).toBe(true);
    const failing = new ReadableStream({
      pull(controller) {
        controller.error(new Error("the network is gone"));
      },
    });
    await expect(redis.importRdb(failing)).rejects.toThrow("the network is gone");
    await expect(redis.importRdb(file, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    await isOld();
    expect(await redis.importRdb(file)).toMatchObject({ keys: 3 });
  });

  test("tells whoever watches a key, waits for one, or has read one", async () => {
    redis.sync.get("both");
    expect([redis.sync.get("both"), redis.sync.get("both")]).toEqual(["here", "here"]);
    await redis.watch("old");
    const waits = redis.blPop("list", 0);
    const imported = redis.importRdb(file);
    await redis.set("lost", "with what was there");
    await imported;
    expect(redis.sync.get("both")).toBe("there");
    expect(await waits).toEqual(["list", "a"]);
    expect(await redis.lRange("list", 0, -1)).toEqual(["b"]);
    expect(await redis.multi().set("x", "y").exec()).toBeNull();
    expect((await redis.keys("*")).sort()).toEqual(["both", "list", "new"]);
  });

  test("and an export that is under way do not meet", async () => {
    await fill(20_000);
    const exported = redis.exportRdb();
    expect(await redis.importRdb(file)).toMatchObject({ keys: 3 });
    expect(await redis.dbSize()).toBe(3);
    expect(await redis.importRdb(await exported)).toMatchObject({ keys: 20_002 });
    expect(await redis.get("key:19999")).toBe("value 19999");
  });

  test("waits for the one before it", async () => {
    await fill(20_000);
    const large = await redis.exportRdb();
    const imported = await Promise.all([redis.importRdb(large), redis.importRdb(file)]);
    expect(imported.map(({ keys }) => keys)).toEqual([20_002, 3]);
    expect(await redis.dbSize()).toBe(3);
  });

  test("of more than maxmemory allows changes nothing", async () => {
    const large = await another();
    await large.mSet(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, "x".repeat(30_000) + i])));
    const file = await large.exportRdb();
    await large.close();
    const used = /used_memory:(\d+)/.exec(await redis.info("memory"))![1]!;
    await redis.config("SET", "maxmemory", Number(used) + 500_000);
    const refused = redis.importRdb(file);
    await expect(refused).rejects.toMatchObject({ name: "FileError", code: "OUT_OF_MEMORY" });
    await isOld();
    await redis.config("SET", "maxmemory", 0);
    expect(await redis.importRdb(file)).toMatchObject({ keys: 100 });
  });
});

test("fields of hashes go with their times", async () => {
  await redis.hSet("hash", { stays: "1", goes: "2" });
  await redis.hpExpireAt("hash", FAR, "FIELDS", 1, "goes");
  expect(await redis.importRdb(await redis.exportRdb())).toMatchObject({ keys: 1, version: 12 });
  expect(await redis.hpExpireTime("hash", "FIELDS", 2, "stays", "goes")).toEqual([-1, FAR]);
});

test.each(["always", "everysec", "no"] as const)("with a store and appendfsync %s, what was imported is stored when that is told", async (appendfsync) => {
  await fill(20_000);
  const file = await redis.exportRdb();
  const folder = await newDirectory();
  others.push({ stop: () => rm(folder, { recursive: true, force: true }) });
  const [here, copy] = [join(folder, "here"), join(folder, "copy")];
  const stored = await open("stored", { store: directory(here), appendfsync });
  others.unshift({ stop: () => stored.close() });
  await stored.set("old", "1");
  // A rewrite that begins before the import has what was there, and ends as if nothing had happened.
  await stored.bgRewriteAof();
  const imported = stored.importRdb(file);
  await stored.set("lost", "1");
  await imported;
  expect(stored.persistence).toEqual({ state: "saved" });
  // What a crash would leave behind.
  await cp(here, copy, { recursive: true, filter: (path) => !path.endsWith("lock") });
  const told: number[] = [];
  const again = await open("again", { store: directory(copy), onProgress: (done) => told.push(done) });
  others.unshift({ stop: () => again.close() });
  expect(await again.dbSize()).toBe(20_000);
  expect(await again.get("key:19999")).toBe("value 19999");
  expect(told.at(-1)).toBe(1);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});
