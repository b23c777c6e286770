// The playground without a network, after its first visit; and a new build of it. A host serves it from a folder.
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveAsHost } from "./serving.js";

/** Every view: its address, and what tells that it is there. */
const VIEWS = {
  "#/lessons": ".cards",
  "#/lessons/persistence/1": ".verdict",
  "#/dashboard": ".dashboard table",
  "#/keys": "[role=treeitem]",
  "#/keys/0/kept": ".detail .facts",
} as const;

let folder: string;
let server: Awaited<ReturnType<typeof serveAsHost>>;
let profile: Profile;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-www-"));
  await cp(WWW, folder, { recursive: true });
  server = await serveAsHost(folder, "/some/folder/");
  profile = await launch();
});
afterEach(async () => {
  expect(profile.problems).toEqual([]);
  await end(profile);
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Opens the page, and waits until it is kept. */
async function visit(): Promise<Playground> {
  const play = await Playground.open(profile, server.url);
  await play.page.evaluate(async () => {
    const { active } = await navigator.serviceWorker.ready;
    if (active!.state === "activated") return;
    await new Promise<void>((resolve) => {
      active!.onstatechange = () => active!.state === "activated" && resolve();
    });
  });
  return play;
}

async function seen(page: Page, sign: string): Promise<void> {
  await page.locator(sign).filter({ visible: true }).first().waitFor();
}

test("it opens without a network, with all that was there, and all views, by their addresses and one from another", async () => {
  const play = await visit();
  await play.type("SET kept yes");
  await play.saved();
  await profile.context.setOffline(true);
  await server.close();
  await play.page.reload();
  await play.ready();
  expect(await play.type("GET kept")).toBe('"yes"');
  await play.page.getByRole("button", { name: "Share" }).click();
  await play.page.getByRole("dialog").waitFor();
  await play.page.keyboard.press("Escape");
  for (const name of ["Lessons", "Dashboard", "Keys", "Terminal"]) {
    await play.page.getByRole("link", { name, exact: true }).click();
    await expect.poll(() => play.page.title()).toMatch(name === "Terminal" ? /^Lodis/ : new RegExp(`^${name} `));
  }
  // In a page that has never shown them.
  for (const [path, sign] of Object.entries(VIEWS)) {
    const page = await profile.context.newPage();
    await page.goto(server.url + path);
    await seen(page, sign);
    await page.reload();
    await seen(page, sign);
    await page.close();
  }
  const another = await Playground.open(profile, `${server.url}#/`);
  expect(await another.type("GET kept")).toBe('"yes"');
});

test("what was not kept is said not to be there, and nothing else suffers", async () => {
  const play = await visit();
  await play.type("SET kept yes");
  await play.saved();
  await profile.context.setOffline(true);
  await server.close();
  expect(await play.type("EVAL 'return 1' 0")).toMatch(/^\(error\) /);
  expect(await play.type("GET kept")).toBe('"yes"');
  // The browser says that a file could not be had.
  profile.problems.length = 0;
});

/** Deploys a new build in the place of the old one: another page, and another name for every file. */
async function deploy(): Promise<void> {
  const all = (await readdir(folder, { recursive: true })).filter((name) => /\.\w+$/.test(name));
  for (const name of all.filter((name) => /\.(br|gz)$/.test(name))) await rm(join(folder, name));
  const hashes = all.flatMap((name) => /-([\w-]{8})\.(js|css|wasm)$/.exec(name)?.[1] ?? []);
  const renewed = (text: string) => hashes.reduce((text, hash) => text.replaceAll(`-${hash}.`, `-${hash}2.`), text);
  for (const name of all.filter((name) => /\.(js|css|html)$/.test(name))) {
    const text = await readFile(join(folder, name), "utf8");
    await writeFile(join(folder, name), renewed(text).replace("<title>Lodis playground", "<title>Lodis playground, new").replace(/lodis-playground-\w{16}/, "lodis-playground-new"));
  }
  for (const name of all.filter((name) => /-[\w-]{8}\.(js|css|wasm)$/.test(name))) await rename(join(folder, name), join(folder, renewed(name)));
}

test("a new build takes over once no page of the old one is open, and the two are never mixed", async () => {
  const play = await visit();
  const { page } = play;
  await play.type("SET kept yes");
  await play.saved();
  await deploy();
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    await new Promise<void>((resolve) => {
      const look = () => (registration.waiting ? resolve() : setTimeout(look, 20));
      look();
    });
  });
  // What the old page has not loaded yet is not on the host any more.
  const lessons = page.getByRole("link", { name: "Lessons", exact: true });
  await lessons.click();
  await seen(page, ".cards");
  await page.goto(`${server.url}#/`);
  await page.reload();
  await play.ready();
  expect(await page.title()).toBe("Lodis playground");
  const names = () => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
  expect((await names()).filter((name) => /2\.(js|css|wasm)$/.test(name))).toEqual([]);
  await page.goto("about:blank");
  const newer = async (): Promise<string> => {
    await page.goto(server.url);
    await play.ready();
    const title = await page.title();
    if (!title.endsWith("new")) await page.goto("about:blank");
    return title;
  };
  await expect.poll(newer, { timeout: 20_000 }).toBe("Lodis playground, new");
  expect((await names()).filter((name) => /\/assets\/.*[^2]\.(js|css|wasm)$/.test(name))).toEqual([]);
  expect(await play.type("GET kept")).toBe('"yes"');
  await lessons.click();
  await seen(page, ".cards");
  await expect.poll(() => page.evaluate(() => caches.keys())).toEqual(["lodis-playground-new"]);
});
