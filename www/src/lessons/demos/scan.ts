import type { Redis } from "lodis";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, bars, breathe, buttonRow, demoBox, newsLine } from "./action.js";

const KEYS = 50_000;
/** So many are written at a time: others have their turn in between. */
const CHUNK = 50;
const COUNT = 100;
const PATTERN = "scanning:user:*77";

interface Measured {
  readonly found: number;
  readonly commands: number;
  readonly ms: number;
  /** The longest time in which nobody else had a turn. */
  readonly longest: number;
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
      picture.replaceChildren(bars([...results].map(([way, { longest }]) => [`${way}: the others waited for up to`, longest, `${longest.toFixed(1)} ms`])));
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
  let [isOver, turns, longest, last] = [false, 0, 0, performance.now()];
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const other = (async () => {
    while (!isOver) {
      await breathe();
      turn();
      if (!isOver) turns++;
    }
  })();
  await breathe();
  const began = performance.now();
  [last, longest, turns] = [began, 0, 0];
  const [found, commands] = await does();
  const ms = performance.now() - began;
  isOver = true;
  await other;
  return { found, commands, ms, longest, turns };
}
