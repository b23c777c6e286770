import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import type { Value } from "lodis/terminal";

/** How long the "database" takes for anything. */
const SLOW_MS = 700;

/** A shop's database that is slow on purpose: prices of products, and how often it was asked. */
export class SlowDatabase {
  readonly prices = new Map([["tea", 3], ["cake", 5]]);
  reads = 0;
  writes = 0;

  async read(product: string): Promise<number> {
    await slow();
    this.reads++;
    return this.prices.get(product) ?? 0;
  }

  async write(product: string, price: number): Promise<void> {
    await slow();
    this.writes++;
    this.prices.set(product, price);
  }
}

function slow(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SLOW_MS));
}

/** Something that can be done with it, and what it comes to, in words. */
interface Act {
  readonly name: string;
  readonly does: (run: Run) => Promise<string>;
}

/** Runs a line in the terminal; answers the text of its first reply, or null. */
export type Run = (line: string) => Promise<string | null>;

/** The database beside buttons; each says how long it took. */
export function databaseDemo(database: SlowDatabase, acts: readonly Act[]): (stage: Stage) => HTMLElement {
  return ({ run }) => {
    const rows = element("p", { class: "demo-state" });
    const news = element("p", { role: "status", class: "demo-news" });
    const draw = (): void => {
      const prices = [...database.prices].map(([name, price]) => `${name} ${price} €`).join(", ");
      rows.textContent = `The slow database: ${prices}. Asked ${times(database.reads)}, written ${times(database.writes)}.`;
    };
    const ask: Run = async (line) => textOf((await run(line))[0]);
    const buttons = acts.map(({ name, does }) => {
      const button = element("button", { type: "button", class: "plain", attributes: { "data-demo": name } }, name);
      button.addEventListener("click", async () => {
        const began = performance.now();
        button.disabled = true;
        news.textContent = "…";
        const what = await does(ask);
        button.disabled = false;
        news.textContent = `${what} It took ${Math.round(performance.now() - began)} ms.`;
        draw();
      });
      return button;
    });
    draw();
    return element("div", { class: "demo" }, rows, element("p", { class: "ways" }, ...buttons), news);
  };
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function textOf(reply: Value | undefined): string | null {
  if (reply?.type === "string") return new TextDecoder().decode(reply.bytes);
  return reply !== undefined && "text" in reply ? reply.text : null;
}
