import { element } from "../element.js";
import { addressOf } from "../router.js";
import { sizeOf } from "../sizes.js";
import type { Actions } from "./actions.js";
import { ascii, equal, plural, read, shown, timeOf } from "./bytes.js";
import type { Data } from "./data.js";
import { ask } from "./dialog.js";
import { type Change, expiry, type Kind, kindOf, QUOTES, type Row } from "./kinds.js";

/** So much of a string is shown, and what is longer is not edited here. */
const SHOWN = 64 * 1024;

export interface DetailEvents {
  /** Makes a change that can be undone, and says so. */
  change(what: string, key: Uint8Array, change: Change): Promise<void>;
  readonly actions: Actions;
  /** Asks how to export the key. */
  export(): void;
  failed(error: Error): void;
}

interface State {
  readonly type: string;
  readonly expiresAt: number;
  readonly size: number;
  readonly encoding: string;
}

/** One key: what it is, and what is in it. */
export class Detail {
  readonly element = element("section", { class: "detail", ariaLabel: "Key", tabIndex: -1 });
  key: Uint8Array | undefined;
  private kind: Kind | undefined;
  private pages = 1;
  private turn = 0;
  private editor: HTMLTextAreaElement | undefined;
  /** What the editor began with. */
  private value = new Uint8Array();

  constructor(private readonly data: Data, private readonly events: DetailEvents) {}

  async show(key: Uint8Array | undefined): Promise<void> {
    this.key = key;
    this.pages = 1;
    this.editor = undefined;
    if (key) return this.refresh();
    this.turn++;
    this.element.replaceChildren(element("p", { class: "empty" }, "Choose a key to look into it."));
  }

  /** Shows it as it is now. What is being typed stays. */
  async refresh(_isLive = false): Promise<void> {
    const { key } = this;
    if (!key) return;
    const turn = ++this.turn;
    try {
      const [type, expiresAt, size, encoding] = await this.data.tryAll([["TYPE", key], ["PEXPIRETIME", key], ["MEMORY", "USAGE", key], ["OBJECT", "ENCODING", key]]);
      if (type instanceof Error) throw type;
      if (turn !== this.turn) return;
      if (ascii(type) === "none") return this.gone(key);
      const state: State = { type: ascii(type), expiresAt: Number(expiresAt), size: Number(size), encoding: encoding instanceof Uint8Array ? ascii(encoding) : "" };
      this.kind = kindOf(state.type, this.data, key);
      const body = this.kind ? await this.collection(this.kind, key, state) : await this.text(key);
      if (turn === this.turn) this.draw([...this.head(key, state), ...body]);
    } catch (error) {
      // Between two questions, the key may have become another one.
      if (turn === this.turn) this.events.failed(error as Error);
    }
  }

  private draw(children: Node[]): void {
    const focused = this.element.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : undefined;
    const isTyping = this.editor !== undefined && document.activeElement === this.editor;
    const selection = isTyping ? [this.editor!.selectionStart, this.editor!.selectionEnd] as const : undefined;
    const scrolled = this.element.scrollTop;
    this.element.replaceChildren(...children);
    this.element.scrollTop = scrolled;
    if (focused) (this.element.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`) ?? this.element).focus();
    if (selection) this.editor?.setSelectionRange(...selection);
  }

  private gone(key: Uint8Array): void {
    this.editor = undefined;
    this.draw([this.back(), element("h2", {}, shown(key)), element("p", { class: "empty" }, "There is no such key now.")]);
  }

  private back(): HTMLElement {
    return element("p", { class: "back" }, element("a", { href: addressOf("keys", this.data.db) }, "All keys"));
  }

  private head(key: Uint8Array, { type, expiresAt, size, encoding }: State): HTMLElement[] {
    const time = element("span", { attributes: expiresAt > 0 ? { "data-until": String(expiresAt) } : {} }, expiresAt > 0 ? timeOf(expiresAt - Date.now()) : "does not expire");
    const fact = (name: string, ...value: (Node | string)[]): HTMLElement => element("div", {}, element("dt", {}, name), element("dd", {}, ...value));
    return [
      this.back(),
      element("h2", {}, shown(key)),
      element(
        "dl",
        { class: "facts" },
        fact("Type", element("span", { class: "type", attributes: { "data-type": type } }, type)),
        fact("Encoding", encoding),
        fact("Size", sizeOf(size)),
        fact("TTL", time),
      ),
      element(
        "p",
        { class: "buttons" },
        button("Rename", () => this.events.actions.askName(key)),
        button("Copy", () => this.events.actions.askCopy(key)),
        button("Set TTL", () => this.askTime(key, expiresAt)),
        expiresAt > 0 ? button("Keep for good", () => void this.change(`Persisted ${shown(key)}`, key, { commands: [["PERSIST", key]] }).catch(this.events.failed)) : undefined,
        button("Export", () => this.events.export(), "", "Export key"),
        button("Refresh", () => void this.refresh()),
        button("Delete key", () => void this.remove(key).catch(this.events.failed), "danger"),
      ),
    ];
  }

  private async change(what: string, key: Uint8Array, change: Change): Promise<void> {
    await this.events.change(what, key, change);
    if (this.key && equal(this.key, key)) await this.refresh();
  }

  private async remove(key: Uint8Array): Promise<void> {
    await this.events.actions.remove(key);
    if (Number(await this.data.ask("EXISTS", key)) === 0) location.hash = addressOf("keys", this.data.db);
  }

  private askTime(key: Uint8Array, expiresAt: number): void {
    const left = expiresAt > 0 ? String(Math.max(1, Math.ceil((expiresAt - Date.now()) / 1000))) : "";
    void ask({
      title: "Time to live",
      fields: [{ name: "ttl", label: "Seconds", value: left, hint: "Empty has the key stay for good." }],
      action: "Set",
      submit: ({ ttl }) => this.change(`Set the time to live of ${shown(key)}`, key, { commands: [expiry(key, ttl!)] }),
    });
  }

  private async text(key: Uint8Array): Promise<Node[]> {
    const [length, value] = await this.data.run([["STRLEN", key], ["GETRANGE", key, 0, SHOWN - 1]]) as [number, Uint8Array];
    const isWhole = length <= SHOWN;
    const isDirty = this.editor !== undefined && this.editor.value !== shown(this.value, true);
    if (isDirty && this.editor) {
      const notice = equal(value, this.value) ? undefined : element("p", { class: "hint warning", role: "status" }, "The value has changed since you began to edit it. Saving replaces it.");
      return [...(notice ? [notice] : []), ...this.editing(key, this.editor)];
    }
    this.value = new Uint8Array(value);
    const editor = element("textarea", { value: shown(value, true), rows: 10, spellcheck: false, ariaLabel: "Value", readOnly: !isWhole, attributes: { "data-focus": "value" } });
    this.editor = isWhole ? editor : undefined;
    if (!isWhole) return [element("p", { class: "hint" }, `The first ${sizeOf(SHOWN)} of ${sizeOf(length)}. A value this long is changed in the terminal, with SETRANGE or APPEND.`), editor];
    return this.editing(key, editor);
  }

  private editing(key: Uint8Array, editor: HTMLTextAreaElement): Node[] {
    const save = async (): Promise<void> => {
      const value = read(editor.value);
      this.editor = undefined;
      await this.change(`Changed ${shown(key)}`, key, { commands: [["SET", key, value, "KEEPTTL"]] }).catch((error: Error) => {
        this.editor = editor;
        throw error;
      });
    };
    const revert = (): void => {
      this.editor = undefined;
      void this.refresh();
    };
    return [
      editor,
      element("p", { class: "hint" }, QUOTES),
      element("p", { class: "buttons" }, button("Save", () => void save().catch(this.events.failed), "primary"), button("Revert", revert)),
    ];
  }

  private async collection(kind: Kind, key: Uint8Array, { type }: State): Promise<Node[]> {
    const rows = new Map<string, Row>();
    let next: string | undefined;
    for (let page = 0; page < this.pages; page++) {
      const found = await kind.page(page === 0 ? undefined : next);
      for (const row of found.rows) rows.set(row.id, row);
      next = found.next;
      if (next === undefined) break;
    }
    const count = Number(await this.data.ask(...kind.count));
    const more = (): void => {
      this.pages++;
      void this.refresh();
    };
    return [
      element("p", { class: "buttons" }, element("span", { class: "count" }, plural(count, kind.one).replace("entrys", "entries")), button(`Add ${kind.one}`, () => this.askNew(kind, key), "primary")),
      this.table(kind, key, [...rows.values()]),
      next === undefined ? element("span") : button(`Show more (${Math.max(0, count - rows.size).toLocaleString("en")} left)`, more),
      ...(type === "stream" ? [await this.groups(key)] : []),
    ];
  }

  private table(kind: Kind, key: Uint8Array, rows: readonly Row[]): HTMLElement {
    const titles = kind.columns.map((name) => element("th", { scope: "col" }, name));
    const actions = (row: Row): HTMLElement =>
      element(
        "td",
        { class: "actions" },
        row.edit ? button("Edit", () => this.askEdit(kind, key, row), "small", `Edit ${row.id}`) : undefined,
        button("Remove", () => void this.change(`Removed ${kind.one} ${row.id}`, key, row.remove).catch(this.events.failed), "small", `Remove ${row.id}`),
      );
    return element(
      "div",
      { class: "scroller" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...titles, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")))),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.cells.map((cell) => element("td", {}, cut(cell))), actions(row)))),
      ),
    );
  }

  private askNew(kind: Kind, key: Uint8Array): void {
    const { fields, change } = kind.add;
    void ask({ title: `Add ${kind.one}`, fields, action: "Add", submit: (values) => this.change(`Added to ${shown(key)}`, key, change(values)) });
  }

  private askEdit(kind: Kind, key: Uint8Array, row: Row): void {
    const { fields, change } = row.edit!;
    void ask({ title: `Edit ${kind.one} ${cut(row.id)}`, fields, action: "Save", submit: (values) => this.change(`Changed ${kind.one} ${row.id}`, key, change(values)) });
  }

  private async groups(key: Uint8Array): Promise<HTMLElement> {
    const groups = (await this.data.ask("XINFO", "GROUPS", key)) as Readonly<Record<string, unknown>>[];
    if (groups.length === 0) return element("p", { class: "hint" }, "It has no consumer groups.");
    const columns = ["name", "consumers", "pending", "last-delivered-id", "lag"];
    const cell = (value: unknown): string => (value instanceof Uint8Array ? shown(value) : value === null ? "unknown" : String(value));
    return element(
      "div",
      { class: "scroller" },
      element(
        "table",
        {},
        element("caption", {}, "Consumer groups"),
        element("thead", {}, element("tr", {}, ...["Group", "Consumers", "Pending", "Last delivered", "Lag"].map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...groups.map((group) => element("tr", {}, ...columns.map((name) => element("td", {}, cell(group[name])))))),
      ),
    );
  }
}

/** A long value in a cell. */
function cut(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

export function button(text: string, click: () => void, kind = "", label = ""): HTMLButtonElement {
  return element("button", {
    type: "button",
    class: `plain ${kind}`.trim(),
    on: { click },
    attributes: { "data-focus": label || text, ...(label === "" ? {} : { "aria-label": cut(label) }) },
  }, text);
}

