import { joined } from "../bytes.js";
import { type Change, type Frame, mustBe, type Opened, type Store } from "./store.js";

/** What is used of `ctx.storage` of a Durable Object; `sql` throws when it is used, or is not there, unless it is SQLite. */
export interface ObjectStorage extends ObjectValues {
  /** Of classes with SQLite. */
  readonly sql?: {
    /** Runs a statement. */
    exec(query: string, ...bindings: (number | ArrayBuffer)[]): Iterable<Record<string, unknown>>;
  };
  /** Does all of it, or nothing. */
  transactionSync?(work: () => void): void;
  /** The same, if it has to wait. */
  transaction(work: (values: ObjectValues) => Promise<void>): Promise<void>;
}

/** Values by keys, in the order of the keys. */
export interface ObjectValues {
  /** The value of a key. */
  get<T>(key: string): Promise<T | undefined>;
  /** Values by their keys, in order. */
  list<T>(options: {
    start?: string;
    startAfter?: string;
    end?: string;
    reverse?: boolean;
    limit?: number;
  }): Promise<Map<string, T>>;
  /** Sets values. */
  put(entries: Record<string, Uint8Array>): Promise<void>;
  /** Deletes keys; answers how many there were. */
  delete(keys: string[]): Promise<number>;
}

/**
 * A store in the storage of a Durable Object, for `open(name, { store: objectStore(ctx.storage), … })` in
 * its constructor: in a table of SQLite, or in values of the older kind. A change is made as a whole or
 * not at all. It is there once the promise resolves, and kept before anything leaves the object, for its
 * output gate waits for that: `relaxed` is as good as `strict`. The object is to have it open once.
 */
export function objectStore(storage: ObjectStorage): Store {
  return isSqlite(storage) ? new SqlStore(storage) : new ValueStore(storage);
}

/** A row of SQLite is not to be longer than 2 MB. */
const ROW_LEN = 1024 * 1024;
/** A value of the older kind is not to be longer than 128 KiB, with what says what it is. */
const VALUE_LEN = 120 * 1024;
/** So many values are read at once, or deleted (128 may be). */
const VALUES = 64;

type Sql = Required<Pick<ObjectStorage, "sql" | "transactionSync">>;

function isSqlite(storage: ObjectStorage): storage is ObjectStorage & Sql {
  try {
    // Where there is none, that is said when it is used.
    storage.sql?.exec("SELECT 1");
    return storage.sql !== undefined && storage.transactionSync !== undefined;
  } catch {
    return false;
  }
}

/** Where the manifest is: there is no base of that number. */
const MANIFEST_BASE = -1;

/** Frames in a table, each in parts. */
class SqlStore implements Store {
  constructor(private readonly storage: Sql) {}

  async open(): Promise<Opened> {
    this.makeTable();
    const [found] = this.rows("SELECT max(start) AS last FROM lodis WHERE base = 0");
    return { manifest: this.manifest(), last: (found?.last as number | null) ?? undefined };
  }

  async read(base: number, from: number, limit: number): Promise<Uint8Array[]> {
    const frames = new Parts();
    const rows = this.rows("SELECT start, bytes FROM lodis WHERE base = ? AND start >= ? ORDER BY start, part", base, from);
    for (const { start, bytes } of rows) {
      if (!frames.add(start as number, new Uint8Array(bytes as ArrayBuffer), limit)) break;
    }
    return frames.whole();
  }

  async write(change: Change): Promise<void> {
    this.storage.transactionSync(() => {
      // Who deletes everything that the object has stored deletes the table.
      this.makeTable();
      mustBe(change.expected, this.manifest());
      if (change.cut !== undefined) this.rows("DELETE FROM lodis WHERE base = 0 AND start >= ?", change.cut);
      for (const frame of change.frames) this.put(frame);
      if (change.manifest) this.put({ base: MANIFEST_BASE, offset: 0, bytes: change.manifest });
      if (!change.trim) return;
      this.rows("DELETE FROM lodis WHERE base = 0 AND start < ?", change.trim.start);
      this.rows("DELETE FROM lodis WHERE base > 0 AND base <> ?", change.trim.base);
    });
  }

  async close(): Promise<void> {}

  private rows(query: string, ...bindings: (number | ArrayBuffer)[]): Iterable<Record<string, unknown>> {
    return this.storage.sql.exec(query, ...bindings);
  }

  private makeTable(): void {
    this.rows(
      "CREATE TABLE IF NOT EXISTS lodis (base INTEGER, start INTEGER, part INTEGER, bytes BLOB NOT NULL, " +
        "PRIMARY KEY (base, start, part)) WITHOUT ROWID",
    );
  }

  private manifest(): Uint8Array | undefined {
    const [row] = this.rows("SELECT bytes FROM lodis WHERE base = ?", MANIFEST_BASE);
    return row && new Uint8Array(row.bytes as ArrayBuffer);
  }

  private put({ base, offset, bytes }: Frame): void {
    const parts = partsOf(bytes, ROW_LEN);
    parts.forEach((part, index) => {
      this.rows("INSERT OR REPLACE INTO lodis VALUES (?, ?, ?, ?)", base, offset, index, part.slice().buffer);
    });
    // One that was here before may have been longer.
    this.rows("DELETE FROM lodis WHERE base = ? AND start = ? AND part >= ?", base, offset, parts.length);
  }
}

const MANIFEST = "lodis:manifest";
const DIGITS = 16;
const PART_DIGITS = 6;

/** Frames in values, each in parts: `lodis:<base>:<offset>:<part>`, such that they sort as numbers do. */
class ValueStore implements Store {
  constructor(private readonly storage: ObjectStorage) {}

  async open(): Promise<Opened> {
    const manifest = await this.storage.get<Uint8Array>(MANIFEST);
    const records = await this.storage.list({ ...range(0), reverse: true, limit: 1 });
    const [last] = records.keys();
    return { manifest, last: last === undefined ? undefined : offsetOf(last) };
  }

  async read(base: number, from: number, limit: number): Promise<Uint8Array[]> {
    const frames = new Parts();
    const { end } = range(base);
    let startAt: { start: string } | { startAfter: string } = { start: keyOf(base, from) };
    for (;;) {
      const found: Map<string, Uint8Array> = await this.storage.list({ ...startAt, end, limit: VALUES });
      for (const [key, bytes] of found) {
        if (!frames.add(offsetOf(key), bytes, limit)) return frames.whole();
        startAt = { startAfter: key };
      }
      if (found.size < VALUES) return frames.whole();
    }
  }

  write(change: Change): Promise<void> {
    return this.storage.transaction(async (values) => {
      mustBe(change.expected, await values.get<Uint8Array>(MANIFEST));
      if (change.cut !== undefined) await erase(values, { ...range(0), start: keyOf(0, change.cut) });
      for (const { base, offset, bytes } of change.frames) {
        const start = keyOf(base, offset);
        await erase(values, { start, end: keyOf(base, offset + 1) });
        for (const [index, part] of partsOf(bytes, VALUE_LEN).entries()) {
          await values.put({ [start + digits(index, PART_DIGITS)]: part.slice() });
        }
      }
      if (change.manifest) await values.put({ [MANIFEST]: change.manifest.slice() });
      if (!change.trim) return;
      const { start, base } = change.trim;
      await erase(values, { ...range(0), end: keyOf(0, start) });
      await erase(values, { start: range(1).start, end: range(base).start });
      await erase(values, { start: range(Math.max(base, 0) + 1).start, end: "lodis:a" });
    });
  }

  async close(): Promise<void> {}
}

/** Deletes what is in a range. */
async function erase(values: ObjectValues, range: { start: string; end: string }): Promise<void> {
  for (;;) {
    if (range.start >= range.end) return;
    const found = await values.list({ ...range, limit: VALUES });
    if (found.size > 0) await values.delete([...found.keys()]);
    if (found.size < VALUES) return;
  }
}

function digits(value: number, width = DIGITS): string {
  return String(value).padStart(width, "0");
}

/** Where the keys of a base begin, and end. */
function range(base: number): { start: string; end: string } {
  return { start: `lodis:${digits(base)}:`, end: `lodis:${digits(base)};` };
}

function keyOf(base: number, offset: number): string {
  return `${range(base).start}${digits(offset)}:`;
}

function offsetOf(key: string): number {
  return Number(key.split(":")[2]);
}

/** Bytes in parts, of which there is one at least. */
function partsOf(bytes: Uint8Array, length: number): Uint8Array[] {
  const parts = [bytes.subarray(0, length)];
  for (let at = length; at < bytes.length; at += length) parts.push(bytes.subarray(at, at + length));
  return parts;
}

/** Frames, of which the parts come one after the other. */
class Parts {
  private readonly frames: { readonly offset: number; readonly parts: Uint8Array[] }[] = [];

  /** Adds a part, unless it is that of one frame more than `limit`. */
  add(offset: number, bytes: Uint8Array, limit: number): boolean {
    const last = this.frames.at(-1);
    if (last?.offset === offset) {
      last.parts.push(bytes);
      return true;
    }
    if (this.frames.length === limit) return false;
    this.frames.push({ offset, parts: [bytes] });
    return true;
  }

  whole(): Uint8Array[] {
    return this.frames.map(({ parts }) => (parts.length === 1 ? parts[0]! : joined(parts)));
  }
}
