import { open, type Redis } from "lodis";
import { ascii } from "./bytes.js";
import { type Answer, checked, type Command, type Data, restored, selected } from "./data.js";
import { type Query, scan } from "./search.js";

/** Keys are carried from one to another, so many together. */
const SLICE = 50;

/** Who runs commands in a database, and answers what each answers. */
export interface Keyspace {
  tryAll(commands: readonly Command[], db: number): Promise<Answer[]>;
}

/** Keys of one database. */
export interface Some {
  readonly db: number;
  readonly keys: readonly Uint8Array[];
}

export interface Progress {
  /** From 0 to 1. */
  readonly onProgress: (done: number) => void;
  readonly signal: AbortSignal;
}

export const ALL: Query = { pattern: Uint8Array.of(42), type: "" };

/** An instance in memory that nobody else sees: files are made of it, and read into it before they change anything. */
export class Scratch implements Keyspace {
  private constructor(private readonly redis: Redis) {}

  static async open(file?: Blob, options?: Progress): Promise<Scratch> {
    const made = new Scratch(await open(`scratch-${crypto.randomUUID()}`, { store: "memory" }));
    if (!file) return made;
    try {
      await made.redis.importRdb(file, options);
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  async tryAll(commands: readonly Command[], db: number): Promise<Answer[]> {
    const batch = this.redis.bytes.pipeline();
    for (const [name, ...args] of selected(commands, db)) batch.call(name, ...args);
    const [chosen, ...answers] = (await batch.exec()) as Answer[];
    // What follows has gone to another database.
    checked([chosen]);
    return answers;
  }

  file(isAof: boolean, options?: Progress): Promise<Blob> {
    return isAof ? this.redis.exportAof(options) : this.redis.exportRdb(options);
  }

  close(): Promise<void> {
    return this.redis.close();
  }
}

/** How many keys there are in each database that has any. */
export async function countsOf(from: Keyspace): Promise<Map<number, number>> {
  const [info] = checked(await from.tryAll([["INFO", "keyspace"]], 0));
  return new Map([...ascii(info).matchAll(/^db(\d+):keys=(\d+)/gm)].map(([, db, keys]) => [Number(db), Number(keys)]));
}

/** All keys of all databases, bit by bit. */
export async function* everythingOf(from: Keyspace): AsyncGenerator<Some> {
  for (const db of (await countsOf(from)).keys()) yield* foundIn(from, db, ALL);
}

/** The keys of a database that a search finds, bit by bit. */
export async function* foundIn(from: Keyspace, db: number, query: Query): AsyncGenerator<Some> {
  for await (const { keys } of scan(from, db, query)) {
    for (let at = 0; at < keys.length; at += SLICE) yield { db, keys: keys.slice(at, at + SLICE) };
  }
}

/** These keys, bit by bit. */
export async function* these(db: number, keys: readonly Uint8Array[]): AsyncGenerator<Some> {
  for (let at = 0; at < keys.length; at += SLICE) yield { db, keys: keys.slice(at, at + SLICE) };
}

/** What brings keys to another place, with their times to live. What is not there is left out. */
export async function carriersOf(from: Keyspace, { db, keys }: Some, ...words: string[]): Promise<Map<Uint8Array, Command>> {
  const answers = checked(await from.tryAll(keys.flatMap((key): Command[] => [["DUMP", key], ["PEXPIRETIME", key]]), db));
  return new Map(keys.flatMap((key, index) => {
    const dump = answers[index * 2] as Uint8Array | null;
    return dump ? [[key, restored({ key, dump, expiresAt: Number(answers[index * 2 + 1]) }, ...words)] as const] : [];
  }));
}

/** Carries keys, which replace those of their names; answers how many. */
export async function carry(from: Keyspace, to: Keyspace, slices: AsyncIterable<Some>, total: number, { onProgress, signal }: Progress): Promise<number> {
  let count = 0;
  for await (const some of slices) {
    signal.throwIfAborted();
    const commands = [...(await carriersOf(from, some, "REPLACE")).values()];
    checked(await to.tryAll(commands, some.db));
    count += commands.length;
    onProgress(Math.min(0.99, count / Math.max(total, 1)));
  }
  return count;
}

export async function totalOf(from: Keyspace): Promise<number> {
  return [...(await countsOf(from)).values()].reduce((sum, keys) => sum + keys, 0);
}

/** Some keys as a file. */
export async function fileOf(from: Keyspace, slices: AsyncIterable<Some>, total: number, isAof: boolean, options: Progress): Promise<Blob> {
  const scratch = await Scratch.open();
  try {
    await carry(from, scratch, slices, total, options);
    return await scratch.file(isAof, { ...options, onProgress: () => {} });
  } finally {
    await scratch.close();
  }
}

/** Whether files of everything can be read and written here, in one step: by the tab that has the data. */
function hasData(data: Data): boolean {
  const { role } = data.files;
  return role === "leader" || role === "alone";
}

/** Everything there is, as a file; of one moment, where the data is here. */
export async function everythingAsFile(data: Data, isAof: boolean, options: Progress): Promise<Blob> {
  if (hasData(data)) return isAof ? data.files.exportAof(options) : data.files.exportRdb(options);
  return fileOf(data, everythingOf(data), await totalOf(data), isAof, options);
}

/** Replaces everything there is; in one step, where the data is here. */
export async function replaceEverything(data: Data, by: Scratch, options: Progress): Promise<number> {
  const total = await totalOf(by);
  if (hasData(data)) return (await data.files.importRdb(await by.file(false), options)).keys;
  checked(await data.tryAll([["FLUSHALL"]], 0));
  return carry(by, data, everythingOf(by), total, options);
}
