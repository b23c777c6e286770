// What the tests of frameworks share: pages with an app, and what they show.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { end, launch, type Profile } from "./browser.js";
import { onServer, serveApp } from "./frameworks.js";

/** What the pages of an app have as `app`: this, and what is of their framework. */
interface App {
  React: typeof import("react");
  createRoot: typeof import("react-dom/client").createRoot;
  inReact: typeof import("lodis/react");
  vue: typeof import("vue");
  inVue: typeof import("lodis/vue");
  svelte: typeof import("svelte");
  inSvelte: typeof import("lodis/svelte");
  /** Components of Svelte, by name. */
  components: Record<string, import("svelte").Component<Record<string, unknown>>>;
  lodis: typeof import("lodis");
  redis: import("lodis").Redis;
  /** What was rendered, one after the other. */
  rendered: unknown[];
  /** Ends what was rendered. */
  end: () => void;
  /** Changes what is rendered. */
  set: (value: never) => void;
}

declare global {
  var app: App;
  /** Makes a page what the server has rendered. */
  var hydrate: () => Promise<void>;
  var paragraph: Element | null;
}

interface Apps {
  /** The script of most pages, which sets `app`. */
  readonly app: string;
  /** The one of a page that the server has rendered, which sets `hydrate`. */
  readonly hydrated: string;
  /** The server's, which exports a promise of the page as `html`. */
  readonly server: string;
  readonly components?: Record<string, string>;
}

/** Serves an app for the tests of a file; they see to it that nothing is complained of. */
export function pagesOf({ app: script, hydrated, server, components }: Apps) {
  let servers: Awaited<ReturnType<typeof serveApp>>[] = [];
  let profile: Profile;
  const pages: Page[] = [];
  const html = { text: "" };

  beforeAll(async () => {
    html.text = await (await onServer<{ html: Promise<string> }>(server, components)).html;
    servers = [
      await serveApp(script, { "/page": '<div id="root"></div>' }, components),
      await serveApp(hydrated, { "/page": `<div id="root">${html.text}</div>` }, components),
    ];
    profile = await launch();
  });
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.close()));
  });
  afterAll(async () => {
    if (profile) await end(profile);
    await Promise.all(servers.map((each) => each.close()));
    expect(profile.problems).toEqual([]);
  });

  const visit = async (which: 0 | 1, name: string): Promise<Page> => {
    const page = await profile.context.newPage();
    pages.push(page);
    await page.goto(`${servers[which]!.url}page`);
    await page.waitForFunction((name) => name in globalThis, name);
    return page;
  };
  return {
    html,
    /** A page of the app, before an instance is open. */
    empty: () => visit(0, "app"),
    /** The page that the server has rendered. */
    rendered: () => visit(1, "hydrate"),
    /** A page with `name` open as `app.redis`. */
    async tab(name: string, options: object): Promise<Page> {
      const page = await visit(0, "app");
      await page.evaluate(
        async ([name, options]) => {
          app.redis = await app.lodis.open(name, options);
        },
        [name, options] as const,
      );
      return page;
    },
  };
}

/** The text that a page shows. */
export const text = (page: Page) => page.evaluate(() => document.getElementById("root")!.textContent?.trim());

export const shows = (page: Page, expected: string) =>
  expect.poll(() => text(page), { timeout: 20_000 }).toBe(expected);

/** What was rendered so far. */
export const rendered = (page: Page) =>
  page.evaluate(() => app.rendered);

/** Keys that the engine of a page remembers, and queries that are kept up to date, come to be as many. */
export const remembers = (page: Page, keys: number, queries: number) =>
  expect
    .poll(
      () =>
        page.evaluate(() => {
          const { redis } = app;
          const keys = /tracking_total_keys:(\d+)/.exec(redis.sync.info("stats"))![1];
          return [Number(keys), redis.host.live.size];
        }),
      { timeout: 10_000 },
    )
    .toEqual([keys, queries]);

/** How many queries a page keeps up to date comes to be zero. */
export const isDone = (page: Page) =>
  expect
    .poll(() => page.evaluate(() => app.redis.host.live.size), { timeout: 10_000 })
    .toBe(0);
