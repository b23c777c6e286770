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
export type Bytes<T> = T extends string
  ? string extends T
    ? Uint8Array
    : T
  : T extends readonly unknown[]
    ? { [K in keyof T]: Bytes<T[K]> }
    : T extends object
      ? { [K in keyof T]: Bytes<T[K]> }
      : T;

/** How the reply of a command comes, by the kind of surface `W`. */
export type Result<W, T> = W extends "promise"
  ? Promise<T>
  : W extends "promise bytes"
    ? Promise<Bytes<T>>
    : W extends "sync"
      ? T
      : W extends "sync bytes"
        ? Bytes<T>
        : W;
