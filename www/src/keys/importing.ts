import { ascii, plural } from "./bytes.js";
import { checked, type Command, type Data, type Undo } from "./data.js";
import { applyAof, runAll } from "./aof.js";
import { readJson } from "./json.js";
import { carriersOf, carry, countsOf, everythingAsFile, everythingOf, type Progress, replaceEverything, Scratch, totalOf } from "./transfer.js";

/** What happens to what is there. */
export type Mode = "replace" | "keep" | "everything";

/** What files hold; nothing has changed yet. */
export interface Incoming {
  readonly keys: Scratch;
  readonly total: number;
  /** What is to be known of them. */
  readonly notes: readonly string[];
}

/** Files that are one together: the parts of an `appendonlydir`. */
const PART = /^(.+)\.(\d+)\.(base|incr)\.(rdb|aof)$/;
const MANIFEST = /\.manifest$/;
const NONE: Progress = { onProgress: () => {}, signal: new AbortController().signal };

/** Reads files, all of them, into a place of their own; throws, with the name of the file that is wrong. */
export async function readFiles(files: readonly File[], db: number, options: Progress): Promise<Incoming> {
  const groups = grouped(files);
  if (groups.length === 0) throw new Error("There is nothing to import in that.");
  const notes: string[] = [];
  const all = await Scratch.open();
  try {
    for (const [index, group] of groups.entries()) {
      const part: Progress = { ...options, onProgress: (done) => options.onProgress((index + done) / groups.length) };
      const one = await readGroup(group, db, notes, part);
      try {
        await carry(one, all, everythingOf(one), 1, { ...options, onProgress: () => {} });
      } finally {
        await one.close();
      }
    }
    return { keys: all, total: await totalOf(all), notes: [...notes, ...(await placesOf(all, db))] };
  } catch (error) {
    await all.close();
    throw error;
  }
}

async function placesOf(keys: Scratch, db: number): Promise<string[]> {
  const counts = await countsOf(keys);
  if (counts.size === 0 || (counts.size === 1 && counts.has(db))) return [];
  return [`They go to ${counts.size === 1 ? "database" : "databases"} ${[...counts].map(([db, count]) => `${db} (${count.toLocaleString("en")})`).join(", ")}.`];
}

/** Files in their order, those that are one together. */
function grouped(files: readonly File[]): File[][] {
  const groups = new Map<string, File[]>();
  for (const file of files) {
    if (MANIFEST.test(file.name)) continue;
    const name = PART.exec(file.name)?.[1] ?? `/${groups.size}`;
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  const order = ({ name }: File): number => {
    const [, , number, kind] = PART.exec(name) ?? [];
    return kind === "incr" ? Number(number) : 0;
  };
  return [...groups.values()].map((group) => group.sort((a, b) => order(a) - order(b)));
}

async function readGroup(group: readonly File[], db: number, notes: string[], options: Progress): Promise<Scratch> {
  let scratch: Scratch | undefined;
  for (const [index, file] of group.entries()) {
    const part: Progress = { ...options, onProgress: (done) => options.onProgress((index + done) / group.length) };
    try {
      scratch = await readFile(file, db, scratch, notes, part);
    } catch (error) {
      await scratch?.close();
      options.signal.throwIfAborted();
      throw new Error(`${file.name}: ${(error as Error).message}`);
    }
  }
  return scratch!;
}

/** Reads a file by what is in it, whatever its name says. */
async function readFile(file: File, db: number, before: Scratch | undefined, notes: string[], options: Progress): Promise<Scratch> {
  const head = ascii(new Uint8Array(await file.slice(0, 64).arrayBuffer()));
  if (head.startsWith("REDIS")) {
    await before?.close();
    return readRdb(file, notes, options);
  }
  const scratch = before ?? (await Scratch.open());
  try {
    if (/^[*#]/.test(head)) await applyAof(scratch, file, notes, options);
    else if (/^\s*[[{]/.test(head)) {
      for await (const { keys, done } of readJson(file)) {
        options.signal.throwIfAborted();
        await runAll(scratch, keys.flatMap(({ commands, db: own = db }) => commands.map((words) => ({ db: own, words }))));
        options.onProgress(done);
      }
    } else if (file.size === 0 && !before) throw new Error("the file is empty.");
    else if (file.size > 0) throw new Error("this is neither an RDB file, nor an AOF, nor JSON.");
    return scratch;
  } catch (error) {
    if (!before) await scratch.close();
    throw error;
  }
}

/** Reads an RDB file, or an AOF that begins with one. */
async function readRdb(file: File, notes: string[], options: Progress): Promise<Scratch> {
  try {
    return await Scratch.open(file, options);
  } catch (error) {
    const end = /goes on after its end \(offset (\d+)\)/.exec((error as Error).message);
    if (!end) throw error;
    const scratch = await Scratch.open(file.slice(0, Number(end[1])), options);
    try {
      await applyAof(scratch, file.slice(Number(end[1])), notes, options);
      return scratch;
    } catch (error) {
      await scratch.close();
      throw error;
    }
  }
}

/** What was done, and what undoes it. */
export interface Imported {
  readonly written: number;
  readonly kept: number;
  readonly undo: Undo;
}

/** Writes what was read. If it is cancelled, or fails, everything is as it was. */
export async function write(data: Data, { keys: from, total }: Incoming, mode: Mode, options: Progress): Promise<Imported> {
  if (mode === "everything") return writeEverything(data, from, options);
  const before = await Scratch.open();
  const made: { db: number; key: Uint8Array }[] = [];
  let [written, kept] = [0, 0];
  try {
    for await (const some of everythingOf(from)) {
      options.signal.throwIfAborted();
      const carriers = await carriersOf(from, some, ...(mode === "replace" ? ["REPLACE"] : []));
      const old = mode === "replace" ? await carriersOf(data, { db: some.db, keys: [...carriers.keys()] }, "REPLACE") : new Map<Uint8Array, Command>();
      checked(await before.tryAll([...old.values()], some.db));
      const answers = await data.tryAll([...carriers.values()], some.db);
      for (const [index, key] of [...carriers.keys()].entries()) {
        const answer = answers[index];
        if (answer instanceof Error && answer.message.startsWith("BUSYKEY")) kept++;
        else if (!(answer instanceof Error)) written++;
        if (!(answer instanceof Error) && !old.has(key)) made.push({ db: some.db, key });
      }
      checked(answers.filter((answer) => !(answer instanceof Error && answer.message.startsWith("BUSYKEY"))));
      options.onProgress(Math.min(0.99, (written + kept) / Math.max(total, 1)));
    }
  } catch (error) {
    await bringBack(data, before, made).finally(() => before.close());
    throw error;
  }
  const file = await before.file(false);
  await before.close();
  return { written, kept, undo: () => undone(file, (scratch) => bringBack(data, scratch, made)) };
}

async function undone(file: Blob, work: (scratch: Scratch) => Promise<unknown>): Promise<number> {
  const scratch = await Scratch.open(file);
  await work(scratch).finally(() => scratch.close());
  return 0;
}

async function bringBack(data: Data, before: Scratch, made: readonly { db: number; key: Uint8Array }[]): Promise<void> {
  for (let at = 0; at < made.length; at += 100) {
    for (const { db, key } of made.slice(at, at + 100)) checked(await data.tryAll([["UNLINK", key]], db));
  }
  await carry(before, data, everythingOf(before), 1, NONE);
}

async function writeEverything(data: Data, from: Scratch, options: Progress): Promise<Imported> {
  const half = (from: number): Progress => ({ ...options, onProgress: (done) => options.onProgress(from + done / 2) });
  const file = await everythingAsFile(data, false, half(0));
  const undo = (): Promise<number> => undone(file, (scratch) => replaceEverything(data, scratch, NONE));
  try {
    return { written: await replaceEverything(data, from, half(0.5)), kept: 0, undo };
  } catch (error) {
    await undo();
    throw error;
  }
}

/** What is asked before. */
export function textOf({ total, notes }: Incoming): string {
  return [`${plural(total, "key")} can be read. Nothing has changed yet.`, ...notes].join(" ");
}
