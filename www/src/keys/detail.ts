import { element } from "../element.js";
import { addressOf } from "../router.js";
import { sizeOf } from "../sizes.js";
import type { Actions } from "./actions.js";
import { ascii, equal, shown, timeOf } from "./bytes.js";
import { button } from "./controls.js";
import type { Change, Data } from "./data.js";
import { ask } from "./dialog.js";
import { expiry, kindOf } from "./kinds.js";
import { Pages } from "./pages.js";
import { Groups } from "./stream.js";
import { TextValue } from "./text-value.js";


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
  private turn = 0;
  private expiresAt = -1;
  private text: TextValue | undefined;
  private groups: Groups | undefined;
  private readonly pages: Pages;

  constructor(private readonly data: Data, private readonly events: DetailEvents) {
    this.pages = new Pages(data, { change: (what, change) => this.change(what, this.key!, change), refresh: () => void this.refresh(), failed: events.failed });
  }

  async show(key: Uint8Array | undefined): Promise<void> {
    const isOther = !key || !this.key || !equal(key, this.key);
    this.key = key;
    if (isOther) {
      [this.text, this.groups, this.expiresAt] = [undefined, undefined, -1];
      this.pages.reset();
    }
    if (key) return this.refresh();
    this.turn++;
    this.element.replaceChildren(element("p", { class: "empty" }, "Choose a key to look into it."));
  }

  /** Shows it as it is now. What is being typed stays; what others have changed is marked if `isLive`. */
  async refresh(isLive = false): Promise<void> {
    const { key } = this;
    if (!key) return;
    const turn = ++this.turn;
    try {
      const [type, expiresAt, size, encoding] = await this.data.tryAll([["TYPE", key], ["PEXPIRETIME", key], ["MEMORY", "USAGE", key], ["OBJECT", "ENCODING", key]]);
      if (type instanceof Error) throw type;
      if (turn !== this.turn) return;
      if (ascii(type) === "none") return this.gone(key);
      this.expiresAt = Number(expiresAt);
      const state: State = { type: ascii(type), expiresAt: this.expiresAt, size: Number(size), encoding: encoding instanceof Uint8Array ? ascii(encoding) : "" };
      const body = await this.body(key, state, isLive);
      if (turn === this.turn) this.draw([...this.head(key, state), ...body]);
    } catch (error) {
      // Between two questions, the key may have become another one.
      if (turn === this.turn) this.events.failed(error as Error);
    }
  }

  /** A second has passed: what nobody tells is looked at. */
  async tick(now: number): Promise<void> {
    let isOver = false;
    for (const time of this.element.querySelectorAll<HTMLElement>("[data-until]")) {
      const left = Number(time.dataset.until) - now;
      isOver ||= left < -500;
      time.textContent = timeOf(left);
    }
    // The store says that it is gone as soon as it looks.
    if (isOver || (await this.groups?.haveChanged())) await this.refresh(true);
  }

  private async body(key: Uint8Array, { type, size }: State, isLive: boolean): Promise<Node[]> {
    const kind = kindOf(type, this.data, key);
    if (kind) {
      const nodes = await this.pages.nodes(kind, size, isLive);
      if (type !== "stream") return nodes;
      this.groups ??= new Groups(this.data, key, { change: (what, change) => this.change(what, key, change), refresh: () => void this.refresh(), failed: this.events.failed });
      return [...nodes, ...(await this.groups.nodes())];
    }
    if (type !== "string") return [element("p", { class: "hint" }, `Keys of type ${type} are not shown here.`)];
    this.text ??= new TextValue(this.data, key, this.events, () => void this.refresh());
    return this.text.nodes();
  }

  private draw(children: Node[]): void {
    const focused = this.element.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : undefined;
    const select = this.text?.selection;
    const search = document.activeElement instanceof HTMLInputElement && this.element.contains(document.activeElement) ? document.activeElement : undefined;
    const place = search && ([search.value, search.selectionStart, search.selectionEnd] as const);
    const scrolled = this.element.scrollTop;
    this.element.replaceChildren(...children);
    // To set it has everything laid out at once.
    if (scrolled > 0) this.element.scrollTop = scrolled;
    if (focused) {
      const next = this.element.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`) ?? this.element;
      next.focus();
      if (place && next instanceof HTMLInputElement) {
        next.value = place[0];
        next.setSelectionRange(place[1], place[2]);
      }
    }
    select?.();
  }

  private gone(key: Uint8Array): void {
    this.text = undefined;
    const isExpired = this.expiresAt > 0 && this.expiresAt <= Date.now();
    const why = isExpired ? "There is no such key now. It has expired." : "There is no such key now.";
    this.draw([this.back(), element("h2", {}, shown(key)), element("p", { class: "empty", role: "status" }, why)]);
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
}
