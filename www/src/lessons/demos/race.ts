import type { Redis } from "lodis";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, buttonRow, demoBox, newsLine } from "./action.js";
import { channelOf, tabsOf } from "./tab.js";

const LESSON = "transactions";
const COUNTER = `${LESSON}:counter`;
const FINISHED = `${LESSON}:finished`;
/** So often each of the two counts. */
const ROUNDS = 150;
/** Another tab that has not finished by then has been closed. */
const SECONDS = 30;

const WAYS = { "GET and SET": plainly, WATCH: watched, INCR: atOnce } as const;
type Way = keyof typeof WAYS;

async function plainly(redis: Redis): Promise<number> {
  await redis.set(COUNTER, Number(await redis.get(COUNTER)) + 1);
  return 0;
}

async function watched(redis: Redis): Promise<number> {
  for (let tries = 0; ; tries++) {
    await redis.watch(COUNTER);
    const count = Number(await redis.get(COUNTER));
    const replies = await redis.multi().set(COUNTER, count + 1).exec();
    if (replies !== null) return tries;
  }
}

async function atOnce(redis: Redis): Promise<number> {
  await redis.incr(COUNTER);
  return 0;
}

/** Counts, and answers how often it had to try again. */
async function count(redis: Redis, way: Way): Promise<number> {
  let again = 0;
  for (let round = 0; round < ROUNDS; round++) again += await WAYS[way](redis);
  return again;
}

/** What the other tab does: it counts when it is told to, and says how it went. */
export async function raceAlong(stage: Stage): Promise<void> {
  const [ears, redis] = await Promise.all([stage.client(), stage.client()]);
  await ears.subscribe(channelOf(LESSON), async (way) => {
    if (way in WAYS) await redis.lPush(FINISHED, await count(redis, way as Way));
  });
}

/** Has two tabs count with one counter at the same time, or two clients of this one; shows what is lost. */
export function raceDemo(stage: Stage): HTMLElement {
  const news = newsLine("Nobody has counted yet.");
  const rows = element("tbody");
  const head = element("tr", {}, ...["Counted with", "times", "counter", "lost", "tried again"].map((name) => element("th", { scope: "col" }, name)));
  const results = new Map<Way, HTMLElement>();
  const race = (way: Way): HTMLElement =>
    action(`Race with ${way}`, async () => {
      const hasTab = (await tabsOf(stage, LESSON)) > 0;
      const [redis, other] = await Promise.all([stage.client(), stage.client()]);
      await redis.del(COUNTER, FINISHED);
      if (hasTab) await redis.publish(channelOf(LESSON), way);
      const along = hasTab ? Promise.resolve(0) : count(other, way);
      const own = await count(redis, way);
      const theirs = hasTab ? Number((await redis.blPop(FINISHED, SECONDS))?.[1] ?? NaN) : await along;
      if (Number.isNaN(theirs)) return "The other tab has not finished: is it still open? Then race again.";
      const reached = Number(await redis.get(COUNTER));
      const lost = 2 * ROUNDS - reached;
      results.set(way, rowOf(way, 2 * ROUNDS, reached, lost, own + theirs));
      rows.replaceChildren(...results.values());
      // What the check looks at.
      await redis.hSet(`${LESSON}:race`, way, lost);
      const who = hasTab ? "Two tabs" : "Two clients of this tab";
      return `${who} counted to ${2 * ROUNDS} with ${way}; the counter is at ${reached}. ${lost > 0 ? `${lost} were lost.` : "None was lost."}`;
    }, news);
  const caption = element("caption", { class: "unseen" }, "What came of each race");
  const ways = (Object.keys(WAYS) as Way[]).map(race);
  return demoBox(buttonRow(...ways), element("table", {}, caption, element("thead", {}, head), rows), news);
}

function rowOf(way: Way, ...numbers: readonly number[]): HTMLElement {
  return element("tr", { attributes: { "data-way": way } }, element("th", { scope: "row" }, way), ...numbers.map((number) => element("td", {}, String(number))));
}
