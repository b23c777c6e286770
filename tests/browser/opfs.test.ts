// The store in the origin private file system, in real workers: the suite, an instance, killed workers.
import { afterAll, beforeAll, expect, test } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const HEAD = '<!doctype html><title>opfs</title><link rel="icon" href="data:,">';
// Each message is the text of an async function's body; the answer is what it returned or threw.
const WORKER = `
  import { open } from "/index.js";
  import { opfs } from "/stores/opfs.js";
  import { storeTests } from "/stores/conformance.js";
  const scope = { open, opfs, storeTests, progress: (value) => postMessage({ progress: value }) };
  const AsyncFunction = (async () => {}).constructor;
  addEventListener("message", async ({ data }) => {
    try {
      const work = new AsyncFunction(...Object.keys(scope), data);
      postMessage({ value: await work(...Object.values(scope)) });
    } catch (error) {
      postMessage({ error: String(error.message), code: error.code });
    }
  });
  postMessage({ value: "ready" });
`;
const PAGE = `${HEAD}<script type="module">
  import { open } from "/index.js";
  import { opfs } from "/stores/opfs.js";
  globalThis.lodis = { open, opfs };
  globalThis.start = async () => {
    const blob = new Blob([${JSON.stringify(WORKER)}.replaceAll('"/', '"' + location.origin + "/")], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
    const waiting = [];
    const state = { progress: 0, worker };
    const answer = () => new Promise((resolve) => waiting.push(resolve));
    worker.onmessage = ({ data }) => {
      if ("progress" in data) state.progress = data.progress;
      else waiting.shift()(data);
    };
    worker.onerror = (event) => waiting.shift()({ error: event.message });
    const first = answer();
    await first;
    state.run = (code) => { const reply = answer(); worker.postMessage(code); return reply; };
    return state;
  };
</script>`;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveFolder(PKG, { "/opfs": PAGE });
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

interface Worker_ {
  run(code: string): Promise<{ value?: unknown; error?: string; code?: string }>;
  progress: number;
  worker: Worker;
}
declare const start: () => Promise<Worker_>;
declare const lodis: typeof import("lodis") & typeof import("lodis/stores/opfs");

async function pageOf(): Promise<import("playwright-core").Page> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}opfs`);
  await page.waitForFunction("globalThis.start");
  return page;
}

test("the conformance suite", async () => {
  const page = await pageOf();
  const failures = await page.evaluate(async () => {
    const { run } = await start();
    return run(`
      const failures = [];
      for (const { name, run } of storeTests) {
        await run((place) => opfs("suite/" + place)).catch((error) => failures.push(name + ": " + error.message));
      }
      return [storeTests.length, failures];
    `);
  });
  expect(failures).toEqual({ value: [expect.any(Number), []] });
  expect((failures.value as [number])[0]).toBeGreaterThan(10);
  await page.close();
});

test("an instance in a worker finds its data again, also after a rewrite", async () => {
  const page = await pageOf();
  const found = await page.evaluate(async () => {
    const { run } = await start();
    await run(`
      const redis = await open("app", { store: opfs("app"), appendfsync: "always" });
      await redis.set("a", "1");
      await redis.rPush("list", Array.from({ length: 1000 }, (_, index) => "item " + index));
      await redis.bgRewriteAof();
      while (!/aof_rewrite_in_progress:0/.test(await redis.call("INFO", "persistence"))) await new Promise((r) => setTimeout(r, 5));
      await redis.incr("a");
      await redis.close();
    `);
    return run(`
      const redis = await open("app", { store: opfs("app") });
      const found = [await redis.get("a"), await redis.lLen("list"), await redis.lIndex("list", -1)];
      await redis.close();
      return found;
    `);
  });
  expect(found).toEqual({ value: ["2", 1000, "item 999"] });
  await page.close();
});

test("a store that a worker has is locked, and is free once the worker was ended", async () => {
  const page = await pageOf();
  const result = await page.evaluate(async () => {
    const [first, second] = [await start(), await start()];
    // Without the locks of names, the files themselves say who has them.
    const alone = `Object.defineProperty(navigator, "locks", { value: undefined });`;
    const writes = first.run(`${alone}
      const redis = await open("app", { store: opfs("killed"), appendfsync: "always" });
      await redis.configSet({ "auto-aof-rewrite-min-size": "2kb" });
      for (let count = 1; ; count++) {
        await redis.multi().incr("count").rPush("list", String(count)).exec();
        progress(count);
      }
    `);
    while (first.progress < 50) await Promise.race([writes, new Promise((resolve) => setTimeout(resolve, 5))]);
    const locked = await second.run(`${alone} await open("app", { store: opfs("killed") });`);
    while (first.progress < 200) await new Promise((resolve) => setTimeout(resolve, 5));
    first.worker.terminate();
    const acknowledged = first.progress;
    const reopened = `
      const redis = await open("app", { store: opfs("killed") });
      const found = [Number(await redis.get("count")), await redis.lRange("list", 0, -1)];
      await redis.close();
      return found;
    `;
    let found = await second.run(reopened);
    // The browser takes a moment to give the files of an ended worker back.
    for (let attempt = 0; found.code === "STORE_LOCKED" && attempt < 100; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      found = await second.run(reopened);
    }
    return { locked, acknowledged, found };
  });
  expect(result.locked).toMatchObject({ code: "STORE_LOCKED" });
  const [count, list] = result.found.value as [number, string[]];
  expect(count).toBeGreaterThanOrEqual(result.acknowledged);
  expect(list).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
  await page.close();
});

test("a page has no synchronous files, and is told so", async () => {
  const page = await pageOf();
  const error = await page.evaluate(() =>
    lodis.open("page", { store: lodis.opfs("page") }).catch(({ code, message }) => ({ code, message })),
  );
  expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringContaining("in dedicated workers only") });
  await page.close();
});
