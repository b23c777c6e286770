// How long a tab waits for the one that leads, and how fast copies follow.
import { summary } from "../results.mjs";

/** What a tab asks another one for; the first two are what the browser itself takes. */
export const WAYS = [
  { way: "message", what: "a bare message and its answer, one by one", each: 100 },
  { way: "messages", what: "1,000 bare messages at once, each answered", each: 1000, once: true },
  { way: "awaited", what: "INCR, one by one", each: 100, beside: "message" },
  { way: "together", what: "1,000 INCRs at once, each with a promise of its own", each: 1000, once: true, beside: "messages" },
  { way: "pipelined", what: "1,000 INCRs in a pipeline", each: 1000, once: true, beside: "messages" },
];
const COPIES = 4;

const median = (samples) => summary(samples).median;
const p99 = (samples) => samples.toSorted((a, b) => a - b)[Math.min(samples.length - 1, Math.floor(samples.length * 0.99))];

/** A tab that forwards what it writes, among two tabs and among five. */
export async function measureWrites(tabs, { isShort, rounds }) {
  const results = [];
  for (const count of isShort ? [2] : [2, COPIES + 1]) {
    const all = await tabs.openMany(count, tabs.newName("writes"), {});
    const [leader, tab, ...others] = all;
    await leader.call("listen", true);
    for (const other of [tab, ...others]) await other.call("listen", false);
    const samples = WAYS.map(() => []);
    let increments = 0;
    // The first round only warms up.
    for (let round = isShort ? 1 : 0; round <= rounds; round++) {
      for (const [i, { way, each, beside }] of WAYS.entries()) {
        const size = isShort ? each / 10 : each;
        const times = await tab.call("ask", way, size);
        if (beside) increments += size;
        if (round > 0) samples[i].push(times);
      }
    }
    for (const other of all) {
      const counted = await other.call("count");
      if (counted !== increments) throw new Error(`${counted} of ${increments} increments`);
    }
    for (const [i, { what, beside, once }] of WAYS.entries()) {
      const base = samples[WAYS.findIndex(({ way }) => way === beside)];
      // Each round beside what the browser took in the same one.
      const ratio = base && summary(samples[i].map((times, round) => median(times) / median(base[round])));
      const flat = samples[i].flat();
      results.push({ tabs: count, what, ...summary(flat), p99: once ? undefined : p99(flat), ratio });
    }
    for (const each of all) await each.close();
  }
  return results;
}

/** Sets that all copies have, a second. */
export async function measureReplication(tabs, { isShort, rounds }) {
  const count = isShort ? 2000 : 50_000;
  const [leader, ...copies] = await tabs.openMany((isShort ? 1 : COPIES) + 1, tabs.newName("copies"), {});
  for (const tab of [leader, ...copies]) await tab.call("listen", false);
  const samples = [];
  for (let round = isShort ? 1 : 0; round <= rounds; round++) {
    const received = copies.map((copy) => copy.call("receive", count, `round ${round}`));
    const ms = await leader.call("replicate", count, `round ${round}`, copies.length);
    await Promise.all(received);
    if (round > 0) samples.push((count / ms) * 1000);
  }
  for (const tab of [...copies, leader]) await tab.close();
  return { count, copies: copies.length, perSecond: summary(samples) };
}
