// What builds the apps, each as its documentation says.
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { importMetaAssets } from "@web/rollup-plugin-import-meta-assets";
import * as esbuild from "esbuild";
import { rollup } from "rollup";
import * as vite from "vite";
import webpack from "webpack";

export const here = import.meta.dirname;
const app = (name: string) => join(here, "apps", name);
const out = (name: string) => join(here, ".out", name);

/** Puts the package where apps find it, as npm would: packed, and no link to where it is made. */
export async function install(): Promise<void> {
  const packed = out("packed");
  await rm(packed, { recursive: true, force: true });
  await mkdir(packed, { recursive: true });
  const [{ filename }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--pack-destination", packed], { cwd: join(here, "../../pkg") }).toString(),
  );
  const place = join(here, "node_modules/lodis");
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true });
  execFileSync("tar", ["xzf", join(packed, filename), "-C", place, "--strip-components=1"]);
}

/** An empty folder for what a bundler makes, with the app's page in it. */
async function folder(name: string): Promise<string> {
  await rm(out(name), { recursive: true, force: true });
  await mkdir(out(name), { recursive: true });
  await cp(join(app("plain"), "index.html"), join(out(name), "index.html"));
  return out(name);
}

export async function withVite(): Promise<string> {
  const outDir = await folder("vite");
  await vite.build({ root: app("plain"), logLevel: "error", build: { outDir, emptyOutDir: true } });
  return outDir;
}

export async function withWebpack(): Promise<string> {
  const path = await folder("webpack");
  const compiler = webpack({
    mode: "production",
    entry: join(app("plain"), "main.js"),
    output: { path, filename: "main.js" },
    experiments: { topLevelAwait: true },
  });
  const stats = await promisify(compiler.run.bind(compiler))();
  if (stats!.hasErrors()) throw new Error(stats!.toString("errors-only"));
  await promisify(compiler.close.bind(compiler))();
  return path;
}

export async function withRollup(): Promise<string> {
  const dir = await folder("rollup");
  const bundle = await rollup({
    input: join(app("plain"), "main.js"),
    plugins: [nodeResolve({ browser: true }), importMetaAssets()],
  });
  await bundle.write({ dir, format: "es" });
  await bundle.close();
  return dir;
}

/** Rollup for no runtime in particular: the module is in the script. */
export async function withRollupAlone(): Promise<string> {
  const dir = await folder("rollup-alone");
  const bundle = await rollup({ input: join(app("plain"), "main.js"), plugins: [nodeResolve()] });
  await bundle.write({ dir, format: "es" });
  await bundle.close();
  return dir;
}

/** With esbuild: the page's script, and other scripts of an app. */
async function byEsbuild(name: string, scripts: readonly string[]): Promise<string> {
  const outdir = await folder(`esbuild-${name}`);
  await esbuild.build({
    entryPoints: scripts.map((script) => join(app(name), script)),
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    loader: { ".wasm": "file" },
    outdir,
  });
  return outdir;
}

export const withEsbuild = (): Promise<string> => byEsbuild("slim", ["main.js"]);
export const withEsbuildAndWorker = (): Promise<string> => byEsbuild("worker", ["main.js", "worker.js"]);

/** An app that requires clients of Redis, and its tests. */
const JEST_APP = `
  const Redis = require("ioredis");
  const { createClient } = require("redis");
  exports.redis = new Redis(6379, "localhost");
  exports.cache = createClient({ url: "redis://cache.internal:6379" });`;
const JEST_TESTS = `
  const { cache, redis } = require("./app.js");
  afterAll(() => {
    redis.disconnect();
    cache.destroy();
  });
  test.each([1, 2])("each begins with nothing", async () => {
    expect(await redis.incr("visits")).toBe(1);
    expect(await (await server("localhost:6379")).get("visits")).toBe("1");
    if (!cache.isOpen) await cache.connect();
    expect(await cache.multi().setNX("key", "value").exists("visits").exec()).toEqual([1, 0]);
    expect(await redis.eval("return redis.call('GET', KEYS[1])", 1, "visits")).toBe("1");
  });
  test("a module of one's own", async () => {
    const { open } = require("lodis");
    const lodis = await open("jest");
    expect(await lodis.set("k", "v", { EX: 10 })).toBe("OK");
    await lodis.close();
  });`;

/** Has Jest run an app's tests, which replace its clients by mocks as in the README's block, and by names. */
export async function runJest(block: string): Promise<{ stdout: string; stderr: string }> {
  const root = out("jest");
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const [, mocks, rest] = /^\/\/ Jest:\n((?:jest\..*\n)+)([^]*)/m.exec(block)!;
  // There is no await outside of functions in what Jest requires.
  const hooks = rest!.replace(/^const lodis = (await server\(.*?\));/m, "beforeAll(async () => void ($1));");
  const needed = 'const { closeServers, flushServers, server } = require("lodis/node");';
  const mapped = Object.fromEntries(["ioredis", "redis"].map((name) => [`^${name}$`, `lodis/${name}`]));
  const projects = ["mocked", "mapped"].map((name) => ({
    rootDir: root,
    testMatch: [`<rootDir>/${name}.test.js`],
    ...(name === "mapped" && { moduleNameMapper: mapped }),
  }));
  const files = {
    "package.json": '{ "type": "commonjs" }',
    "app.js": JEST_APP,
    "mocked.test.js": [mocks, needed, hooks, JEST_TESTS].join("\n"),
    "mapped.test.js": [needed, hooks, JEST_TESTS].join("\n"),
    "jest.config.json": JSON.stringify({ rootDir: root, projects }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text);
  const jest = createRequire(import.meta.url).resolve("jest/bin/jest");
  const words = [jest, "--config", join(root, "jest.config.json"), "--json", "--no-cache"];
  return promisify(execFile)(process.execPath, words, { cwd: root, timeout: 110_000 }).catch((failed) => failed);
}

/** Builds the app of Next.js and serves it; answers its address. */
export async function startNext(): Promise<{ url: string; end(): Promise<void> }> {
  const cli = createRequire(import.meta.url).resolve("next/dist/bin/next");
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
  await rm(join(app("next"), ".next"), { recursive: true, force: true });
  const run = (...words: string[]) => spawn(process.execPath, [cli, ...words], { cwd: app("next"), env });
  const build = run("build");
  let said = "";
  build.stdout.on("data", (text: Buffer) => (said += text.toString()));
  build.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const [status] = await once(build, "exit");
  if (status !== 0) throw new Error(`next build: ${said}`);
  const server = run("start", "--port", "0", "--hostname", "127.0.0.1");
  const url = await new Promise<string>((resolve, reject) => {
    let told = "";
    server.stdout.on("data", (text: Buffer) => {
      told += text.toString();
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0];
      if (found) resolve(`${found}/`);
    });
    server.stderr.on("data", (text: Buffer) => (told += text.toString()));
    server.once("exit", () => reject(new Error(`next start: ${told}`)));
  });
  const end = async (): Promise<void> => {
    if (server.exitCode === null && server.kill("SIGTERM")) await once(server, "exit");
  };
  return { url, end };
}
