// How long stores take to open, and what it takes to write their logs anew.
import { summary } from "../results.mjs";
import { tasksOf } from "./tracing.mjs";

const whole = (number) => number.toLocaleString("en-US");

/** Calls a function of a page of its own, as if the page had just been opened. */
async function fresh(browser, name, ...args) {
  const page = await browser.newPage(name);
  try {
    return await page.evaluate(([name, args]) => globalThis.bench[name](...args), [name, args]);
  } finally {
    await page.close();
  }
}

/** Each count has a store whose log was never written anew, and one where it was. */
export async function measureOpenings(browser, { isShort, rounds }) {
  const counts = isShort ? [2000] : [100_000, 1_000_000];
  // idb-keyval takes a minute to be filled with more.
  const keyvalCount = counts[0];
  const samples = new Map();
  const note = (what, ms) => samples.set(what, [...(samples.get(what) ?? []), ms]);
  let rewritten;
  for (const count of counts) {
    await fresh(browser, "fill", "log", count);
    await fresh(browser, "fill", "base", count);
    rewritten = await rewrite(browser, count);
  }
  await fresh(browser, "fillKeyval", keyvalCount);
  for (let round = 0; round < rounds; round++) {
    const { imported, opened } = await fresh(browser, "cold", `cold ${round}`);
    note("import of the script", imported);
    note("cold start: compile, and open an empty store", opened);
    for (const count of counts) {
      note(`open ${whole(count)} keys, a log of records`, await fresh(browser, "open", "log", count));
      note(`open ${whole(count)} keys, after a rewrite`, await fresh(browser, "open", "base", count));
    }
    note(`${whole(keyvalCount)} entries of idb-keyval into a Map`, await fresh(browser, "openKeyval", keyvalCount));
  }
  const opened = [...samples].map(([what, times]) => ({ what, ...summary(times) }));
  return { opened, rewritten };
}

/** Writes the log of a store of so many keys anew, while the page writes a key now and then. */
async function rewrite(browser, count) {
  const page = await browser.newPage("rewrite");
  await page.evaluate((count) => bench.openFor("base", count), count);
  let result;
  const tasks = await tasksOf(page, async () => {
    result = await page.evaluate(() => bench.rewrite());
  });
  await page.close();
  const isPages = ({ marks }) => marks.includes("page");
  const longest = (tasks) => Math.max(...tasks.map(({ whole }) => whole));
  const own = tasks.filter((task) => !isPages(task));
  const busy = own.reduce((sum, { whole }) => sum + whole, 0);
  return { count, ...result, busy, tasks: own.length, longest: longest(own), longestWrite: longest(tasks.filter(isPages)) };
}
