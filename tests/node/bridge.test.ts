// The bridge by itself: who may connect, what it lets through, how it ends; and a cluster behind it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { open } from "lodis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { CERTIFICATE, KEY } from "./certificate.js";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { cli } from "./serving.js";
import { online, type RunningBridge, Socket20, startBridge, TOKEN, until } from "./upstreaming.js";

let real: RealRedis;
let bridge: RunningBridge;

beforeAll(async () => {
  real = await startRealRedis(await newDirectory());
  const options = ["--prefix", "app:", "--prefix", "b:", "--origin", "https://app.example", "--max-message", "100000"];
  bridge = await startBridge(`redis://127.0.0.1:${real.client.options.port}`, ...options, "--maxclients", "20");
}, 60_000);

afterAll(async () => {
  await bridge.stop();
  await real.stop();
});

type Value = string | number | null | Buffer | Value[];

function encode(value: Value): Buffer {
  if (value === null) return Buffer.from("_\r\n");
  if (typeof value === "number") return Buffer.from(`:${value}\r\n`);
  if (Array.isArray(value)) return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encode)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
}

/** A page that writes its messages itself. */
class Page {
  readonly heard: string[] = [];
  /** What it is told without having asked. */
  readonly told: string[] = [];
  closed: [code: number, reason: string] | undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (bytes: Buffer) => {
      const text = bytes.toString("latin1");
      (text.startsWith("*3\r\n:0\r\n") ? this.told : this.heard).push(text);
    });
    socket.on("close", (code, reason) => (this.closed = [code, reason.toString()]));
    socket.on("error", () => {});
  }

  static async open(options: object = {}, port = bridge.port): Promise<Page> {
    const page = new Page(new WebSocket(`ws://127.0.0.1:${port}`, options));
    await until(() => page.socket.readyState !== WebSocket.CONNECTING, "it is open or not");
    return page;
  }

  async ask(...words: Value[]): Promise<string> {
    const count = this.heard.length;
    this.socket.send(encode([7, ...words]));
    await until(() => this.heard.length > count || this.closed !== undefined, "an answer");
    return this.heard.at(-1) ?? "";
  }

  async known(prefix = "app:"): Promise<this> {
    expect(await this.ask("hello", TOKEN, prefix)).toBe("*3\r\n:7\r\n:0\r\n_\r\n");
    return this;
  }

  apply(...commands: string[][]): Promise<string> {
    return this.ask("apply", "me", [["1-1", commands]]);
  }
}

describe("who may connect", () => {
  test("a token, and a prefix that is allowed", async () => {
    const page = await Page.open({ origin: "https://app.example" });
    expect(await page.ask("read", ["app:k"])).toContain("NOAUTH hello comes first");
    expect(await page.ask("hello", "wrong", "app:")).toContain("WRONGPASS the token is wrong");
    expect(await page.ask("hello", TOKEN, "")).toContain("NOPERM this prefix is not to be used");
    expect(await page.ask("hello", TOKEN, "ap")).toContain("NOPERM this prefix is not to be used");
    await page.known("app:mine:");
    expect(await page.ask("hello", TOKEN, "app:")).toContain("PROTOCOL");
    page.socket.terminate();
    const guesser = await Page.open();
    for (let guess = 0; guess < 3; guess++) expect(await guesser.ask("hello", `${guess}`, "app:")).toContain("WRONGPASS");
    await until(() => guesser.closed !== undefined, "it is closed");
    expect(guesser.closed).toEqual([1008, "the token is wrong"]);
  });

  test("a page of another origin does not", async () => {
    const page = await Page.open({ origin: "https://evil.example" });
    expect(page.socket.readyState).not.toBe(WebSocket.OPEN);
  });

  test("what is no WebSocket is told so", async () => {
    const response = await fetch(`http://127.0.0.1:${bridge.port}/`);
    expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
    const bad: [string, RegExp][] = [
      ["Upgrade: nothing\r\nConnection: upgrade", /^HTTP\/1\.1 400 [^]*not a WebSocket$/],
      ["Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8", /400 [^]*the version is 13$/],
      ["Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x", /400 [^]*no key$/],
    ];
    for (const [headers, expected] of bad) {
      const socket = connect(bridge.port, "127.0.0.1");
      socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`);
      expect(await allOf(socket)).toMatch(expected);
    }
  });

  test("no more than are allowed", async () => {
    const pages = await Promise.all(Array.from({ length: 25 }, () => Page.open()));
    const open = pages.filter(({ socket }) => socket.readyState === WebSocket.OPEN);
    expect(open.length).toBeLessThanOrEqual(20);
    expect(open.length).toBeGreaterThan(10);
    for (const { socket } of pages) socket.terminate();
    await until(async () => {
      const page = await Page.open();
      page.socket.terminate();
      return page.heard.length === 0 && page.closed === undefined;
    }, "there is room again");
  });
});

async function allOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const part of socket) text += (part as Buffer).toString();
  return text;
}

describe("what it lets through", () => {
  test("commands that write keys with the prefix, and no others", async () => {
    const page = await (await Page.open()).known();
    const refused = [
      [["FLUSHALL"], "NOPERM the bridge does not pass FLUSHALL on"],
      [["GET", "app:k"], "NOPERM the bridge does not pass GET on"],
      [["EVAL", "return 1", "1", "app:k"], "NOPERM the bridge does not pass EVAL on"],
      [["MOVE", "app:k", "1"], "NOPERM the bridge does not pass MOVE on"],
      [["COPY", "app:k", "app:l", "DB", "1"], "NOPERM the bridge does not pass COPY on"],
      [["CONFIG", "SET", "a", "b"], "NOPERM the bridge does not pass CONFIG on"],
      [["SET", "other", "x"], "NOPERM a key is outside of the prefix"],
      [["RENAME", "app:k", "other"], "NOPERM a key is outside of the prefix"],
      [["SET"], "ERR "],
      [["nonsense", "app:k"], "NOPERM the bridge does not pass NONSENSE on"],
    ] as const;
    for (const [command, error] of refused) expect(await page.apply([...command])).toContain(error);
    expect(await page.ask("read", ["other"], [""])).toContain("NOPERM a key is outside of the prefix");
    expect(await page.ask("apply", "me; x", [])).toContain("PROTOCOL");
    expect(await page.ask("apply", "me", [["x", []]])).toContain("PROTOCOL");
    expect(await page.ask("shutdown")).toContain("PROTOCOL");
    expect(await page.ask("scan", "9:0")).toContain("PROTOCOL");
    expect(await page.ask("ping")).toBe("*3\r\n:7\r\n:0\r\n_\r\n");
    expect(await real.client.dbsize()).toBe(0);
    expect(await page.apply(["SET", "app:k", "v"], ["LPUSH", "app:k", "x"])).toContain("WRONGTYPE");
    expect(await real.client.get("app:k")).toBe("v");
    // Again: it says the same, and does nothing.
    await real.client.set("app:k", "w");
    expect(await page.apply(["SET", "app:k", "v"], ["LPUSH", "app:k", "x"])).toContain("WRONGTYPE");
    expect(await real.client.get("app:k")).toBe("w");
    expect(page.heard.at(-1)).toContain(":1\r\n");
    page.socket.terminate();
  });

  test("what is malformed, or too long, ends the connection", async () => {
    const send: [Buffer | string, number][] = [
      [Buffer.from("nonsense"), 1007],
      [Buffer.from("*1\r\n$3\r\nabc\r\n"), 1007],
      [Buffer.from("*2000000000\r\n"), 1007],
      ["text", 1003],
      [Buffer.alloc(100_001), 1009],
    ];
    for (const [message, code] of send) {
      const page = await Page.open();
      page.socket.send(message);
      await until(() => page.closed !== undefined, "it is closed");
      expect(page.closed?.[0], String(message).slice(0, 20)).toBe(code);
    }
    // Frames that are not masked, and messages in parts.
    const socket = connect(bridge.port, "127.0.0.1");
    const key = Buffer.alloc(16).toString("base64");
    const head = ["GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
    socket.write([...head, `Sec-WebSocket-Key: ${key}`, "", ""].join("\r\n"));
    await once(socket, "data");
    socket.write(Buffer.from([0x82, 0x01, 0x00]));
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect([answer[0], answer.readUInt16BE(2)]).toEqual([0x88, 1002]);
    socket.destroy();
    const page = await Page.open();
    const message = encode([7, "hello", TOKEN, "app:"]);
    page.socket.send(message.subarray(0, 5), { fin: false });
    page.socket.send(message.subarray(5));
    await until(() => page.heard.length === 1, "an answer");
    page.socket.ping();
    await once(page.socket, "pong");
    page.socket.terminate();
  });

  test("what changes is told, but not of other keys", async () => {
    const page = await (await Page.open()).known("b:");
    expect(await page.ask("apply", "me", [["5-1", [["SET", "b:own", "1"]]]])).toBe("*3\r\n:7\r\n:0\r\n*0\r\n");
    await until(() => page.told.length === 1, "it is told");
    expect(page.told[0]).toBe("*3\r\n:0\r\n:0\r\n*1\r\n$5\r\nb:own\r\n");
    await real.client.mset("other", "x", "b:theirs", "x");
    await until(() => page.told.length === 2, "it is told");
    expect(page.told[1]).toBe("*3\r\n:0\r\n:0\r\n*1\r\n$8\r\nb:theirs\r\n");
    await real.client.flushall();
    await until(() => page.told.at(-1) === "*3\r\n:0\r\n:0\r\n_\r\n", "it is told");
    page.socket.terminate();
  });

  test("when the server ends its connection, so does the bridge", async () => {
    const page = await (await Page.open()).known();
    await real.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(() => page.closed !== undefined, "it is closed");
    expect(page.closed?.[0]).toBe(1013);
  });
});

describe("the command", () => {
  const run = (...words: string[]) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [cli, "bridge", ...words], { env: {}, encoding: "utf8" });
    return { status, stderr: stderr.split("\n")[0], stdout };
  };

  test("says what is wrong with its words", () => {
    expect(run()).toMatchObject({ status: 2, stderr: "lodis: --redis is missing" });
    expect(run("--redis", "http://x")).toMatchObject({ status: 2, stderr: "lodis: --redis is a redis:// or rediss:// URL" });
    const url = ["--redis", "redis://x"];
    expect(run(...url).stderr).toBe("lodis: --token is missing: whoever has it may use the server");
    expect(run(...url, "--token", "").stderr).toBe("lodis: --token is missing: whoever has it may use the server");
    expect(run(...url, "--token", "t", "--port", "x").stderr).toBe('lodis: --port is a number from 0 to 65535, not "x"');
    expect(run(...url, "--token", "t", "--tls-key-file", "x").stderr).toBe("lodis: --tls-cert-file and --tls-key-file go together");
    expect(run("--nonsense").status).toBe(2);
    expect(run("--help")).toMatchObject({ status: 0, stderr: "" });
    expect(run("--help").stdout).toContain("usage: lodis bridge --redis <url>");
  });

  test("with a certificate, it is wss://", async () => {
    const place = await newDirectory();
    const [cert, key] = [join(place, "cert.pem"), join(place, "key.pem")];
    await Promise.all([writeFile(cert, CERTIFICATE), writeFile(key, KEY)]);
    const url = `redis://127.0.0.1:${real.client.options.port}`;
    const own = await startBridge(url, "--tls-cert-file", cert, "--tls-key-file", key);
    try {
      class Trusting extends WebSocket {
        constructor(url: string) {
          super(url, { ca: CERTIFICATE });
        }
      }
      const redis = await open("tls", { store: "memory" });
      const settings = { url: `wss://127.0.0.1:${own.port}`, token: TOKEN, prefix: "tls:" };
      const upstream = await redis.upstream({ ...settings, WebSocket: Trusting as unknown as typeof Socket20 });
      await redis.set("tls:k", "v");
      await upstream.flush();
      expect(await real.client.get("tls:k")).toBe("v");
      await redis.close();
    } finally {
      await own.stop();
      await rm(place, { recursive: true });
    }
  });

  test("ends when it is told to, and says so to pages", async () => {
    const own = await startBridge(`redis://127.0.0.1:${real.client.options.port}`);
    const page = await (await Page.open({}, own.port)).known("any:");
    await own.stop();
    expect(own.child.exitCode).toBe(0);
    await until(() => page.closed !== undefined, "it is closed");
    expect(page.closed).toEqual([1001, "the bridge ends"]);
  });
});

describe("a cluster", () => {
  const nodes: RealRedis[] = [];
  let own: RunningBridge;

  beforeAll(async () => {
    for (let index = 0; index < 3; index++) {
      const options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
      nodes.push(await startRealRedis(await newDirectory(), ...options));
    }
    const addresses = nodes.map(({ client }) => `127.0.0.1:${client.options.port}`);
    const create: ChildProcess = spawn("redis-cli", ["--cluster", "create", ...addresses, "--cluster-yes"]);
    const [code] = (await once(create, "exit")) as [number];
    expect(code).toBe(0);
    const isUp = async ({ client }: RealRedis): Promise<boolean> => String(await client.cluster("INFO")).includes("cluster_state:ok");
    await until(async () => (await Promise.all(nodes.map(isUp))).every(Boolean), "the cluster is up");
    own = await startBridge(`redis://${addresses[0]}`, "--cluster");
  }, 60_000);

  afterAll(async () => {
    await own?.stop();
    await Promise.all(nodes.map((node) => node.stop()));
  });

  const keys = async (): Promise<string[]> => (await Promise.all(nodes.map(({ client }) => client.keys("*")))).flat();

  test("writes go to the slots of their keys, once, and changes come from all nodes", async () => {
    const redis = await open("cluster", { store: "memory" });
    try {
      const settings = { url: `ws://127.0.0.1:${own.port}`, token: TOKEN, prefix: "app:", WebSocket: Socket20 };
      const upstream = await redis.upstream(settings);
      const refused: string[] = [];
      upstream.on("refused", ({ text, error }) => refused.push(`${text[0]} ${error.code}`));
      await online(upstream);
      await upstream.sync();
      for (let index = 0; index < 60; index++) await redis.incr(`app:n${index % 30}`);
      await redis.mSet({ "app:a": 1, "app:b": 2, "app:c": 3, "app:d": 4 });
      await redis.del("app:a", "app:b");
      await redis.sAdd("app:{tag}:x", "m");
      await redis.sMove("app:{tag}:x", "app:{tag}:y", "m");
      await upstream.flush();
      const data = (await keys()).filter((key) => !key.includes("__lodis__"));
      expect(data.sort()).toEqual([...Array.from({ length: 30 }, (_, index) => `app:n${index}`), "app:c", "app:d", "app:{tag}:y"].sort());
      expect(new Set(await Promise.all(Array.from({ length: 30 }, (_, index) => redis.get(`app:n${index}`))))).toEqual(new Set(["2"]));
      expect(refused).toEqual([]);
      // A command with keys of several slots, in which all of it is or nothing, cannot be done there.
      await redis.rename("app:c", "app:elsewhere");
      await upstream.flush();
      expect(refused).toEqual(["RENAME CROSSSLOT"]);
      await until(async () => (await redis.get("app:c")) === "3" && (await redis.exists("app:elsewhere")) === 0, "as it is there");
      const direct = spawnSync("redis-cli", ["-c", "-p", String(nodes[1]!.client.options.port), "SET", "app:n7", "theirs"]);
      expect(direct.stdout.toString()).toBe("OK\n");
      await until(async () => (await redis.get("app:n7")) === "theirs", "it comes");
      await upstream.sync();
      expect(await redis.dbSize()).toBe(data.length);
    } finally {
      await redis.close();
    }
  });
});
