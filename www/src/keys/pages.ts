import { element } from "../element.js";
import { read, shown, timeOf } from "./bytes.js";
import type { Change, Data } from "./data.js";
import { button, cut } from "./controls.js";
import { ask, tell } from "./dialog.js";
import { bitsOf, type Format, FORMATS, guess, hexOf, isJson, isText, pretty } from "./formats.js";
import type { Cell, Kind, Page, Row } from "./kinds.js";
import { nextTask } from "./search.js";

/** So many elements are shown at a time, unless they are large: then about so many bytes of them. */
const PAGE = 50;
const PAGE_BYTES = 2 * 1024 * 1024;
/** So much of an element is shown when it is looked at. */
const VIEWED = 64 * 1024;
/** So long rows are made before the page has its turn. */
const BUDGET_MS = 1.5;
/** Time to type on before a search begins, in milliseconds. */
const TYPING_MS = 300;

export interface PagesEvents {
  change(what: string, change: Change): Promise<void>;
  refresh(): void;
  failed(error: Error): void;
}

/** The elements of a collection, a page at a time. */
export class Pages {
  /** Where the pages before this one, and this one, begin. */
  private starts: (string | undefined)[] = [undefined];
  /** How many elements were shown before. */
  private before: number[] = [0];
  private match = "";
  private order: string | undefined;
  private last = new Map<string, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly data: Data, private readonly events: PagesEvents) {}

  reset(): void {
    this.first();
    [this.match, this.order] = ["", undefined];
    this.last.clear();
  }

  private first(): void {
    [this.starts, this.before] = [[undefined], [0]];
  }

  async nodes(kind: Kind, bytes: number, isLive: boolean): Promise<Node[]> {
    const count = Number(await this.data.ask(...kind.count));
    const size = Math.max(1, Math.min(PAGE, Math.floor(PAGE_BYTES / Math.max(1, bytes / Math.max(1, count)))));
    const pattern = this.match === "" ? undefined : read(/[*?[\\]/.test(this.match) || this.match.startsWith('"') ? this.match : `*${this.match}*`);
    const look = { from: this.starts.at(-1), size, match: kind.searched ? pattern : undefined, order: this.order };
    const page = await kind.page(look);
    // What was on this page may be gone.
    if (page.rows.length === 0 && this.starts.length > 1) {
      this.first();
      return this.nodes(kind, bytes, isLive);
    }
    return [this.bar(kind, count, page), await this.table(kind, page, isLive), this.walk(page, count, look.match !== undefined)];
  }

  private bar(kind: Kind, count: number, page: Page): HTMLElement {
    const [one, many] = kind.names;
    return element(
      "div",
      { class: "bar" },
      element("span", { class: "count" }, `${count.toLocaleString("en")} ${count === 1 ? one : many}`),
      kind.orders ? this.orders(kind.orders, page.order) : undefined,
      kind.searched ? this.search(kind.searched) : undefined,
      button(`Add ${one}`, () => this.askNew(kind, page.order), "primary"),
    );
  }

  private orders(orders: NonNullable<Kind["orders"]>, now: string | undefined): HTMLElement {
    const select = element(
      "select",
      {
        ariaLabel: "Order", attributes: { "data-focus": "order" },
        on: { change: () => (this.first(), (this.order = select.value), this.events.refresh()) },
      },
      ...orders.map(([value, text]) => element("option", { value, selected: value === now }, text)),
    );
    return select;
  }

  private search(what: string): HTMLElement {
    const input = element("input", {
      type: "search", value: this.match, ariaLabel: `${what} that match`, placeholder: `${what} that match`, spellcheck: false, autocapitalize: "off",
      attributes: { "data-focus": "match", autocomplete: "off" },
      on: {
        input: () => {
          clearTimeout(this.timer);
          this.timer = setTimeout(() => (this.first(), (this.match = input.value.trim()), this.events.refresh()), TYPING_MS);
        },
      },
    });
    return input;
  }

  private walk({ rows, next }: Page, count: number, isMatched: boolean): HTMLElement {
    const { starts, before } = this;
    const start = before.at(-1)!;
    const go = (work: () => void) => (): void => {
      work();
      this.last.clear();
      this.events.refresh();
    };
    const isAll = starts.length === 1 && next === undefined;
    const place = isMatched ? `${(start + 1).toLocaleString("en")} to ${(start + rows.length).toLocaleString("en")} of those that match` : `${(start + 1).toLocaleString("en")} to ${(start + rows.length).toLocaleString("en")} of ${count.toLocaleString("en")}`;
    const none = isMatched && rows.length === 0 ? "Nothing matches." : "";
    return element(
      "div",
      { class: "bar", hidden: isAll && none === "" },
      element("span", { class: "count" }, none || place),
      starts.length > 1 ? button("First", go(() => this.first()), "small") : undefined,
      starts.length > 1 ? button("Previous", go(() => (starts.pop(), before.pop())), "small") : undefined,
      next === undefined ? undefined : button("Next", go(() => (starts.push(next), before.push(start + rows.length))), "small"),
    );
  }

  private async table(kind: Kind, { columns, rows, order }: Page, isLive: boolean): Promise<HTMLElement> {
    const titles = columns.map((name) => element("th", { scope: "col" }, name));
    const marks = this.marksOf(rows, isLive);
    const made: HTMLElement[] = [];
    let since = performance.now();
    for (const row of rows) {
      made.push(this.row(kind, row, marks.get(row.id)));
      if (performance.now() - since < BUDGET_MS) continue;
      await nextTask();
      since = performance.now();
    }
    return element(
      "div",
      { class: "scroller" },
      element(
        "table",
        { ariaLabel: kind.names[1] },
        element("thead", {}, element("tr", {}, ...titles, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")))),
        element("tbody", { attributes: { "data-order": order ?? "" } }, ...made),
      ),
    );
  }

  /** Which rows others have changed since they were shown. */
  private marksOf(rows: readonly Row[], isLive: boolean): Map<string, string> {
    const now = new Map(rows.map(({ id, cells }) => [id, JSON.stringify(cells)]));
    const marks = new Map<string, string>();
    if (isLive && this.last.size > 0) {
      for (const [id, text] of now) if (this.last.get(id) !== text) marks.set(id, this.last.has(id) ? "changed" : "new");
    }
    this.last = now;
    return marks;
  }

  private row(kind: Kind, row: Row, mark: string | undefined): HTMLElement {
    const [one] = kind.names;
    const { value, edit, id } = row;
    const isPlain = value === undefined || (value.length <= 200 && isText(value) && guess(value, true) === "text");
    const actions = element(
      "td",
      { class: "actions" },
      mark === undefined ? undefined : element("span", { class: "mark" }, mark),
      isPlain ? undefined : button("View", () => this.view(one, id, value), "small", `View ${id}`),
      edit ? button("Edit", () => this.askEdit(one, row), "small", `Edit ${id}`) : undefined,
      button("Remove", () => void this.events.change(`Removed ${one} ${cut(id)}`, row.remove).catch(this.events.failed), "small", `Remove ${id}`),
    );
    const cell = (cell: Cell): HTMLElement =>
      typeof cell === "string" ? element("td", /^-?[\d.]{1,22}$/.test(cell) ? { class: "number" } : {}, cut(cell)) : element("td", { class: "time", attributes: { "data-until": String(cell.until) } }, timeOf(cell.until - Date.now()));
    return element("tr", mark === undefined ? {} : { class: "touched" }, ...row.cells.map(cell), actions);
  }

  private askNew(kind: Kind, order: string | undefined): void {
    const { fields, change } = kind.add(order);
    const [one] = kind.names;
    void ask({ title: `Add ${one}`, fields, action: "Add", submit: (values) => this.events.change(`Added ${one}`, change(values)) });
  }

  private askEdit(one: string, { id, edit }: Row): void {
    void ask({ title: `Edit ${one} ${cut(id)}`, fields: edit!.fields(), action: "Save", submit: (values) => this.events.change(`Changed ${one} ${cut(id)}`, edit!.change(values)) });
  }

  /** Shows an element in every form. */
  private view(one: string, id: string, value: Uint8Array): void {
    const head = value.subarray(0, VIEWED);
    const out = element("pre", { class: "dump", tabIndex: 0, role: "region", ariaLabel: "Value" });
    const show = (format: Format): void => {
      const text = shown(head, true);
      out.textContent = format === "hex" ? hexOf(head.subarray(0, 4096), 0) : format === "bits" ? bitsOf(head.subarray(0, 512), 0) : format === "json" && isJson(text) ? pretty(text) : text;
    };
    const begin: Format = isText(head) ? guess(value, value.length <= VIEWED) : "hex";
    const select = element("select", { ariaLabel: "Format", on: { change: () => show(select.value as Format) } }, ...FORMATS.map(([value, text]) => element("option", { value, selected: value === begin }, text)));
    show(begin);
    tell(`${one[0]!.toUpperCase()}${one.slice(1)} ${cut(id)}`, element("div", { class: "bar" }, select, element("span", { class: "count" }, `${value.length.toLocaleString("en")} bytes${value.length > VIEWED ? ", of which the first are shown" : ""}`)), out);
  }
}
