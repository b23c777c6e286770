// Durable Objects in workerd: what they store outlives them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ratelimit } from "@upstash/ratelimit";
import { Redis as Upstash } from "@upstash/redis";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorker } from "./workerd.js";

const SCRIPT = `
  import { LodisObject, objectStore, ReplyError } from "lodis/durable-object";
  import { lodisOf } from "lodis/durable-object/client";
  import { LodisObject as FullObject } from "lodis/full/durable-object";
  import { DurableObject } from "cloudflare:workers";
  import { storeTests } from "lodis/stores/conformance";

  export class Plain extends LodisObject {}
  export class Full extends FullObject {}
  export class Wrong extends LodisObject { static options() { return { store: "memory" }; } }
  export class Closed extends LodisObject { static options() { return {}; } }

  /** A class with methods of its own, and one of the older kind. */
  export class Counter extends LodisObject {
    static options(env) {
      return { ...LodisObject.options(env), users: ["guest on >pw ~public:* &public +@all -@admin"], authenticate: (token) =>
        token === "guest" ? { username: "guest", password: "pw" } : undefined };
    }
    heard = [];
    constructor(ctx, env) {
      super(ctx, env);
      this.born = crypto.randomUUID();
      ctx.blockConcurrencyWhile(async () => {
        await this.redis.configSet("notify-keyspace-events", "Ex");
        await this.redis.subscribe("__keyevent@0__:expired", (key) => this.heard.push(key));
      });
    }
    async visit(name) {
      return this.redis.atomic((tx) => [tx.incr("visits:" + name), tx.zIncrBy("top", 1, name)]);
    }
    told() { this.redis.sync.set("told", "yes"); return "told"; }
    /** Ends in the middle of a transaction of several values of some length, after so many turns. */
    async crashWriting(turns, round) {
      const value = String(round).padEnd(700_000, "x");
      void this.redis.multi().set("a", value).set("b", value).rPush("rounds", round).exec();
      for (let i = 0; i < turns % 10; i++) await null;
      for (let i = 10; i <= turns; i += 10) await scheduler.wait(0);
      if (turns > 50) await this.ctx.storage.sync();
      this.ctx.abort("while it writes");
    }
    async crash() {
      await this.redis.set("before", "crash");
      await this.ctx.storage.sync();
      this.ctx.abort("as asked");
    }
    async eventsAndBirth() { return [this.heard, this.born]; }
    async alarmAt() { return this.ctx.storage.getAlarm(); }
    async rows() { return [...this.ctx.storage.sql.exec("SELECT count(*) AS n FROM sqlite_master WHERE name = 'lodis'")][0].n; }
    async deleteBehind() { await this.ctx.storage.deleteAll(); }
    async shutdown() { await this.redis.shutdown(); }
  }
  export class Older extends Counter {}

  /** Runs the tests of stores on its storage; a connection that is closed leaves what another one finds. */
  export class Conformance extends DurableObject {
    async run() {
      const failed = [];
      for (const { name, run } of storeTests) {
        await this.ctx.storage.deleteAll();
        // One place at a time: the storage is one place.
        await run(() => objectStore(this.ctx.storage)).catch((error) => failed.push(name + ": " + error.message));
      }
      return [storeTests.length, failed];
    }
    /** A change of which a part fails leaves nothing. */
    async half() {
      await this.ctx.storage.deleteAll();
      const store = objectStore(this.ctx.storage);
      await store.open();
      const manifest = new Uint8Array(68).fill(1);
      const frame = (offset, length) => ({ base: 0, offset, bytes: new Uint8Array(length).fill(2) });
      await store.write({ expected: undefined, durability: "strict", frames: [frame(0, 10)], manifest });
      const bad = { base: 0, offset: 20, get bytes() { throw new Error("no bytes"); } };
      const change = { expected: manifest, durability: "strict", cut: 0, frames: [frame(0, 3_000_000), bad], manifest: manifest.slice().fill(3) };
      const reason = await store.write(change).catch((error) => error.message);
      const { manifest: stored, last } = await objectStore(this.ctx.storage).open();
      return [reason, stored[0], last, (await store.read(0, 0, 9)).map(({ length }) => length)];
    }
  }
  export class OlderConformance extends Conformance {}

  const namespaceOf = (env, url) => env[url.searchParams.get("class") ?? "COUNTER"];
  export default {
    async fetch(request, env) {
      const url = new URL(request.url);
      const name = url.searchParams.get("name") ?? "one";
      url.searchParams.delete("name");
      const namespace = namespaceOf(env, url);
      url.searchParams.delete("class");
      const stub = namespace.get(namespace.idFromName(name));
      const method = /^\\/rpc\\/(\\w+)$/.exec(url.pathname)?.[1];
      if (method) {
        const args = request.method === "POST" ? await request.json() : [];
        try {
          return Response.json({ value: (await stub[method](...args)) ?? null });
        } catch (error) {
          return Response.json({ error: error.message });
        }
      }
      if (url.pathname === "/typed") {
        const redis = lodisOf(namespace, name);
        const wrong = await redis.incr("text").catch((error) => [error instanceof ReplyError, error.code]);
        await redis.set("text", "ü", { EX: 100 });
        return Response.json([
          wrong,
          await redis.incr("text").catch((error) => [error instanceof ReplyError, error.message]),
          await redis.ttl("text"),
          [...(await redis.bytes.get("text"))],
          await redis.hSet("h", { a: 1, b: "two" }),
          await redis.hGetAll("h"),
          await redis.pipeline().get("text").incr("text").hget("h", "a").exec().then((all) => all.map(String)),
          await redis.multi().set("n", 1).incr("n").exec(),
          await redis.multi().set("n").incr("n").exec().catch((error) => error.code),
          await redis.call("lpush", "l", "a", "b"),
          await redis.subscribe?.("c") ?? "no subscribe",
          await redis.blPop("l", 1, { signal: new AbortController().signal }).catch((error) => error.message),
          await redis.pipeline().blPop("l", 1, { signal: new AbortController().signal }).exec().catch((error) => error.message),
          (await stub.pipeline([["INCR", "text"], ["ECHO", "x"]])).map((reply) => (reply instanceof Error ? reply.message : reply)),
        ]);
      }
      return stub.fetch(new Request(url, request));
    },
  };`;

const CLASSES = { PLAIN: "Plain", FULL: "Full", CLOSED: "Closed", WRONG: "Wrong", COUNTER: "Counter", CONFORMANCE: "Conformance" };
const OLDER = { OLDER: "Older", OLDER_CONFORMANCE: "OlderConformance" };

let folder: string;
let miniflare: Miniflare;

function start(): Promise<Miniflare> {
  const sqlite = Object.entries(CLASSES).map(([name, className]) => [name, { className, useSQLite: true }]);
  const older = Object.entries(OLDER).map(([name, className]) => [name, { className, useSQLite: false }]);
  return startWorker(SCRIPT, {
    durableObjects: Object.fromEntries([...sqlite, ...older]),
    durableObjectsPersist: folder,
    bindings: { LODIS_TOKEN: "secret", LODIS_READ_ONLY_TOKEN: "reader" },
  });
}

async function restart(): Promise<void> {
  await miniflare.dispose();
  miniflare = await start();
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-objects-"));
  miniflare = await start();
});

afterAll(async () => {
  await miniflare?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const query = (place: Place) => new URLSearchParams({ class: place.class ?? "COUNTER", name: place.name }).toString();

interface Place {
  readonly name: string;
  readonly class?: string;
}

/** Calls a method of an object. */
async function rpc(place: Place, method: string, ...args: unknown[]): Promise<any> {
  const response = await miniflare.dispatchFetch(`http://worker.test/rpc/${method}?${query(place)}`, {
    method: "POST",
    body: JSON.stringify(args),
  });
  const { value, error } = (await response.json()) as { value: unknown; error?: string };
  if (error !== undefined) throw new Error(error);
  return value;
}

const call = (place: Place, ...words: unknown[]): Promise<any> => rpc(place, "call", ...words);

describe.each([["SQLite", "COUNTER", "CONFORMANCE"], ["the older kind", "OLDER", "OLDER_CONFORMANCE"]])(
  "storage: %s",
  (_, counter, conformance) => {
    test("is a store as any other", { timeout: 120_000 }, async () => {
      const [count, failed] = await rpc({ name: "store", class: conformance }, "run");
      expect(failed).toEqual([]);
      expect(count).toBeGreaterThan(10);
    });

    test("a change that fails half-way has changed nothing", async () => {
      expect(await rpc({ name: "half", class: conformance }, "half")).toEqual(["no bytes", 1, 0, [10]]);
    });

    test("what was answered is there after the object was aborted, and after all was ended", async () => {
      const place = { name: "lives", class: counter };
      expect(await call(place, "SET", "k", "v")).toBe("OK");
      expect(await rpc(place, "visit", "ann")).toEqual([1, 1]);
      const large = "ü".repeat(2_500_000);
      expect(await call(place, "SET", "large", large)).toBe("OK");
      const words = Array.from({ length: 5000 }, (_, i) => ["SET", `many:${i}`, `value ${i}`]);
      expect(await rpc(place, "pipeline", words)).toHaveLength(5000);
      const [, born] = await rpc(place, "eventsAndBirth");
      await expect(rpc(place, "crash")).rejects.toThrow("as asked");
      const look = async () => [
        await rpc(place, "pipeline", [["GET", "k"], ["GET", "before"], ["DBSIZE"], ["STRLEN", "large"], ["GET", "many:4999"]]),
        await rpc(place, "visit", "bob"),
        (await call(place, "GET", "large")) === large,
      ];
      expect(await look()).toEqual([["v", "crash", 5005, 5_000_000, "value 4999"], [1, 1], true]);
      expect((await rpc(place, "eventsAndBirth"))[1]).not.toBe(born);
      await restart();
      expect(await look()).toEqual([["v", "crash", 5006, 5_000_000, "value 4999"], [2, 2], true]);
    });

    test("ended in the middle of a write, it has all of it or nothing", async () => {
      const place = { name: "torn", class: counter };
      await call(place, "SET", "k", "v");
      let before = 0;
      for (let turns = 0; turns < 60; turns += 3) {
        await expect(rpc(place, "crashWriting", turns, turns)).rejects.toThrow("while it writes");
        const [a, b, rounds, k] = await rpc(place, "pipeline", [["GET", "a"], ["GET", "b"], ["LLEN", "rounds"], ["GET", "k"]]);
        expect([a === b, k], `after ${turns} turns`).toEqual([true, "v"]);
        expect([before, before + 1]).toContain(rounds);
        const last = rounds === 0 ? null : await call(place, "LINDEX", "rounds", -1);
        expect(a === null ? null : Number.parseInt(a)).toBe(last === null ? null : Number(last));
        before = rounds;
      }
      // Some ended before the write, and some after it.
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(20);
    });

    test("what has grown is written anew, and the old is deleted", async () => {
      const place = { name: "grows", class: counter };
      for (let round = 0; round < 40; round++) await call(place, "SET", "k", String(round).repeat(100_000));
      expect(await call(place, "BGREWRITEAOF")).toContain("rewriting started");
      await expect.poll(() => call(place, "INFO", "persistence")).toContain("aof_rewrite_in_progress:0");
      expect(await call(place, "INFO", "persistence")).toContain("aof_last_bgrewrite_status:ok");
      await restart();
      expect(await call(place, "GET", "k")).toBe("39".repeat(100_000));
    });

    test("what was deleted behind its back is written anew", async () => {
      const place = { name: "behind", class: counter };
      await call(place, "SET", "k", "v");
      await rpc(place, "deleteBehind");
      await expect.poll(() => call(place, "SET", "j", "w").catch((error) => error.message)).toBe("OK");
      await expect.poll(() => call(place, "INFO", "persistence")).toContain("aof_last_write_status:ok");
      await expect(rpc(place, "crash")).rejects.toThrow("as asked");
      expect(await rpc(place, "pipeline", [["GET", "k"], ["GET", "j"]])).toEqual(["v", "w"]);
    });

    test("a time far ahead is no reason for an alarm out of reach", async () => {
      const place = { name: "far", class: counter };
      expect(await call(place, "SET", "k", "v", "PXAT", 2 ** 53 - 1)).toBe("OK");
      expect(await rpc(place, "alarmAt")).toBeLessThan(Date.now() + 366 * 86_400_000);
      expect(await call(place, "SET", "soon", "v", "EX", 1000)).toBe("OK");
      expect(await rpc(place, "alarmAt")).toBeLessThan(Date.now() + 1_000_000);
    });

    test("an alarm has keys expire while nobody calls, and tells of it", async () => {
      const place = { name: "expires", class: counter };
      const before = Date.now();
      expect(await call(place, "SET", "short", "v", "PX", 5000)).toBe("OK");
      const at = await rpc(place, "alarmAt");
      expect(at).toBeGreaterThanOrEqual(before + 4900);
      expect(at).toBeLessThanOrEqual(Date.now() + 5000);
      // The object ends: only the alarm brings it back.
      await expect(rpc(place, "crash")).rejects.toThrow("as asked");
      await expect.poll(async () => (await rpc(place, "eventsAndBirth"))[0], { timeout: 20_000 }).toEqual(["short"]);
      expect(await call(place, "EXISTS", "short")).toBe(0);
      expect(await rpc(place, "alarmAt")).toBe(null);
    });
  },
);

describe("an object", () => {
  test("is apart from others", async () => {
    const names = Array.from({ length: 10 }, (_, index) => `apart:${index}`);
    // They begin at the same time, in one isolate.
    await Promise.all(names.map((name) => call({ name }, "SET", "who", name)));
    expect(await Promise.all(names.map((name) => call({ name }, "GET", "who")))).toEqual(names);
    expect(await call({ name: "apart:0" }, "DBSIZE")).toBe(1);
    await call({ name: "apart:0" }, "FLUSHALL");
    expect(await call({ name: "apart:1" }, "DBSIZE")).toBe(1);
  });

  test("what it writes at once, and waits for nothing, is stored before anybody hears of it", async () => {
    const place = { name: "tells" };
    expect(await rpc(place, "told")).toBe("told");
    await expect(rpc(place, "crash")).rejects.toThrow("as asked");
    expect(await call(place, "GET", "told")).toBe("yes");
  });

  test("answers Workers as a typed instance does", async () => {
    const response = await miniflare.dispatchFetch("http://worker.test/typed?name=typed");
    expect(await response.json()).toEqual([
      1,
      [true, "ERR value is not an integer or out of range"],
      100,
      [195, 188],
      2,
      { a: "1", b: "two" },
      ["ü", "ReplyError: ERR value is not an integer or out of range", "1"],
      ["OK", 2],
      "EXECABORT",
      2,
      "no subscribe",
      "a command that an object runs takes no signal",
      "a command that an object runs takes no signal",
      ["ERR value is not an integer or out of range", "x"],
    ]);
  });

  test("one call waits for what another brings", async () => {
    const place = { name: "waits" };
    const waiting = call(place, "BLPOP", "queue", 0);
    await expect.poll(() => call(place, "INFO", "clients")).toContain("blocked_clients:1");
    expect(await call(place, "LPUSH", "queue", "job")).toBe(1);
    expect(await waiting).toEqual(["queue", "job"]);
    expect(await call(place, "BLPOP", "queue", 0.05)).toBe(null);
  });

  test("calls have sessions of their own", async () => {
    const place = { name: "sessions" };
    expect(await call(place, "MULTI")).toBe("OK");
    expect(await rpc(place, "pipeline", [["SELECT", 3], ["SET", "k", "three"]])).toEqual(["OK", "OK"]);
    expect(await call(place, "GET", "k")).toBe(null);
    expect(await rpc(place, "multi", [["SET", "a", 1], ["INCR", "a"]])).toEqual(["OK", 2]);
    await expect(rpc(place, "multi", [["SET", "a"], ["INCR", "a"]])).rejects.toThrow("wrong number of arguments for 'set'");
    await expect(rpc(place, "call", "SUBSCRIBE", "c")).rejects.toThrow("SUBSCRIBE cannot be called");
    await expect(rpc(place, "pipeline", ["GET", "a"])).rejects.toThrow("commands are arrays of words");
    expect(await rpc(place, "pipeline", [])).toEqual([]);
    expect(await call(place, "GET", "a")).toBe("2");
  });

  test("that has an option which is none says so", async () => {
    await expect(call({ name: "x", class: "WRONG" }, "PING")).rejects.toThrow('options: an object has no option "store"');
  });

  test("gives its memory back to the isolate when it ends", async () => {
    const place = { name: "memory" };
    await call(place, "SET", "k", "x".repeat(3_000_000));
    const used = async () => Number(/used_memory:(\d+)/.exec(await call(place, "INFO", "memory"))![1]);
    const before = await used();
    for (let i = 0; i < 12; i++) await expect(rpc(place, "crash")).rejects.toThrow("as asked");
    expect(await used()).toBeLessThan(before + 6_000_000);
  });

  test("begins anew after everything was deleted, or shut down", async () => {
    const place = { name: "ends" };
    await call(place, "SET", "k", "v", "EX", 1000);
    expect(await rpc(place, "rows")).toBe(1);
    const overHttp = async () => {
      const headers = { authorization: "Bearer secret" };
      const response = await miniflare.dispatchFetch(`http://worker.test/get/k?${query(place)}`, { headers });
      return response.json();
    };
    expect(await overHttp()).toEqual({ result: "v" });
    await rpc(place, "shutdown");
    // Several who find it closed find one instance.
    const found = await Promise.all(Array.from({ length: 5 }, () => call(place, "GET", "k")));
    expect(new Set(found)).toEqual(new Set(["v"]));
    await rpc(place, "shutdown");
    expect(await overHttp()).toEqual({ result: "v" });
    await rpc(place, "deleteAll");
    expect([await rpc(place, "rows"), await rpc(place, "alarmAt")]).toEqual([0, null]);
    expect(await call(place, "GET", "k")).toBe(null);
    await call(place, "SET", "k", "w");
    await restart();
    expect(await call(place, "GET", "k")).toBe("w");
  });
});

describe("over HTTP", () => {
  /** An unmodified client, to which the object is a server. */
  const client = (place: Place, token: string) =>
    new Upstash({
      request: async ({ path = [], body, headers }: any) => {
        const url = `http://worker.test/${path.join("/")}?${query(place)}`;
        const response = await miniflare.dispatchFetch(url, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, ...headers },
          body: JSON.stringify(body),
        });
        const answer = (await response.json()) as any;
        if (answer.error) throw new Error(answer.error);
        return answer;
      },
    } as any);

  test("the rate limiters of Upstash, with scripts", async () => {
    const redis = client({ name: "limits", class: "FULL" }, "secret");
    const limiter = Ratelimit.slidingWindow(3, "60 s");
    const ratelimit = new Ratelimit({ redis, limiter, ephemeralCache: false, analytics: false });
    const allowed: boolean[] = [];
    for (let i = 0; i < 5; i++) allowed.push((await ratelimit.limit("user")).success);
    expect(allowed).toEqual([true, true, true, false, false]);
    await expect(client({ name: "limits" }, "secret").eval("return 1", [], [])).rejects.toThrow("scripting is not in this build");
  });

  test("nobody has access unless it is given", async () => {
    const response = await miniflare.dispatchFetch(`http://worker.test/get/k?${query({ name: "x", class: "CLOSED" })}`);
    expect([response.status, await response.json()]).toEqual([
      403,
      { error: "NOAUTH nobody has access over HTTP: the options of the class, or LODIS_TOKEN, give it" },
    ]);
    expect(await call({ name: "x", class: "CLOSED" }, "PING")).toBe("PONG");
  });

  test("who may do what", async () => {
    const place = { name: "http" };
    expect(await client(place, "secret").set("k", { a: 1 })).toBe("OK");
    expect(await client(place, "reader").get("k")).toEqual({ a: 1 });
    await expect(client(place, "reader").set("k", 1)).rejects.toThrow("NOPERM");
    await expect(client(place, "wrong").get("k")).rejects.toThrow("Unauthorized");
    await expect(client(place, "guest").get("k")).rejects.toThrow("NOPERM");
    expect(await client(place, "guest").set("public:k", 1)).toBe("OK");
    expect(await client({ ...place, class: "PLAIN" }, "secret").get("k")).toBe(null);
  });

  test("messages as server-sent events", async () => {
    const place = { name: "events" };
    const response = await miniflare.dispatchFetch(`http://worker.test/subscribe/chat?${query(place)}`, {
      headers: { authorization: "Bearer secret" },
    });
    const body = response.body as unknown as ReadableStream<BufferSource>;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe("data: subscribe,chat,1\n\n");
    expect(await call(place, "PUBLISH", "chat", "hello")).toBe(1);
    expect((await reader.read()).value).toBe("data: message,chat,hello\n\n");
    await reader.cancel();
    await expect.poll(() => call(place, "PUBLISH", "chat", "x")).toBe(0);
  });
});

describe("over WebSockets", () => {
  /** A socket, what it has been sent, and how to ask. */
  class Client {
    readonly heard: unknown[] = [];
    private readonly answers: unknown[] = [];
    private constructor(private readonly socket: WebSocket) {
      socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data as string);
        (Array.isArray(message) ? this.heard : this.answers).push(message);
      });
    }

    static async connect(place: Place, token = "secret"): Promise<Client | number> {
      const response = await miniflare.dispatchFetch(`http://worker.test/?_token=${token}&${query(place)}`, {
        headers: { upgrade: "websocket" },
      });
      if (!response.webSocket) return response.status;
      response.webSocket.accept();
      return new Client(response.webSocket as unknown as WebSocket);
    }

    send(message: unknown): void {
      const isRaw = typeof message === "string" || message instanceof Uint8Array;
      this.socket.send(isRaw ? (message as string | Uint8Array<ArrayBuffer>) : JSON.stringify(message));
    }

    async ask(message: unknown): Promise<unknown> {
      const before = this.answers.length;
      this.send(message);
      await expect.poll(() => this.answers.length).toBe(before + 1);
      return this.answers.at(-1);
    }

    close(): void {
      this.socket.close(1000, "over");
    }
  }

  const connect = async (place: Place, token?: string): Promise<Client> => {
    const client = await Client.connect(place, token);
    if (typeof client === "number") throw new Error(`status ${client}`);
    return client;
  };

  test("commands in JSON", async () => {
    const client = await connect({ name: "sockets" });
    expect(await client.ask(["SET", "k", 1])).toEqual({ result: "OK" });
    expect(await client.ask({ id: "a", command: ["INCR", "k"] })).toEqual({ id: "a", result: 2 });
    expect(await client.ask({ id: 7, command: ["LPUSH", "k", "x"] })).toEqual({
      id: 7,
      error: "WRONGTYPE Operation against a key holding the wrong kind of value",
    });
    expect(await client.ask("{")).toEqual({ error: "ERR failed to parse the message: it is not JSON" });
    expect(await client.ask("7")).toEqual({ error: "ERR a command is an array: its name and its arguments" });
    expect(await client.ask(new Uint8Array(3))).toEqual({ error: "ERR a message is a command in JSON, as text" });
    expect(await client.ask(["MONITOR"])).toEqual({ error: "ERR Command is not available: 'MONITOR'" });
    expect(await client.ask(["SUBSCRIBE"])).toEqual({ error: "ERR wrong number of arguments for 'subscribe' command" });
    const waiting = client.ask({ id: "waits", command: ["BLPOP", "queue", 0] });
    await call({ name: "sockets" }, "LPUSH", "queue", "job");
    expect(await waiting).toEqual({ id: "waits", result: ["queue", "job"] });
    client.close();
  });

  test("messages, until the socket is closed", async () => {
    const place = { name: "chat" };
    const [ann, bob] = [await connect(place), await connect(place)];
    expect(await ann.ask(["SUBSCRIBE", "a", "b"])).toEqual({ result: 2 });
    expect(await ann.ask(["PSUBSCRIBE", "a*"])).toEqual({ result: 3 });
    expect(await bob.ask(["SUBSCRIBE", "a"])).toEqual({ result: 1 });
    expect(await bob.ask(["PUBLISH", "a", "hello"])).toEqual({ result: 2 });
    await expect.poll(() => ann.heard).toEqual([["message", "a", "hello"], ["pmessage", "a*", "a", "hello"]]);
    await expect.poll(() => bob.heard).toEqual([["message", "a", "hello"]]);
    expect(await ann.ask(["UNSUBSCRIBE", "a"])).toEqual({ result: 2 });
    expect(await ann.ask(["UNSUBSCRIBE"])).toEqual({ result: 1 });
    expect(await ann.ask(["PUNSUBSCRIBE"])).toEqual({ result: 0 });
    const many = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(100, "x"));
    expect(await ann.ask(["SUBSCRIBE", ...many])).toEqual({ error: "ERR a WebSocket cannot remember so many subscriptions" });
    expect(await ann.ask(["SUBSCRIBE", "z"])).toEqual({ result: 1 });
    bob.close();
    await expect.poll(() => call(place, "PUBLISH", "a", "x")).toBe(0);
    ann.close();
    await expect.poll(() => call(place, "PUBLISH", "z", "x")).toBe(0);
  });

  test("who may do what", async () => {
    const place = { name: "guests" };
    expect(await Client.connect(place, "wrong")).toBe(401);
    const reader = await connect(place, "reader");
    expect(await reader.ask(["GET", "k"])).toEqual({ result: null });
    for (const [name, ...words] of [["set", "k", "v"], ["subscribe", "c"]]) {
      expect(await reader.ask([name, ...words])).toEqual({
        error: `NOPERM this token has no permissions to run the '${name}' command`,
      });
    }
    const guest = await connect(place, "guest");
    expect(await guest.ask(["SUBSCRIBE", "public"])).toEqual({ result: 1 });
    expect(await guest.ask(["SUBSCRIBE", "private"])).toMatchObject({ error: expect.stringContaining("NOPERM") });
    expect(await guest.ask(["SET", "private:k", "v"])).toMatchObject({ error: expect.stringContaining("NOPERM") });
    reader.close();
    guest.close();
  });

  test("they outlive the object's sleep", { timeout: 120_000 }, async () => {
    const place = { name: "sleeps" };
    const client = await connect(place);
    await client.ask(["SET", "later", "v", "EX", 10_000]); // which is no reason to stay awake
    await client.ask(["SUBSCRIBE", "chat"]);
    await client.ask(["PSUBSCRIBE", "c?at"]);
    const [, born] = await rpc(place, "eventsAndBirth");
    // It sleeps once nothing has happened for ten seconds.
    let awake = born;
    for (let tries = 0; awake === born && tries < 5; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      expect(await call(place, "PUBLISH", "chat", `try ${tries}`)).toBe(2);
      [, awake] = await rpc(place, "eventsAndBirth");
    }
    expect(awake).not.toBe(born);
    await expect.poll(() => client.heard.slice(-2)).toEqual([
      ["message", "chat", expect.stringMatching(/^try/)],
      ["pmessage", "c?at", "chat", expect.stringMatching(/^try/)],
    ]);
    expect(await client.ask(["UNSUBSCRIBE", "chat"])).toEqual({ result: 1 });
    expect(await client.ask(["TTL", "later"])).toMatchObject({ result: expect.any(Number) });
    client.close();
    await expect.poll(() => call(place, "PUBLISH", "chat", "x")).toBe(0);
  });
});
