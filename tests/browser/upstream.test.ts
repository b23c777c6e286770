// An upstream from pages: tabs that share a name, of which one sends; the one that leads is killed while
// writes wait.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "../node/real-redis.js";
import { Line, type RunningBridge, startBridge, TOKEN } from "../node/upstreaming.js";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

declare global {
  // What the pages of this file share.
  var lodis: any;
  var redis: any;
  var upstream: any;
}

const PAGE = `<!doctype html><title>upstream</title><link rel="icon" href="data:,">
<script type="module">globalThis.lodis = await import("/index.js");</script>`;
const POLL = { timeout: 20_000 };

let pagesServer: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let real: RealRedis;
let bridge: RunningBridge;
let line: Line;
const pages: Page[] = [];

beforeAll(async () => {
  pagesServer = await serveFolder(PKG, { "/page": PAGE });
  real = await startRealRedis(await newDirectory());
  const origin = new URL(pagesServer.url).origin;
  bridge = await startBridge(`redis://127.0.0.1:${real.client.options.port}`, "--origin", origin);
  line = await Line.to(bridge.port);
  profile = await launch();
}, 60_000);
beforeEach(async () => {
  await real.client.flushall();
  line.up();
});
afterEach(async () => {
  await Promise.all(pages.splice(0).map((page) => page.close()));
});
afterAll(async () => {
  await end(profile);
  const { port } = line;
  await line.close();
  await bridge.stop();
  await real.stop();
  await pagesServer.close();
  // A browser writes by itself that a connection was not made.
  const others = profile.problems.filter((problem) => !problem.includes(`ws://127.0.0.1:${port}`));
  expect(others).toEqual([]);
});

async function tab(name: string, options: object = {}): Promise<Page> {
  const page = await profile.context.newPage();
  pages.push(page);
  await page.goto(`${pagesServer.url}page`);
  await page.waitForFunction(() => "lodis" in globalThis);
  const settings = { url: `ws://127.0.0.1:${line.port}`, token: TOKEN, prefix: "app:", maxBackoffMs: 300 };
  await page.evaluate(
    async ([name, options, settings]) => {
      globalThis.redis = await lodis.open(name, options);
      globalThis.upstream = await redis.upstream(settings);
    },
    [name, options, settings] as const,
  );
  return page;
}

const stateOf = (page: Page): Promise<string> => page.evaluate(() => upstream.state);
const pendingOf = (page: Page): Promise<number> => page.evaluate(() => upstream.pending);

test("the leader is killed while writes wait: another tab sends them, once and in order", async () => {
  const leader = await tab("killed");
  const other = await tab("killed");
  expect(await other.evaluate(() => redis.role)).toBe("replica");
  for (const page of [leader, other]) await expect.poll(() => stateOf(page), POLL).toBe("online");
  expect(await leader.evaluate(() => upstream.sends)).toBe(true);
  await other.evaluate(() => redis.set("app:first", "1"));
  await other.evaluate(() => upstream.flush());
  expect(await real.client.get("app:first")).toBe("1");
  line.down();
  await expect.poll(() => stateOf(leader), POLL).not.toBe("online");
  await leader.evaluate(async () => {
    for (let i = 0; i < 50; i++) await redis.rPush("app:order", `l${i}`);
  });
  await other.evaluate(async () => {
    for (let i = 0; i < 50; i++) await redis.rPush("app:order", `o${i}`);
    await redis.incrBy("app:n", 7);
  });
  const crash = leader.waitForEvent("crash");
  const session = await profile.context.newCDPSession(leader);
  session.send("Page.crash").catch(() => {});
  await crash;
  await expect.poll(() => other.evaluate(() => redis.role), POLL).toBe("leader");
  await other.evaluate(() => redis.incrBy("app:n", 1));
  expect(await real.client.exists("app:n", "app:order")).toBe(0);
  line.up();
  await other.evaluate(() => upstream.flush());
  const expected = ["l", "o"].flatMap((who) => Array.from({ length: 50 }, (_, index) => `${who}${index}`));
  expect(await real.client.lrange("app:order", 0, -1)).toEqual(expected);
  expect(await real.client.get("app:n")).toBe("8");
  expect(await stateOf(other)).toBe("online");
  await real.client.set("app:theirs", "x");
  await expect.poll(() => other.evaluate(() => redis.sync.get("app:theirs")), POLL).toBe("x");
});

test("what waits survives a reload, and is told in every tab", async () => {
  line.down();
  const page = await tab("reloaded", { appendfsync: "always" });
  await page.evaluate(async () => {
    for (let i = 0; i < 20; i++) await redis.incr("app:n");
  });
  await expect.poll(() => pendingOf(page), POLL).toBe(20);
  await page.close();
  const [one, two] = [await tab("reloaded"), await tab("reloaded")];
  await expect.poll(() => pendingOf(two), POLL).toBe(20);
  line.up();
  await two.evaluate(() => upstream.flush());
  expect(await real.client.get("app:n")).toBe("20");
  for (const each of [one, two]) {
    await expect.poll(() => pendingOf(each), POLL).toBe(0);
    await expect.poll(() => stateOf(each), POLL).toBe("online");
  }
});

test("a page that goes into the back/forward cache lets go of its connection, and comes back", async () => {
  const [one, two] = [await tab("away"), await tab("away")];
  for (const page of [one, two]) await expect.poll(() => stateOf(page), POLL).toBe("online");
  const says = (page: Page, type: string) =>
    page.evaluate((type) => void dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type);
  await says(one, "pagehide");
  await expect.poll(() => two.evaluate(() => upstream.sends), POLL).toBe(true);
  await two.evaluate(() => redis.set("app:k", "two"));
  await two.evaluate(() => upstream.flush());
  expect(await real.client.get("app:k")).toBe("two");
  await says(one, "pageshow");
  await one.evaluate(() => redis.set("app:k", "one"));
  await one.evaluate(() => upstream.flush());
  expect(await real.client.get("app:k")).toBe("one");
  expect(await one.evaluate(() => upstream.sends)).toBe(false);
});

test("a leader that lives in a worker: a tab sends for it", async () => {
  const page = await tab("hosted", { host: "worker" });
  await expect.poll(() => stateOf(page), POLL).toBe("online");
  expect(await page.evaluate(() => [redis.role, upstream.sends])).toEqual(["replica", true]);
  await page.evaluate(() => redis.incr("app:n"));
  await page.evaluate(() => upstream.flush());
  expect(await real.client.get("app:n")).toBe("1");
  await real.client.set("app:n", 5);
  await expect.poll(() => page.evaluate(() => redis.sync.get("app:n")), POLL).toBe("5");
  await page.evaluate(() => redis.close());
});
