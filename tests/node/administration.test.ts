// MONITOR, CLIENT PAUSE, SHUTDOWN and DEBUG: embedded, and over TCP as clients use them.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";
import { ClosedError, open, type Redis, ReplyError } from "lodis";
import { createClient } from "redis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Raw, start } from "./serving.js";

describe("embedded", () => {
  let redis: Redis;
  beforeEach(async () => {
    redis = await open("administration");
  });
  afterEach(() => redis.close());

  test("a monitor is shown every command, those too that were answered from copies before", async () => {
    const lines: string[] = [];
    await redis.set("k", "v");
    for (let times = 0; times < 4; times++) await redis.get("k");
    const stop = await redis.monitor((line) => lines.push(line.replace(/^\d+\.\d{6} /, "")));
    await redis.get("k");
    await redis.get("k");
    redis.sync.set("a b", 'c"d');
    await redis.multi().incr("n").exec();
    await vi.waitFor(() => expect(lines).toHaveLength(6));
    expect(lines.map((line) => line.replace(/\[0 lodis:\d+\] /, ""))).toEqual([
      '"get" "k"',
      '"get" "k"',
      '"set" "a b" "c\\"d"',
      '"multi"',
      '"incr" "n"',
      '"exec"',
    ]);
    await stop();
    await redis.get("k");
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(lines).toHaveLength(6);
    expect(await redis.get("k")).toBe("v");
    await expect(redis.call("MONITOR")).rejects.toThrow("use monitor(listener)");
  });

  test("writes wait for the end of a pause, and what is called after them; reads before do not", async () => {
    await redis.set("k", 1);
    await redis.clientPause(60_000, "WRITE");
    expect(await redis.get("k")).toBe("1");
    expect(() => redis.sync.set("k", 2)).toThrow(ReplyError);
    expect(() => redis.sync.incr("k")).toThrow("a synchronous call cannot wait");
    const order: string[] = [];
    const calls = [
      redis.incr("k").then((value) => order.push(`incr ${value}`)),
      redis.get("k").then((value) => order.push(`get ${value}`)),
      redis.multi().incr("k").get("k").exec().then((replies) => order.push(`exec ${replies}`)),
      redis.pipeline().get("k").append("k", "x".repeat(100_000)).exec().then(() => order.push("pipeline")),
    ];
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(order).toEqual([]);
    await redis.clientUnpause();
    await Promise.all(calls);
    expect(order).toEqual(["incr 2", "get 2", "exec 3,3", "pipeline"]);
    expect(await redis.strLen("k")).toBe(100_001);
  });

  test("a pause ends by itself, one of everything too", async () => {
    const began = performance.now();
    await redis.clientPause(80);
    expect(() => redis.sync.get("k")).toThrow("CLIENT PAUSE");
    expect(await redis.ping()).toBe("PONG");
    expect(performance.now() - began).toBeGreaterThan(70);
    await redis.clientPause(60, "WRITE");
    expect(await redis.blPop("nothing", 0.01)).toBeNull();
    await redis.debug("SLEEP", "0.05");
    expect(await redis.set("k", "v")).toBe("OK");
  });

  test("what is postponed when the instance is closed is refused", async () => {
    await redis.clientPause(60_000);
    const waiting = redis.get("k");
    await redis.close();
    await expect(waiting).rejects.toThrow(ClosedError);
  });

  test("SHUTDOWN closes the instance", async () => {
    await expect(redis.shutdown("ABORT")).rejects.toThrow("ERR No shutdown in progress.");
    await expect(redis.shutdown("SAVE", "NOSAVE")).rejects.toThrow("ERR syntax error");
    expect(await redis.shutdown("NOSAVE")).toBe("OK");
    await expect(redis.get("k")).rejects.toThrow(ClosedError);
  });

  test("the digest is that of a real server", async () => {
    await redis.hSet("h", { a: "1", b: "2" });
    expect(await redis.debug("DIGEST-VALUE", "h")).toEqual(["6c8f22b3bf510fdcfd6122dd0f908a80e88243bf"]);
    expect(await redis.debug("RELOAD")).toBe("OK");
    expect(await redis.hGetAll("h")).toEqual({ a: "1", b: "2" });
  });
});

describe("over TCP", () => {
  test("ioredis and node-redis monitor", async () => {
    const server = await start();
    const client = new IoRedis(server.port);
    // What it asks for by itself is over: shown to the monitor that begins, it would be taken for its answer.
    await client.ping();
    const monitor = await client.monitor();
    const seen: string[][] = [];
    monitor.on("monitor", (_time: string, args: string[]) => seen.push(args));
    const other = createClient({ url: `redis://127.0.0.1:${server.port}` });
    await other.connect();
    const lines: string[] = [];
    await other.monitor((line) => lines.push(String(line)));
    await client.set("k", "v");
    await vi.waitFor(() => {
      expect(seen).toContainEqual(["set", "k", "v"]);
      expect(lines.some((line) => /^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "k" "v"$/.test(line))).toBe(true);
    });
    monitor.disconnect();
    client.disconnect();
    other.destroy();
    await server.stop();
  });

  test("commands of connections wait, and get on in their order", async () => {
    const server = await start();
    const [admin, writer, reader] = await Promise.all([0, 1, 2].map(() => Raw.open(server.port)));
    admin!.write("CLIENT PAUSE 60000 WRITE\r\n");
    await vi.waitFor(() => expect(admin!.received).toBe("+OK\r\n"));
    writer!.write("SET k 1\r\nINCR k\r\nGET k\r\n");
    reader!.write("GET k\r\n");
    await vi.waitFor(() => expect(reader!.received).toBe("$-1\r\n"));
    expect(writer!.received).toBe("");
    admin!.write("CLIENT UNPAUSE\r\n");
    await vi.waitFor(() => expect(writer!.received).toBe("+OK\r\n:2\r\n$1\r\n2\r\n"));
    for (const raw of [admin!, writer!, reader!]) raw.socket.destroy();
    await server.stop();
  });

  test("SHUTDOWN stores everything, and ends the process well; DEBUG is for whom it was allowed", async () => {
    const dir = await mkdtemp(join(tmpdir(), "lodis-"));
    try {
      const first = await start("--dir", dir);
      const raw = await Raw.open(first.port);
      raw.write("SET k v\r\nDEBUG DIGEST\r\nSHUTDOWN ABORT\r\n");
      await vi.waitFor(() => expect(raw.received).toContain("No shutdown in progress."));
      expect(raw.received).toContain("-ERR DEBUG command not allowed.");
      raw.received = "";
      raw.write("SHUTDOWN\r\n");
      const [code] = (await once(first.child!, "exit")) as [number];
      expect(code).toBe(0);
      await vi.waitFor(() => expect(raw.closed).toBe(true));
      expect(raw.received).toBe("");
      const second = await start("--dir", dir, "--enable-debug-command", "local");
      const again = await Raw.open(second.port);
      again.write("GET k\r\nDEBUG SET-ACTIVE-EXPIRE 1\r\n");
      await vi.waitFor(() => expect(again.received).toBe("$1\r\nv\r\n+OK\r\n"));
      again.socket.destroy();
      await second.stop();
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
