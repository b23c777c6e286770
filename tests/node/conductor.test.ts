// The conductor between engine, log and tabs, with a log and tabs that the test plays itself.
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Log, LogEvent, Lodis, Module, Tabs, TabsEvent } from "../../pkg/src/boundary/wasm.js";
import { WROTE } from "../../pkg/src/engine.js";
import { StoreError } from "../../pkg/src/errors.js";
import { Host } from "../../pkg/src/host.js";
import type { Loaded } from "../../pkg/src/load.js";
import { Redis } from "../../pkg/src/redis.js";

/** A log that stores when the test says so. */
class FakeLog implements Log {
  stored = 0;
  reason: string | undefined;
  always = false;
  closed = false;
  hiddenCalls = 0;
  abandoned = false;
  constructor(
    readonly lodis: Lodis,
    readonly onEvent: (type: LogEvent, value: number | string) => void,
  ) {}
  written(): void {}
  durableOffset(): number {
    return this.stored;
  }
  waitsForStore(): boolean {
    return this.always;
  }
  async flush(): Promise<number> {
    this.store();
    return this.stored;
  }
  hidden(): void {
    this.hiddenCalls++;
  }
  error(): string | undefined {
    return this.reason;
  }
  async close(): Promise<void> {
    this.closed = true;
    if (this.reason === undefined) this.store();
  }
  abandon(): void {
    this.abandoned = true;
  }
  free(): void {}
  store(): void {
    this.stored = this.lodis.offset();
    this.reason = undefined;
    this.onEvent("durable", this.stored);
  }
  fail(reason: string): void {
    this.reason = reason;
    this.onEvent("failed", reason);
  }
}

/** An engine whose effect stream moves on with every SET and INCR, as it does once a log is open. */
function recording({ Lodis }: Module, memory: WebAssembly.Memory): Module["Lodis"] {
  return class extends Lodis {
    effects = 0;
    override exec(session: number, bytes: number, nowMs: number): number {
      const request = new Uint8Array(memory.buffer, this.reserve(0), bytes);
      const writes = this.names(request).some((name) => /set|incr/.test(name));
      const flags = super.exec(session, bytes, nowMs);
      if (writes) this.effects += 10;
      return writes ? flags | WROTE : flags;
    }
    /** The names of the commands in a request. */
    private names(request: Uint8Array): string[] {
      const view = new DataView(request.buffer, request.byteOffset, request.length);
      const numbered = this.commandNames().split(" ");
      const names: string[] = [];
      for (let at = 0; at < request.length; ) {
        let words = view.getUint32(at, true);
        at += 4;
        if (words >= 2 ** 31) {
          names.push(numbered[view.getUint32(at, true)]!);
          at += 4;
          words -= 2 ** 31 + 1;
        } else {
          const start = at + 4;
          names.push(new TextDecoder().decode(request.subarray(start, start + view.getUint32(at, true))));
        }
        for (; words > 0; words--) at += 4 + view.getUint32(at, true);
      }
      return names;
    }
    override offset(): number {
      return this.effects;
    }
  };
}

/** Tabs of one name, all in this test; `own` is said by the test. */
class FakeTabs implements Tabs {
  served = false;
  closed = false;
  requests: { seq: number; frame: Uint8Array; readOnly: boolean }[] = [];
  blocks: { seq: number; frame: Uint8Array }[] = [];
  cancels: number[] = [];
  answers: { tab: string; seq: number; reply: Uint8Array }[] = [];
  pushes: { tab: string; messages: Uint8Array }[] = [];
  constructor(readonly emit: (event: TabsEvent) => void) {}
  serve(): void {
    this.served = true;
  }
  answer(tab: string, seq: number, reply: Uint8Array): void {
    this.answers.push({ tab, seq, reply });
  }
  push(tab: string, messages: Uint8Array): void {
    this.pushes.push({ tab, messages });
  }
  request(seq: number, frame: Uint8Array, readOnly: boolean): void {
    this.requests.push({ seq, frame, readOnly });
  }
  block(seq: number, frame: Uint8Array): void {
    this.blocks.push({ seq, frame });
  }
  cancel(seq: number): void {
    this.cancels.push(seq);
  }
  role(): "joining" | "owner" | "guest" {
    return "joining";
  }
  close(): void {
    this.closed = true;
  }
  free(): void {}
}

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
      join(_name: string, emit: FakeTabs["emit"]) {
        tabs.push(new FakeTabs(emit));
        return tabs.at(-1)!;
      },
    },
  };
  base = { module: fakes as unknown as Module, memory };
});

afterEach(async () => {
  for (const redis of open) await redis.close().catch(() => {});
});

/** Opens an instance; the test's tabs answer its join with `event`. */
async function join(event: TabsEvent): Promise<{ redis: Redis; tabs: FakeTabs }> {
  const settings = {
    name: "app",
    store: "indexeddb",
    appendOnly: true,
    appendFsync: "everysec",
    databases: 16,
    maxmemory: "0",
    maxmemoryPolicy: "noeviction",
  } as const;
  const host = new Host(base, settings);
  const opened = host.open();
  const mine = tabs.at(-1)!;
  mine.emit(event);
  await opened;
  const redis = new Redis(host);
  open.push(redis);
  return { redis, tabs: mine };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const reply = (text: string) => new TextEncoder().encode(text);

describe("an owner", () => {
  test("opens the store before it serves", async () => {
    const { redis, tabs } = await join({ type: "own" });
    expect([redis.role, tabs.served]).toEqual(["owner", true]);
    expect(await redis.set("a", 1)).toBe("OK");
    expect(redis.sync.get("a")).toBe("1");
  });

  test("a store that cannot be opened makes open reject, and lets go of the tabs", async () => {
    refuse = Object.assign(new Error("STORE_UNAVAILABLE: no IndexedDB here"), { code: "STORE_UNAVAILABLE" });
    const error = await join({ type: "own" }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", reason: "no IndexedDB here", message: refuse.message });
    expect(tabs[0]!.closed).toBe(true);
  });

  test("whose lock is stolen stores nothing more, and ends", async () => {
    const { redis, tabs } = await join({ type: "own" });
    const told: unknown[] = [];
    redis.on("error", (error) => told.push(error.code));
    const error = Object.assign(new Error("another context has taken over the store"), { code: "FENCED" });
    tabs.emit({ type: "failed", error });
    await expect(redis.get("a")).rejects.toMatchObject({ name: "StoreError", code: "FENCED" });
    expect([told, logs[0]!.abandoned, tabs.closed]).toEqual([["FENCED"], true, true]);
  });

  test("tells what is saved", async () => {
    const { redis } = await join({ type: "own" });
    const seen: string[] = [];
    for (const event of ["saved", "pending", "failed"] as const) {
      redis.on(event, (state) => seen.push(state.state));
    }
    await redis.set("a", 1);
    await redis.set("a", 2);
    expect(redis.persistence).toEqual({ state: "pending" });
    logs[0]!.store();
    expect(redis.persistence).toEqual({ state: "saved" });
    await redis.get("a");
    await redis.set("a", 3);
    logs[0]!.fail("QuotaExceededError");
    expect(redis.persistence).toEqual({ state: "failed", reason: "QuotaExceededError" });
    logs[0]!.store();
    expect(seen).toEqual(["pending", "saved", "pending", "failed", "saved"]);
  });

  test("appendfsync always: a write is answered when it is stored, a read at once", async () => {
    const { redis } = await join({ type: "own" });
    logs[0]!.always = true;
    let answered: unknown;
    const write = redis.set("a", 1).then((value) => (answered = value));
    const batch = redis.pipeline().incr("a").incr("a").exec();
    expect(await redis.get("a")).toBe("3");
    await turn();
    expect(answered).toBeUndefined();
    logs[0]!.store();
    expect([await write, await batch]).toEqual(["OK", [2, 3]]);
  });

  test("appendfsync always: a write that is not stored rejects with MISCONF", async () => {
    const { redis } = await join({ type: "own" });
    logs[0]!.always = true;
    const write = redis.set("a", 1);
    logs[0]!.fail("the disk is full");
    await expect(write).rejects.toMatchObject({
      code: "MISCONF",
      message: "MISCONF Errors writing to the AOF file: the disk is full",
    });
  });

  test("close stores what is pending and answers who waits for it", async () => {
    const { redis, tabs } = await join({ type: "own" });
    logs[0]!.always = true;
    const write = redis.set("a", 1);
    await redis.close();
    expect(await write).toBe("OK");
    expect([logs[0]!.closed, tabs.closed]).toEqual([true, true]);
  });

  test("runs the requests of other tabs, each in a session of its own", async () => {
    const { redis, tabs } = await join({ type: "own" });
    const guest = await join({ type: "guest" });
    const frameOf = async (call: () => Promise<unknown>) => {
      call().catch(() => {});
      return guest.tabs.requests.at(-1)!.frame;
    };
    tabs.emit({ type: "connect", tab: "g" });
    const frame = await frameOf(() => guest.redis.incrBy("n", 5));
    tabs.emit({ type: "request", tab: "g", seq: 7, frame });
    expect(tabs.answers).toEqual([{ tab: "g", seq: 7, reply: reply(":5\r\n") }]);
    expect(await redis.get("n")).toBe("5");
    logs[0]!.always = true;
    const batch = await frameOf(() => guest.redis.pipeline().incr("n").incr("n").exec());
    tabs.emit({ type: "request", tab: "g", seq: 8, frame: batch });
    expect(tabs.answers).toHaveLength(1);
    logs[0]!.fail("full");
    await turn();
    const refused = "-MISCONF Errors writing to the AOF file: full\r\n";
    expect(text(tabs.answers[1]!.reply)).toBe(refused + refused);
    tabs.emit({ type: "disconnect", tab: "g" });
    tabs.emit({ type: "request", tab: "g", seq: 9, frame });
    expect(tabs.answers).toHaveLength(2);
  });

  test("runs what may block for other tabs, each in a session of its own", async () => {
    const { redis, tabs } = await join({ type: "own" });
    const guest = await join({ type: "guest" });
    guest.redis.wait(1, 0).catch(() => {});
    guest.redis.pipeline().incr("n").wait(1, 0).incr("n").exec().catch(() => {});
    tabs.emit({ type: "connect", tab: "g" });
    guest.tabs.blocks.forEach(({ frame }, seq) => tabs.emit({ type: "block", tab: "g", seq, frame }));
    await turn();
    expect([tabs.answers, await redis.get("n")]).toEqual([[], "1"]);
    tabs.emit({ type: "cancel", tab: "g", seq: 1 });
    await turn();
    const unblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
    expect(tabs.answers).toEqual([{ tab: "g", seq: 1, reply: reply(`:1\r\n${unblocked}:2\r\n`) }]);
    expect(await redis.info("clients")).toContain("blocked_clients:1");
    tabs.emit({ type: "disconnect", tab: "g" });
    tabs.emit({ type: "cancel", tab: "g", seq: 0 });
    await turn();
    expect(await redis.info("clients")).toContain("blocked_clients:0");
    expect(tabs.answers).toHaveLength(1);
  });

  test("pushes messages to the tab whose session subscribed", async () => {
    const { redis, tabs } = await join({ type: "own" });
    const guest = await join({ type: "guest" });
    guest.redis.subscribe("alerts", () => {}).catch(() => {});
    tabs.emit({ type: "connect", tab: "g" });
    tabs.emit({ type: "request", tab: "g", seq: 1, frame: guest.tabs.requests[0]!.frame });
    expect(text(tabs.answers[0]!.reply)).toBe(">3\r\n$9\r\nsubscribe\r\n$6\r\nalerts\r\n:1\r\n");
    expect(await redis.publish("alerts", "hi")).toBe(1);
    const message = ">3\r\n$7\r\nmessage\r\n$6\r\nalerts\r\n$2\r\nhi\r\n";
    expect(tabs.pushes).toEqual([{ tab: "g", messages: reply(message) }]);
  });
});

describe("a guest", () => {
  test("forwards and decodes; reads are marked", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    expect([redis.role, redis.persistence.state]).toEqual(["guest", "elsewhere"]);
    const read = redis.get("a");
    const write = redis.incr("a");
    const bytes = redis.bytes.get("a");
    const multi = redis.multi().get("a").exec();
    expect(tabs.requests.map(({ readOnly }) => readOnly)).toEqual([true, false, true, false]);
    const answers = ["$1\r\n1\r\n", "-ERR no\r\n", "_\r\n", "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n"];
    answers.forEach((answer, index) => {
      tabs.emit({ type: "reply", seq: tabs.requests[index]!.seq, reply: reply(answer) });
    });
    expect(await read).toBe("1");
    await expect(write).rejects.toMatchObject({ code: "ERR", message: "ERR no" });
    expect(await bytes).toBeNull();
    expect(await multi).toEqual(["1"]);
  });

  test("redis.sync throws READONLY", async () => {
    const { redis } = await join({ type: "guest" });
    expect(() => redis.sync.get("a")).toThrow(expect.objectContaining({ code: "READONLY" }));
    expect(() => redis.sync.multi().get("a").execSync()).toThrow(/^READONLY/);
  });

  test("forwards what may block; an AbortSignal takes it back", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const abort = new AbortController();
    const served = redis.wait(1, 0, { signal: abort.signal });
    const aborted = redis.wait(1, 0, { signal: abort.signal });
    const [first, second] = tabs.blocks.map(({ seq }) => seq);
    expect(tabs.requests).toHaveLength(0);
    tabs.emit({ type: "reply", seq: first!, reply: reply(":1\r\n") });
    expect(await served).toBe(1);
    abort.abort(new Error("enough"));
    expect(tabs.cancels).toEqual([second]);
    tabs.emit({ type: "reply", seq: second!, reply: reply("-UNBLOCKED gone\r\n") });
    await expect(aborted).rejects.toThrow("enough");
  });

  test("what was answered before it was aborted counts", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const abort = new AbortController();
    const served = redis.wait(1, 0, { signal: abort.signal });
    abort.abort();
    tabs.emit({ type: "reply", seq: tabs.blocks[0]!.seq, reply: reply(":1\r\n") });
    expect(await served).toBe(1);
  });

  test("a write whose owner went away is lost, and says so", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const write = redis.set("a", 1);
    tabs.emit({ type: "lost", seq: tabs.requests[0]!.seq });
    await expect(write).rejects.toMatchObject({ code: "LOST" });
  });

  test("pending calls are rejected by close", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const read = redis.get("a");
    await redis.close();
    await expect(read).rejects.toMatchObject({ code: "CLOSED" });
    expect(tabs.closed).toBe(true);
  });

  test("subscribes anew with a new owner", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const seen: string[] = [];
    redis.subscribe("alerts", (message) => seen.push(message)).catch(() => {});
    tabs.emit({ type: "guest" });
    expect(tabs.requests.map(({ frame }) => text(frame).includes("subscribe"))).toEqual([true, true]);
    const messages = reply(">3\r\n$7\r\nmessage\r\n$6\r\nalerts\r\n$2\r\nhi\r\n");
    tabs.emit({ type: "push", messages });
    await turn();
    expect(seen).toEqual(["hi"]);
  });

  test("becomes the owner: reads run again, writes are lost, later calls wait for the store", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    const roles: string[] = [];
    redis.on("role", (role) => roles.push(role));
    const seen: string[] = [];
    redis.subscribe("alerts", (message) => seen.push(message)).catch(() => {});
    const write = redis.set("a", 1);
    const read = redis.get("a");
    tabs.emit({ type: "own" });
    const later = redis.set("b", 2);
    expect(() => redis.sync.get("b")).toThrow(/^READONLY/);
    await expect(write).rejects.toMatchObject({ code: "LOST" });
    expect([await read, await later, redis.sync.get("b")]).toEqual([null, "OK", "2"]);
    expect([roles, tabs.served]).toEqual([["owner"], true]);
    expect(await redis.publish("alerts", "hi")).toBe(1);
    await turn();
    expect(seen).toEqual(["hi"]);
  });

  test("an instance whose locks are refused does not open, or ends", async () => {
    const error = Object.assign(new Error("no locks"), { code: "LOCKS_UNAVAILABLE" });
    await expect(join({ type: "failed", error })).rejects.toBe(error);
    expect(tabs.at(-1)!.closed).toBe(true);
    const guest = await join({ type: "guest" });
    guest.tabs.emit({ type: "failed", error });
    await expect(guest.redis.get("a")).rejects.toBe(error);
    expect(guest.tabs.closed).toBe(true);
  });

  test("a store that cannot be opened when it becomes the owner ends the instance", async () => {
    const { redis, tabs } = await join({ type: "guest" });
    refuse = new Error("corrupt");
    tabs.emit({ type: "own" });
    await turn();
    await expect(redis.get("a")).rejects.toBe(refuse);
    expect(tabs.closed).toBe(true);
  });
});
