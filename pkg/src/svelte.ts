import { getContext, setContext, untrack } from "svelte";
import { createSubscriber } from "svelte/reactivity";
import { isOpen, type Source } from "./bindings.js";
import { report } from "./events.js";
import type { LiveReply, LiveCommand } from "./live-types.js";
import type { LiveQuery } from "./live.js";
import type { Redis } from "./redis.js";

export type { LiveReply, Source, LiveCommand };

const KEY = Symbol("lodis");

/** Gives the components inside the one that is being set up an instance. The promise of one is awaited. */
export function provideLodis(redis: Source): void {
  setContext(KEY, redis);
}

/** What was given to the component that is being set up. */
export function useRedis(): Source {
  return getContext<Source>(KEY);
}

/** How {@link live} asks. */
export interface LiveStoreOptions<T> {
  /** The instance, in place of the one that was given to the component. Needed outside of components. */
  readonly redis?: Source;
  /** What stands for the reply until there is one: on the server, and while a leader is asked. */
  readonly initial?: T | undefined;
}

/**
 * What a command that only reads answers, kept up to date as long as somebody looks: a store, for `$user`, and
 * an object whose properties are as reactive as runes are, for `user.current`.
 */
export interface LiveStore<T> {
  /** Calls `run` with the reply, now and whenever it changes; answers what ends that. */
  subscribe(run: (value: T) => void): () => void;
  /** The last reply, or `initial`, or `undefined`. It is not to be changed. */
  readonly current: T;
  /** What the command has answered in place of a reply. */
  readonly error: Error | undefined;
}

/**
 * Follows a command: `const user = live(["HGETALL", "user:1"])`. In place of the command there may be a function
 * that answers it, or `null` for none; where `current` is read in a template or an effect, what the
 * function reads of runes makes it another command. Where the data or a copy of it is in this context, the reply is
 * there at once.
 *
 * @example
 * ```tsx
 * import { live } from "lodis/svelte";
 *
 * const user = live(["HGETALL", "user:1"]); // {$user?.name}, or {user.current?.name}
 * const name: string | undefined = user.current?.name;
 * ```
 */
export function live<const C extends LiveCommand>(
  command: C | (() => C),
  options: LiveStoreOptions<LiveReply<C>> & { readonly initial: LiveReply<C> },
): LiveStore<LiveReply<C>>;
export function live<const C extends LiveCommand>(
  command: C | (() => C | null),
  options?: LiveStoreOptions<LiveReply<C>>,
): LiveStore<LiveReply<C> | undefined>;
export function live(
  command: LiveCommand | (() => LiveCommand | null),
  options: LiveStoreOptions<unknown> = {},
): LiveStore<unknown> {
  const source = options.redis === undefined ? useRedis() : options.redis;
  const words = typeof command === "function" ? command : () => command;
  return new Followed(source, words, options.initial);
}

class Followed implements LiveStore<unknown> {
  private redis: Redis | undefined;
  private query: LiveQuery<unknown> | undefined;
  private readonly watch: () => void;
  /** Tells who reads `current` that it is another one. */
  private update: (() => void) | undefined;
  private stop: (() => void) | undefined;
  private readonly runs = new Set<() => void>();

  constructor(
    source: Source,
    private readonly words: () => LiveCommand | null,
    private readonly initial: unknown,
  ) {
    this.watch = createSubscriber((update) => {
      this.update = update;
      this.follow();
      return () => {
        this.update = undefined;
        this.follow();
      };
    });
    if (isOpen(source)) this.redis = source;
    else {
      source?.then((redis) => {
        this.redis = redis;
        this.tell();
      }, report);
    }
  }

  get current(): unknown {
    this.ask();
    this.watch();
    return this.value;
  }

  get error(): Error | undefined {
    this.ask();
    this.watch();
    return this.query?.error;
  }

  subscribe(run: (value: unknown) => void): () => void {
    untrack(() => this.ask());
    let told: unknown = this.value;
    const tell = (): void => {
      if (this.value === told) return;
      told = this.value;
      run(told);
    };
    this.runs.add(tell);
    this.follow();
    // What has been asked now may be there already.
    told = this.value;
    run(told);
    return () => {
      this.runs.delete(tell);
      this.follow();
    };
  }

  private get value(): unknown {
    const value = this.query?.getSnapshot();
    return value === undefined ? this.initial : value;
  }

  /** Asks what is to be asked now. */
  private ask(): void {
    const words = this.words();
    const query = words === null ? undefined : this.redis?.live(words);
    if (query?.key === this.query?.key) return;
    this.stop?.();
    this.stop = undefined;
    this.query = query;
    this.follow();
  }

  /** Sees to it that the query is followed as long as somebody looks. */
  private follow(): void {
    const isWatched = this.update !== undefined || this.runs.size > 0;
    if (isWatched) this.stop ??= this.query?.subscribe(() => this.tell());
    else {
      this.stop?.();
      this.stop = undefined;
    }
  }

  private tell(): void {
    untrack(() => this.ask());
    this.update?.();
    for (const run of [...this.runs]) run();
  }
}
