// The grammar of commands in types: which words may follow each other, and what that makes of the reply.
import type { Argument, Repeated } from "./types.js";

/** A word as the reference has it, or in lower case. */
export type Cased<T extends string> = T | Lowercase<T>;

/**
 * What may follow the fixed arguments of a command: every token with its values. `[]` stands alone,
 * `[pattern: Argument][]` may be there more than once, `"many"` takes what comes until the next token,
 * `"all"` what comes until the end. In place of a token,
 * `signal` says that the command waits, and `data` that it takes an object of names and values.
 */
export type Grammar = { readonly [token: string]: unknown };

/** What a token is given in an object of options. */
export type OptionValue<S> = S extends readonly []
  ? boolean
  : S extends readonly [infer V]
    ? V
    : S extends readonly unknown[]
      ? number extends S["length"] ? Repeated : Readonly<S>
      : Repeated;

/**
 * The options of a command as an object: `{ EX: 10, NX: true }`. `true` sends the word alone; `false`,
 * `null` and `undefined` leave it out; a list sends the word, then its elements.
 */
export type Options<G> = {
  readonly [K in keyof G as K extends "data" ? never : K]?:
    | (K extends "signal" ? G[K] : OptionValue<G[K]> | null)
    | undefined;
};

/** At least one of these options is there. */
export type OneOf<G, T extends keyof G> = {
  [K in T]: { readonly [P in K]: OptionValue<G[P]> };
}[T];

/** `T`, with no other options than those of the grammar, of what `O` has. */
export type Only<T, G, O = T> = [Exclude<keyof O, keyof G>] extends [never]
  ? T
  : T & { readonly [K in Exclude<keyof O, keyof G>]: never };

/** Something among the words of a call: an argument, or an object of options. */
export type Word =
  | Repeated
  | { readonly [token: string]: Repeated | boolean | null | undefined | AbortSignal };

/** An object among the words. */
type Named<G> = "data" extends keyof G ? { readonly [name: string]: Argument } : Options<G>;

type Token<G> = Cased<Exclude<keyof G, "signal" | "data"> & string>;

/**
 * The words `R` of a call, if they follow the grammar `G`; else what should stand where they do not.
 * `L` says whether other words than tokens may stand among them: `"none"`, `"many"`, or how many of them
 * there are at least, which is where the tokens end. Of each union in `N`, one token has to be there.
 */
export type Words<R extends readonly unknown[], G, L, N extends readonly unknown[] = []> =
  R extends Fitting<R, G, L, N> ? R : Fitting<R, G, L, N>;

type Fitting<R extends readonly unknown[], G, L, N extends readonly unknown[]> =
  Missing<R, G, N> extends infer M
    ? [M] extends [never]
      ? Given<R, G, L> extends infer A extends readonly unknown[] ? A : never
      : [...R, M]
    : never;

/** The first union of `N` of which no token is there. */
type Missing<R extends readonly unknown[], G, N extends readonly unknown[]> =
  N extends readonly [infer T, ...infer More]
    ? [T & keyof Said<R, G>] extends [never]
      ? Cased<T & string> | OneOf<G, T & keyof G>
      : Missing<R, G, More>
    : never;

type Given<R extends readonly unknown[], G, L> =
  R extends readonly [infer H, ...infer T]
    ? [H] extends [Repeated]
      ? [H] extends [string]
        ? Uppercase<H> extends keyof G
          ? [H, ...After<G[Uppercase<H>], T, G, L>]
          : Free<H, T, G, L>
        : Free<H, T, G, L>
      : "data" extends keyof G ? [Named<G>, ...Each<T, G>] : [Only<Options<G>, G, H>, ...Given<T, G, L>]
    : R extends readonly [] ? L extends number ? Enough<[], L, G> : [] : R;

/** After a word that is no token. */
type Free<H, T extends readonly unknown[], G, L> =
  L extends "many" ? [H, ...Given<T, G, L>] : L extends number ? Enough<[H, ...T], L, G> : [Token<G>, ...T];

/** At least so many words that are no tokens; a list, a map or an object may stand for several. */
type Enough<T extends readonly unknown[], L, G> =
  T extends readonly Argument[]
    ? T extends readonly [unknown, unknown, ...infer U]
      ? L extends 2 ? T : U extends readonly [] ? [Argument, Argument, Argument] : T
      : L extends 2 ? [Argument, Argument] : [Argument, Argument, Argument]
    : Each<T, G>;

/** Words that are no tokens, to the end. */
type Each<T extends readonly unknown[], G> =
  T extends readonly [infer H, ...infer U] ? [H extends Repeated ? H : Named<G>, ...Each<U, G>] : T;

/** After a token that takes `S`. */
type After<S, T extends readonly unknown[], G, L> =
  S extends "all" ? T extends readonly [] ? [Repeated] : Each<T, G>
  : S extends "many" ? T extends readonly [] ? [Repeated] : Given<T, G, "many">
  : S extends readonly [infer V, ...infer W]
    ? T extends readonly [infer H, ...infer U]
      ? [H extends V ? H : V, ...After<W, U, G, L>]
      : S
    : S extends readonly (infer E extends readonly unknown[])[] & { length: infer N }
      ? number extends N ? S extends readonly [] ? Given<T, G, L> : After<E, T, G, L> : Given<T, G, L>
      : Given<T, G, L>;

/** The tokens among the words of a call, as the names of an object. */
export type Said<R extends readonly unknown[], G> = number extends R["length"]
  ? { readonly [K in keyof G]: boolean }
  : { readonly [K in TokenOf<R, G>]: true } & ObjectOf<R[number]>;

type TokenOf<R extends readonly unknown[], G> = R extends readonly [infer H, ...infer T]
  ? (H extends string ? Extract<Uppercase<H>, keyof G> : never) | TokenOf<T, G>
  : never;

type ObjectOf<E> = [Exclude<E, Repeated>] extends [never] ? unknown : Exclude<E, Repeated>;

/** `A` if one of the tokens `K` is among what was said, `B` if none is, either if that is not known. */
export type With<S, K extends string, A, B> = [K & keyof S] extends [never]
  ? B
  : Chosen<S[K & keyof S], A, B>;

type Chosen<V, A, B> = V extends false | null | undefined ? B : A;
