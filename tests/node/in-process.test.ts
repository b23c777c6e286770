// The npm clients of Redis, unchanged, connected to instances in this process.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis, type RedisOptions } from "ioredis";
import { open, type Redis as Lodis } from "lodis";
import { open as openFull } from "lodis/full";
import { closeServers, connector, flushServers, inProcessIoredis, inProcessRedis, listen, server } from "lodis/node";
import * as redisModule from "redis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));

describe("ioredis, with a connector", () => {
  let lodis: Lodis;
  const clients: Redis[] = [];
  const connect = (options: RedisOptions = {}): Redis => {
    const client = new Redis({ Connector: connector(lodis), retryStrategy: () => 1, ...options });
    clients.push(client);
    return client;
  };
  beforeEach(async () => {
    lodis = await openFull("ioredis", { store: "memory" });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await lodis.close();
  });

  test("commands, binary values, pipelines and transactions", async () => {
    const client = connect();
    expect(await client.set("k", "v", "EX", 50)).toBe("OK");
    expect(await lodis.ttl("k")).toBe(50);
    await client.set("bytes", Buffer.from([0, 255, 13, 10]));
    expect(await client.getBuffer("bytes")).toEqual(Buffer.from([0, 255, 13, 10]));
    await expect(client.incr("k")).rejects.toThrow("ERR value is not an integer or out of range");
    expect(await client.pipeline().incr("n").get("n").lpush("k", "x").exec()).toEqual([
      [null, 1],
      [null, "1"],
      [expect.objectContaining({ message: expect.stringMatching(/^WRONGTYPE /) })],
    ]);
    expect(await client.multi().incr("n").get("n").exec()).toEqual([[null, 2], [null, "2"]]);
    const many = await Promise.all(Array.from({ length: 2000 }, () => client.incr("many")));
    expect(many).toEqual(Array.from({ length: 2000 }, (_, index) => index + 1));
    const long = "x".repeat(3_000_000);
    await client.set("long", long);
    expect(await client.get("long")).toBe(long);
  });

  test("WATCH, between clients and with the instance itself", async () => {
    const client = connect();
    await client.watch("w");
    await lodis.set("w", "touched");
    expect(await client.multi().set("w", "lost").exec()).toBeNull();
    await client.watch("w");
    expect(await client.multi().set("w", "kept").exec()).toEqual([[null, "OK"]]);
    expect(await lodis.get("w")).toBe("kept");
  });

  test("RESP3, keyPrefix, a database, a name, auto-pipelining, lazyConnect", async () => {
    const options = { protocol: 3, keyPrefix: "p:", db: 2, connectionName: "named", enableAutoPipelining: true, lazyConnect: true };
    const client = connect(options as RedisOptions);
    expect(client.status).toBe("wait");
    await client.connect();
    expect(await Promise.all([client.set("a", "1"), client.incr("a"), client.get("a")])).toEqual(["OK", 2, "2"]);
    expect(await lodis.clientList()).toMatch(/name=named .*db=2 .*resp=3/);
    await lodis.select(2);
    expect(await lodis.get("p:a")).toBe("2");
  });

  test("pub/sub on several connections", async () => {
    const [publisher, ...subscribers] = [connect(), connect(), connect()];
    const seen: unknown[] = [];
    for (const [index, subscriber] of subscribers.entries()) {
      await subscriber.subscribe("news");
      await subscriber.psubscribe("n*");
      subscriber.on("message", (...message) => seen.push([index, ...message]));
      subscriber.on("pmessage", (...message) => seen.push([index, ...message]));
    }
    expect(await publisher!.publish("news", "one")).toBe(4);
    await lodis.publish("news", "two");
    const heard = (text: string) => [0, 1].flatMap((index) => [[index, "news", text], [index, "n*", "news", text]]);
    await expect.poll(() => seen).toEqual([...heard("one"), ...heard("two")]);
    await subscribers[0]!.unsubscribe("news");
    await subscribers[0]!.punsubscribe("n*");
    expect(await publisher!.publish("news", "three")).toBe(2);
    expect(await subscribers[0]!.get("k")).toBeNull();
  });

  test("duplicate(), blocking commands, streams and MONITOR", async () => {
    const client = connect();
    const blocked = client.duplicate();
    clients.push(blocked);
    const popped = blocked.blpop("list", 0);
    await expect.poll(() => lodis.info("clients")).toContain("blocked_clients:1");
    await client.rpush("list", "value");
    expect(await popped).toEqual(["list", "value"]);
    expect(await blocked.blpop("list", 0.01)).toBeNull();
    const read = blocked.xread("BLOCK", 0, "STREAMS", "stream", "$");
    await expect.poll(() => lodis.info("clients")).toContain("blocked_clients:1");
    await client.xadd("stream", "1-1", "field", "value");
    expect(await read).toEqual([["stream", [["1-1", ["field", "value"]]]]]);
    const monitor = await client.monitor();
    clients.push(monitor);
    const lines: string[][] = [];
    monitor.on("monitor", (_time: string, args: string[]) => lines.push(args));
    await client.set("seen", "1");
    await expect.poll(() => lines).toContainEqual(["set", "seen", "1"]);
    const keys: string[] = [];
    await lodis.mset(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`scan:${i}`, "x"])));
    for await (const some of client.scanStream({ match: "scan:*", count: 20 })) keys.push(...some);
    expect(new Set(keys).size).toBe(300);
  });

  test("scripts, and commands defined by them", async () => {
    const client = connect();
    client.defineCommand("double", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)" });
    expect(await (client as unknown as { double(key: string, by: number): Promise<number> }).double("n", 21)).toBe(42);
    await lodis.scriptFlush();
    // NOSCRIPT is what the client expects, and it sends the script anew.
    expect(await (client as unknown as { double(key: string, by: number): Promise<number> }).double("n", 21)).toBe(84);
    const plain = await open("plain", { store: "memory" });
    const without = connect({ Connector: connector(plain) });
    await expect(without.eval("return 1", 0)).rejects.toThrow(/scripting/);
    without.disconnect();
    await plain.close();
  });

  test("TLS changes nothing, nor do an address and sentinels", async () => {
    const client = connect({ tls: { rejectUnauthorized: true }, host: "redis.invalid", port: 1, family: 6 });
    expect(await client.ping()).toBe("PONG");
    const other = connect({ sentinels: [{ host: "redis.invalid", port: 26379 }], name: "mymaster" });
    expect(await other.ping()).toBe("PONG");
  });

  test("users and passwords", async () => {
    const guarded = await open("guarded", { store: "memory", requirepass: "sesame", users: ["alice on >pw ~* +@all"] });
    const source = { Connector: connector(guarded) };
    expect(await connect({ ...source, password: "sesame" }).set("k", "v")).toBe("OK");
    expect(await connect({ ...source, username: "alice", password: "pw" }).acl("WHOAMI")).toBe("alice");
    const wrong = connect({ ...source, password: "wrong", retryStrategy: null as never });
    const errors: string[] = [];
    wrong.on("error", (error) => errors.push(error.message));
    await expect(wrong.get("k")).rejects.toThrow();
    expect(errors.join()).toMatch(/WRONGPASS/);
    const anybody = connect({ ...source });
    anybody.on("error", () => {});
    await expect(anybody.get("k")).rejects.toThrow(/NOAUTH/);
    for (const client of clients.splice(0)) client.disconnect();
    await guarded.close();
  });

  test("it connects again after CLIENT KILL, and is done after quit", async () => {
    const client = connect();
    const subscriber = connect();
    const seen: string[] = [];
    await subscriber.subscribe("news");
    subscriber.on("message", (_channel, message) => seen.push(message));
    const again = new Promise((resolve) => subscriber.once("reconnecting", resolve));
    expect(await lodis.clientKill("TYPE", "pubsub")).toBe(1);
    await again;
    await expect.poll(() => lodis.pubSubNumSub("news")).toEqual(["news", 1]);
    await client.publish("news", "after");
    await expect.poll(() => seen).toEqual(["after"]);
    expect(await client.quit()).toBe("OK");
    await expect.poll(() => client.status).toBe("end");
    await expect(client.get("k")).rejects.toThrow("Connection is closed.");
    await client.connect();
    expect(await client.get("k")).toBeNull();
  });

  test("it is disconnected before it was connected", async () => {
    const client = connect({ retryStrategy: null as never });
    const reply = client.get("k");
    client.disconnect();
    await expect(reply).rejects.toThrow("Connection is closed.");
  });

  test("it retries while nothing is there to connect to, and finds what comes", async () => {
    let isThere = false;
    const source = () => (isThere ? lodis : Promise.reject(new Error("not yet")));
    const errors: string[] = [];
    const client = connect({ Connector: connector(source), maxRetriesPerRequest: null });
    client.on("error", (error) => errors.push(error.message));
    const reply = client.set("k", "v");
    await expect.poll(() => errors.length).toBeGreaterThan(2);
    expect(new Set(errors)).toEqual(new Set(["connect ECONNREFUSED: not yet"]));
    isThere = true;
    expect(await reply).toBe("OK");
  });

  test("what is no instance is refused at once", () => {
    expect(() => connector({} as never)).toThrow(TypeError);
  });
});

describe("redis, through a listener", () => {
  let lodis: Lodis;
  beforeAll(async () => {
    lodis = await openFull("node-redis", { store: "memory" });
  });
  beforeEach(() => lodis.flushAll());
  afterAll(() => lodis.close());

  test.each([2, 3] as const)("RESP%i: commands, transactions, scripts, pub/sub, blocking", async (RESP) => {
    await using listener = await listen(lodis);
    const client = createClient({ socket: listener.socket, RESP });
    await client.connect();
    const other = client.duplicate();
    await other.connect();
    try {
      expect(await client.set("k", "v", { expiration: { type: "EX", value: 50 } })).toBe("OK");
      expect(await lodis.ttl("k")).toBe(50);
      expect(await client.multi().incr("n").incr("n").exec()).toEqual([1, 2]);
      await client.watch("n");
      await lodis.incr("n");
      await expect(client.multi().incr("n").exec()).rejects.toThrow(/watched keys/);
      expect(await client.eval("return ARGV[1] * 2", { arguments: ["21"] })).toBe(42);
      const seen: string[] = [];
      await other.subscribe("news", (message) => seen.push(message));
      await client.publish("news", "hi");
      await expect.poll(() => seen).toEqual(["hi"]);
      const blocked = await client.duplicate().connect();
      const popped = blocked.blPop("list", 0);
      await expect.poll(() => lodis.info("clients")).toContain("blocked_clients:1");
      await client.rPush("list", "value");
      expect(await popped).toEqual({ key: "list", element: "value" });
      blocked.destroy();
      const long = "x".repeat(3_000_000);
      await client.set("long", long);
      expect(await client.get("long")).toBe(long);
    } finally {
      client.destroy();
      other.destroy();
    }
  });

  test("client-side caching", async () => {
    await using listener = await listen(lodis);
    const cache = new redisModule.BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
    const client = createClient({ socket: listener.socket, RESP: 3, clientSideCache: cache });
    await client.connect();
    await lodis.set("k", "1");
    expect([await client.get("k"), await client.get("k")]).toEqual(["1", "1"]);
    expect(cache.stats().hitCount).toBe(1);
    await lodis.set("k", "2");
    await expect.poll(() => client.get("k")).toBe("2");
    client.destroy();
  });

  test("it connects again after CLIENT KILL", async () => {
    await using listener = await listen(lodis);
    const client = createClient({ socket: { ...listener.socket, reconnectStrategy: 1 } });
    const errors: Error[] = [];
    client.on("error", (error) => errors.push(error));
    await client.connect();
    await lodis.clientKill("TYPE", "normal", "SKIPME", "yes");
    await expect.poll(() => errors.length).toBe(1);
    expect(await client.set("k", "v")).toBe("OK");
    await client.close();
  });

  test("the listener closes, or the instance does", async () => {
    const instance = await open("closes", { store: "memory" });
    const listener = await listen(instance);
    const client = createClient({ socket: { ...listener.socket, reconnectStrategy: false } });
    const error = new Promise((resolve) => client.once("error", resolve));
    await client.connect();
    await instance.close();
    expect(await error).toBeInstanceOf(Error);
    const late = createClient({ socket: { ...listener.socket, reconnectStrategy: false } });
    late.on("error", () => {});
    await expect(late.connect()).rejects.toThrow(/closed unexpectedly|EPIPE/);
    await Promise.all([listener.close(), listener.close()]);
    expect(existsSync(listener.path)).toBe(false);
    const none = createClient({ socket: { ...listener.socket, reconnectStrategy: false } });
    none.on("error", () => {});
    await expect(none.connect()).rejects.toThrow(/ENOENT/);
  });

  test("a path that cannot be listened on is told", async () => {
    await expect(listen(lodis, "/no/such/directory/socket")).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
    await expect(listen({} as never)).rejects.toThrow(TypeError);
  });

  test("redis-cli, another process", async () => {
    await using listener = await listen(lodis);
    const { stdout } = await run("redis-cli", ["-s", listener.path, "SET", "cli", "v"]);
    expect(stdout).toBe("OK\n");
    expect(await lodis.get("cli")).toBe("v");
    const list = (await run("redis-cli", ["-s", listener.path, "CLIENT", "LIST"])).stdout;
    expect(list).toContain("cmd=client|list");
    expect(list).toContain(` addr=${listener.path}:0 `);
  });

  test("it neither keeps the process alive nor leaves anything behind", async () => {
    const script = `
      import { open } from "lodis";
      import { listen } from "lodis/node";
      import { createClient } from "redis";
      const redis = await open("alive", { store: "memory" });
      const { socket } = await listen(redis);
      const client = await createClient({ socket }).connect();
      console.log(await client.ping(), socket.path);
      await client.close();`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: here });
    const [, path] = /^PONG (.*)\n$/.exec(stdout)!;
    expect(existsSync(path!)).toBe(false);
    expect(existsSync(path!.replace(/\/[^/]*$/, ""))).toBe(false);
  });
});

describe("in place of ioredis", () => {
  const { Redis: InProcess } = inProcessIoredis({ Redis, Cluster: Redis.Cluster });
  afterEach(() => closeServers());

  test("clients of one address share an instance, and others do not", async () => {
    const [one, same, url, other] = [
      new InProcess(),
      new InProcess(6379, "localhost"),
      new InProcess("redis://127.0.0.1:6379/0"),
      new InProcess({ host: "redis.example", port: 6380 }),
    ];
    await one.set("k", "v");
    expect(await same.get("k")).toBe("v");
    expect(await url.get("k")).toBe("v");
    expect(await other.get("k")).toBeNull();
    expect(await (await server()).get("k")).toBe("v");
    expect(await (await server("localhost:6379")).get("k")).toBe("v");
    expect(await (await server("redis.example:6380")).dbSize()).toBe(0);
    await flushServers();
    expect(await one.dbsize()).toBe(0);
    for (const client of [one, same, url, other]) client.disconnect();
  });

  test("whichever way it is made", async () => {
    const path = new InProcess("/tmp/no-such.sock");
    await path.set("k", "path");
    expect(await (await server("/tmp/no-such.sock")).get("k")).toBe("path");
    const clients = [
      path,
      new InProcess({ path: "/tmp/no-such.sock" }),
      new InProcess("/tmp/no-such.sock", { db: 0 }),
      InProcess.createClient(...([{ path: "/tmp/no-such.sock" }] as unknown as [])),
      path.duplicate(),
      new InProcess(null as never, null as never, { path: "/tmp/no-such.sock" }),
    ];
    for (const client of clients) {
      expect(await client.get("k")).toBe("path");
      expect(client).toBeInstanceOf(InProcess);
      expect(client).toBeInstanceOf(Redis);
      client.disconnect();
    }
    const tls = new InProcess("rediss://:pw@redis.example:7000/3", { lazyConnect: true });
    await server("redis.example:7000", { requirepass: "pw" });
    expect(await tls.set("k", "v")).toBe("OK");
    expect(await tls.eval("return redis.call('GET', KEYS[1])", 1, "k")).toBe("v");
    tls.disconnect();
  });

  test("after closeServers, clients come back to an empty instance", async () => {
    const client = new InProcess({ retryStrategy: () => 1 });
    client.on("error", () => {});
    await client.set("k", "v");
    const closed = new Promise((resolve) => client.once("close", resolve));
    await closeServers();
    await closed;
    expect(await client.get("k")).toBeNull();
    client.disconnect();
  });

  test("options are given before anybody connects", async () => {
    await server("127.0.0.1:6379", { databases: 2, scripting: false });
    await expect(server("localhost:6379", { databases: 4 })).rejects.toThrow(TypeError);
    const client = new InProcess();
    client.on("error", () => {});
    await expect(client.select(3)).rejects.toThrow("ERR DB index is out of range");
    await expect(client.eval("return 1", 0)).rejects.toThrow(/scripting/);
    client.disconnect();
    await expect(server("bad:1", { databases: 0 })).rejects.toThrow(TypeError);
    expect(await (await server("bad:1")).ping()).toBe("PONG");
  });

  test("clusters and sentinels are refused", () => {
    expect(() => new (InProcess as unknown as { Cluster: new (nodes: unknown[]) => unknown }).Cluster([])).toThrow(/no cluster/);
    expect(() => new InProcess({ sentinels: [{ host: "a", port: 1 }], name: "m" })).toThrow(/no sentinels/);
    expect(() => inProcessIoredis({})).toThrow(TypeError);
  });

  test("require answers the class, as that of ioredis", async () => {
    const require = createRequire(new URL("../../pkg/dist/", import.meta.url));
    const Required = require("./cjs/clients/ioredis.js") as typeof Redis & { Redis: typeof Redis; default: typeof Redis };
    expect(Required.Redis).toBe(Required);
    expect(Required.default).toBe(Required);
    expect(Required.name).toBe("Redis");
    const client = new Required();
    // What imports and what requires finds the same servers.
    await (await server()).set("k", "shared");
    expect(await client.get("k")).toBe("shared");
    const scripted = await run(process.execPath, [
      "-e",
      `const Redis = require("lodis/ioredis"); const redis = new Redis(); redis.set("k", "v").then(async (reply) => {
         console.log(reply, await redis.get("k"), new Redis.Command("get").name); redis.disconnect(); });`,
    ], { cwd: here });
    expect(scripted.stdout).toBe("OK v get\n");
    client.disconnect();
  });
});

describe("in place of redis", () => {
  const inProcess = inProcessRedis(redisModule);
  afterEach(() => closeServers());

  test("clients of one address share an instance, and others do not", async () => {
    const clients = [
      inProcess.createClient(),
      inProcess.createClient({ url: "redis://localhost" }),
      inProcess.createClient({ url: "rediss://127.0.0.1:6379" }),
      inProcess.createClient({ socket: { host: "127.0.0.1", port: 6379, tls: true } }),
      inProcess.createClient({ socket: { host: "redis.example", port: 7001 } }),
    ];
    for (const client of clients) await client.connect();
    await clients[0]!.set("k", "v");
    expect(await Promise.all(clients.map((client) => client.get("k")))).toEqual(["v", "v", "v", "v", null]);
    const duplicate = clients[0]!.duplicate();
    await duplicate.connect();
    expect(await duplicate.get("k")).toBe("v");
    await flushServers();
    expect(await duplicate.dbSize()).toBe(0);
    for (const client of [...clients, duplicate]) client.destroy();
  });

  test("users, passwords and databases of a URL; a path; a pool", async () => {
    await server("redis.example:7002", { users: ["alice on >p@ss ~* &* +@all", "default off"] });
    const client = inProcess.createClient({ url: "redis://alice:p%40ss@redis.example:7002/5" });
    await client.connect();
    expect(await client.aclWhoAmI()).toBe("alice");
    expect((await client.clientInfo()).db).toBe(5);
    client.destroy();
    const unix = inProcess.createClient({ url: "unix:///tmp/no-such.sock?db=1" });
    await unix.connect();
    await unix.set("k", "path");
    unix.destroy();
    const lodis = await server("/tmp/no-such.sock");
    await lodis.select(1);
    expect(await lodis.get("k")).toBe("path");
    const pool = inProcess.createClientPool({ socket: { path: "/tmp/no-such.sock", tls: false }, database: 1 }, { minimum: 2 });
    await pool.connect();
    expect(await Promise.all([pool.get("k"), pool.get("k"), pool.get("k")])).toEqual(["path", "path", "path"]);
    await pool.close();
  });

  test("after closeServers, clients come back to an empty instance", async () => {
    const client = inProcess.createClient({ socket: { reconnectStrategy: 1 } });
    client.on("error", () => {});
    await client.connect();
    await client.set("k", "v");
    const lost = new Promise((resolve) => client.once("error", resolve));
    await closeServers();
    await lost;
    expect(await client.get("k")).toBeNull();
    client.destroy();
  });

  test("what is wrong, the client says; clusters and sentinels are refused", () => {
    expect(() => inProcess.createClient({ url: "http://localhost" })).toThrow(/not a valid Redis protocol/);
    expect(() => inProcess.createCluster({ rootNodes: [] })).toThrow(/no cluster/);
    expect(() => inProcess.createSentinel({ name: "m", sentinelRootNodes: [] })).toThrow(/no sentinels/);
    expect(() => inProcessRedis({})).toThrow(TypeError);
  });

  test("required and imported", async () => {
    const script = `const client = createClient(); client.connect().then(async () => {
      console.log(await client.set("k", "v"), await client.get("k"), typeof commandOptions); client.destroy(); });`;
    for (const [type, first] of [
      ["module", `import { createClient } from "lodis/redis"; import * as all from "lodis/redis"; const commandOptions = all.defineScript;`],
      ["commonjs", `const { createClient, defineScript: commandOptions } = require("lodis/redis");`],
    ]) {
      const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", `${first}\n${script}`], { cwd: here });
      expect(stdout, type).toBe("OK v function\n");
    }
  });
});
