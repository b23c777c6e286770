import { type HeldLock, lock } from "./lock.js";
import {
  backoffOf, type BackoffOptions, Bell, callable, type Call, keyOf, orInfinity, type RedisLike, sleep, text, transact,
  whole,
} from "./shared.js";

/** How changes are kept until they are written. */
export interface WriteBehindOptions {
  /** What the names of its keys begin with: `behind`. */
  readonly prefix?: string;
}

/** What has to be done where the values belong. */
export interface Change<T> {
  /**
   * Of each change, another one, and of what comes later, a higher one (compare the two numbers around the
   * dash). What was written, and not noted, is written again: under the same one, or with later changes of that
   * key under theirs.
   */
  readonly id: string;
  /** What was set or deleted. */
  readonly key: string;
  /** Undefined if it is to be deleted. */
  readonly value: T | undefined;
}

/** A change that was put aside. */
export interface DeadChange<T> extends Change<T> {
  /** The message of what writing it has thrown last. */
  readonly error: string;
}

/** What the one who writes is told. */
export interface FlushContext {
  /** Higher for every tab that has come to write: what is written to should refuse lower ones. */
  readonly token: number;
  /** Aborted when another tab may have come to write. */
  readonly signal: AbortSignal;
}

/** Writes changes where the values belong, in their order. */
export type Write<T> = (changes: readonly Change<T>[], context: FlushContext) => Promise<unknown> | unknown;

/** How changes are written. */
export interface FlushOptions {
  /** How many changes are written at a time, at most: 100. */
  readonly batch?: number;
  /** Whether, of several changes of a key that are written together, the last one will do: true. */
  readonly coalesce?: boolean;
  /** How long it is waited after a failure. */
  readonly backoff?: BackoffOptions;
  /** After so many failures, changes are tried one by one, and those that fail are put aside: Infinity. */
  readonly maxAttempts?: number;
  /** Another tab writes when the one that did was not heard of for so long, in milliseconds: 10,000. */
  readonly ttlMs?: number;
  /** Stops it, as `stop()` does. */
  readonly signal?: AbortSignal;
  /** Told what went wrong. */
  readonly onError?: (error: unknown) => void;
}

/** It is looked for changes, at least, after so long: usually it is told of them. */
const POLL_MS = 5000;
/** It is tried again after so long, when the store could not be asked. */
const FAULT_MS = 1000;

/**
 * Keeps values here first, and writes them where they belong later: in their order, at least once, by one of
 * all tabs. What is to be written is in the store, and outlives the tab.
 *
 * @throws TypeError for a bad name or option.
 */
export function writeBehind<T>(redis: RedisLike, name: string, options: WriteBehindOptions = {}): WriteBehind<T> {
  return new WriteBehind(redis, text("writeBehind: the name", name), options);
}

/** See {@link writeBehind}. */
export class WriteBehind<T> {
  /** @internal */
  readonly base: string;
  /** @internal */
  readonly outbox: string;
  private readonly bell: Bell;

  /** @internal */
  constructor(
    /** The instance that has it. */
    readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: WriteBehindOptions,
  ) {
    this.base = keyOf(text("writeBehind: prefix", options.prefix, "behind"), `{${name}}`);
    this.outbox = keyOf(this.base, "outbox");
    this.bell = new Bell(redis, keyOf(this.base, "flushed"));
  }

  /** Keeps a value, as JSON, which is there at once, and has it written; answers the change's id. */
  async set(key: string, value: T): Promise<string> {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError("writeBehind: a value is something in JSON");
    return this.change(["SET", this.valueKey(key), json], "key", key, "value", json);
  }

  /** Deletes a value, here and then where it belongs; answers the change's id. */
  async delete(key: string): Promise<string> {
    return this.change(["DEL", this.valueKey(key)], "key", key);
  }

  /** The value that was set last, written or not; undefined if there is none here. */
  async get(key: string): Promise<T | undefined> {
    const json = await this.redis.call("GET", this.valueKey(key));
    return typeof json === "string" ? (JSON.parse(json) as T) : undefined;
  }

  /** How many changes are to be written. */
  async pending(): Promise<number> {
    return Number(await this.redis.call("XLEN", this.outbox));
  }

  /** Waits until all changes of before are written, or put aside. */
  async flushed(signal?: AbortSignal): Promise<void> {
    const last = (await this.redis.call("XREVRANGE", this.outbox, "+", "-", "COUNT", 1)) as [string][];
    if (last.length === 0) return;
    const deafen = await this.bell.listen();
    try {
      for (;;) {
        const { heard } = this.bell;
        const left = (await this.redis.call("XRANGE", this.outbox, "-", last[0]![0], "COUNT", 1)) as unknown[];
        if (left.length === 0) return;
        await this.bell.ring(heard, POLL_MS, signal);
      }
    } finally {
      await deafen();
    }
  }

  /** The changes that were put aside, the oldest first, with why. */
  async dead(): Promise<DeadChange<T>[]> {
    const entries = (await this.redis.call("XRANGE", keyOf(this.base, "dead"), "-", "+")) as Entry[];
    return entries.map(([, fields]) => {
      const { id, error } = record(fields);
      return { ...changeOf<T>([id!, fields]), error: error! };
    });
  }

  /**
   * Has changes written by `write`, if no other tab does; if one does, when that is gone. Until `stop()` of what
   * is answered.
   */
  flush(write: Write<T>, options: FlushOptions = {}): Flusher<T> {
    return new Flusher(this, callable("writeBehind: write", write), options);
  }

  private valueKey(key: string): string {
    return keyOf(this.base, "value", text("writeBehind: the key", key));
  }

  private async change(apply: Call, ...fields: string[]): Promise<string> {
    const [, id] = await transact(this.redis, [apply, ["XADD", this.outbox, "*", ...fields]]);
    return id as string;
  }
}

/** Writes changes where they belong, until it is stopped. `await using` stops it. */
export class Flusher<T> implements AsyncDisposable {
  private readonly batch: number;
  private readonly coalesce: boolean;
  private readonly maxAttempts: number;
  private readonly ttlMs: number;
  private readonly waitAfter: (failures: number) => number;
  private readonly onError: (error: unknown) => void;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private failures = 0;
  /** How many changes are tried one by one. */
  private single = 0;

  /** @internal */
  constructor(
    private readonly behind: WriteBehind<T>,
    private readonly write: Write<T>,
    options: FlushOptions,
  ) {
    this.batch = whole("writeBehind: batch", options.batch, 100, 1, 100_000);
    this.coalesce = options.coalesce ?? true;
    this.maxAttempts = orInfinity("writeBehind: maxAttempts", options.maxAttempts, Infinity);
    this.ttlMs = whole("writeBehind: ttlMs", options.ttlMs, 10_000, 10);
    this.waitAfter = backoffOf("writeBehind: backoff", options.backoff);
    this.onError = callable("writeBehind: onError", options.onError ?? (() => {}));
    const { signal } = options;
    const stop = (): void => this.stopping.abort();
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    this.running = this.run().finally(() => signal?.removeEventListener("abort", stop));
  }

  /** Writes no more changes, and resolves when what is being written is; another tab may go on. */
  stop(): Promise<void> {
    this.stopping.abort();
    return this.running;
  }

  /** The same as {@link stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private async run(): Promise<void> {
    const { redis, name, base } = this.behind;
    const { signal } = this.stopping;
    const one = lock(redis, name, { prefix: keyOf(base, "flusher"), ttlMs: this.ttlMs });
    while (!signal.aborted) {
      try {
        await one.use((held) => this.flushAll(held), { signal });
      } catch (error) {
        if (signal.aborted) break;
        this.onError(error);
        if ((error as { code?: unknown } | null)?.code === "CLOSED") break;
        await sleep(FAULT_MS, signal).catch(() => {});
      }
    }
  }

  /** Writes until it is stopped, or another tab may. */
  private async flushAll(held: HeldLock): Promise<void> {
    const { redis, outbox } = this.behind;
    const { signal } = this.stopping;
    const over = AbortSignal.any([signal, held.signal]);
    while (!signal.aborted) {
      held.mustBeHeld();
      const count = this.single > 0 ? 1 : this.batch;
      const entries = (await redis.call("XRANGE", outbox, "-", "+", "COUNT", count)) as Entry[];
      if (entries.length > 0) {
        await this.flushSome(entries, held, over);
      } else {
        // Everything that is written is deleted: whatever comes, comes after the beginning.
        await redis.call("XREAD", "COUNT", 1, "BLOCK", POLL_MS, "STREAMS", outbox, "0", { signal: over });
      }
    }
  }

  private async flushSome(entries: readonly Entry[], held: HeldLock, over: AbortSignal): Promise<void> {
    const { token, signal } = held;
    try {
      await this.write(this.changesOf(entries), { token, signal });
    } catch (error) {
      this.onError(error);
      held.mustBeHeld();
      this.failures++;
      if (this.failures < this.maxAttempts) return sleep(this.waitAfter(this.failures), over);
      // One of them may be what is wrong: each gets a last try by itself.
      if (entries.length > 1) return void ([this.single, this.failures] = [entries.length, this.maxAttempts - 1]);
      await this.putAside(entries[0]!, error);
      return this.next();
    }
    await this.forget(entries);
    this.next();
  }

  /** After success, or what comes to the same. */
  private next(): void {
    this.single = Math.max(0, this.single - 1);
    this.failures = this.single > 0 ? this.maxAttempts - 1 : 0;
  }

  private async forget(entries: readonly Entry[], ...before: Call[]): Promise<void> {
    const { redis, outbox, base } = this.behind;
    const ids = entries.map(([id]) => id);
    await transact(redis, [...before, ["XDEL", outbox, ...ids], ["PUBLISH", keyOf(base, "flushed"), ""]]);
  }

  private putAside([id, fields]: Entry, error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    const dead = keyOf(this.behind.base, "dead");
    return this.forget([[id, fields]], ["XADD", dead, "*", "id", id, "error", message, ...fields]);
  }

  private changesOf(entries: readonly Entry[]): Change<T>[] {
    const changes = entries.map((entry) => changeOf<T>(entry));
    if (!this.coalesce) return changes;
    const last = new Map(changes.map((change) => [change.key, change]));
    return changes.filter((change) => last.get(change.key) === change);
  }
}

type Entry = readonly [id: string, fields: readonly string[]];

function record(fields: readonly string[]): Record<string, string | undefined> {
  const all: Record<string, string> = {};
  for (let index = 0; index + 1 < fields.length; index += 2) all[fields[index]!] = fields[index + 1]!;
  return all;
}

function changeOf<T>([id, fields]: Entry): Change<T> {
  const { key, value } = record(fields);
  return { id, key: key!, value: value === undefined ? undefined : (JSON.parse(value) as T) };
}
