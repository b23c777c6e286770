// The terminal in an <iframe> of another site: `embed.html`.
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import type { FrameLocator } from "playwright-core";
import { beforeEach, expect, test } from "vitest";
import { block } from "../node/readme.js";
import { violations } from "./accessibility.js";
import { otherSite, PICTURES } from "./other-site.js";

// The page around is of another site than the terminal.
const shared = otherSite((problem) => problem === "request to localhost");
const { pages } = shared;
let { playground, site, profile, page } = shared;
beforeEach(() => {
  ({ playground, site, profile, page } = shared);
});

const codeOf = (text: string) => `1${deflateRawSync(text).toString("base64url")}`;

/** Browsers may refuse storage to a site in a page of another one; another port is another origin of the same site. */
type Host = "localhost" | "127.0.0.1";

/** Shows a page of another origin with a terminal in it, as high as that says it is. */
async function show(address: string, host: Host = "localhost", attributes = ""): Promise<FrameLocator> {
  pages["/"] = `<!doctype html><html lang="en"><title>Docs</title><link rel="icon" href="data:,"><h1>Docs</h1>
    <iframe id="terminal" title="Try it" style="width: 100%; border: 0" ${attributes}></iframe>
    <script type="module">
      const frame = document.querySelector("#terminal");
      addEventListener("message", ({ source, data }) => {
        if (source === frame.contentWindow && data?.type === "lodis:height") frame.style.height = data.height + "px";
      });
      frame.src = ${JSON.stringify(playground.url + address)};
    </script></html>`;
  await page.goto(site.url.replace("127.0.0.1", host));
  return page.frameLocator("#terminal");
}

const repliesOf = (frame: FrameLocator) => frame.locator(".reply").allTextContents();

async function type(frame: FrameLocator, command: string): Promise<string> {
  const replies = frame.locator(".reply");
  const before = await replies.count();
  await frame.getByLabel("Command", { exact: true }).fill(command);
  await frame.getByLabel("Command", { exact: true }).press("Enter");
  await replies.nth(before).waitFor();
  return (await repliesOf(frame))[before]!;
}

test("in a page of another site it runs its commands, tells its height, and leads to the playground", async () => {
  const frame = await show(`embed.html#/run/${codeOf("SET shown yes\nGET shown\nAUTH default x")}`);
  await frame.locator(".reply").nth(2).waitFor();
  expect((await repliesOf(frame)).slice(0, 2)).toEqual(["OK", '"yes"']);
  const height = () => page.locator("#terminal").evaluate((frame) => frame.getBoundingClientRect().height);
  await expect.poll(height).toBeGreaterThan(200);
  const before = await height();
  expect(await type(frame, "INCR n")).toBe("(integer) 1");
  await expect.poll(height).toBeGreaterThan(before);
  // It never needs to be scrolled by itself.
  expect(await frame.locator("html").evaluate((root) => root.scrollHeight - root.clientHeight)).toBe(0);
  const opening = profile.context.waitForEvent("page");
  await frame.getByRole("link", { name: "Open in the playground" }).click();
  const opened = await opening;
  await opened.locator(".shared li").nth(2).waitFor();
  expect(await opened.locator(".shared li code").allInnerTexts()).toEqual(["SET shown yes", "GET shown", "INCR n"]);
  await opened.close();
});

test.each([
  ["its origin is that of nobody", "127.0.0.1", 'sandbox="allow-scripts allow-forms"'],
  ["the browser refuses storage to other sites", "localhost", ""],
] as const)("where %s it is in memory, and says so where it should be kept", async (_, host, attributes) => {
  const frame = await show(`embed.html?name=docs#/run/${codeOf("SET a 1\nGET a")}`, host, attributes);
  await frame.getByRole("button", { name: "Run all" }).click();
  await frame.locator(".reply").nth(1).waitFor();
  expect(await repliesOf(frame)).toEqual(["OK", '"1"']);
  await frame.getByText("This browser gives the page no storage", { exact: false }).waitFor();
  expect(await type(frame, `EVAL "return redis.call('GET', 'a')" 0`)).toBe('"1"');
});

test("with a name it is kept, offers its commands, and is not the store of the playground", async () => {
  const address = `embed.html?name=playground#/run/${codeOf("INCR visits")}`;
  let frame = await show(address, "127.0.0.1");
  await frame.getByRole("button", { name: "INCR visits" }).waitFor();
  expect(await repliesOf(frame)).toEqual([]);
  await frame.getByRole("button", { name: "INCR visits" }).click();
  await frame.locator(".reply").waitFor();
  const state = () => frame.locator("lodis-terminal").evaluate((terminal) => (terminal as HTMLElementTagNameMap["lodis-terminal"]).redis!.persistence.state);
  await expect.poll(state, { timeout: 10_000 }).toBe("saved");
  frame = await show(address, "127.0.0.1");
  await frame.getByRole("button", { name: "INCR visits" }).click();
  await frame.locator(".reply").waitFor();
  expect(await repliesOf(frame)).toEqual(["(integer) 2"]);
  // By itself, where nothing parts the storage of the one from that of the other.
  await page.goto(`${playground.url}${address}`);
  await page.getByRole("button", { name: "INCR visits" }).click();
  await page.locator(".reply").waitFor();
  await page.goto(playground.url);
  await page.locator(".note", { hasText: "Type a command" }).waitFor();
  await page.getByLabel("Command", { exact: true }).fill("EXISTS visits");
  await page.keyboard.press("Enter");
  await page.locator(".reply").waitFor();
  expect(await page.locator(".reply").allTextContents()).toEqual(["(integer) 0"]);
});

test.each([
  ["cut off", codeOf("SET a 1\nGET a").slice(0, -4), "broken"],
  ["a newer version", codeOf("PING").replace("1", "2"), "newer version"],
  ["a bomb", codeOf("A".repeat(5_000_000)), "unpacks to far more"],
  ["markup", encodeURIComponent("<img src=x onerror=alert(1)>"), "broken"],
])("%s is said, and the terminal is empty", async (_, code, reason) => {
  const frame = await show(`embed.html#/run/${code}`);
  await frame.getByRole("alert").getByText(reason, { exact: false }).waitFor();
  await frame.getByText("Type a command.", { exact: false }).waitFor();
  expect(await repliesOf(frame)).toEqual([]);
  expect(await frame.locator("img").count()).toBe(0);
});

test.each([
  ["another site", "localhost", ""],
  ["nobody's origin", "127.0.0.1", 'sandbox="allow-scripts allow-forms"'],
] as const)("the playground itself works in a page of %s, without storage", async (_, host, attributes) => {
  const frame = await show("", host, attributes);
  await frame.locator("#persistence").getByText("In memory only").waitFor();
  expect(await type(frame, "SET a 1")).toBe("OK");
});

test("as the README has it", async () => {
  const html = await block("package: A terminal for any page, html, the second");
  pages["/"] = `<!doctype html><html lang="en"><title>Docs</title><link rel="icon" href="data:,">${html.replace("https://example.org/playground/", playground.url)}</html>`;
  await page.goto(site.url);
  const frame = page.frameLocator("iframe");
  await frame.locator(".reply").waitFor();
  expect(await repliesOf(frame)).toEqual(["OK"]);
  await expect.poll(() => page.locator("iframe").evaluate((frame) => frame.style.height)).toMatch(/^[12]\d\dpx$/);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`as it looks, and to whom it cannot be seen: ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 390, height: 600 });
    await page.goto(`${playground.url}embed.html#/run/${codeOf("HSET user:1 name Eve visits 12\nHGETALL user:1")}`);
    await page.locator(".reply").nth(1).waitFor();
    await page.screenshot({ path: join(PICTURES, `embed-${colorScheme}.png`) });
    expect(await violations(page)).toEqual([]);
    const background = () => page.locator(".pane").evaluate((pane) => getComputedStyle(pane).backgroundColor);
    expect(await background()).toBe(colorScheme === "dark" ? "rgb(28, 28, 31)" : "rgb(255, 255, 255)");
    await page.goto(`${playground.url}embed.html?theme=${colorScheme === "dark" ? "light" : "dark"}&readonly#/`);
    await page.getByText("Type a command.", { exact: false }).waitFor();
    expect(await background()).toBe(colorScheme === "dark" ? "rgb(255, 255, 255)" : "rgb(28, 28, 31)");
    expect(await page.locator("input").isVisible()).toBe(false);
    expect(await violations(page)).toEqual([]);
  });
}
