// Every view of the playground, in both themes, wide and narrow: as it looks, and to whom it cannot be seen.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

/** To be looked at. */
const PICTURES = fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const WIDTHS = { wide: 1280, narrow: 390 } as const;
const VIEWS = {
  terminal: ["#/", ".note"],
  lessons: ["#/lessons", ".cards"],
  lesson: ["#/lessons/transactions/3", ".verdict"],
  keys: ["#/keys", "[role=treeitem]"],
  key: ["#/keys/0/user:1", ".detail .facts"],
  dashboard: ["#/dashboard", ".dashboard table"],
} as const;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let play: Playground;

beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  server = await serveFolder(WWW);
  profile = await launch();
  play = await Playground.open(profile, server.url);
  await play.type('HSET user:1 name "Eve" visits 12');
  await play.type("MGET user:1 nothing");
  await play.type("CONFIG SET slowlog-log-slower-than 0");
  await play.type("ZADD board 120 ada 80 grace");
  await play.type("ZRANGE board 0 -1 WITHSCORES");
});
afterAll(async () => {
  await end(profile);
  await server.close();
});

for (const [name, [path, sign]] of Object.entries(VIEWS)) {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const [size, width] of Object.entries(WIDTHS)) {
      test(`${name}, ${colorScheme}, ${size}`, async () => {
        const { page } = play;
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        await page.goto(server.url + path);
        await page.locator(sign).first().waitFor();
        await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}-${size}.png`) });
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), "it need not be scrolled sideways").toBe(width);
        expect(profile.problems).toEqual([]);
      });
    }
  }
}

/** How the first element of each kind that is seen looks. */
const looks = (): Promise<Record<string, string>> =>
  play.page.evaluate(() => {
    const found: Record<string, string> = {};
    for (const element of document.querySelectorAll<HTMLElement>("body *")) {
      const { display, backgroundColor, borderTopWidth, paddingTop, columnGap, fontSize, flexWrap } = getComputedStyle(element);
      const kind = `${element.tagName} ${element.getAttribute("class")}`;
      if (element.getClientRects().length > 0) found[kind] ??= [display, backgroundColor, borderTopWidth, paddingTop, columnGap, fontSize, flexWrap].join(" ");
    }
    return found;
  });

test("a view looks the same whichever others were looked at before", async () => {
  const { page } = play;
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: WIDTHS.wide, height: 800 });
  const views = Object.values(VIEWS);
  const alone: Record<string, string>[] = [];
  for (const [path, sign] of views) {
    await page.goto(server.url + path);
    await page.reload();
    await page.locator(sign).first().waitFor();
    alone.push(await looks());
  }
  const seen: string[] = [];
  for (const [path, sign] of [...views, ...views]) {
    await page.evaluate((path) => void (location.hash = path), path);
    await page.locator(sign).first().waitFor();
    seen.push(path);
    if (seen.length <= views.length) continue;
    const together = await looks();
    const expected = alone[seen.length - views.length - 1]!;
    for (const [kind, look] of Object.entries(expected)) if (together[kind]) expect(together[kind], `${kind} at ${path}`).toBe(look);
  }
});
