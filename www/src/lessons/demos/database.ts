import { element } from "../../element.js";
import { type Stage, textOf } from "../lesson.js";
import { action, buttonRow, demoBox, newsLine } from "./action.js";

/** How long the "database" takes for anything. */
const SLOW_MS = 700;
const KEY = "lodis-playground:shop";
const PRODUCTS = ["tea", "cake"] as const;
const FIRST: Shop = { tea: 3, cake: 5, reads: 0, writes: 0 };

interface Shop {
  tea: number;
  cake: number;
  reads: number;
  writes: number;
}
export type Product = (typeof PRODUCTS)[number];

/** A shop's database that is slow on purpose. It is not in Redis, and outlives the page: in the browser's local storage. */
export class SlowDatabase {
  private shop: Shop = { ...FIRST, ...stored() };
  /** Products whose new prices wait in this page only. */
  readonly waiting: Product[] = [];

  price(product: Product): number {
    return this.shop[product];
  }

  get writes(): number {
    return this.shop.writes;
  }

  get reads(): number {
    return this.shop.reads;
  }

  async read(product: Product): Promise<number> {
    await slow();
    this.shop.reads++;
    this.keep();
    return this.shop[product];
  }

  async write(product: Product, price: number): Promise<void> {
    await slow();
    this.shop.writes++;
    this.shop[product] = price;
    this.keep();
  }

  reset(): void {
    this.shop = { ...FIRST };
    this.waiting.length = 0;
    this.keep();
  }

  private keep(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.shop));
    } catch {
      // It lasts as long as the page.
    }
  }
}

function stored(): Partial<Shop> {
  try {
    const shop: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const entries = Object.entries(typeof shop === "object" && shop !== null ? shop : {});
    return Object.fromEntries(entries.filter(([name, value]) => name in FIRST && Number.isSafeInteger(value)));
  } catch {
    return {};
  }
}

function slow(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SLOW_MS));
}

/** Something that can be done with it, and what it comes to, in words. */
export interface Act {
  readonly name: string;
  readonly does: (run: Run) => Promise<string>;
}

/** Runs a line in the terminal; answers the text of its first reply, or null. */
export type Run = (line: string) => Promise<string | null>;

/** What the cache has, what waits, and what the database has, beside buttons; each says how long it took. */
export function databaseDemo(database: SlowDatabase, acts: readonly Act[]): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine();
    const rows = element("tbody");
    const asked = element("p", { class: "demo-state" });
    const head = element("tr", {}, ...["Price of", "in the cache", "waiting", "in the database"].map((name) => element("th", { scope: "col" }, name)));
    stage.every(async () => {
      const { redis } = stage;
      const [cached, queue, writing] = await Promise.all([
        redis.mGet(PRODUCTS.map((product) => `caching:${product}`)),
        redis.lRange("caching:queue", 0, -1),
        redis.lRange("caching:writing", 0, -1),
      ]);
      const waits = (product: Product): string => {
        if (database.waiting.includes(product)) return "in this page";
        return [...queue, ...writing].includes(product) ? "in the store" : "–";
      };
      rows.replaceChildren(...PRODUCTS.map((product, index) => rowOf(product, cached[index] ?? null, waits(product), database.price(product))));
      asked.textContent = `The database was read ${times(database.reads)} and written ${times(database.writes)}; it takes ${SLOW_MS} ms each time.`;
    });
    const ask: Run = async (line) => {
      const [reply] = await stage.run(line);
      return reply === undefined || reply.type === "nil" ? null : textOf(reply);
    };
    const buttons = acts.map(({ name, does }) =>
      action(name, async () => {
        const began = performance.now();
        const what = await does(ask);
        return `${what} It took ${Math.round(performance.now() - began)} ms.`;
      }, news),
    );
    const caption = element("caption", { class: "unseen" }, "Prices in the cache, and in the database");
    return demoBox(element("table", {}, caption, element("thead", {}, head), rows), asked, buttonRow(...buttons), news);
  };
}

function rowOf(product: Product, cached: string | null, waiting: string, price: number): HTMLElement {
  const differs = cached !== null && cached !== String(price);
  return element(
    "tr",
    { attributes: { "data-differs": String(differs) } },
    element("th", { scope: "row" }, product),
    element("td", {}, cached === null ? "nothing" : `${cached} €`),
    element("td", {}, waiting),
    element("td", {}, `${price} €`),
  );
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
