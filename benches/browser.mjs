// Headless Chromium, and pages that have the built package and a script of the benchmark's.
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const { build } = createRequire(join(ROOT, "pkg/package.json"))("esbuild");
const { chromium } = createRequire(join(ROOT, "tests/package.json"))("playwright-core");

const HTML = `<!doctype html><title>bench</title><link rel="icon" href="data:,">
<script>globalThis.require = () => ({}); // for ioredis-mock, which looks for a file system
</script>
<script type="module" src="/page.js"></script>`;
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A script with all that it imports, but for the package. */
export async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    // Workers have no import maps.
    external: ["/lodis/*"],
    alias: { lodis: "/lodis/index.js", "ioredis-mock": join(ROOT, "benches/node_modules/ioredis-mock/browser.js") },
    define: { global: "globalThis" },
    logLevel: "error",
  });
  return outputFiles[0].text;
}

async function serve(entry) {
  const pages = { "/": HTML, "/page.js": await bundle(entry) };
  const server = createServer(async (request, response) => {
    const path = request.url;
    // Isolated pages have clocks of five microseconds.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/html");
    if (pages[path] !== undefined) return void response.end(pages[path]);
    if (!/^\/lodis(\/[\w-]+(\.\w+)*)+$/.test(path)) return void response.writeHead(404).end();
    response.end(await readFile(join(ROOT, "pkg/dist", path.slice("/lodis/".length))));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** A browser with an empty profile; `newPage` opens pages with the script `entry`. */
export async function launch(entry, flags = []) {
  const server = await serve(entry);
  const folder = await mkdtemp(join(tmpdir(), "lodis-bench-"));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: [...FLAGS, ...flags] });
  return {
    version: context.browser()?.version() ?? "",
    newBrowserSession: () => context.browser().newBrowserCDPSession(),
    /** A page of the only origin, or of one of its own. */
    async newPage(name, origin) {
      const page = await context.newPage();
      page.on("pageerror", (error) => console.error(`${name}: ${error}`));
      const host = origin === undefined ? "127.0.0.1" : `${origin}.localhost`;
      await page.goto(`http://${host}:${server.address().port}/`);
      await page.waitForFunction(() => globalThis.bench !== undefined);
      return page;
    },
    async close() {
      await context.close();
      server.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
