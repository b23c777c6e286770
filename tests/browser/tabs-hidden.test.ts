// Tabs of Chromium that nobody looks at: they get less time, and are frozen.
import { expect } from "vitest";
import { Chromium, type ChromiumTab } from "./tabs/chromium.js";
import { countWhileLeadersEnd, countWhileLeaderStops } from "./tabs/counting.js";
import { workWhileTabsEnd } from "./tabs/queueing.js";
import { endings, SEED, tabsOf } from "./tabs/suite.js";
import type { Tab } from "./tabs/tab.js";

const ends = endings(2);
const tabs = tabsOf(() => Chromium.startPlain(), ends);

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

tabs("the sum is right when the leader is frozen, and resumed", (group) =>
  countWhileLeaderStops(group, 2000, SEED, freeze),
);
tabs(
  "the sum is right when an `always` leader is frozen, and resumed",
  (group) => countWhileLeaderStops(group, 400, SEED, freeze),
  { appendfsync: "always" },
);
tabs("the sum of hidden tabs is right", (group) => countWhileLeadersEnd(group, 4, 2000, ends, SEED));
tabs("jobs are all handled by hidden tabs", (group) => workWhileTabsEnd(group, "move", 1000, ends));
