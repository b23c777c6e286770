import type { Terminal } from "lodis/terminal/pane";
import { element } from "../element.js";
import { addressOf } from "../router.js";
import type { Store } from "../store.js";
import type { View } from "../view.js";
import { ascii, equal, plural, read, shown, timeOf } from "./bytes.js";
import { Changes } from "./changes.js";
import { Data } from "./data.js";
import { button, Detail } from "./detail.js";
import { ask } from "./dialog.js";
import { FilesBar } from "./files.js";
import { prefixPattern } from "./glob.js";
import { expiry, firstCommands, firstFields, QUOTES } from "./kinds.js";
import { scan, Search } from "./search.js";
import { type Entry, type Folder, isFolder, Tree } from "./tree.js";
import { TreeView } from "./tree-view.js";
import "./keys.css";

const TYPES = ["string", "list", "hash", "set", "zset", "stream"] as const;
/** Changes are shown together, so many milliseconds after the first. */
const SETTLE_MS = 150;
/** So many keys are deleted together. */
const SLICE = 200;

/** The keys of the store, to look into and to change. */
export class KeysView implements View {
  readonly element = element("section", { class: "keys", ariaLabel: "Keys" });
  private readonly tree = new Tree();
  private readonly treeView: TreeView;
  private readonly search: Search;
  private readonly detail: Detail;
  private readonly changes: Changes;
  private readonly problem = element("p", { class: "problem", role: "alert" });
  private readonly found = element("p", { class: "found", role: "status" });
  private readonly more = button("Show more keys", () => void this.search.more().catch(this.failed));
  private readonly database = element("select", { ariaLabel: "Database", on: { change: () => (location.hash = addressOf("keys", this.database.value)) } });
  private readonly pattern = element("input", { type: "search", ariaLabel: "Pattern", placeholder: "user:*", spellcheck: false, autocapitalize: "off", attributes: { autocomplete: "off" } });
  private readonly type = element("select", { ariaLabel: "Type", on: { change: () => this.find() } }, element("option", { value: "" }, "All types"), ...TYPES.map((type) => element("option", { value: type }, type)));
  private isShown = false;
  private isStale = true;
  private pending: Uint8Array[] | null = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private clock: ReturnType<typeof setInterval> | undefined;
  private size = 0;

  private constructor(private readonly data: Data) {
    this.changes = new Changes(this.failed, () => void this.detail.refresh());
    this.search = new Search(data, this.tree, () => this.drawTree());
    this.treeView = new TreeView(this.tree, {
      open: ({ name }) => (location.hash = addressOf("keys", data.db, name)),
      remove: (node) => void (isFolder(node) ? this.removeFolder(node) : this.remove(node.bytes)).catch(this.failed),
      wanted: (entries) => void this.describe(entries),
    });
    this.detail = new Detail(data, {
      change: async (what, key, { commands, check }) => this.changes.add(what, await data.change(key, commands, check)),
      remove: (key) => void this.remove(key).catch(this.failed),
      rename: (key, to) => this.rename(key, to),
      failed: this.failed,
    });
    const files = new FilesBar(data, () => this.search.query, {
      say: (text) => this.say(text),
      failed: this.failed,
      replaced: () => this.changes.clear(),
    });
    files.dropOn(this.element);
    this.lay(files);
    data.onChanged = (keys) => this.changed(keys);
  }

  static async open(store: Store, terminal: Terminal): Promise<KeysView> {
    const data = await Data.open(store, terminal);
    const view = new KeysView(data);
    const { databases } = (await data.ask("CONFIG", "GET", "databases")) as { databases: Uint8Array };
    for (let db = 0; db < Number(ascii(databases)); db++) view.database.append(element("option", { value: String(db) }, `Database ${db}`));
    return view;
  }

  private lay(files: FilesBar): void {
    const form = element(
      "form",
      { class: "search", role: "search", on: { submit: (event: Event) => (event.preventDefault(), this.find()) } },
      this.database,
      this.pattern,
      this.type,
      element("button", { type: "submit", class: "plain" }, "Search"),
    );
    const list = element(
      "div",
      { class: "list" },
      form,
      element("div", { class: "bar" }, this.found, button("New key", () => this.askNew(), "primary")),
      this.treeView.element,
      this.more,
      files.element,
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
      this.tree.clear();
      this.treeView.reset();
      this.find();
    }
    this.problem.textContent = "";
    const before = this.element.dataset.detail;
    this.element.dataset.detail = String(name !== undefined);
    this.treeView.selected = name ?? "";
    this.drawTree();
    try {
      await this.detail.show(name === undefined ? undefined : read(name));
    } catch (error) {
      this.failed(error as Error);
    }
    // On a narrow page, one takes the other's place, and the keyboard goes with it.
    if (getComputedStyle(this.treeView.element).visibility === "hidden" || this.treeView.element.getClientRects().length === 0) this.detail.element.focus();
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
      void this.search.start({ pattern, type: this.type.value }).then(() => this.count()).catch(this.failed);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  private async count(): Promise<void> {
    this.size = Number(await this.data.ask("DBSIZE"));
    this.drawTree();
  }

  private drawTree(): void {
    this.treeView.draw();
    const { search, tree } = this;
    const isAll = search.cursor === "0";
    const all = this.type.value === "" && this.pattern.value.trim() === "";
    const left = Math.max(0, this.size - tree.entries.size);
    const count = tree.entries.size;
    const more = search.isRunning ? ", searching…" : isAll ? "" : all ? ` of ${(count + left).toLocaleString("en")}` : ", and there may be more";
    const text = plural(count, "key") + more;
    if (this.found.textContent !== text) this.found.textContent = text;
    this.more.hidden = search.isRunning || isAll;
  }

  private isDescribing = false;

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
    if (concerns) await this.detail.refresh();
    const different = keys && new Map(keys.map((one) => [shown(one), one]));
    if (different) await this.search.changed([...different.values()]);
    else await this.search.start(this.search.query, true);
    await this.count();
  }

  private tick(): void {
    const now = Date.now();
    this.treeView.tick(now);
    for (const time of this.detail.element.querySelectorAll<HTMLElement>("[data-until]")) {
      const left = Number(time.dataset.until) - now;
      // The store says that it is gone as soon as it looks.
      if (left < -500) void this.detail.refresh();
      time.textContent = timeOf(left);
    }
    for (const { bytes, expiresAt = -1 } of this.tree.entries.values()) {
      if (expiresAt > 0 && expiresAt < now - 500) this.changed([bytes]);
    }
  }

  private async remove(key: Uint8Array): Promise<void> {
    const { undo, bytes } = await this.data.remove([key]);
    this.problem.textContent = "";
    this.changes.add(`Deleted ${shown(key)}`, undo, bytes);
    this.changed([key]);
    if (this.detail.key && equal(this.detail.key, key)) location.hash = addressOf("keys", this.data.db);
  }

  private async removeFolder({ path }: Folder): Promise<void> {
    const { db } = this.data;
    const keys = new Map<string, Uint8Array>();
    for await (const slice of scan(this.data, { pattern: prefixPattern(read(path)), type: "" })) {
      for (const key of slice.keys) keys.set(shown(key), key);
    }
    await ask({
      title: `Delete ${path}?`,
      text: `${plural(keys.size, "key")} of database ${db} begin${keys.size === 1 ? "s" : ""} with ${path}, whatever the search shows.`,
      action: `Delete ${plural(keys.size, "key")}`,
      isDangerous: true,
      submit: async () => {
        const undos: (() => Promise<number>)[] = [];
        let bytes = 0;
        const all = [...keys.values()];
        try {
          for (let at = 0; at < all.length; at += SLICE) {
            const removed = await this.data.remove(all.slice(at, at + SLICE));
            undos.push(removed.undo);
            bytes += removed.bytes;
          }
        } finally {
          const undo = async (): Promise<number> => {
            let left = 0;
            for (const one of undos) left += await one();
            return left;
          };
          if (undos.length > 0) this.changes.add(`Deleted ${plural(all.length, "key")} of ${path}`, undo, bytes);
          this.changed(null);
        }
      },
    });
  }

  private async rename(key: Uint8Array, to: Uint8Array): Promise<void> {
    if (equal(key, to)) return;
    if (Number(await this.data.ask("RENAMENX", key, to)) === 0) throw new Error(`There is a key ${shown(to)} already. Delete that first, or choose another name.`);
    const { data } = this;
    const { db } = data;
    this.changes.add(`Renamed ${shown(key)} to ${shown(to)}`, async () => Number((await data.run([["RENAMENX", to, key]], db))[0]) === 1 ? 0 : 1);
    this.changed([key, to]);
    location.hash = addressOf("keys", db, shown(to));
  }

  private askNew(): void {
    void ask({
      title: "New key",
      fields: [{ name: "type", label: "Type", options: TYPES.map((type) => [type, type] as const) }],
      action: "Next",
      submit: ({ type }) => void this.askFirst(type!),
    });
  }

  private askFirst(type: string): Promise<void> {
    const { data } = this;
    return ask({
      title: `New ${type}`,
      fields: [
        { name: "key", label: "Key", hint: QUOTES, isRequired: true },
        ...firstFields(type, data),
        { name: "expires", label: "Time to live of the key, in seconds", hint: "Empty for none." },
      ],
      action: "Create",
      submit: async ({ key: name, expires, ...values }) => {
        const key = read(name!);
        const time = expires === "" ? [] : [expiry(key, expires!)];
        const isFree = async (): Promise<boolean> => Number(await data.ask("EXISTS", key)) === 0;
        if (!(await isFree())) throw new Error(`There is a key ${shown(key)} already.`);
        this.changes.add(`Created ${shown(key)}`, await data.change(key, [...firstCommands(type, data, key, values), ...time], isFree));
        this.changed([key]);
        location.hash = addressOf("keys", data.db, shown(key));
      },
    });
  }
}
