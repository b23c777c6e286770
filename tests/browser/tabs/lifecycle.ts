// What browsers do to pages: keep them to go back to, freeze them, let them hold up their own thread.
import { expect } from "vitest";
import { becomes, type Group, type Tab, until } from "./tab.js";

const run = <T = unknown>(tab: Tab, ...words: string[]) => tab.call<T>("run", ...words);

/** Whether the page was kept when it was left; it was loaded anew if not. */
async function wasKept(tab: Tab): Promise<boolean> {
  const shown = (await tab.call<string[]>("shown")).filter((event) => event.startsWith("page"));
  if (shown.length === 1) return false;
  expect(shown, "what became of the page").toEqual(["pageshow not kept", "pagehide kept", "pageshow kept"]);
  return true;
}

/**
 * A tab that is left and gone back to goes on, and has what happened meanwhile. Where it `mustBeKept`,
 * it is the same page.
 */
export async function backAndForth(group: Group, who: "leader" | "follower", mustBeKept: boolean): Promise<void> {
  await group.openMany(2);
  const tab = await group[who]();
  const other = group.live.find((each) => each !== tab)!;
  await run(tab, "SET", "before", "1");
  await tab.call("subscribe", "channel", "news");
  await tab.leave();
  expect(await run(other, "GET", "before")).toBe("1");
  for (let i = 0; i < 100; i++) await run(other, "INCR", "meanwhile");
  await becomes(() => run(other, "PUBLISH", "news", "unheard"), 0);
  await tab.back();
  const isKept = await wasKept(tab);
  if (mustBeKept) expect(isKept, "that the page was kept").toBe(true);
  expect(await run(tab, "GET", "meanwhile")).toBe("100");
  expect(await run(tab, "INCR", "meanwhile")).toBe(101);
  expect(await run(other, "GET", "meanwhile")).toBe("101");
  if (!isKept) await tab.call("subscribe", "channel", "news");
  await becomes(() => run(other, "PUBLISH", "news", "heard"), 1);
  await becomes(() => tab.call("heard"), [["channel", "news", "heard"]]);
  await group.leader();
}

/** The only tab is left and gone back to: it has the data again. */
export async function backAlone(group: Group, mustBeKept: boolean): Promise<void> {
  const tab = await group.open();
  expect(await run(tab, "INCR", "n")).toBe(1);
  await tab.leave();
  await tab.back();
  const isKept = await wasKept(tab);
  if (mustBeKept) expect(isKept, "that the page was kept").toBe(true);
  expect(await run(tab, "INCR", "n")).toBe(2);
  await group.leader();
}

/** A tab that is reloaded comes back to what all of them have. */
export async function reloading(group: Group): Promise<void> {
  await group.openMany(3);
  for (let i = 1; i <= 4; i++) {
    const leader = await group.leader();
    expect(await run(leader, "INCR", "n")).toBe(i * 2 - 1);
    await leader.reload();
    expect(await run(leader, "INCR", "n")).toBe(i * 2);
    for (const tab of group.live) expect(await run(tab, "GET", "n")).toBe(String(i * 2));
  }
}

/** The thread of the tab that has the data does something else for long. */
export async function blockedThread(group: Group, ms: number): Promise<void> {
  await group.openMany(3);
  const leader = await group.leader();
  const others = group.live.filter((tab) => tab !== leader);
  await run(leader, "SET", "n", "0");
  await leader.call("block", ms);
  for (const tab of others) await tab.call("begin", "INCR", "n");
  const looks = await until("all replies", async () => {
    const looks = await group.looks(others);
    return looks.every(({ later }) => later) ? looks : undefined;
  });
  expect(looks.map(({ later }) => later!.reply).sort(), "what both were answered").toEqual([1, 2]);
  // Once its thread is free, it sees what has become of the data.
  expect(await run(leader, "INCR", "n")).toBe(3);
  for (const tab of group.live) expect(await run(tab, "GET", "n")).toBe("3");
}
