import { ascii } from "./bytes.js";
import type { Command, Data } from "./data.js";
import { matches } from "./glob.js";
import type { Entry, Tree } from "./tree.js";

/** So many keys are looked at in one slice of a search. */
const SLICE = 1000;
/** So many keys are shown, until more are asked for. */
export const SHOWN = 5000;
/** So many keys are asked for what they are at a time. */
const DETAILS = 200;
/** After more changed keys than this at once, the search is made anew. */
const CHANGES = 2000;

export interface Query {
  readonly pattern: Uint8Array;
  /** A type, or "" for all. */
  readonly type: string;
}

/** Gives the page its turn; unlike a timer, in hidden tabs too. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** All keys that a command SCAN finds, in slices between which the page has its turn. */
export async function* scan(data: Data, { pattern, type }: Query, from = "0"): AsyncGenerator<{ keys: Uint8Array[]; cursor: string }> {
  let cursor = from;
  do {
    const words: Command = ["SCAN", cursor, "MATCH", pattern, "COUNT", SLICE, ...(type === "" ? [] : ["TYPE", type])];
    const [next, keys] = (await data.ask(...words)) as [Uint8Array, Uint8Array[]];
    cursor = ascii(next);
    yield { keys, cursor };
    await nextTask();
  } while (cursor !== "0");
}

/** Fills a tree with the keys that are searched for, and keeps it as they are. */
export class Search {
  query: Query = { pattern: Uint8Array.of(42), type: "" };
  /** Where the search goes on: "0" once it is at the end. */
  cursor = "0";
  isRunning = false;
  private limit = SHOWN;
  private turn = 0;

  constructor(private readonly data: Data, private readonly tree: Tree, private readonly onFound: () => void) {}

  /** Begins anew, and shows as many keys as before if `keep`. */
  async start(query: Query, keep = false): Promise<void> {
    this.query = query;
    if (!keep) this.limit = SHOWN;
    await this.go("0", true);
  }

  /** Goes on where it has stopped. */
  async more(): Promise<void> {
    this.limit = this.tree.entries.size + SHOWN;
    await this.go(this.cursor, false);
  }

  stop(): void {
    this.turn++;
    this.isRunning = false;
    this.onFound();
  }

  private async go(from: string, isNew: boolean): Promise<void> {
    const turn = ++this.turn;
    this.isRunning = true;
    let isFirst = isNew;
    this.onFound();
    try {
      for await (const { keys, cursor } of scan(this.data, this.query, from)) {
        if (turn !== this.turn) return;
        // What was shown stays until there is something to show in its place.
        if (isFirst) this.tree.clear();
        isFirst = false;
        for (const key of keys) this.tree.add(key);
        this.cursor = cursor;
        if (this.tree.entries.size >= this.limit) break;
        if (keys.length > 0) this.onFound();
      }
    } finally {
      if (turn === this.turn) {
        this.isRunning = false;
        this.onFound();
      }
    }
  }

  /** Asks what these are. */
  async describe(entries: readonly Entry[]): Promise<void> {
    for (let at = 0; at < entries.length; at += DETAILS) {
      const some = entries.slice(at, at + DETAILS);
      const answers = await this.data.tryAll(some.flatMap(({ bytes }): Command[] => [["TYPE", bytes], ["PEXPIRETIME", bytes], ["MEMORY", "USAGE", bytes]]));
      for (const [index, entry] of some.entries()) {
        const [type, expiresAt, size] = answers.slice(index * 3, index * 3 + 3);
        if (type === "none") {
          this.tree.delete(entry.bytes);
          continue;
        }
        // What may not be asked for is shown without its type.
        entry.type = type instanceof Error ? "?" : ascii(type);
        entry.expiresAt = expiresAt instanceof Error ? -1 : Number(expiresAt);
        if (size instanceof Error) delete entry.size;
        else entry.size = Number(size);
      }
      this.onFound();
      await nextTask();
    }
  }

  /** These have changed: shows what they are now, and that they are there, or gone. */
  async changed(keys: readonly Uint8Array[]): Promise<void> {
    if (keys.length > CHANGES) return this.start(this.query, true);
    const { pattern, type } = this.query;
    const found = keys.filter((key) => matches(pattern, key));
    const turn = this.turn;
    const types = await this.data.tryAll(found.map((key): Command => ["TYPE", key]));
    if (turn !== this.turn) return;
    const known: Entry[] = [];
    for (const [index, key] of found.entries()) {
      const now = types[index];
      if (now instanceof Error) continue;
      if (now === "none" || (type !== "" && now !== type)) this.tree.delete(key);
      else if (this.tree.entries.size < this.limit) known.push(this.tree.add(key));
    }
    // What is not shown is asked for once it is.
    for (const entry of known) delete entry.type;
    this.onFound();
  }
}
