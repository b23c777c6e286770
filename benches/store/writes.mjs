// How long writes take to be acknowledged, and what they cost the main thread.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lodis";
import { directory } from "lodis/stores/directory";
import { summary } from "../results.mjs";
import { lodisWriter, Work } from "./writing.mjs";

/** What an acknowledged write of Lodis's is. Those that do not wait are much shorter than the clock's steps. */
const MODES = [
  { mode: "always", settings: { appendfsync: "always" }, promise: "on the disk" },
  { mode: "everysec", settings: { appendfsync: "everysec" }, promise: "in memory; with the system within a second", times: 20 },
  { mode: "no", settings: { appendfsync: "no" }, promise: "in memory; with the system within five seconds", times: 20 },
];

/** Who writes, and what an acknowledged write stands for. */
export const WRITERS = [
  ...MODES.map((mode) => ({ name: "Lodis", place: "page", ...mode })),
  ...MODES.map((mode) => ({ name: "Lodis, OPFS", place: "worker", ...mode })),
  ...MODES.map((mode) => ({ name: "Lodis, a directory in Node", place: "node", ...mode })),
  ...["IndexedDB", "idb-keyval", "dexie"].flatMap((name) => [
    { name, place: "page", mode: "strict", durability: "strict", promise: "on the disk" },
    { name, place: "page", mode: "relaxed", durability: "relaxed", promise: "with the system" },
  ]),
];

export const works = (isShort) => [
  { kind: "single", title: "32 B, one by one", count: isShort ? 5 : 100, bytes: 32 },
  { kind: "burst", title: "32 B, 1,000 at once", count: isShort ? 50 : 1000, bytes: 32 },
  { kind: "large", title: "64 KB, 64 at once", count: isShort ? 4 : 64, bytes: 65_536, once: true },
];

/** The numbers below `count` in an order that depends on `seed`. */
function shuffled(count, seed) {
  const rank = (i) => Math.imul((i + 1) * 7919 + seed * 104_729, 0x9e3779b1) >>> 0;
  return Array.from({ length: count }, (_, i) => i).sort((a, b) => rank(a) - rank(b));
}

async function openWriter(browser, writer) {
  if (writer.place === "node") return { ...writer, ...(await openInNode(writer)) };
  const page = await browser.newPage(writer.name);
  const call = (name, ...args) => page.evaluate(([name, args]) => bench[name](...args), [name, args]);
  if (writer.place === "worker") {
    const inWorker = (...args) => call("inWorker", ...args);
    await inWorker("openWriter", "Lodis", writer);
    return { ...writer, call: inWorker, close: () => page.close() };
  }
  await call("openWriter", writer.name, writer);
  const session = await page.context().newCDPSession(page);
  // Processor time: what others do on the machine is not in it.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  return { ...writer, call, busy, close: () => page.close() };
}

async function openInNode({ mode, settings }) {
  const folder = await mkdtemp(join(tmpdir(), "lodis-bench-"));
  const writer = await lodisWriter(() => open(mode, { ...settings, store: directory(folder) }));
  const work = new Work(writer);
  const close = async () => {
    await writer.redis.close();
    await rm(folder, { recursive: true });
  };
  return { call: (name, ...args) => work[name](...args), close };
}

/** Milliseconds a write: until it was acknowledged, and of the main thread until it was stored. */
async function sample({ call, busy, times = 1 }, { kind, count, once }, waits) {
  const repeats = once ? 1 : times;
  const before = await busy?.();
  const acknowledged = await call("write", kind, count, repeats, waits);
  const writes = count * repeats;
  return [acknowledged / writes, busy && ((await busy()) - before) / writes];
}

export async function measureWrites(browser, { isShort, rounds }) {
  const writers = [];
  for (const writer of WRITERS) writers.push(await openWriter(browser, writer));
  const results = [];
  for (const work of works(isShort)) {
    const all = writers.map(() => []);
    // The first round only warms up.
    for (let round = isShort ? 1 : 0; round <= rounds; round++) {
      // In another order each time: what one leaves to be written, the next may have to wait for.
      for (const index of shuffled(writers.length, round)) {
        const times = await sample(writers[index], work, !isShort);
        if (round > 0) all[index].push(times);
      }
    }
    for (const [index, { name, mode, call, busy }] of writers.entries()) {
      await call("check", work.kind);
      const acknowledged = summary(all[index].map(([time]) => time));
      const main = busy && summary(all[index].map(([, time]) => time));
      results.push({ work: work.title, writer: name, mode, bytes: work.bytes, acknowledged, main });
    }
  }
  for (const { close } of writers) await close();
  return results;
}
