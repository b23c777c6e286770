// <lodis-terminal> in pages of another origin, without a bundler: as `lodis-terminal.js` of the playground.
import { join } from "node:path";
import type { LodisTerminal } from "lodis/terminal/element";
import type { Locator } from "playwright-core";
import { beforeEach, expect, test } from "vitest";
import { block } from "../node/readme.js";
import { violations } from "./accessibility.js";
import { otherSite, PICTURES } from "./other-site.js";

const shared = otherSite();
const { pages } = shared;
let { playground, site, profile, page } = shared;
beforeEach(() => {
  ({ playground, site, profile, page } = shared);
});

const terminals = () => page.locator("lodis-terminal");
const repliesOf = (terminal: Locator) => terminal.locator(".reply").allTextContents();
/** The modules that were fetched. */
const fetched = () => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => /lodis(_full)?_bg/.exec(name)?.[0]).filter((name) => name !== undefined));

/** Shows a page of documentation with this in it. */
async function show(body: string): Promise<void> {
  pages["/"] = `<!doctype html><html lang="en"><head><meta name="color-scheme" content="light dark"><title>Docs</title><link rel="icon" href="data:,">
    <script type="module" src="${playground.url}lodis-terminal.js"></script></head>
    <body style="margin: 20px; font-family: serif"><main><h1>Counting</h1>${body}</main></body></html>`;
  await page.goto(site.url);
}

async function type(terminal: Locator, command: string): Promise<string> {
  const replies = terminal.locator(".reply");
  const before = await replies.count();
  await terminal.locator("input").fill(command);
  await page.keyboard.press("Enter");
  await replies.nth(before).waitFor();
  return (await replies.nth(before).textContent())!;
}

const TWO = `<p>A counter goes up:</p>
  <lodis-terminal label="the counter">
    INCR visits
    INCR visits
    GET "&lt;img src=x onerror=alert(1)&gt;"
  </lodis-terminal>
  <p>And a leaderboard:</p>
  <lodis-terminal commands="ZADD board 120 ada 80 grace&#10;ZRANGE board 0 -1 WITHSCORES"></lodis-terminal>`;

test("two in a page run what they are told to, each in a store of its own", async () => {
  await show(TWO);
  const [first, second] = [terminals().first(), terminals().last()];
  await first.locator(".reply").nth(2).waitFor();
  await second.locator(".reply").nth(1).waitFor();
  expect(await repliesOf(first)).toEqual(["(integer) 1", "(integer) 2", "(nil)"]);
  expect(await second.locator(".reply").last().innerText()).toContain('"grace"');
  expect(await type(first, "DBSIZE")).toBe("(integer) 1");
  expect(await type(second, "EXISTS visits board")).toBe("(integer) 1");
  expect(await page.locator("lodis-terminal img").count()).toBe(0);
  expect(await page.getByRole("log").count()).toBe(2);
  await page.getByRole("region", { name: "Terminal output of the counter" }).waitFor();
  expect(await fetched()).toEqual(["lodis_bg"]);
});

test("as the README has it", async () => {
  const html = await block("package: A terminal for any page, html");
  await show(html.replace("https://example.org/playground/", playground.url));
  await terminals().locator(".reply").nth(1).waitFor();
  expect(await repliesOf(terminals())).toEqual(["(integer) 2", expect.stringContaining('"grace"')]);
  await page.getByRole("region", { name: "Terminal output of the leaderboard" }).waitFor();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`as they look, and to whom they cannot be seen: ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: 720, height: 900 });
    await show(`${TWO}<lodis-terminal run="offer" label="offers">SET a 1\nGET a</lodis-terminal><lodis-terminal theme="dark" readonly label="a dark one">PING\nNOSUCH</lodis-terminal>`);
    await terminals().last().locator(".reply").nth(1).waitFor();
    await terminals().nth(1).locator(".reply").nth(1).waitFor();
    await page.screenshot({ path: join(PICTURES, `element-${colorScheme}.png`), fullPage: true });
    expect(await violations(page)).toEqual([]);
    const background = (index: number) => terminals().nth(index).locator(".pane").evaluate((pane) => getComputedStyle(pane).backgroundColor);
    expect(await background(0)).toBe(colorScheme === "dark" ? "rgb(28, 28, 31)" : "rgb(255, 255, 255)");
    expect(await background(3)).toBe("rgb(28, 28, 31)");
    expect(await terminals().last().locator("input").isVisible()).toBe(false);
  });
}

test("the module is fetched once one is seen, or used", async () => {
  await show(`<lodis-terminal load="interaction">SET a 1\nINCR a</lodis-terminal><div style="height: 4000px"></div><lodis-terminal>PING</lodis-terminal>`);
  const [first, second] = [terminals().first(), terminals().last()];
  await first.getByRole("button", { name: "INCR a" }).waitFor();
  expect(await fetched()).toEqual([]);
  expect(await second.locator(".reply").count()).toBe(0);
  await first.getByRole("button", { name: "Run all" }).click();
  await first.locator(".reply").nth(1).waitFor();
  expect(await repliesOf(first)).toEqual(["OK", "(integer) 2"]);
  expect(await second.evaluate((terminal) => (terminal as LodisTerminal).redis)).toBe(undefined);
  await second.scrollIntoViewIfNeeded();
  await second.locator(".reply").waitFor();
  expect(await repliesOf(second)).toEqual(["PONG"]);
});

test("a line that is typed has the store opened first", async () => {
  await show(`<lodis-terminal load="interaction"></lodis-terminal>`);
  await terminals().getByText("Type a command.", { exact: false }).waitFor();
  expect(await fetched()).toEqual([]);
  expect(await type(terminals(), "SET typed yes")).toBe("OK");
  expect(await type(terminals(), `EVAL "return redis.call('GET', 'typed')" 0`)).toBe('"yes"');
  expect(await fetched()).toEqual(["lodis_bg", "lodis_full_bg"]);
});

test("events, properties and methods", async () => {
  await show("");
  await page.waitForFunction(() => customElements.get("lodis-terminal"));
  const told = await page.evaluate(async () => {
    const terminal = document.createElement("lodis-terminal");
    const told: unknown[] = [];
    document.addEventListener("ready", (event) => told.push(["ready", (event.target as Element).localName]));
    terminal.addEventListener("command", ({ detail }) => told.push(["command", detail.words]));
    terminal.addEventListener("reply", ({ detail }) => told.push(["reply", detail.words, detail.replies]));
    const failed = await terminal.run("PING").catch((error: Error) => error.name);
    told.push(failed);
    document.querySelector("main")!.append(terminal);
    await new Promise((resolve) => terminal.addEventListener("ready", resolve, { once: true }));
    await terminal.run("INCR n\n\nINCR n");
    told.push(await terminal.redis!.get("n"), terminal.lines, terminal.shadowRoot!.querySelectorAll(".reply").length);
    terminal.clear();
    terminal.focus();
    told.push(terminal.shadowRoot!.querySelectorAll(".entry").length, terminal.shadowRoot!.activeElement?.localName);
    return told;
  });
  expect(told).toEqual([
    "TypeError",
    ["ready", "lodis-terminal"],
    ["command", ["INCR", "n"]],
    ["reply", ["INCR", "n"], [{ type: "integer", text: "1" }]],
    ["command", ["INCR", "n"]],
    ["reply", ["INCR", "n"], [{ type: "integer", text: "2" }]],
    "2",
    ["INCR n", "INCR n"],
    2,
    0,
    "input",
  ]);
});

test("removed, it closes what it opened; moved, it goes on; what it was given stays open", async () => {
  await show(`<lodis-terminal load="eager">SET a 1</lodis-terminal>`);
  await terminals().locator(".reply").waitFor();
  const said = await page.evaluate(async () => {
    const terminal = document.querySelector("lodis-terminal")!;
    const { redis } = terminal;
    const wait = () => new Promise((resolve) => setTimeout(resolve));
    document.body.append(terminal);
    await wait();
    const moved = [terminal.redis === redis, await redis!.get("a")];
    const other = document.createElement("lodis-terminal");
    document.body.append(other);
    other.redis = redis;
    await new Promise((resolve) => other.addEventListener("ready", resolve, { once: true }));
    await other.run("INCR a");
    other.remove();
    await wait();
    const kept = await redis!.get("a");
    terminal.remove();
    await wait();
    const closed = await redis!.get("a").catch((error: Error) => error.name);
    document.body.append(terminal);
    await new Promise((resolve) => terminal.addEventListener("ready", resolve, { once: true }));
    await terminal.run("GET a");
    return { moved, kept, closed, again: terminal.shadowRoot!.querySelector("[role=log]")!.textContent, isOther: terminal.redis !== redis };
  });
  expect(said).toMatchObject({ moved: [true, "1"], kept: "2", closed: "ClosedError", isOther: true });
  expect(said.again).toContain('"1"');
});

test("with a name its data is kept, and those of the same name share it", async () => {
  await show(`<lodis-terminal name="docs" label="one">INCR visits</lodis-terminal><lodis-terminal name="docs" label="two" run="offer">GET visits</lodis-terminal>`);
  const [first, second] = [terminals().first(), terminals().last()];
  await first.locator(".reply").waitFor();
  expect(await repliesOf(first)).toEqual(["(integer) 1"]);
  await second.getByRole("button", { name: "GET visits" }).click();
  await second.locator(".reply").waitFor();
  expect(await repliesOf(second)).toEqual(['"1"']);
  const states = () => terminals().evaluateAll((all) => all.map((terminal) => (terminal as LodisTerminal).redis!.persistence.state));
  await expect.poll(states, { timeout: 10_000 }).toContain("saved");
  await page.reload();
  await first.locator(".reply").waitFor();
  expect(await repliesOf(first)).toEqual(["(integer) 2"]);
});

test("a script of one that shares a name has the one that leads load what runs it", async () => {
  await show(`<lodis-terminal name="scripts" label="one">SET s 1</lodis-terminal><lodis-terminal name="scripts" label="two">PING</lodis-terminal>`);
  await terminals().first().locator(".reply").waitFor();
  await terminals().last().locator(".reply").waitFor();
  let roles: string[] = [];
  await expect
    .poll(async () => {
      roles = await terminals().evaluateAll((all) => all.map((terminal) => (terminal as LodisTerminal).redis!.role));
      return [...roles].sort();
    })
    .toEqual(["leader", "replica"]);
  const replica = terminals().nth(roles.indexOf("replica"));
  expect(await type(replica, `EVAL "return redis.call('INCR', 's')" 0`)).toBe("(integer) 2");
  expect(await type(terminals().nth(roles.indexOf("leader")), "GET s")).toBe('"2"');
});

test("replies are shown as the protocol has them that it is given", async () => {
  await show(`<lodis-terminal protocol="2">HSET h a 1\nHGETALL h</lodis-terminal><lodis-terminal label="of RESP3">HSET h a 1\nHGETALL h</lodis-terminal>`);
  for (const index of [0, 1]) await terminals().nth(index).locator(".reply").nth(1).waitFor();
  expect(await repliesOf(terminals().first())).toEqual(["(integer) 1", '1) "a"2) "1"']);
  expect(await repliesOf(terminals().last())).toEqual(["(integer) 1", '1# "a" => "1"']);
});

test("another name, or other commands, begin anew", async () => {
  await show(`<lodis-terminal load="eager">SET a 1</lodis-terminal>`);
  await terminals().locator(".reply").waitFor();
  await terminals().evaluate((terminal) => terminal.setAttribute("commands", "EXISTS a\nPING"));
  await terminals().locator(".reply").nth(1).waitFor();
  expect(await repliesOf(terminals())).toEqual(["(integer) 0", "PONG"]);
});

test("what cannot be loaded is said, and the next command tries again", async () => {
  await page.route(/lodis_bg.*wasm/, (route) => route.abort());
  await show(`<lodis-terminal load="interaction"></lodis-terminal>`);
  await terminals().evaluate((terminal) => terminal.addEventListener("error", () => terminal.setAttribute("data-failed", "")));
  expect(await type(terminals(), "PING")).toMatch(/^\(error\) /);
  await page.locator("[data-failed]").waitFor();
  await page.unroute(/lodis_bg.*wasm/);
  expect(await type(terminals(), "PING")).toBe("PONG");
  profile.problems.length = 0;
});

test("a click goes to the line, unless text is selected by it", async () => {
  await show(`<lodis-terminal>SET a 1\nGET a</lodis-terminal>`);
  await terminals().locator(".reply").nth(1).waitFor();
  const box = (await terminals().locator(".string").boundingBox())!;
  await page.mouse.move(box.x + 1, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 1, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  const focused = () => terminals().evaluate((terminal) => terminal.shadowRoot!.activeElement?.localName);
  expect(await focused()).not.toBe("input");
  const line = (await terminals().locator(".typed").first().boundingBox())!;
  await page.mouse.click(line.x + 300, line.y + 5);
  expect(await focused()).toBe("input");
});
