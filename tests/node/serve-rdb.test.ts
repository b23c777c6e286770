// The RDB file of `lodis serve`: when it is written, and that it is the one of redis-server.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newDirectory, startRealRedis } from "./real-redis.js";
import { Raw, type Server, start } from "./serving.js";

let dir: string;
let clients: IoRedis[];
beforeEach(async () => {
  dir = await newDirectory();
  clients = [];
});
afterEach(async () => {
  clients.forEach((client) => client.disconnect());
  await rm(dir, { recursive: true, force: true });
});

const dump = () => join(dir, "dump.rdb");
const SAVES = ["--appendonly", "no", "--enable-debug-command", "yes"];

function connect(server: Server): IoRedis {
  const client = new IoRedis({ port: server.port, retryStrategy: () => null });
  client.on("error", () => {});
  clients.push(client);
  return client;
}

async function populate(client: IoRedis): Promise<void> {
  await client.mset({ a: "1", b: "x".repeat(100_000) });
  await client.set("later", "v", "PXAT", 4_000_000_000_000);
  await client.rpush("list", ...Array.from({ length: 500 }, (_, index) => `element ${index}`));
  await client.hset("hash", { field: "value" });
  await client.zadd("scores", 1, "one", 2.5, "more");
  await client.sadd("set", "a", "b", "3");
  await client.xadd("stream", "1-1", "f", "v");
  await client.select(3);
  await client.set("elsewhere", "there");
  await client.select(0);
}

/** It has ended by itself, well. */
async function ended(server: Server): Promise<void> {
  if (server.child!.exitCode === null) await once(server.child!, "exit");
  expect(server.child!.exitCode).toBe(0);
}

test("what is saved here, a real server loads, and the other way round", async () => {
  const server = await start("--dir", dir, ...SAVES);
  const client = connect(server);
  await populate(client);
  expect(await client.call("CONFIG", "GET", "appendonly")).toEqual(["appendonly", "no"]);
  const digest = await client.call("DEBUG", "DIGEST");
  expect(await client.save()).toBe("OK");
  await server.stop();
  const copy = await newDirectory();
  await copyFile(dump(), join(copy, "dump.rdb"));
  const theirs = await startRealRedis(copy);
  expect(await theirs.client.call("DEBUG", "DIGEST")).toBe(digest);
  await theirs.client.set("new", "from there");
  const changed = await theirs.client.call("DEBUG", "DIGEST");
  expect(await theirs.client.save()).toBe("OK");
  await copyFile(join(copy, "dump.rdb"), dump());
  await theirs.stop();
  const again = await start("--dir", dir, ...SAVES);
  const reader = connect(again);
  expect(await reader.call("DEBUG", "DIGEST")).toBe(changed);
  expect(await reader.get("new")).toBe("from there");
  expect(await reader.pexpiretime("later")).toBe(4_000_000_000_000);
  expect(await reader.info("persistence")).toContain("rdb_changes_since_last_save:0\r\n");
  await again.stop();
});

test("save: after so many seconds, if there were so many changes; CONFIG SET changes when", async () => {
  const server = await start("--save", "1 2", "--dir", dir, "--dbfilename", "other.rdb");
  const client = connect(server);
  const fileTime = () => stat(join(dir, "other.rdb")).then(({ mtimeMs }) => mtimeMs, () => 0);
  const began = Math.floor(Date.now() / 1000);
  expect(await client.lastsave()).toBeGreaterThanOrEqual(began - 1);
  await client.set("a", "1");
  await new Promise((resolve) => setTimeout(resolve, 1600));
  expect(await fileTime()).toBe(0); // one change is not enough
  await client.set("b", "1");
  await expect.poll(fileTime, { timeout: 10_000 }).toBeGreaterThan(0);
  await expect.poll(() => client.info("persistence")).toMatch(/rdb_changes_since_last_save:0\r\n[^]*rdb_bgsave_in_progress:0\r\n[^]*rdb_last_bgsave_status:ok\r\n[^]*rdb_saves:1\r\n/);
  expect(await client.config("SET", "save", "")).toBe("OK");
  const written = await fileTime();
  await client.mset("c", "1", "d", "2");
  await client.set("e", "1");
  await new Promise((resolve) => setTimeout(resolve, 1600));
  expect(await fileTime()).toBe(written);
  expect(await client.config("SET", "save", "1 1 100 5")).toBe("OK");
  expect(await client.config("GET", "save")).toEqual(["save", "1 1 100 5"]);
  await expect.poll(fileTime, { timeout: 10_000 }).toBeGreaterThan(written);
  await server.stop();
  expect((await readdir(dir)).filter((name) => name.startsWith("temp-"))).toEqual([]);
});

describe("at the end", () => {
  test.each([
    ["SIGTERM", "60 1", true],
    ["SIGINT", "60 1", true],
    ["SIGTERM", "", false],
  ] as const)("%s with --save %j: saved %s", async (signal, save, isSaved) => {
    const server = await start("--save", save, "--dir", dir, "--appendonly", "no");
    await connect(server).set("k", "v");
    server.child!.kill(signal);
    await ended(server);
    expect(existsSync(dump())).toBe(isSaved);
    const again = await start("--dir", dir, ...SAVES);
    expect(await connect(again).get("k")).toBe(isSaved ? "v" : null);
    await again.stop();
  });

  test.each([
    ["SHUTDOWN", "60 1", true],
    ["SHUTDOWN NOSAVE", "60 1", false],
    ["SHUTDOWN SAVE", "", true],
    ["SHUTDOWN", "", false],
  ])("%s with --save %j: saved %s", async (line, save, isSaved) => {
    const server = await start("--save", save, "--dir", dir, "--appendonly", "no");
    const raw = await Raw.open(server.port);
    raw.write(`SET k v\r\n${line}\r\n`);
    expect(await raw.until((text) => text.length > 5)).toBe("+OK\r\n");
    await ended(server);
    expect(existsSync(dump())).toBe(isSaved);
  });

  test("what cannot be saved keeps the server", async () => {
    const server = await start("--save", "60 1", "--dir", dir, "--dbfilename", "taken");
    let notices = "";
    server.child!.stderr!.on("data", (text: Buffer) => (notices += text.toString()));
    const client = connect(server);
    await client.set("k", "v");
    // A file cannot take the place of a directory.
    await mkdir(join(dir, "taken"));
    server.child!.kill("SIGTERM");
    await expect.poll(() => notices, { timeout: 10_000 }).toContain("lodis: Error trying to save the DB, can't exit.\n");
    await expect(client.call("SHUTDOWN")).rejects.toThrow("ERR Errors trying to SHUTDOWN. Check logs.");
    await expect(client.set("k", "w")).rejects.toThrow(/^MISCONF Redis is configured to save RDB snapshots/);
    expect(await client.get("k")).toBe("v");
    await expect(client.save()).rejects.toThrow(/^ERR /);
    expect(await client.info("persistence")).toContain("rdb_last_bgsave_status:err\r\n");
    await client.call("SHUTDOWN", "NOSAVE").catch(() => {});
    await ended(server);
  });
});

test("a second signal ends what would go on saving", async () => {
  const server = await start("--save", "60 1", "--dir", dir);
  await connect(server).set("k", "v");
  let notices = "";
  server.child!.stderr!.on("data", (text: Buffer) => (notices += text.toString()));
  // What is written to it waits for somebody who reads.
  execFileSync("mkfifo", [join(dir, `temp-${server.child!.pid}-dump.rdb`)]);
  const exited = once(server.child!, "exit");
  // Signals that come together may be one.
  const insisting = setInterval(() => server.child!.kill("SIGTERM"), 100);
  const [code, signal] = (await exited) as [number | null, string];
  clearInterval(insisting);
  expect([code, signal, notices]).toEqual([null, "SIGTERM", "lodis: You insist... exiting now.\n"]);
});

test("with both, the log is what is loaded", async () => {
  const options = ["--dir", dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "3600 1"];
  const server = await start(...options);
  const client = connect(server);
  await client.set("k", "in both");
  expect(await client.bgsave()).toBe("Background saving started");
  await expect.poll(() => existsSync(dump())).toBe(true);
  await client.set("k", "in the log");
  server.child!.kill("SIGKILL");
  await once(server.child!, "exit");
  const again = await start(...options);
  expect(await connect(again).get("k")).toBe("in the log");
  await again.stop();
  // Without appendonly, what the log has recorded is not given up for an older file.
  const third = await start("--dir", dir, "--appendonly", "no");
  expect(await connect(third).get("k")).toBe("in the log");
  await third.stop();
});

test("a file that is none is an error, and stays as it is", async () => {
  await writeFile(dump(), "no RDB file");
  await expect(start("--dir", dir, "--appendonly", "no")).rejects.toThrow(/^lodis: .*RDB/);
  await chmod(dump(), 0o600);
  expect((await stat(dump())).size).toBe(11);
});
