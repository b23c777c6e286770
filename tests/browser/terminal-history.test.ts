// What was typed is kept in the store itself, where it is nobody's business: shared by tabs, and there after a reload.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

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
afterEach(async () => {
  for (const page of profile.context.pages().slice(1)) await page.close();
  expect(profile.problems).toEqual([]);
});

const opened = () => Playground.open(profile, server.url);
const line = ({ page }: Playground) => page.getByLabel("Command", { exact: true });
const up = async (play: Playground) => (await line(play).press("ArrowUp"), line(play).inputValue());
/** What the store has, seen by a client that keeps nothing. */
const kept = async (play: Playground) => {
  await play.type("SELECT 15");
  const reply = await play.type("LRANGE playground:history 0 -1");
  await play.type("SELECT 0");
  return reply;
};

test("lines are in the store, in other tabs, and there after a reload; passwords are not", async () => {
  const first = await opened();
  const second = await opened();
  await first.type("SET kept 1");
  await first.type("AUTH a-secret");
  await first.type("INCR kept");
  // Another tab has them at once.
  await expect.poll(async () => (await line(second).fill(""), await line(second).press("Escape"), up(second))).toBe("INCR kept");
  expect(await up(second)).toBe("SET kept 1");
  await line(second).fill("");
  await expect.poll(() => kept(second)).toContain('"INCR kept"');
  expect(await kept(second)).not.toContain("a-secret");
  // Nothing of it is where one works.
  expect(await second.type("KEYS *")).toBe('1) "kept"');
  expect(await second.type("DBSIZE")).toBe("(integer) 1");
  await first.page.close();
  await second.page.close();
  const third = await opened();
  const lines = [await up(third), await up(third)];
  expect(lines.length).toBe(2);
  await line(third).fill("SET ke");
  await line(third).press("Control+r");
  expect(await line(third).inputValue()).toBe("SET kept 1");
});

test("what the store refuses is kept in memory, without a word", async () => {
  const play = await opened();
  await play.type("CONFIG SET maxmemory 1");
  await play.type("GET nothing");
  await play.page.waitForTimeout(1_500);
  expect(await up(play)).toBe("GET nothing");
  await line(play).fill("");
  expect(await play.page.locator(".error").count()).toBe(0);
  await play.type("CONFIG SET maxmemory 0");
  // It is stored as soon as it can be.
  await expect.poll(() => kept(play), { timeout: 15_000 }).toContain('"GET nothing"');
});

test("a transaction, a database and another user are left alone", async () => {
  const play = await opened();
  await play.type("SELECT 3");
  await play.type("MULTI");
  await play.type("SET inside 1");
  await play.page.waitForTimeout(1_500);
  expect(await play.type("EXEC")).toBe("1) OK");
  await play.page.waitForTimeout(1_500);
  expect(await play.type("GET inside")).toBe('"1"');
  expect(await play.type("KEYS *")).toBe('1) "inside"');
  await play.type("ACL SETUSER bob on nopass +@read ~*");
  await play.type("AUTH bob x");
  await play.type("GET other");
  await play.page.waitForTimeout(1_500);
  expect(await play.type("ACL LOG")).toMatch(/NOPERM/);
  await play.type("AUTH default x");
  expect(await play.type("ACL LOG")).not.toMatch(/rpush/i);
});

test("history shows, clears and keeps nothing, as it is told", async () => {
  const play = await opened();
  const note = (text: string) => play.page.locator(".note", { hasText: text }).last().waitFor();
  const enter = async (text: string) => (await line(play).fill(text), line(play).press("Enter"));
  await play.type("SET shown 1");
  await enter("history");
  await note("kept in the store, in database 15 as playground:history");
  await play.page.locator(".line", { hasText: /^\d+\) SET shown 1$/ }).waitFor();
  await enter("history off");
  await note("kept for this page alone");
  expect(await kept(play)).toBe("(empty array)");
  await play.page.reload();
  await play.ready();
  await play.type("GET shown");
  await play.page.waitForTimeout(1_500);
  expect(await kept(play)).toBe("(empty array)");
  await enter("history on");
  await play.type("GET again");
  await expect.poll(() => kept(play)).toContain('"GET again"');
  await enter("history clear");
  await note("kept in the store");
  await line(play).press("ArrowUp");
  expect(await line(play).inputValue()).toBe("");
});
