// What tests of tabs share: pages of one browser that have the package, and open a name with it.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

declare global {
  // What the pages have.
  var lodis: any;
  var redis: any;
}

const PAGE = `<!doctype html><title>tab</title><link rel="icon" href="data:,">
<script type="module">globalThis.lodis = await import("/index.js");</script>`;

/** Opens tabs for the tests of a file, which see to it that nothing is complained of. */
export function tabsOf() {
  let server: Awaited<ReturnType<typeof serveFolder>>;
  let profile: Profile;
  const pages: Page[] = [];

  beforeAll(async () => {
    server = await serveFolder(PKG, { "/page": PAGE });
    profile = await launch();
  });
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.close()));
  });
  afterAll(async () => {
    await end(profile);
    await server.close();
    expect(profile.problems).toEqual([]);
  });

  /** A tab with the package, and with `name` open unless that is left out; perhaps of another browser. */
  async function tab(name?: string, options: object = {}, browser = profile): Promise<Page> {
    const page = await browser.context.newPage();
    pages.push(page);
    await page.goto(`${server.url}page`);
    await page.waitForFunction(() => "lodis" in globalThis);
    if (name !== undefined) await openIn(page, name, options);
    return page;
  }

  return {
    tab,
    /** The browser's. */
    context: () => profile.context,
    /** The pages that are closed after a test; who has closed them already, forgets them. */
    pages,
  };
}

/** Opens a name in a page. */
export function openIn(page: Page, name: string, options: object = {}): Promise<void> {
  return page.evaluate(
    async ([name, options]) => {
      globalThis.redis = await lodis.open(name, options);
    },
    [name, options] as const,
  );
}

/** Who has the data. */
export const roleOf = (page: Page): Promise<string> => page.evaluate(() => redis.role);
