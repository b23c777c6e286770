import { find, splitSignal } from "./commands.js";
import type { Host } from "./host.js";
import type { Argument, Input, Waiting } from "./types.js";
import type { With } from "./words.js";

/** How SCAN and its kind are gone through. */
export interface ScanOptions extends Waiting {
  /** Only what matches this glob pattern. */
  readonly MATCH?: Argument | undefined;
  /** About so much is looked at in one go; 10 unless told otherwise. */
  readonly COUNT?: Argument | undefined;
}

/** How keys are gone through. */
export interface KeyScanOptions extends ScanOptions {
  /** Only keys of this type: `string`, `list`, `set`, `zset`, `hash`, `stream`. */
  readonly TYPE?: Argument | undefined;
}

/** How the fields of a hash are gone through. */
export interface FieldScanOptions extends ScanOptions {
  /** Gives the names of the fields alone. */
  readonly NOVALUES?: boolean | undefined;
}

/** What comes of a field of a hash. */
export type ScannedField<O, Text> = With<O, "NOVALUES", Text, [field: Text, value: Text]>;

/**
 * What a command of SCAN's kind finds, one by one, in tuples of `width`: cursors are passed on until the
 * last. What is there all the while comes at least once.
 */
export async function* scanned(
  host: Host,
  binary: boolean,
  name: "scan" | "hscan" | "sscan" | "zscan",
  key: readonly Argument[],
  options: ScanOptions = {},
): AsyncGenerator<never, void, undefined> {
  const command = find(name, undefined);
  const [inputs, signal] = splitSignal([options as Input]);
  const words = inputs[0];
  const isPairs = name === "zscan" || (name === "hscan" && !(words as FieldScanOptions).NOVALUES);
  let cursor: Argument = "0";
  do {
    signal?.throwIfAborted();
    const reply = await host.call(command, [...key, cursor, words], binary);
    const [next, found] = reply as [Argument, (string | Uint8Array)[]];
    for (let index = 0; index < found.length; index += isPairs ? 2 : 1) {
      signal?.throwIfAborted();
      const second = found[index + 1]!;
      const pair = isPairs && [found[index], name === "zscan" ? score(second) : second];
      yield (pair || found[index]) as never;
    }
    cursor = next;
  } while (text(cursor) !== "0");
}

/** A score as ZSCAN writes it. */
function score(written: string | Uint8Array): number {
  const digits = text(written);
  return digits.endsWith("inf") ? (digits.startsWith("-") ? -Infinity : Infinity) : Number(digits);
}

/** What is text, as text. */
export function text(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}
