import { quoted } from "lodis/terminal";
import { shown } from "./bytes.js";

/** How bytes are shown. */
export type Format = "text" | "json" | "hex" | "bits";

export const FORMATS: readonly (readonly [Format, string])[] = [
  ["text", "Text"],
  ["json", "JSON"],
  ["hex", "Hexadecimal"],
  ["bits", "Bits"],
];

/** So much of an element is shown in a row. */
const BRIEF = 400;
/** What looks like a number, a word or a sign in JSON, with texts as they are: nothing in them is changed. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

export function isText(bytes: Uint8Array): boolean {
  return bytes.length === 0 || (bytes[0] !== 34 && !shown(bytes, true).startsWith('"'));
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a string begins as a HyperLogLog does. */
export function isHyperLogLog(bytes: Uint8Array): boolean {
  return [72, 89, 76, 76].every((byte, index) => bytes[index] === byte);
}

/** A part of a text without the parts of letters at its ends. */
export function wholeLetters(bytes: Uint8Array): Uint8Array {
  const isPart = (at: number): boolean => (bytes[at]! & 0xc0) === 0x80;
  let from = 0;
  while (from < 3 && isPart(from)) from++;
  let last = bytes.length - 1;
  while (last > 0 && bytes.length - last < 4 && isPart(last)) last--;
  const first = bytes[last] ?? 0;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return bytes.subarray(from, last + length > bytes.length ? last : bytes.length);
}

/** How a value is best read. */
export function guess(bytes: Uint8Array, isWhole: boolean): Format {
  if (isHyperLogLog(bytes) || (!isWhole && !isText(wholeLetters(bytes)))) return "hex";
  const text = isWhole && (bytes[0] === 123 || bytes[0] === 91) ? new TextDecoder().decode(bytes) : "";
  return text !== "" && isJson(text) ? "json" : "text";
}

/** JSON without spaces between its parts. Numbers stay as they are written, however long. */
export function minified(json: string): string {
  return (json.match(TOKENS) ?? []).join("");
}

/** JSON, a part a line. */
export function pretty(json: string): string {
  const tokens = json.match(TOKENS) ?? [];
  let [text, indent] = ["", "\n"];
  for (const [index, token] of tokens.entries()) {
    const isEmpty = /^[[{]$/.test(tokens[index - 1] ?? "") && /^[\]}]$/.test(token);
    if (/^[\]}]$/.test(token)) {
      indent = indent.slice(0, -2);
      text += isEmpty ? token : indent + token;
      continue;
    }
    text += token;
    if (/^[[{]$/.test(token)) {
      indent += "  ";
      if (!/^[\]}]$/.test(tokens[index + 1] ?? "")) text += indent;
    } else if (token === ",") text += indent;
    else if (token === ":") text += " ";
  }
  return text;
}

function lines(bytes: Uint8Array, from: number, width: number, of: (line: Uint8Array) => string): string {
  const all: string[] = [];
  for (let at = 0; at < bytes.length; at += width) all.push(`${(from + at).toString(16).padStart(8, "0")}  ${of(bytes.subarray(at, at + width))}`);
  return all.join("\n");
}

/** Bytes as `hexdump -C` shows them; `from` is where they begin. */
export function hexOf(bytes: Uint8Array, from: number, width = 16): string {
  return lines(bytes, from, width, (line) => {
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    return `${hex.padEnd(width * 3)} |${Array.from(line, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("")}|`;
  });
}

/** Bytes as bits, in the order of GETBIT. */
export function bitsOf(bytes: Uint8Array, from: number, width = 4): string {
  return Array.from({ length: Math.ceil(bytes.length / width) }, (_, line) => {
    const bits = Array.from(bytes.subarray(line * width, (line + 1) * width), (byte) => byte.toString(2).padStart(8, "0")).join(" ");
    return `${String((from + line * width) * 8).padStart(9)}  ${bits}`;
  }).join("\n");
}

/** Bytes for a row: all of them, or how they begin. */
export function brief(bytes: Uint8Array): string {
  if (bytes.length <= BRIEF) return shown(bytes);
  const head = bytes.subarray(0, BRIEF);
  try {
    // A letter that is cut is left out.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(head, { stream: true });
    return shown(new TextEncoder().encode(text)) + "…";
  } catch {
    return `${quoted(head.subarray(0, 100))}…`;
  }
}

/** What tells an element from others. */
export function idOf(bytes: Uint8Array): string {
  if (bytes.length <= BRIEF) return shown(bytes);
  return `${brief(bytes)} (${bytes.length} bytes, ${quoted(bytes.subarray(-8))})`;
}
