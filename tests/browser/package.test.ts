// The built package in pages of its own: without a bundler, through Vite, and after close().
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const PAGE = `<!doctype html><title>plain</title><link rel="icon" href="data:,">
<script type="module">
  import { open } from "/index.js";
  globalThis.open_lodis = open;
  const redis = await open("plain", { store: "memory" });
  await redis.set("greeting", "hello", { EX: 10 });
  document.title = await redis.get("greeting");
  await redis.close();
  document.body.append(await redis.get("greeting").catch((error) => error.message));
</script>`;

const FULL = `<!doctype html><title>full</title><link rel="icon" href="data:,">
<script type="module">
  import { open } from "/full.js";
  const redis = await open("full", { store: "memory" });
  document.body.append(await redis.eval("return 'from Lua'", 0));
</script>`;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveFolder(PKG, { "/plain": PAGE, "/full": FULL });
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

test("a plain page imports the package without a bundler", async () => {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}plain`);
  await page.getByText("The connection is closed.").waitFor();
  expect(await page.title()).toBe("hello");
  await page.close();
});

test("the module with scripting is fetched by lodis/full alone, which fetches no other", async () => {
  const fetched = async (path: string, text: string): Promise<string[]> => {
    const page = await profile.context.newPage();
    const modules: string[] = [];
    page.on("request", (request) => {
      if (request.url().endsWith(".wasm")) modules.push(new URL(request.url()).pathname);
    });
    await page.goto(`${server.url}${path}`);
    await page.getByText(text).waitFor();
    await page.close();
    return modules;
  };
  expect(await fetched("plain", "The connection is closed.")).toEqual(["/lodis_bg.wasm"]);
  expect(await fetched("full", "from Lua")).toEqual(["/lodis_full_bg.wasm"]);
});

test("Vite's dev server serves the playground", async () => {
  const www = fileURLToPath(new URL("../../www/", import.meta.url));
  const vite = createRequire(`${www}package.json`).resolve("vite");
  const { createServer } = await import(pathToFileURL(vite).href);
  const dev = await createServer({ root: www, logLevel: "error", server: { host: "127.0.0.1", port: 0 } });
  try {
    await dev.listen();
    const { port } = dev.httpServer.address();
    const page = await profile.context.newPage();
    await page.addInitScript("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })");
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.locator(".note").first().waitFor();
    await page.close();
  } finally {
    await dev.close();
  }
});

test("close() leaves no lock and no connection behind", async () => {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}plain`);
  await page.getByText("The connection is closed.").waitFor();
  const left = await page.evaluate(async () => {
    const { open_lodis } = globalThis as unknown as { open_lodis: (name: string) => Promise<{ close(): Promise<void> }> };
    const redis = await open_lodis("closing");
    const held = (await navigator.locks.query()).held!.length;
    await redis.close();
    const after = await navigator.locks.query();
    // An open connection would block this.
    const deleted = await new Promise((resolve) => {
      const request = indexedDB.deleteDatabase("lodis:closing");
      request.onsuccess = () => resolve("deleted");
      request.onblocked = () => resolve("blocked");
    });
    return { held, after: after.held!.length + after.pending!.length, deleted };
  });
  // The lock of the name, and the tab's own.
  expect(left).toEqual({ held: 2, after: 0, deleted: "deleted" });
});
