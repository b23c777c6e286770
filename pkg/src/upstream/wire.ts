// What the bridge and a page say to each other: one message of a WebSocket is one value in RESP.
import { joined } from "../bytes.js";

/** A value in a message. Text is sent as UTF-8, and always arrives as bytes. */
export type Wire = Uint8Array | string | number | null | readonly Wire[];

/** How deep values may lie in each other. */
const DEPTH = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The message of a value. */
export function encode(value: Wire): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return joined(parts);
}

const END = encoder.encode("\r\n");

function write(value: Wire, parts: Uint8Array[]): void {
  if (value === null) parts.push(encoder.encode("_\r\n"));
  else if (typeof value === "number") parts.push(encoder.encode(`:${value}\r\n`));
  else if (typeof value === "string") write(encoder.encode(value), parts);
  else if (value instanceof Uint8Array) parts.push(encoder.encode(`$${value.length}\r\n`), value, END);
  else {
    parts.push(encoder.encode(`*${value.length}\r\n`));
    for (const each of value) write(each, parts);
  }
}

/** A value as it arrives. */
export type Received = Uint8Array | number | null | readonly Received[];

/**
 * The value of a message; what is in it are parts of `bytes`.
 *
 * @throws TypeError if that is not what it is.
 */
export function decode(bytes: Uint8Array): Received {
  const [value, end] = read(bytes, 0, 0);
  if (end !== bytes.length) throw malformed();
  return value;
}

function read(bytes: Uint8Array, at: number, depth: number): [Received, number] {
  const stop = bytes.indexOf(13, at);
  if (stop < 0 || bytes[stop + 1] !== 10 || stop - at > 24 || depth > DEPTH) throw malformed();
  const kind = bytes[at];
  const next = stop + 2;
  if (kind === 95) return [null, next];
  const text = decoder.decode(bytes.subarray(at + 1, stop));
  const number = Number(text);
  if (text === "" || !Number.isSafeInteger(number)) throw malformed();
  if (kind === 58) return [number, next];
  if (number < 0 || number > bytes.length) throw malformed();
  if (kind === 36) {
    const end = next + number;
    if (bytes[end] !== 13 || bytes[end + 1] !== 10) throw malformed();
    return [bytes.subarray(next, end), end + 2];
  }
  if (kind !== 42) throw malformed();
  const values: Received[] = [];
  let from = next;
  for (let index = 0; index < number; index++) {
    const [value, end] = read(bytes, from, depth + 1);
    values.push(value);
    from = end;
  }
  return [values, from];
}

function malformed(): TypeError {
  return new TypeError("not a message of a bridge");
}

/** Bytes as text. */
export const textOf = (value: Received | string | undefined): string =>
  value instanceof Uint8Array ? decoder.decode(value) : String(value ?? "");

/** Bytes as a name in a map, in which nothing of them is lost. */
export function nameOf(bytes: Uint8Array): string {
  let name = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    name += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return name;
}

/** The bytes of such a name. */
export function bytesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (letter) => letter.charCodeAt(0));
}
