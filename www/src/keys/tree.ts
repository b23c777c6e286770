import { shown } from "./bytes.js";
import { Sorted } from "./sorted.js";

/** What has happened to a key. */
export type Mark = "new" | "changed";

/** A key that SCAN has found, with what is known of it. */
export interface Entry {
  readonly bytes: Uint8Array;
  /** As it is shown; different keys have different names. */
  readonly name: string;
  readonly parent: Folder;
  type?: string;
  /** Whether what is known is what it is now. */
  isKnown: boolean;
  size?: number;
  /** When it expires, in milliseconds since 1970; -1 for never. */
  expiresAt?: number;
  isChosen: boolean;
  /** What happened to it a moment ago. */
  mark?: Mark | undefined;
  /** In which search it was found last. */
  turn: number;
}

export interface Folder {
  /** What all keys in it begin with: `""`, `user:`, `user:1:`. */
  readonly path: string;
  readonly label: string;
  readonly parent: Folder | undefined;
  readonly byPath: Map<string, Folder>;
  readonly folders: Sorted<Folder>;
  readonly keys: Sorted<Entry>;
  /** Those of its folders that are open. */
  readonly opened: Set<Folder>;
  /** How many keys are in it and in the folders below. */
  count: number;
  /** How many of them are chosen. */
  chosen: number;
}

export type Node = Folder | Entry;

/** A node, and where it is among those that are shown. */
export interface Row {
  readonly node: Node;
  /** From 1. */
  readonly level: number;
  /** Which of its parent's children it is, from 0, and of how many. */
  readonly at: number;
  readonly of: number;
}

export function isFolder(node: Node): node is Folder {
  return "folders" in node;
}

/** What its parent does not say already. */
export function labelOf(node: Node): string {
  if (isFolder(node)) return node.label;
  const label = node.name.slice(node.parent.path.length);
  return label === "" ? "(nothing after the colon)" : label;
}

/** Different nodes have different ones. */
export function idOf(node: Node): string {
  return isFolder(node) ? `folder ${node.path}` : `key ${node.name}`;
}

function folder(path: string, parent?: Folder): Folder {
  const label = path.slice(parent?.path.length ?? 0);
  return { path, label, parent, byPath: new Map(), folders: new Sorted(({ label }) => label), keys: new Sorted(({ name }) => name), opened: new Set(), count: 0, chosen: 0 };
}

/** The folders that a key is in: `user:`, `user:1:`. Keys in quotes are in none. */
function pathsOf(name: string): string[] {
  if (name.startsWith('"')) return [];
  const paths: string[] = [];
  for (let at = name.indexOf(":"); at >= 0; at = name.indexOf(":", at + 1)) paths.push(name.slice(0, at + 1));
  return paths;
}

/** Adds to a number of a folder and of all that it is in. */
function add(what: "count" | "chosen", from: Folder, by: number): void {
  for (let at: Folder | undefined = from; at; at = at.parent) at[what] += by;
}

/** Keys in folders by `:`. */
export class Tree {
  root = folder("");
  readonly entries = new Map<string, Entry>();
  /** Those that are known to expire. */
  readonly timed = new Set<Entry>();
  /** Which folders are open, whether they are there or not. */
  private readonly open = new Set<string>();

  clear(): void {
    this.root = folder("");
    this.entries.clear();
    this.timed.clear();
  }

  add(bytes: Uint8Array, turn: number): Entry {
    const name = shown(bytes);
    const known = this.entries.get(name);
    if (known) {
      known.turn = turn;
      return known;
    }
    let parent = this.root;
    for (const path of pathsOf(name)) parent = parent.byPath.get(path) ?? this.addFolder(path, parent);
    const entry: Entry = { bytes, name, parent, isKnown: false, isChosen: false, turn };
    this.entries.set(name, entry);
    parent.keys.add(entry);
    add("count", parent, 1);
    return entry;
  }

  private addFolder(path: string, parent: Folder): Folder {
    const made = folder(path, parent);
    parent.byPath.set(path, made);
    parent.folders.add(made);
    if (this.open.has(path)) parent.opened.add(made);
    return made;
  }

  delete(bytes: Uint8Array): Entry | undefined {
    const entry = this.entries.get(shown(bytes));
    if (!entry) return undefined;
    this.entries.delete(entry.name);
    this.timed.delete(entry);
    if (entry.isChosen) add("chosen", entry.parent, -1);
    entry.parent.keys.delete(entry);
    add("count", entry.parent, -1);
    for (let at = entry.parent; at.count === 0 && at.parent; at = at.parent) {
      at.parent.folders.delete(at);
      at.parent.byPath.delete(at.path);
      at.parent.opened.delete(at);
    }
    return entry;
  }

  isOpen({ path }: Folder): boolean {
    return this.open.has(path);
  }

  setOpen(folder: Folder, isOpen: boolean): void {
    if (isOpen) this.open.add(folder.path);
    else this.open.delete(folder.path);
    if (isOpen) folder.parent?.opened.add(folder);
    else folder.parent?.opened.delete(folder);
  }

  /** Forgets which folders are open. */
  closeAll(): void {
    this.open.clear();
  }

  /** Chooses a key or all keys of a folder, or not any more. */
  choose(node: Node, isChosen: boolean): void {
    if (!isFolder(node)) {
      if (node.isChosen === isChosen) return;
      node.isChosen = isChosen;
      return add("chosen", node.parent, isChosen ? 1 : -1);
    }
    const before = node.chosen;
    chooseAll(node, isChosen);
    if (node.parent) add("chosen", node.parent, node.chosen - before);
  }

  chosen(): Entry[] {
    return this.root.chosen === 0 ? [] : [...this.entries.values()].filter(({ isChosen }) => isChosen);
  }

  /** How many rows there are. */
  get rows(): number {
    return rowsIn(this.root);
  }

  rowAt(index: number): Row | undefined {
    let [folder, level, inner] = [this.root, 1, within(this.root, index)];
    for (; inner.folder; level++) [folder, inner] = [inner.folder, within(inner.folder, inner.left)];
    const { folders, keys } = folder;
    const at = inner.left;
    const node = at < folders.length ? folders.at(at) : keys.at(at - folders.length);
    return node && { node, level, at, of: folders.length + keys.length };
  }

  /** Which row this is; -1 if a folder that it is in is closed. */
  indexOf(node: Node): number {
    const { parent } = node;
    if (!parent) return -1;
    const at = isFolder(node) ? parent.folders.indexOf(node) : parent.folders.length + parent.keys.indexOf(node);
    let before = at;
    for (const one of parent.opened) if (parent.folders.indexOf(one) < at) before += rowsIn(one);
    if (!parent.parent) return before;
    const outer = this.isOpen(parent) ? this.indexOf(parent) : -1;
    return outer < 0 ? -1 : outer + 1 + before;
  }
}

function chooseAll(folder: Folder, isChosen: boolean): void {
  for (const one of folder.folders) chooseAll(one, isChosen);
  for (const entry of folder.keys) entry.isChosen = isChosen;
  folder.chosen = isChosen ? folder.count : 0;
}

/** How many rows there are below a folder that is open. */
function rowsIn({ folders, keys, opened }: Folder): number {
  let rows = folders.length + keys.length;
  for (const one of opened) rows += rowsIn(one);
  return rows;
}

/** Of the rows below a folder, in which open folder one is, and which row there; or which child of its own it is. */
function within({ folders, opened }: Folder, index: number): { folder?: Folder; left: number } {
  let left = index;
  for (const [at, folder] of [...opened].map((one) => [folders.indexOf(one), one] as const).sort(([a], [b]) => a - b)) {
    if (left <= at) break;
    const rows = rowsIn(folder);
    if (left <= at + rows) return { folder, left: left - at - 1 };
    left -= rows;
  }
  return { left };
}
