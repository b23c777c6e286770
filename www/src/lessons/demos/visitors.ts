import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, bars, breathe, buttonRow, demoBox, newsLine } from "./action.js";

const VISITORS = 10_000;
const CHUNK = 100;

/** Adds many visitors to a set and to a HyperLogLog; shows how well the one counts, and what each takes. */
export function visitorsDemo(set: string, log: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine("Nobody has come yet.");
    const picture = element("div");
    const add = action(`${VISITORS.toLocaleString("en")} visitors come`, async () => {
      const { redis } = stage;
      const from = await redis.sCard(set);
      for (let index = 0; index < VISITORS; index += CHUNK) {
        const names = Array.from({ length: CHUNK }, (_, offset) => `visitor-${from + index + offset}`);
        await Promise.all([redis.sAdd(set, names), redis.pfAdd(log, names)]);
        await breathe();
      }
      const [exact, about] = await Promise.all([redis.sCard(set), redis.pfCount(log)]);
      const [setBytes = 0, logBytes = 0] = await Promise.all([set, log].map(async (key) => Number(await redis.call("MEMORY", "USAGE", key))));
      const said = (bytes: number): string => `${Math.round(bytes / 1024).toLocaleString("en")} KB`;
      picture.replaceChildren(bars([["The set takes", setBytes, said(setBytes)], ["The HyperLogLog takes", logBytes, said(logBytes)]]));
      const off = (((about - exact) / exact) * 100).toFixed(2);
      return `The set knows ${exact.toLocaleString("en")} visitors, the HyperLogLog says ${about.toLocaleString("en")}: ${off} % off.`;
    }, news);
    return demoBox(buttonRow(add), picture, news);
  };
}
