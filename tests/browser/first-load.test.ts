// The first visit of the playground, with an empty cache: what comes over the wire, and in which order.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveAsHost } from "./serving.js";

/** All that the page may load until it can be used and the network is quiet, in brotli, with headers: bytes. */
const MOST = 400_000;

let server: Awaited<ReturnType<typeof serveAsHost>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveAsHost(WWW, "/some/folder/");
});
afterAll(() => server.close());
beforeEach(async () => {
  server.sent.length = 0;
  profile = await launch();
});
afterEach(async () => {
  expect(profile.problems).toEqual([]);
  await end(profile);
});

interface Loaded {
  readonly path: string;
  /** With headers, as it came over the wire. */
  readonly bytes: number;
  /** Whether the browser has asked for it because of a script. */
  readonly byScript: boolean;
  readonly encoding: string | undefined;
}

/** What a page itself loads from now on: its service worker is not the page. */
async function watch(page: Page): Promise<Loaded[]> {
  const loaded: Loaded[] = [];
  const session = await page.context().newCDPSession(page);
  const asked = new Map<string, { path: string; byScript: boolean; encoding?: string | undefined }>();
  session.on("Network.requestWillBeSent", ({ requestId, request, initiator }) => {
    const { protocol, pathname } = new URL(request.url);
    if (protocol !== "data:") asked.set(requestId, { path: pathname, byScript: initiator.type === "script" });
  });
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const known = asked.get(requestId);
    if (known) known.encoding = Object.entries(response.headers).find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const { path, byScript, encoding } = asked.get(requestId) ?? {};
    if (path !== undefined && encodedDataLength > 0) loaded.push({ path, bytes: encodedDataLength, byScript: byScript!, encoding });
  });
  await session.send("Network.enable");
  return loaded;
}

const sum = (all: readonly { readonly bytes: number }[]): number => all.reduce((bytes, one) => bytes + one.bytes, 0);

test("it loads little, in one go, and all of it compressed", async () => {
  const page = await profile.context.newPage();
  await page.addInitScript(() => {
    const look = () => {
      if (document.querySelector(".note")) Object.assign(globalThis, { usableMs: performance.now() });
      else requestAnimationFrame(look);
    };
    look();
  });
  const loaded = await watch(page);
  await page.goto(server.url);
  const play = new Playground(page);
  await play.ready();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.waitForLoadState("networkidle");
  expect(await play.type("PING")).toBe("PONG");
  const bytes = sum(loaded);
  const kept = sum(server.sent) - sum(loaded.filter(({ bytes }) => bytes > 0));
  const usableMs = await page.evaluate(() => Math.round((globalThis as unknown as { usableMs: number }).usableMs));
  const list = loaded.map((one) => `  ${String(one.bytes).padStart(7)}  ${one.path}`).join("\n");
  console.log(`first load: ${bytes} bytes, usable after ${usableMs} ms; what the service worker fetched besides: ${Math.max(0, kept)} bytes\n${list}`);
  expect(bytes, list).toBeLessThanOrEqual(MOST);
  expect(loaded.filter(({ encoding }) => encoding !== "br")).toEqual([]);
  expect(new Set(loaded.map(({ path }) => path)).size, "nothing is loaded twice").toBe(loaded.length);
  const late = loaded.filter(({ path, byScript }) => byScript && path !== "/some/folder/sw.js");
  expect(late, "what the page needs is known from its first lines on").toEqual([]);
});

test("what is typed before there is a store is run when there is one", async () => {
  const page = await profile.context.newPage();
  let go: () => void = () => {};
  const typed = new Promise<void>((resolve) => {
    go = resolve;
  });
  await page.route("**/*.wasm", async (route) => {
    await typed;
    await route.continue();
  });
  await page.goto(server.url, { waitUntil: "commit" });
  await page.getByLabel("Command", { exact: true }).fill("PING");
  await page.keyboard.press("Enter");
  expect(await page.locator(".reply").count()).toBe(0);
  go();
  await page.locator(".reply", { hasText: "PONG" }).waitFor();
  expect(await page.locator(".error").count()).toBe(0);
});

test("what is typed where no store can be opened is answered that there is none", async () => {
  await profile.context.route("**/*.wasm", (route) => route.fulfill({ status: 200, contentType: "application/wasm", body: "" }));
  const page = await profile.context.newPage();
  await page.goto(server.url);
  await page.getByLabel("Command", { exact: true }).fill("PING");
  await page.keyboard.press("Enter");
  await page.locator(".error", { hasText: "There is no open store." }).waitFor();
  await expect.poll(() => page.locator("#persistence").innerText()).toBe("Not opened");
  profile.problems.length = 0;
});

test("beside each file lies the same one, compressed", async () => {
  const all = await readdir(WWW, { recursive: true });
  const files = all.filter((name) => /\.(html|js|css|wasm)$/.test(name));
  expect(files.length).toBeGreaterThan(10);
  for (const name of files) {
    const [plain, brotli, gzip] = await Promise.all(["", ".br", ".gz"].map((end) => readFile(join(WWW, name) + end)));
    expect(brotliDecompressSync(brotli!).equals(plain!), `${name}.br`).toBe(true);
    expect(gunzipSync(gzip!).equals(plain!), `${name}.gz`).toBe(true);
  }
});
