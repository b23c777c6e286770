// The playground without a network, after its first visit; and a new build of it.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

let folder: string;
let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-www-"));
  await cp(WWW, folder, { recursive: true });
  server = await serveFolder(folder);
  profile = await launch();
});
afterEach(async () => {
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

test("it opens without a network, with all that was there, and all views", async () => {
  const play = await visit();
  await play.type("SET kept yes");
  await play.saved();
  await profile.context.setOffline(true);
  await server.close();
  await play.page.reload();
  await play.ready();
  expect(await play.type("GET kept")).toBe('"yes"');
  await play.page.getByRole("link", { name: "Lessons" }).click();
  await play.page.locator(".cards a").first().click();
  await play.page.locator(".verdict").waitFor();
  await play.page.getByRole("link", { name: "Dashboard" }).click();
  await play.page.locator(".dashboard table").first().waitFor();
  const another = await Playground.open(profile, `${server.url}#/`);
  expect(await another.type("GET kept")).toBe('"yes"');
  expect(profile.problems).toEqual([]);
});

test("a new build takes over once no page of the old one is open", async () => {
  const play = await visit();
  const index = join(folder, "index.html");
  const worker = join(folder, "sw.js");
  await writeFile(index, (await readFile(index, "utf8")).replace("<title>Lodis playground", "<title>Lodis playground, new"));
  await writeFile(worker, (await readFile(worker, "utf8")).replace(/lodis-playground-\w+/, "lodis-playground-new"));
  await play.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    await new Promise<void>((resolve) => {
      const look = () => (registration.waiting ? resolve() : setTimeout(look, 20));
      look();
    });
  });
  await play.page.reload();
  await play.ready();
  expect(await play.page.title()).toBe("Lodis playground");
  await play.page.goto("about:blank");
  await expect
    .poll(async () => {
      const next = await Playground.open(profile, server.url);
      const title = await next.page.title();
      await next.page.close();
      return title;
    }, { timeout: 20_000 })
    .toBe("Lodis playground, new");
});
