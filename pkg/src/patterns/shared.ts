// What the patterns have in common: what they need of an instance, and how they wait.
import type { Argument } from "../types.js";

/** What may follow the name of a command. */
export type Word =
  | Argument
  | {
      /** Ends the wait of a command that waits, when it is aborted. */
      readonly signal?: AbortSignal | undefined;
    };

/** A command with its arguments. */
export type Call = readonly [name: string, ...args: Argument[]];

/** What is inside of `redis.atomic()`: commands that are answered at once. */
export interface TxLike {
  /** Runs a command, at once. */
  call(name: string, ...args: Argument[]): unknown;
}

/**
 * What the patterns need of an instance; a `Redis` is one. Any other client is one too, once it has
 * these methods, answers as in RESP3, and its server is of Redis 8.4 or later.
 */
export interface RedisLike {
  /** Any command, as on the wire; a last argument `{ signal }` ends the wait of one that waits. */
  call(name: string, ...args: Word[]): Promise<unknown>;
  /** The same with bytes for text. */
  readonly bytes: {
    /** As that of the instance. */
    call(name: string, ...args: Word[]): Promise<unknown>;
  };
  /** A transaction. */
  multi(): {
    /** Adds a command, which is run by `exec`. */
    call(name: string, ...args: Argument[]): unknown;
    /** Runs all of it; answers the replies, with errors as values, or null where a key under WATCH was touched. */
    exec(): Promise<unknown[] | null>;
  };
  /** Listens to a channel until the answered function is called. */
  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<unknown>>;
  /** A callback as a transaction; what has none, or refuses it with the code `NO_COPY`, does without. */
  atomic?(callback: (tx: TxLike) => unknown): Promise<unknown>;
  /** Who has the data: a `thin` instance is not asked for `atomic`. */
  readonly role?: string;
}

/** Why a pattern did not do what it was asked for. */
export type PatternErrorCode = "TIMEOUT" | "LOST" | "REENTRANT" | "CONFLICT" | "STOPPED" | "REPLY";

/** A pattern did not do what it was asked for. */
export class PatternError extends Error {
  /**
   * `TIMEOUT`: it was waited for as long as allowed; `LOST`: a lock, or a job, belongs to somebody else by
   * now; `REENTRANT`: a lock was asked for by who has it; `CONFLICT`: others were faster, every time it
   * was tried; `STOPPED`: it was stopped; `REPLY`: a key has what this pattern has not put there.
   */
  readonly code: PatternErrorCode;

  /** Its message is the code and `message`. */
  constructor(code: PatternErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }

  /** The name of the class. */
  override get name(): string {
    return "PatternError";
  }
}

/** What has the longest names of keys begin: `prefix:name`. */
export function keyOf(...parts: readonly (string | number)[]): string {
  return parts.join(":");
}

/** The option `what` if it is a whole number from `least` to `most`, or `otherwise` if it is left out. */
export function whole(what: string, value: unknown, otherwise?: number, least = 1, most = MOST): number {
  const number = value ?? otherwise;
  if (!Number.isSafeInteger(number) || (number as number) < least || (number as number) > most) {
    throw new TypeError(`${what} is a whole number from ${least} to ${most}`);
  }
  return number as number;
}

/** The option `what` if it is a number from `least` to `most`, or `otherwise` if it is left out. */
export function number(what: string, value: unknown, otherwise: number, least = 0, most = MOST): number {
  const number = value ?? otherwise;
  if (typeof number !== "number" || !(number >= least && number <= most)) {
    throw new TypeError(`${what} is a number from ${least} to ${most}`);
  }
  return number;
}

/** The same, or Infinity. */
export function orInfinity(what: string, value: unknown, otherwise: number, least = 1): number {
  return (value ?? otherwise) === Infinity ? Infinity : whole(`${what}, unless it is Infinity,`, value, otherwise, least);
}

/** The option `what` if it is text that is not empty, or `otherwise` if it is left out. */
export function text(what: string, value: unknown, otherwise?: string): string {
  const text = value ?? otherwise;
  if (typeof text !== "string" || text === "") throw new TypeError(`${what} is a string that is not empty`);
  return text;
}

/** The option `what` if it is one of these, or the first of them if it is left out. */
export function oneOf<T extends string>(what: string, value: unknown, choices: readonly [T, ...T[]]): T {
  const choice = (value ?? choices[0]) as T;
  if (!choices.includes(choice)) throw new TypeError(`${what} is one of ${choices.join(", ")}`);
  return choice;
}

/** The option `what` if it is a function. */
export function callable<T>(what: string, value: T): T {
  if (typeof value !== "function") throw new TypeError(`${what} is a function`);
  return value;
}

/** The longest times that commands take, in milliseconds, with room for the date. */
const MOST = 2 ** 50;

/** Runs commands with no other in between; throws the first error among their replies. */
export async function transact(redis: RedisLike, calls: readonly Call[]): Promise<unknown[]> {
  for (;;) {
    const multi = redis.multi();
    for (const call of calls) multi.call(...call);
    const replies = await multi.exec();
    // A key that the user watches was touched. It is no longer watched, so that it will do now.
    if (replies === null) continue;
    const error = replies.find((reply) => reply instanceof Error);
    if (error) throw error;
    return replies;
  }
}

/** What TIME answers, in milliseconds. */
export function timeOf(reply: unknown): number {
  const [seconds, micros] = reply as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** The time of the engine, in milliseconds since 1970. */
export async function timeIn(redis: RedisLike): Promise<number> {
  return timeOf(await redis.call("TIME"));
}

/** Text that nobody guesses: so many random bytes in the letters of base64url. */
export function randomId(bytes = 16): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

/** Timers take no more. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A timer that keeps no process alive. */
export function background(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, Math.min(delayMs, TIMER_MAX_MS));
  (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
}

/** Resolves after so many milliseconds, or rejects with the reason of `signal`. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, Math.min(Math.max(delayMs, 0), TIMER_MAX_MS));
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Waits before try `attempt` (from 1) of what others try as well, for as long as chance has it. */
export function beforeRetry(attempt: number, signal?: AbortSignal): Promise<void> {
  return sleep(Math.random() * Math.min(2 ** attempt, 64), signal);
}

/** What `Backoff` is made of. */
export interface BackoffOptions {
  /** The wait before the second try, in milliseconds: 1000 unless it is given. */
  readonly baseMs?: number;
  /** Each wait is so many times the one before: 2. */
  readonly factor?: number;
  /** No wait is longer, in milliseconds: 60,000. */
  readonly maxMs?: number;
  /** The part of a wait that chance decides, from 0 to 1: 0.2. */
  readonly jitter?: number;
}

/** Answers the wait after so many failures (from 1), in milliseconds. */
export function backoffOf(what: string, options: BackoffOptions = {}): (failures: number) => number {
  const base = number(`${what}.baseMs`, options.baseMs, 1000);
  const factor = number(`${what}.factor`, options.factor, 2, 1);
  const most = number(`${what}.maxMs`, options.maxMs, 60_000);
  const jitter = number(`${what}.jitter`, options.jitter, 0.2, 0, 1);
  return (failures) => {
    const wait = Math.min(base * factor ** Math.min(failures - 1, 1000), most);
    return Math.round(wait * (1 - jitter * Math.random()));
  };
}

/** Listens to a channel while somebody waits for what is told there. */
export class Bell {
  private readonly waiting = new Set<(message: string) => void>();
  private listening: Promise<() => Promise<unknown>> | undefined;
  private users = 0;
  /** How many messages have come. */
  heard = 0;

  constructor(
    private readonly redis: RedisLike,
    private readonly channel: string,
  ) {}

  /** Begins to listen; what is answered ends it, once everybody has called theirs. */
  async listen(): Promise<() => Promise<void>> {
    this.users++;
    this.listening ??= this.redis.subscribe(this.channel, (message) => {
      this.heard++;
      for (const ring of [...this.waiting]) ring(message);
    });
    const { listening } = this;
    let isOver = false;
    const end = async (): Promise<void> => {
      if (isOver) return;
      isOver = true;
      if (--this.users > 0) return;
      if (this.listening === listening) this.listening = undefined;
      // An instance that is closed listens to nothing.
      await listening.then((stop) => stop()).catch(() => {});
    };
    try {
      await listening;
    } catch (error) {
      await end();
      throw error;
    }
    return end;
  }

  /**
   * Waits for a message that is `wanted`, but no longer than so many milliseconds, and not at all if any has
   * come since `heard` was that. It has to be listened.
   */
  ring(since: number, delayMs: number, signal?: AbortSignal, wanted?: string): Promise<void> {
    if (this.heard !== since) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const ring = (message: string): void => {
        if (wanted !== undefined && message !== wanted) return;
        over.abort();
        this.waiting.delete(ring);
        resolve();
      };
      this.waiting.add(ring);
      const both = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
      sleep(delayMs, both).then(resolve, reject).finally(() => this.waiting.delete(ring));
    });
  }
}

/** How values become bytes, and become values again. */
export interface Serializer<T> {
  /** The value as it is kept. */
  encode(value: T): string | Uint8Array;
  /** The value again. */
  decode(bytes: Uint8Array): T;
}

/** Values as JSON, which is how they are kept unless it is said otherwise. */
export function json<T>(): Serializer<T> {
  return {
    encode(value) {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError(`a value of type ${typeof value} is nothing in JSON`);
      return text;
    },
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T,
  };
}

/** Bytes as they are. */
export const bytes: Serializer<Uint8Array> = { encode: (value) => value, decode: (value) => value };
