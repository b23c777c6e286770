// The dashboard of the playground: what it counts, and who leads.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveFolder(WWW);
});
afterAll(() => server.close());
beforeEach(async () => {
  profile = await launch();
});
afterEach(async () => {
  expect(profile.problems).toEqual([]);
  await end(profile);
});

const figure = (play: Playground, title: string) =>
  play.page.locator(".plot", { has: play.page.getByRole("term").getByText(title, { exact: true }) });

test("it counts what the store does, and shows what was slow", async () => {
  const play = await Playground.open(profile, server.url);
  await play.type("MSET a 1 b 2 c 3");
  await play.type("CONFIG SET maxmemory 100mb");
  await play.type("CONFIG SET slowlog-log-slower-than 0");
  await play.type("LPUSH slow 'one of them'");
  await play.type("SUBSCRIBE news");
  await play.page.goto(`${server.url}#/dashboard`);
  await expect.poll(() => figure(play, "Keys").innerText()).toContain("4");
  await expect.poll(() => figure(play, "Memory").innerText()).toContain("of 100 MB, noeviction");
  expect(await figure(play, "Messages published").innerText()).toContain("1 channels");
  await play.page.getByText('LPUSH slow "one of them"').waitFor();
  await play.page.getByText("(this dashboard)").waitFor();
  const second = await Playground.open(profile, server.url);
  for (let index = 0; index < 20; index++) await second.type(`SET k${index} x`);
  await play.page.bringToFront();
  await expect.poll(() => figure(play, "Keys").innerText()).toContain("24");
});

test("the leading tab leaves at the press of a button, and another one leads", async () => {
  const first = await Playground.open(profile, server.url);
  await first.type("SET kept yes");
  const second = await Playground.open(profile, server.url);
  const role = (play: Playground) => play.page.locator("#role").innerText();
  await expect.poll(() => role(second)).toBe("Replica");
  await second.page.goto(`${server.url}#/dashboard`);
  await second.page.getByRole("button", { name: "Have the leading tab leave" }).click();
  await second.page.getByText(/It has left; \d+ ms later another one answered\./).waitFor();
  await expect.poll(() => role(second)).toBe("Leader");
  await expect.poll(() => role(first)).toBe("Replica");
  expect(await first.type("GET kept")).toBe('"yes"');
});

test("a page that is alone says that nobody can take over", async () => {
  await profile.context.addInitScript("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })");
  const play = await Playground.open(profile, server.url);
  await play.page.goto(`${server.url}#/dashboard`);
  await play.page.getByRole("button", { name: "Have the leading tab leave" }).click();
  await play.page.getByText("there is nobody to take over").waitFor();
});
