import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import { timeOf } from "./bytes.js";
import { childrenOf, type Entry, type Folder, isFolder, type Tree } from "./tree.js";

/** So many rows of a folder are shown, until more of them are asked for. */
const ROWS = 200;

export interface TreeEvents {
  open(entry: Entry): void;
  /** Delete was pressed on it. */
  remove(node: Entry | Folder): void;
  /** These are shown, and nothing is known of them. */
  wanted(entries: readonly Entry[]): void;
}

type Row = { readonly id: string; readonly level: number; readonly setSize: number; readonly at: number; readonly parent: string } & (
  | { readonly folder: Folder }
  | { readonly entry: Entry }
  | { readonly more: Folder }
);

/** The tree, as ARIA has it: arrows walk, open and close; one row has the keyboard. */
export class TreeView {
  readonly element = element("div", { class: "tree", role: "tree", ariaLabel: "Keys" });
  selected = "";
  private readonly open = new Set<string>();
  /** How many rows of a folder are shown. */
  private readonly limits = new Map<string, number>();
  private rows: Row[] = [];
  private focused = "";

  constructor(private readonly tree: Tree, private readonly events: TreeEvents) {
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("click", (event) => {
      const id = (event.target as Element).closest<HTMLElement>("[role=treeitem]")?.dataset.id;
      const row = this.rows.find((one) => one.id === id);
      if (row) this.activate(row);
    });
  }

  /** Forgets which folders are open. */
  reset(): void {
    this.open.clear();
    this.limits.clear();
  }

  /** Draws what there is now, and keeps who has the keyboard. */
  draw(): void {
    const hadFocus = this.element.contains(document.activeElement);
    const before = this.rows.findIndex(({ id }) => id === this.focused);
    this.rows = [...this.rowsOf(this.tree.root, 1)];
    if (!this.rows.some(({ id }) => id === this.focused)) {
      this.focused = (this.rows[Math.min(Math.max(before, 0), this.rows.length - 1)] ?? { id: "" }).id;
    }
    this.element.replaceChildren(...this.rows.map((row) => this.row(row)));
    if (hadFocus) this.focus();
    const unknown = this.rows.flatMap((row) => ("entry" in row && row.entry.type === undefined ? [row.entry] : []));
    if (unknown.length > 0) this.events.wanted(unknown);
  }

  focus(): void {
    this.element.querySelector<HTMLElement>("[tabindex='0']")?.focus();
  }

  /** Shows the time that is left. */
  tick(now: number): void {
    for (const cell of this.element.querySelectorAll<HTMLElement>("[data-until]")) {
      cell.textContent = timeOf(Number(cell.dataset.until) - now);
    }
  }

  private *rowsOf(folder: Folder, level: number): Generator<Row> {
    const children = childrenOf(folder);
    const limit = this.limits.get(folder.path) ?? ROWS;
    const setSize = Math.min(children.length, limit) + (children.length > limit ? 1 : 0);
    const common = { level, setSize, parent: folder.path === "" ? "" : `folder ${folder.path}` };
    for (const [index, child] of children.slice(0, limit).entries()) {
      if (!isFolder(child)) {
        yield { ...common, at: index + 1, id: `key ${child.name}`, entry: child };
        continue;
      }
      yield { ...common, at: index + 1, id: `folder ${child.path}`, folder: child };
      if (this.open.has(child.path)) yield* this.rowsOf(child, level + 1);
    }
    if (children.length > limit) yield { ...common, at: setSize, id: `more ${folder.path}`, more: folder };
  }

  private row(row: Row): HTMLElement {
    const attributes: Record<string, string> = {
      "aria-level": String(row.level), "aria-setsize": String(row.setSize), "aria-posinset": String(row.at),
      "data-id": row.id, style: `--level: ${row.level - 1}`,
    };
    const shared = { class: "row", role: "treeitem", tabIndex: row.id === this.focused ? 0 : -1, attributes };
    if ("folder" in row) {
      attributes["aria-expanded"] = String(this.open.has(row.folder.path));
      return element("div", shared, element("span", { class: "name" }, row.folder.label), " ", element("span", { class: "count" }, row.folder.count.toLocaleString("en")));
    }
    if ("more" in row) {
      const left = row.more.folders.size + row.more.keys.size - (this.limits.get(row.more.path) ?? ROWS);
      return element("div", { ...shared, class: "row more-row" }, `Show more (${left.toLocaleString("en")} left)`);
    }
    const { name, type, size, expiresAt = -1 } = row.entry;
    attributes["aria-selected"] = String(name === this.selected);
    const label = row.parent === "" ? name : name.slice(row.parent.length - "folder ".length);
    return element(
      "div",
      shared,
      element("span", { class: "name" }, label === "" ? "(nothing after the colon)" : label), " ",
      expiresAt > 0 ? element("span", { class: "left", attributes: { "data-until": String(expiresAt) } }, timeOf(expiresAt - Date.now())) : undefined, " ",
      size === undefined ? undefined : element("span", { class: "size" }, sizeOf(size)), " ",
      type === undefined ? undefined : element("span", { class: "type", attributes: { "data-type": type } }, type),
    );
  }

  private activate(row: Row): void {
    this.focused = row.id;
    if ("entry" in row) {
      this.events.open(row.entry);
    } else if ("folder" in row) {
      this.toggle(row.folder, !this.open.has(row.folder.path));
      return;
    } else {
      this.limits.set(row.more.path, (this.limits.get(row.more.path) ?? ROWS) + ROWS);
    }
    this.draw();
    this.focus();
  }

  private toggle({ path }: Folder, isOpen: boolean): void {
    if (isOpen) this.open.add(path);
    else this.open.delete(path);
    this.draw();
    this.focus();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.rows.findIndex(({ id }) => id === this.focused);
    const row = this.rows[at];
    if (!row) return;
    const folder = "folder" in row ? row.folder : undefined;
    const isOpen = folder !== undefined && this.open.has(folder.path);
    const actions: Readonly<Record<string, () => void>> = {
      ArrowDown: () => this.go(this.rows[at + 1]),
      ArrowUp: () => this.go(this.rows[at - 1]),
      Home: () => this.go(this.rows[0]),
      End: () => this.go(this.rows.at(-1)),
      ArrowRight: () => (folder && !isOpen ? this.toggle(folder, true) : folder && this.go(this.rows[at + 1])),
      ArrowLeft: () => (folder && isOpen ? this.toggle(folder, false) : this.go(this.rows.find(({ id }) => id === row.parent))),
      Enter: () => this.activate(row),
      " ": () => this.activate(row),
      Delete: () => ("more" in row ? undefined : this.events.remove("entry" in row ? row.entry : row.folder)),
    };
    const action = actions[event.key];
    if (action) action();
    else if (event.key.length !== 1 || !this.find(event.key, at)) return;
    event.preventDefault();
  }

  /** Goes to the next row that begins with a letter. */
  private find(letter: string, at: number): boolean {
    const rows = [...this.rows.slice(at + 1), ...this.rows.slice(0, at)];
    const next = rows.find(({ id, parent }) => id.replace(/^\w+ /, "").slice(Math.max(0, parent.length - "folder ".length)).toLowerCase().startsWith(letter.toLowerCase()));
    this.go(next);
    return next !== undefined;
  }

  private go(row: Row | undefined): void {
    if (!row) return;
    this.focused = row.id;
    for (const one of this.element.children as HTMLCollectionOf<HTMLElement>) one.tabIndex = one.dataset.id === row.id ? 0 : -1;
    this.focus();
  }
}
