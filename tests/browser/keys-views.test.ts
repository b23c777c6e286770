// The key browser of the playground as it looks with keys of every kind, in both themes, wide and narrow.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

/** To be looked at. */
const PICTURES = fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const LOOKS = [["light", "wide", 1280], ["dark", "narrow", 390]] as const;

const COMMANDS = [
  'HSET user:1 name "Eve Moss" visits 12 town "a rather long value that goes on for a while, as values of people do"',
  "HSET user:2 name Bob", "HEXPIRE user:1 5000 FIELDS 1 visits", "SET session:ab12 x EX 3000", 'SET text "Hello\\nworld, this is ü"',
  `SET json '{"a":[1,2,{"b":null}],"name":"Eve"}'`, 'SET bytes "\\x00\\x01\\xff\\xfe\\x80binary\\n\\x00"', "SETRANGE long 200000 end", "PFADD visitors a b c d e f",
  "GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", `RPUSH queue one two '{"three":3}' four`, "SADD tags red green blue",
  "ZADD board 120 ada 80 grace 99.5 linus", "XADD events 1-1 type login user 1", "XADD events 2-1 type logout user 1",
  "XGROUP CREATE events workers 0", "XREADGROUP GROUP workers alice COUNT 1 STREAMS events >", "SELECT 3", "SET other x", "SELECT 0",
];

const click = (name: string | RegExp) => (page: Page): Promise<void> => page.getByRole("button", { name, exact: true }).click();
/** What is opened, what shows that it is there, and what is done then. */
const VIEWS: Readonly<Record<string, readonly [path: string, sign: string, ...acts: ((page: Page) => Promise<unknown>)[]]>> = {
  text: ["/0/text", ".detail textarea"],
  json: ["/0/json", ".detail textarea"],
  hex: ["/0/bytes", ".detail textarea", (page) => page.getByLabel("Format").selectOption("hex"), (page) => page.locator(".dump").waitFor()],
  bits: ["/0/bytes", ".detail textarea", (page) => page.getByLabel("Format").selectOption("bits"), (page) => page.locator(".dump").waitFor()],
  long: ["/0/long", ".detail .dump"],
  hyperloglog: ["/0/visitors", ".special"],
  list: ["/0/queue", ".detail tbody tr"],
  hash: ["/0/user:1", ".detail tbody tr"],
  set: ["/0/tags", ".detail tbody tr"],
  zset: ["/0/board", ".detail tbody tr"],
  geo: ["/0/places", ".detail tbody tr"],
  stream: ["/0/events", ".detail tbody tr", click("Pending entries of workers"), (page) => page.getByText("Pending entries of workers").waitFor()],
  selecting: ["", ".row .type", click("Select"), (page) => page.locator('[data-id="folder user:"]').click(), (page) => page.getByText("2 selected").waitFor()],
  exporting: ["", ".row .type", click("Export")],
  viewing: ["/0/queue", ".detail tbody tr", click("View 2")],
  adding: ["/0/user:1", ".detail tbody tr", click("Add field")],
};

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let play: Playground;

beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  server = await serveFolder(WWW);
  profile = await launch();
  play = await Playground.open(profile, server.url);
  for (const command of COMMANDS) await play.type(command);
});
afterAll(async () => {
  await end(profile);
  await server.close();
});

for (const [name, [path, sign, ...acts]] of Object.entries(VIEWS)) {
  for (const [colorScheme, size, width] of LOOKS) {
    test(`${name}, ${colorScheme}, ${size}`, async () => {
      const page = await profile.context.newPage();
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${server.url}#/keys${path}`);
      await page.locator(sign).first().waitFor();
      for (const act of acts) await act(page);
      await page.screenshot({ path: join(PICTURES, `keys-${name}-${colorScheme}-${size}.png`) });
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), "it need not be scrolled sideways").toBe(width);
      expect(profile.problems).toEqual([]);
      await page.close();
    });
  }
}
