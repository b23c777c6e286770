// `cargo xtask bench --only store`: from nothing to an open store, and how long writes take to be in
// it, in Chromium.
//
//   node benches/store/main.mjs [--short] [--rounds N]
//
// `--short` measures nothing: it sees to it that all of the work is done, and done right.
import { parseArgs } from "node:util";
import { launch } from "../browser.mjs";
import { about, keep, spread, summary } from "../results.mjs";

const { values: options } = parseArgs({
  options: { short: { type: "boolean", default: false }, rounds: { type: "string", default: "9" } },
});
const isShort = options.short;
const rounds = isShort ? 1 : Number(options.rounds);
const COUNTS = isShort ? [2000] : [100_000, 1_000_000];
/** idb-keyval takes a minute to be filled with more. */
const KEYVAL_COUNT = COUNTS[0];

/** Who writes, and when a transaction is complete: once it is on the disk, or as the browser likes. */
const WRITERS = [
  { name: "Lodis", durability: "strict", isStrict: false },
  ...["IndexedDB", "idb-keyval", "dexie"].flatMap((name) => [
    { name, durability: "strict", isStrict: true },
    { name, durability: "default", isStrict: false },
  ]),
];
const WRITES = [
  { kind: "single", title: "32 B, one by one", count: isShort ? 5 : 40, bytes: 32 },
  { kind: "burst", title: "32 B, 1,000 at once", count: isShort ? 50 : 1000, bytes: 32 },
  { kind: "large", title: "64 KB, 64 at once", count: isShort ? 4 : 64, bytes: 65_536 },
];

const browser = await launch(new URL("./page.mjs", import.meta.url));

/** Calls a function of a page of its own, as if the page had just been opened. */
async function fresh(name, ...args) {
  const page = await browser.newPage(name);
  try {
    return await page.evaluate(([name, args]) => globalThis.bench[name](...args), [name, args]);
  } finally {
    await page.close();
  }
}

async function openings() {
  const samples = new Map();
  const note = (what, ms) => samples.set(what, [...(samples.get(what) ?? []), ms]);
  for (const count of COUNTS) await fresh("fill", count);
  await fresh("fillKeyval", KEYVAL_COUNT);
  for (let round = 0; round < rounds; round++) {
    const { imported, opened } = await fresh("cold", `cold ${round}`);
    note("import of the script", imported);
    note("cold start: compile, and open an empty store", opened);
    for (const count of COUNTS) note(`open ${count.toLocaleString("en-US")} keys`, await fresh("open", count));
    const label = `${KEYVAL_COUNT.toLocaleString("en-US")} entries of idb-keyval into a Map`;
    note(label, await fresh("openKeyval", KEYVAL_COUNT));
  }
  return [...samples].map(([what, times]) => ({ what, ...summary(times) }));
}

/** The numbers below `count` in an order that depends on `seed`. */
function shuffled(count, seed) {
  const rank = (i) => Math.imul((i + 1) * 7919 + seed * 104_729, 0x9e3779b1) >>> 0;
  return Array.from({ length: count }, (_, i) => i).sort((a, b) => rank(a) - rank(b));
}

async function writes() {
  const writers = [];
  for (const writer of WRITERS) {
    const page = await browser.newPage(writer.name);
    await page.evaluate(([name, isStrict]) => bench.openWriter(name, isStrict), [writer.name, writer.isStrict]);
    writers.push({ ...writer, page });
  }
  const results = [];
  for (const { kind, title, count, bytes } of WRITES) {
    const all = writers.map(() => []);
    // The first round only warms up.
    for (let round = isShort ? 1 : 0; round <= rounds; round++) {
      // In another order each time: what one leaves to be written, the next may have to wait for.
      for (const index of shuffled(writers.length, round)) {
        const { page } = writers[index];
        const ms = await page.evaluate(([kind, count]) => bench.write(kind, count), [kind, count]);
        if (round > 0) all[index].push(ms / count);
      }
    }
    for (const [index, { name, durability, page }] of writers.entries()) {
      await page.evaluate((kind) => bench.check(kind), kind);
      results.push({ work: title, writer: name, durability, bytes, ...summary(all[index]) });
    }
  }
  for (const { page } of writers) await page.close();
  return results;
}

const micros = (ms) => `${(ms * 1000).toFixed(ms < 0.1 ? 1 : 0)} µs`;

function markdown({ about, opened, written }) {
  const lines = ["# The store", "", `${about}. Medians, and how far the middle half of the samples spreads.`];
  lines.push("", "## Opening", "", "Each in a page that has just been opened.", "", "| | time |", "| --- | ---: |");
  for (const result of opened) lines.push(`| ${result.what} | ${result.median.toFixed(1)} ms ${spread(result)} |`);
  lines.push("", "## Writes that wait until they are stored", "");
  lines.push("Time per write. `strict`: stored means on the disk; `default`: as the browser likes, which in");
  lines.push("Chromium is when the operating system has it. Lodis is always strict (`appendfsync always`).", "");
  lines.push(`| writer | durability | ${WRITES.map(({ title }) => title).join(" | ")} |`);
  lines.push(`| --- | --- |${" ---: |".repeat(WRITES.length)}`);
  for (const { name, durability } of WRITERS) {
    const cells = WRITES.map(({ title }) => {
      const result = written.find((one) => one.work === title && one.writer === name && one.durability === durability);
      const rate = result.bytes > 1000 ? `, ${(result.bytes / result.median / 1000).toFixed(0)} MB/s` : "";
      return `${micros(result.median)}${rate} ${spread(result)}`;
    });
    lines.push(`| ${name} | ${durability} | ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

const where = `Chromium ${browser.version}, ${about(rounds)}`;
const results = { about: where, opened: await openings(), written: await writes() };
await browser.close();
if (isShort) {
  console.log("opened and written");
} else {
  await keep("store", results, markdown(results));
  console.log(markdown(results));
}
