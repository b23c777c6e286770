// The conductor between engine, log and tabs, with a log and tabs that the test plays itself.
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Lodis, Module } from "../../pkg/src/boundary/wasm.js";
import { StoreError } from "../../pkg/src/errors.js";
import { Host } from "../../pkg/src/host.js";
import type { Loaded } from "../../pkg/src/load.js";
import { Redis } from "../../pkg/src/redis.js";
import { StoreCalls } from "../../pkg/src/stores/calls.js";
import { memoryStore } from "../../pkg/src/stores/memory.js";
import { bytes, FakeLog, FakeTabs, listen, MUCH_LEN, recording, SETTINGS, turn } from "./conducting.js";

let base: Loaded;
let logs: FakeLog[];
let tabs: FakeTabs[];
let refuse: Error | undefined;
let open: Redis[];

beforeEach(async () => {
  const module = (await import("../../pkg/wasm/lodis.js")) as unknown as Module;
  const bytes = await readFile(new URL("../../pkg/wasm/lodis_bg.wasm", import.meta.url));
  const { memory } = await module.default({ module_or_path: bytes });
  [logs, tabs, open, refuse] = [[], [], [], undefined];
  const fakes = {
    Lodis: recording(module, memory),
    default: module.default,
    Log: {
      async open(lodis: Lodis, _name: string, _options: unknown, onEvent: FakeLog["onEvent"]) {
        if (refuse) throw refuse;
        logs.push(new FakeLog(lodis, onEvent));
        return logs.at(-1)!;
      },
    },
    Tabs: {
      join(...args: ConstructorParameters<typeof FakeTabs>) {
        if (refuse) throw refuse;
        tabs.push(new FakeTabs(...args));
        return tabs.at(-1)!;
      },
    },
  };
  base = { module: fakes as unknown as Module, memory };
  vi.stubGlobal("navigator", { locks: {} });
});

afterEach(async () => {
  for (const redis of open) await redis.close().catch(() => {});
  vi.unstubAllGlobals();
});

/** An instance that is being opened. */
function opening(options: Partial<typeof SETTINGS> = {}): { opened: Promise<void>; redis: Redis; tabs: FakeTabs } {
  const settings = { ...SETTINGS, ...options };
  const host = new Host(base, settings);
  const opened = host.open();
  opened.catch(() => {});
  const redis = new Redis(host);
  open.push(redis);
  return { opened, redis, tabs: tabs.at(-1)! };
}

/** One where there are no other tabs. */
async function alone(): Promise<{ redis: Redis; log: FakeLog }> {
  vi.stubGlobal("navigator", {});
  const { opened, redis } = opening();
  await opened;
  return { redis, log: logs.at(-1)! };
}

async function leader(): Promise<{ redis: Redis; tabs: FakeTabs; log: FakeLog }> {
  const { opened, redis, tabs } = opening();
  const log = tabs.lead();
  await opened;
  return { redis, tabs, log };
}

/** One that another tab leads; with a copy, which is empty. */
async function replica(): Promise<{ redis: Redis; tabs: FakeTabs }> {
  const { opened, redis, tabs } = opening();
  tabs.emit({ type: "welcome" });
  tabs.emit({ type: "copy", readable: true });
  await opened;
  return { redis, tabs };
}

/** One that another tab leads, without a copy. */
async function thin(): Promise<{ redis: Redis; tabs: FakeTabs }> {
  const { opened, redis, tabs } = opening({ replica: false });
  tabs.emit({ type: "welcome" });
  await opened;
  return { redis, tabs };
}

describe("an instance without other tabs", () => {
  test("opens the store", async () => {
    const { redis } = await alone();
    expect([redis.role, redis.topology, tabs.length]).toEqual(["alone", "single", 0]);
    expect(await redis.set("a", 1)).toBe("OK");
    expect(redis.sync.get("a")).toBe("1");
  });

  test("a store that cannot be opened makes open reject", async () => {
    refuse = Object.assign(new Error("STORE_UNAVAILABLE: no IndexedDB here"), { code: "STORE_UNAVAILABLE" });
    const error = await alone().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", reason: "no IndexedDB here", message: refuse.message });
    await expect(open[0]!.get("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("whose store is taken over stores nothing more, and ends", async () => {
    const { redis, log } = await alone();
    const told = listen(redis, "error");
    log.onEvent("fenced", "");
    await expect(redis.get("a")).rejects.toMatchObject({ name: "StoreError", code: "FENCED" });
    expect([told.map(({ code }) => code), log.abandoned]).toEqual([["FENCED"], true]);
  });

  test("tells what is saved", async () => {
    const { redis, log } = await alone();
    const seen = listen(redis, "saved", "pending", "failed");
    await redis.set("a", 1);
    await redis.set("a", 2);
    expect(redis.persistence).toEqual({ state: "pending" });
    log.store();
    expect(redis.persistence).toEqual({ state: "saved" });
    await redis.get("a");
    await redis.set("a", 3);
    log.fail("QuotaExceededError");
    expect(redis.persistence).toEqual({ state: "failed", reason: "QuotaExceededError" });
    log.store();
    expect(seen.map(({ state }) => state)).toEqual(["pending", "saved", "pending", "failed", "saved"]);
  });

  test("appendfsync always: a write is answered when it is stored, a read at once", async () => {
    const { redis, log } = await alone();
    log.always = true;
    let answered: unknown;
    const write = redis.set("a", 1).then((value) => (answered = value));
    const batch = redis.pipeline().incr("a").incr("a").exec();
    expect(await redis.get("a")).toBe("3");
    await turn();
    expect(answered).toBeUndefined();
    log.store();
    expect([await write, await batch]).toEqual(["OK", [2, 3]]);
  });

  test("appendfsync always: a write that is not stored rejects with MISCONF", async () => {
    const { redis, log } = await alone();
    log.always = true;
    const write = redis.set("a", 1);
    log.fail("the disk is full");
    await expect(write).rejects.toMatchObject({
      code: "MISCONF",
      message: "MISCONF Errors writing to the AOF file: the disk is full",
    });
  });

  test("close stores what is pending and answers who waits for it", async () => {
    const { redis, log } = await alone();
    log.always = true;
    const write = redis.set("a", 1);
    await redis.close();
    expect(await write).toBe("OK");
    expect(log.closed).toBe(true);
  });
});

describe("opening", () => {
  test("joins the tabs as the settings say", async () => {
    const { tabs } = opening({ appendFsync: "always", leads: false, downAfterMs: 500 });
    expect([tabs.name, tabs.store]).toEqual(["app", undefined]);
    expect(tabs.options).toEqual({
      appendOnly: true,
      appendFsync: "always",
      replica: true,
      leads: false,
      silenceMs: 500,
    });
  });

  test("a copy is held whatever the store, unless it is not wanted", async () => {
    expect(opening({ appendOnly: false }).tabs.options.replica).toBe(true);
    const shared = opening({ store: memoryStore() });
    expect(shared.tabs.options.replica).toBe(true);
    expect(shared.tabs.store).toBeInstanceOf(StoreCalls);
    const { tabs, opened, redis } = opening({ replica: false });
    expect(tabs.options.replica).toBe(false);
    tabs.emit({ type: "welcome" });
    await opened;
    expect(redis.role).toBe("thin");
  });

  test("the tab that leads is open when it does", async () => {
    const { opened, redis, tabs } = opening();
    const early = redis.set("a", 1);
    expect(() => redis.sync.get("a")).toThrow(/^READONLY/);
    expect(tabs.asked()).toEqual(["set a 1"]);
    tabs.lead();
    await opened;
    tabs.reply(0, "+OK\r\n");
    expect([await early, redis.role, redis.topology]).toEqual(["OK", "leader", "tabs"]);
  });

  test("a replica is open when its copy can be read, a thin one when it is welcome", async () => {
    const { opened, redis, tabs } = opening();
    const roles = listen(redis, "role");
    let isOpen = false;
    void opened.then(() => (isOpen = true));
    tabs.emit({ type: "welcome" });
    await turn();
    expect(isOpen).toBe(false);
    tabs.emit({ type: "copy", readable: true });
    await opened;
    expect([redis.role, redis.persistence, roles]).toEqual(["replica", { state: "elsewhere" }, ["replica"]]);
    const other = await thin();
    expect([other.redis.role, other.redis.persistence]).toEqual(["thin", { state: "elsewhere" }]);
  });

  test("what fails makes open reject, and lets go of the tabs", async () => {
    const unavailable = Object.assign(new Error("no locks"), { code: "LOCKS_UNAVAILABLE" });
    const corrupt = Object.assign(new Error("STORE_CORRUPT: a hole"), { code: "STORE_CORRUPT" });
    for (const error of [unavailable, corrupt]) {
      const { opened, tabs } = opening();
      tabs.emit({ type: "failed", error });
      const caught: unknown = await opened.catch((error: unknown) => error);
      if (error === corrupt) {
        expect(caught).toBeInstanceOf(StoreError);
        expect(caught).toMatchObject({ code: "STORE_CORRUPT", reason: expect.stringContaining('salvage("app")') });
      } else {
        expect(caught).toBe(unavailable);
      }
      expect(tabs.calls).toEqual(expect.arrayContaining(["close", "free"]));
    }
    refuse = unavailable;
    await expect(opening().opened).rejects.toBe(unavailable);
  });

  test("that the end of the log was cut is told to who listens once it is open", async () => {
    const { opened, redis, tabs } = opening();
    const told = listen(redis, "cut");
    tabs.onLog("cut", "record at offset 7: torn");
    await turn();
    await turn();
    expect(told).toEqual([]);
    tabs.lead();
    await opened;
    await expect.poll(() => told).toEqual(["record at offset 7: torn"]);
  });

  test("an instance that is closed meanwhile does not open", async () => {
    const { opened, redis, tabs } = opening();
    await redis.close();
    await expect(opened).rejects.toMatchObject({ code: "CLOSED" });
    expect(tabs.calls).toEqual(["close", "free"]);
  });
});

describe("a leader", () => {
  test("runs what is called at once", async () => {
    const { redis, tabs } = await leader();
    expect(await redis.set("a", 1)).toBe("OK");
    expect(redis.sync.incr("a")).toBe(2);
    expect(await redis.multi().incr("a").get("a").exec()).toEqual([3, "3"]);
    expect(tabs.requests).toEqual([]);
  });

  test("tells the others what was written before anybody sees the reply, once a task", async () => {
    const { redis, tabs } = await leader();
    tabs.emit({ type: "tabs", count: 1 });
    const before = tabs.count("written");
    redis.sync.set("a", 1);
    const write = redis.incr("a");
    expect(tabs.count("written")).toBe(before);
    await write;
    expect(tabs.count("written")).toBe(before + 1);
    await redis.get("a");
    expect(tabs.count("written")).toBe(before + 1);
    tabs.emit({ type: "tabs", count: 0 });
    await redis.incr("a");
    // Nobody waits for it now; the engine's timer tells, too.
    expect(tabs.count("written")).toBe(before + 1);
    await expect.poll(() => tabs.count("written")).toBeGreaterThan(before + 1);
  });

  test("hands over at once what is much, while the task goes on", async () => {
    const { redis, tabs } = await leader();
    const before = tabs.count("written");
    redis.sync.set("a", "v".repeat(MUCH_LEN));
    expect(tabs.count("written")).toBe(before + 1);
    redis.sync.set("a", 1);
    expect(tabs.count("written")).toBe(before + 1);
    await expect.poll(() => tabs.count("written")).toBeGreaterThan(before + 1);
  });

  test("that is not certain to lead asks first, if there are others", async () => {
    const { redis, tabs } = await leader();
    tabs.isSure = false;
    await redis.set("a", 1);
    expect(tabs.requests).toEqual([]);
    tabs.emit({ type: "tabs", count: 2 });
    expect(() => redis.sync.set("a", 2)).toThrow(/^READONLY This tab has yet to make sure that it leads/);
    expect(tabs.count("verify")).toBe(1);
    expect(redis.sync.get("a")).toBe("1");
    const write = redis.set("a", 3);
    tabs.isSure = true;
    // It must not overtake the write.
    const read = redis.get("a");
    expect(tabs.asked()).toEqual(["set a 3", "get a"]);
    tabs.reply(0, "+OK\r\n");
    tabs.reply(1, "$1\r\n3\r\n");
    expect([await write, await read]).toEqual(["OK", "3"]);
    expect([await redis.set("a", 4), tabs.requests.length]).toEqual(["OK", 2]);
  });

  test("a value that was read while a request is on its way is not kept", async () => {
    const { redis, tabs } = await leader();
    await redis.set("a", 1);
    tabs.emit({ type: "tabs", count: 1 });
    tabs.isSure = false;
    const write = redis.set("a", 2);
    for (let times = 0; times < 3; times++) expect(redis.sync.get("a")).toBe("1");
    const read = redis.get("a");
    expect(tabs.asked()).toEqual(["set a 2", "get a"]);
    tabs.reply(0, "+OK\r\n");
    tabs.reply(1, "$1\r\n2\r\n");
    expect([await write, await read]).toEqual(["OK", "2"]);
  });

  test("appendfsync always: who waits for the store is kept by the tabs, which know who was not answered", async () => {
    const { redis, tabs, log } = await leader();
    log.always = true;
    await redis.configSet("lazyfree-lazy-user-del", "no");
    const write = redis.set("a", 1);
    const batch = redis.pipeline().incr("a").incr("a").exec();
    expect(tabs.asked()).toEqual(["set a 1", "incr a incr a"]);
    tabs.reply(0, "-MISCONF Errors writing to the AOF file: full\r\n");
    tabs.reply(1, ":2\r\n:3\r\n");
    await expect(write).rejects.toMatchObject({ code: "MISCONF" });
    expect(await batch).toEqual([2, 3]);
    expect(redis.sync.set("a", 5)).toBe("OK");
    log.always = false;
    redis.sync.configSet("lazyfree-lazy-user-del", "yes");
    expect([await redis.get("a"), tabs.requests.length]).toEqual(["5", 2]);
  });

  test("tells what is saved, and what is wrong with the store", async () => {
    const { redis, log } = await leader();
    const seen = listen(redis, "saved", "pending", "failed", "recovered");
    const errors = listen(redis, "error");
    await redis.set("a", 1);
    expect(redis.persistence).toEqual({ state: "pending" });
    log.fail("QuotaExceededError: full");
    log.store();
    log.onEvent("recovered", "");
    log.onEvent("lost", "the database was deleted");
    log.fail("VersionError: newer");
    expect(seen.map(({ state }) => state)).toEqual(["pending", "failed", "saved", "saved", "failed"]);
    expect(errors.map(({ code }) => code)).toEqual(["STORE_FULL", "STORE_LOST", "STORE_TOO_NEW"]);
  });

  test("hands out what the requests of others have told this tab", async () => {
    const { redis, tabs } = await leader();
    const seen: string[] = [];
    await redis.subscribe("alerts", (message) => seen.push(message));
    // As another tab's session, behind this one's back.
    const { lodis } = tabs;
    const session = lodis.connect(3);
    const frame = ["publish", "alerts", "hi"].flatMap((word) => [word.length, 0, 0, 0, ...bytes(word)]);
    new Uint8Array(base.memory.buffer, lodis.reserve(0)).set([3, 0, 0, 0, ...frame]);
    lodis.exec(session, frame.length + 4, Date.now());
    tabs.emit({ type: "ran" });
    // Sooner than any timer.
    await Promise.resolve();
    expect(seen).toEqual(["hi"]);
  });

  test("commands that may block are run as the others' are", async () => {
    const { redis, tabs } = await leader();
    const wait = redis.blPop("jobs", 0);
    expect(tabs.requests.map(({ blocks }) => blocks)).toEqual([true]);
    // They hold up nothing.
    expect(await redis.set("a", 1)).toBe("OK");
    tabs.reply(0, "*2\r\n$4\r\njobs\r\n$1\r\na\r\n");
    expect(await wait).toEqual(["jobs", "a"]);
  });

  test("an import that is not stored when another tab takes the lead is told so", async () => {
    const { redis, tabs, log } = await leader();
    await redis.set("a", 1);
    const file = await redis.exportRdb();
    let fail = (_: Error): void => {};
    const begun = new Promise<void>((resolve) => {
      log.flush = () => {
        resolve();
        return new Promise((_, reject) => (fail = reject));
      };
    });
    const told = expect(redis.importRdb(file)).rejects.toMatchObject({ name: "StoreError", code: "FENCED" });
    await begun;
    tabs.emit({ type: "follow", transaction: false, tracking: 0 });
    fail(new Error("STORE_FAILED: the log is closed"));
    await told;
  });

  test("close stores what is pending before it lets go of the tabs", async () => {
    const { redis, tabs, log } = await leader();
    await redis.set("a", 1);
    const order: unknown[] = [];
    log.close = async () => void order.push(tabs.count("close"));
    await redis.close();
    expect([order, tabs.calls.slice(-2)]).toEqual([[0], ["close", "free"]]);
    await expect(redis.get("a")).rejects.toMatchObject({ code: "CLOSED" });
    expect(() => redis.sync.get("a")).toThrow("closed");
  });

  test("close answers what waits for the store once it is stored, and rejects the rest", async () => {
    const { redis, tabs, log } = await leader();
    log.always = true;
    await redis.configSet("lazyfree-lazy-user-del", "no");
    const write = redis.set("a", 1);
    const wait = redis.blPop("jobs", 0);
    log.close = async () => tabs.reply(0, "+OK\r\n");
    const closed = redis.close();
    await expect(redis.set("b", 1)).rejects.toMatchObject({ code: "CLOSED" });
    expect(await write).toBe("OK");
    await expect(wait).rejects.toMatchObject({ code: "CLOSED" });
    await closed;
  });
});

describe("a replica", () => {
  test("reads its copy, and has the leader run the rest", async () => {
    const { redis, tabs } = await replica();
    expect([await redis.get("a"), await redis.bytes.get("a")]).toEqual([null, null]);
    expect(await redis.pipeline().get("a").exec()).toEqual([null]);
    const write = redis.incr("a");
    const multi = redis.multi().incr("a").exec();
    const publish = redis.publish("alerts", "hi");
    expect(tabs.asked()).toEqual(["incr a", "multi incr a exec", "publish alerts hi"]);
    tabs.reply(0, "-ERR no\r\n");
    tabs.reply(1, "+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
    tabs.reply(2, ":1\r\n");
    await expect(write).rejects.toMatchObject({ code: "ERR", message: "ERR no" });
    expect([await multi, await publish]).toEqual([[2], 1]);
  });

  test("reads that come after something of its own are read there, too", async () => {
    const { redis, tabs } = await replica();
    const write = redis.set("a", 1);
    const text = redis.get("a");
    const binary = redis.bytes.get("a");
    const batch = redis.pipeline().get("a").get("b").exec();
    expect(tabs.asked()).toEqual(["set a 1", "get a", "get a", "get a get b"]);
    tabs.reply(0, "+OK\r\n");
    tabs.reply(1, "$1\r\n1\r\n");
    tabs.reply(2, "$1\r\n1\r\n");
    // Still behind the last one.
    const last = redis.get("b");
    tabs.reply(3, "$1\r\n1\r\n_\r\n");
    tabs.reply(4, "_\r\n");
    expect([await write, await text, await binary, await batch, await last]).toEqual([
      "OK", "1", bytes("1"), ["1", null], null,
    ]);
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 5]);
  });

  test("a wait holds up nothing", async () => {
    const { redis, tabs } = await replica();
    const wait = redis.blPop("jobs", 0);
    expect(await redis.get("a")).toBe(null);
    expect(tabs.requests.map(({ blocks }) => blocks)).toEqual([true]);
    tabs.reply(0, "_\r\n");
    expect(await wait).toBe(null);
  });

  test("reads inside of a transaction belong to it", async () => {
    const { redis, tabs } = await replica();
    const begun = redis.call("MULTI");
    tabs.reply(0, "+OK\r\n", true);
    expect(await begun).toBe("OK");
    // Of the copy, which is not what the transaction sees.
    for (let times = 0; times < 3; times++) expect(redis.sync.get("a")).toBe(null);
    const queued = redis.get("a");
    tabs.reply(1, "+QUEUED\r\n", true);
    expect(await queued).toBe("QUEUED");
    const ended = redis.call("EXEC");
    tabs.reply(2, "*1\r\n$1\r\n1\r\n", false);
    expect(await ended).toEqual(["1"]);
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 3]);
  });

  test("without a copy for a while, it asks the leader", async () => {
    const { redis, tabs } = await replica();
    tabs.emit({ type: "copy", readable: false });
    const read = redis.get("a");
    expect(() => redis.sync.get("a")).toThrow(/^READONLY Another tab leads, and this one holds no copy/);
    tabs.reply(0, "$1\r\n1\r\n");
    expect([await read, redis.role]).toEqual(["1", "replica"]);
    tabs.emit({ type: "copy", readable: true });
    expect([await redis.get("a"), redis.sync.get("a"), tabs.requests.length]).toEqual([null, null, 1]);
  });

  test("a thin tab has no copy at all", async () => {
    const { redis, tabs } = await thin();
    const read = redis.get("a");
    expect(() => redis.sync.get("a")).toThrow(expect.objectContaining({ code: "READONLY" }));
    expect(() => redis.sync.multi().get("a").execSync()).toThrow(/^READONLY/);
    tabs.reply(0, "_\r\n");
    expect(await read).toBe(null);
  });

  test("a replica that has no memory for its copy is a thin tab, also one that is being opened", async () => {
    const { redis, tabs } = await replica();
    const roles = listen(redis, "role");
    tabs.emit({ type: "thin" });
    tabs.emit({ type: "copy", readable: false });
    expect([redis.role, roles]).toEqual(["thin", ["thin"]]);
    const read = redis.get("a");
    expect(() => redis.sync.get("a")).toThrow(expect.objectContaining({ code: "READONLY" }));
    tabs.reply(0, "$1\r\n1\r\n");
    expect(await read).toBe("1");
    tabs.emit({ type: "welcome" });
    expect(redis.role).toBe("thin");

    const other = opening();
    other.tabs.emit({ type: "welcome" });
    other.tabs.emit({ type: "thin" });
    await other.opened;
    expect(other.redis.role).toBe("thin");
  });

  test("files are written and read by the leader", async () => {
    const { redis } = await replica();
    await expect(redis.exportRdb()).rejects.toMatchObject({ code: "READONLY" });
    await expect(redis.importRdb(new Blob([]))).rejects.toMatchObject({ code: "READONLY" });
  });

  test("an AbortSignal takes back what may block", async () => {
    const { redis, tabs } = await replica();
    const abort = new AbortController();
    const served = redis.wait(1, 0, { signal: abort.signal });
    const aborted = redis.wait(1, 0, { signal: abort.signal });
    tabs.reply(0, ":1\r\n");
    expect(await served).toBe(1);
    abort.abort(new Error("enough"));
    expect(tabs.cancels).toEqual([tabs.requests[1]!.seq]);
    tabs.reply(1, "-UNBLOCKED gone\r\n");
    await expect(aborted).rejects.toThrow("enough");
  });

  test("what was answered before it was aborted counts", async () => {
    const { redis, tabs } = await replica();
    const abort = new AbortController();
    const served = redis.wait(1, 0, { signal: abort.signal });
    abort.abort();
    tabs.reply(0, ":1\r\n");
    expect(await served).toBe(1);
  });

  test("what was aborted before anybody has run it rejects as that", async () => {
    const { redis, tabs } = await replica();
    const abort = new AbortController();
    const wait = redis.wait(1, 0, { signal: abort.signal });
    abort.abort(new Error("enough"));
    tabs.emit({ type: "lost", seq: tabs.requests[0]!.seq });
    await expect(wait).rejects.toThrow("enough");
  });

  test("a request of which nobody knows what became of it says so", async () => {
    const { redis, tabs } = await replica();
    const write = redis.set("a", 1);
    tabs.emit({ type: "lost", seq: tabs.requests[0]!.seq });
    await expect(write).rejects.toMatchObject({ name: "LostError", code: "LOST" });
    // Nothing is before this one any more.
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 1]);
  });

  test("a reply that comes twice, or to nobody, changes nothing", async () => {
    const { redis, tabs } = await replica();
    const write = redis.set("a", 1);
    tabs.reply(0, "+OK\r\n");
    tabs.reply(0, "+OK\r\n");
    tabs.emit({ type: "lost", seq: tabs.requests[0]!.seq });
    tabs.emit({ type: "lost", seq: 99 });
    expect([await write, await redis.get("a"), tabs.requests.length]).toEqual(["OK", null, 1]);
  });

  test("pending calls are rejected by close", async () => {
    const { redis, tabs } = await replica();
    const write = redis.incr("a");
    const wait = redis.blPop("jobs", 0);
    const closed = redis.close();
    await expect(write).rejects.toMatchObject({ code: "CLOSED" });
    await expect(wait).rejects.toMatchObject({ code: "CLOSED" });
    await closed;
    expect(tabs.calls.slice(-2)).toEqual(["close", "free"]);
    await expect(redis.get("a")).rejects.toMatchObject({ code: "CLOSED" });
    expect(() => redis.sync.get("a")).toThrow("closed");
  });

  test("that cannot go on rejects everything with the reason", async () => {
    const { redis, tabs } = await replica();
    const write = redis.incr("a");
    const error = Object.assign(new Error("another tab runs a newer version"), { code: "OUTDATED" });
    const told: unknown[] = [];
    redis.on("error", (reason) => told.push(reason));
    tabs.emit({ type: "failed", error });
    const reason = { name: "StoreError", code: "OUTDATED", reason: error.message };
    await expect(write).rejects.toMatchObject(reason);
    await expect(redis.get("a")).rejects.toMatchObject(reason);
    expect(told).toMatchObject([reason]);
    expect(tabs.calls.slice(-2)).toEqual(["close", "free"]);
  });

  test("subscribes anew with every session that it gets", async () => {
    const { redis, tabs } = await replica();
    const seen: string[] = [];
    redis.subscribe("alerts", (message) => seen.push(message)).catch(() => {});
    redis.pSubscribe("a*", () => {}).catch(() => {});
    tabs.emit({ type: "welcome" });
    const both = ["subscribe alerts", "psubscribe a*"];
    expect(tabs.asked()).toEqual([...both, ...both]);
    const messages = bytes(">3\r\n$7\r\nmessage\r\n$6\r\nalerts\r\n$2\r\nhi\r\n");
    tabs.emit({ type: "push", messages });
    await turn();
    expect(seen).toEqual(["hi"]);
  });
});

describe("who leads changes", () => {
  test("a replica becomes the leader", async () => {
    const { redis, tabs } = await replica();
    const roles = listen(redis, "role");
    const seen: string[] = [];
    redis.subscribe("alerts", (message) => seen.push(message)).catch(() => {});
    const write = redis.set("a", 1);
    tabs.emit({ type: "copy", readable: false });
    const later = redis.get("b");
    tabs.lead();
    expect([roles, redis.role, redis.persistence]).toEqual([["leader"], "leader", { state: "saved" }]);
    // What was asked for before is not overtaken.
    const last = redis.set("b", 2);
    expect(tabs.asked()).toEqual(["subscribe alerts", "set a 1", "get b", "subscribe alerts", "set b 2"]);
    tabs.requests.forEach((_, index) => tabs.reply(index, ["$0\r\n\r\n", "+OK\r\n", "_\r\n", "$0\r\n\r\n", "+OK\r\n"][index]!));
    expect([await write, await later, await last]).toEqual(["OK", null, "OK"]);
    expect([await redis.set("c", 3), redis.sync.get("c"), tabs.requests.length]).toEqual(["OK", "3", 5]);
    expect(seen).toEqual([]);
  });

  test("a leader follows another one, in a session that nothing is left in", async () => {
    const { redis, tabs, log } = await leader();
    const roles = listen(redis, "role");
    const errors = listen(redis, "error");
    let freed = false;
    log.free = () => void (freed = true);
    const seen: string[] = [];
    await redis.subscribe("alerts", (message) => seen.push(message));
    expect(tabs.attached).toEqual([]);
    tabs.emit({ type: "follow", transaction: false, tracking: 0 });
    expect([roles, redis.persistence]).toEqual([["replica"], { state: "elsewhere" }]);
    expect(tabs.attached).toHaveLength(1);
    const write = redis.set("a", 1);
    expect(() => redis.sync.get("a")).toThrow(/^READONLY/);
    tabs.emit({ type: "welcome" });
    expect(tabs.asked()).toEqual(["set a 1", "subscribe alerts"]);
    tabs.reply(0, "+OK\r\n");
    tabs.reply(1, "$0\r\n\r\n");
    expect(await write).toBe("OK");
    tabs.emit({ type: "copy", readable: true });
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 2]);
    expect([freed, errors]).toEqual([true, []]);
    tabs.emit({ type: "copy", readable: false });
    tabs.lead();
    // In its own session, which is the only one that listens.
    expect([roles, await redis.publish("alerts", "hi")]).toEqual([["replica", "leader"], 1]);
    await turn();
    expect([seen, tabs.requests.length]).toEqual([["hi"], 2]);
  });

  test("a store that fails the leader ends the instance", async () => {
    const { redis, tabs } = await replica();
    const errors = listen(redis, "error");
    const error = Object.assign(new Error("FENCED: another context has taken over the store"), { code: "FENCED" });
    const log = tabs.lead();
    tabs.emit({ type: "failed", error });
    await expect(redis.get("a")).rejects.toMatchObject({ name: "StoreError", code: "FENCED" });
    expect([errors.map(({ code }) => code), log.abandoned]).toEqual([["FENCED"], true]);
  });
});

describe("a page", () => {
  /** What becomes of the page. */
  function page(): { tell: (type: string, persisted?: boolean) => void; state: { visibilityState: string } } {
    const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const window = new EventTarget();
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    const tell = (type: string, persisted = false) => {
      const target = type.startsWith("page") ? window : document;
      target.dispatchEvent(Object.assign(new Event(type), { persisted }));
    };
    return { tell, state: document };
  }

  test("that is hidden stores what waits", async () => {
    const { tell, state } = page();
    const { redis, log, tabs } = await leader();
    tell("visibilitychange");
    expect(log.hiddenCalls).toBe(0);
    state.visibilityState = "hidden";
    tell("visibilitychange");
    tell("pagehide");
    expect([log.hiddenCalls, tabs.count("leave")]).toEqual([2, 0]);
    await redis.close();
    tell("pagehide");
    expect(log.hiddenCalls).toBe(2);
  });

  test("that is frozen or put away leaves the tabs, and comes back", async () => {
    const { tell } = page();
    const { redis, tabs } = await replica();
    const calls = () => tabs.calls.filter((call) => call === "leave" || call === "come");
    tell("freeze");
    tell("resume");
    tell("pagehide", true);
    tell("pageshow", true);
    tell("pageshow");
    expect(calls()).toEqual(["leave", "come", "leave", "come"]);
    const write = redis.set("a", 1);
    const error = new Error("no locks");
    tabs.come = () => {
      throw error;
    };
    tell("resume");
    await expect(write).rejects.toBe(error);
    expect(tabs.calls.slice(-2)).toEqual(["close", "free"]);
  });
});
