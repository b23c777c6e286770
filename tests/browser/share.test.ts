// Links that carry commands: made in one browser, opened in another; and links that nobody should trust.
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

/** To be looked at. */
const PICTURES = fileURLToPath(new URL("../../target/screenshots", import.meta.url));

let server: Awaited<ReturnType<typeof serveFolder>>;
let sender: Profile;
let visitor: Profile;

beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  server = await serveFolder(WWW);
  [sender, visitor] = await Promise.all([launch(), launch()]);
  await sender.context.grantPermissions(["clipboard-read", "clipboard-write"]);
});
afterAll(async () => {
  await Promise.all([end(sender), end(visitor)]);
  await server.close();
});

/** A link as this page writes it. */
function linkOf(text: string | Uint8Array): string {
  return `${server.url}#/run/1${deflateRawSync(text).toString("base64url")}`;
}

/** What cannot be compressed to less than half. */
const noise = (index: number): string => createHash("sha256").update(String(index)).digest("hex");

const codeOf = (page: Page): Promise<string[]> => page.locator(".shared li code").allInnerTexts();
const replies = (page: Page): Promise<string[]> => page.locator(".pane .reply").allTextContents();
const press = (page: Page, name: string): Promise<void> => page.getByRole("button", { name, exact: true }).click();

describe("a link is made", () => {
  let play: Playground;
  beforeEach(async () => {
    play = await Playground.open(sender, server.url);
  });
  afterEach(async () => {
    await play.page.close();
    expect(sender.problems).toEqual([]);
  });
  const link = (): Promise<string> => play.page.getByLabel("Link").inputValue();

  test("of what was typed, in one browser, and run in a fresh store in another", async () => {
    await play.type('SET shared:a "Zoë 🙂 <b>"');
    await play.type("INCR shared:n");
    await play.type("GET shared:a");
    await press(play.page, "Share");
    const state = play.page.locator(".link-state");
    await state.getByText(/^3 commands, \d+ characters\.$/).waitFor();
    await press(play.page, "Copy the link");
    await state.getByText("Copied.").waitFor();
    const copied = await play.page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe(await link());
    await play.page.keyboard.press("Escape");
    await play.page.locator("dialog").waitFor({ state: "detached" });

    const page = await visitor.context.newPage();
    await page.goto(copied);
    await page.locator(".shared li").nth(2).waitFor();
    expect(await codeOf(page)).toEqual(['SET shared:a "Zoë 🙂 <b>"', "INCR shared:n", "GET shared:a"]);
    expect(await page.getByRole("radio", { name: /fresh store/ }).isChecked()).toBe(true);
    expect(await replies(page)).toEqual([]);
    await press(page, "Run all");
    await page.locator(".reply").nth(2).waitFor();
    expect(await replies(page)).toEqual(["OK", "(integer) 1", '"Zoë 🙂 <b>"']);
    // What came of it is not in the visitor's own store.
    await press(page, "Dismiss");
    expect(new URL(page.url()).hash).toBe("#/");
    await page.locator("#log .note").waitFor();
    expect(await new Playground(page).type("EXISTS shared:a shared:n")).toBe("(integer) 0");
    await page.close();
    expect(visitor.problems).toEqual([]);
  });

  test("without passwords, of the lines that are left in it, and it says so", async () => {
    await press(play.page, "Share");
    const lines = play.page.getByLabel("Commands, one a line");
    await play.page.getByText("There is no command to share yet.").waitFor();
    expect(await play.page.getByRole("button", { name: "Copy the link" }).isDisabled()).toBe(true);
    await lines.fill('GET a\nauth "s3cret"\nHELLO 3 AUTH default pw\nACL SETUSER eve on >pw\n\nCONFIG SET maxmemory 1mb requirepass pw\n  ACL SETUSER eve off\nAUTH "half\n3 AUTH pw');
    await play.page.getByText("6 commands are left out, for the sake of a password: AUTH, HELLO, ACL, CONFIG, AUTH, 3.").waitFor();
    await play.page.getByText(/^2 commands, /).waitFor();
    await play.page.goto(await link());
    await play.page.locator(".shared li").nth(1).waitFor();
    expect(await codeOf(play.page)).toEqual(["GET a", "ACL SETUSER eve off"]);
  });

  test("unless it would be too long, or has in it what cannot be seen", async () => {
    await press(play.page, "Share");
    const lines = play.page.getByLabel("Commands, one a line");
    await lines.fill(Array.from({ length: 400 }, (_, index) => `SET ${index} ${noise(index).slice(0, 8)}`).join("\n"));
    await play.page.getByText(/^400 commands, [\d,]+ characters\. Some apps cut links/).waitFor();
    await lines.fill(`SET k ${Array.from({ length: 200 }, (_, index) => noise(index)).join("")}`);
    await play.page.getByText("This is too much for a link", { exact: false }).waitFor();
    await lines.fill(Array.from({ length: 501 }, () => "PING").join("\n"));
    await play.page.getByText("These are 501 commands, and a link carries at most 500.", { exact: false }).waitFor();
    expect(await link()).toBe("");
    await lines.fill("SET k \u202e1");
    await play.page.getByText("that cannot be seen", { exact: false }).waitFor();
    await lines.fill(`SET k ${"x".repeat(70_000)}`);
    await play.page.getByText("This is too much for a link", { exact: false }).waitFor();
    expect(await link()).toBe("");
  });

  test("and copied where the browser refuses the page its clipboard", async () => {
    await play.type("PING");
    await play.page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await press(play.page, "Share");
    await play.page.getByText(/^One command, /).waitFor();
    await press(play.page, "Copy the link");
    await play.page.getByText("Copied.").waitFor();
    const selected = await play.page.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.activeElement as HTMLInputElement;
      return value.slice(selectionStart!, selectionEnd!);
    });
    expect(selected).toBe(await link());
    await play.page.evaluate(() => (document.execCommand = () => false));
    await press(play.page, "Copy the link");
    await play.page.getByText("copy it by hand", { exact: false }).waitFor();
  });

  test("and given to the phone to send, where it can", async () => {
    await play.page.evaluate(() => {
      const sent: unknown[] = [];
      Object.assign(globalThis, { sent });
      Object.defineProperty(navigator, "share", { value: async (data: unknown) => void sent.push(data) });
    });
    await play.type("PING");
    await press(play.page, "Share");
    await play.page.getByText(/^One command, /).waitFor();
    await press(play.page, "Send…");
    expect(await play.page.evaluate(() => (globalThis as unknown as { sent: unknown[] }).sent)).toEqual([{ title: "Redis commands", url: await link() }]);
  });
});

describe("a link is opened", () => {
  let page: Page;
  beforeEach(async () => {
    page = await visitor.context.newPage();
  });
  afterEach(async () => {
    await page.close();
    expect(visitor.problems).toEqual([]);
  });

  test("step by step, and into the line, where the visitor chooses", async () => {
    await page.goto(linkOf("SET step:1 a\nFLUSHALL\nCONFIG SET maxmemory 1mb"));
    await page.locator(".shared li").nth(2).waitFor();
    expect(await page.locator(".shared .danger").allInnerTexts()).toEqual(["It deletes every key of every database.", "It changes settings."]);
    await press(page, "Run the next one");
    await page.getByText("Next: 2 of 3.").waitFor();
    expect(await replies(page)).toEqual(["OK"]);
    await page.getByRole("radio", { name: /my own store/ }).check();
    await page.getByText("2 of them may destroy some of it", { exact: false }).waitFor();
    await press(page, "Put the next one into the line");
    expect(await page.getByLabel("Command", { exact: true }).inputValue()).toBe("SET step:1 a");
    await press(page, "Put the next one into the line");
    expect(await page.getByLabel("Command", { exact: true }).inputValue()).toBe("FLUSHALL");
    expect(await page.getByLabel("Command", { exact: true }).evaluate((line) => line === document.activeElement)).toBe(true);
    expect(await replies(page)).toEqual([]);
    await page.getByLabel("Command", { exact: true }).fill("EXISTS step:1");
    await page.keyboard.press("Enter");
    await page.locator(".reply").first().waitFor();
    expect(await replies(page)).toEqual(["(integer) 0"]);
  });

  test("a script in it runs in the fresh store", async () => {
    await page.goto(linkOf("SET s one\nEVAL \"return redis.call('GET', KEYS[1])\" 1 s\nGET s"));
    await press(page, "Run all");
    await page.locator(".reply").nth(2).waitFor();
    expect(await replies(page)).toEqual(["OK", '"one"', '"one"']);
  });

  test("another one in the same page takes its place, with another store", async () => {
    await page.goto(linkOf("SET one 1"));
    await press(page, "Run it");
    // The screen of the same shape that comes with the next one:
    await press(page, "Run all");
    await page.locator(".reply").nth(1).waitFor();
    await page.goto(linkOf("EXISTS one\nPING"));
    await page.locator(".shared li").nth(1).waitFor();
    await press(page, "Run all");
    await page.locator(".reply").nth(1).waitFor();
    expect(await replies(page)).toEqual(["(integer) 0", "PONG"]);
  });

  test("markup in it is text", async () => {
    const command = "SET k '<img src=x onerror=alert(1)><script>alert(2)</script>'";
    await page.goto(linkOf(command));
    await page.locator(".shared li").first().waitFor();
    expect(await codeOf(page)).toEqual([command]);
    await press(page, "Run all");
    await page.locator(".reply").waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
  });

  const good = deflateRawSync(Array.from({ length: 40 }, (_, index) => `SET key:${index} ${Math.sin(index)}`).join("\n")).toString("base64url");
  test.each([
    ["garbage", "#/run/1hello%20world", "broken"],
    ["markup", `#/run/1${encodeURIComponent("<img src=x onerror=alert(1)>")}`, "broken"],
    ["nothing", "#/run/", "broken"],
    ["no more than a version", "#/run/1", "broken"],
    ["what is no version", "#/run/xabc", "broken"],
    ["cut off", `#/run/1${good.slice(0, -20)}`, "broken"],
    ["cut off by one", `#/run/1${good.slice(0, -2)}`, "broken"],
    ["something behind it", `#/run/1${good}AAAA`, "broken"],
    ["a newer version", `#/run/2${good}`, "newer version"],
    ["too long", `#/run/1${"A".repeat(9000)}`, "longer than any"],
    ["a bomb", () => linkOf(new Uint8Array(5_000_000).fill(65)), "unpacks to far more"],
    ["a million lines in little", () => linkOf("a\n".repeat(30_000)), "more than 500 commands"],
    ["no text", () => linkOf(Uint8Array.of(0xff, 0xfe)), "broken"],
    ["only empty lines", () => linkOf(" \n\n"), "broken"],
    ["a text that runs from right to left", () => linkOf("GET \u202eabc"), "broken"],
    ["an escape of a terminal", () => linkOf("GET \x1b[2J"), "broken"],
  ])("%s is refused with a reason, and changes nothing", async (_, link, reason) => {
    await page.goto(typeof link === "string" ? server.url + link : link());
    const problem = page.locator(".shared [role=alert]");
    await problem.waitFor();
    expect(await problem.innerText()).toContain(reason);
    expect(await page.locator(".shared li").count()).toBe(0);
    expect(await page.getByRole("button", { name: /Run all/ }).count()).toBe(0);
    await press(page, "Dismiss");
    await page.locator("#terminals .note").waitFor();
    expect(await replies(page)).toEqual([]);
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const [size, width] of [["wide", 1280], ["narrow", 390]] as const) {
    test(`as it looks: ${colorScheme}, ${size}`, async () => {
      const play = await Playground.open(sender, server.url);
      const { page } = play;
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await play.type('SET user:1 "Eve" EX 100');
      await play.type("INCR visits");
      await play.page.getByLabel("Command", { exact: true }).fill("AUTH default nobody");
      await page.keyboard.press("Enter");
      await press(page, "Share");
      await page.getByText(/^2 commands, /).waitFor();
      await page.screenshot({ path: join(PICTURES, `share-${colorScheme}-${size}.png`) });
      expect(await violations(page)).toEqual([]);
      await page.goto(linkOf('SET user:1 "Eve" EX 100\nZADD board 120 ada 80 grace\nZRANGE board 0 -1 WITHSCORES\nDEL user:1\nGET user:1'));
      await press(page, "Run the next one");
      await page.getByText("Next: 2 of 5.").waitFor();
      await page.getByRole("radio", { name: /my own store/ }).check();
      await page.screenshot({ path: join(PICTURES, `shared-${colorScheme}-${size}.png`) });
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), "it need not be scrolled sideways").toBe(width);
      await page.close();
      expect(sender.problems).toEqual([]);
    });
  }
}
