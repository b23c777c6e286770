// What tests of the key browser begin with: a tab with a terminal, and another one for the keys.
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { end, launch, Playground, type Profile, WWW, withoutHistory } from "./browser.js";
import { serveFolder } from "./serving.js";

/** Begins the tests of a file; every one has no keys at first, and a tab of its own. */
export function keysSuite() {
  let server: Awaited<ReturnType<typeof serveFolder>>;
  let profile: Profile;
  let other: Playground;
  let page: Page;

  beforeAll(async () => {
    server = await serveFolder(WWW);
    profile = await launch();
    await withoutHistory(profile);
    other = await Playground.open(profile, server.url);
  });
  afterAll(async () => {
    await end(profile);
    await server.close();
  });
  beforeEach(async () => {
    if (other.page.isClosed()) other = await Playground.open(profile, server.url);
    await other.type("FLUSHALL");
    page = await profile.context.newPage();
  });
  afterEach(async () => {
    // Once all others are gone, the terminal's tab leads, or the one that is opened next.
    for (const one of profile.context.pages()) if (one !== other.page && one.url().startsWith(server.url)) await one.close();
    expect(profile.problems).toEqual([]);
  });

  const detail = (): Locator => page.getByRole("region", { name: "Key", exact: true });
  const dialog = (): Locator => page.getByRole("dialog");
  const press = (name: string, within: Locator | Page = page): Promise<void> => within.getByRole("button", { name, exact: true }).click();
  return {
    /** A tab with a terminal, which leads. */
    get other(): Playground {
      return other;
    },
    get page(): Page {
      return page;
    },
    get url(): string {
      return server.url;
    },
    /** Another tab with a terminal. */
    open: (): Promise<Playground> => Playground.open(profile, server.url),
    /** Closes the tab that leads. */
    async leave(): Promise<void> {
      await other.page.close();
    },
    detail,
    dialog,
    press,
    row: (name: string): Locator => page.getByRole("treeitem", { name, exact: false }),

    /** Opens the keys, and what they name. */
    async keys(path = ""): Promise<void> {
      await page.goto(`${server.url}#/keys${path}`);
      await page.getByRole("tree", { name: "Keys" }).waitFor();
    },

    /** Fills a dialog, and has it done. */
    async fill(values: Readonly<Record<string, string>>, action: string): Promise<void> {
      for (const [label, value] of Object.entries(values)) {
        const control = dialog().getByLabel(label, { exact: true });
        if (await control.evaluate((one) => one.tagName === "SELECT")) await control.selectOption(value);
        else await control.fill(value);
      }
      await press(action, dialog());
    },

    async done(): Promise<void> {
      await dialog().waitFor({ state: "detached" });
    },

    /** What the first table of a key shows. */
    cells(): Promise<string[][]> {
      return detail().locator("tbody").first().locator("tr").evaluateAll((rows) => rows.map((one) => Array.from(one.querySelectorAll("td:not(.actions)"), (cell) => cell.textContent ?? "")));
    },
  };
}
