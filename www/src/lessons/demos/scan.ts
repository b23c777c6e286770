import type { Redis } from "lodis";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, bars, breathe, buttonRow, demoBox, newsLine } from "./action.js";

const KEYS = 200_000;
/** So many are written at a time: others have their turn in between. */
const CHUNK = 100;
const COUNT = 100;
const PATTERN = "scanning:user:*777";

interface Measured {
  readonly found: number;
  readonly commands: number;
  readonly ms: number;
  /** So long others waited for their turn at most, in 99 of 100 cases: this page is not alone on its machine. */
  readonly waited: number;
  /** How often somebody else had one. */
  readonly turns: number;
}

/** Fills a store with many keys, and finds some of them in both ways; shows who waits for how long. */
export function scanDemo(stage: Stage): HTMLElement {
  const news = newsLine("There are no keys yet.");
  const bar = element("progress", { max: KEYS, value: 0, ariaLabel: "Keys made" });
  const picture = element("div");
  const results = new Map<string, Measured>();
  const make = action(`Make ${KEYS.toLocaleString("en")} keys`, async () => {
    const { second } = stage;
    if (!second) return;
    for (let from = 0; from < KEYS; from += CHUNK) {
      const pairs = Array.from({ length: CHUNK }, (_, index) => [`scanning:user:${from + index}`, "x"] as const);
      await second.mSet(Object.fromEntries(pairs));
      bar.value = from + CHUNK;
      await breathe();
    }
    return `There are ${(await second.dbSize()).toLocaleString("en")} keys in the second terminal’s store.`;
  }, news);
  const find = (name: string, does: (redis: Redis) => Promise<[found: number, commands: number]>): HTMLElement =>
    action(`Find with ${name}`, async () => {
      const { second } = stage;
      if (!second) return;
      const measured = await measure(() => does(second));
      results.set(name, measured);
      picture.replaceChildren(bars([...results].map(([way, { waited }]) => [`${way}: others waited for up to`, waited, `${waited.toFixed(waited < 1 ? 2 : 1)} ms`])));
      const { found, commands, ms, turns } = measured;
      return `${name} found ${found} keys with ${commands} command${commands === 1 ? "" : "s"} in ${ms.toFixed(1)} ms; meanwhile others had ${turns} turn${turns === 1 ? "" : "s"}.`;
    }, news);
  return demoBox(buttonRow(make, bar), buttonRow(find("KEYS", withKeys), find("SCAN", withScan)), picture, news);
}

async function withKeys(redis: Redis): Promise<[number, number]> {
  return [(await redis.keys(PATTERN)).length, 1];
}

async function withScan(redis: Redis): Promise<[number, number]> {
  const found = new Set<string>();
  let [cursor, commands] = ["0", 0];
  do {
    const [next, keys] = await redis.scan(cursor, { MATCH: PATTERN, COUNT });
    for (const key of keys) found.add(key);
    cursor = next;
    commands++;
    // A server has others in the line while the answer is under way.
    await breathe();
  } while (cursor !== "0");
  return [found.size, commands];
}

/** Runs it while somebody else takes every turn there is. */
async function measure(does: () => Promise<[number, number]>): Promise<Measured> {
  const waits: number[] = [];
  let [isOver, last] = [false, performance.now()];
  const other = (async () => {
    while (!isOver) {
      await breathe();
      waits.push(performance.now() - last);
      last = performance.now();
    }
  })();
  await breathe();
  const began = performance.now();
  waits.length = 0;
  last = began;
  const [found, commands] = await does();
  const ms = performance.now() - began;
  const turns = waits.length;
  isOver = true;
  await other;
  waits.sort((one, two) => one - two);
  return { found, commands, ms, waited: waits[Math.ceil(waits.length * 0.99) - 1] ?? ms, turns };
}
