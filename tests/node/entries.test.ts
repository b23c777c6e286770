// Every way into the package, as the runtimes take them.
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Script } from "node:vm";
import { EdgeRuntime } from "edge-runtime";
import { build } from "esbuild";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { bundled, startWorker } from "./workerd.js";

const run = promisify(execFile);
const pkg = fileURLToPath(new URL("../../pkg/", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const dist = (file: string) => join(pkg, "dist", file);

const USE = `
  const redis = await open("entries", { store: "memory" });
  const said = [await redis.set("key", "value"), await redis.get("key"), await redis.incr("n")];
  await redis.close();`;

describe("Node", () => {
  test("import and require", async () => {
    const imported = `import { open } from "lodis"; ${USE} console.log(said.join());`;
    const required = `const { open } = require("lodis"); (async () => { ${USE} console.log(said.join()); })();`;
    for (const [type, script] of [["module", imported], ["commonjs", required]] as const) {
      const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: here });
      expect(stdout, type).toBe("OK,value,1\n");
    }
  });

  test("what can be required has all that can be imported", async () => {
    const { exports } = JSON.parse(await readFile(join(pkg, "package.json"), "utf8")) as { exports: Record<string, object> };
    const both = Object.entries(exports).filter(([, conditions]) => JSON.stringify(conditions).includes('"require"'));
    // Those in place of clients of Redis are as these are.
    const own = both.filter(([entry]) => !/redis$/.test(entry));
    const names = own.map(([entry]) => entry.replace("./", "lodis/").replace(/^\.$/, "lodis"));
    const single = names.map((name) => name.replace("stores/*", "stores/directory").replace("patterns/*", "patterns/queue"));
    expect(single).toEqual(expect.arrayContaining(["lodis", "lodis/full", "lodis/slim", "lodis/node", "lodis/react", "lodis/vue"]));
    // In a process of its own: what Vitest imports is not what Node does.
    const script = `
      const keys = (module) => Object.keys(module).filter((key) => key !== "default" && key !== "module.exports").sort().join();
      (async () => {
        for (const name of ${JSON.stringify(single)}) {
          const [required, imported] = [keys(require(name)), keys(await import(name))];
          console.log(name, required.length > 0, required === imported || required + " is not " + imported);
        }
      })();`;
    const { stdout } = await run(process.execPath, ["--input-type=commonjs", "-e", script], { cwd: here });
    expect(stdout.trim().split("\n")).toEqual(single.map((name) => `${name} true true`));
  });

  test("what is required is of one piece", async () => {
    const require = createRequire(import.meta.url);
    const { open, ReplyError } = require("lodis/full");
    const { rest } = require("lodis/rest");
    const { memoryStore } = require("lodis/stores/memory");
    const { lock, PatternError } = require("lodis/patterns");
    expect(require("lodis").ReplyError).toBe(ReplyError);
    const redis = await open("required", { store: memoryStore() });
    try {
      expect(await redis.eval("return redis.call('SET', 'k', 'v')", 0)).toBe("OK");
      const one = require("lodis/patterns/lock").lock(redis, "one");
      expect(await one.use(({ token }: { token: number }) => token)).toBe(1);
      expect(await lock(redis, "one").acquire({ waitMs: -1 }).catch((error: Error) => error.name)).toBe("TypeError");
      expect(new PatternError("LOST", "").code).toBe("LOST");
      const answer = await rest(redis, { anyone: true })(new Request("http://lodis.test/incr/k"));
      expect([answer.status, await answer.json()]).toEqual([
        400,
        { error: "ERR value is not an integer or out of range" },
      ]);
    } finally {
      await redis.close();
    }
  });

  test("what is required imports nothing, for Jest runs it where nothing can be", async () => {
    const file = dist("cjs/all.js");
    const text = await readFile(file, "utf8");
    const script = new Script(`(function (require, module, exports, __dirname) {${text}\n})`, { filename: file });
    const module = { exports: {} as Record<string, { open?: typeof import("lodis").open }> };
    script.runInThisContext()(createRequire(file), module, module.exports, join(file, ".."));
    const { open } = Object.values(module.exports).find((entry) => entry.open)!;
    const redis = await open!("required", { store: "memory", scripting: true });
    expect(await redis.eval("return 7", 0)).toBe(7);
    await redis.close();
  });

  test("the element may be imported where there are no elements, and does nothing", async () => {
    const script = 'import { LodisTerminal } from "lodis/terminal/element"; console.log(typeof LodisTerminal, typeof customElements);';
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: here });
    expect(stdout).toBe("function undefined\n");
  });

  test("with types, whichever way", async () => {
    const dir = await mkdtemp(join(tmpdir(), "lodis-pack-"));
    try {
      execFileSync("npm", ["pack", "--silent", "--pack-destination", dir], { cwd: pkg });
      const attw = join(here, "../node_modules/@arethetypeswrong/cli/dist/index.js");
      const modules = ["./wasm", "./full/wasm", "./lodis_bg.wasm", "./lodis_full_bg.wasm", "./terminal/pane.css"];
      const options = ["--profile", "node16", "--ignore-rules", "cjs-resolves-to-esm", "--exclude-entrypoints", ...modules];
      await run(process.execPath, [attw, join(dir, "lodis-0.1.0.tgz"), ...options]);
      const publint = join(here, "../node_modules/publint/src/cli.js");
      const { stdout } = await run(process.execPath, [publint, "--strict", pkg]);
      expect(stdout).toContain("All good!");
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe("any other runtime", () => {
  test.each(["inline.js", "inline-full.js"])("%s has the module in itself", async (file) => {
    const { open } = await import(dist(file));
    const redis = await open("inline", { store: "memory" });
    expect(await redis.set("key", "value")).toBe("OK");
    if (file === "inline-full.js") expect(await redis.eval("return 7", 0)).toBe(7);
    await redis.close();
  });
});

describe("slim", () => {
  test("says what is missing", async () => {
    const script = `
      const { init, open } = await import(${JSON.stringify(dist("slim.js"))});
      const failure = (options) => open("slim", options).catch(({ message }) => console.log(message));
      await failure();
      init(new Uint8Array(0));
      await failure({ scripting: true });`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script]);
    expect(stdout).toBe(
      "open: call init() of lodis/slim with the module of lodis/wasm first\n" +
        "open: call init() of lodis/slim with the module of lodis/full/wasm and { scripting: true } first\n",
    );
  });

  test("takes bytes, a module, a response, or promises of them", async () => {
    const script = `
      const { init, open } = await import(${JSON.stringify(dist("slim.js"))});
      const { readFile } = await import("node:fs/promises");
      const bytes = await readFile(${JSON.stringify(dist("lodis_full_bg.wasm"))});
      const response = () => new Response(bytes, { headers: { "content-type": "application/wasm" } });
      const sources = { bytes, module: new WebAssembly.Module(bytes), response: response(), promise: Promise.resolve(response()) };
      init(sources[process.argv[1]], { scripting: true });
      const redis = await open("slim", { scripting: true, store: "memory" });
      console.log(await redis.eval("return 7", 0));
      await redis.close();`;
    for (const kind of ["bytes", "module", "response", "promise"]) {
      const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script, kind]);
      expect(stdout, kind).toBe("7\n");
    }
  });
});

describe("Workers, in workerd", () => {
  let miniflare: Miniflare;

  beforeAll(async () => {
    miniflare = await startWorker(`
      import { open } from "lodis";
      import { rest } from "lodis/rest";
      const early = open("early").catch((error) => error.message); // no request is there yet
      let redis;
      const opened = () => (redis ??= open("worker"));
      const answer = rest(opened, { token: "secret" });
      export default {
        async fetch(request) {
          const url = new URL(request.url);
          if (url.pathname === "/early") return Response.json(await early);
          if (url.pathname === "/many") {
            const instance = await opened();
            for (let i = 0; i < 2000; i++) await instance.incr("many");
            return new Response(await instance.get("many"));
          }
          return answer(request);
        },
      };`);
  });

  afterAll(() => miniflare?.dispose());

  const ask = async (path: string): Promise<any> => {
    const response = await miniflare.dispatchFetch(`http://worker.test${path}`, {
      headers: { authorization: "Bearer secret" },
    });
    return response.json();
  };

  test("an instance is opened by a request", async () => {
    expect(await ask("/early")).toBe("open: there are no random numbers before the first request: call it in a handler");
  });

  test("one instance answers many requests", async () => {
    expect(await ask("/set/key/value")).toEqual({ result: "OK" });
    expect(await ask("/get/key")).toEqual({ result: "value" });
    const replies = await Promise.all(Array.from({ length: 50 }, () => ask("/incr/n")));
    expect(new Set(replies.map(({ result }) => result)).size).toBe(50);
    expect(await ask("/many")).toBe(2000);
    expect(await ask("/many")).toBe(4000);
  });

  test("what expires is gone, though no request was there when it did", async () => {
    expect(await ask("/set/gone/v?PX=50")).toEqual({ result: "OK" });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await ask("/get/gone")).toEqual({ result: null });
    expect(await ask("/dbsize")).toEqual({ result: expect.any(Number) });
  });

  test("messages come as server-sent events, in the request that asks for them", async () => {
    const response = await miniflare.dispatchFetch("http://worker.test/subscribe/chat", {
      headers: { authorization: "Bearer secret" },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const body = response.body as unknown as ReadableStream<BufferSource>;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe("data: subscribe,chat,1\n\n");
    expect(await ask("/publish/chat/hello")).toEqual({ result: 1 });
    expect((await reader.read()).value).toBe("data: message,chat,hello\n\n");
    await reader.cancel();
  });

  test("an older one has no message channels", async () => {
    const older = await startWorker(
      `
      import { open } from "lodis";
      export default {
        async fetch() {
          const redis = await open("older");
          for (let i = 0; i < 2000; i++) await redis.incr("n");
          return Response.json(["MessageChannel" in globalThis, await redis.get("n")]);
        },
      };`,
      { compatibilityDate: "2024-01-01" },
    );
    try {
      expect(await (await older.dispatchFetch("http://worker.test/")).json()).toEqual([false, "2000"]);
    } finally {
      await older.dispose();
    }
  });

  // Cloudflare's network stops the clock between I/O, workerd on its own does not: the script does it here.
  test("where time stands still between I/O nothing expires, and no window of a rate limiter ends", async () => {
    const still = await startWorker(`
      import { open } from "lodis";
      const clock = Date.now.bind(Date);
      let now = clock();
      Date.now = performance.now = () => now;
      const io = async () => { await scheduler.wait(60); now = clock(); };
      const spin = () => { const until = clock() + 60; while (clock() < until); };
      const isAllowed = async (redis, limit) => {
        const [, count] = await redis.multi().set("window", 0, { PX: 50, NX: true }).incr("window").exec();
        return count <= limit;
      };
      export default {
        async fetch() {
          now = clock();
          const redis = await open("still");
          const look = async () => [await redis.get("short"), await redis.pttl("short"), await isAllowed(redis, 2)];
          await redis.set("short", "v", { PX: 50 });
          const looks = [await look(), await look(), await look()];
          spin();
          looks.push(await look());
          await io();
          looks.push(await look());
          for (let i = 0; i < 20_000; i++) redis.sync.set("expires:" + i, i, { PX: 10 });
          // They go by themselves, with no clock that would end a turn of that.
          while ((await redis.dbSize()) > 0) await io();
          return Response.json({ looks, expired: /expired_keys:(\\d+)/.exec(await redis.info("stats"))[1] });
        },
      };`);
    try {
      expect(await (await still.dispatchFetch("http://worker.test/")).json()).toEqual({
        looks: [
          ["v", 50, true],
          ["v", 50, true],
          ["v", 50, false],
          ["v", 50, false],
          [null, -2, true],
        ],
        expired: "20003",
      });
    } finally {
      await still.dispose();
    }
  });

  test("scripting comes with lodis/full", async () => {
    const full = await startWorker(`
      import { open } from "lodis/full";
      export default {
        async fetch() {
          const redis = await open("full");
          return Response.json(await redis.eval("return redis.call('INCR', 'n')", 0));
        },
      };`);
    try {
      expect(await (await full.dispatchFetch("http://worker.test/")).json()).toBe(1);
    } finally {
      await full.dispose();
    }
  });
});

test("a clock that stands still, as that of Workers between I/O", async () => {
  const { open } = await import("lodis");
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: 1_800_000_000_000 });
  await using redis = await open("still", { store: "memory" });
  try {
    await redis.set("short", "v", { PX: 30 });
    for (let i = 0; i < 5000; i++) await redis.incr("n");
    expect(await redis.pttl("short")).toBe(30);
    vi.setSystemTime(1_800_000_000_030);
    expect(await redis.get("short")).toBe(null);
  } finally {
    vi.useRealTimers();
  }
});

describe("the edge runtime of Vercel", () => {
  const CONDITIONS = ["edge-light", "worker", "browser"];

  test("imports the module in its own way", async () => {
    const { script, modules } = await bundled('export { open } from "lodis";', CONDITIONS);
    expect([...modules.keys()]).toEqual(["lodis_bg.wasm"]);
    expect(script).toContain('from "./lodis_bg.wasm"');
  });

  test.each([
    ["lodis", "lodis_bg.wasm", "ERR scripting is not in this build"],
    ["lodis/full", "lodis_full_bg.wasm", "from Lua"],
  ])("runs what is built with %s", async (entry, file, said) => {
    // A script, to which the modules come as globals: so Vercel builds it.
    const { outputFiles } = await build({
      stdin: {
        contents: `
          import { open } from "${entry}";
          import { rest } from "lodis/rest";
          const answer = rest(() => open("edge"), { token: "secret" });
          addEventListener("fetch", (event) => event.respondWith(answer(event.request)));`,
        resolveDir: here,
        loader: "js",
      },
      bundle: true,
      format: "iife",
      write: false,
      conditions: CONDITIONS,
      logLevel: "error",
      plugins: [
        {
          name: "modules",
          setup({ onResolve, onLoad }) {
            onResolve({ filter: /\.wasm\?module$/ }, ({ path }) => ({ path, namespace: "modules" }));
            onLoad({ filter: /.*/, namespace: "modules" }, () => ({ contents: "export default globalThis.lodisModule;" }));
          },
        },
      ],
    });
    const lodisModule = new WebAssembly.Module(await readFile(dist(file)));
    const runtime = new EdgeRuntime({
      initialCode: outputFiles[0]!.text,
      extend: (context) => Object.assign(context, { lodisModule }),
    });
    const ask = async (path: string, init: RequestInit = {}): Promise<unknown> => {
      const headers = { authorization: "Bearer secret" };
      const response = await runtime.dispatchFetch(`https://edge.test${path}`, { headers, ...init });
      return response.json();
    };
    expect(await ask("/get/k", { headers: {} })).toEqual({ error: "Unauthorized" });
    expect(await ask("/set/k/v")).toEqual({ result: "OK" });
    expect(await ask("/get/k")).toEqual({ result: "v" });
    expect(await ask("/pexpire/k/20")).toEqual({ result: 1 });
    await expect.poll(() => ask("/get/k")).toEqual({ result: null });
    const body = JSON.stringify([["INCR", "n"], ["GET", "n"]]);
    expect(await ask("/multi-exec", { method: "POST", body })).toEqual([{ result: 1 }, { result: "1" }]);
    const script = JSON.stringify(["EVAL", "return 'from Lua'", 0]);
    expect(JSON.stringify(await ask("/", { method: "POST", body: script }))).toContain(said);
  });
});

test("a bundler for browsers takes the entry that fetches the module", async () => {
  const { script, modules } = await bundled('export { open } from "lodis";', ["browser"]);
  expect([...modules.keys()]).toEqual([]);
  expect(script).toContain('new URL("./lodis_bg.wasm", import.meta.url)');
  expect(script).not.toContain("node:");
});
