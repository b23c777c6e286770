import type { Terminal } from "lodis/terminal/pane";
import { element } from "../element.js";
import { addressOf } from "../router.js";
import type { Store } from "../store.js";
import type { View } from "../view.js";
import { Actions } from "./actions.js";
import { ascii, equal, plural, read, shown } from "./bytes.js";
import { Changes } from "./changes.js";
import { Data } from "./data.js";
import { button } from "./controls.js";
import { Detail } from "./detail.js";
import { FilesBar } from "./files.js";
import { TYPES } from "./kinds.js";
import { type Happened, Search } from "./search.js";
import { countsOf } from "./transfer.js";
import { type Entry, isFolder, Tree } from "./tree.js";
import { TreeView } from "./tree-view.js";
import "./keys.css";

/** Changes are shown together, so many milliseconds after the first. */
const SETTLE_MS = 150;
/** While keys are being found, they are drawn so often. */
const DRAW_MS = 60;
/** So many of the latest changes are told. */
const LATEST = 4;

/** The keys of the store, to look into and to change. */
export class KeysView implements View {
  readonly element = element("section", { class: "keys", ariaLabel: "Keys" });
  private readonly tree = new Tree();
  private readonly treeView: TreeView;
  private readonly search: Search;
  private readonly detail: Detail;
  private readonly changes: Changes;
  private readonly actions: Actions;
  private readonly files: FilesBar;
  private readonly problem = element("p", { class: "problem", role: "alert" });
  private readonly found = element("p", { class: "found", role: "status" });
  private readonly more = button("Show more keys", () => void this.search.more().catch(this.failed));
  private readonly stop = button("Stop", () => this.search.stop(), "small", "Stop searching");
  private readonly wider = button("", () => ((this.pattern.value = `*${this.pattern.value.trim()}*`), this.find()));
  private readonly latest = element("p", { class: "latest", role: "log", ariaLabel: "Latest changes", ariaLive: "off" });
  private readonly database = element("select", { ariaLabel: "Database", on: { change: () => (location.hash = addressOf("keys", this.database.value)) } });
  private readonly pattern = element("input", { type: "search", ariaLabel: "Pattern", placeholder: "user:*", spellcheck: false, autocapitalize: "off", attributes: { autocomplete: "off" } });
  private readonly type = element("select", { ariaLabel: "Type", on: { change: () => this.find() } }, element("option", { value: "" }, "All types"), ...TYPES.map((type) => element("option", { value: type }, type)));
  private readonly choose = button("Select", () => (this.treeView.isChoosing = !this.treeView.isChoosing));
  private readonly chosen = element("div", { class: "bar chosen", role: "group", ariaLabel: "Selected keys", hidden: true });
  private readonly chosenCount = element("span", { role: "status" });
  private isShown = false;
  private isStale = true;
  private pending: Uint8Array[] | null = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private drawing: ReturnType<typeof setTimeout> | undefined;
  private clock: ReturnType<typeof setInterval> | undefined;
  private size = 0;
  private happened: Happened[] = [];
  private isDescribing = false;

  private constructor(private readonly data: Data) {
    this.changes = new Changes(this.failed, () => void this.detail.refresh());
    this.search = new Search(data, this.tree, () => (this.drawing ??= setTimeout(() => this.drawTree(), DRAW_MS)));
    this.actions = new Actions(data, this.changes, { changed: (keys) => this.changed(keys), failed: this.failed });
    this.treeView = new TreeView(this.tree, {
      open: ({ name }) => (location.hash = addressOf("keys", data.db, name)),
      remove: (node) => void (this.tree.root.chosen > 0 ? this.removeChosen() : isFolder(node) ? this.actions.removeFolder(node.path) : this.actions.remove(node.bytes)).catch(this.failed),
      wanted: (entries) => void this.describe(entries),
      chosen: () => this.showChosen(),
    });
    this.files = new FilesBar(data, () => ({ query: this.search.query, chosen: this.tree.chosen().map(({ bytes }) => bytes), key: this.detail.key }), {
      say: (text) => this.say(text),
      failed: this.failed,
      imported: (what, undo) => {
        this.problem.textContent = "";
        this.changes.add(what, undo);
        this.changed(null);
      },
    });
    this.detail = new Detail(data, {
      change: async (what, key, change) => this.changes.add(what, await data.change(key, change)),
      actions: this.actions,
      export: () => this.files.askExport("key"),
      failed: this.failed,
    });
    this.files.dropOn(this.element);
    this.lay();
    data.onChanged = (keys) => this.changed(keys);
  }

  static async open(store: Store, terminal: Terminal): Promise<KeysView> {
    const data = await Data.open(store, terminal);
    const view = new KeysView(data);
    const { databases } = (await data.ask("CONFIG", "GET", "databases")) as { databases: Uint8Array };
    for (let db = 0; db < Number(ascii(databases)); db++) view.database.append(element("option", { value: String(db) }, `Database ${db}`));
    return view;
  }

  private lay(): void {
    const form = element(
      "form",
      { class: "search", role: "search", on: { submit: (event: Event) => (event.preventDefault(), this.find()) } },
      this.database,
      this.pattern,
      this.type,
      element("button", { type: "submit", class: "plain" }, "Search"),
    );
    this.chosen.append(
      this.chosenCount,
      button("Select all", () => this.treeView.chooseAll(), "small"),
      button("Delete", () => void this.removeChosen().catch(this.failed), "small danger", "Delete selected keys"),
      button("Export", () => this.files.askExport("chosen"), "small", "Export selected keys"),
      button("Done", () => (this.treeView.isChoosing = false), "small"),
    );
    const list = element(
      "div",
      { class: "list" },
      form,
      element("div", { class: "bar" }, button("New key", () => this.actions.askNew(), "primary"), this.choose, ...this.files.buttons()),
      this.chosen,
      this.files.element,
      element("div", { class: "bar" }, this.found, this.stop, this.more, this.wider),
      this.treeView.element,
      this.latest,
    );
    this.element.append(this.problem, this.changes.element, element("div", { class: "columns" }, list, this.detail.element));
    this.element.addEventListener("keydown", (event) => {
      const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || isTyping) return;
      event.preventDefault();
      void this.changes.undo();
    });
  }

  async show([db = "0", name]: readonly string[]): Promise<void> {
    this.isShown = true;
    this.clock ??= setInterval(() => this.tick(), 1000);
    const index = /^\d+$/.test(db) && Number(db) < this.database.options.length ? Number(db) : 0;
    if (index !== this.data.db || this.isStale) {
      this.data.db = index;
      this.database.value = String(index);
      this.treeView.reset();
      this.treeView.isChoosing = false;
      this.find();
    }
    this.problem.textContent = "";
    const before = this.element.dataset.detail;
    this.element.dataset.detail = String(name !== undefined);
    this.treeView.selected = name ?? "";
    this.treeView.reveal();
    this.drawTree();
    try {
      await this.detail.show(name === undefined ? undefined : read(name));
    } catch (error) {
      this.failed(error as Error);
    }
    // On a narrow page, one takes the other's place, and the keyboard goes with it.
    if (this.treeView.element.getClientRects().length === 0) this.detail.element.focus();
    else if (before === "true" && name === undefined) this.treeView.focus();
  }

  hide(): void {
    this.isShown = false;
    this.isStale = true;
    clearInterval(this.clock);
    this.clock = undefined;
    this.search.stop();
  }

  private readonly failed = (error: Error): void => {
    this.problem.textContent = error.message;
  };

  private say(text: string): void {
    this.problem.textContent = "";
    this.changes.say(text);
  }

  private find(): void {
    this.isStale = false;
    this.problem.textContent = "";
    try {
      const pattern = this.pattern.value.trim() === "" ? Uint8Array.of(42) : read(this.pattern.value.trim());
      const searching = this.search.start({ pattern, type: this.type.value });
      void this.count().catch(this.failed);
      void searching.catch(this.failed);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  private async count(): Promise<void> {
    const counts = await countsOf(this.data);
    for (const [db, option] of [...this.database.options].entries()) {
      const count = counts.get(db) ?? 0;
      const text = `Database ${db}${count > 0 ? ` (${count.toLocaleString("en")})` : ""}`;
      if (option.textContent !== text) option.textContent = text;
    }
    this.size = counts.get(this.data.db) ?? 0;
    this.drawTree();
  }

  private drawTree(): void {
    clearTimeout(this.drawing);
    this.drawing = undefined;
    this.treeView.draw();
    const { search, tree, size } = this;
    const isAll = search.cursor === "0";
    const pattern = this.pattern.value.trim();
    const all = search.query.type === "" && shown(search.query.pattern) === "*";
    const count = tree.entries.size;
    const percent = Math.min(99, Math.floor((search.looked / Math.max(size, 1)) * 100));
    const more = search.isRunning ? `, searching: ${percent} %` : isAll ? "" : all ? ` of ${Math.max(size, count).toLocaleString("en")}` : ", and there may be more";
    const text = plural(count, "key") + more;
    if (this.found.textContent !== text) this.found.textContent = text;
    this.more.hidden = search.isRunning || isAll;
    this.stop.hidden = !search.isRunning || size < 5000;
    this.wider.hidden = search.isRunning || count > 0 || pattern === "" || /[*?[\\"]/.test(pattern);
    this.wider.textContent = `Search for *${pattern}*`;
    this.treeView.element.dataset.empty = search.isRunning || count > 0 ? "" : all ? "There are no keys in this database." : "No key matches.";
    this.showChosen();
  }

  private showChosen(): void {
    const { isChoosing } = this.treeView;
    this.choose.setAttribute("aria-pressed", String(isChoosing));
    this.chosen.hidden = !isChoosing;
    const text = `${this.tree.root.chosen.toLocaleString("en")} selected`;
    if (this.chosenCount.textContent !== text) this.chosenCount.textContent = text;
    for (const one of this.chosen.querySelectorAll("button")) if (/^(Delete|Export)/.test(one.textContent ?? "")) one.disabled = this.tree.root.chosen === 0;
  }

  private async removeChosen(): Promise<void> {
    const keys = this.tree.chosen().map(({ bytes }) => bytes);
    if (keys.length === 0) return;
    await this.actions.removeAll(keys, `Delete ${plural(keys.length, "selected key")}?`, `${plural(keys.length, "key")} that you had selected`);
  }

  private async describe(entries: readonly Entry[]): Promise<void> {
    if (this.isDescribing) return; // What is missing is asked for when they are drawn again.
    this.isDescribing = true;
    try {
      await this.search.describe(entries);
    } catch (error) {
      return this.failed(error as Error);
    } finally {
      this.isDescribing = false;
    }
    this.drawTree();
  }

  private changed(keys: readonly Uint8Array[] | null): void {
    if (!this.isShown) return;
    if (keys === null) this.pending = null;
    else this.pending?.push(...keys);
    this.timer ??= setTimeout(() => void this.update().catch(this.failed), SETTLE_MS);
  }

  /** Shows what has changed. */
  private async update(): Promise<void> {
    const keys = this.pending;
    this.pending = [];
    this.timer = undefined;
    if (!this.isShown) return;
    const { key } = this.detail;
    const concerns = keys === null || (key && keys.some((one) => equal(one, key)));
    if (concerns) await this.detail.refresh(true);
    const different = keys && new Map(keys.map((one) => [shown(one), one]));
    if (different) this.tell(await this.search.changed([...different.values()]));
    else await this.search.start(this.search.query, true);
    await this.count();
  }

  /** Tells what happened to keys. */
  private tell(happened: readonly Happened[]): void {
    if (happened.length === 0) return;
    const names = new Set(happened.map(({ name }) => name));
    this.happened = [...happened, ...this.happened.filter(({ name }) => !names.has(name))].slice(0, LATEST);
    const words = { new: "is new", changed: "has changed", expired: "has expired", deleted: "was deleted" };
    this.latest.replaceChildren("Latest: ", ...this.happened.flatMap(({ name, what }, index) => [index > 0 ? " · " : "", element("b", {}, name.slice(0, 60)), ` ${words[what]}`]));
  }

  private tick(): void {
    const now = Date.now();
    this.treeView.tick(now);
    if (this.search.fade(now)) this.drawTree();
    void this.detail.tick(now).catch(this.failed);
    for (const { bytes, expiresAt = -1 } of this.tree.timed) if (expiresAt < now - 500) this.changed([bytes]);
  }
}
