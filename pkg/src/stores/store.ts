/**
 * Where an instance keeps its data, for `open(name, { store })`: one manifest, *records* (stretches of
 * the effect stream) by their offsets, and *pieces* of bases by the number of their base and their
 * offsets. To the store all of them are bytes. Offsets and numbers are whole, at most 2^53 - 1.
 *
 * An instance calls one method at a time and waits for its promise. What a method rejects with is
 * told to the user; writes are then refused with `MISCONF`, and tried again. Of `open`, a `code` that
 * begins with `STORE_` is passed on. `storeTests` (in `lodis/stores/conformance`) tries all of this.
 */
export interface Store {
  /**
   * Opens the place, or makes an empty one. Rejects with the code `STORE_LOCKED` if another context
   * has it and cannot be fenced off.
   */
  open(): Promise<Opened>;
  /**
   * Reads frames with offsets from `from` on, in rising order, some and at most `limit` of them; none
   * only where there are no more. `base` is the number of their base, or 0 for records.
   */
  read(base: number, from: number, limit: number): Promise<Uint8Array[]>;
  /**
   * Performs a change. If it rejects, any of it may have been done, in the order of {@link Change}'s
   * members, but nothing of the manifest; the same frames come again.
   */
  write(change: Change): Promise<void>;
  /** Lets go of the place. Nothing is called afterwards but `open`, if the object is used again. */
  close(): Promise<void>;
}

/** What a store holds when it is opened. */
export interface Opened {
  /** The manifest; none in an empty place. */
  readonly manifest?: Uint8Array | undefined;
  /** The offset of the last record, if there is one. */
  readonly last?: number | undefined;
}

/**
 * What to do, in this order. After a crash a prefix of it may have been done; the last frame of which
 * may be torn: its end is missing, or is not what was written. The manifest is replaced as a whole or
 * not at all, and nothing after it is done unless it is.
 */
export interface Change {
  /**
   * The manifest as this connection saw it last, in `open` or a `write`. If another one is there,
   * nothing is done, and the code of the rejection is `FENCED`: the instance writes no more. If there
   * is none at all, it is `LOST`: the store is closed, opened and filled again.
   */
  readonly expected: Uint8Array | undefined;
  /**
   * `strict`: when the promise resolves, a power cut takes back neither this nor what was written
   * before. `relaxed`: a crash of the page or the process does not; a power cut may.
   */
  readonly durability: "strict" | "relaxed";
  /** Delete the records from this offset on. */
  readonly cut?: number | undefined;
  /** Store these, replacing what is at the same offset; rising within a base, and among the records. */
  readonly frames: readonly Frame[];
  /** Replace the manifest. */
  readonly manifest?: Uint8Array | undefined;
  /**
   * Records before `start`, and all bases but number `base`, are of no use any more. Space should be
   * given back; what is left of them is not read.
   */
  readonly trim?:
    | {
        /** The offset of the first record that is still of use. */
        readonly start: number;
        /** The number of the base that is. */
        readonly base: number;
      }
    | undefined;
}

/** A record or a piece. Begins with a header that tells its length. */
export interface Frame {
  /** The number of its base, or 0 for a record. */
  readonly base: number;
  /** Where it is among the records, or in its base. */
  readonly offset: number;
  /** All of it, its header included. */
  readonly bytes: Uint8Array;
}

/** An error with a `code`. */
export function storeError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Whether two manifests are the same. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** @throws with the code `FENCED` or `LOST` unless what is stored is what was expected. */
export function mustBe(expected: Uint8Array | undefined, stored: Uint8Array | undefined): void {
  if (sameBytes(expected, stored)) return;
  if (!stored) throw storeError("LOST", "the store was emptied");
  throw storeError("FENCED", "another context has taken over the store");
}
