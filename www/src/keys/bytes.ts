import { quoted, split } from "lodis/terminal";

/** What a line of text does not show as it is. A tab and the end of a line are shown in a text of several lines. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes as they are shown and edited: text as it is, anything else in the quotes of redis-cli. What begins with
 * a quote is therefore always in quotes, so that {@link read} answers the same bytes.
 */
export function shown(bytes: Uint8Array, severalLines = false): string {
  try {
    const text = UTF8.decode(bytes);
    const isPlain = text !== "" && !text.startsWith('"') && !HIDDEN.test(severalLines ? text.replaceAll(/[\n\t]/g, "") : text);
    return isPlain ? text : quoted(bytes);
  } catch {
    return quoted(bytes);
  }
}

/** The bytes that a text names; throws if its quotes are not closed. */
export function read(text: string): Uint8Array {
  if (!text.startsWith('"')) return new TextEncoder().encode(text);
  const words = split(text);
  if (words?.length !== 1) throw new Error('What begins with " has to end with ", as in redis-cli: "\\x00\\n".');
  return words[0]!;
}

/** The words of a line, as redis-cli splits it. */
export function wordsOf(text: string): Uint8Array[] {
  const words = split(text);
  if (!words) throw new Error("The quotes are not closed.");
  return words;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Bytes that are ASCII, as answers that are not data are. */
export function ascii(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}

/** Milliseconds that are left, for people. */
export function timeOf(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number): string => String(value).padStart(2, "0");
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (hours < 1) return `${minutes}:${two(seconds % 60)} min`;
  if (days < 1) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)} h`;
  return `${days} d ${hours % 24} h`;
}

export function plural(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}
