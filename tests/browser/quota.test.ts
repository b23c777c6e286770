// A store that may not grow: writes are refused, reads go on, and it recovers by itself.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CDPSession, Page } from "playwright-core";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const PAGE = `<!doctype html><title>quota</title><link rel="icon" href="data:,">
<script type="module">
  import { deleteStore, open } from "/index.js";
  globalThis.deleteStore = deleteStore;
  globalThis.noise = (length) => crypto.getRandomValues(new Uint8Array(length));
  globalThis.begin = async (appendfsync) => {
    globalThis.redis = await open("quota", { appendfsync });
    globalThis.states = [];
    for (const state of ["saved", "failed"]) redis.on(state, ({ state, reason }) => states.push([state, reason]));
  };
</script>`;

declare global {
  // What the page of this file has.
  function begin(appendfsync: string): Promise<void>;
  function deleteStore(name: string): Promise<void>;
  function noise(length: number): Uint8Array;
  var redis: any;
  var states: [string, string | undefined][];
}

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let page: Page;
let session: CDPSession;

beforeEach(async () => {
  server = await serveFolder(PKG, { "/quota": PAGE });
  await start();
});
afterEach(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

/** Starts the browser, with the profile that there was. */
async function start(folder?: string): Promise<void> {
  profile = await launch(folder);
  page = await profile.context.newPage();
  session = await profile.context.newCDPSession(page);
}

/**
 * Sets how many bytes the origin may store, or takes the limit back. Chromium asks for the limit when
 * a store is opened, and when what was left of it then is used up: set it before opening.
 */
const limit = (quotaSize?: number) =>
  session.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).origin, quotaSize });

const begin = async (appendfsync: string) => {
  await page.goto(`${server.url}quota`);
  await page.waitForFunction(() => "begin" in globalThis);
  await page.evaluate((appendfsync) => globalThis.begin(appendfsync), appendfsync);
};

/** Fields of INFO. */
const info = (field: string): Promise<string | undefined> =>
  page.evaluate((field) => redis.sync.info("persistence").split("\r\n").find((line: string) => line.startsWith(field)), field);

/** Sets keys until one is refused; answers those that were not, and why. */
const fill = () =>
  page.evaluate(async () => {
    const stored: string[] = [];
    for (let i = 0; i < 1000; i++) {
      try {
        await redis.set(`key:${i}`, noise(50_000));
        stored.push(`key:${i}`);
      } catch (error) {
        return { stored, why: String(error) };
      }
      // Where writes do not wait for the store, let it catch up.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error("nothing was refused");
  });

for (const appendfsync of ["always", "everysec"]) {
  test(`under ${appendfsync}, writes are refused while the quota is exceeded, and reads are not`, async () => {
    await limit(2_000_000);
    await begin(appendfsync);
    const { stored, why } = await fill();
    expect(why).toMatch(/^ReplyError: MISCONF .*QuotaExceededError/);
    expect(stored.length).toBeGreaterThan(10);
    expect(await page.evaluate(() => redis.set("more", "x").catch((error: any) => error.code))).toBe("MISCONF");
    expect(await page.evaluate((keys) => redis.exists(keys), stored)).toBe(stored.length);
    expect(await page.evaluate(() => redis.persistence)).toEqual({ state: "failed", reason: expect.stringContaining("Quota") });
    expect(await page.evaluate(() => states.at(-1))).toEqual(["failed", expect.stringContaining("Quota")]);
    expect(await info("aof_last_write_status")).toBe("aof_last_write_status:err");
    expect(await info("aof_last_write_error")).toContain("Quota");

    await limit();
    await page.waitForFunction(() => states.at(-1)![0] === "saved");
    expect(await info("aof_last_write_status")).toBe("aof_last_write_status:ok");
    expect(await page.evaluate(() => redis.set("after", "x"))).toBe("OK");
    await page.evaluate(() => redis.waitaof(1, 0, 0));

    await begin(appendfsync);
    expect(await page.evaluate((keys) => redis.exists(keys), [...stored, "after"])).toBe(stored.length + 1);
    expect(await page.evaluate(() => redis.exists("more"))).toBe(0);
  });
}

test("a store that is full can be opened and read, and is claimed once there is room", async () => {
  await begin("always");
  await page.evaluate(() => redis.set("before", noise(50_000)));
  await profile.context.close();
  const { folder, problems } = profile;
  await start(folder);
  profile.problems.push(...problems);
  await limit(1000);
  await begin("always");
  expect(await page.evaluate(() => redis.strlen("before"))).toBe(50_000);
  expect(await page.evaluate(() => redis.persistence)).toEqual({ state: "failed", reason: expect.stringContaining("Quota") });
  expect(await page.evaluate(() => redis.set("full", "x").catch(String))).toMatch(/MISCONF .*Quota/);
  await limit();
  // By itself: nothing is called.
  await page.waitForFunction(() => states.at(-1)?.[0] === "saved");
  expect(await page.evaluate(() => redis.set("after", "x"))).toBe("OK");
  await begin("always");
  expect(await page.evaluate(() => redis.exists(["before", "full", "after"]))).toBe(2);
});

test("a store that is full can be deleted", async () => {
  await limit(2_000_000);
  await begin("always");
  await fill();
  await page.evaluate(() => redis.close().catch(() => {}));
  await page.evaluate(() => deleteStore("quota"));
  expect(await page.evaluate(() => indexedDB.databases())).toEqual([]);
  // Chromium gives the space back when it likes.
  await limit();
  await begin("always");
  expect(await page.evaluate(() => redis.dbsize())).toBe(0);
  expect(await page.evaluate(() => redis.set("after", noise(50_000)))).toBe("OK");
});

test("a rewrite that has no room is given up, and the log goes on as it was", async () => {
  await limit(3_000_000);
  await begin("always");
  const keys = await page.evaluate(async () => {
    const keys = Array.from({ length: 36 }, (_, i) => `key:${i}`);
    for (const key of keys) await redis.set(key, noise(50_000));
    return keys;
  });
  await page.evaluate(() => redis.bgrewriteaof());
  await expect.poll(() => info("aof_last_bgrewrite_status"), { timeout: 20_000 }).toBe("aof_last_bgrewrite_status:err");
  expect(await info("aof_last_bgrewrite_error")).toContain("Quota");
  expect(await info("aof_base_size")).toBe("aof_base_size:0");
  // What was written of the base is gone, and makes room.
  await expect.poll(() => page.evaluate(() => redis.set("after", noise(50_000)).catch(String)), { timeout: 20_000 }).toBe("OK");
  await begin("always");
  expect(await page.evaluate((keys) => redis.exists(keys), [...keys, "after"])).toBe(keys.length + 1);
});
