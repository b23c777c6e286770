import { shown } from "./bytes.js";

/** A key that SCAN has found, with what is known of it. */
export interface Entry {
  readonly bytes: Uint8Array;
  /** As it is shown; different keys have different names. */
  readonly name: string;
  type?: string;
  size?: number;
  /** When it expires, in milliseconds since 1970; -1 for never. */
  expiresAt?: number;
}

export interface Folder {
  /** What all keys in it begin with: `""`, `user:`, `user:1:`. */
  readonly path: string;
  readonly label: string;
  readonly folders: Map<string, Folder>;
  readonly keys: Map<string, Entry>;
  /** How many keys are in it and in the folders below. */
  count: number;
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

function folder(path: string, label: string): Folder {
  return { path, label, folders: new Map(), keys: new Map(), count: 0 };
}

/** The folders that a key is in: `user:`, `user:1:`. Keys in quotes are in none. */
function pathsOf(name: string): string[] {
  if (name.startsWith('"')) return [];
  const parts = name.split(":").slice(0, -1);
  return parts.map((_, index) => `${parts.slice(0, index + 1).join(":")}:`);
}

/** Keys in folders by `:`. */
export class Tree {
  root = folder("", "");
  readonly entries = new Map<string, Entry>();

  clear(): void {
    this.root = folder("", "");
    this.entries.clear();
  }

  add(bytes: Uint8Array): Entry {
    const name = shown(bytes);
    const known = this.entries.get(name);
    if (known) return known;
    const entry: Entry = { bytes, name };
    this.entries.set(name, entry);
    let at = this.root;
    at.count++;
    for (const path of pathsOf(name)) {
      let next = at.folders.get(path);
      if (!next) at.folders.set(path, (next = folder(path, path.slice(at.path.length))));
      next.count++;
      at = next;
    }
    at.keys.set(name, entry);
    return entry;
  }

  delete(bytes: Uint8Array): boolean {
    const name = shown(bytes);
    if (!this.entries.delete(name)) return false;
    const way = [this.root];
    for (const path of pathsOf(name)) way.push(way.at(-1)!.folders.get(path)!);
    way.at(-1)!.keys.delete(name);
    for (const [index, one] of way.entries()) {
      one.count--;
      if (one.count === 0 && index > 0) way[index - 1]!.folders.delete(one.path);
    }
    return true;
  }
}

/** What is in a folder, as it is shown: folders first. */
export function childrenOf({ folders, keys }: Folder): (Folder | Entry)[] {
  return [
    ...[...folders.values()].sort((a, b) => COLLATOR.compare(a.label, b.label)),
    ...[...keys.values()].sort((a, b) => COLLATOR.compare(a.name, b.name)),
  ];
}

export function isFolder(node: Folder | Entry): node is Folder {
  return "folders" in node;
}
