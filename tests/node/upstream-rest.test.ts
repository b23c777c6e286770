// An upstream over Upstash's REST protocol: our own handler, and a real redis-server behind a small one.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { open, type Redis, type RefusedCommand } from "lodis";
import { rest, toNodeListener } from "lodis/rest";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { Line, online, restOf, TOKEN, until } from "./upstreaming.js";

let real: RealRedis;
let before: { port: number; close(): void };
let line: Line;
const opened: Redis[] = [];

beforeAll(async () => {
  real = await startRealRedis(await newDirectory());
  before = await restOf(real.client);
  line = await Line.to(before.port);
}, 60_000);

afterAll(async () => {
  await line.close();
  before.close();
  await real.stop();
});

beforeEach(async () => {
  await real.client.flushall();
  line.up();
  line.swallows = false;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((redis) => redis.close()));
});

async function opens(name: string): Promise<Redis> {
  const redis = await open(name, { store: "memory" });
  opened.push(redis);
  return redis;
}

const settings = (port = line.port) => ({
  url: `http://127.0.0.1:${port}/`,
  token: TOKEN,
  prefix: "app:",
  compareMs: 50,
  timeoutMs: 5000,
  maxBackoffMs: 300,
});

test("a real server: there and back, whatever bytes", async () => {
  const redis = await opens("rest");
  const upstream = await redis.upstream(settings());
  const refused: RefusedCommand[] = [];
  upstream.on("refused", (command) => refused.push(command));
  await redis.set("app:text", "=ü\n%");
  await redis.set("app:bytes", Uint8Array.from({ length: 256 }, (_, byte) => byte));
  await redis.call("SET", Uint8Array.of(...Buffer.from("app:"), 255, 0), "name");
  await redis.zAdd("app:z", 1, "a", 2, "b");
  await upstream.flush();
  const { client } = real;
  expect(await client.get("app:text")).toBe("=ü\n%");
  expect([...(await client.getBuffer("app:bytes"))!]).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
  expect(await client.get(Buffer.from("app:\xff\0", "latin1"))).toBe("name");
  await client.multi().zincrby("app:z", 5, "a").pexpireat("app:z", 4_000_000_000_000).del("app:bytes").exec();
  await until(async () => (await redis.exists("app:bytes")) === 0 && (await redis.zScore("app:z", "a")) === 6, "it comes");
  expect(await redis.pExpireTime("app:z")).toBe(4_000_000_000_000);
  expect(await redis.get("app:text")).toBe("=ü\n%");
  await client.set("app:text", "theirs");
  await redis.lPush("app:text", "x").catch(() => {});
  await until(async () => (await redis.get("app:text")) === "theirs", "it comes");
  expect(refused).toEqual([]);
});

test("requests whose answers are lost are done once", async () => {
  const redis = await opens("rest");
  const upstream = await redis.upstream(settings());
  await online(upstream);
  let onlines = 0;
  upstream.on("state", (state) => (line.swallows = state === "online" && ++onlines % 3 !== 0));
  line.swallows = true;
  for (let index = 0; index < 200; index++) {
    await redis.incr("app:n");
    await redis.rPush("app:order", index);
    if (index % 40 === 0) await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await upstream.flush();
  expect(onlines).toBeGreaterThan(1);
  expect(await real.client.get("app:n")).toBe("200");
  expect(await real.client.lrange("app:order", 0, -1)).toEqual(Array.from({ length: 200 }, (_, index) => `${index}`));
}, 60_000);

test("what has not changed is not read again", async () => {
  const redis = await opens("rest");
  const upstream = await redis.upstream({ ...settings(), compareMs: 0 });
  await online(upstream);
  await real.client.set("app:large", "x".repeat(500_000));
  await upstream.sync();
  expect(await redis.strLen("app:large")).toBe(500_000);
  const before = line.bytes;
  await upstream.sync();
  expect(line.bytes - before).toBeLessThan(5000);
  // What was written here, or is gone here, is looked at whatever it is there.
  await redis.set("app:large", "mine");
  await upstream.flush();
  await real.client.set("app:large", "x".repeat(500_000));
  await upstream.sync();
  expect(await redis.strLen("app:large")).toBe(500_000);
  await redis.flushAll();
  await until(async () => (await redis.strLen("app:large")) === 500_000, "it comes again");
});

test("a wrong token is refused", async () => {
  const redis = await opens("rest");
  const upstream = await redis.upstream({ ...settings(), token: "wrong" });
  await until(() => upstream.state === "refused", "refused");
  expect(upstream.error?.code).toBe("AUTH");
});

test("Lodis is an upstream too: what changes is told by server-sent events", async () => {
  const far = await open("far", { store: "memory", scripting: true });
  opened.push(far);
  await far.configSet("notify-keyspace-events", "KA");
  const server: Server = createServer(toNodeListener(rest(far, { token: TOKEN })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const redis = await opens("near");
    // Nothing is compared now and then.
    const { port } = server.address() as AddressInfo;
    const upstream = await redis.upstream({ ...settings(port), compareMs: 0 });
    await online(upstream);
    await upstream.sync();
    await redis.multi().incr("app:n").sAdd("app:s", "a", "b").exec();
    await upstream.flush();
    expect([await far.get("app:n"), await far.sCard("app:s")]).toEqual(["1", 2]);
    await far.incr("app:n");
    await until(async () => (await redis.get("app:n")) === "2", "it is told");
    await far.del("app:s");
    await until(async () => (await redis.exists("app:s")) === 0, "it is told");
    await upstream.close();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("an endpoint that runs no scripts is told of", async () => {
  const far = await open("far", { store: "memory", scripting: false });
  opened.push(far);
  const server: Server = createServer(toNodeListener(rest(far, { token: TOKEN })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const redis = await opens("near");
    const upstream = await redis.upstream(settings((server.address() as AddressInfo).port));
    await redis.incr("app:n");
    await until(() => upstream.error !== undefined, "the error");
    expect(upstream.error?.message).toMatch(/EVAL|script/i);
    expect(await far.exists("app:n")).toBe(0);
    await until(() => upstream.pending === 1, "it waits");
    await upstream.close();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
