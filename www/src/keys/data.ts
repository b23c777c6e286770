import type { Redis } from "lodis";
import type { Terminal } from "lodis/terminal/pane";
import type { Store } from "../store.js";
import { equal, shown } from "./bytes.js";

export type Argument = string | number | Uint8Array;
/** A command with its words. */
export type Command = readonly [name: string, ...args: Argument[]];
export type Answer = unknown;

/** Up to so many bytes of keys are kept, so that what happens to them can be undone. */
export const UNDO_BYTES = 32 * 1024 * 1024;

/** What is larger is not kept as a whole where a part does: that would hold up the page. */
const WHOLE_BYTES = 256 * 1024;

/** What undoes a change of a part of a key. */
export interface Inverse {
  /** What tells all of that part: asked before, and after. */
  readonly reads: readonly Command[];
  readonly undoes: (before: readonly Answer[], after: readonly Answer[]) => readonly Command[];
}

/** What changes a key. `check` sees whether the element is still what was shown. */
export interface Change {
  readonly commands: readonly Command[];
  readonly check?: (() => Promise<boolean>) | undefined;
  readonly inverse?: Inverse;
}

interface Watched {
  readonly key: Uint8Array;
  readonly check: () => Promise<boolean>;
}

/** What brings keys back, and answers how many it could not. */
export type Undo = () => Promise<number>;

/** A key as it was. */
export interface Was {
  readonly key: Uint8Array;
  readonly dump: Uint8Array | null;
  readonly expiresAt: number;
}

/**
 * The keys, asked by a client of its own. Every batch begins with SELECT: when another tab takes over, the
 * session there begins in database 0.
 */
export class Data {
  db = 0;
  /** Told which keys have changed in any database; null if all may have. */
  onChanged: (keys: readonly Uint8Array[] | null) => void = () => {};
  private redis!: Redis;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly store: Store, private readonly terminal: Terminal) {}

  static async open(store: Store, terminal: Terminal): Promise<Data> {
    const data = new Data(store, terminal);
    if (store.redis.topology === "single") store.use((redis) => data.use(redis));
    else await data.use(await store.client());
    return data;
  }

  private async use(redis: Redis): Promise<void> {
    this.redis = redis;
    redis.bytes.on("invalidate", (keys) => this.onChanged(keys));
    // Who shares the terminal's session may find that it tracks already.
    await this.run([["CLIENT", "TRACKING", "ON", "BCAST"]]).catch(() => {});
  }

  /** Files are a matter of the instance that may have the data. */
  get files(): Redis {
    return this.store.redis;
  }

  /** The session is the terminal's own where data is in memory only. */
  private get isShared(): boolean {
    return this.redis.topology === "single";
  }

  private collect<T extends { call(name: string, ...args: Argument[]): unknown }>(batch: T, commands: readonly Command[], db: number): T {
    if (this.isShared && this.terminal.place.inTransaction) {
      throw new Error("The terminal is between MULTI and EXEC, and without storage it is the only client. Finish that first.");
    }
    const back: Command[] = this.isShared ? [["SELECT", this.terminal.place.db]] : [];
    for (const [name, ...args] of [...selected(commands, db), ...back]) batch.call(name, ...args);
    return batch;
  }

  /** Runs commands together; answers what each answers, errors among them. */
  async tryAll(commands: readonly Command[], db = this.db): Promise<Answer[]> {
    const answers = (await this.collect(this.redis.bytes.pipeline(), commands, db).exec()) as Answer[];
    return answers.slice(1, commands.length + 1);
  }

  /** Runs commands together; throws the first error. */
  async run(commands: readonly Command[], db = this.db): Promise<Answer[]> {
    return checked(await this.tryAll(commands, db));
  }

  /** Runs one command. */
  async ask(...command: Command): Promise<Answer> {
    return (await this.run([command]))[0];
  }

  /** Runs commands with none in between, if `check`, which may ask, finds the key as it is expected. */
  transaction(commands: readonly Command[], watched?: Watched, db = this.db): Promise<Answer[]> {
    const work = async (): Promise<Answer[]> => {
      if (watched) {
        await this.run([["WATCH", watched.key]], db);
        if (!(await watched.check())) {
          await this.run([["UNWATCH"]], db);
          throw new Error(CHANGED);
        }
      }
      const answers = (await this.collect(this.redis.bytes.multi(), commands, db).exec()) as Answer[] | null;
      if (!answers) throw new Error(CHANGED);
      return checked(answers.slice(1, commands.length + 1));
    };
    // What one WATCHes, EXEC of another would forget.
    const done = this.last.then(work, work);
    this.last = done.catch(() => {});
    return done;
  }

  /**
   * Changes one key; answers what undoes it, as long as nothing else has changed it since, or undefined if it
   * is too large to be kept.
   */
  async change(key: Uint8Array, { commands, check, inverse }: Change): Promise<Undo | undefined> {
    const watched = check ? { key, check } : undefined;
    const { db } = this;
    const size = Number((await this.ask("MEMORY", "USAGE", key)) ?? 0);
    if (size > WHOLE_BYTES && inverse) return this.changePart(key, commands, watched, inverse);
    if (size > UNDO_BYTES) return void (await this.transaction(commands, watched, db));
    const before: Command[] = [["DUMP", key], ["PEXPIRETIME", key]];
    const answers = await this.transaction([...before, ...commands, ["DUMP", key]], watched, db);
    const was: Was = { key, dump: answers[0] as Uint8Array | null, expiresAt: Number(answers[1]) };
    const after = answers.at(-1) as Uint8Array | null;
    const isAsLeft = async (): Promise<boolean> => same((await this.run([["DUMP", key]], db))[0] as Uint8Array | null, after);
    return async () => {
      await this.transaction(was.dump ? [restored(was, "REPLACE")] : [["DEL", key]], { key, check: isAsLeft }, db);
      return 0;
    };
  }

  /** The same for a part of a large key, of which only that part is read. */
  private async changePart(key: Uint8Array, commands: readonly Command[], watched: Watched | undefined, { reads, undoes }: Inverse): Promise<Undo> {
    const { db } = this;
    const answers = await this.transaction([...reads, ...commands, ...reads], watched, db);
    const [before, after] = [answers.slice(0, reads.length), answers.slice(reads.length + commands.length)];
    const isAsLeft = async (): Promise<boolean> => textOf(await this.run(reads, db)) === textOf(after);
    return async () => {
      await this.transaction(undoes(before, after), { key, check: isAsLeft }, db);
      return 0;
    };
  }

  /** Deletes keys; what is answered undoes it, if they are kept. `bytes` is how much was kept for that. */
  async remove(keys: readonly Uint8Array[], db: number, isKept: boolean): Promise<{ undo: Undo; bytes: number }> {
    const commands = keys.flatMap((key): Command[] => [...(isKept ? [["DUMP", key] as const, ["PEXPIRETIME", key] as const] : []), ["UNLINK", key]]);
    const answers = await this.transaction(commands, undefined, db);
    const were = isKept ? keys.map((key, index): Was => ({ key, dump: answers[index * 3] as Uint8Array | null, expiresAt: Number(answers[index * 3 + 1]) })) : [];
    const kept = were.filter(({ dump }) => dump !== null);
    const undo: Undo = async () => {
      const answers = await this.tryAll(kept.map((was) => restored(was)), db);
      return answers.filter((answer) => answer instanceof Error).length;
    };
    return { undo, bytes: kept.reduce((sum, { dump }) => sum + dump!.length, 0) };
  }
}

const CHANGED = "Somebody else has changed the key in between. Look at it, and try again.";

/** Commands, run in a database. */
export function selected(commands: readonly Command[], db: number): Command[] {
  return [["SELECT", db], ...commands];
}

/** The command that brings a key back. */
export function restored({ key, dump, expiresAt }: Was, ...words: string[]): Command {
  return expiresAt > 0 ? ["RESTORE", key, expiresAt, dump!, "ABSTTL", ...words] : ["RESTORE", key, 0, dump!, ...words];
}

/** Different for different answers. */
export function textOf(answers: unknown): string {
  return JSON.stringify(answers, (_, value: unknown) => (value instanceof Uint8Array ? shown(value) : value));
}

function same(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one && other ? equal(one, other) : one === other;
}

/** Throws the first error. */
export function checked<T extends readonly Answer[]>(answers: T): T {
  const error = answers.find((answer) => answer instanceof Error);
  if (error) throw error;
  return answers;
}
