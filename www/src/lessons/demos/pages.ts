import type { Redis } from "lodis";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, buttonRow, demoBox, newsLine } from "./action.js";

/** Pages that have room, those of them that are used, and those that come then. */
const PAGES = 28;
const USED = 8;
const NEW = 12;
const BYTES = 30_000;
/** What a page takes besides. */
const OVERHEAD = 200;
/** Redis tells the time of a use to a second. */
const CLOCK_MS = 1100;
/** So often the used ones are read where that counts. */
const OFTEN = 40;
/** Of so many keys the worst is thrown out: of all of them. */
const SAMPLES = 64;

/** What each policy goes by, as the run shows it. */
const POLICIES = {
  "allkeys-lru": `Pages 1 to ${USED} were read just now`,
  "allkeys-lfu": `Pages 1 to ${USED} were read ${OFTEN} times each`,
  "volatile-ttl": `Pages 1 to ${USED} have an hour to live, the others a minute`,
} as const;
export type Policy = keyof typeof POLICIES;

const pageOf = (number: number): string => `eviction:page:${number}`;
const numbers = (count: number, from = 1): number[] => Array.from({ length: count }, (_, index) => from + index);

/** Empties the store, and gives it room for so many pages and no more. */
async function prepare(stage: Stage, redis: Redis, policy: Policy): Promise<void> {
  await stage.run({ second: "FLUSHALL SYNC" });
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1] ?? 0);
  await stage.run({ second: `CONFIG SET maxmemory ${used + Math.round((PAGES + 0.7) * (BYTES + OVERHEAD))}` });
  await stage.run({ second: `CONFIG SET maxmemory-policy ${policy} maxmemory-samples ${SAMPLES}` });
  await redis.call("CONFIG", "RESETSTAT");
}

/** Fills the store, uses some pages as the policy asks for, and writes more than there is room for. */
async function run(redis: Redis, policy: Policy): Promise<void> {
  const page = "x".repeat(BYTES);
  const isUsed = (number: number): boolean => number <= USED;
  for (const number of numbers(PAGES)) {
    if (policy === "volatile-ttl") await redis.set(pageOf(number), page, { EX: isUsed(number) ? 3600 : 60 });
    else await redis.set(pageOf(number), page);
  }
  if (policy === "allkeys-lru") await new Promise((resolve) => setTimeout(resolve, CLOCK_MS));
  const reads = policy === "allkeys-lru" ? 1 : policy === "allkeys-lfu" ? OFTEN : 0;
  // A little of each: a long answer takes memory as well.
  for (let read = 0; read < reads; read++) {
    for (const number of numbers(USED)) await redis.getRange(pageOf(number), 0, 9);
  }
  for (const number of numbers(NEW, PAGES + 1)) {
    if (policy === "volatile-ttl") await redis.set(pageOf(number), page, { EX: 3600 });
    else await redis.set(pageOf(number), page);
  }
}

/** All pages as squares: those that are there, and those that were thrown out. */
export function pagesDemo(stage: Stage): HTMLElement {
  const news = newsLine("Nothing was written yet.");
  const cells = numbers(PAGES + NEW).map((number) => element("li", { class: "page", attributes: { "data-state": "none" } }, String(number)));
  const grid = element("ul", { class: "pages", ariaLabel: "Pages in the second terminal’s store" }, ...cells);
  const draw = async (redis: Redis): Promise<number[]> => {
    const isThere = await Promise.all(numbers(PAGES + NEW).map((number) => redis.exists(pageOf(number))));
    const wasRun = isThere.includes(1);
    cells.forEach((cell, index) => {
      const state = isThere[index] === 1 ? (index < USED ? "used" : index < PAGES ? "kept" : "new") : wasRun ? "gone" : "none";
      cell.dataset.state = state;
      cell.replaceChildren(String(index + 1), element("span", { class: "unseen" }, `: ${state}`));
    });
    return numbers(PAGES + NEW).filter((_, index) => isThere[index] !== 1);
  };
  const buttons = (Object.keys(POLICIES) as Policy[]).map((policy) =>
    action(policy, async () => {
      const { second } = stage;
      if (!second) return;
      await prepare(stage, second, policy);
      await run(second, policy);
      const gone = await draw(second);
      return `${POLICIES[policy]}; then pages ${PAGES + 1} to ${PAGES + NEW} came. Thrown out: ${gone.join(", ") || "none"}.`;
    }, news),
  );
  stage.every(async () => {
    if (stage.second) await draw(stage.second);
  });
  const legend = element("p", { class: "demo-state" }, `Pages 1 to ${USED} are the ones in use, ${PAGES + 1} to ${PAGES + NEW} come last; what is crossed out is gone.`);
  return demoBox(buttonRow(...buttons), grid, legend, news);
}
