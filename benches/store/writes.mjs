// How long writes take to be acknowledged, and what they cost the main thread.
import { summary } from "../results.mjs";

/**
 * Who writes, and what an acknowledged write stands for. A write of Lodis's that does not wait is much
 * shorter than the clock's steps: it is repeated `times` times.
 */
export const WRITERS = [
  { name: "Lodis", mode: "always", settings: { appendfsync: "always" }, promise: "on the disk" },
  { name: "Lodis", mode: "everysec", settings: { appendfsync: "everysec" }, promise: "in memory; with the system within a second", times: 20 },
  { name: "Lodis", mode: "no", settings: { appendfsync: "no" }, promise: "in memory; with the system within five seconds", times: 20 },
  ...["IndexedDB", "idb-keyval", "dexie"].flatMap((name) => [
    { name, mode: "strict", durability: "strict", promise: "on the disk" },
    { name, mode: "relaxed", durability: "relaxed", promise: "with the system" },
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
  const page = await browser.newPage(writer.name);
  await page.evaluate(([name, how]) => bench.openWriter(name, how), [writer.name, writer]);
  const session = await page.context().newCDPSession(page);
  // Processor time: what others do on the machine is not in it.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  return { ...writer, page, busy };
}

/** Milliseconds a write: until it was acknowledged, and of the main thread until it was stored. */
async function sample({ page, busy, times = 1 }, { kind, count, once }) {
  const repeats = once ? 1 : times;
  const before = await busy();
  const acknowledged = await page.evaluate(([kind, count, repeats]) => bench.write(kind, count, repeats), [kind, count, repeats]);
  const [main, writes] = [(await busy()) - before, count * repeats];
  return [acknowledged / writes, main / writes];
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
        const times = await sample(writers[index], work);
        if (round > 0) all[index].push(times);
      }
    }
    for (const [index, { name, mode, page }] of writers.entries()) {
      await page.evaluate((kind) => bench.check(kind), work.kind);
      const [acknowledged, main] = [0, 1].map((which) => summary(all[index].map((times) => times[which])));
      results.push({ work: work.title, writer: name, mode, bytes: work.bytes, acknowledged, main });
    }
  }
  for (const { page } of writers) await page.close();
  return results;
}
