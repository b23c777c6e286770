import {
  background, Bell, bytes, callable, json, keyOf, number, PatternError, randomId, type RedisLike, type Serializer, text,
  transact, whole,
} from "./shared.js";

export { bytes, json };
export type { Serializer };

/** How a cache loads and keeps values. */
export interface CacheOptions<T> {
  /** A value is fresh for so long, in milliseconds. */
  readonly ttlMs: number;
  /** And then is answered for so long while it is loaded anew, in milliseconds: 0. */
  readonly staleMs?: number;
  /** By up to this part its time is shortened, as chance has it, so that not all end at once: 0.1. */
  readonly jitter?: number;
  /** For so long it is known that there is no value, in milliseconds: 0, which asks again every time. */
  readonly negativeTtlMs?: number;
  /**
   * Values that are asked for often are loaded anew shortly before they are stale: by about so many times as
   * long as loading took. 0, which is never; 1 is usual.
   */
  readonly earlyRefresh?: number;
  /** A load that takes longer, in milliseconds, has failed: 30,000. So long others wait for a tab that died. */
  readonly loadMs?: number;
  /** How values are kept: {@link json}; `bytes` for a `Uint8Array`. */
  readonly serializer?: Serializer<T>;
  /** What the names of its keys begin with: `cache`. */
  readonly prefix?: string;
  /** Told what went wrong where nobody waited: in a load in the background, or in a value that is kept. */
  readonly onError?: (error: unknown, key: string) => void;
}

/** How long a value is kept. */
export interface EntryOptions {
  /** What the value is made of: `invalidateTags` with one of them makes it be loaded anew. */
  readonly tags?: readonly string[];
  /** In place of the cache's, in milliseconds. */
  readonly ttlMs?: number;
  /** In place of the cache's, in milliseconds. */
  readonly staleMs?: number;
}

/** How a value is read. */
export interface GetOptions extends EntryOptions {
  /** Ends the wait of this call; what is being loaded goes on for others. */
  readonly signal?: AbortSignal;
}

/** Answers a value, or undefined if there is none. `signal` is aborted when it takes too long. */
export type Load<T> = (key: string, context: { readonly signal: AbortSignal }) => Promise<T | undefined> | T | undefined;

/** Who may load a value, or write it, and until when. */
interface Turn {
  readonly owner: string;
  readonly endsAt: number;
}

/** What a value is kept with. */
interface Head {
  /** For so long it is answered when it is no longer fresh. */
  readonly s: number;
  /** How long loading took. */
  readonly d: number;
  /** There is no value. */
  readonly n?: 1;
  /** Its tags, and what they were. */
  readonly t?: Readonly<Record<string, string>>;
}

/** The digest of what is kept, and what its tags are. */
type Base = [digest: unknown, versions: Record<string, string>];

/** A load of this tab, or the wait for another's. */
interface Flight<T> {
  readonly tags: readonly string[];
  /** What the load has begun with. */
  base?: string;
  /** Undefined if nothing has come of it, since another tab is at it and nobody waits. */
  done: Promise<{ readonly value: T | undefined } | undefined>;
}

interface Found<T> {
  readonly value: T | undefined;
  /** For so long it is fresh, in milliseconds; negative if it no longer is. */
  readonly leftMs: number;
  readonly tookMs: number;
}

/**
 * Keeps values that are slow to come by (cache-aside): what is not there is loaded, by one of all tabs, while
 * the others wait for what that one finds.
 *
 * @throws TypeError for bad options.
 */
export function cache<T>(redis: RedisLike, options: CacheOptions<T>): Cache<T> {
  return new Cache(redis, options);
}

/** See {@link cache}. */
export class Cache<T> {
  private readonly ttlMs: number;
  private readonly staleMs: number;
  private readonly jitter: number;
  private readonly negativeTtlMs: number;
  private readonly earlyRefresh: number;
  private readonly loadMs: number;
  private readonly serializer: Serializer<T>;
  private readonly prefix: string;
  private readonly onError: (error: unknown, key: string) => void;
  private readonly bell: Bell;
  /** What this tab loads, or waits for. */
  private readonly flights = new Map<string, Flight<T>>();

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    options: CacheOptions<T>,
  ) {
    this.ttlMs = whole("cache: ttlMs", options.ttlMs);
    this.staleMs = whole("cache: staleMs", options.staleMs, 0, 0);
    this.jitter = number("cache: jitter", options.jitter, 0.1, 0, 1);
    this.negativeTtlMs = whole("cache: negativeTtlMs", options.negativeTtlMs, 0, 0);
    this.earlyRefresh = number("cache: earlyRefresh", options.earlyRefresh, 0);
    this.loadMs = whole("cache: loadMs", options.loadMs, 30_000);
    this.serializer = options.serializer ?? json();
    this.prefix = text("cache: prefix", options.prefix, "cache");
    this.onError = callable("cache: onError", options.onError ?? (() => {}));
    this.bell = new Bell(redis, keyOf(this.prefix, "loaded"));
  }

  /**
   * The value of `key`; `load` is called if there is none, unless somebody is loading it already, in any tab.
   * It rejects with what `load` throws, which is not kept.
   *
   * @throws PatternError `TIMEOUT` if loading takes longer than `loadMs`; the reason of `signal`.
   */
  async get(key: string, load: Load<T>, options: GetOptions = {}): Promise<T | undefined> {
    callable("cache: load", load);
    checkEntry(options);
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      const found = await this.find(key);
      if (found) {
        const early = found.tookMs * this.earlyRefresh * -Math.log(1 - Math.random());
        if (found.leftMs <= early) this.refresh(key, load, options, found);
        return found.value;
      }
      const other = this.flights.get(key);
      const flight = other ?? this.fly(key, load, options);
      const isCurrent = await this.isCurrent(key, flight);
      const done = await unlessAborted(isCurrent ? flight.done : flight.done.catch(() => {}), signal);
      // What another call has found, and not loaded, may have been forgotten before this one began.
      if (isCurrent && done && !(other && "leftMs" in done)) return done.value;
    }
  }

  /** The value of `key` if it is kept, fresh or not; nothing is loaded. */
  async peek(key: string): Promise<T | undefined> {
    return (await this.find(key))?.value;
  }

  /** Keeps a value; what is being loaded for `key` meanwhile is not kept. */
  async set(key: string, value: T, options: EntryOptions = {}): Promise<void> {
    checkEntry(options);
    const versions = await this.versions(options.tags ?? []);
    await this.redis.call("SET", this.valueKey(key), ...this.entry(value, options, 0, versions));
  }

  /** Forgets the values of these keys; what is being loaded for them meanwhile is not kept. */
  async invalidate(...keys: string[]): Promise<void> {
    if (keys.length === 0) return;
    // Something else each time, for as long as somebody may be loading what was true before.
    const grave = (): string => `\n${randomId(9)}`;
    await transact(this.redis, keys.map((key) => ["SET", this.valueKey(key), grave(), "PX", 2 * this.loadMs]));
  }

  /** Forgets all values with one of these tags, those that are being loaded as well. */
  async invalidateTags(...tags: string[]): Promise<void> {
    if (tags.length === 0) return;
    await transact(this.redis, tags.map((tag) => ["INCR", this.tagKey(tag)]));
  }

  /**
   * Writes through: calls `write`, which puts the value where it belongs, and keeps it then, while nobody else
   * loads or writes that key. If `write` throws, or takes longer than `loadMs`, or the tab dies, what was kept
   * is forgotten.
   *
   * @throws What `write` throws; PatternError `TIMEOUT`.
   */
  async writeThrough(
    key: string,
    value: T | undefined,
    write: (key: string, value: T | undefined, context: { readonly signal: AbortSignal }) => Promise<void> | void,
    options: GetOptions = {},
  ): Promise<void> {
    callable("cache: write", write);
    checkEntry(options);
    const turn = await this.turn(key, options.signal);
    try {
      await this.invalidate(key);
      const versions = await this.versions(options.tags ?? []);
      await this.within(turn, (signal) => write(key, value, { signal }));
      if (value !== undefined) await this.keep(key, turn, this.entry(value, options, 0, versions));
    } finally {
      await this.yield(key, turn);
    }
  }

  private valueKey(key: string): string {
    return keyOf(this.prefix, "value", text("cache: the key", key));
  }

  private turnKey(key: string): string {
    return keyOf(this.prefix, "turn", key);
  }

  private tagKey(tag: string): string {
    return keyOf(this.prefix, "tag", text("cache: a tag", tag));
  }

  private async find(key: string): Promise<Found<T> | undefined> {
    const { redis } = this;
    const at = this.valueKey(key);
    const [kept, ttl] = await Promise.all([redis.bytes.call("GET", at), redis.call("PTTL", at)]);
    if (!(kept instanceof Uint8Array) || Number(ttl) === 0) return undefined;
    const end = kept.indexOf(NEWLINE);
    if (end <= 0) return undefined;
    try {
      const head = JSON.parse(new TextDecoder().decode(kept.subarray(0, end))) as Head;
      const tags = Object.entries(head.t ?? {});
      const versions = await this.versions(tags.map(([tag]) => tag));
      if (tags.some(([tag, version]) => versions[tag] !== version)) return undefined;
      const value = head.n ? undefined : this.serializer.decode(kept.slice(end + 1));
      return { value, leftMs: Number(ttl) - head.s, tookMs: head.d };
    } catch (error) {
      // It is of another make, and is loaded anew.
      this.onError(error, key);
      return undefined;
    }
  }

  private async versions(tags: readonly string[]): Promise<Record<string, string>> {
    if (tags.length === 0) return {};
    const versions = (await this.redis.call("MGET", ...tags.map((tag) => this.tagKey(tag)))) as (string | null)[];
    return Object.fromEntries(tags.map((tag, index) => [tag, versions[index] ?? "0"]));
  }

  /** What SET is given for a value. */
  private entry(
    value: T | undefined,
    options: EntryOptions,
    tookMs: number,
    versions: Record<string, string>,
  ): [Uint8Array, "PX", number] {
    const isNone = value === undefined;
    const staleMs = isNone ? 0 : (options.staleMs ?? this.staleMs);
    const ttlMs = isNone ? this.negativeTtlMs : (options.ttlMs ?? this.ttlMs);
    const freshMs = Math.max(1, Math.round(ttlMs * (1 - this.jitter * Math.random())));
    const tags = Object.keys(versions).length > 0 ? { t: versions } : {};
    const head: Head = { s: staleMs, d: tookMs, ...(isNone ? { n: 1 as const } : {}), ...tags };
    const before = encoder.encode(`${JSON.stringify(head)}\n`);
    const body = isNone ? "" : this.serializer.encode(value);
    const after = typeof body === "string" ? encoder.encode(body) : body;
    const whole = new Uint8Array(before.length + after.length);
    whole.set(before);
    whole.set(after, before.length);
    return [whole, "PX", freshMs + staleMs];
  }

  /** Loads the value, or waits for who does. In this tab, it is done once at a time. */
  private fly(key: string, load: Load<T>, options: EntryOptions, old?: Found<T>): Flight<T> {
    const tags = options.tags ?? [];
    const flight: Flight<T> = { tags, done: Promise.resolve(undefined) };
    flight.done = this.reload(key, load, options, flight, old).finally(() => this.flights.delete(key));
    this.flights.set(key, flight);
    return flight;
  }

  /** Loads a value anew that is not waited for. */
  private refresh(key: string, load: Load<T>, options: EntryOptions, old: Found<T>): void {
    if (this.flights.has(key)) return;
    this.fly(key, load, options, old).done.catch((error: unknown) => this.onError(error, key));
  }

  /** Whether nothing that was forgotten meanwhile can come of it. */
  private async isCurrent(key: string, flight: Flight<T>): Promise<boolean> {
    if (flight.base === undefined) return true;
    return flight.base === textOf(await this.base(key, flight.tags));
  }

  /** What a load begins with. If it changes, what was loaded is out of date. */
  private base(key: string, tags: readonly string[]): Promise<Base> {
    return Promise.all([this.redis.call("DIGEST", this.valueKey(key)), this.versions(tags)]);
  }

  private async reload(
    key: string,
    load: Load<T>,
    options: EntryOptions,
    flight: Flight<T>,
    old?: Found<T>,
  ): Promise<{ readonly value: T | undefined } | undefined> {
    const found = old ? await this.take(key) : await this.awaited(key);
    if (!found || "value" in found) return found;
    try {
      // It may have been loaded just before.
      const again = await this.find(key);
      if (again && again.leftMs > Math.max(old?.leftMs ?? 0, 0)) return again;
      const base = await this.base(key, flight.tags);
      flight.base = textOf(base);
      const since = Date.now();
      const value = await this.within(found, (signal) => load(key, { signal }));
      await this.loaded(key, found, value, options, base, Math.max(0, Date.now() - since));
      return { value };
    } finally {
      await this.yield(key, found);
    }
  }

  /** Keeps what was loaded, unless something else has come there meanwhile. */
  private async loaded(
    key: string,
    turn: Turn,
    value: T | undefined,
    options: EntryOptions,
    [digest, versions]: Base,
    tookMs: number,
  ): Promise<void> {
    if (value !== undefined || this.negativeTtlMs > 0) {
      const condition = typeof digest === "string" ? ["IFDEQ", digest] : ["NX"];
      await this.keep(key, turn, [...this.entry(value, options, tookMs, versions), ...condition]);
    } else if (typeof digest === "string") {
      await this.redis.call("DELEX", this.valueKey(key), "IFDEQ", digest);
    }
  }

  /** A turn to load the value, or the value that somebody else has loaded. */
  private async awaited(key: string): Promise<Turn | Found<T>> {
    const first = await this.take(key);
    if (first) return first;
    const deafen = await this.bell.listen();
    try {
      for (;;) {
        const { heard } = this.bell;
        const turn = await this.take(key);
        if (turn) return turn;
        await this.next(key, heard);
        const found = await this.find(key);
        if (found) return found;
      }
    } finally {
      await deafen();
    }
  }

  /** Waits for its turn. */
  private async turn(key: string, signal?: AbortSignal): Promise<Turn> {
    signal?.throwIfAborted();
    const deafen = await this.bell.listen();
    try {
      for (;;) {
        const { heard } = this.bell;
        const turn = await this.take(key);
        if (turn) return turn;
        await this.next(key, heard, signal);
      }
    } finally {
      await deafen();
    }
  }

  private async take(key: string): Promise<Turn | undefined> {
    const owner = randomId(9);
    const endsAt = Date.now() + this.loadMs;
    const taken = await this.redis.call("SET", this.turnKey(key), owner, "NX", "PX", this.loadMs);
    return taken === "OK" ? { owner, endsAt } : undefined;
  }

  /** Waits until the turn of another may be over. */
  private async next(key: string, heard: number, signal?: AbortSignal): Promise<void> {
    const ttl = Number(await this.redis.call("PTTL", this.turnKey(key)));
    if (ttl !== GONE) await this.bell.ring(heard, Math.max(ttl, 0) + 1, signal, key);
  }

  private async yield(key: string, { owner }: Turn): Promise<void> {
    await transact(this.redis, [
      ["DELEX", this.turnKey(key), "IFEQ", owner],
      ["PUBLISH", keyOf(this.prefix, "loaded"), key],
    ]).catch((error: unknown) => this.onError(error, key)); // it ends by itself
  }

  /** Runs what has to be done within a turn. */
  private within<R>({ endsAt }: Turn, run: (signal: AbortSignal) => Promise<R> | R): Promise<R> {
    const late = new AbortController();
    return new Promise<R>((resolve, reject) => {
      const cancel = background(() => {
        const error = new PatternError("TIMEOUT", `it took longer than ${this.loadMs} ms`);
        late.abort(error);
        reject(error);
      }, Math.max(endsAt - Date.now(), 0));
      Promise.resolve(late.signal).then(run).then(resolve, reject).finally(cancel);
    });
  }

  /** Keeps what has come of a turn, unless that is over by now. */
  private async keep(key: string, { endsAt }: Turn, args: readonly (string | number | Uint8Array)[]): Promise<void> {
    if (Date.now() < endsAt) await this.redis.call("SET", this.valueKey(key), ...args);
  }
}

const textOf = (base: Base): string => JSON.stringify(base);
const encoder = new TextEncoder();
const NEWLINE = 10;
/** What PTTL answers of a key that is not there. */
const GONE = -2;

function checkEntry({ tags, ttlMs, staleMs }: EntryOptions): void {
  if (tags !== undefined && !Array.isArray(tags)) throw new TypeError("cache: tags is an array of strings");
  for (const tag of tags ?? []) text("cache: a tag", tag);
  if (ttlMs !== undefined) whole("cache: ttlMs", ttlMs);
  if (staleMs !== undefined) whole("cache: staleMs", staleMs, 0, 0);
}

/** The same promise, or the reason of a signal that is aborted before it has settled. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
    // Nobody else may be waiting for it.
    promise.catch(() => {});
  }
}
