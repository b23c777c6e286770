import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import { timeOf } from "./bytes.js";
import { nextTask } from "./search.js";
import { type Entry, type Folder, idOf, isFolder, labelOf, type Node, type Row, type Tree } from "./tree.js";

/** So many rows are there above and below those that are seen. */
const MARGIN = 8;
/** Letters that come faster than this, in milliseconds, are one word. */
const TYPING_MS = 700;
/** So many rows are looked at for what was typed, before the page has its turn. */
const SLICE = 2000;
/** So many folders are opened together. */
const OPEN = 100;

export interface TreeEvents {
  open(entry: Entry): void;
  /** Delete was pressed on it. */
  remove(node: Node): void;
  /** These are shown, and nothing is known of them. */
  wanted(entries: readonly Entry[]): void;
  /** Other keys are chosen, or one begins to choose. */
  chosen(): void;
}

interface Made {
  readonly element: HTMLElement;
  node: Node;
  /** What it says. */
  text: string;
}

/**
 * The tree, as ARIA has it: arrows walk, open and close; one row has the keyboard. Only rows that are seen, and the
 * one that has the keyboard, are in the document.
 */
export class TreeView {
  private readonly space = element("div", { attributes: { role: "presentation" } });
  readonly element = element("div", { class: "tree", role: "tree", ariaLabel: "Keys" }, this.space);
  selected = "";
  private isChoosingNow = false;
  private isToReveal = false;
  private made = new Map<string, Made>();
  private focused: Node | undefined;
  /** Which row had the keyboard: another one gets it if that is gone. */
  private focusedAt = 0;
  /** Where choosing of several begins. */
  private anchor = 0;
  private typed = { text: "", at: -Infinity };
  private rowHeight = 30;

  constructor(private readonly tree: Tree, private readonly events: TreeEvents) {
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("click", (event) => this.click(event));
    // A screen reader, too, may give the keyboard to a row.
    this.element.addEventListener("focusin", ({ target }) => this.focusedIs(target as Element));
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Whether keys are being chosen: pressing one then chooses it. */
  get isChoosing(): boolean {
    return this.isChoosingNow;
  }

  set isChoosing(is: boolean) {
    this.isChoosingNow = is;
    if (!is) this.tree.choose(this.tree.root, false);
    this.draw();
    this.events.chosen();
  }

  /** Forgets which folders are open, and goes to the top. */
  reset(): void {
    this.tree.closeAll();
    this.focusedAt = 0;
    this.element.scrollTop = 0;
  }

  /** Opens the folders that the selected key is in, once it is found. */
  reveal(): void {
    this.isToReveal = true;
  }

  private doReveal(): void {
    const entry = this.tree.entries.get(this.selected);
    if (!this.isToReveal || !entry) return;
    this.isToReveal = false;
    for (let at: Folder | undefined = entry.parent; at; at = at.parent) this.tree.setOpen(at, true);
    const index = this.tree.indexOf(entry);
    if (this.element.contains(document.activeElement) && this.focused !== entry) return;
    [this.focused, this.focusedAt] = [entry, index];
    this.scrollTo(index);
  }

  /** Draws what there is now, and keeps who has the keyboard. */
  draw(): void {
    this.doReveal();
    const rows = this.tree.rows;
    const hadFocus = this.space.contains(document.activeElement);
    this.findFocused(rows);
    const indices = this.indices(rows);
    const shown = indices.map((index) => [index, this.tree.rowAt(index)!] as const);
    const wanted = new Map(shown.map((one) => [idOf(one[1].node), one]));
    for (const [id, { element }] of this.made) {
      if (wanted.has(id)) continue;
      element.remove();
      this.made.delete(id);
    }
    let next = this.space.firstElementChild;
    for (const [id, [index, row]] of wanted) {
      const element = this.row(id, index, row);
      if (element === next) next = next.nextElementSibling;
      else this.space.insertBefore(element, next);
    }
    this.measure(rows);
    if (hadFocus && !this.space.contains(document.activeElement)) this.focusedElement()?.focus({ preventScroll: true });
    const unknown = shown.flatMap(([, { node }]) => (!isFolder(node) && !node.isKnown ? [node] : []));
    if (unknown.length > 0) this.events.wanted(unknown);
  }

  /** Sees to it that a row that is there has the keyboard. */
  private findFocused(rows: number): void {
    const { focused, tree } = this;
    const isThere = focused && (isFolder(focused) ? focused.parent?.byPath.get(focused.path) === focused : tree.entries.get(focused.name) === focused);
    const index = isThere ? tree.indexOf(focused) : -1;
    this.focusedAt = index >= 0 ? index : Math.max(0, Math.min(this.focusedAt, rows - 1));
    if (index < 0) this.focused = tree.rowAt(this.focusedAt)?.node;
  }

  private indices(rows: number): number[] {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - MARGIN);
    const last = Math.min(rows, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + MARGIN);
    const indices = new Set([...(rows > 0 ? [this.focusedAt] : []), ...Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at)]);
    return [...indices].sort((a, b) => a - b);
  }

  /** A larger font makes larger rows. */
  private measure(rows: number): void {
    const height = (this.space.firstElementChild as HTMLElement | null)?.offsetHeight ?? 0;
    const isOther = height > 0 && height !== this.rowHeight;
    if (isOther) this.rowHeight = height;
    this.space.style.height = `${rows * this.rowHeight}px`;
    if (isOther) this.draw();
  }

  private row(id: string, index: number, { node, level, at, of }: Row): HTMLElement {
    const known = this.made.get(id);
    const made = known ?? { element: element("div", { class: "row", role: "treeitem", attributes: { "data-id": id } }), node, text: "" };
    if (!known) this.made.set(id, made);
    made.node = node;
    made.element.style.top = `${index * this.rowHeight}px`;
    made.element.style.setProperty("--level", String(level - 1));
    made.element.tabIndex = node === this.focused ? 0 : -1;
    const attributes = this.attributes(node, level, at, of);
    const children = this.children(node);
    const text = JSON.stringify([attributes, children.map((child) => (child instanceof HTMLElement ? child.outerHTML : child))]);
    // What has not changed is left alone: it may have been pressed.
    if (made.text === text) return made.element;
    made.text = text;
    for (const name of ["aria-checked", "aria-selected", "aria-expanded"]) if (!(name in attributes)) made.element.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) made.element.setAttribute(name, value);
    made.element.replaceChildren(...children);
    return made.element;
  }

  private attributes(node: Node, level: number, at: number, of: number): Record<string, string> {
    const attributes: Record<string, string> = { "aria-level": String(level), "aria-setsize": String(of), "aria-posinset": String(at + 1) };
    if (this.isChoosing) attributes["aria-checked"] = chosenOf(node);
    if (isFolder(node)) attributes["aria-expanded"] = String(this.tree.isOpen(node));
    else attributes["aria-selected"] = String(node.name === this.selected);
    return attributes;
  }

  private children(node: Node): (HTMLElement | string)[] {
    const box = this.isChoosing ? [element("span", { class: "box", ariaHidden: "true" }, { true: "✓", false: "", mixed: "–" }[chosenOf(node)])] : [];
    const name = element("span", { class: "name" }, labelOf(node));
    if (isFolder(node)) {
      const twisty = element("span", { class: "twisty", ariaHidden: "true" }, this.tree.isOpen(node) ? "▾" : "▸");
      return [twisty, ...box, name, " ", element("span", { class: "count" }, node.count.toLocaleString("en"))];
    }
    const { type, size, expiresAt = -1, mark } = node;
    const parts = [
      mark === undefined ? undefined : element("span", { class: "mark" }, mark),
      expiresAt > 0 ? element("span", { class: "left", attributes: { "data-until": String(expiresAt) } }, timeOf(expiresAt - Date.now())) : undefined,
      size === undefined ? undefined : element("span", { class: "size" }, sizeOf(size)),
      type === undefined ? undefined : element("span", { class: "type", attributes: { "data-type": type } }, type),
    ];
    return [...box, name, ...parts.flatMap((part) => (part ? [" ", part] : []))];
  }

  /** Shows the time that is left. */
  tick(now: number): void {
    for (const cell of this.element.querySelectorAll<HTMLElement>("[data-until]")) cell.textContent = timeOf(Number(cell.dataset.until) - now);
  }

  /** Has the keyboard, and the eye, where it is. */
  focus(): void {
    this.scrollTo(this.focusedAt);
    this.draw();
    this.focusedElement()?.focus({ preventScroll: true });
  }

  private scrollTo(index: number): void {
    const { scrollTop, clientHeight } = this.element;
    const top = index * this.rowHeight;
    // There may be more rows by now than were drawn.
    this.space.style.height = `${this.tree.rows * this.rowHeight}px`;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.element.scrollTop = top + this.rowHeight - clientHeight;
  }

  private focusedElement(): HTMLElement | undefined {
    return this.focused && this.made.get(idOf(this.focused))?.element;
  }

  private focusedIs(element: Element): Node | undefined {
    const node = this.made.get(element.closest<HTMLElement>("[role=treeitem]")?.dataset.id ?? "")?.node;
    if (!node || node === this.focused) return node;
    this.focused = node;
    this.findFocused(this.tree.rows);
    for (const [, { element, node: one }] of this.made) element.tabIndex = one === node ? 0 : -1;
    return node;
  }

  private click(event: MouseEvent): void {
    const target = event.target as Element;
    const node = this.focusedIs(target);
    if (!node) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      if (!this.isChoosing) this.isChoosing = true;
      this.toggle(event.shiftKey);
    } else if (this.isChoosing && !target.closest(".twisty")) this.toggle(false);
    else this.activate(node);
  }

  private activate(node: Node): void {
    if (isFolder(node)) return this.setOpen(node, !this.tree.isOpen(node));
    this.events.open(node);
    this.focus();
  }

  private setOpen(folder: Folder, isOpen: boolean): void {
    this.tree.setOpen(folder, isOpen);
    this.focus();
  }

  /** Chooses where the keyboard is, or not; up to there from where it was done last, if `isRange`. */
  private toggle(isRange: boolean): void {
    const { focused, tree } = this;
    if (!focused) return;
    const isChosen = isRange || chosenOf(focused) !== "true";
    const [from, to] = isRange ? [Math.min(this.anchor, this.focusedAt), Math.max(this.anchor, this.focusedAt)] : [this.focusedAt, this.focusedAt];
    for (let index = from; index <= to; index++) {
      const node = tree.rowAt(index)?.node;
      // An open folder on the way is not all that is in it.
      if (node && (from === to || !isFolder(node) || !tree.isOpen(node))) tree.choose(node, isChosen);
    }
    this.anchor = this.focusedAt;
    this.focus();
    this.events.chosen();
  }

  /** Chooses all keys that were found. */
  chooseAll(): void {
    this.isChoosingNow = true;
    this.tree.choose(this.tree.root, true);
    this.draw();
    this.events.chosen();
  }

  private key(event: KeyboardEvent): void {
    const node = this.focused;
    if (!node) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      event.preventDefault();
      return this.chooseAll();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = this.actions(node, event.shiftKey)[event.key];
    if (action) action();
    else if (event.key.length === 1) void this.find(event.key, event.timeStamp);
    else return;
    event.preventDefault();
  }

  private actions(node: Node, isRange: boolean): Readonly<Record<string, () => void>> {
    const folder = isFolder(node) ? node : undefined;
    const isOpen = folder !== undefined && this.tree.isOpen(folder);
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const walk = (by: number): void => {
      this.go(this.focusedAt + by);
      if (isRange && this.isChoosing) this.toggle(true);
    };
    const parent = node.parent?.parent ? node.parent : undefined;
    return {
      ArrowDown: () => walk(1),
      ArrowUp: () => walk(-1),
      PageDown: () => walk(page),
      PageUp: () => walk(-page),
      Home: () => walk(-this.focusedAt),
      End: () => walk(this.tree.rows),
      ArrowRight: () => (folder && !isOpen ? this.setOpen(folder, true) : folder && this.go(this.focusedAt + 1)),
      ArrowLeft: () => (folder && isOpen ? this.setOpen(folder, false) : parent && this.go(this.tree.indexOf(parent))),
      "*": () => this.openAll(node.parent),
      Enter: () => this.activate(node),
      " ": () => (this.isChoosing ? this.toggle(isRange) : this.activate(node)),
      Delete: () => this.events.remove(node),
      Escape: () => this.isChoosing && (this.isChoosing = false),
    };
  }

  private openAll(parent: Folder | undefined): void {
    for (const [index, one] of [...(parent?.folders ?? [])].entries()) if (index < OPEN) this.tree.setOpen(one, true);
    this.focus();
  }

  private go(index: number): void {
    this.focusedAt = Math.max(0, Math.min(index, this.tree.rows - 1));
    this.focused = this.tree.rowAt(this.focusedAt)?.node;
    this.focus();
  }

  /** Goes to the next row that begins with what is being typed. */
  private async find(letter: string, now: number): Promise<void> {
    const text = now - this.typed.at < TYPING_MS ? this.typed.text + letter.toLowerCase() : letter.toLowerCase();
    const typed = (this.typed = { text, at: now });
    const [rows, start] = [this.tree.rows, this.focusedAt + (text.length === 1 ? 1 : 0)];
    for (let step = 0; step < rows; step++) {
      if (step % SLICE === SLICE - 1) await nextTask();
      if (this.typed !== typed) return;
      const index = (start + step) % rows;
      const node = this.tree.rowAt(index)?.node;
      if (node && labelOf(node).toLowerCase().startsWith(text)) return this.go(index);
    }
  }
}

/** Whether a key or all keys of a folder are chosen. */
function chosenOf(node: Node): "true" | "false" | "mixed" {
  if (!isFolder(node)) return node.isChosen ? "true" : "false";
  return node.chosen === 0 ? "false" : node.chosen === node.count ? "true" : "mixed";
}
