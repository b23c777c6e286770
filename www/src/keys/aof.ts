import { ascii } from "./bytes.js";
import { checked, type Command } from "./data.js";
import { nextTask } from "./search.js";
import type { Progress, Scratch } from "./transfer.js";

/** So much of a file is read at a time. */
const READ = 256 * 1024;
/** So many commands are run together. */
const BATCH = 200;
/** A word, or a number of words, is not longer than Redis allows. */
const LONGEST = 512 * 1024 * 1024;

/** Runs the commands of an append-only file: those that write, and what goes with them. */
export async function applyAof(scratch: Scratch, file: Blob, notes: string[], { onProgress, signal }: Progress): Promise<void> {
  const known = new Map<string, boolean>();
  let [db, count, inTransaction] = [0, 0, false];
  const reader = new Reader(file);
  for (;;) {
    const commands: { db: number; words: Command }[] = [];
    let open: Command[] = [];
    for (let words = await reader.next(); words; words = await reader.next()) {
      count++;
      const name = ascii(words[0]).toUpperCase();
      if (name === "MULTI") inTransaction = true;
      else if (name === "EXEC") [inTransaction, open] = [false, (commands.push(...open.map((words) => ({ db, words }))), [])];
      else if (name === "SELECT") db = Number(ascii(words[1]));
      else if (!(await writes(scratch, name, known)) && !(await writes(scratch, `${name}|${ascii(words[1] ?? "")}`, known))) throw new Error(`command ${count}, ${name}, has no place in an append-only file.`);
      else if (inTransaction) open.push([name, ...words.slice(1)]);
      else commands.push({ db, words: [name, ...words.slice(1)] });
      if (commands.length >= BATCH && !inTransaction) break;
    }
    if (commands.length === 0) break;
    signal.throwIfAborted();
    await runAll(scratch, commands);
    onProgress(Math.min(0.99, reader.at / Math.max(file.size, 1)));
  }
  if (reader.isCut || inTransaction) notes.push("What stood last in the file was not whole, and is left out, as Redis does.");
}

/** Runs commands in their databases. */
export async function runAll(scratch: Scratch, commands: readonly { db: number; words: Command }[]): Promise<void> {
  for (let at = 0; at < commands.length; ) {
    const { db } = commands[at]!;
    const some: Command[] = [];
    while (some.length < BATCH && commands[at]?.db === db) some.push(commands[at++]!.words);
    checked(await scratch.tryAll(some, db));
    await nextTask();
  }
}

async function writes(scratch: Scratch, name: string, known: Map<string, boolean>): Promise<boolean> {
  const before = known.get(name);
  if (before !== undefined) return before;
  const [answer] = checked(await scratch.tryAll([["COMMAND", "INFO", name]], 0)) as [readonly (readonly unknown[] | null)[]];
  const flags = [...((answer[0]?.[2] as Iterable<unknown> | undefined) ?? [])].map(ascii);
  const is = flags.includes("write");
  known.set(name, is);
  return is;
}

/** Commands in a file, one after another. */
class Reader {
  /** How far it has been read. */
  at = 0;
  /** Whether the file ends within a command. */
  isCut = false;
  private bytes = new Uint8Array();
  private from = 0;

  constructor(private readonly file: Blob) {}

  async next(): Promise<Uint8Array[] | undefined> {
    for (;;) {
      const found = this.parse();
      if (found) return found;
      if (this.at < this.file.size) await this.fill();
      else {
        this.isCut = this.from < this.bytes.length;
        return undefined;
      }
    }
  }

  private async fill(): Promise<void> {
    const left = this.bytes.subarray(this.from);
    // What is long is read in larger steps, so that it is not copied too often.
    const more = new Uint8Array(await this.file.slice(this.at, this.at + Math.max(READ, left.length)).arrayBuffer());
    this.at += more.length;
    this.bytes = new Uint8Array(left.length + more.length);
    this.bytes.set(left);
    this.bytes.set(more, left.length);
    this.from = 0;
  }

  /** The next command, if all of it is there. */
  private parse(): Uint8Array[] | undefined {
    let line = this.line(this.from);
    // Times of writing are comments.
    while (line && this.bytes[line.from] === 35) [this.from, line] = [line.next, this.line(line.next)];
    if (!line) return undefined;
    const words: Uint8Array[] = [];
    let at = line.next;
    for (let left = this.number(line, 42); left > 0; left--) {
      const head = this.line(at);
      if (!head) return undefined;
      const end = head.next + this.number(head, 36);
      if (end + 2 > this.bytes.length) return undefined;
      words.push(this.bytes.slice(head.next, end));
      at = end + 2;
    }
    this.from = at;
    if (words.length === 0) throw new Error("there is a command without words.");
    return words;
  }

  private line(from: number): { from: number; to: number; next: number } | undefined {
    const end = this.bytes.indexOf(10, from);
    if (end >= 0) return { from, to: end, next: end + 1 };
    if (this.bytes.length - from > 64) throw new Error("this is no append-only file, or it is damaged.");
    return undefined;
  }

  private number({ from, to }: { from: number; to: number }, sign: number): number {
    const digits = /^(\d{1,9})\r$/.exec(ascii(this.bytes.subarray(from + 1, Math.min(to, from + 12))))?.[1];
    if (this.bytes[from] !== sign || digits === undefined || Number(digits) > LONGEST) throw new Error("this is no append-only file, or it is damaged.");
    return Number(digits);
  }
}
