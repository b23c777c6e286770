// Commands that wait, in real tabs: who waits where, and what becomes of those who go.
import type { Redis } from "lodis";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const PAGE = `<!doctype html><title>jobs</title><link rel="icon" href="data:,">
<script type="module">
  import { open } from "/index.js";
  globalThis.redis = await open("jobs");
  document.title = "open";
</script>`;

declare const redis: Redis;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeEach(async () => {
  server = await serveFolder(PKG, { "/jobs": PAGE });
  profile = await launch();
});
afterEach(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

/** A tab that is connected; the first one leads. */
async function tab(): Promise<Page> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}jobs`);
  await page.waitForFunction(() => document.title === "open");
  return page;
}

/** Once so many commands wait. */
async function waiting(page: Page, count: number): Promise<void> {
  // Not `waitForFunction`: that takes a promise for an answer.
  const info = () => page.evaluate(() => redis.info("clients"));
  await expect.poll(info, { timeout: 20_000 }).toContain(`blocked_clients:${count}\r\n`);
}

test("who came first is served first, whichever tab it is in", async () => {
  const leader = await tab();
  const replica = await tab();
  const other = await tab();
  const first = replica.evaluate(() => redis.blpop("queue", "jobs", 0));
  await waiting(leader, 1);
  const second = leader.evaluate(() => redis.blpop("jobs", 0));
  await waiting(leader, 2);
  const third = other.evaluate(() => redis.blmove("jobs", "done", "RIGHT", "LEFT", 0));
  await waiting(leader, 3);
  expect(await other.evaluate(() => redis.rpush("jobs", "a", "b", "c"))).toBe(3);
  expect(await Promise.all([first, second, third])).toEqual([["jobs", "a"], ["jobs", "b"], "c"]);
  expect(await replica.evaluate(() => redis.lrange("done", 0, -1))).toEqual(["c"]);
  await waiting(leader, 0);
});

test("sorted sets and streams wake those who wait in other tabs", async () => {
  const leader = await tab();
  const replica = await tab();
  const scores = replica.evaluate(() => redis.bzpopmin("scores", 0));
  const entries = replica.evaluate(() => redis.xread("BLOCK", 0, "STREAMS", "events", "$"));
  await waiting(leader, 2);
  await leader.evaluate(async () => {
    await redis.multi().zadd("scores", 2, "b").zadd("scores", 1, "a").exec();
    await redis.xadd("events", "7-1", "field", "value");
  });
  expect(await scores).toEqual(["scores", "a", 1]);
  expect(await entries).toEqual({ events: [["7-1", ["field", "value"]]] });
});

test("an element is not lost to who no longer waits", async () => {
  const leader = await tab();
  const replica = await tab();
  const aborted = replica.evaluate(() => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("enough")), 50);
    return redis.blpop("jobs", 0, { signal: abort.signal }).catch((error: Error) => error.message);
  });
  expect(await aborted).toBe("enough");
  await waiting(leader, 0);
  const closing = await tab();
  closing.evaluate(() => void redis.blpop("jobs", 0));
  await waiting(leader, 1);
  await closing.close();
  await waiting(leader, 0);
  expect(await replica.evaluate(() => redis.rpush("jobs", "kept"))).toBe(1);
  expect(await leader.evaluate(() => redis.lpop("jobs"))).toBe("kept");
});

test("an aborted pipeline waits no longer, and what comes after is not run", async () => {
  const leader = await tab();
  const replica = await tab();
  for (const page of [leader, replica]) {
    const aborted = page.evaluate(() => {
      const abort = new AbortController();
      Object.assign(globalThis, { abort });
      const pipeline = redis.pipeline().incr("before").blpop("jobs", 0, { signal: abort.signal }).incr("after");
      return pipeline.exec().then(String, (error: Error) => error.name);
    });
    await waiting(leader, 1);
    await page.evaluate(() => (globalThis as unknown as { abort: AbortController }).abort.abort());
    expect(await aborted).toBe("AbortError");
    await waiting(leader, 0);
  }
  expect(await replica.evaluate(() => redis.rpush("jobs", "kept"))).toBe(1);
  const done = replica.evaluate(() => {
    const { signal } = new AbortController();
    return redis.pipeline().blpop("jobs", 0, { signal }).blpop("more", 0, { signal }).incr("after").exec();
  });
  await waiting(leader, 1);
  await leader.evaluate(() => redis.rpush("more", "one"));
  expect(await done).toEqual([["jobs", "kept"], ["more", "one"], 1]);
  expect(await leader.evaluate(() => redis.mget("before", "after"))).toEqual(["2", "1"]);
});

test("time runs out in the tab that waits, and CLIENT UNBLOCK reaches it", async () => {
  const leader = await tab();
  const replica = await tab();
  expect(await replica.evaluate(() => redis.blpop("jobs", 0.05))).toBe(null);
  const refused = replica.evaluate(() => redis.blpop("jobs", 0).catch((error: Error) => error.message));
  await waiting(leader, 1);
  await leader.evaluate(async () => {
    const [, id] = /id=(\d+) [^\n]* flags=b /.exec(await redis.clientList())!;
    await redis.clientUnblock(id!, "ERROR");
  });
  expect(await refused).toBe("UNBLOCKED client unblocked via CLIENT UNBLOCK");
});

test("WAITAOF tells when what this tab wrote is in IndexedDB", async () => {
  const leader = await tab();
  const replica = await tab();
  for (const page of [leader, replica]) {
    const stored = await page.evaluate(async () => {
      await redis.configSet("appendfsync", "everysec");
      await redis.set("a", 1);
      return redis.waitaof(1, 0, 0);
    });
    expect(stored).toEqual([1, 0]);
  }
  expect(await replica.evaluate(() => redis.waitaof(0, 0, 0))).toEqual([1, 0]);
  // What was acknowledged is there when the browser starts again.
  await profile.context.close();
  const { problems, folder } = profile;
  profile = await launch(folder);
  profile.problems.push(...problems);
  const again = await tab();
  expect(await again.evaluate(() => redis.get("a"))).toBe("1");
});

test("a consumer of a group survives the leader, and is given what others left lying", async () => {
  const leader = await tab();
  const worker = await tab();
  const adding = await tab();
  await worker.evaluate(() => {
    const found: string[] = [];
    Object.assign(globalThis, { found });
    void (async () => {
      for await (const { id, ack } of redis.consume("work", { group: "g", consumer: "c", minIdle: 200 })) {
        found.push(id);
        await ack();
      }
    })();
  });
  await waiting(leader, 1);
  const seen = () => worker.evaluate(() => (globalThis as unknown as { found: string[] }).found);
  const add = (id: string) => adding.evaluate((id) => redis.xAdd("work", id, { job: id }), id);
  await add("1-1");
  await expect.poll(seen).toEqual(["1-1"]);
  await waiting(leader, 1);
  // A consumer in the tab that leads is given an entry, and goes with it.
  await leader.evaluate(() =>
    redis.multi().xAdd("work", "1-2", { job: 2 }).xReadGroup("GROUP", "g", "dying", "STREAMS", "work", ">").exec(),
  );
  await leader.close();
  await add("1-3");
  const all = async () => (await seen()).toSorted();
  await expect.poll(all, { timeout: 20_000 }).toEqual(["1-1", "1-2", "1-3"]);
  const pending = async () => (await adding.evaluate(() => redis.xPending("work", "g")))[0];
  await expect.poll(pending).toBe(0);
});
