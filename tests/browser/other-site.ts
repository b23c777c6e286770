// Pages of a site that is not the playground's, and shows its terminal.
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { end, launch, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

/** To be looked at. */
export const PICTURES = fileURLToPath(new URL("../../target/screenshots", import.meta.url));

type Site = Awaited<ReturnType<typeof serveFolder>>;

/** What tests of a file share. */
export interface OtherSite {
  playground: Site;
  site: Site;
  profile: Profile;
  /** A fresh one for each test. */
  page: Page;
  /** What the site serves, by path. */
  readonly pages: Record<string, string>;
}

/** Serves both, for the tests of this file. Of the page's problems, `isExpected` tells which are none. */
export function otherSite(isExpected: (problem: string) => boolean = () => false): OtherSite {
  const pages: Record<string, string> = {};
  const shared = { pages } as OtherSite;
  beforeAll(async () => {
    await mkdir(PICTURES, { recursive: true });
    shared.playground = await serveFolder(WWW, {}, true);
    shared.site = await serveFolder("/nowhere", pages);
    shared.profile = await launch();
  });
  afterAll(async () => {
    await end(shared.profile);
    await Promise.all([shared.playground.close(), shared.site.close()]);
  });
  beforeEach(async () => {
    shared.page = await shared.profile.context.newPage();
  });
  afterEach(async () => {
    await shared.page.close();
    expect(shared.profile.problems.splice(0).filter((problem) => !isExpected(problem))).toEqual([]);
  });
  return shared;
}
