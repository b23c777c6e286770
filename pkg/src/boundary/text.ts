/** Whether this is Node, or something that is quick at the same things. */
export function inNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: unknown } } };
  return typeof process?.versions?.node === "string";
}

let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;
let strict: TextDecoder | undefined;
/** Up to this many bytes, a loop over the letters beats the platform's decoder. */
let loopMax: number | undefined;

/** Bytes of `text` in UTF-8; -1 if it holds half of a surrogate pair. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(at + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return -1;
    at++; // two units, four bytes: 2 + 2 counted so far
  }
  return bytes;
}

/** Whether no half of a surrogate pair is in `text`. Not every browser has `isWellFormed`. */
function isWellFormed(text: string & { isWellFormed?(): boolean }): boolean {
  return text.isWellFormed === undefined ? utf8Length(text) >= 0 : text.isWellFormed();
}

/**
 * Writes `text` in UTF-8 at `at`; answers where it ends, or -1 if it holds half of a surrogate
 * pair. There must be room for three bytes per unit, or for exactly `utf8Length`.
 */
export function writeText(bytes: Uint8Array, at: number, text: string): number {
  encoder ??= new TextEncoder();
  const { written } = encoder.encodeInto(text, bytes.subarray(at));
  if (written !== text.length && !isWellFormed(text)) return -1;
  return at + written;
}

/** Writes `text` at `at` if it is ASCII, for which there must be room; whether it is. */
export function writeAscii(bytes: Uint8Array, at: number, text: string): boolean {
  encoder ??= new TextEncoder();
  const { read, written } = encoder.encodeInto(text, bytes.subarray(at, at + text.length));
  return read === text.length && written === text.length;
}

/** The text of UTF-8 `bytes[start..end]`; what is not UTF-8 becomes U+FFFD. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  loopMax ??= inNode() ? 48 : 96;
  if (end - start <= loopMax) {
    const text = readAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(bytes.subarray(start, end));
}

/** The text of `bytes[start..end]` if all of it is ASCII, so that places are the same in both. */
export function readPlaces(bytes: Uint8Array, start: number, end: number): string | undefined {
  strict ??= new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  try {
    const text = strict.decode(bytes.subarray(start, end));
    return text.length === end - start ? text : undefined;
  } catch {
    return undefined;
  }
}

function readAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let at = start;
  for (; at + 16 <= end; at += 16) {
    const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!;
    const e = bytes[at + 4]!, f = bytes[at + 5]!, g = bytes[at + 6]!, h = bytes[at + 7]!;
    const i = bytes[at + 8]!, j = bytes[at + 9]!, k = bytes[at + 10]!, l = bytes[at + 11]!;
    const m = bytes[at + 12]!, n = bytes[at + 13]!, o = bytes[at + 14]!, p = bytes[at + 15]!;
    if ((a | b | c | d | e | f | g | h | i | j | k | l | m | n | o | p) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!, b = bytes[at + 1]!, c = bytes[at + 2]!, d = bytes[at + 3]!;
    if ((a | b | c | d) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
