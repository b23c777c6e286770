// Apps that use the package, built by what people build with, and then run.
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import * as vite from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { end, launch, type Profile } from "../browser/browser.js";
import { serveFolder } from "../browser/serving.js";
import { block } from "../node/readme.js";
import { here, install, runJest, startNext, withEsbuild, withEsbuildAndWorker, withRollup, withRollupAlone, withVite, withWebpack } from "./tools.js";

let profile: Profile;

beforeAll(async () => {
  await install();
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  expect(profile.problems).toEqual([]);
});

/** What the app shows when it is visited, and visited again. */
async function visit(url: string, query = ""): Promise<string[]> {
  const shown: string[] = [];
  const page = await profile.context.newPage();
  for (let times = 0; times < 2; times++) {
    await page.goto(`${url}${query}`);
    await page.getByText(/^visit \d+ as \w+$/).waitFor();
    shown.push((await page.textContent("body"))!);
    // No page needs headers for this.
    expect(await page.evaluate("crossOriginIsolated || 'SharedArrayBuffer' in globalThis")).toBe(false);
  }
  await page.close();
  return shown;
}

test.each([
  ["Vite", withVite],
  ["webpack", withWebpack],
  ["Rollup", withRollup],
  ["Rollup that copies no files", withRollupAlone],
  ["esbuild, with lodis/slim", withEsbuild],
])("an app built with %s", async (_, build) => {
  const server = await serveFolder(await build());
  try {
    expect(await visit(server.url)).toEqual(["visit 1 as leader", "visit 2 as leader"]);
  } finally {
    await server.close();
  }
});

test.each([
  ["Vite", withVite],
  ["webpack", withWebpack],
])("an app built with %s whose leader is a worker", async (_, build) => {
  const server = await serveFolder(await build());
  try {
    expect(await visit(server.url, "?host=worker")).toEqual(["visit 1 as replica", "visit 2 as replica"]);
  } finally {
    await server.close();
  }
});

test("an app built with esbuild whose leader is a worker of its own", async () => {
  const server = await serveFolder(await withEsbuildAndWorker());
  try {
    expect(await visit(server.url)).toEqual(["visit 1 as replica", "visit 2 as replica"]);
  } finally {
    await server.close();
  }
});

test("Vite's dev server", async () => {
  const root = join(here, "apps/plain");
  // As the README says.
  const optimizeDeps = { exclude: ["lodis"] };
  const server = await vite.createServer({ root, optimizeDeps, logLevel: "error", server: { host: "127.0.0.1", port: 0 } });
  try {
    await server.listen();
    const { port } = server.httpServer!.address() as { port: number };
    expect(await visit(`http://127.0.0.1:${port}/`)).toEqual(["visit 1 as leader", "visit 2 as leader"]);
  } finally {
    await server.close();
  }
});

test("Next.js: rendered by the server, and alive in the page", { timeout: 240_000 }, async () => {
  const next = await startNext();
  try {
    const page = await profile.context.newPage();
    for (const times of [1, 2]) {
      await page.goto(next.url);
      await page.getByText(`visit ${times}`).waitFor();
      expect(await page.textContent("#server")).toBe(`rendered ${times}`);
    }
    await page.close();
  } finally {
    await next.end();
  }
});

const run = promisify(execFile);
const require = createRequire(import.meta.url);

test("a user's tests, run by Vitest", async () => {
  const vitest = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
  // It is Vitest that starts it: what that has told its own worker is nothing to the other one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const words = ["run", "--config", "vitest.config.js", "--reporter=json"];
  const { stdout } = await run(process.execPath, [vitest, ...words], { cwd: join(here, "apps/vitest"), env, timeout: 50_000 });
  const { success, numPassedTests } = JSON.parse(stdout.slice(stdout.indexOf("{")));
  expect([success, numPassedTests]).toEqual([true, 9]);
});

test("a user's tests, run by Jest: clients replaced as the README has it", { timeout: 120_000 }, async () => {
  const { stdout, stderr } = await runJest(await block("package: The clients of Redis, without a server, js, the second"));
  const { success, numPassedTests, testResults } = JSON.parse(stdout);
  expect([success, numPassedTests], stderr).toEqual([true, 6]);
  expect(testResults).toHaveLength(2);
});

describe("runtimes", () => {
  const script = `
    import { open, ReplyError } from "lodis";
    import { open as full } from "lodis/full";
    import { rest } from "lodis/rest";
    const redis = await open("runtime");
    const script = await full("runtime, with scripting");
    const response = await rest(redis, { anyone: true })(new Request("http://lodis.test/set/key/value?EX=100"));
    const wrong = await redis.incr("key").catch((error) => error instanceof ReplyError);
    console.log([await response.text(), await redis.ttl("key"), wrong, await script.eval("return 7", 0)].join());
    await redis.close();
    await script.close();`;

  /** Serves HTTP by what a runtime has for that, and calls it with the unmodified client. */
  const served = (serve: string): string => `
    import { open } from "lodis";
    import { rest } from "lodis/rest";
    import { Redis } from "@upstash/redis";
    const redis = await open("served");
    const handler = rest(redis, { token: "secret" });
    const { port, stop } = await (${serve})(handler);
    const client = new Redis({ url: "http://127.0.0.1:" + port, token: "secret", enableTelemetry: false });
    const said = [await client.set("k", { a: "ü" }), JSON.stringify(await client.get("k"))];
    said.push(await client.pipeline().incr("n").incr("n").exec());
    const heard = new Promise((resolve) => {
      const subscriber = client.subscribe(["chat"]);
      subscriber.on("message", ({ message }) => resolve(subscriber.unsubscribe().then(() => message)));
    });
    while ((await redis.publish("chat", "hello")) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    said.push(await heard);
    while ((await redis.publish("chat", "nobody")) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(said.join());
    await stop();
    await redis.close();`;
  const SAID = 'OK,{"a":"ü"},1,2,hello\n';

  test("Deno", async () => {
    const deno = join(dirname(require.resolve("deno/package.json")), "bin.cjs");
    const args = ["eval", "--no-lock", "--node-modules-dir=manual", script];
    const { stdout } = await run(process.execPath, [deno, ...args], { cwd: here });
    expect(stdout).toBe('{"result":"OK"},100,true,7\n');
  });

  test("Deno as a server", async () => {
    const deno = join(dirname(require.resolve("deno/package.json")), "bin.cjs");
    const serve = `(handler) => {
      const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
      return { port: server.addr.port, stop: () => server.shutdown() };
    }`;
    const args = ["eval", "--no-lock", "--node-modules-dir=manual", served(serve)];
    const { stdout } = await run(process.execPath, [deno, ...args], { cwd: here, timeout: 50_000 });
    expect(stdout).toBe(SAID);
  });

  test("Bun as a server", async () => {
    const bun = join(here, "node_modules/.bin/bun");
    const serve = `(handler) => {
      const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
      return { port: server.port, stop: () => server.stop(true) };
    }`;
    const { stdout } = await run(bun, ["-e", served(serve)], { cwd: here, timeout: 50_000 });
    expect(stdout).toBe(SAID);
  });

  test("Bun", async () => {
    const bun = join(here, "node_modules/.bin/bun");
    const { stdout } = await run(bun, ["-e", script], { cwd: here });
    expect(stdout).toBe('{"result":"OK"},100,true,7\n');
  });
});
