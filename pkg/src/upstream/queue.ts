// The queue of what upstream is to be told, which the engine keeps (src/engine/upstream.rs).
import { orThrow, ReplyError } from "../errors.js";
import type { Argument } from "../types.js";
import type { Entry, Value } from "./link.js";
import { textOf } from "./wire.js";

/** What is needed of an instance. */
export interface Instance {
  readonly bytes: { call(name: string, ...words: Argument[]): Promise<unknown> };
  readonly role: string;
  call(name: string, ...words: Argument[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<unknown>>;
}

/** How the queue is. */
export interface Status {
  readonly client: string;
  readonly pending: number;
  readonly bytes: number;
  readonly max: number;
  /** The number of the first entry that waits, if one does. */
  readonly first: string | undefined;
  /** The number of the last one there was. */
  readonly last: string;
  /** How often so much has changed here that all has to be compared. */
  readonly stale: number;
  /** How many writes there was no memory to queue for. */
  readonly lost: number;
}

const COMMAND = "LODIS.UPSTREAM";

/** The channel on which it is told that there is something in it. */
export const CHANNEL = "__lodis__:upstream";

export class Queue {
  constructor(
    private readonly redis: Instance,
    /** By which the engine knows who sends. */
    private readonly token: string,
  ) {}

  /** Has writes queued; answers as whom upstream knows them. */
  async attach(client: string, database: number, prefix: string, max: number): Promise<string> {
    return textOf((await this.run("ATTACH", client, database, prefix, max)) as Uint8Array);
  }

  /** Ends that, and forgets what waits; answers how much that was. */
  async detach(): Promise<number> {
    return Number(await this.run("DETACH"));
  }

  async status(): Promise<Status | undefined> {
    const told = (await this.run("STATUS")) as (Uint8Array | number | null)[] | null;
    if (told === null) return undefined;
    const [client, , , pending, bytes, max, first, last, stale, lost] = told;
    return {
      client: textOf(client),
      pending: Number(pending),
      bytes: Number(bytes),
      max: Number(max),
      first: first === null ? undefined : textOf(first),
      last: textOf(last),
      stale: Number(stale),
      lost: Number(lost),
    };
  }

  /** Whether this one may send, for so many milliseconds: also whether nobody else has since it last might. */
  async lease(ms: number): Promise<"no" | "new" | "renewed"> {
    const granted = await this.run("LEASE", this.token, ms);
    return granted === 2 ? "renewed" : granted === 1 ? "new" : "no";
  }

  async release(): Promise<void> {
    await this.run("RELEASE", this.token);
  }

  /** The first entries, about so many bytes. */
  async next(bytes: number): Promise<Entry[]> {
    const entries = (await this.run("NEXT", this.token, bytes)) as [Uint8Array, Uint8Array[][]][];
    return entries.map(([id, commands]) => ({ id: textOf(id), commands }));
  }

  /** Entries up to this one have been applied; answers how many wait. */
  async trim(id: string): Promise<number> {
    return Number(await this.run("TRIM", this.token, id));
  }

  /** Makes keys what they are upstream; answers for each whether that was done, or else why not. */
  async apply(keys: readonly Uint8Array[], values: readonly Value[]): Promise<(boolean | ReplyError)[]> {
    const words = keys.flatMap((key, index) => {
      const { payload, expiresAt } = values[index]!;
      return [key, payload, String(expiresAt)];
    });
    const told = (await this.run("APPLY", this.token, ...words)) as (number | ReplyError)[];
    return told.map((each) => (each instanceof ReplyError ? each : each === 1));
  }

  /** Tells all that listen to {@link CHANNEL}. */
  async tell(message: string): Promise<void> {
    await this.run("TELL", message);
  }

  /** Some of the keys with the prefix that are here, and where to go on, or "0". */
  async keys(cursor: string): Promise<[cursor: string, keys: Uint8Array[]]> {
    const [next, keys] = (await this.run("KEYS", this.token, cursor)) as [Uint8Array, Uint8Array[]];
    return [textOf(next), keys];
  }

  private async run(...words: Argument[]): Promise<unknown> {
    return orThrow(await this.redis.bytes.call(COMMAND, ...words));
  }
}
