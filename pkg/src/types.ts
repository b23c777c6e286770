import type { Multi, Pipeline } from "./batch.js";
import type { ReplyError } from "./errors.js";

/** One word of a command: text (sent as UTF-8), bytes as they are, or a number in decimal. */
export type Argument = string | Uint8Array | number | bigint;

/** One argument or several: lists and maps are laid flat. */
export type Repeated = Argument | readonly Repeated[] | ReadonlyMap<Argument, Argument>;

/** Names with their values, for commands such as `MSET`. */
export type Data =
  | { readonly [name: string]: Argument }
  | ReadonlyMap<Argument, Argument>
  | readonly Repeated[];

/**
 * What follows a command's fixed arguments by name: `{ EX: 10, NX: true }`. `true` sends the word
 * alone; `false`, `null` and `undefined` leave it out; a list sends the word, then its elements.
 */
export type CommandOptions = {
  readonly [token: string]: Repeated | boolean | null | undefined;
};

/**
 * The last argument of a command that waits: when `signal` is aborted, the wait ends and the promise
 * is rejected with its reason, unless the command has been answered before.
 */
export interface Waiting {
  /** Ends the wait when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Anything a method takes. */
export type Input = Repeated | Data | CommandOptions | Waiting | undefined;

/** A reply of any command. */
export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Error
  | Reply[]
  | { [name: string]: Reply };

/** A reply with bytes in place of text; fixed words such as `"OK"` stay. */
export type Bytes<T> = [Reply] extends [T] ? T : BytesOf<T>;

type BytesOf<T> = T extends string
  ? string extends T
    ? Uint8Array
    : T
  : T extends readonly unknown[]
    ? { [K in keyof T]: Bytes<T[K]> }
    : T extends object
      ? { [K in keyof T]: Bytes<T[K]> }
      : T;

/** What a command of a pipeline or a transaction answers: its reply, or the error in place of it. */
export type Answer<K, T, B> = (K extends "bytes" ? B : T) | ReplyError;

/** One more answer. */
export type Chained<R extends readonly unknown[], A> = number extends R["length"] ? R : [...R, A];

/** How the reply `T`, with bytes `B`, of a command comes, by the kind of surface `W`. */
export type Result<W, T, B = Bytes<T>> = W extends "promise"
  ? Promise<T>
  : W extends "promise bytes"
    ? Promise<B>
    : W extends "sync"
      ? T
      : W extends "sync bytes"
        ? B
        : W extends Batched<infer P, infer R, infer K>
          ? P extends "multi"
            ? Multi<Chained<R, Answer<K, T, B>>, K>
            : Pipeline<Chained<R, Answer<K, T, B>>, K>
          : W;

/** The kind of surface that collects commands: which, what its commands answer, and text or bytes. */
export interface Batched<P, R extends readonly unknown[], K> {
  /** `"multi"` or `"pipeline"`. */
  readonly batch: P;
  /** What its commands answer, so far. */
  readonly replies: R;
  /** `"text"` or `"bytes"`. */
  readonly kind: K;
}
