// The tools and libraries that people use with Redis, unchanged, against `lodis serve`.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, start } from "./serving.js";

const run = promisify(execFile);

let server: Server;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server.stop());

describe("redis-cli", () => {
  const cli = async (...words: string[]) =>
    (await run("redis-cli", ["-p", String(server.port), ...words])).stdout;

  test.each([["-2"], ["-3"]])("commands with %s", async (protocol) => {
    expect(await cli(protocol, "SET", "cli", "Eve", "EX", "100")).toBe("OK\n");
    expect(await cli(protocol, "GET", "cli")).toBe("Eve\n");
    expect(await cli(protocol, "TTL", "cli")).toBe("100\n");
    expect(await cli(protocol, "--no-raw", "MGET", "cli", "nokey")).toBe('1) "Eve"\n2) (nil)\n');
    expect(await cli(protocol, "INCR", "cli")).toBe("ERR value is not an integer or out of range\n\n");
    expect(await cli(protocol, "PING")).toBe("PONG\n");
  });

  test("-r, -n and reading from a pipe", async () => {
    const child = run("redis-cli", ["-p", String(server.port), "-n", "3"]);
    child.child.stdin!.end("SET piped 1\nMULTI\nINCR piped\nINCR piped\nEXEC\n");
    expect((await child).stdout).toBe("OK\nOK\nQUEUED\nQUEUED\n2\n3\n");
    expect(await cli("-n", "3", "-r", "3", "INCR", "piped")).toBe("4\n5\n6\n");
    expect(await cli("EXISTS", "piped")).toBe("0\n");
  });

  test("--scan finds what is there", async () => {
    await cli("MSET", ...Array.from({ length: 50 }, (_, i) => [`scan:${i}`, "x"]).flat());
    const keys = (await cli("--scan", "--pattern", "scan:*")).trim().split("\n");
    expect(new Set(keys).size).toBe(50);
  });
});

test.each(["1", "16"])("redis-benchmark, all its default tests, pipelines of %s", async (depth) => {
  const options = ["-p", String(server.port), "-q", "-n", "1000", "-P", depth];
  const { stdout, stderr } = await run("redis-benchmark", options);
  // `inf`: all of them within a millisecond.
  const finished = [...stdout.matchAll(/^(?:.*\r)?\s*(\S.*?): (?:[\d.]+|inf) requests per second/gm)];
  expect(finished.map(([, name]) => name)).toEqual([
    ...["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD"],
    ...["HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)"],
    ...["LRANGE_100 (first 100 elements)", "LRANGE_300 (first 300 elements)"],
    ...["LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"],
  ]);
  expect(stdout + stderr).not.toMatch(/error|WARNING/i);
}, 120_000);

describe.each([2, 3] as const)("npm redis, RESP%i", (RESP) => {
  const make = async () => {
    const client = createClient({ socket: { port: server.port, host: "127.0.0.1" }, RESP });
    return client.connect();
  };

  test("commands, pipelines, transactions", async () => {
    const client = await make();
    try {
      expect(await client.set("nr", "1", { expiration: { type: "EX", value: 50 } })).toBe("OK");
      expect(await client.ttl("nr")).toBe(50);
      expect(await client.incrByFloat("nr", 1.5)).toBe("2.5");
      expect(await client.mGet(["nr", "nokey"])).toEqual(["2.5", null]);
      await expect(client.incr("nr")).rejects.toThrow("ERR value is not an integer or out of range");
      const many = await Promise.all(Array.from({ length: 500 }, () => client.incr(`nr:n${RESP}`)));
      expect(many).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
      expect(await client.multi().set("nr:a", "x").get("nr:a").exec()).toEqual(["OK", "x"]);
      expect(await client.configGet("databases")).toMatchObject({ databases: "16" });
    } finally {
      client.destroy();
    }
  });

  test("WATCH", async () => {
    const client = await make();
    const other = await make();
    try {
      await client.watch("nr:w");
      await other.set("nr:w", "touched");
      await expect(client.multi().set("nr:w", "lost").exec()).rejects.toThrow(/watched keys/);
      await client.watch("nr:w");
      expect(await client.multi().get("nr:w").exec()).toEqual(["touched"]);
    } finally {
      client.destroy();
      other.destroy();
    }
  });

  test("pub/sub", async () => {
    const client = await make();
    const subscriber = await make();
    try {
      const seen: string[] = [];
      await subscriber.subscribe("nr:c", (message) => seen.push(message));
      await subscriber.pSubscribe("nr:*", (message, channel) => seen.push(`${channel} ${message}`));
      expect(await client.publish("nr:c", "hi")).toBe(2);
      await expect.poll(() => seen).toEqual(["hi", "nr:c hi"]);
      await subscriber.unsubscribe("nr:c");
      expect(await client.publish("nr:c", "again")).toBe(1);
    } finally {
      client.destroy();
      subscriber.destroy();
    }
  });
});

describe("ioredis", () => {
  const make = () => new IoRedis(server.port, "127.0.0.1", { maxRetriesPerRequest: 1 });

  test("commands, pipelines, transactions", async () => {
    const client = make();
    const other = make();
    try {
      expect(await client.set("io", "1", "EX", 50)).toBe("OK");
      expect(await client.getBuffer("io")).toEqual(Buffer.from("1"));
      await expect(client.call("nosuch")).rejects.toThrow(/ERR unknown command/);
      expect(await client.pipeline().incr("io").get("io").exec()).toEqual([[null, 2], [null, "2"]]);
      expect(await client.multi().incr("io").ttl("io").exec()).toEqual([[null, 3], [null, 50]]);
      await client.watch("io");
      await other.set("io", "touched");
      expect(await client.multi().set("io", "lost").exec()).toBeNull();
    } finally {
      other.disconnect();
      client.disconnect();
    }
  });

  test("pub/sub", async () => {
    const client = make();
    const subscriber = make();
    try {
      const seen: unknown[] = [];
      subscriber.on("message", (channel, message) => seen.push([channel, message]));
      subscriber.on("pmessage", (pattern, channel, message) => seen.push([pattern, channel, message]));
      expect(await subscriber.subscribe("io:a", "io:b")).toBe(2);
      expect(await subscriber.psubscribe("io:?")).toBe(3);
      expect(await client.publish("io:b", "hi")).toBe(2);
      await expect.poll(() => seen).toEqual([["io:b", "hi"], ["io:?", "io:b", "hi"]]);
      expect(await subscriber.unsubscribe("io:a", "io:b")).toBe(1);
    } finally {
      client.disconnect();
      subscriber.disconnect();
    }
  });
});
