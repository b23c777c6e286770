// Tabs of Firefox, each a process of its own, that share a name: the core of what Chromium's are tried in.
import { afterAll, afterEach, beforeAll, test } from "vitest";
import { coreTests } from "../browser/tabs/core.js";
import { Group, serveTabs } from "../browser/tabs/tab.js";
import { Firefox } from "./firefox.js";

const KILLS = Number(process.env.LODIS_KILLS ?? 3);
const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));
/** A longer form counts further, so that there is counting when leaders end. */
const COUNT = Math.max(10_000, 5000 * (KILLS - 3));
const TIMEOUT = 120_000 + KILLS * 20_000;

let server: Awaited<ReturnType<typeof serveTabs>>;
let browser: Firefox;
let group: Group;

beforeAll(async () => {
  server = await serveTabs();
  browser = await Firefox.start();
});
afterEach(() => group?.end());
afterAll(async () => {
  await browser?.end();
  await server?.close();
});

/** A test with tabs of a name of its own. */
function tabs(title: string, run: (group: Group) => Promise<void>): void {
  test(title, { timeout: TIMEOUT }, async () => {
    group = new Group(browser, server.url, title);
    await run(group);
    await group.expectNoProblems();
  });
}

coreTests(tabs, { tabs: 5, count: COUNT, jobs: 2000, ends: KILLS, seed: SEED, keepsPages: false });
