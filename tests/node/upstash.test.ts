// The unmodified clients of Upstash, over HTTP, against the REST handler wherever it runs.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis as Upstash } from "@upstash/redis";
import { open } from "lodis";
import { rest, toNodeListener } from "lodis/rest";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startWorker } from "./workerd.js";

interface Running {
  readonly url: string;
  close(): Promise<void>;
}

async function inNode(): Promise<Running> {
  const redis = await open("upstash", { store: "memory", scripting: true });
  const server = createServer(toNodeListener(rest(redis, { token: "token" })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await redis.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function inWorkerd(script: string, durableObjects: Record<string, { className: string; useSQLite: boolean }> = {}): Promise<Running> {
  const compatibilityFlags = ["enable_request_signal"];
  const miniflare = await startWorker(script, { durableObjects, compatibilityFlags, host: "127.0.0.1", port: 0 });
  return { url: (await miniflare.ready).origin, close: () => miniflare.dispose() };
}

const inWorker = (): Promise<Running> =>
  inWorkerd(`
    import { open } from "lodis/full";
    import { rest } from "lodis/rest";
    export default { fetch: rest(() => open("worker"), { token: "token" }) };`);

const inObject = (): Promise<Running> =>
  inWorkerd(
    `
    import { LodisObject } from "lodis/full/durable-object";
    export class Upstash extends LodisObject {
      static options() { return { token: "token" }; }
    }
    export default { fetch: (request, env) => env.UPSTASH.getByName("upstash").fetch(request) };`,
    { UPSTASH: { className: "Upstash", useSQLite: true } },
  );

describe.each([
  ["a server of Node", inNode],
  ["a Worker", inWorker],
  ["a Durable Object", inObject],
])("%s", (_, start) => {
  let running: Running;
  let url: string;
  let upstash: Upstash;

  beforeAll(async () => {
    running = await start();
    ({ url } = running);
    upstash = new Upstash({ url, token: "token", enableTelemetry: false });
  });

  afterAll(() => running?.close());

  beforeEach(async () => void (await upstash.flushall()));

  describe.each(["base64", false] as const)("@upstash/redis, responses in %s", (responseEncoding) => {
    let client: Upstash;
    beforeAll(() => {
      client = new Upstash({ url, token: "token", responseEncoding, enableTelemetry: false });
    });

    test("values of all types", async () => {
      expect(await client.set("object", { a: [1, "ü"] })).toBe("OK");
      expect(await client.get("object")).toEqual({ a: [1, "ü"] });
      expect(await client.get("nothing")).toBe(null);
      expect(await client.set("k", "v", { nx: true, ex: 100 })).toBe("OK");
      expect(await client.set("k", "w", { nx: true })).toBe(null);
      expect(await client.ttl("k")).toBe(100);
      expect(await client.incrby("n", 5)).toBe(5);
      expect(await client.hset("h", { a: 1, b: "two", c: { d: 3 } })).toBe(3);
      expect(await client.hgetall("h")).toEqual({ a: 1, b: "two", c: { d: 3 } });
      expect(await client.hmget("h", "a", "none")).toEqual({ a: 1, none: null });
      expect(await client.rpush<unknown>("l", 1, "x", { y: 1 })).toBe(3);
      expect(await client.lrange("l", 0, -1)).toEqual([1, "x", { y: 1 }]);
      expect(await client.sadd("s", "a", "b")).toBe(2);
      expect((await client.smembers("s")).sort()).toEqual(["a", "b"]);
      expect(await client.zadd("z", { score: 1.5, member: "x" }, { score: 2, member: "y" })).toBe(2);
      expect(await client.zrange("z", 0, -1, { withScores: true })).toEqual(["x", 1.5, "y", 2]);
      expect(await client.zscore("z", "x")).toBe(1.5);
      expect(await client.zpopmin("z")).toEqual(["x", 1.5]);
      expect(await client.type("h")).toBe("hash");
      expect(await client.ping()).toBe("PONG");
    });

    test("scans, streams, geo, bits", async () => {
      for (let i = 0; i < 50; i++) await client.set(`key:${i}`, i);
      const found: string[] = [];
      let cursor = "0";
      do {
        const [next, keys] = await client.scan(cursor, { match: "key:*", count: 20 });
        found.push(...keys);
        cursor = next;
      } while (cursor !== "0");
      expect(new Set(found).size).toBe(50);
      expect(await client.xadd("x", "1-1", { name: "a", n: 1 })).toBe("1-1");
      expect(await client.xrange("x", "-", "+")).toEqual({ "1-1": { name: "a", n: 1 } });
      expect(await client.xgroup("x", { type: "CREATE", group: "g", id: "0" })).toBe("OK");
      expect(await client.xreadgroup("g", "c", "x", ">")).toEqual([["x", [["1-1", ["name", "a", "n", 1]]]]]);
      await client.geoadd("g", { longitude: 13.361389, latitude: 38.115556, member: "Palermo" });
      expect(await client.geopos("g", "Palermo")).toEqual([{ lng: expect.closeTo(13.361389, 4), lat: expect.closeTo(38.115556, 4) }]);
      expect(await client.setbit("b", 7, 1)).toBe(0);
      expect(await client.bitcount("b", 0, -1)).toBe(1);
    });

    test("pipelines, transactions, scripts", async () => {
      const pipeline = client.pipeline().set("a", 1).incr("a").hset("h", { f: "v" }).hgetall("h");
      expect(await pipeline.exec()).toEqual(["OK", 2, 1, { f: "v" }]);
      const wrong = client.pipeline().set("t", "text").incr("t").get("t");
      expect(await wrong.exec({ keepErrors: true })).toEqual([
        { result: "OK", error: undefined },
        { result: undefined, error: "ERR value is not an integer or out of range" },
        { result: "text", error: undefined },
      ]);
      expect(await client.multi().incr("a").get("a").exec()).toEqual([3, 3]);
      expect(await client.eval("return {KEYS[1], ARGV[1], 3}", ["key"], ["arg"])).toEqual(["key", "arg", 3]);
      const script = client.createScript<number>("return redis.call('INCRBY', KEYS[1], ARGV[1])");
      expect(await script.exec(["a"], ["4"])).toBe(7);
      await expect(client.eval("return redis.call('NO')", [], [])).rejects.toThrow("Unknown Redis command");
    });

    test("errors", async () => {
      await client.set("k", "v");
      await expect(client.lpush("k", 1)).rejects.toThrow("WRONGTYPE");
      const stranger = new Upstash({ url, token: "wrong", enableTelemetry: false });
      await expect(stranger.get("k")).rejects.toThrow("Unauthorized");
    });
  });

  test("calls of one task go in one request", async () => {
    const client = new Upstash({ url, token: "token", enableAutoPipelining: true, enableTelemetry: false });
    const replies = await Promise.all([client.set("a", 1), client.incr("a"), client.get("a")]);
    expect(replies).toEqual(["OK", 2, 2]);
  });

  test("messages", async () => {
    const channel = upstash.subscribe<{ text: string }>(["chat"]);
    const pattern = upstash.psubscribe(["ch*"]);
    const heard: unknown[] = [];
    channel.on("message", ({ message }) => heard.push(message));
    pattern.on("pmessage", ({ pattern: matched, channel: on, message }) => heard.push([matched, on, message]));
    await expect.poll(() => upstash.exec(["PUBSUB", "NUMSUB", "chat"])).toEqual(["chat", 1]);
    await expect.poll(() => upstash.exec(["PUBSUB", "NUMPAT"])).toBe(1);
    expect(await upstash.publish("chat", { text: "hello" })).toBe(2);
    await expect.poll(() => heard).toHaveLength(2);
    expect(heard).toContainEqual({ text: "hello" });
    expect(heard).toContainEqual(["ch*", "chat", { text: "hello" }]);
    await channel.unsubscribe();
    await pattern.unsubscribe();
    await expect.poll(() => upstash.publish("chat", "nobody")).toBe(0);
  });

  describe("@upstash/ratelimit", () => {
    test.each([
      ["a fixed window", Ratelimit.fixedWindow(3, "60 s")],
      ["a sliding window", Ratelimit.slidingWindow(3, "60 s")],
      ["a token bucket", Ratelimit.tokenBucket(3, "60 s", 3)],
    ])("%s", async (_, limiter) => {
      const ratelimit = new Ratelimit({ redis: upstash, limiter, ephemeralCache: false, analytics: false });
      const allowed: boolean[] = [];
      for (let i = 0; i < 5; i++) allowed.push((await ratelimit.limit("user")).success);
      expect(allowed).toEqual([true, true, true, false, false]);
      expect((await ratelimit.limit("another")).success).toBe(true);
      await ratelimit.resetUsedTokens("user");
      expect((await ratelimit.limit("user")).success).toBe(true);
    });
  });
});
