// The blocks of code in the READMEs do what they say.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { transform } from "esbuild";
import { Redis as IoRedis } from "ioredis";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { block, blocks, runs } from "./readme.js";
import { freePort, newDirectory, startRealRedis } from "./real-redis.js";
import { cli } from "./serving.js";
import { startWorker } from "./workerd.js";

/** Where each is run, or why it is not. */
const TESTED: Record<string, string> = {
  "repository: Lodis, js": "readme.test.ts",
  "repository: Two commands, sh": "they run these tests",
  "repository: All or nothing, ts": "readme.test.ts",
  "package: lodis, sh": "nothing is published by a test; builds/tools.ts installs what would be",
  "package: lodis, js": "readme.test.ts",
  "package: Iterators, js": "readme.test.ts",
  "package: Live data, js": "readme.test.ts",
  "package: React, Vue, Svelte, jsx": "../browser/readme.test.ts",
  "package: React, Vue, Svelte, vue": "../browser/readme.test.ts",
  "package: React, Vue, Svelte, svelte": "../browser/readme.test.ts",
  "package: Client-side caching, js": "readme.test.ts",
  "package: Patterns, js": "readme.test.ts",
  "package: Users and passwords, js": "readme.test.ts",
  "package: Files, js": "readme.test.ts",
  "package: Over HTTP, js": "readme.test.ts",
  "package: A Durable Object, ts": "readme.test.ts",
  "package: The clients of Redis, without a server, js": "readme.test.ts",
  "package: The clients of Redis, without a server, js, the second": "drop-in-readme.test.ts",
  "package: An upstream, js": "readme.test.ts",
  "package: An upstream, sh": "readme.test.ts",
  "package: What is going on, js": "readme.test.ts",
  "package: A server, sh": "readme.test.ts",
  "package: A command line, sh": "readme.test.ts",
  "package: A terminal for any page, html": "../browser/element.test.ts",
  "package: A terminal for any page, html, the second": "../browser/embed.test.ts",
};

test("every block is run by a test", async () => {
  expect([...(await blocks()).keys()].sort()).toEqual(Object.keys(TESTED).sort());
  for (const [name, file] of Object.entries(TESTED)) {
    if (!file.endsWith(".ts")) continue;
    const text = await readFile(new URL(file, import.meta.url), "utf8");
    expect(text, `${file} runs ${name}`).toContain(`block("${name}")`);
  }
});

const children: ChildProcess[] = [];
let logged: unknown[][] = [];

/** What `console.log` is called with from here on. */
function listen(): void {
  logged = [];
  vi.spyOn(console, "log").mockImplementation((...words: unknown[]) => void logged.push(words));
}
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  for (const child of children.splice(0)) if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
});

const OPEN = 'import { open } from "lodis"; export const redis = await open("readme", { store: "memory" });';

interface Ran {
  readonly redis: import("lodis").Redis;
}

test("the package begins so", async () => {
  listen();
  const example = await block("package: lodis, js");
  // Each awaited line that only calls is kept, so that its reply can be looked at.
  const kept = example
    .replace(/^(await redis\.|redis\.sync\.)/gm, "replies[replies.length] = $1")
    .replace(/^const redis/m, "export const replies = [];\n$&");
  const { replies } = await runs<{ replies: unknown[] }>(kept);
  const bytes = new TextEncoder().encode("user_data");
  expect(replies).toEqual([
    "OK", "OK", "OK", "OK", "user_data", bytes, 1, [2, "2"],
    ["v", expect.objectContaining({ code: "ERR" })], undefined,
  ]);
  expect(logged).toEqual([["alerts", "Welcome, new user!"]]);
});

test("the repository begins so, and is answered what its comments begin with", async () => {
  listen();
  const example = await block("repository: Lodis, js");
  const answered = /^((?:await redis|redis\.sync)\..*); \/\/ (\[.*?\]|".*?"|\d+|null)(?=,|$)/gm;
  const lines = [...example.matchAll(answered)].length;
  expect(lines).toBe([...example.matchAll(/^(await redis|redis\.sync)\..*\/\//gm)].length);
  expect(lines).toBeGreaterThan(5);
  const kept = example
    .replace(answered, "checks.push([$1, $2]); //")
    .replace(/^const redis/m, "export const checks = [];\n$&");
  const { checks } = await runs<{ checks: unknown[][] }>(kept);
  expect(checks).toHaveLength(lines);
  for (const [answer, expected] of checks) expect(answer).toEqual(expected);
  expect(logged).toEqual([["alerts", "Welcome, new user!"]]);
});

test("all or nothing", async () => {
  const example = await block("repository: All or nothing, ts");
  const of = (money: number) => runs<Ran & { left: number }>(`${OPEN} await redis.set("ali", ${money});\nexport ${example}`);
  const { redis, left } = await of(50);
  expect([left, await redis.mGet("ali", "omar")]).toEqual([20, ["20", "30"]]);
  await redis.close();
  await expect(of(29)).rejects.toThrow("not enough");
});

test("iterators", async () => {
  listen();
  const before = `${OPEN}
    const stop = new AbortController();
    const { signal } = stop;
    const send = async (to, text) => {
      console.log(to, text);
      setTimeout(() => stop.abort(new Error("enough")), 10);
    };
    export const ended = { by: undefined };
    await redis.set("user:1", "Ada");
    await redis.set("admin:1", "Eve");
    await redis.zAdd("board", 1, "Ada");
    await redis.xAdd("mail", "*", { to: "ada", text: "hello" });
    try {`;
  const after = "} catch (error) { ended.by = error.message; }";
  const { redis, ended } = await runs<Ran & { ended: object }>(`${before}\n${await block("package: Iterators, js")}\n${after}`);
  expect(logged).toEqual([["user:1"], ["Ada", 1], ["ada", "hello"]]);
  expect(ended).toEqual({ by: "enough" });
  expect((await redis.xPending("mail", "mailers"))[0]).toBe(0);
  await redis.close();
});

test("live data", async () => {
  listen();
  const before = `${OPEN} export const shown = []; const render = (top) => shown.push(top);`;
  const module = `${before}\n${await block("package: Live data, js")}\nexport { stop };`;
  const { redis, shown, stop } = await runs<Ran & { shown: unknown[]; stop: () => void }>(module);
  await redis.zAdd("board", 2, "eve", 1, "ada");
  await expect.poll(() => shown).toEqual([[], ["ada", "eve"]]);
  await redis.hSet("user:1", { name: "Ada" });
  await expect.poll(() => logged).toEqual([[{ name: "Ada" }]]);
  stop();
  await redis.zAdd("board", 3, "omar");
  await redis.hSet("user:1", { name: "Eve" });
  await expect.poll(() => logged.length).toBe(2);
  expect(shown).toHaveLength(2);
  await redis.close();
});

test("client-side caching", async () => {
  const module = `${OPEN}\n${await block("package: Client-side caching, js")}\nexport { cache };`;
  const { redis, cache } = await runs<Ran & { cache: Map<string, string | null> }>(module);
  const read = async (key: string) => cache.set(key, await redis.get(key));
  await redis.mSet({ a: 1, b: 2 });
  for (const key of ["a", "b"]) await read(key);
  await redis.set("a", 3);
  await expect.poll(() => [...cache]).toEqual([["b", "2"]]);
  await redis.flushAll();
  await expect.poll(() => cache.size).toBe(0);
  await redis.close();
});

test("patterns", async () => {
  const before = `${OPEN}
    export const [saved, sent] = [[], []];
    const load = async (url) => ({ url });
    const save = async (value) => void saved.push(value);
    const send = async (mail) => void sent.push(mail);`;
  const after = `export const said = [user, allowed, remaining, retryAfterMs, session.data, top];
    await behind.flushed();
    export const end = () => Promise.all([worker.stop(), flusher.stop()]);`;
  const module = `${before}\n${await block("package: Patterns, js")}\n${after}`;
  const { redis, saved, sent, said, end } = await runs<Ran & Record<"saved" | "sent" | "said", unknown[]> & { end(): Promise<void> }>(module);
  const board = [{ member: "eve", score: 1200, rank: 1 }];
  expect(said).toEqual([{ url: "/users/1" }, true, 9, 0, { cart: [] }, board]);
  const changes = [{ id: expect.any(String), key: "theme", value: "dark" }];
  expect(saved).toEqual([{ fence: 1, signal: expect.any(AbortSignal) }, { changes, token: 1 }]);
  await expect.poll(() => sent).toEqual([{ to: "eve@example.org" }]);
  await end();
  await redis.close();
});

test("users and passwords", async () => {
  const example = await block("package: Users and passwords, js");
  const [, refusal] = /^await redis\.set\("k", "v"\); \/\/ (.*)\n$/m.exec(example)!;
  const kept = example.replace(/^const redis/m, "export $&").replace(/^await (redis\.set\("k", "v"\))/m, "export const refused = $1.catch(String)");
  const { redis, refused } = await runs<Ran & { refused: Promise<string> }>(`import { open } from "lodis";\n${kept}`);
  expect(await refused).toBe(`ReplyError: ${refusal}`);
  expect(await redis.get("app:k")).toBe("v");
  expect(await redis.call("FLUSHALL").catch(String)).toMatch(/unknown command/);
  await redis.close();
});

test("files", async () => {
  const before = `${OPEN}
    await redis.set("k", "before");
    const input = { files: [await redis.exportRdb()] };
    await redis.set("k", "after");
    export const [link, bar] = [{ href: "" }, { value: 0 }];`;
  const module = `${before}\n${await block("package: Files, js")}\nexport { keys, skipped, file };`;
  const { redis, ...ran } = await runs<Ran & { keys: number; skipped: unknown; bar: unknown; link: { href: string }; file: Blob }>(module);
  expect([ran.keys, ran.bar, await redis.get("k")]).toEqual([1, { value: 1 }, "before"]);
  expect(await (await fetch(ran.link.href)).arrayBuffer()).toEqual(await ran.file.arrayBuffer());
  await redis.close();
});

test("over HTTP", async () => {
  type Handler = { default: { fetch(request: Request): Promise<Response> } };
  const { default: worker } = await runs<Handler>(await block("package: Over HTTP, js"));
  const ask = async (path: string, token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await worker.fetch(new Request(`http://lodis.test/${path}`, { headers }))).json();
  };
  expect(await ask("set/k/v", "secret")).toEqual({ result: "OK" });
  expect(await ask("get/k", "for-pages")).toEqual({ result: "v" });
  expect(await ask("set/k/w", "for-pages")).toEqual({ error: expect.stringMatching(/^NOPERM/) });
  expect(await ask("get/k", "guessed")).toEqual({ error: expect.any(String) });
});

test("a Durable Object", { timeout: 60_000 }, async () => {
  const { code } = await transform(await block("package: A Durable Object, ts"), { loader: "ts" });
  const miniflare = await startWorker(code, {
    durableObjects: { ROOM: { className: "Room", useSQLite: true } },
    bindings: { TOKEN: "secret" },
  });
  try {
    const ask = async (path: string, token: string) => {
      const response = await miniflare.dispatchFetch(`http://lodis.test/${path}`, { headers: { authorization: `Bearer ${token}` } });
      return response.json();
    };
    expect(await ask("lrange/log/0/-1", "secret")).toEqual({ result: ["http://lodis.test/lrange/log/0/-1"] });
    expect(await ask("llen/log", "guessed")).toEqual({ error: expect.any(String) });
    expect(await ask("llen/log", "secret")).toEqual({ result: 3 });
    const rooms = await miniflare.getDurableObjectNamespace("ROOM");
    const room = rooms.get(rooms.idFromName("room:1")) as unknown as { visit(name: string): Promise<unknown> };
    expect(await room.visit("ada")).toEqual([1, 1]);
    expect(await ask("zscore/top/ada", "secret")).toEqual({ result: "1" });
  } finally {
    await miniflare.dispose();
  }
});

test("the clients of Redis", async () => {
  const use = `
    await client.set("k", "v");
    const waiting = blocked.blpop("list", 0);
    await lodis.rpush("list", "popped");
    export const replies = [await other.get("k"), await waiting];
    socket.write("GET k\\r\\n");
    for await (const bytes of socket) { replies.push(String(bytes)); break; }
    for (const each of [client, blocked]) each.disconnect();
    await other.close();
    await listener.close();
    await lodis.close();`;
  const example = await block("package: The clients of Redis, without a server, js");
  const { replies } = await runs<{ replies: unknown[] }>(example + use);
  expect(replies).toEqual(["v", ["list", "popped"], "$1\r\nv\r\n"]);
});

test("what is going on", async () => {
  listen();
  const example = await block("package: What is going on, js");
  const module = `${OPEN}\n${example.replace("console.log(await", 'await redis.set("k", "v");\n$&')}\nexport { stop };`;
  const { redis, stop } = await runs<Ran & { stop(): Promise<void> }>(module);
  const shape = /\/\/ (\d+\.\d+ \[0 lodis:\d+\] "set" "k" "v")$/m.exec(example)![1]!;
  const form = (line: unknown) => String(line).replaceAll(/\d+/g, "9");
  await expect.poll(() => logged.map(([line]) => form(line))).toContain(form(shape));
  expect(logged.map(([line]) => String(line)).find((line) => line.startsWith("# Commandstats"))).toContain("cmdstat_set:calls=1,");
  await stop();
  await redis.close();
});

/** The words of a line of a shell that begins with `npx lodis`, and what is set for it. */
function wordsOf(text: string, what: string): { words: string[]; env: Record<string, string> } {
  const line = text.split("\n").find((line) => line.includes(`npx lodis ${what}`))!;
  const [before, after] = line.replace(/\s+#.*/, "").split("npx lodis ") as [string, string];
  const env = Object.fromEntries(before.trim().split(" ").map((word) => word.split("=") as [string, string]).filter(([name]) => name));
  return { words: after.trim().split(/\s+/), env };
}

/** Starts `npx lodis` with these words, other ports in their place; answers what it first writes. */
async function starts(words: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, [cli, ...words], { cwd, env: { ...process.env, ...env } });
  children.push(child);
  let mistakes = "";
  child.stderr.on("data", (text: Buffer) => (mistakes += text.toString()));
  const ended = once(child, "close").then(() => Promise.reject(new Error(mistakes || "it has written nothing")));
  const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [Buffer];
  ended.catch(() => {});
  return line.toString();
}

test("a server, and a command line for what it has left", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lodis-readme-"));
  try {
    const { words } = wordsOf(await block("package: A server, sh"), "serve");
    const port = words[words.indexOf("--port") + 1]!;
    const line = await starts(words.map((word) => (word === port ? "0" : word)), folder);
    const client = new IoRedis(Number(/:(\d+)\n$/.exec(line)![1]), "127.0.0.1");
    expect(await client.set("key", "kept")).toBe("OK");
    expect(await client.config("GET", "appendfsync")).toEqual(["appendfsync", "always"]);
    client.disconnect();
    const [server] = children;
    server!.kill("SIGTERM");
    await once(server!, "exit");
    const lines = await block("package: A command line, sh");
    expect(await starts(wordsOf(lines, "cli --dir").words, folder)).toBe("kept\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a command line for a server", async () => {
  const server = await startRealRedis(await newDirectory());
  try {
    const [name, ...words] = wordsOf(await block("package: A command line, sh"), "cli  ").words;
    expect([name, words]).toEqual(["cli", []]);
    const port = String(server.client.options.port);
    expect(await starts(["cli", "-p", port, "PING"], tmpdir())).toBe("PONG\n");
  } finally {
    await server.stop();
  }
});

test("an upstream, and a bridge to it", async () => {
  const server = await startRealRedis(await newDirectory());
  try {
    const lines = await block("package: An upstream, sh");
    const { words, env } = wordsOf(lines, "bridge");
    const address = `redis://127.0.0.1:${server.client.options.port}`;
    const port = await freePort();
    const given = words.map((word) => (word.startsWith("redis://") ? address : word));
    await starts([...given, "--port", String(port)], import.meta.dirname, env);
    const origin = words[words.indexOf("--origin") + 1]!;
    // As a page of that origin would connect; Node 20 has no sockets.
    vi.stubGlobal("WebSocket", class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { origin });
      }
    });
    const before = `${OPEN}
      export const states = [];
      const show = (state) => states.push(state);
      const fetchToken = async () => ${JSON.stringify(env.LODIS_BRIDGE_TOKEN)};`;
    const example = (await block("package: An upstream, js")).replace(/url: "[^"]*"/, `url: "ws://127.0.0.1:${port}"`);
    const { redis, states } = await runs<Ran & { states: string[] }>(`${before}\n${example}`);
    expect([await server.client.get("app:visits"), await redis.get("app:visits")]).toEqual(["1", "1"]);
    expect(states.at(-1)).toBe("online");
    await server.client.del("app:visits");
    await expect.poll(() => redis.get("app:visits")).toBe(null);
    await redis.close();
  } finally {
    await server.stop();
  }
}, 60_000);
