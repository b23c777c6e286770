// Connections within the process: `createConnection` of `lodis/node`.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { open, type Redis } from "lodis";
import { type Connection, createConnection, type Source } from "lodis/node";
import { directory } from "lodis/stores/directory";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));

/** The real one, whatever a test fakes. */
const immediate = setImmediate;

let redis: Redis;
beforeEach(async () => {
  redis = await open("connections", { store: "memory" });
});
afterEach(async () => {
  vi.useRealTimers();
  await redis.close();
});

/** A connection that collects what it is sent. */
class Client {
  received = "";
  readonly socket: Connection;

  constructor(source: Source = redis) {
    this.socket = createConnection(source);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => (this.received += text));
    this.socket.on("error", () => {});
  }

  /** Writes, waits until what was received ends with `end`, and answers all of it. */
  async ask(text: string, end: string): Promise<string> {
    this.socket.write(Buffer.from(text, "latin1"));
    return this.until(end);
  }

  async until(end: string): Promise<string> {
    await expect.poll(() => this.received.endsWith(end), { interval: 1, timeout: 10_000 }).toBe(true);
    const { received } = this;
    this.received = "";
    return received;
  }
}

const words = (...args: string[]): string =>
  `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;

describe("a connection", () => {
  test("speaks RESP over the keys of the instance", async () => {
    const client = new Client();
    expect(client.socket.connecting).toBe(true);
    expect(await client.ask("PING\r\n", "\r\n")).toBe("+PONG\r\n");
    expect(client.socket).toMatchObject({ connecting: false, readyState: "open" });
    await redis.set("k", "embedded");
    expect(await client.ask(words("GET", "k"), "embedded\r\n")).toBe("$8\r\nembedded\r\n");
    await client.ask(words("SET", "k", "bytes \xff\0"), "\r\n");
    expect(await redis.bytes.get("k")).toEqual(new Uint8Array(Buffer.from("bytes \xff\0", "latin1")));
    expect(await client.ask(words("HELLO", "3"), "modules\r\n*0\r\n")).toContain("proto\r\n:3\r\n");
    expect(await client.ask(words("NOSUCH"), "\r\n")).toMatch(/^-ERR unknown command 'NOSUCH'/);
    client.socket.destroy();
  });

  test("takes what arrives in pieces, or all at once, and answers in order", async () => {
    const client = new Client();
    for (const byte of words("INCR", "n")) {
      client.socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.until("\r\n")).toBe(":1\r\n");
    const many = 5000;
    const replies = Array.from({ length: many }, (_, index) => `:${index + 2}\r\n`).join("");
    for (let i = 0; i < many; i++) client.socket.write(words("INCR", "n"));
    expect(await client.until(`:${many + 1}\r\n`)).toBe(replies);
    client.socket.destroy();
  });

  test("is a client of its own: database, name, MULTI, blocking and messages", async () => {
    const [one, other] = [new Client(), new Client()];
    await one.ask(words("SELECT", "3") + words("CLIENT", "SETNAME", "one"), "+OK\r\n+OK\r\n");
    await one.ask(words("MULTI") + words("SET", "k", "3"), "+QUEUED\r\n");
    expect(await other.ask(words("GET", "k"), "\r\n")).toBe("$-1\r\n");
    expect(await one.ask(words("EXEC"), "OK\r\n")).toBe("*1\r\n+OK\r\n");
    expect(await redis.exists("k")).toBe(0);
    expect(await redis.clientList()).toMatch(/ addr=pipe:\d+ .*name=one .*db=3 /);

    one.socket.write(words("BLPOP", "list", "0"));
    other.socket.write(words("SUBSCRIBE", "news"));
    await other.until("news\r\n:1\r\n");
    await redis.select(3);
    await expect.poll(() => redis.info("clients")).toContain("blocked_clients:1");
    await redis.rpush("list", "value");
    expect(await one.until("value\r\n")).toBe("*2\r\n$4\r\nlist\r\n$5\r\nvalue\r\n");
    expect(await redis.publish("news", "hi")).toBe(1);
    expect(await other.until("hi\r\n")).toBe("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    one.socket.destroy();
    other.socket.destroy();
    await expect.poll(() => redis.info("clients")).toContain("connected_clients:1");
  });

  test("a blocking command that times out is answered", async () => {
    const client = new Client();
    expect(await client.ask(words("BLPOP", "nolist", "0.01"), "\r\n")).toBe("*-1\r\n");
    client.socket.destroy();
  });
});

describe("the end of it", () => {
  test("QUIT is answered, and then it closes without an error", async () => {
    const client = new Client();
    const closed = once(client.socket, "close");
    client.socket.write(words("QUIT") + words("SET", "after", "quit"));
    expect(await closed).toEqual([false]);
    expect(client.received).toBe("+OK\r\n");
    expect(await redis.exists("after")).toBe(0);
  });

  test("what was written before end() is run, and answered", async () => {
    const client = new Client();
    const closed = once(client.socket, "close");
    client.socket.end(words("SET", "last", "word"));
    await closed;
    expect(client.received).toBe("+OK\r\n");
    expect(await redis.get("last")).toBe("word");
    expect(client.socket.readyState).toBe("closed");
  });

  test("CLIENT KILL, from either side", async () => {
    const client = new Client();
    const [, id] = /:(\d+)/.exec(await client.ask(words("CLIENT", "ID"), "\r\n"))!;
    const closed = once(client.socket, "close");
    expect(await redis.clientKill("ID", id!)).toBe(1);
    expect(await closed).toEqual([false]);
    const other = new Client();
    await other.ask("PING\r\n", "\r\n");
    const [, address] = / addr=(pipe:\d+) /.exec(await redis.clientList())!;
    expect(await redis.clientKill(address!)).toBe("OK");
    await once(other.socket, "close");
  });

  test("a protocol error is told, and ends it", async () => {
    const client = new Client();
    const closed = once(client.socket, "close");
    client.socket.write("*1\r\nnonsense\r\n");
    await closed;
    expect(client.received).toMatch(/^-ERR Protocol error: expected '\$', got 'n'/);
  });

  test("the instance closes: connections end, and new ones are refused", async () => {
    const client = new Client();
    const waiting = new Client();
    await client.ask("PING\r\n", "\r\n");
    await waiting.ask("PING\r\n", "\r\n");
    waiting.socket.write(words("BLPOP", "nolist", "0"));
    const closed = [once(client.socket, "close"), once(waiting.socket, "close")];
    await redis.close();
    expect(await Promise.all(closed)).toEqual([[false], [false]]);
    client.socket.write("PING\r\n");

    const late = createConnection(redis);
    const [error] = (await once(late, "error")) as [Error & { code: string }];
    expect(error).toMatchObject({ code: "ECONNREFUSED", cause: { code: "CLOSED" } });
    expect(error.message).toBe("connect ECONNREFUSED: The connection is closed.");
    expect(late.destroyed).toBe(true);
  });

  test("SHUTDOWN closes the instance", async () => {
    const client = new Client();
    const closed = once(client.socket, "close");
    client.socket.write(words("SHUTDOWN", "NOSAVE"));
    await closed;
    await expect(redis.ping()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("the client is gone: its session is, and what it waited for goes to others", async () => {
    const client = new Client();
    client.socket.write(words("BLPOP", "list", "0"));
    await expect.poll(() => redis.info("clients")).toContain("blocked_clients:1");
    client.socket.destroy();
    await expect.poll(() => redis.info("clients")).toContain("blocked_clients:0");
    await redis.rpush("list", "kept");
    expect(await redis.lpop("list")).toBe("kept");
  });

  test("it is destroyed before it was connected", async () => {
    const client = new Client();
    client.socket.destroy();
    await once(client.socket, "close");
    const ended = new Client();
    ended.socket.end(words("SET", "ended", "early"));
    await once(ended.socket, "close");
    expect(ended.received).toBe("+OK\r\n");
    expect(await redis.get("ended")).toBe("early");
  });
});

describe("what it is connected to", () => {
  test("may be a promise, or a function that is asked by every connection", async () => {
    const later = new Client(Promise.resolve(redis));
    expect(await later.ask("PING\r\n", "\r\n")).toBe("+PONG\r\n");
    const opened: Redis[] = [];
    const source = async () => {
      opened.push(await open(`opened-${opened.length}`, { store: "memory" }));
      return opened.at(-1)!;
    };
    for (let i = 0; i < 2; i++) {
      const client = new Client(source);
      expect(await client.ask(words("INCR", "n"), "\r\n")).toBe(":1\r\n");
    }
    expect(opened).toHaveLength(2);
    for (const instance of opened) await instance.close();
  });

  test("cannot be anything else", async () => {
    for (const wrong of [undefined, null, {}, "redis", 7]) {
      expect(() => createConnection(wrong as never)).toThrow(TypeError);
    }
    const promised = createConnection(Promise.resolve({} as Redis));
    const [error] = (await once(promised, "error")) as [Error];
    expect(error).toMatchObject({ code: "ECONNREFUSED", cause: expect.any(TypeError) });
    const failing = createConnection(() => Promise.reject(new Error("no such instance")));
    expect((await once(failing, "error"))[0].message).toBe("connect ECONNREFUSED: no such instance");
  });

  test("users and passwords", async () => {
    const guarded = await open("guarded", {
      store: "memory",
      requirepass: "sesame",
      password: "sesame",
      users: ["alice on >pw ~a:* +@all"],
    });
    const client = new Client(guarded);
    expect(await client.ask(words("GET", "k"), "\r\n")).toBe("-NOAUTH Authentication required.\r\n");
    expect(await client.ask(words("AUTH", "wrong"), "\r\n")).toMatch(/^-WRONGPASS /);
    expect(await client.ask(words("AUTH", "alice", "pw"), "\r\n")).toBe("+OK\r\n");
    expect(await client.ask(words("GET", "k"), "\r\n")).toMatch(/^-NOPERM /);
    expect(await client.ask(words("SET", "a:k", "v"), "\r\n")).toBe("+OK\r\n");
    client.socket.destroy();
    await guarded.close();
  });

  test("more than maxclients are refused in Redis's words", async () => {
    await redis.configSet("maxclients", 1);
    const client = new Client();
    await once(client.socket, "close");
    expect(client.received).toBe("-ERR max number of clients reached\r\n");
  });

  test("with appendfsync always, a write is answered once it is stored", async () => {
    const path = await mkdtemp(join(tmpdir(), "lodis-connections-"));
    try {
      const options = { appendfsync: "always" as const };
      const stored = await open("stored", { store: directory(path), ...options });
      const client = new Client(stored);
      for (let i = 0; i < 20; i++) await client.ask(words("RPUSH", "list", String(i)), "\r\n");
      expect(stored.persistence).toEqual({ state: "saved" });
      const closed = once(client.socket, "close");
      await stored.close();
      await closed;
      const again = await open("stored", { store: directory(path), ...options });
      expect(await again.llen("list")).toBe(20);
      await again.close();
    } finally {
      await rm(path, { recursive: true });
    }
  });
});

describe("as of a socket", () => {
  test("who does not read is not written to without end, and loses nothing", async () => {
    const long = "x".repeat(1024 * 1024);
    await redis.set("long", long);
    const socket = createConnection(redis);
    const commands = 64;
    for (let i = 0; i < commands; i++) socket.write(words("GET", "long"));
    // Nobody reads: the engine stops answering after about a reply.
    await expect.poll(() => redis.info("clients")).toMatch(/connected_clients:2/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket.bytesRead).toBeLessThan(4 * long.length);
    let received = 0;
    for await (const bytes of socket) {
      received += (bytes as Buffer).length;
      if (received === commands * (long.length + "$1048576\r\n\r\n".length)) break;
    }
    expect(socket.destroyed).toBe(true);
  });

  test("a writer hears of backpressure while its commands cannot be answered", async () => {
    await redis.set("long", "x".repeat(1024 * 1024));
    const socket = createConnection(redis);
    await once(socket, "connect");
    const command = words("GET", "long").repeat(100);
    let [written, turns] = [0, 0];
    while (turns < 100) {
      if (socket.writableNeedDrain) turns++;
      else written += command.length, (turns = 0), socket.write(command);
      await new Promise((go) => immediate(go));
    }
    expect(written).toBeLessThan(1_000_000);
    socket.resume();
    await once(socket, "drain");
    socket.destroy();
  });

  test("a subscriber that does not read is dropped at its output limit, and the publisher goes on", async () => {
    await redis.configSet("client-output-buffer-limit", "pubsub 1mb 0 0");
    const socket = createConnection(redis);
    socket.write(words("SUBSCRIBE", "news"));
    await once(socket, "readable");
    await expect.poll(() => redis.publish("news", "hi")).toBe(1);
    const message = "x".repeat(100_000);
    await expect.poll(() => redis.publish("news", message), { interval: 0 }).toBe(0);
    const closed = once(socket, "close");
    socket.on("error", () => {}).resume();
    await closed;
  });

  test("idle time, counters, and what changes nothing", async () => {
    const socket = createConnection(redis);
    socket.resume();
    expect(socket.setNoDelay(true).setKeepAlive(true, 100)).toBe(socket);
    const idle = vi.fn();
    socket.setTimeout(20, idle);
    const start = performance.now();
    await once(socket, "timeout");
    expect(performance.now() - start).toBeGreaterThan(15);
    expect(idle).toHaveBeenCalledTimes(1);
    socket.setTimeout(0);
    socket.write("PING\r\n");
    await once(socket, "data");
    expect(socket).toMatchObject({ bytesWritten: 6, bytesRead: 7, remoteAddress: "pipe", timeout: 0 });
    const closed = once(socket, "close");
    socket.destroySoon();
    await closed;
    expect(socket.destroyed).toBe(true);
  });

  test("a loop that awaits its replies leaves timers their turns", async () => {
    const client = new Client();
    let isOver = false;
    setTimeout(() => (isOver = true), 5);
    for (let i = 1; !isOver; i++) {
      client.socket.write(words("INCR", "n"));
      await once(client.socket, "data");
      if (i > 1_000_000) throw new Error("the timer never came");
    }
    client.socket.destroy();
  });

  test("a listener that calls the instance while its message is delivered", async () => {
    const [one, other] = [new Client(), new Client()];
    await one.ask(words("SUBSCRIBE", "news"), ":1\r\n");
    one.socket.on("data", () => {
      for (let i = 0; i < 10; i++) redis.sync.incr("heard");
    });
    await other.ask(words("SET", "a", "1") + words("PUBLISH", "news", "hi") + words("GET", "a"), "1\r\n1\r\n");
    await one.until("hi\r\n");
    expect(await redis.get("heard")).toBe("10");
    one.socket.destroy();
    other.socket.destroy();
  });

  test("faked timers move the clock of the keys, and hold nothing up", async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 });
    const client = createConnection(redis).setEncoding("latin1");
    const next = async (text: string): Promise<string> => {
      client.write(text);
      return (await once(client, "data"))[0];
    };
    expect(await next(words("SET", "k", "v", "PX", "5000"))).toBe("+OK\r\n");
    vi.advanceTimersByTime(4999);
    expect(await next(words("PTTL", "k"))).toBe(":1\r\n");
    vi.advanceTimersByTime(1);
    expect(await next(words("GET", "k"))).toBe("$-1\r\n");
    client.write(words("BLPOP", "nolist", "10"));
    // A command that blocks is let go by the clock as well.
    const popped = once(client, "data");
    while (!(await redis.info("clients")).includes("blocked_clients:1")) await new Promise((go) => immediate(go));
    vi.advanceTimersByTime(10_001);
    expect((await popped)[0]).toContain("*-1\r\n");
    client.destroy();
  });

  test("it keeps the process alive until it is closed, unless it is told not to", async () => {
    const script = (rest: string) => `
      import { open } from "lodis";
      import { createConnection } from "lodis/node";
      const redis = await open("alive", { store: "memory" });
      const socket = createConnection(redis);
      process.on("exit", () => console.log("ended"));
      socket.on("data", (reply) => { process.stdout.write(reply); ${rest} });
      socket.write("BLPOP list 0.05\\r\\n");`;
    const node = (rest: string) => run(process.execPath, ["--input-type=module", "-e", script(rest)], { cwd: here });
    expect((await node("socket.end();")).stdout).toBe("*-1\r\nended\n");
    expect((await node("socket.unref();")).stdout).toBe("*-1\r\nended\n");
    expect((await node("setTimeout(() => process.exit(), 100);")).stdout).toBe("*-1\r\nended\n");
  });
});
