import { addressOf } from "../router.js";
import { sizeOf } from "../sizes.js";
import { equal, plural, read, shown } from "./bytes.js";
import type { Changes } from "./changes.js";
import { type Command, type Data, UNDO_BYTES, type Undo } from "./data.js";
import { ask } from "./dialog.js";
import { prefixPattern } from "./glob.js";
import { expiry, firstCommands, firstFields, QUOTES, TYPES } from "./kinds.js";
import { scan } from "./search.js";

/** So many keys are deleted together, at most. */
const SLICE = 200;
/** And about so many bytes. */
const SLICE_BYTES = 1024 * 1024;

export interface ActionEvents {
  /** These are to be looked at anew; null for all. */
  changed(keys: readonly Uint8Array[] | null): void;
  failed(error: Error): void;
}

/** What is done to keys as a whole. */
export class Actions {
  constructor(private readonly data: Data, private readonly changes: Changes, private readonly events: ActionEvents) {}

  /** Deletes a key; one that is too large to come back only after a question. */
  async remove(key: Uint8Array): Promise<void> {
    const size = Number((await this.data.ask("MEMORY", "USAGE", key)) ?? 0);
    if (size <= UNDO_BYTES) return this.removeSized([{ key, size }], shown(key));
    await this.removeAll([key], `Delete ${shown(key)}?`, shown(key));
  }

  /** Deletes keys after a question. */
  async removeAll(keys: readonly Uint8Array[], title: string, what: string): Promise<void> {
    const { db } = this.data;
    const sized: { key: Uint8Array; size: number }[] = [];
    for (let at = 0; at < keys.length; at += SLICE) {
      const some = keys.slice(at, at + SLICE);
      const sizes = await this.data.tryAll(some.map((key): Command => ["MEMORY", "USAGE", key]), db);
      some.forEach((key, index) => sized.push({ key, size: Number(sizes[index] ?? 0) || 0 }));
    }
    const all = sized.reduce((sum, { size }) => sum + size, 0);
    await ask({
      title,
      text: all > UNDO_BYTES ? `They take ${sizeOf(all)}: that is too much to be kept, and cannot be undone.` : `They take ${sizeOf(all)}. You can undo this as long as the page is open.`,
      action: `Delete ${plural(keys.length, "key")}`,
      isDangerous: true,
      submit: () => this.removeSized(sized, what),
    });
  }

  private async removeSized(sized: readonly { key: Uint8Array; size: number }[], what: string): Promise<void> {
    const { data } = this;
    const { db } = data;
    const isKept = sized.reduce((sum, { size }) => sum + size, 0) <= UNDO_BYTES;
    const undos: Undo[] = [];
    let [at, bytes] = [0, 0];
    try {
      while (at < sized.length) {
        const some: Uint8Array[] = [];
        for (let size = 0; at < sized.length && some.length < SLICE && size < SLICE_BYTES; at++) {
          some.push(sized[at]!.key);
          size += sized[at]!.size;
        }
        const removed = await data.remove(some, db, isKept);
        undos.push(removed.undo);
        bytes += removed.bytes;
      }
    } finally {
      if (undos.length > 0) this.changes.add(`Deleted ${what}`, isKept ? () => allOf(undos) : undefined, bytes);
      this.events.changed(sized.length > SLICE ? null : sized.map(({ key }) => key));
    }
  }

  /** Deletes all keys that begin with a text, after a question. */
  async removeFolder(path: string): Promise<void> {
    const { db } = this.data;
    const keys = new Map<string, Uint8Array>();
    for await (const slice of scan(this.data, db, { pattern: prefixPattern(read(path)), type: "" })) {
      for (const key of slice.keys) keys.set(shown(key), key);
    }
    const all = [...keys.values()];
    await this.removeAll(all, `Delete all that begins with ${path}?`, `${plural(all.length, "key")} of ${path}`);
  }

  askName(key: Uint8Array): void {
    void ask({
      title: "Rename",
      fields: [{ name: "name", label: "New name", value: shown(key), hint: QUOTES }],
      action: "Rename",
      submit: ({ name }) => this.rename(key, read(name!)),
    });
  }

  private async rename(key: Uint8Array, to: Uint8Array): Promise<void> {
    if (equal(key, to)) return;
    if (Number(await this.data.ask("RENAMENX", key, to)) === 0) throw new Error(`There is a key ${shown(to)} already. Delete that first, or choose another name.`);
    const { data } = this;
    const { db } = data;
    this.changes.add(`Renamed ${shown(key)} to ${shown(to)}`, async () => Number((await data.run([["RENAMENX", to, key]], db))[0]) === 1 ? 0 : 1);
    this.events.changed([key, to]);
    location.hash = addressOf("keys", db, shown(to));
  }

  askCopy(key: Uint8Array): void {
    const { data } = this;
    const { db } = data;
    void ask({
      title: `Copy ${shown(key).slice(0, 60)}`,
      fields: [
        { name: "name", label: "Name of the copy", value: shown(key), hint: QUOTES },
        { name: "db", label: "Database", value: String(db), isRequired: true },
      ],
      action: "Copy",
      submit: async ({ name, db: place }) => {
        const [to, other] = [read(name!), place!.trim()];
        if (!/^\d+$/.test(other)) throw new Error("The database is a number.");
        if (equal(key, to) && Number(other) === db) throw new Error("The copy needs another name, or another database.");
        if (Number(await data.ask("COPY", key, to, "DB", other)) === 0) throw new Error(`There is a key ${shown(to)} in database ${other} already.`);
        this.changes.add(`Copied ${shown(key)}`, async () => (await data.run([["UNLINK", to]], Number(other)), 0));
        this.events.changed([to]);
        location.hash = addressOf("keys", other, shown(to));
      },
    });
  }

  askNew(): void {
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
        this.changes.add(`Created ${shown(key)}`, await data.change(key, { commands: [...firstCommands(type, data, key, values), ...time], check: isFree }));
        this.events.changed([key]);
        location.hash = addressOf("keys", data.db, shown(key));
      },
    });
  }
}

async function allOf(undos: readonly Undo[]): Promise<number> {
  let left = 0;
  for (const undo of undos) left += await undo();
  return left;
}
