// The playground with the keyboard alone, and for those who see little: every view, its dialogs and its states.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

/** Every view: its address, what tells that it is there, and the end of its title. */
const VIEWS = {
  terminal: ["#/", ".note", "Lodis playground"],
  lessons: ["#/lessons", ".cards", "Lessons · Lodis"],
  lesson: ["#/lessons/transactions/3", ".verdict", " · Transactions · Lodis"],
  keys: ["#/keys", "[role=treeitem]", "Keys · Lodis"],
  key: ["#/keys/0/user:1", ".detail .facts", "Keys · Lodis"],
  dashboard: ["#/dashboard", ".dashboard table", "Dashboard · Lodis"],
} as const;
/** Whoever needs more presses of Tab than this is in a trap. */
const STOPS_MAX = 400;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let play: Playground;
let page: Page;

beforeAll(async () => {
  server = await serveFolder(WWW);
  profile = await launch();
  play = await Playground.open(profile, server.url);
  ({ page } = play);
  await play.type('HSET user:1 name "Eve" visits 12');
  await play.type("CONFIG SET slowlog-log-slower-than 0");
});
afterAll(async () => {
  await end(profile);
  await server.close();
});
afterEach(() => {
  expect(profile.problems).toEqual([]);
});

async function open(name: keyof typeof VIEWS): Promise<void> {
  const [path, sign] = VIEWS[name];
  // As if it were the first thing that is done in the page.
  await page.goto("about:blank");
  await page.goto(server.url + path);
  await page.locator(sign).filter({ visible: true }).first().waitFor();
  // What comes bit by bit is all there once no more of it has come for a while.
  const count = () => page.evaluate(() => document.querySelectorAll("*").length);
  for (let before = -1, now = await count(); before !== now; now = await count()) {
    before = now;
    await page.waitForTimeout(250);
  }
}

interface Stop {
  /** Its place among all that can have the focus; -1 for the page itself. */
  readonly at: number;
  readonly name: string;
  readonly isSeen: boolean;
}

/** What has the focus. */
function stop(): Promise<Stop> {
  return page.evaluate(() => {
    const active = document.activeElement as HTMLElement;
    if (!active || active === document.body) return { at: -1, name: "body", isSeen: true };
    const all = [...document.querySelectorAll("*")];
    const style = getComputedStyle(active);
    const isOutlined = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0;
    const form = active.closest("form");
    const isShaded = form !== null && getComputedStyle(form).boxShadow !== "none";
    const { width, height } = active.getBoundingClientRect();
    const name = `${active.tagName} ${active.id} ${active.ariaLabel ?? active.textContent?.slice(0, 30)}`;
    return { at: all.indexOf(active), name, isSeen: width > 0 && height > 0 && (isOutlined || isShaded) };
  });
}

/** What Tab can come to, by their places. Of radios and the rows of a tree, one stands for all. */
function reachable(): Promise<number[]> {
  return page.evaluate(() => {
    const all = [...document.querySelectorAll<HTMLElement>("*")];
    const isOpen = (one: HTMLElement) => one.checkVisibility({ visibilityProperty: true }) && !one.matches(":disabled, [type=radio]") && !one.closest("[inert]");
    const isScroller = (one: HTMLElement) => one.tabIndex >= 0 || one.matches("a[href], button, input, select, textarea, summary, iframe");
    return all.filter((one) => isScroller(one) && one.tabIndex >= 0 && isOpen(one)).map((one) => all.indexOf(one));
  });
}

/** Presses Tab from the way past the navigation to the end of the page; where it came to, and what there is. */
async function walk(): Promise<[Stop[], number[]]> {
  for (;;) {
    await page.evaluate(() => document.getElementById("skip")!.focus());
    const wanted = await reachable();
    const stops: Stop[] = [await stop()];
    for (let presses = 0; presses < STOPS_MAX; presses++) {
      await page.keyboard.press("Tab");
      const next = await stop();
      if (next.at === -1 || next.at <= stops[0]!.at) break;
      stops.push(next);
    }
    // Places are those of a page that stays as it is.
    if (JSON.stringify(await reachable()) === JSON.stringify(wanted)) return [stops, wanted];
  }
}

for (const name of Object.keys(VIEWS) as (keyof typeof VIEWS)[]) {
  test(`${name}: Tab comes to everything, in order, seen, and out again; and back`, async () => {
    await open(name);
    expect((await page.title()).endsWith(VIEWS[name][2]), await page.title()).toBe(true);
    const [stops, wanted] = await walk();
    expect(stops.length, stops.slice(-3).map((one) => one.name).join(", ")).toBeLessThan(STOPS_MAX);
    expect(stops.filter((one) => !one.isSeen).map((one) => one.name), "it is seen what has the focus").toEqual([]);
    const order = stops.map(({ at }) => at);
    expect(order, "the order is that of the page").toEqual([...order].sort((a, b) => a - b));
    const come = new Set(order);
    expect(wanted.filter((at) => !come.has(at)), "nothing is left out").toEqual([]);
    await page.evaluate(() => document.getElementById("skip")!.focus());
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Tab");
    expect((await stop()).at, "and backwards it is left as well").toBeLessThanOrEqual(stops[1]!.at);
  });

  test(`${name}: the first Tab is a way past the navigation`, async () => {
    await open(name);
    await page.evaluate(() => {
      (document.activeElement as HTMLElement | null)?.blur();
      document.getElementById("skip")!.focus();
    });
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(name === "terminal" ? "input" : "side");
    expect(page.url()).toBe(server.url + VIEWS[name][0]);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.closest("main, body")?.tagName)).toBe("MAIN");
  });

  test(`${name}: landmarks, headings and one name each`, async () => {
    await open(name);
    const found = await page.evaluate(() => {
      const seen = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)].filter((one) => one.checkVisibility());
      const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
      return {
        landmarks: ["main", "header", "nav"].map((tag) => seen(tag).length),
        levels: seen("h1, h2, h3, h4, h5, h6").map(({ tagName }) => Number(tagName[1])),
        twice: ids.filter((id, index) => ids.indexOf(id) !== index),
        language: document.documentElement.lang,
      };
    });
    expect(found.landmarks).toEqual([1, 1, expect.any(Number)]);
    expect(found.levels[0]).toBe(1);
    found.levels.reduce((before, level) => {
      expect(level, "no level is left out").toBeLessThanOrEqual(before + 1);
      return level;
    });
    expect(found.twice).toEqual([]);
    expect(found.language).toBe("en");
  });

  test(`${name}: enlarged, narrow and low, in forced colours, and without motion`, async () => {
    await open(name);
    // 320 wide is 1280 at four times the size; 640 by 400 is twice.
    for (const [width, height] of [[320, 640], [320, 256], [640, 400]] as const) {
      await page.setViewportSize({ width, height });
      expect(await page.evaluate(() => document.documentElement.scrollWidth), `${width} wide`).toBe(width);
    }
    if (name === "terminal") {
      const input = page.getByLabel("Command", { exact: true });
      await input.scrollIntoViewIfNeeded();
      const box = (await input.boundingBox())!;
      expect(box.width).toBeGreaterThan(100);
      expect(box.y + box.height).toBeLessThanOrEqual(400);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    try {
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => matchMedia("(forced-colors: active)").matches)).toBe(true);
      const moving = await page.evaluate(() => {
        const lasting = [...document.querySelectorAll("*")].filter((one) => {
          const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(one);
          return transitionDuration.split(", ").some((time) => time !== "0s") || animationName !== "none" || scrollBehavior === "smooth";
        });
        return lasting.map(({ outerHTML }) => outerHTML.slice(0, 80));
      });
      expect(moving).toEqual([]);
      const current = await page.evaluate(() => getComputedStyle(document.querySelector(".views [aria-current]")!).outlineStyle);
      expect(current, "the view that is shown is told by more than a colour").toBe("solid");
      expect(await violations(page)).toEqual([]);
    } finally {
      await page.emulateMedia({ forcedColors: "none", reducedMotion: null });
    }
  });
}

/** What axe finds in both themes. */
async function clean(what: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), `${what}, ${colorScheme}`).toEqual([]);
  }
}

test("states of the terminal can be read", async () => {
  await open("terminal");
  await play.type("NOSUCH command");
  await play.type("LPUSH user:1 x");
  await clean("errors");
  await play.type("MULTI");
  await play.type("SET a 1");
  await clean("a transaction");
  await play.type("DISCARD");
  await play.type("SUBSCRIBE news");
  await play.type("PUBLISH news hello");
  await clean("messages");
  await page.getByLabel("Command", { exact: true }).fill("SET a");
  await clean("a hint");
});

test("dialogs open and close with the keyboard, and give the focus back", async () => {
  const dialogs = [
    ["terminal", "Share"],
    ["keys", "New key"],
  ] as const;
  for (const [view, name] of dialogs) {
    await open(view);
    const button = page.getByRole("button", { name, exact: true });
    await button.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await clean(name);
    const isInside = () => page.evaluate(() => document.activeElement?.closest("dialog") !== null || document.activeElement === document.body);
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      expect(await isInside(), `${name}: Tab stays in the dialog`).toBe(true);
    }
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await button.evaluate((one) => one === document.activeElement), `${name}: the focus is where it was`).toBe(true);
  }
});

test("errors of the dashboard can be read", async () => {
  await open("dashboard");
  await page.getByRole("textbox", { name: "Memory limit" }).fill("much");
  await page.getByRole("button", { name: "Set Memory limit" }).click();
  await page.getByText("argument must be a memory value").waitFor();
  await page.getByRole("button", { name: "Look for the biggest keys" }).click();
  await page.getByText(/^Among \d+ keys?\.$/).waitFor();
  await clean("a refused setting");
});

test("what is opened by a link that goes away keeps the focus in the view", async () => {
  await open("lessons");
  await page.locator(".cards a").first().focus();
  await page.keyboard.press("Enter");
  await page.locator(".verdict").waitFor();
  await expect.poll(() => page.evaluate(() => document.activeElement !== document.body)).toBe(true);
});

test("that everything is saved is not told all the time", async () => {
  await open("terminal");
  const live = () => page.locator("#persistence").evaluate((one) => [one.role, one.ariaLive]);
  expect(await live()).toEqual([null, null]);
});
