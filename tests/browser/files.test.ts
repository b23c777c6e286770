// RDB files in a page with a store: what was imported is there after a crash, all of it or nothing.
import { open } from "lodis";
import type { Page } from "playwright-core";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { end, killBrowser, killPages, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const KEYS = 30_000;
const PAGE = `<!doctype html><title>files</title><link rel="icon" href="data:,"><input type="file">
<script type="module">
  import { open } from "/index.js";
  globalThis.begin = async (appendfsync) => {
    globalThis.progress = [];
    globalThis.redis = await open("files", { appendfsync, onProgress: (done) => progress.push(done) });
  };
  const chosen = () => document.querySelector("input").files[0];
  globalThis.importChosen = () => redis.importRdb(chosen());
  // The rest never comes.
  globalThis.importMost = async () => {
    const bytes = new Uint8Array(await chosen().slice(0, -100).arrayBuffer());
    return redis.importRdb(new ReadableStream({ start: (stream) => stream.enqueue(bytes) }));
  };
</script>`;

declare global {
  // What the page of this file has.
  function begin(appendfsync: string): Promise<void>;
  function importChosen(): Promise<{ keys: number }>;
  function importMost(): Promise<{ keys: number }>;
  var redis: any;
  var progress: number[];
}

let file: Buffer;
let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  await using redis = await open("to be exported");
  const pipeline = redis.pipeline();
  for (let index = 0; index < KEYS; index++) pipeline.set(`new:${index}`, `value ${index}`);
  await pipeline.exec();
  file = Buffer.from(await (await redis.exportRdb()).arrayBuffer());
});
beforeEach(async () => {
  server = await serveFolder(PKG, { "/files": PAGE });
  profile = await launch();
});
afterEach(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

/** A page that has opened the store, and the file that a user has chosen. */
async function begin(appendfsync = "everysec"): Promise<Page> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}files`);
  await page.waitForFunction(() => "begin" in globalThis);
  await page.locator("input").setInputFiles({ name: "dump.rdb", mimeType: "", buffer: file });
  await page.evaluate((appendfsync) => globalThis.begin(appendfsync), appendfsync);
  return page;
}

const write = (page: Page, key: string) => page.evaluate((key) => redis.set(key, "1"), key);
const keys = (page: Page, pattern: string): Promise<string[]> =>
  page.evaluate((pattern) => redis.keys(pattern), pattern);

test.each(["always", "everysec", "no"])("what was imported survives a crash (appendfsync %s)", async (appendfsync) => {
  let page = await begin(appendfsync);
  await write(page, "old");
  expect(await page.evaluate(() => importChosen())).toEqual({
    keys: KEYS,
    version: 10,
    skipped: { expired: 0, empty: 0, functions: 0 },
  });
  expect(await page.evaluate(() => redis.persistence.state)).toBe("saved");
  await write(page, "after");
  await page.evaluate(() => redis.waitAof(1, 0, 0));
  profile = await killBrowser(profile);
  page = await begin(appendfsync);
  expect(await keys(page, "[ao]*")).toEqual(["after"]);
  expect(await page.evaluate(() => redis.dbSize())).toBe(KEYS + 1);
  expect(await page.evaluate((last) => redis.get(`new:${last}`), KEYS - 1)).toBe(`value ${KEYS - 1}`);
  const told = await page.evaluate(() => progress);
  expect(told.length).toBeGreaterThan(1);
  expect(told).toEqual([...told].sort((a, b) => a - b));
  expect(told.at(-1)).toBe(1);
});

test("whoever is killed while importing finds all of the file or what there was", async () => {
  const found = new Set<string>();
  // First without its end: how far another import has come by the time of its kill, the machine decides.
  for (const [delay, isWhole] of [[100, false], [0, true], [30, true], [60, true], [120, true], [10_000, true]] as const) {
    let page = await begin("always");
    await page.evaluate(() => redis.flushAll());
    await write(page, "old");
    const imported = page.evaluate(async (isWhole) => {
      await (isWhole ? importChosen() : importMost());
      return true;
    }, isWhole);
    const wrote = page.evaluate(async () => {
      // Writes go on, and some of them come after the import.
      for (let index = 0; ; index++) await redis.set(`meanwhile:${index}`, "1");
    });
    const resolved = imported.catch(() => false);
    wrote.catch(() => {});
    const isImported = await Promise.race([resolved, new Promise<false>((resolve) => setTimeout(() => resolve(false), delay))]);
    await killPages(profile);
    page = await begin("always");
    const [all, old] = [(await keys(page, "new:*")).length, await keys(page, "old")];
    expect([all, old]).toEqual(old.length > 0 ? [0, ["old"]] : [KEYS, []]);
    if (isImported || !isWhole) expect(all).toBe(isWhole ? KEYS : 0);
    found.add(old.length > 0 ? "old" : "new");
    await page.close();
  }
  expect([...found].sort()).toEqual(["new", "old"]);
});

test("what cannot be stored is here, refuses writes, and is stored once there is room", async () => {
  await using large = await open("large");
  for (let index = 0; index < 60; index++) await large.set(`new:${index}`, crypto.getRandomValues(new Uint8Array(50_000)));
  const whole = file;
  file = Buffer.from(await (await large.exportRdb()).arrayBuffer());
  try {
    // The limit goes with the page that has asked for it.
    const limit = async () => {
      const session = await profile.context.newCDPSession(await profile.context.newPage());
      const { origin } = new URL(server.url);
      await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 2_000_000 });
      return () => session.send("Storage.overrideQuotaForOrigin", { origin });
    };
    await limit();
    let page = await begin("always");
    await write(page, "old");
    const refusal = () => page.evaluate(() => importChosen().catch((error) => error.message));
    expect(await refusal()).toMatch(/^MISCONF .*Quota/);
    expect(await page.evaluate(() => redis.dbSize())).toBe(60);
    expect(await page.evaluate(() => redis.persistence.state)).toBe("failed");
    expect(await write(page, "meanwhile").catch(String)).toMatch(/MISCONF/);
    // Another import does not get that far.
    expect(await refusal()).toMatch(/^MISCONF .*Quota/);
    // What is in the store is what was there before.
    await killPages(profile);
    const lift = await limit();
    page = await begin("always");
    expect(await keys(page, "*")).toEqual(["old"]);
    expect(await refusal()).toMatch(/^MISCONF .*Quota/);
    await lift();
    await page.waitForFunction(() => redis.persistence.state === "saved");
    await write(page, "after");
    await killPages(profile);
    page = await begin("always");
    expect(await page.evaluate(() => redis.dbSize())).toBe(61);
    expect(await keys(page, "[ao]*")).toEqual(["after"]);
  } finally {
    file = whole;
  }
});

test("an export waits while the log is rewritten, and is whole", async () => {
  const page = await begin();
  await page.evaluate(() => importChosen());
  const exported = await page.evaluate(async () => {
    await redis.bgRewriteAof();
    const before = (await redis.info("persistence")).includes("aof_rewrite_in_progress:1");
    const file = await redis.exportRdb();
    await redis.waitAof(1, 0, 0);
    return [before, [...new Uint8Array(await file.arrayBuffer())]] as const;
  });
  expect(exported[0]).toBe(true);
  await using copy = await open("exported");
  expect(await copy.importRdb(new Uint8Array(exported[1]))).toMatchObject({ keys: KEYS });
  expect(await page.evaluate(() => redis.info("persistence"))).toContain("aof_last_bgrewrite_status:ok");
});

test("a tab that does not lead says so", async () => {
  const leader = await begin();
  await write(leader, "old");
  const replica = await begin();
  for (const method of ["exportRdb", "exportAof", "importRdb"]) {
    const error = await replica.evaluate(
      (method) => redis[method](new Blob([])).catch((error: Error) => error.message),
      method,
    );
    expect(error).toMatch(/^READONLY Another tab leads/);
  }
  expect(await keys(leader, "*")).toEqual(["old"]);
});
