import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, bars, buttonRow, demoBox, newsLine } from "./action.js";

const COMMANDS = 1000;
/** Both are measured in turns, that neither profits from what warms up. */
const ROUNDS = 5;

/** Runs so many commands one after the other, and in pipelines, in turns; shows how long each took. */
export function tripsDemo(key: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine("Nothing was measured yet.");
    const picture = element("div");
    const measure = action("Measure both", async () => {
      const redis = await stage.client();
      let [single, together] = [0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        single += await timed(async () => {
          for (let count = 0; count < COMMANDS / ROUNDS; count++) await redis.incr(`${key}:single`);
        });
        together += await timed(async () => {
          const pipeline = redis.pipeline();
          for (let count = 0; count < COMMANDS / ROUNDS; count++) pipeline.incr(`${key}:together`);
          await pipeline.exec();
        });
      }
      picture.replaceChildren(bars([
        [`${COMMANDS} one by one`, single, said(single)],
        [`${COMMANDS} in ${ROUNDS} pipelines`, together, said(together)],
      ]));
      return `One by one takes ${(single / Math.max(together, 0.1)).toFixed(1)} times as long.`;
    }, news);
    return demoBox(buttonRow(measure), picture, news);
  };
}

const said = (ms: number): string => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

async function timed(does: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await does();
  return performance.now() - began;
}
