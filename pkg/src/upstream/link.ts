// What upstream has to be able to do, over whatever way it is reached.
import { UpstreamError } from "./error.js";

export { UpstreamError };

/** The error that a server answers with this text. */
export function serverError(text: string): UpstreamError {
  const [code = "ERR"] = text.split(" ", 1);
  const isAuth = /^(NOAUTH|WRONGPASS|NOPERM)$/.test(code);
  return new UpstreamError(isAuth ? "AUTH" : code, text);
}

/** A command: its name and arguments. */
export type Words = readonly Uint8Array[];

/** What one transaction came to: its number, and its commands. */
export interface Entry {
  readonly id: string;
  readonly commands: readonly Words[];
}

/** A command that upstream has answered with an error. */
export interface Refusal {
  /** The number of its entry. */
  readonly id: string;
  /** Its place in the entry. */
  readonly index: number;
  /** What upstream says. */
  readonly text: string;
}

/** What a key holds upstream, and when it expires, or 0. */
export interface Value {
  /** As DUMP has it; empty if there is none, or if it has the digest that is known. */
  readonly payload: Uint8Array;
  /** What tells it from other values; empty if there is none, {@link UNREAD} if it has to be asked for again. */
  readonly digest: string;
  readonly expiresAt: number;
}

/** In place of a digest: there was too much to answer. */
export const UNREAD = "?";

/** A connection to upstream. Everything rejects with an {@link UpstreamError}. */
export interface Link {
  /** Applies entries in their order, those that were applied before left out; answers what was refused. */
  apply(client: string, entries: readonly Entry[]): Promise<Refusal[]>;
  /** What keys hold, of which these digests are known, or `""`. */
  read(keys: readonly Uint8Array[], known: readonly string[]): Promise<Value[]>;
  /** Some of the keys with the prefix, and where to go on, or null: that was all. */
  scan(cursor: string | null): Promise<{ readonly keys: Uint8Array[]; readonly cursor: string | null }>;
  /** Whether it tells of all that changes. */
  readonly isTold: boolean;
  close(): void;
}

/** How a link tells of what happens by itself. */
export interface Listener {
  /** These keys have changed, or any may have. */
  changed(keys: readonly Uint8Array[] | null): void;
  /** It has ended. */
  lost(error: UpstreamError): void;
}

/** Compares the numbers of two entries, as `epoch-number`. */
export function compareIds(a: string, b: string): number {
  const [[aEpoch, aNumber], [bEpoch, bNumber]] = [a, b].map((id) => id.split("-").map(Number)) as [
    [number, number],
    [number, number],
  ];
  return aEpoch - bEpoch || aNumber - bNumber;
}
