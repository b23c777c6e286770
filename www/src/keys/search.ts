import { ascii, shown } from "./bytes.js";
import { checked, type Command, type Data } from "./data.js";
import { matches } from "./glob.js";
import type { Keyspace } from "./transfer.js";
import type { Entry, Tree } from "./tree.js";

/** So many keys are looked at in one slice of a search. */
const SLICE = 500;
/** So long it puts them into the tree before the page has its turn. */
const BUDGET_MS = 1.5;
/** So many keys are shown, until more are asked for. */
export const SHOWN = 200_000;
/** So many keys are asked for what they are at a time. */
const DETAILS = 100;
/** After more changed keys than this at once, the search is made anew. */
const CHANGES = 2000;

/** For how long a key says that it has changed. */
const MARKED_MS = 6000;

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
export async function* scan(from: Keyspace, db: number, { pattern, type }: Query, start = "0"): AsyncGenerator<{ keys: Uint8Array[]; cursor: string }> {
  let cursor = start;
  do {
    const words: Command = ["SCAN", cursor, "MATCH", pattern, "COUNT", SLICE, ...(type === "" ? [] : ["TYPE", type])];
    const [answer] = checked(await from.tryAll([words], db));
    const [next, keys] = answer as [Uint8Array, Uint8Array[]];
    cursor = ascii(next);
    yield { keys, cursor };
    await nextTask();
  } while (cursor !== "0");
}

/** What has happened to a key that is searched for. */
export interface Happened {
  readonly name: string;
  readonly what: "new" | "changed" | "expired" | "deleted";
}

/** Fills a tree with the keys that are searched for, and keeps it as they are. */
export class Search {
  query: Query = { pattern: Uint8Array.of(42), type: "" };
  /** Where the search goes on: "0" once it is at the end. */
  cursor = "0";
  isRunning = false;
  /** How many keys were looked at. */
  looked = 0;
  private readonly marked = new Map<Entry, number>();
  private limit = SHOWN;
  private turn = 0;
  /** What was found last in an earlier search is gone. */
  private since = 0;

  constructor(private readonly data: Data, private readonly tree: Tree, private readonly onFound: () => void) {}

  /** Begins anew; what is shown stays until it is known to be gone if `keep`. */
  async start(query: Query, keep = false): Promise<void> {
    this.query = query;
    this.looked = 0;
    this.since = this.turn + 1;
    if (!keep) {
      this.limit = SHOWN;
      this.tree.clear();
    }
    await this.go("0");
  }

  /** Goes on where it has stopped. */
  async more(): Promise<void> {
    if (this.tree.entries.size >= this.limit) this.limit = this.tree.entries.size + SHOWN;
    await this.go(this.cursor);
  }

  stop(): void {
    this.turn++;
    this.isRunning = false;
    this.onFound();
  }

  private async go(from: string): Promise<void> {
    const turn = ++this.turn;
    this.isRunning = true;
    this.onFound();
    try {
      for await (const { keys, cursor } of scan(this.data, this.data.db, this.query, from)) {
        if (turn !== this.turn) return;
        let since = performance.now();
        for (const [index, key] of keys.entries()) {
          this.tree.add(key, turn).isKnown = false;
          if (index % 50 !== 49 || performance.now() - since < BUDGET_MS) continue;
          await nextTask();
          if (turn !== this.turn) return;
          since = performance.now();
        }
        this.looked += SLICE;
        this.cursor = cursor;
        if (cursor !== "0" && this.tree.entries.size >= this.limit) return;
        this.onFound();
      }
      await this.sweep(turn);
    } finally {
      if (turn === this.turn) {
        this.isRunning = false;
        this.onFound();
      }
    }
  }

  /** Removes what the search that is over has not found. */
  private async sweep(turn: number): Promise<void> {
    let looked = 0;
    for (const entry of [...this.tree.entries.values()]) {
      if (entry.turn < this.since) this.tree.delete(entry.bytes);
      if (++looked % SLICE !== 0) continue;
      await nextTask();
      if (turn !== this.turn) return;
    }
  }

  /** Takes marks away that have been seen; answers whether there were any. */
  fade(now: number): boolean {
    const old = [...this.marked].filter(([, since]) => now - since > MARKED_MS);
    for (const [entry] of old) {
      entry.mark = undefined;
      this.marked.delete(entry);
    }
    return old.length > 0;
  }

  /** Asks what these are. */
  async describe(entries: readonly Entry[]): Promise<void> {
    for (let at = 0; at < entries.length; at += DETAILS) {
      const some = entries.slice(at, at + DETAILS);
      const answers = await this.data.tryAll(some.flatMap(({ bytes }): Command[] => [["TYPE", bytes], ["PEXPIRETIME", bytes], ["MEMORY", "USAGE", bytes]]));
      for (const [index, entry] of some.entries()) this.described(entry, answers.slice(index * 3, index * 3 + 3));
      await nextTask();
    }
  }

  private described(entry: Entry, [type, expiresAt, size]: readonly unknown[]): void {
    // Another search may be under way, of another database.
    if (this.tree.entries.get(entry.name) !== entry) return;
    if (type === "none") return void this.tree.delete(entry.bytes);
    entry.isKnown = true;
    // What may not be asked for is shown without its type.
    entry.type = type instanceof Error ? "?" : ascii(type);
    entry.expiresAt = expiresAt instanceof Error ? -1 : Number(expiresAt);
    if (size instanceof Error) delete entry.size;
    else entry.size = Number(size);
    if (entry.expiresAt > 0) this.tree.timed.add(entry);
    else this.tree.timed.delete(entry);
  }

  /** These have changed: shows that they are there, or gone; answers what has happened to them. */
  async changed(keys: readonly Uint8Array[]): Promise<Happened[]> {
    if (keys.length > CHANGES) {
      await this.start(this.query, true);
      return [];
    }
    const { pattern, type } = this.query;
    const found = keys.filter((key) => matches(pattern, key));
    const { turn, tree } = this;
    const types = await this.data.tryAll(found.map((key): Command => ["TYPE", key]));
    if (turn < this.since) return [];
    const happened: Happened[] = [];
    for (const [index, key] of found.entries()) {
      const now = types[index];
      if (now instanceof Error) continue;
      if (now === "none" || (type !== "" && now !== type)) {
        const gone = tree.delete(key);
        const isExpired = gone?.expiresAt !== undefined && gone.expiresAt > 0 && gone.expiresAt <= Date.now();
        if (gone) happened.push({ name: gone.name, what: isExpired ? "expired" : "deleted" });
        continue;
      }
      const isNew = !tree.entries.has(shown(key));
      if (isNew && tree.entries.size >= this.limit) continue;
      const entry = tree.add(key, this.turn);
      // What is not shown is asked for once it is.
      entry.isKnown = false;
      // What a search has not come to yet may be old.
      if (isNew && this.isRunning) continue;
      entry.mark = isNew ? "new" : "changed";
      this.marked.set(entry, Date.now());
      happened.push({ name: entry.name, what: entry.mark });
    }
    this.onFound();
    return happened;
  }
}
