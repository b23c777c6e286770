// Live queries in pages: across tabs of every role, frame by frame, and where there are no frames.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { launchPlain } from "./browser.js";
import { roleOf, tabsOf } from "./opening.js";

declare global {
  var followed: unknown[];
}

const { pages, tab } = tabsOf();

const follow = (page: Page, ...command: unknown[]) =>
  page.evaluate((command) => {
    globalThis.followed = [];
    redis.live(command, (reply: unknown) => followed.push(reply));
  }, command);

const tells = (page: Page, ...replies: unknown[]) =>
  expect.poll(() => page.evaluate(() => followed), { timeout: 20_000 }).toEqual(replies);

/** Keys that the engine of a tab remembers for queries. */
const remembered = (page: Page): Promise<number> =>
  page.evaluate(() => Number(/tracking_total_keys:(\d+)/.exec(redis.sync.info("stats"))![1]));

test("tabs of every role are told what any of them writes, and go on when the leader is gone", async () => {
  const leader = await tab("roles");
  const replica = await tab("roles");
  const thin = await tab("roles", { replica: false });
  const tabs = [leader, replica, thin];
  expect(await Promise.all(tabs.map(roleOf))).toEqual(["leader", "replica", "thin"]);
  for (const page of tabs) await follow(page, "GET", "k");
  for (const page of tabs) await tells(page, null);
  const replies: unknown[] = [null];
  for (const [index, page] of tabs.entries()) {
    await page.evaluate((value) => redis.set("k", value), `of ${index}`);
    replies.push(`of ${index}`);
    for (const other of tabs) await tells(other, ...replies);
  }
  expect(await remembered(replica)).toBe(1);
  await leader.close();
  await replica.evaluate(() => redis.set("k", "after"));
  for (const page of [replica, thin]) await tells(page, ...replies, "after");
  expect(await Promise.all([replica, thin].map(roleOf))).toEqual(["leader", "thin"]);
  await thin.evaluate(() => redis.del("k"));
  for (const page of [replica, thin]) await tells(page, ...replies, "after", null);
});

test("what expires is told in every tab, and nothing is left at the leader", async () => {
  const leader = await tab("expiry");
  const replica = await tab("expiry");
  const thin = await tab("expiry", { replica: false });
  for (const page of [replica, thin]) await follow(page, "GET", "k");
  for (const page of [replica, thin]) await tells(page, null);
  await leader.evaluate(() => redis.set("k", "1", { PX: 300 }));
  for (const page of [replica, thin]) await tells(page, null, "1", null);
  expect([await remembered(leader), await remembered(replica)]).toEqual([1, 1]);
  await thin.evaluate(() => redis.close());
  await replica.evaluate(() => redis.close());
  await expect.poll(() => remembered(leader), { timeout: 10_000 }).toBe(0);
});

test("an import, and a copy that is loaded anew, are told", async () => {
  const leader = await tab("import");
  const replica = await tab("import");
  await follow(replica, "GET", "k");
  await tells(replica, null);
  await leader.evaluate(async () => {
    await redis.set("k", "kept");
    const file = await redis.exportRdb();
    await redis.set("k", "gone");
    await redis.importRdb(file);
  });
  await expect.poll(() => replica.evaluate(() => followed.at(-1))).toBe("kept");
  await leader.evaluate(() => redis.set("k", "later"));
  await expect.poll(() => replica.evaluate(() => followed.at(-1))).toBe("later");
});

test("a key that changes all the time is read once a frame", async () => {
  const page = await tab("frames", { store: "memory" });
  const seen = await page.evaluate(async () => {
    let calls = 0;
    let last = "";
    redis.live(["GET", "n"], (value: string) => {
      calls++;
      last = value;
    });
    let frames = 0;
    const count = (): void => {
      frames++;
      requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    let writes = 0;
    const started = performance.now();
    const until = started + 1000;
    while (performance.now() < until) {
      for (let times = 0; times < 50; times++) redis.sync.set("n", ++writes);
      await new Promise((resolve) => setTimeout(resolve));
    }
    for (let left = 100; last !== String(writes) && left > 0; left--) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return { calls, frames, writes, last, late: (performance.now() - started) / 100 };
  });
  expect(seen.last).toBe(String(seen.writes));
  // The first reply is told at once; a frame that takes too long is not waited for.
  expect(seen.calls).toBeLessThanOrEqual(seen.frames + seen.late + 2);
  expect(seen.writes).toBeGreaterThan(seen.calls * 10);
});

test("a page that nobody looks at is told too", async () => {
  const plain = await launchPlain();
  try {
    const hidden = await tab("hidden", {}, plain);
    await follow(hidden, "GET", "k");
    await tells(hidden, null);
    const shown = await tab("hidden", {}, plain);
    await shown.bringToFront();
    await expect.poll(() => hidden.evaluate(() => document.visibilityState)).toBe("hidden");
    await shown.evaluate(() => redis.set("k", "1"));
    await tells(hidden, null, "1");
  } finally {
    pages.length = 0;
    await plain.stop();
  }
});

test("a page whose frames do not come is told too", async () => {
  const page = await tab("late", { store: "memory" });
  await page.evaluate(() => {
    globalThis.requestAnimationFrame = () => 0;
  });
  await follow(page, "GET", "k");
  await tells(page, null);
  await page.evaluate(() => redis.set("k", "1"));
  await tells(page, null, "1");
});
