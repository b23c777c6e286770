// What the test of the conductor plays: a log, tabs, and an engine that counts what it writes.
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, vi } from "vitest";
import type { Log, LogEvent, Lodis, Module, Tabs, TabsEvent, TabsOptions } from "../../pkg/src/boundary/wasm.js";
import { MUCH, WROTE } from "../../pkg/src/engine.js";
import { Host, type InstanceEvents } from "../../pkg/src/host.js";
import type { Loaded } from "../../pkg/src/load.js";
import type { Settings } from "../../pkg/src/options.js";
import { Redis } from "../../pkg/src/redis.js";
import type { StoreCalls } from "../../pkg/src/stores/calls.js";

/** A log that stores when the test says so. */
export class FakeLog implements Log {
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
  isSaved(): boolean {
    return this.stored >= this.lodis.offset();
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

/** What a request has that writes much, in bytes. */
export const MUCH_LEN = 10_000;

/** An engine whose effect stream moves on with every SET and INCR, as it does once a log is open. */
export function recording({ Lodis }: Module, memory: WebAssembly.Memory): Module["Lodis"] {
  return class extends Lodis {
    effects = 0;
    override exec(session: number, bytes: number, nowMs: number): number {
      const request = new Uint8Array(memory.buffer, this.reserve(0), bytes);
      const writes = this.names(request).some((name) => /set|incr/.test(name));
      const flags = super.exec(session, bytes, nowMs);
      if (writes) this.effects += 10;
      return writes ? flags | WROTE | (bytes > MUCH_LEN ? MUCH : 0) : flags;
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

/** This context's part in a name; what the others do, the test says. */
export class FakeTabs implements Tabs {
  readonly attached: number[] = [];
  readonly requests: { seq: number; frame: Uint8Array; blocks: boolean }[] = [];
  readonly cancels: number[] = [];
  readonly calls: string[] = [];
  isSure = true;
  constructor(
    readonly lodis: Lodis,
    readonly session: number,
    readonly name: string,
    readonly store: StoreCalls | undefined,
    readonly options: TabsOptions,
    readonly emit: (event: TabsEvent) => void,
    readonly onLog: FakeLog["onEvent"],
  ) {}
  attach(session: number): void {
    this.attached.push(session);
  }
  request(seq: number, frame: Uint8Array, blocks: boolean): void {
    this.requests.push({ seq, frame, blocks });
  }
  cancel(seq: number): void {
    this.cancels.push(seq);
  }
  resume(): void {}
  written(): void {
    this.calls.push("written");
  }
  mayWrite(): boolean {
    this.calls.push("mayWrite");
    return this.isSure;
  }
  verify(): void {
    this.calls.push("verify");
  }
  leave(): void {
    this.calls.push("leave");
  }
  come(): void {
    this.calls.push("come");
  }
  close(): void {
    this.calls.push("close");
  }
  free(): void {
    this.calls.push("free");
  }
  /** How often something was called. */
  count(call: string): number {
    return this.calls.filter((other) => other === call).length;
  }
  /** This tab leads from now on. */
  lead(): FakeLog {
    const log = new FakeLog(this.lodis, this.onLog);
    this.emit({ type: "lead", log });
    return log;
  }
  /** What is asked for, one request after the other. */
  asked(): string[] {
    return this.requests.map(({ frame }) => words(frame));
  }
  /** Replies to the request of this place. */
  reply(index: number, text: string, transaction = false, tracking: 0 | 1 | 2 = 0): void {
    const { seq } = this.requests[index]!;
    this.emit({ type: "reply", seq, reply: bytes(text), transaction, tracking });
  }
}

export const bytes = (text: string) => new TextEncoder().encode(text);

/** The words of the commands in a request for another tab. */
export function words(frame: Uint8Array): string {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const found: string[] = [];
  for (let at = 0; at < frame.length; ) {
    let count = view.getUint32(at, true);
    for (at += 4; count > 0; count--) {
      const start = at + 4;
      at = start + view.getUint32(at, true);
      found.push(new TextDecoder().decode(frame.subarray(start, at)));
    }
  }
  return found.join(" ");
}

export const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** What has been told of some kinds so far. */
export function listen<E extends keyof InstanceEvents>(redis: Redis, ...events: E[]): InstanceEvents[E][] {
  const told: InstanceEvents[E][] = [];
  for (const event of events) redis.on(event, (value) => told.push(value));
  return told;
}

/** How an instance is opened, unless a test says otherwise. */
export const SETTINGS: Settings = {
  name: "app",
  store: "indexeddb",
  appendOnly: true,
  appendFsync: "everysec",
  databases: 16,
  maxmemory: "0",
  maxmemoryPolicy: "noeviction",
  requirepass: undefined,
  users: [],
  username: undefined,
  password: undefined,
  renameCommand: {},
  replica: true,
  leads: true,
  downAfterMs: 3000,
  onProgress: undefined,
  onBlocked: undefined,
};

/** Has each test of a file play the tabs; answers what opens an instance, once `begin` has had it opened. */
export function playTabs() {
  let base: Loaded;
  let joined: FakeTabs[];
  let open: Redis[];

  beforeEach(async () => {
    const module = (await import("../../pkg/wasm/lodis.js")) as unknown as Module;
    const file = await readFile(new URL("../../pkg/wasm/lodis_bg.wasm", import.meta.url));
    const { memory } = await module.default({ module_or_path: file });
    [joined, open] = [[], []];
    const join = (...args: ConstructorParameters<typeof FakeTabs>) => joined[joined.push(new FakeTabs(...args)) - 1]!;
    const fakes = { Lodis: recording(module, memory), default: module.default, Tabs: { join } };
    base = { module: fakes as unknown as Module, memory };
    vi.stubGlobal("navigator", { locks: {} });
  });

  afterEach(async () => {
    for (const redis of open) await redis.close().catch(() => {});
    vi.unstubAllGlobals();
  });

  return async <T>(begin: (tabs: FakeTabs) => T, settings = SETTINGS) => {
    const host = new Host(base, settings);
    const whenOpen = host.open();
    const tabs = joined.at(-1)!;
    const begun = begin(tabs);
    await whenOpen;
    const redis = new Redis(host);
    open.push(redis);
    return { redis, tabs, begun };
  };
}
