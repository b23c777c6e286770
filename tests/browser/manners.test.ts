// How long the package holds the main thread at a time, with a million keys.
import { afterAll, beforeAll, expect, test } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";
import { type Task, tasksOf } from "./tracing.js";

const KEYS = 1_000_000;
/** The longest that a task of the engine's own may take. */
const MOST_MS = 4;
/**
 * A machine that is not ours alone makes a few tasks slow now and then, but not as slow as work
 * undivided, and not a share of them all.
 */
const OUTLIER_MS = 20;
const OUTLIERS = 0.01;
const OUTLIERS_MIN = 5;

const PAGE = `<!doctype html><title>manners</title><link rel="icon" href="data:,">
<script type="module">
  import { open } from "/index.js";
  globalThis.pause = (ms = 0) => new Promise((resolve) => {
    setTimeout(() => { performance.mark("page"); resolve(); }, ms);
  });
  // Compiling is not what is measured.
  await (await open("other", { store: "memory" })).close();
  globalThis.open_lodis = open;
</script>`;

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  server = await serveFolder(PKG, { "/manners": PAGE });
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

/** Runs `work` in a new page with the instance open; the page's tasks from then on. */
async function traced(work: (count: number) => Promise<void>): Promise<Task[]> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}manners`);
  await page.waitForFunction(() => "open_lodis" in globalThis);
  const tasks = await tasksOf(page, () => page.evaluate(work, KEYS));
  await page.close();
  return tasks;
}

declare global {
  // What the pages of this file share.
  var open_lodis: any;
  function pause(ms?: number): Promise<void>;
}

/** Tasks between two marks that nothing of the page's own ran in. */
function own(tasks: Task[], from: string, to: string): Task[] {
  const at = (name: string) => tasks.findIndex(({ marks }) => marks.includes(name));
  expect(at(from), from).toBeGreaterThanOrEqual(0);
  expect(at(to), to).toBeGreaterThan(at(from));
  return tasks.slice(at(from) + 1, at(to)).filter(({ marks }) => marks.length === 0);
}

/**
 * Sees to it that `slices` tasks did their work, and that hardly any took long. The faster the machine, the
 * fewer there are.
 */
function mannerly(name: string, tasks: Task[], slices: number): void {
  const times = tasks.map(({ callbacks }) => callbacks);
  const long = times.filter((ms) => ms > MOST_MS);
  const longest = Math.max(...times);
  const busy = times.filter((ms) => ms > 1).length;
  console.log(`${name}: ${busy} slices, ${long.length} over ${MOST_MS} ms, the longest ${longest.toFixed(1)} ms`);
  expect(busy, `${name}: slices`).toBeGreaterThanOrEqual(slices);
  expect(long.length, `${name}: long slices`).toBeLessThanOrEqual(Math.max(OUTLIERS_MIN, busy * OUTLIERS));
  expect(longest, `${name}: the longest`).toBeLessThan(OUTLIER_MS);
}

/** Sees to it that what the page asked for in the task with this mark did not take long. */
function swift(tasks: Task[], mark: string): void {
  const task = tasks.find(({ marks }) => marks.includes(mark));
  console.log(`${mark}: ${task?.whole.toFixed(1)} ms`);
  expect(task?.whole, mark).toBeLessThan(MOST_MS);
}

test("a million keys are written, loaded, expired and freed in slices", { timeout: 240_000 }, async () => {
  const writing = await traced(async (count) => {
    const redis = await globalThis.open_lodis("manners");
    performance.mark("write");
    for (let i = 0; i < count; ) {
      const pipeline = redis.pipeline();
      for (let j = 0; j < 2000 && i < count; j++, i++) pipeline.set(`key:${i}`, "0123456789abcdef");
      const done = pipeline.exec();
      await done;
      await pause();
    }
    performance.mark("written");
    await redis.close();
  });
  mannerly("writing", own(writing, "write", "written"), 6);

  const living = await traced(async (count) => {
    performance.mark("open");
    const redis = await globalThis.open_lodis("manners");
    performance.mark("opened");
    const { sync } = redis;
    if (sync.dbsize() !== count) throw new Error(`${sync.dbsize()} keys`);
    const members = Array.from({ length: 10_000 }, (_, i) => `a member of a large set: ${i}`);
    for (let i = 0; i < 100; i++) {
      sync.sadd("large", members.map((member) => `${member}:${i}`));
      await pause();
    }
    performance.mark("expire");
    const due = Date.now() + 5000;
    for (let i = 0; i < count / 2; ) {
      const pipeline = redis.pipeline();
      for (let j = 0; j < 2000; j++, i++) pipeline.pexpireat(`key:${i}`, due);
      await pipeline.exec();
      await pause();
    }
    while (!/expires=0/.test(sync.info("keyspace"))) await pause(100);
    performance.mark("expired");
    await pause();
    performance.mark("del");
    if (sync.del("large") !== 1) throw new Error("the set is not there");
    await pause();
    performance.mark("freeing");
    while (!/lazyfree_pending_objects:0/.test(sync.info("memory"))) await pause(50);
    await pause();
    performance.mark("flushall");
    sync.flushall();
    await pause();
    performance.mark("flushed");
    while (!/lazyfree_pending_objects:0/.test(sync.info("memory"))) await pause(50);
    performance.mark("freed");
    await pause();
    await redis.close();
  });
  mannerly("loading", own(living, "open", "opened"), 30);
  mannerly("expiring", own(living, "expire", "expired"), 15);
  swift(living, "del");
  mannerly("freeing a set", own(living, "freeing", "flushall"), 3);
  swift(living, "flushall");
  mannerly("freeing all keys", own(living, "flushed", "freed"), 6);
});
