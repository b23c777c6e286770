import { quoted } from "lodis/terminal";
import { element } from "../element.js";
import type { CommandStats, Info } from "./info.js";
import { write } from "./plot.js";

/** A row of a table: what tells it from others, what its cells say, and what its last cell has besides. */
export interface Row {
  readonly key: string;
  readonly cells: readonly string[];
  /** Made once, when the row comes. */
  readonly action?: (() => HTMLElement) | undefined;
}

/** A table that changes while somebody reads it: rows stay where they are, and so does the focus. */
export class Table {
  readonly element: HTMLElement;
  private readonly body = element("tbody");
  private readonly table: HTMLTableElement;
  private readonly none: HTMLElement;
  private readonly width: number;
  private rows = new Map<string, HTMLTableRowElement>();

  constructor(
    caption: string,
    head: readonly string[],
    none: string,
    private readonly isCode = false,
  ) {
    this.width = head.length;
    const heads = head.map((name) => element("th", { scope: "col" }, name));
    this.table = element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...heads)), this.body);
    this.none = element("p", { class: "none" }, none);
    this.element = element("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: caption }, this.table, this.none);
    this.table.hidden = true;
  }

  show(rows: readonly Row[], none?: string): void {
    const { body, element: region } = this;
    const before = this.rows;
    this.rows = new Map(rows.map((row) => [row.key, before.get(row.key) ?? this.made(row)]));
    const hadFocus = body.contains(document.activeElement);
    for (const [key, row] of before) if (!this.rows.has(key)) row.remove();
    rows.forEach((row, index) => {
      const shown = this.rows.get(row.key)!;
      row.cells.forEach((text, at) => write(shown.cells[at]!, text));
      if (body.rows[index] !== shown) body.insertBefore(shown, body.rows[index] ?? null);
    });
    if (none !== undefined) write(this.none, none);
    this.table.hidden = rows.length === 0;
    this.none.hidden = rows.length > 0;
    // What had the focus is gone: it must not begin at the top of the page again.
    if (hadFocus && !body.contains(document.activeElement)) region.focus();
  }

  private made({ cells, action }: Row): HTMLTableRowElement {
    const made = cells.map((_, index) => element("td", { class: this.isCode && index === cells.length - 1 ? "code" : "" }));
    return element("tr", {}, ...made, this.width > cells.length ? element("td", {}, action?.()) : undefined);
  }
}

export const count = (value: number): string => Math.round(value).toLocaleString("en");

/** Who a client is: the tab that leads has no address, the others have a number. */
export function nameOf(client: Info, self: string | undefined): string {
  const address = client.get("addr") ?? "";
  const who = address === "" ? "the tab that leads" : address.replace(/^tab:0*(\w{1,6}).*/, "tab $1");
  const name = client.get("name") || who;
  return client.get("id") === self ? `${name} (this dashboard)` : name;
}

export function clientCells(client: Info, self: string | undefined): string[] {
  const subscriptions = (["sub", "psub", "ssub"] as const).reduce((sum, name) => sum + Number(client.get(name) ?? 0), 0);
  return [
    client.get("id") ?? "",
    nameOf(client, self),
    `${client.get("age")} s`,
    client.get("cmd")?.replace("|", " ") ?? "",
    subscriptions === 0 ? "" : String(subscriptions),
    client.get("db") ?? "",
  ];
}

/** What SLOWLOG GET answers. */
export type SlowEntry = readonly [id: number, seconds: number, micros: number, words: readonly string[], ...rest: unknown[]];

export function slowRow([id, seconds, micros, words]: SlowEntry): Row {
  const encoder = new TextEncoder();
  const line = words.map((word) => (/^[!-~]+$/.test(word) ? word : quoted(encoder.encode(word)))).join(" ");
  return { key: `${id}`, cells: [new Date(seconds * 1000).toLocaleTimeString(), timeOf(micros), line] };
}

/** Microseconds, for people. */
export function timeOf(micros: number): string {
  return micros < 1000 ? `${Math.round(micros)} µs` : `${(micros / 1000).toFixed(1)} ms`;
}

export function commandRow(stats: CommandStats, rate: number): Row {
  const time = (micros: number | undefined): string => (micros === undefined ? "" : timeOf(micros));
  const { name, calls, micros, refused, p50, p99 } = stats;
  const isMeasured = p50 !== undefined || micros > 0;
  return {
    key: name,
    cells: [name.replace("|", " ").toUpperCase(), count(calls), count(rate), isMeasured ? timeOf(micros) : "", time(p50), time(p99), refused === 0 ? "" : count(refused)],
  };
}
