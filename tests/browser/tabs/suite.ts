// What every file of tests of tabs begins and ends with.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Browser, Group, serveTabs } from "./tab.js";

export const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));

/** How many tabs end in a test. */
export const endings = (usual: number): number => Number(process.env.LODIS_KILLS ?? usual);

/** Adds a test with tabs of a name of its own, which are opened with `options`. */
export type TabsTest = (title: string, run: (group: Group) => Promise<void>, options?: object) => void;

/** The tests of this file are of tabs of the browser that `start` starts. */
export function tabsOf(start: () => Promise<Browser>, ends: number): TabsTest {
  let server: Awaited<ReturnType<typeof serveTabs>>;
  let browser: Browser;
  let group: Group;

  beforeAll(async () => {
    server = await serveTabs();
    browser = await start();
  });
  afterEach(() => group?.end());
  afterAll(async () => {
    await browser?.end();
    await server?.close();
    expect(browser.problems).toEqual([]);
  });

  return (title, run, options) =>
    test(title, { timeout: 120_000 + ends * 20_000 }, async () => {
      group = new Group(browser, server.url, title, options);
      await run(group);
      await group.expectNoProblems();
    });
}
