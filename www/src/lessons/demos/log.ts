import { parse, quoted, type Value } from "lodis/terminal";
import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, bars, buttonRow, demoBox, newsLine } from "./action.js";

/** How many of the last effects are shown, and how many records are read for them. */
const EFFECTS = 8;
const RECORDS = 12;
/** What comes before the commands in a record. */
const HEADER_LEN = 36;
/** Longer records would take too long to be read while the page is used. */
const LONG = 64 * 1024;
const TIMES = 1000;

/** What INFO says of the log. */
export async function logFigures({ redis }: Pick<Stage, "redis">): Promise<{ readonly bytes: number; readonly rewrites: number }> {
  const info = await redis.info("persistence");
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return { bytes: field("aof_current_size"), rewrites: field("aof_rewrites") };
}

/** The end of the log of a store in IndexedDB, as a browser's own tools would show it. */
class LogEnd {
  private newest: IDBValidKey | undefined;
  private lines: readonly string[] = [];

  constructor(private readonly name: string) {}

  /** The last effects; read only if something was added. */
  async effects(): Promise<readonly string[]> {
    const database = await asked(indexedDB.open(`lodis:${this.name}`));
    try {
      const store = database.transaction("log").objectStore("log");
      const newest = (await asked(store.openKeyCursor(null, "prev")))?.key;
      if (newest === undefined || newest !== this.newest) this.lines = (await lastRecords(store)).flatMap(effectsOf).slice(-EFFECTS);
      this.newest = newest;
      return this.lines;
    } finally {
      database.close();
    }
  }
}

function lastRecords(store: IDBObjectStore): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    const request = store.openCursor(null, "prev");
    request.onerror = () => reject(request.error ?? new Error("no cursor"));
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor || records.length === RECORDS) return resolve(records);
      records.unshift(new Uint8Array(cursor.value as ArrayBuffer));
      cursor.continue();
    };
  });
}

/** What a record holds, without what Lodis notes for itself; a long one is not read. */
function effectsOf(record: Uint8Array): string[] {
  if (record.length > LONG) return [`… ${record.length.toLocaleString("en")} bytes at once …`];
  return parse(record.subarray(HEADER_LEN)).map(lineOf).filter((line) => !line.startsWith("LODIS."));
}

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("refused"));
  });
}

function lineOf(effect: Value): string {
  const words = "items" in effect ? effect.items : [];
  return words.map((word) => wordOf(word)).join(" ");
}

function wordOf(word: Value): string {
  if (word.type !== "string") return "";
  const text = quoted(word.bytes);
  const plain = /^"([\w:.*-]+)"$/.exec(text)?.[1] ?? text;
  return plain.length > 40 ? `${plain.slice(0, 40)}…` : plain;
}

/** The length of the log, and its end, as they are from moment to moment; `store` is its name. */
export function logDemo(store: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const size = element("strong", {}, "…");
    const log = new LogEnd(store);
    const list = element("ul", { class: "log", ariaLabel: "The last entries of the log" });
    stage.every(async () => {
      const { bytes } = await logFigures(stage);
      size.textContent = `${bytes.toLocaleString("en")} bytes`;
      const isKept = stage.redis.persistence.state !== "memory";
      const lines = isKept ? await log.effects() : ["There is no log: this browser gives the page no storage."];
      if (lines.join("\n") !== [...list.children].map((line) => line.textContent).join("\n")) {
        list.replaceChildren(...lines.map((line) => element("li", {}, element("code", {}, line))));
      }
    });
    return demoBox(element("p", { class: "demo-news" }, "The log is ", size, " long, and this is its end:"), list);
  };
}

/** How long the log was before and after it was rewritten last. */
export function rewriteDemo(key: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine();
    const picture = element("div");
    let last: { bytes: number; rewrites: number } | undefined;
    const many = action(`Count to ${TIMES.toLocaleString("en")}`, async () => {
      const pipeline = stage.redis.pipeline();
      for (let count = 0; count < TIMES; count++) pipeline.incr(key);
      await pipeline.exec();
      return `INCR ${key} was run ${TIMES.toLocaleString("en")} times.`;
    }, news);
    const figures = element("p", { class: "demo-state" });
    stage.every(async () => {
      const now = await logFigures(stage);
      figures.textContent = `The log is ${now.bytes.toLocaleString("en")} bytes long.`;
      if (last && now.rewrites > last.rewrites) {
        const said = (bytes: number): string => `${bytes.toLocaleString("en")} bytes`;
        picture.replaceChildren(bars([["Before the rewrite", last.bytes, said(last.bytes)], ["After it", now.bytes, said(now.bytes)]]));
      }
      last = now;
    });
    return demoBox(buttonRow(many), news, figures, picture);
  };
}
