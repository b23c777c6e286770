// Subjects in headless Chromium, each a page.
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LOCAL, STORED } from "./subjects.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const { build } = createRequire(join(ROOT, "pkg/package.json"))("esbuild");
const { chromium } = createRequire(join(ROOT, "tests/package.json"))("playwright-core");

const HTML = `<!doctype html><title>bench</title><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"lodis": "/lodis/index.js"}}</script>
<script>globalThis.require = () => ({}); // for ioredis-mock, which looks for a file system
</script>
<script type="module" src="/page.js"></script>`;
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

async function script() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./page.mjs", import.meta.url))],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    external: ["lodis"],
    alias: { "ioredis-mock": join(ROOT, "benches/node_modules/ioredis-mock/browser.js") },
    define: { global: "globalThis" },
    logLevel: "error",
  });
  return outputFiles[0].text;
}

async function serve() {
  const pages = { "/": HTML, "/page.js": await script() };
  const server = createServer(async (request, response) => {
    const path = request.url;
    // Isolated pages have clocks of five microseconds.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/html");
    if (pages[path] !== undefined) return void response.end(pages[path]);
    if (!/^\/lodis\/[\w.-]+$/.test(path)) return void response.writeHead(404).end();
    response.end(await readFile(join(ROOT, "pkg/dist", path.slice("/lodis/".length))));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

class Subject {
  constructor(name, page, isShort) {
    Object.assign(this, { name, page, isShort });
  }

  async open() {
    await this.page.waitForFunction(() => globalThis.bench !== undefined);
    await this.page.evaluate(([name, isShort]) => bench.open(name, isShort), [this.name, this.isShort]);
    return this;
  }

  prepare(index) {
    return this.page.evaluate(([index, isShort]) => bench.prepare(index, isShort), [index, this.isShort]);
  }

  sample() {
    return this.page.evaluate(() => bench.sample());
  }
}

/** Every subject, open; `close` ends them. */
export async function openAll(isShort) {
  const server = await serve();
  const folder = await mkdtemp(join(tmpdir(), "lodis-bench-"));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: FLAGS });
  const subjects = [];
  for (const name of [...Object.keys(LOCAL), ...Object.keys(STORED)]) {
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`${name}: ${error}`));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    subjects.push(await new Subject(name, page, isShort).open());
  }
  return {
    version: context.browser()?.version() ?? "",
    subjects,
    async close() {
      await context.close();
      server.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
