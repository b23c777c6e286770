// Tabs of Chromium, each a process of its own, that share a name, and end in every way there is.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Chromium } from "./tabs/chromium.js";
import { coreTests } from "./tabs/core.js";
import { Group, serveTabs } from "./tabs/tab.js";

const KILLS = Number(process.env.LODIS_KILLS ?? 6);
const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));
/** A longer form counts further, so that there is counting when leaders end. */
const COUNT = Math.max(10_000, 5000 * (KILLS - 6));
const TIMEOUT = 120_000 + KILLS * 20_000;

let server: Awaited<ReturnType<typeof serveTabs>>;
let browser: Chromium;
let group: Group;

beforeAll(async () => {
  server = await serveTabs();
  browser = await Chromium.start();
});
afterEach(() => group?.end());
afterAll(async () => {
  await browser?.end();
  await server?.close();
  expect(browser.problems).toEqual([]);
});

/** A test with tabs of a name of its own. */
function tabs(title: string, run: (group: Group) => Promise<void>): void {
  test(title, { timeout: TIMEOUT }, async () => {
    group = new Group(browser, server.url, title);
    await run(group);
    await group.expectNoProblems();
  });
}

coreTests(tabs, { tabs: 8, count: COUNT, jobs: 10_000, ends: KILLS, seed: SEED, keepsPages: true });
