// Tabs of Chromium that nobody looks at: they get less time, and are frozen.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Chromium, type ChromiumTab } from "./tabs/chromium.js";
import { countWhileLeadersEnd, countWhileLeaderStops } from "./tabs/counting.js";
import { workWhileTabsEnd } from "./tabs/queueing.js";
import { Group, serveTabs, type Tab } from "./tabs/tab.js";

const KILLS = Number(process.env.LODIS_KILLS ?? 2);
const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));
const TIMEOUT = 120_000 + KILLS * 20_000;

let server: Awaited<ReturnType<typeof serveTabs>>;
let browser: Chromium;
let group: Group;

beforeAll(async () => {
  server = await serveTabs();
  browser = await Chromium.startPlain();
});
afterEach(() => group?.end());
afterAll(async () => {
  await browser?.end();
  await server?.close();
  expect(browser.problems).toEqual([]);
});

/** A test with tabs of a name of its own. */
function tabs(title: string, options: object, run: (group: Group) => Promise<void>): void {
  test(title, { timeout: TIMEOUT }, async () => {
    group = new Group(browser, server.url, title, options);
    await run(group);
    await group.expectNoProblems();
  });
}

async function freeze(tab: Tab): Promise<() => Promise<void>> {
  const { page } = tab as ChromiumTab;
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  return async () => {
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await session.detach();
    expect(await tab.call("shown"), "what became of the page").toEqual(expect.arrayContaining(["freeze", "resume"]));
  };
}

tabs("the sum is right when the leader is frozen, and resumed", {}, (group) =>
  countWhileLeaderStops(group, 2000, SEED, freeze),
);
tabs("the sum of hidden tabs is right", {}, (group) => countWhileLeadersEnd(group, 4, 2000, KILLS, SEED));
tabs("jobs are all handled by hidden tabs", {}, (group) => workWhileTabsEnd(group, "move", 1000, KILLS));
