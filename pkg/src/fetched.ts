// `atomic` in a tab without a copy: what the callback looks at is fetched into an engine of its own. Where it comes to a
// key that is not there it ends, and is run again once all that it has looked at is there, as it was at one moment.
// It has types alone from other modules, lest bundlers take those apart for its sake.
import type { Runner } from "./batch.js";
import type { Command } from "./commands.js";
import type { Engine } from "./engine.js";
import type { Argument, Input, Reply } from "./types.js";
import type { Unit } from "./units.js";

/** What is needed of a host, whose keys are elsewhere. */
export interface FetchingHost {
  /** Asks for them. */
  readonly runner: Runner;
  /** The database that the host's session has selected. */
  database(): number;
  /** An engine without keys. */
  empty(): Engine;
}

/** A callback that looks at other keys every time is not run for ever. */
const ROUNDS = 512;
/** A key that nobody has: what is written to it has a trial tell what it has looked at, though nothing is written else. */
const MARK = `lodis:atomic:${Math.random()}`;
const NOTHING = new Uint8Array();
const LATIN1 = new TextDecoder("latin1");

/** Runs a callback as a trial; answers what it has answered, and what the leader is to run. */
export type Attempt = <T>(body: (unit: Unit) => T, place: Fetched) => [T, Uint8Array];

/** The keys that a callback looks at, as they were at one moment. */
export class Fetched {
  readonly engine: Engine;
  readonly session: number;
  /** Database and key of each, each byte a character. */
  private readonly looks = new Map<string, readonly [db: string, key: Uint8Array]>();
  /** How many of them are here. */
  private loaded = 0;

  constructor(
    private readonly host: FetchingHost,
    /** A command of one word. */
    private readonly command: (name: string) => Command,
    private readonly flatten: (command: Command, inputs: ArrayLike<Input>) => Argument[],
  ) {
    this.engine = host.empty();
    this.session = this.engine.connect(() => {});
  }

  /**
   * Tries a callback; "all" if it has looked at all keys, or does not come to an end, undefined once `isOver` says
   * that somebody else has to run it.
   */
  async try<T>(body: (unit: Unit) => T, attempt: Attempt, isOver: () => boolean): Promise<[T, Uint8Array] | "all" | undefined> {
    const mark = (): void => this.run("SET", MARK, "1");
    for (let round = 0; round < ROUNDS; round++) {
      await this.load();
      if (isOver()) return undefined;
      const [, nothing] = attempt(mark, this);
      let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
      const [, seen] = attempt((unit) => {
        try {
          outcome = { value: body(unit) };
        } catch (error) {
          outcome = { error };
        }
        mark();
      }, this);
      const lacks = this.lacks(seen);
      if (lacks === "all") return lacks;
      if (lacks) continue;
      if (outcome && "error" in outcome) throw outcome.error;
      // Of nothing but the mark, nobody need be told.
      if (outcome && same(wordsOf(seen)[2]!, wordsOf(nothing)[2]!)) return [outcome.value, NOTHING];
      const [value, frame] = attempt(body, this);
      if (frame.length > 0 && !this.lacks(frame)) return [value, frame];
    }
    return "all";
  }

  /**
   * Before a command of the callback.
   *
   * @throws Error if it looks at a key that is not here: what it would do with nothing may have no end.
   */
  before(command: Command, inputs: ArrayLike<Input>): void {
    const words = [...command.name.split(" "), ...this.flatten(command, inputs)];
    this.engine.write(this.command("COMMAND"), ["GETKEYS", ...words], true);
    const keys = this.engine.runOne(this.session, true);
    // What has no keys, or is wrong, is an error.
    if (!Array.isArray(keys)) return;
    for (const key of keys) this.note(String(this.host.database()), key as Uint8Array);
    if (this.looks.size > this.loaded) throw new Error("what the callback of atomic() looks at is on its way");
  }

  close(): void {
    this.engine.close();
  }

  private note(db: string, key: Uint8Array): void {
    const name = `${db}:${LATIN1.decode(key)}`;
    if (!this.looks.has(name) && !name.endsWith(MARK)) this.looks.set(name, [db, key]);
  }

  /** Whether a trial has looked at what is not there, and will be; "all" if it has looked at all keys. */
  private lacks(frame: Uint8Array): boolean | "all" {
    for (const look of wordsOf(frame).slice(3)) {
      const [, db, kind] = /^(\d+)(.)/s.exec(LATIN1.decode(look))!;
      if (kind !== ":") return "all";
      this.note(db!, look.slice(db!.length + 1));
    }
    return this.looks.size > this.loaded;
  }

  /** Has what is known to be looked at here, as it is now. */
  private async load(): Promise<void> {
    const looks = [...this.looks.values()];
    const replies = looks.length === 0 ? [] : await this.fetch(looks);
    const { host } = this;
    this.loaded = looks.length;
    this.run("FLUSHALL");
    for (const [index, [db, key]] of looks.entries()) {
      const [, dump, expires] = replies.slice(index * 3, index * 3 + 3).map(orThrow);
      if (dump === null) continue;
      this.run("SELECT", db);
      this.run("RESTORE", key, Math.max(Number(expires), 0), dump as Uint8Array, "ABSTTL");
    }
    this.run("SELECT", host.database());
  }

  /** What the leader answers to three commands for each key: the last two tell of it. */
  private fetch(looks: readonly (readonly [string, Uint8Array])[]): Promise<Reply[]> {
    const { command } = this;
    const asked: [string, ...Argument[]][] = looks.flatMap(([db, key]) => [["SELECT", db], ["DUMP", key], ["PEXPIRETIME", key]]);
    const words: typeof asked = [["MULTI"], ...asked, ["EXEC"]];
    const commands = words.map(([name]) => command(name));
    const inputs = words.map(([, ...args]) => args);
    // In a session of its own: EXEC would end what the host's watches, and SELECT would stay.
    return this.host.runner.batch(
      (wire) => wire.writeMany(commands, inputs),
      (reader) => commands.map(() => orThrow(reader.next(true))).at(-1) as Reply[],
      false,
      true,
    );
  }

  private run(name: string, ...args: Argument[]): void {
    this.engine.write(this.command(name), args, true);
    orThrow(this.engine.runOne(this.session, true));
  }
}

function orThrow(reply: Reply): Reply {
  if (reply instanceof Error) throw reply;
  return reply;
}

/** The words of a request of one command. */
function wordsOf(frame: Uint8Array): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const words: Uint8Array[] = [];
  for (let at = 4; at < frame.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    words.push(frame.slice(at + 4, end));
    at = end;
  }
  return words;
}

const same = (one: Uint8Array, other: Uint8Array): boolean => one.length === other.length && one.every((byte, at) => byte === other[at]);
