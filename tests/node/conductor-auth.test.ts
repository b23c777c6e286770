// As whom an instance calls, between the conductor and tabs that the test plays itself.
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Module } from "../../pkg/src/boundary/wasm.js";
import { Host } from "../../pkg/src/host.js";
import type { Loaded } from "../../pkg/src/load.js";
import type { Settings } from "../../pkg/src/options.js";
import { Redis } from "../../pkg/src/redis.js";
import { FakeTabs, recording, SETTINGS, turn } from "./conducting.js";

let base: Loaded;
let tabs: FakeTabs;
let hosts: Host[];

beforeEach(async () => {
  const module = (await import("../../pkg/wasm/lodis.js")) as unknown as Module;
  const file = await readFile(new URL("../../pkg/wasm/lodis_bg.wasm", import.meta.url));
  const { memory } = await module.default({ module_or_path: file });
  hosts = [];
  const join = (...args: ConstructorParameters<typeof FakeTabs>) => (tabs = new FakeTabs(...args));
  const fakes = { Lodis: recording(module, memory), default: module.default, Tabs: { join } };
  base = { module: fakes as unknown as Module, memory };
  vi.stubGlobal("navigator", { locks: {} });
});

afterEach(async () => {
  for (const host of hosts) await host.close().catch(() => {});
  vi.unstubAllGlobals();
});

/** Begins to open an instance with these settings. */
function opening(settings: Partial<Settings>): { host: Host; open: Promise<void> } {
  const host = new Host(base, { ...SETTINGS, ...settings });
  hosts.push(host);
  const open = host.open();
  open.catch(() => {});
  return { host, open };
}

/** Another tab leads, and this one has a copy. */
function follow(): void {
  tabs.emit({ type: "welcome" });
  tabs.emit({ type: "copy", readable: true });
}

const ALICE = { users: ["alice on >pw +get +acl|whoami ~app:*"], username: "alice", password: "pw" };

test("a tab authenticates at the leader before anything else, and open waits for that", async () => {
  const { host, open } = opening(ALICE);
  follow();
  await turn();
  expect(tabs.asked()).toEqual(["auth alice pw"]);
  const early = await Promise.race([open.then(() => "open"), turn().then(() => "waiting")]);
  expect(early).toBe("waiting");
  tabs.reply(0, "+OK\r\n", false, 2);
  await open;
  // Whose reads are checked by the leader reads nothing of its own copy.
  const read = new Redis(host).get("app:k");
  expect(tabs.asked().slice(1)).toEqual(["get app:k"]);
  tabs.reply(1, "$1\r\nv\r\n", false, 2);
  expect(await read).toBe("v");
});

test("open rejects with what the leader answers", async () => {
  const { open } = opening({ password: "wrong" });
  follow();
  await turn();
  expect(tabs.asked()).toEqual(["auth wrong"]);
  tabs.reply(0, "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  await expect(open).rejects.toThrow(/^WRONGPASS/);
  expect(tabs.count("close")).toBe(1);
});

test("the tab that leads authenticates by itself", async () => {
  const { host, open } = opening(ALICE);
  tabs.lead();
  await open;
  expect(tabs.asked()).toEqual([]);
  const redis = new Redis(host);
  expect(redis.sync.aclWhoami()).toBe("alice");
  expect(redis.sync.get("app:k")).toBeNull();
  expect(() => redis.sync.get("k")).toThrow("NOPERM No permissions to access a key");
});

test("what a tab has not been told that it may read, it does not read of its copy", async () => {
  const { host, open } = opening({ requirepass: "sesame" });
  follow();
  await open;
  const redis = new Redis(host);
  expect(() => redis.sync.get("k")).toThrow("NOAUTH Authentication required.");
  await expect(redis.get("k")).rejects.toThrow("NOAUTH Authentication required.");
  expect(tabs.asked()).toEqual([]);
});
