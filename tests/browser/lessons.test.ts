// Every lesson of the playground, from its first step to its last, through the interface.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

const LESSONS = await lessonIds();
/** To be looked at. */
const PICTURES = fileURLToPath(new URL("../../target/screenshots/lessons", import.meta.url));

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  server = await serveFolder(WWW);
  profile = await launch();
});
afterEach(async () => {
  for (const page of profile.context.pages().slice(1)) await page.close();
  expect(profile.problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await end(profile);
  await server.close();
});

/** The ids that the built page knows: the same as its sources name. */
async function lessonIds(): Promise<string[]> {
  const index = await readFile(new URL("../../www/src/lessons/content/index.ts", import.meta.url), "utf8");
  const files = [...index.matchAll(/from "\.\/([\w-]+)\.js"/g)].map(([, file]) => file!);
  expect(files.length).toBeGreaterThan(0);
  return files;
}

async function opened(path: string): Promise<Page> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}${path}`);
  return page;
}

/** Opens a step of a lesson of which nothing is done. */
async function openedAnew(lesson: string, step: number): Promise<Page> {
  const page = await opened(`#/lessons/${lesson}/${step}`);
  await at(page, step);
  await reset(page);
  await page.locator(".steps a").nth(step - 1).click();
  await at(page, step);
  return page;
}

const at = (page: Page, step: number): Promise<void> => page.locator('.steps a[aria-current="step"]', { hasText: String(step) }).waitFor();
const isDone = (page: Page): Promise<void> => page.locator('.verdict[data-done="true"]').waitFor();
const next = (page: Page): Promise<void> => page.getByRole("link", { name: "Next step" }).click();
const met = (page: Page, goal: number): Promise<void> => page.locator(".goals li").nth(goal - 1).and(page.locator('[data-met="true"]')).waitFor();

async function reset(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Start over" }).click();
  await at(page, 1);
  await page.locator('.steps a[data-done="true"]').first().waitFor({ state: "detached" });
}

/** Types a line into a terminal, and waits until it has answered, or waits itself. */
async function typed(page: Page, text: string, pane: 0 | 1 = 0): Promise<void> {
  await answered(page, text, pane, async () => {
    const line = page.locator(".pane").nth(pane).getByRole("textbox");
    await line.fill(text);
    await line.press("Enter");
  });
}

async function answered(page: Page, text: string, pane: 0 | 1, does: () => Promise<void>): Promise<void> {
  const waits = /^(BRPOP|BLPOP) \S+ 0$|BLOCK 0/.test(text);
  const screen = page.locator(".pane").nth(pane);
  const answer = waits ? screen.locator(".note", { hasText: "Waiting" }) : screen.locator(".reply");
  const before = await answer.count();
  await does();
  await answer.nth(before).waitFor({ state: "attached" });
}

/** Does what a step's own line says: every other one is typed, the others are run with their buttons. */
async function runCommand(page: Page, row: Locator, isTyped: boolean): Promise<void> {
  const button = row.locator(".try");
  const pane = (await button.getAttribute("data-second")) === "true" ? 1 : 0;
  const text = (await row.locator("code").textContent())!;
  if (isTyped) await typed(page, text, pane);
  else await answered(page, text, pane, () => button.click());
}

async function commandsOf(page: Page): Promise<void> {
  const rows = page.locator(".commands li");
  for (let index = 0; index < (await rows.count()); index++) await runCommand(page, rows.nth(index), index % 2 === 1);
}

/** Presses a button of what a step has to play with, and waits until it has done its work. */
async function press(page: Page, name: string): Promise<void> {
  await page.locator(`[data-demo="${name}"]`).click();
  await page.locator(`[data-demo="${name}"][aria-disabled="false"]`).waitFor();
}

/** Presses a button that ends the page as a crash does, and waits until it is there again. */
async function crash(page: Page, name: string): Promise<void> {
  const load = page.waitForEvent("load");
  await page.locator(`[data-demo="${name}"]`).click();
  await load;
  await page.locator(".goals li").first().waitFor();
}

/** Makes calls around the border of two windows, again if the machine was too busy for them to be in time. */
async function burst(page: Page, said: string): Promise<void> {
  do await press(page, "6 calls around the border");
  while ((await page.locator(".demo-news").textContent()) !== said);
  expect(await page.locator(".calls[role=img]").getAttribute("aria-label")).toContain(said);
}

/** Opens the other tab of a lesson, from the lesson. */
async function otherTab(page: Page): Promise<Page> {
  const [tab] = await Promise.all([profile.context.waitForEvent("page"), page.getByRole("link", { name: "Open another tab" }).click()]);
  await page.getByText("The other tab is there.").waitFor();
  await tab.getByRole("heading", { name: "The other tab" }).waitFor();
  return tab;
}

/** Steps that take more than the commands they name. */
const PLAYS: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  "pubsub 3": async (page) => {
    const tab = await otherTab(page);
    await runCommand(page, page.locator(".commands li").first(), false);
    await tab.locator(".message", { hasText: "Hello, other tab" }).waitFor();
    await isDone(page);
    await typed(page, "LRANGE pubsub:heard 0 -1");
    await page.locator(".reply", { hasText: "Hello, other tab" }).waitFor();
    await tab.close();
    await page.getByText("No other tab is there yet.").waitFor();
  },
  "locks 3": async (page) => {
    const rows = page.locator(".commands li");
    await runCommand(page, rows.nth(0), false);
    await met(page, 1);
    // Too early: the lock is still there.
    await runCommand(page, rows.nth(2), true);
    const answer = page.locator(".pane").nth(1).locator(".reply").last();
    expect(await answer.textContent()).toBe("(nil)");
    do await runCommand(page, rows.nth(2), false);
    while ((await answer.textContent()) !== "OK");
  },
  "transactions 4": async (page) => {
    const tab = await otherTab(page);
    await typed(page, "WATCH transactions:ada");
    await typed(page, "GET transactions:ada");
    await runCommand(tab, tab.locator(".commands li").first(), false);
    for (const line of ["MULTI", "DECRBY transactions:ada 60", "EXEC"]) await typed(page, line);
    await isDone(page);
    await tab.close();
  },
  "transactions 5": async (page) => {
    const tab = await otherTab(page);
    const lost = page.locator('[data-way="GET and SET"] td').nth(2);
    do await press(page, "Race with GET and SET");
    while (Number(await lost.textContent()) === 0);
    await page.locator(".demo-news", { hasText: "Two tabs counted to 300 with GET and SET" }).waitFor();
    await press(page, "Race with WATCH");
    await page.locator(".demo-news", { hasText: "the counter is at 300. None was lost." }).waitFor();
    await press(page, "Race with INCR");
    expect(await page.locator('[data-way="INCR"] td').allTextContents()).toEqual(["300", "300", "0", "0"]);
    await tab.close();
  },
  "caching 1": async (page) => {
    await press(page, "Load the price of tea");
    await page.getByText("A miss: the database says 3 €.").waitFor();
    await press(page, "Load the price of tea");
    await page.getByText("A hit: the cache says 3 €.").waitFor();
  },
  "caching 2": async (page) => {
    await press(page, "Make tea dearer");
    await press(page, "Load the price of tea");
    await page.getByText("A hit: the cache says 3 €.").waitFor();
    await commandsOf(page);
    await press(page, "Load the price of tea");
    await page.getByText("A miss: the database says 4 €.").waitFor();
  },
  "caching 3": async (page) => {
    await press(page, "Make cake dearer, write through");
    await commandsOf(page);
  },
  "caching 4": async (page) => {
    await press(page, "Make cake dearer, write behind");
    await commandsOf(page);
    await met(page, 1);
    await press(page, "Bring what waits to the database");
    await page.getByText("The database has it.").waitFor();
  },
  "caching 5": async (page) => {
    await press(page, "Make cake dearer, queue in this page");
    await page.locator('tr[data-differs="true"]', { hasText: "in this page" }).waitFor();
    await crash(page, "End this tab");
    await page.locator('tr[data-differs="true"]', { hasText: "–" }).waitFor();
  },
  "caching 6": async (page) => {
    await press(page, "Make cake dearer, write behind");
    await crash(page, "End this tab");
    await met(page, 1);
    await press(page, "Bring what waits to the database");
  },
  "rate-limits 2": async (page) => {
    await burst(page, "Fixed window: 6 of 6 calls passed.");
  },
  "rate-limits 4": async (page) => {
    await page.getByText("is not loaded yet").waitFor();
    await commandsOf(page);
    await page.getByText("Scripts run here now.").waitFor();
  },
  "rate-limits 5": async (page) => {
    await burst(page, "Fixed window: 6 of 6 calls passed. Sliding window: 3 of 6 calls passed.");
  },
  "hyperloglog 3": async (page) => {
    await press(page, "10,000 visitors come");
    await page.getByText("The set knows 10,000 visitors").waitFor();
    await commandsOf(page);
  },
  "geo 3": async (page) => {
    await commandsOf(page);
    await page.locator(".demo-news", { hasText: "Searched: a box of 300 by 200 km around 15, 37. Found:" }).waitFor();
    expect(await page.locator(".map .place").count()).toBe(4);
    expect(await page.locator(".map rect.around").count()).toBe(1);
    expect(await page.locator(".map").getAttribute("aria-label")).toContain("Palermo (13.36, 38.12)");
  },
  "persistence 1": async (page) => {
    await commandsOf(page);
    // The effect: a moment in place of a time to live.
    await page.locator(".log li", { hasText: /set persistence:note hello pxat \d{13}/i }).waitFor();
  },
  "persistence 3": async (page) => {
    await press(page, "Count to 1,000");
    await commandsOf(page);
    await page.locator(".bars", { hasText: "After it" }).waitFor();
  },
  "persistence 4": async (page) => {
    await crash(page, "Write and crash");
    await page.getByText("did not wait for the disk").waitFor();
    await crash(page, "Write, wait, crash");
    await page.getByText("it is there.").waitFor();
    await commandsOf(page);
  },
  "eviction 2": async (page) => {
    for (const policy of ["allkeys-lru", "allkeys-lfu", "volatile-ttl"]) {
      await press(page, policy);
      await page.getByText("Thrown out:").waitFor();
      expect(await page.locator('.page[data-state="used"]').count(), policy).toBe(8);
      expect(await page.locator('.page[data-state="gone"]').count(), policy).toBeGreaterThan(5);
    }
  },
  "pipelining 1": async (page) => {
    await press(page, "Measure both");
    await page.locator(".demo-news", { hasText: "times as long" }).waitFor();
    await commandsOf(page);
  },
  "scanning 3": async (page) => {
    await press(page, "Make 200,000 keys");
    await press(page, "Find with KEYS");
    await page.getByText("KEYS found 200 keys with 1 command").waitFor();
    await press(page, "Find with SCAN");
    await page.getByText("SCAN found 200 keys").waitFor();
  },
};

/** What is there to play with can be read in both themes, wide and narrow. */
async function looksWell(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(PICTURES, `${name}-light-wide.png`) });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 800 });
  expect(await violations(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth), `${name} need not be scrolled sideways`).toBe(390);
  await page.screenshot({ path: join(PICTURES, `${name}-dark-narrow.png`) });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: "light" });
}

async function doStep(page: Page, id: string, step: number): Promise<void> {
  await at(page, step);
  expect(await page.locator(".verdict").getAttribute("data-done"), `step ${step} of ${id} before anything was done`).toBe("false");
  const play = PLAYS[`${id} ${step}`];
  await (play ?? commandsOf)(page);
  await isDone(page);
  if (play) await looksWell(page, `${id}-${step}`);
}

const countSteps = async (page: Page): Promise<number> => {
  await page.locator(".steps a").first().waitFor();
  return page.locator(".steps a").count();
};

describe.each(LESSONS)("the lesson %s", (id) => {
  test("can be done as it says, and begun anew", { timeout: 120_000 }, async () => {
    const page = await opened(`#/lessons/${id}`);
    const steps = await countSteps(page);
    for (let step = 1; step <= steps; step++) {
      await doStep(page, id, step);
      await expect.poll(() => page.locator('.goals li:not([data-met="true"])').count()).toBe(0);
      if (step < steps) await next(page);
    }
    expect(await page.locator(".verdict").innerText()).toBe("Done, and with it the lesson.");
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: join(PICTURES, `${id}.png`) });

    // A page that goes may take the last second with it.
    await page.locator("#persistence", { hasText: "Saved" }).waitFor();
    await page.reload();
    await page.locator('.steps a[data-done="true"]').nth(steps - 1).waitFor();
    await reset(page);
    await typed(page, `SCAN 0 MATCH ${id}:* COUNT 1000000`);
    const left = (await page.locator(".pane").first().locator(".reply").last().textContent())!;
    // What the first step goes on from is there again.
    if (left.includes(`"${id}:`)) await page.getByText("This step goes on from here").first().waitFor();
  });
});

test.each(["basics", "strings", "lists", "streams", "sessions", "security"])("the steps of %s can be taken from the last to the first, in a tab that follows another one", async (id) => {
  const leader = await opened("#/");
  await leader.locator("#role", { hasText: "Leader" }).waitFor();
  const page = await opened(`#/lessons/${id}`);
  const steps = await countSteps(page);
  await reset(page);
  for (let step = steps; step >= 1; step--) {
    await page.locator(".steps a").nth(step - 1).click();
    await doStep(page, id, step);
  }
  expect(await page.locator(".verdict").innerText()).toBe("Done, and with it the lesson.");
});

describe("what is typed in place of a step's own lines", () => {
  // A line that begins with "2:" is for the second terminal.
  const RIGHT: Readonly<Record<string, readonly string[]>> = {
    "basics 2": ["multi", "set basics:greeting hi", "get basics:greeting", "exec"],
    "basics 5": ["UNLINK basics:greeting basics:todo", "EXISTS basics:todo"],
    "strings 2": ["INCRBY strings:views 50"],
    "strings 3": ["SETNX strings:name Eve", "GETSET strings:name Grace"],
    "strings 4": ["SETEX strings:code 1 4711", "PTTL strings:code"],
    "lists 3": ["DEL lists:jobs", "2:BLPOP lists:jobs 0", "RPUSH lists:jobs anything"],
    "lists 4": ["RPUSH lists:mails x", "RPOPLPUSH lists:mails lists:doing", "LPOP lists:doing"],
    "hashes 1": ["HSET hashes:user:1 a 1", "HSET hashes:user:1 b 2 c 3", "HMGET hashes:user:1 a", "HGETALL hashes:user:1"],
    "sets 1": ["SADD sets:follows:ada a b c d", "SADD sets:follows:ada a", "SMISMEMBER sets:follows:ada a z"],
    "sorted-sets 1": ["ZADD sorted-sets:board 1 a 2 b 3 c", "ZREVRANGE sorted-sets:board 0 0"],
    "streams 5": ["XADD streams:orders MAXLEN 1 * item tea"],
    "transactions 3": ["2:PING", "WATCH transactions:ada", "2:SET transactions:ada 1", "MULTI", "PING", "EXEC"],
    "locks 1": ["SET locks:report me NX EX 50", "SET locks:report me NX EX 50"],
    "geo 3": ["GEORADIUSBYMEMBER geo:cities Catania 500 km", "GEOSEARCH geo:cities FROMMEMBER Catania BYBOX 900 900 km"],
  };
  test.each(Object.entries(RIGHT))("%s: passes if it is right", async (place, lines) => {
    const [lesson, step] = place.split(" ");
    const page = await openedAnew(lesson!, Number(step));
    for (const line of lines) await (line.startsWith("2:") ? typed(page, line.slice(2), 1) : typed(page, line));
    await isDone(page);
  });

  /** Lines that do not meet the goal, those that do, and which goal that is. */
  const WRONG: Readonly<Record<string, readonly [goal: number, wrong: readonly string[], right: readonly string[]]>> = {
    "basics 2": [2, ["SET basics:greeting hi", "GET basics:other", "GETRANGE basics:greeting 0 1"], ["GET basics:greeting"]],
    "basics 4": [3, ["RPUSH basics:todo a", "GET basics:greeting", "LRANGE basics:greeting 0 1"], ["GET basics:todo"]],
    "strings 2": [2, ["INCR strings:views", "INCRBY strings:viewed 100"], ["INCRBY strings:views 11"]],
    "strings 3": [1, ["SET strings:name Grace", "SET strings:new x NX", "SET strings:name Grace XX"], ["SET strings:name Eve NX"]],
    "strings 4": [3, ["GET strings:code", "SET strings:code 1 EX 100", "TTL strings:code"], ["EXPIRE strings:code 1"]],
    "lists 3": [2, ["2:BRPOP lists:jobs 1", "BRPOP lists:jobs 1", "2:LPOP lists:jobs"], ["2:BRPOP lists:jobs 0", "LPUSH lists:jobs x"]],
    "lists 4": [2, ["RPUSH lists:mails mail:5", "LMOVE lists:mails lists:doing LEFT LEFT", "LREM lists:doing 1 other"], ["LREM lists:doing 1 mail:5"]],
    "sets 3": [1, ["SADD sets:followers:ada grace", "SADD sets:mutual:ada linus"], ["SINTERSTORE sets:mutual:ada sets:follows:ada sets:followers:ada"]],
    "transactions 1": [2, ["MSET transactions:ada 100 transactions:grace 30"], ["SET transactions:ada 70"]],
    "transactions 3": [2, ["WATCH transactions:ada", "SET transactions:ada 5", "MULTI", "PING", "EXEC"], ["WATCH transactions:ada", "2:INCR transactions:ada", "MULTI", "PING", "EXEC"]],
    "streams 4": [2, ["XAUTOCLAIM streams:tasks kitchen ada 0 0", "XACK streams:tasks kitchen 1-1"], ["XACK streams:tasks kitchen 1-2"]],
    "security 3": [3, ["GET nothing", "2:SET security:note x"], ["2:AUTH security-reader s3cret", "2:SET security:note y"]],
    "locks 2": [2, ["DELEX locks:report IFEQ nobody", "DEL locks:report"], ["SET locks:report me PX 9000", "DELEX locks:report IFEQ me"]],
  };
  test.each(Object.entries(WRONG))("%s: does not pass if it is wrong", async (place, [goal, wrong, right]) => {
    const [lesson, step] = place.split(" ");
    const page = await openedAnew(lesson!, Number(step));
    const run = async (lines: readonly string[]): Promise<void> => {
      for (const line of lines) await (line.startsWith("2:") ? typed(page, line.slice(2), 1) : typed(page, line));
    };
    await run(wrong);
    // Long enough for it to have looked more than once.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    expect(await page.locator(".goals li").nth(goal - 1).getAttribute("data-met")).toBe("false");
    await run(right);
    await met(page, goal);
  });
});

test("the list tells how far one has got, and begins anew", async () => {
  const page = await openedAnew("basics", 1);
  await page.getByRole("link", { name: "All lessons" }).click();
  const again = page.getByRole("button", { name: "Start over with all" });
  await page.locator("a.next").waitFor();
  if (await again.isVisible()) {
    await again.click();
    await page.getByRole("button", { name: "Really?" }).click();
  }
  await page.getByRole("link", { name: "Begin: What Redis is" }).click();
  await page.locator(".try").click();
  await isDone(page);
  await page.getByRole("link", { name: "All lessons" }).click();
  await page.locator(".cards li", { hasText: "What Redis is" }).getByText("1 of 5 steps done").waitFor();
  expect(await page.locator(".cards a").count()).toBe(LESSONS.length);
  await page.getByRole("link", { name: "Go on: What Redis is" }).click();
  await at(page, 2);
  await page.getByRole("link", { name: "All lessons" }).click();
  await page.getByRole("button", { name: "Start over with all" }).click();
  await page.locator(".cards li", { hasText: "What Redis is" }).getByText("1 of 5 steps done").waitFor();
  await page.getByRole("button", { name: "Really?" }).click();
  await page.getByRole("link", { name: "Begin: What Redis is" }).waitFor();
});

test("a lesson can be done with the keyboard alone, and what comes of it is said", async () => {
  const page = await opened("#/lessons");
  const focused = page.locator(":focus");
  const tabTo = async (target: Locator): Promise<void> => {
    for (let left = 60; !(await target.evaluate((element) => element === document.activeElement)); left--) {
      expect(left, "it can be reached with Tab").toBeGreaterThan(0);
      await page.keyboard.press("Tab");
    }
  };
  await tabTo(page.getByRole("link", { name: "Sets and who follows whom" }));
  await page.keyboard.press("Enter");
  const verdict = page.getByRole("status").and(page.locator(".verdict"));
  for (let step = 1; step <= 4; step++) {
    await at(page, step);
    await expect.poll(() => focused.innerText(), { message: "the new step has the focus" }).toMatch(new RegExp(`^${step}\\. `));
    await page.evaluate(() => document.querySelector(".verdict")!.setAttribute("data-same", "yes"));
    const rows = page.locator(".commands li");
    for (let index = 0; index < (await rows.count()); index++) {
      const text = (await rows.nth(index).locator("code").textContent())!;
      if (index === 0) {
        // Put into the line first, where the focus goes then.
        await tabTo(rows.nth(index).getByRole("button", { name: `Edit ${text}` }));
        await page.keyboard.press("Enter");
        expect(await focused.inputValue()).toBe(text);
        await answered(page, text, 0, () => page.keyboard.press("Enter"));
        await page.keyboard.press("Shift+Tab");
        await page.keyboard.press("Shift+Tab");
      } else {
        const button = rows.nth(index).getByRole("button", { name: `Run ${text}` });
        for (let left = 60; !(await button.evaluate((element) => element === document.activeElement)); left--) {
          expect(left).toBeGreaterThan(0);
          await page.keyboard.press(index === 1 ? "Shift+Tab" : "Tab");
        }
        await answered(page, text, 0, () => page.keyboard.press("Enter"));
        await expect.poll(() => focused.textContent(), { message: "the focus stays where it was" }).toContain(text);
      }
    }
    await isDone(page);
    expect(await verdict.getAttribute("data-same"), "the same element says it").toBe("yes");
    if (step === 4) break;
    await tabTo(page.getByRole("link", { name: "Next step" }));
    await page.keyboard.press("Enter");
  }
  await page.getByText("Done, and with it the lesson.").waitFor();
  await tabTo(page.getByRole("link", { name: "Next lesson: Sorted sets as leaderboards" }));
});

test("without storage, the second terminal stands for another tab, and what cannot be done is said", async () => {
  const page = await profile.context.newPage();
  await page.addInitScript("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })");
  await page.goto(`${server.url}#/lessons/pubsub/3`);
  await page.getByText("each tab has data of its own").waitFor();
  expect(await page.getByRole("link", { name: "Open another tab" }).count()).toBe(0);
  await typed(page, "SUBSCRIBE pubsub:tabs", 1);
  await typed(page, "PUBLISH pubsub:tabs hello");
  await isDone(page);
  await page.goto(`${server.url}#/lessons/transactions/4`);
  await at(page, 4);
  for (const line of ["WATCH transactions:ada", "GET transactions:ada"]) await typed(page, line);
  await typed(page, "DECRBY transactions:ada 50", 1);
  for (const line of ["MULTI", "PING", "EXEC"]) await typed(page, line);
  await isDone(page);
  await page.goto(`${server.url}#/lessons/persistence/2`);
  await page.getByText("this step cannot be done here").waitFor();
});

test("what keeps a step from being looked at is said", async () => {
  const page = await openedAnew("strings", 2);
  const verdict = page.locator(".verdict");
  await typed(page, "ACL SETUSER lessons-nobody on nopass +ping ~*");
  await typed(page, "AUTH lessons-nobody x");
  await verdict.getByText("AUTH default, with any password, leads back").waitFor();
  await typed(page, "AUTH default x");
  await typed(page, "ACL DELUSER lessons-nobody");
  await typed(page, "INCRBY strings:views 20");
  await isDone(page);
  await next(page);
  // What it goes on from is put where the terminal is.
  await page.getByText("This step goes on from here: SET strings:name").waitFor();
  await typed(page, "SELECT 3");
  await verdict.getByText("SELECT 0 leads back").waitFor();
  await typed(page, "SELECT 0");
  await typed(page, "MULTI");
  await verdict.getByText("A transaction is open").waitFor();
  await typed(page, "SET strings:name Grace XX GET");
  await typed(page, "EXEC");
  await met(page, 2);
  await typed(page, "SETNX strings:name Ada");
  await isDone(page);
});

test("where no tab can be opened, the second terminal does as well", async () => {
  const page = await openedAnew("pubsub", 3);
  await page.evaluate(() => {
    window.open = () => null;
  });
  await page.getByRole("link", { name: "Open another tab" }).click();
  await page.getByRole("alert").getByText("Your browser opened no tab").waitFor();
  await typed(page, "SUBSCRIBE pubsub:tabs", 1);
  await typed(page, "PUBLISH pubsub:tabs hello");
  await isDone(page);
  await page.goto(`${server.url}#/lessons/transactions/5`);
  await at(page, 5);
  await press(page, "Race with WATCH");
  await page.getByText("Two clients of this tab counted to 300 with WATCH; the counter is at 300. None was lost.").waitFor();
});

test("addresses name lessons and steps; wrong ones lead somewhere", async () => {
  const page = await opened("#/lessons/lists/2");
  await at(page, 2);
  await page.getByRole("heading", { name: "2. Looking without taking" }).waitFor();
  await next(page);
  expect(new URL(page.url()).hash).toBe("#/lessons/lists/3");
  await page.goBack();
  await at(page, 2);
  await page.goto(`${server.url}#/lessons/lists/99`);
  await at(page, 5);
  await page.goto(`${server.url}#/lessons/lists/x`);
  await at(page, 1);
  await page.goto(`${server.url}#/lessons/nothing`);
  await page.locator(".cards").first().waitFor();
});

test("on a phone, the terminal stays in sight below the text", async () => {
  const page = await openedAnew("lists", 3);
  await page.setViewportSize({ width: 390, height: 800 });
  for (const row of await page.locator(".commands li").all()) {
    await runCommand(page, row, false);
    const pane = page.locator(".pane").nth((await row.locator(".try").getAttribute("data-second")) === "true" ? 1 : 0);
    const box = (await pane.boundingBox())!;
    expect(box.y).toBeGreaterThan(300);
    expect(box.y + box.height).toBeLessThanOrEqual(800);
  }
  await isDone(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});
