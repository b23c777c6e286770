import type { ReplyReader } from "./boundary/reply.js";
import { utf8Length } from "./boundary/text.js";
import { type Command, find, flatten, plain } from "./commands.js";
import type { Engine } from "./engine.js";
import type { ReplyError } from "./errors.js";
import { report } from "./events.js";
import { beforeFrame } from "./frame.js";
import { POSTPONED } from "./held.js";
import type { LiveReply, LiveCommand } from "./live-types.js";
import { isSame } from "./same.js";
import type { Argument, Bytes, Input, Reply } from "./types.js";

const LIVE = plain("LODIS.LIVE");
/** A query that nobody listens to any more is kept for so long: components come back. */
const LINGER_MS = 1000;
/** What could not be run is tried again after so long. */
const RETRY_MS = 1000;
const PAUSED_MS = 50;
/** And what the user may not ask: every time is noted (`ACL LOG`). */
const DENIED_MS = 10_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** How `redis.live` calls back. */
export interface LiveOptions {
  /** Ends it, as the answered function does. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with the error that the command has answered in place of a reply; without it, that is reported as
   * an uncaught exception is. The query goes on: it may answer a reply once a key has changed.
   */
  readonly onError?: ((error: Error) => void) | undefined;
}

/** What live queries need of their host. */
export interface LiveHost {
  readonly engine: Engine;
  /** Whether what reads can be run here now: here is the data, or a copy. */
  readonly isHere: boolean;
  readonly isClosed: boolean;
  /** The number of the one that is selected. */
  readonly database: number;
  mustBeOpen(): void;
  /** Runs a request here. */
  run<T>(write: (engine: Engine) => void, read: (reader: ReplyReader) => T): T;
  /** Has the leader run it. */
  ask<T>(write: (engine: Engine) => void, read: (reader: ReplyReader) => T): Promise<T>;
}

/** What a query has come to; another object whenever that changes. */
interface State {
  readonly value: Reply | undefined;
  readonly error: Error | undefined;
}

const PENDING: State = { value: undefined, error: undefined };

/** What is asked for: by everybody who asks for the same together. */
interface Question {
  readonly db: number;
  readonly words: readonly Argument[];
  readonly binary: boolean;
  readonly key: string;
}

/** A question that is kept up to date. */
class Query {
  readonly listeners = new Set<() => void>();
  state: State;
  /** When a key that it read ceases to exist: Unix milliseconds. */
  due = Infinity;
  /** Where the keys are known that it has read. */
  at: "here" | "leader" | undefined;
  /** Whether it is to be run, and is not being run. */
  isStale = false;
  isAsked = false;
  isOver = false;
  idleSince = 0;

  constructor(
    readonly question: Question,
    readonly number: number,
    before: Query | undefined,
  ) {
    this.state = before?.state ?? PENDING;
  }

  /** Takes a result; answers whether anything has changed. */
  settle(value: Reply | undefined, error: Error | undefined): boolean {
    const { state } = this;
    const isKnown = state !== PENDING && state.error?.message === error?.message;
    if (isKnown && (error !== undefined || isSame(state.value, value))) return false;
    this.state = { value: error ? state.value : value, error };
    return true;
  }
}

/**
 * The live queries of one instance.
 *
 * The engine that runs a query remembers which keys it has read (src/engine/live.rs), and tells once one
 * of them has changed; before the next frame all such queries are run again, together. It is the engine of
 * this context where that has the data or a copy, and else the leader's.
 */
export class Live {
  private readonly queries = new Map<string, Query>();
  private readonly numbered = new Map<number, Query>();
  private nextNumber = 1;
  private isPlanned = false;
  private isAsking = false;
  private idleTimer: Timer | undefined;
  private dueTimer: Timer | undefined;
  private dueAt = Infinity;

  constructor(private readonly host: LiveHost) {}

  /** How many queries are kept up to date. */
  get size(): number {
    return this.numbered.size;
  }

  /** Whether nothing is to be run. */
  get isSettled(): boolean {
    return !this.isPlanned && [...this.numbered.values()].every((query) => !query.isStale && !query.isAsked);
  }

  /** Queries with these numbers are to be run again, as the engine that has run them tells. */
  changed(numbers: readonly number[]): void {
    for (const number of numbers) this.spoil(this.numbered.get(number));
  }

  /** Sessions, or where queries are run, are not what they were. */
  renew(): void {
    const queries = [...this.numbered.values()];
    if (queries.some((query) => query.at === "here")) this.forgetHere((engine) => engine.writeFlat(LIVE, ["OFF"]));
    for (const query of queries) {
      if (query.at === "here") query.at = undefined;
      this.spoil(query);
    }
  }

  close(): void {
    for (const timer of [this.idleTimer, this.dueTimer]) clearTimeout(timer);
    for (const query of this.numbered.values()) {
      query.isOver = true;
      query.listeners.clear();
    }
    this.queries.clear();
    this.numbered.clear();
  }

  /** A command whose reply can be asked for. */
  query<T>(words: readonly Input[], binary: boolean): LiveQuery<T> {
    return new LiveQuery<T>(this, questionOf(words, binary, this.host.database));
  }

  /** Calls back with what a command answers, now and whenever that changes. */
  watch(
    words: readonly Input[],
    binary: boolean,
    callback: (value: Reply) => void,
    options: LiveOptions = {},
  ): () => void {
    if (typeof callback !== "function") throw new TypeError("live: the callback is a function");
    const { signal, onError = report } = options;
    if (typeof onError !== "function") throw new TypeError("live: onError is a function");
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError("live: signal is an AbortSignal");
    }
    const query = this.query<Reply>(words, binary);
    this.host.mustBeOpen();
    if (signal?.aborted) return () => {};
    let told: State = PENDING;
    const tell = (): void => {
      const { state } = query;
      if (state === told || isStopped) return;
      told = state;
      if (state.error) onError(state.error);
      else callback(state.value as Reply);
    };
    let isStopped = false;
    const unsubscribe = query.subscribe(tell);
    const stop = (): void => {
      isStopped = true;
      signal?.removeEventListener("abort", stop);
      unsubscribe();
    };
    signal?.addEventListener("abort", stop, { once: true });
    queueMicrotask(() => guarded(tell));
    return stop;
  }

  /** @internal The query for a question, which goes on where `before` has ended. */
  queryFor(question: Question, before: Query | undefined): Query {
    const known = this.queries.get(question.key) ?? new Query(question, this.nextNumber++, before);
    if (!this.host.isClosed && !this.queries.has(question.key)) {
      this.queries.set(question.key, known);
      this.numbered.set(known.number, known);
      known.isStale = true;
      this.idle(known);
      this.begin(known);
    }
    return known;
  }

  /** @internal Adds a listener. */
  join(query: Query, listener: () => void): void {
    query.listeners.add(listener);
    // It may have waited for somebody to listen.
    if (query.isStale && query.listeners.size === 1) this.begin(query);
  }

  /** @internal Takes a listener away. */
  part(query: Query, listener: () => void): void {
    if (query.listeners.delete(listener) && query.listeners.size === 0) this.idle(query);
  }

  /** Runs a query that nobody has seen yet at once, if that is possible. */
  private begin(query: Query): void {
    if (this.host.isHere) {
      try {
        this.host.mustBeOpen();
      } catch {
        // Inside of a unit it would see what may never have been.
        return this.plan();
      }
      this.runHere([query]);
    } else if (!this.isAsking) {
      this.isAsking = true;
      queueMicrotask(() => {
        this.isAsking = false;
        this.flush();
      });
    }
  }

  /** A query has to be run again: not for nobody. */
  private spoil(query: Query | undefined): void {
    if (!query || query.isOver) return;
    query.isStale = true;
    if (query.listeners.size === 0) return this.release([query]);
    this.plan();
  }

  private plan(): void {
    if (this.isPlanned) return;
    this.isPlanned = true;
    beforeFrame(() => {
      this.isPlanned = false;
      this.flush();
    });
  }

  /** Runs what is to be run. */
  private flush(): void {
    const { host } = this;
    if (host.isClosed) return;
    const stale = [...this.numbered.values()].filter((query) => query.isStale && !query.isAsked);
    if (stale.length === 0) return;
    const told = host.isHere ? this.runHere(stale) : void this.ask(stale);
    if (told) tell(told);
  }

  /** Runs queries here; answers those that have changed. */
  private runHere(queries: readonly Query[]): Query[] {
    this.leave(queries, "leader");
    const results = this.host.run(writer(queries), (reader) => queries.map((query) => reader.next(query.question.binary)));
    return this.take(queries, results, "here");
  }

  /** Has the leader run queries. */
  private async ask(queries: readonly Query[]): Promise<void> {
    const { host } = this;
    this.leave(queries, "here");
    for (const query of queries) [query.isStale, query.isAsked] = [false, true];
    const read = (reader: ReplyReader): Reply[] => queries.map((query) => reader.next(query.question.binary));
    const results = await host.ask(writer(queries), read).catch(() => undefined);
    for (const query of queries) query.isAsked = false;
    if (host.isClosed) return;
    if (results) tell(this.take(queries, results, "leader"));
    else this.retry(queries, RETRY_MS);
    // What has changed while it was asked for.
    if (queries.some((query) => query.isStale && !query.isOver)) this.plan();
  }

  /** Takes what queries have come to; answers those that have changed. */
  private take(queries: readonly Query[], results: readonly Reply[], at: "here" | "leader"): Query[] {
    return queries.filter((query, index) => {
      const result = results[index]!;
      query.at = at;
      if (query.isOver) {
        this.leave([query], at);
        return false;
      }
      if (at === "here") query.isStale = false;
      if (!Array.isArray(result)) {
        query.at = undefined;
        // It could not be remembered, so nobody would tell.
        const { code } = result as ReplyError;
        this.retry([query], code === "NOPERM" || code === "NOAUTH" ? DENIED_MS : RETRY_MS);
        return query.settle(undefined, result as ReplyError);
      }
      const [due, reply] = result as [number | null, Reply];
      query.due = due ?? Infinity;
      this.expect(query.due);
      if (!(reply instanceof Error)) return query.settle(reply, undefined);
      if (reply.message !== POSTPONED.message) return query.settle(undefined, reply);
      this.retry([query], PAUSED_MS);
      return false;
    });
  }

  private retry(queries: readonly Query[], delay: number): void {
    const again = (): void => queries.forEach((query) => this.spoil(query));
    started(again, delay);
  }

  /** Sees to it that queries are run again once a key has ceased to exist: a copy is not told in time. */
  private expect(due: number): void {
    if (due >= this.dueAt) return;
    clearTimeout(this.dueTimer);
    this.dueAt = due;
    this.dueTimer = started(() => {
      this.dueAt = Infinity;
      const now = Date.now();
      let next = Infinity;
      for (const query of [...this.numbered.values()]) {
        if (query.due > now) next = Math.min(next, query.due);
        else {
          query.due = Infinity;
          this.spoil(query);
        }
      }
      this.expect(next);
    }, due - Date.now());
  }

  /** Nobody listens to a query: unless somebody does soon, it is over. */
  private idle(query: Query): void {
    query.idleSince = Date.now();
    this.idleTimer ??= started(() => this.sweep(), LINGER_MS);
  }

  private sweep(): void {
    this.idleTimer = undefined;
    const since = Date.now() - LINGER_MS;
    const idle = [...this.numbered.values()].filter((query) => query.listeners.size === 0);
    const over = idle.filter((query) => query.idleSince <= since);
    if (over.length < idle.length) this.idleTimer = started(() => this.sweep(), LINGER_MS);
    this.release(over);
  }

  /** Ends queries. */
  private release(queries: readonly Query[]): void {
    for (const query of queries) {
      query.isOver = true;
      this.queries.delete(query.question.key);
      this.numbered.delete(query.number);
    }
    for (const at of ["here", "leader"] as const) this.leave(queries, at);
  }

  /** Has the keys forgotten that queries have read in one place. */
  private leave(queries: readonly Query[], at: "here" | "leader"): void {
    const left = queries.filter((query) => query.at === at);
    if (left.length === 0 || this.host.isClosed) return;
    for (const query of left) query.at = undefined;
    const write = (engine: Engine): void => {
      if (this.numbered.size === 0) return engine.writeFlat(LIVE, ["OFF"]);
      for (const { number, question } of left) engine.writeFlat(LIVE, ["OFF", number, ...question.words]);
    };
    if (at === "here") this.forgetHere(write);
    else this.host.ask(write, () => {}).catch(() => {});
  }

  private forgetHere(write: (engine: Engine) => void): void {
    this.host.run(write, () => {});
  }
}

/** A command whose reply is kept up to date while somebody listens. Made by `redis.live`. */
export class LiveQuery<T> implements Disposable {
  /** The same for queries that ask for the same. */
  readonly key: string;
  private query: Query | undefined;
  private readonly stops = new Set<() => void>();

  /** @internal */
  constructor(
    private readonly live: Live,
    private readonly question: Question,
  ) {
    this.key = question.key;
  }

  /**
   * Calls `listener`, without arguments, whenever the snapshot or the error is another one; answers its
   * removal. All queries that a frame changes are up to date before the first listener is called.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    if (typeof listener !== "function") throw new TypeError("live: the listener is a function");
    const query = this.current();
    // The same function may listen twice.
    const entry = (): void => listener();
    this.live.join(query, entry);
    const stop = (): void => {
      this.stops.delete(stop);
      this.live.part(query, entry);
    };
    this.stops.add(stop);
    return stop;
  };

  /**
   * The reply; the same object for as long as it says the same, and not to be changed: others are shown it
   * too. `undefined` until there is one: where the data or a copy is in this context, there always is.
   */
  readonly getSnapshot = (): T | undefined => this.state.value as T | undefined;

  /** The error that the command has answered in place of a reply; the snapshot is then what was before. */
  get error(): Error | undefined {
    return this.state.error;
  }

  /** @internal */
  get state(): State {
    return this.current().state;
  }

  /** Removes all listeners that this object was given. */
  [Symbol.dispose](): void {
    for (const stop of [...this.stops]) stop();
  }

  private current(): Query {
    if (!this.query || this.query.isOver) this.query = this.live.queryFor(this.question, this.query);
    return this.query;
  }
}

/** `redis.live` of a surface. */
export interface LiveMethod<Surface extends "text" | "bytes"> {
  /**
   * Calls `callback` with what a command that only reads answers: once at first, and then whenever that has
   * changed, at most once a frame. Answers the function that ends it.
   *
   * The command is run again only if a key that it has read was changed, by whichever tab. Its reply, if it
   * is an object, is not to be changed: it is shown to others too.
   *
   * @throws TypeError if the command may write, ClosedError.
   */
  <const C extends LiveCommand>(
    command: C,
    callback: (reply: Shown<Surface, LiveReply<C>>) => void,
    options?: LiveOptions,
  ): () => void;
  /** The same to be subscribed to: `subscribe` and `getSnapshot`, as frameworks want it. */
  <const C extends LiveCommand>(command: C): LiveQuery<Shown<Surface, LiveReply<C>>>;
}

type Shown<Surface, T> = Surface extends "bytes" ? Bytes<T> : T;

/** Makes `redis.live` of a surface. */
export function liveMethod<Surface extends "text" | "bytes">(live: Live, binary: boolean): LiveMethod<Surface> {
  const method: unknown = (words: readonly Input[], callback?: (reply: Reply) => void, options?: LiveOptions) =>
    callback === undefined ? live.query(words, binary) : live.watch(words, binary, callback, options);
  // Comparing the two would take the compiler through every command.
  return method as LiveMethod<Surface>;
}

function questionOf(words: readonly Input[], binary: boolean, db: number): Question {
  if (!Array.isArray(words)) throw new TypeError("live: the command is an array of its words");
  const [name, ...inputs] = words as readonly Input[];
  const [command, rest] = found(name, inputs);
  const args = flatten(command, rest).map((word, index) => {
    if (word instanceof Uint8Array) return word.slice();
    if (/^(string|number|bigint)$/.test(typeof word) && utf8Length(String(word)) >= 0) return String(word);
    throw new TypeError(`live: argument ${index + 1} is ${String(word)}, which no command takes`);
  });
  const flat = [...command.name.split(" "), ...args];
  return { db, words: flat, binary, key: [binary ? "bytes" : "text", db, ...flat.map(tagged)].join("") };
}

/** The command, which must be one that only reads, and what follows its name. */
function found(name: Input, inputs: readonly Input[]): [Command, readonly Input[]] {
  const command = find(name, inputs[0]);
  // One that is not in the table may be so by another name, of which the engine knows.
  if (command.readOnly || command.index < 0 || command.name === "eval_ro") return [command, inputs];
  const subcommand = find(`${command.name} ${String(inputs[0])}`, undefined);
  if (subcommand.readOnly) return [subcommand, inputs.slice(1)];
  throw new TypeError(`live: ${command.name.toUpperCase()} does not only read`);
}

function tagged(word: Argument): string {
  const isText = !(word instanceof Uint8Array);
  const text = isText ? String(word) : Array.from(word, (byte) => String.fromCharCode(byte)).join("");
  return `${isText ? ":" : "="}${text.length}:${text}`;
}

function writer(queries: readonly Query[]): (engine: Engine) => void {
  return (engine) => {
    for (const { number, question } of queries) {
      engine.writeFlat(LIVE, ["ON", number, question.db, ...question.words]);
    }
  };
}

function tell(queries: readonly Query[]): void {
  for (const query of queries) {
    for (const listener of [...query.listeners]) {
      if (query.listeners.has(listener)) guarded(listener);
    }
  }
}

function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    report(error);
  }
}

type Timer = ReturnType<typeof setTimeout>;

/** A timer that does not keep a process alive. */
function started(callback: () => void, delay: number): Timer {
  const timer = setTimeout(callback, Math.min(Math.max(delay, 1), TIMER_MAX_MS));
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
