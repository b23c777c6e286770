import type { Redis } from "lodis";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";

const COMMANDS = 1000;

/** Runs so many commands one after the other, and in one pipeline; says how long each took. */
export function raceDemo(key: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = element("p", { role: "status", class: "demo-news" }, "Neither was run yet.");
    const took = new Map<string, number>();
    const run = (name: string, does: (redis: Redis) => Promise<unknown>): HTMLElement => {
      const button = element("button", { type: "button", class: "plain", attributes: { "data-demo": name } }, name);
      button.addEventListener("click", async () => {
        const { second } = stage;
        if (!second) return;
        button.disabled = true;
        const began = performance.now();
        await does(second);
        took.set(name, performance.now() - began);
        button.disabled = false;
        news.textContent = verdict(took);
      });
      return button;
    };
    const single = run("One by one", async (redis) => {
      for (let count = 0; count < COMMANDS; count++) await redis.incr(`${key}:single`);
    });
    const together = run("In a pipeline", async (redis) => {
      const pipeline = redis.pipeline();
      for (let count = 0; count < COMMANDS; count++) pipeline.incr(`${key}:together`);
      await pipeline.exec();
    });
    return element("div", { class: "demo" }, element("p", { class: "ways" }, single, together), news);
  };
}

function verdict(took: ReadonlyMap<string, number>): string {
  const told = [...took].map(([name, ms]) => `${name}: ${ms.toFixed(0)} ms.`).join(" ");
  const [first, second] = [...took.values()];
  if (first === undefined || second === undefined) return told;
  return `${told} That is ${(Math.max(first, second) / Math.max(Math.min(first, second), 0.1)).toFixed(0)} times as long.`;
}
