// Every lesson of the playground, from its first step to its last, through the interface.
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

const LESSONS = await lessonIds();

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveFolder(WWW);
  profile = await launch();
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
  for (const page of profile.context.pages().slice(1)) await page.close();
  const page = await profile.context.newPage();
  await page.goto(`${server.url}${path}`);
  return page;
}

/** Runs a command of a step, and waits until it has answered, or waits itself. */
async function runCommand(page: Page, button: Locator): Promise<void> {
  const isSecond = (await button.getAttribute("data-second")) === "true";
  const pane = page.locator(".pane").nth(isSecond ? 1 : 0);
  const text = await button.innerText();
  const waits = /\b(BRPOP|BLOCK 0)\b/.test(text);
  const answer = waits ? pane.locator(".note", { hasText: "Waiting" }) : pane.locator(".reply");
  const before = await answer.count();
  await button.click();
  await answer.nth(before).waitFor();
}

/** Presses a button of what a step has to play with, and waits until it has done its work. */
async function press(page: Page, name: string): Promise<void> {
  const button = page.locator(`[data-demo="${name}"]`);
  await button.click();
  await page.locator(`[data-demo="${name}"]:enabled`).waitFor();
}

const commandsOf = async (page: Page): Promise<void> => {
  const buttons = page.locator(".try");
  for (let index = 0; index < (await buttons.count()); index++) await runCommand(page, buttons.nth(index));
};

/** Steps that take more than the commands they name. */
const PLAYS: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  "caching 1": async (page) => {
    await press(page, "Load the price of tea");
    await page.getByText("From the database: tea is 3 €.").waitFor();
    await press(page, "Load the price of tea");
    await page.getByText("From the cache: tea is 3 €.").waitFor();
  },
  "caching 2": async (page) => {
    await press(page, "Make tea dearer");
    await press(page, "Load the price of tea");
    await page.getByText("From the cache: tea is 3 €.").waitFor();
    await commandsOf(page);
    await press(page, "Load the price of tea");
    await page.getByText("From the database: tea is 4 €.").waitFor();
  },
  "caching 3": async (page) => {
    await press(page, "Set cake to 6 €");
    await commandsOf(page);
  },
  "caching 4": async (page) => {
    await press(page, "Set cake to 7 €");
    await commandsOf(page);
    await press(page, "Bring the queue to the database");
    await page.getByText("cake 7 €").waitFor();
  },
  "geo 3": async (page) => {
    await commandsOf(page);
    await page.locator(".demo-news", { hasText: "On the map:" }).waitFor();
    expect(await page.locator(".map .place").count()).toBe(4);
  },
  "persistence 4": async (page) => {
    await commandsOf(page);
    await page.reload();
  },
  "eviction 2": async (page) => {
    await commandsOf(page);
    await press(page, "fill");
  },
  "pipelining 1": async (page) => {
    await press(page, "One by one");
    await press(page, "In a pipeline");
    await page.locator(".demo-news", { hasText: "times as long" }).waitFor();
    await commandsOf(page);
  },
};

describe.each(LESSONS)("the lesson %s", (id) => {
  test("can be done as it says, and begun anew", async () => {
    const page = await opened(`#/lessons/${id}`);
    const verdict = page.locator(".verdict");
    const steps = await page.locator(".steps a").count().then(async (count) => count || (await verdict.waitFor(), page.locator(".steps a").count()));
    for (let step = 1; step <= steps; step++) {
      await page.locator(`.steps a[aria-current="step"]`, { hasText: String(step) }).waitFor();
      expect(await verdict.getAttribute("data-done"), `step ${step} of ${id} before anything was done`).toBe("false");
      await (PLAYS[`${id} ${step}`] ?? commandsOf)(page);
      await page.locator('.verdict[data-done="true"]').waitFor();
      if (step < steps) await page.getByRole("link", { name: "Next step" }).click();
    }
    expect(await verdict.innerText()).toBe("Done, and with it the lesson.");
    expect(await violations(page)).toEqual([]);

    await page.reload();
    await page.locator('.steps a[data-done="true"]').nth(steps - 1).waitFor();
    await page.getByRole("button", { name: "Start over" }).click();
    await page.locator('.steps a[data-done="true"]').first().waitFor({ state: "detached" });
    await page.close();
    expect(profile.problems).toEqual([]);
  });
});

test("the list tells how far one has got", async () => {
  const page = await opened("#/lessons/basics");
  await page.locator(".try").click();
  await page.locator('.verdict[data-done="true"]').waitFor();
  await page.getByRole("link", { name: "All lessons" }).click();
  await page.locator(".cards li", { hasText: "What Redis is" }).getByText("1 of 5 steps done").waitFor();
  expect(await page.locator(".cards a").count()).toBe(LESSONS.length);
  await page.close();
});
