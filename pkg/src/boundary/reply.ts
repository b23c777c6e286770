import { ReplyError } from "../errors.js";
import type { Reply } from "../types.js";
import { readPlaces, readText } from "./text.js";

/** Nesting beyond this is no reply of Redis. */
const DEPTH_MAX = 128;
/** Longer lines are searched for their end by the platform. */
const LINE_SHORT = 32;
/** So much of a reply of many strings is decoded at once; a string keeps no more than that alive. */
const WINDOW = 16 * 1024;
/** Less than this is decoded string by string. */
const WINDOW_MIN = 128;

/**
 * Reads replies one after the other, each in one pass.
 *
 * Text is a string, or a copy of the bytes when `binary`; null is `null`; an integer is a number,
 * or a bigint beyond 2^53; a double is a number; a map is an object without a prototype, whose
 * names are text; sets, pushes and arrays are arrays; an error is a {@link ReplyError} as a value.
 */
export class ReplyReader {
  private bytes: Uint8Array = EMPTY;
  private end = 0;
  private binary = false;
  /** Text of which strings are slices: that of `bytes[windowStart..windowEnd]`, or of nothing. */
  private window = "";
  private windowStart = 0;
  private windowEnd = 0;
  /** Where the next reply begins. */
  at = 0;

  /** Begins reading `bytes[start..end]`. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.windowEnd = 0;
  }

  /** Whether another reply is there. */
  get more(): boolean {
    return this.at < this.end;
  }

  /** A copy of what has not been read. */
  rest(): Uint8Array<ArrayBuffer> {
    const rest = new Uint8Array(this.bytes.subarray(this.at, this.end));
    this.at = this.end;
    return rest;
  }

  /** The next reply. */
  next(binary: boolean): Reply {
    if (this.at >= this.end) throw new Error("broken reply: nothing there");
    this.binary = binary;
    return this.value(0);
  }

  private value(depth: number): Reply {
    const kind = this.bytes[this.at++];
    switch (kind) {
      case 0x24: // $
        return this.bulk();
      case 0x2b: // +
        return this.line();
      case 0x3a: // :
        return this.integer();
      case 0x5f: // _
        this.at += 2;
        return null;
      case 0x2d: // -
        return new ReplyError(this.line());
      case 0x2a: // *
      case 0x7e: // ~
      case 0x3e: // >
        return this.array(depth);
      case 0x25: // %
        return this.map(depth);
      case 0x2c: // ,
        return double(this.line());
      case 0x23: // #
        this.at += 3;
        return this.bytes[this.at - 3] === 0x74;
      case 0x28: // (
        return BigInt(this.line());
      case 0x3d: // = (a format of three letters and a colon come first)
        return this.bulk(4);
      case 0x7c: // | (attributes, then the reply they are about)
        this.map(depth);
        return this.value(depth);
      default:
        throw new Error(`broken reply: byte ${kind} where a type was expected`);
    }
  }

  private integer(): number | bigint {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    const negative = bytes[at] === 0x2d;
    if (negative) at++;
    let value = 0;
    for (let byte = bytes[at]!; byte !== 0x0d; byte = bytes[++at]!) {
      if (at >= this.end) throw new Error("broken reply: an integer without an end");
      value = value * 10 + (byte - 0x30);
    }
    this.at = at + 2;
    if (value > Number.MAX_SAFE_INTEGER) return BigInt(readText(bytes, start, at));
    return negative ? 0 - value : value;
  }

  private bulk(skipped = 0): Reply {
    const length = Number(this.integer());
    if (length < 0) return null;
    const start = this.at + skipped;
    const end = this.at + length;
    if (end + 2 > this.end) throw new Error("broken reply: a string without an end");
    this.at = end + 2;
    if (this.binary) return this.bytes.slice(start, end);
    return this.text(start, end);
  }

  /** One string; where more are to come, they are decoded together and cut apart. */
  private text(start: number, end: number): string {
    if (end > this.windowEnd && this.end - end >= WINDOW_MIN) this.openWindow(start, end);
    if (start < this.windowStart || end > this.windowEnd || this.window === "") {
      return readText(this.bytes, start, end);
    }
    return this.window.slice(start - this.windowStart, end - this.windowStart);
  }

  private openWindow(start: number, end: number): void {
    // One that is large is better off by itself.
    if (end - start > WINDOW / 8) return;
    this.windowStart = start;
    this.windowEnd = Math.min(start + WINDOW, this.end);
    this.window = readPlaces(this.bytes, start, this.windowEnd) ?? "";
  }

  private line(): string {
    const start = this.at;
    const { bytes } = this;
    let end = start;
    // Most lines are short, and then a loop is faster.
    while (bytes[end] !== 0x0d && end < start + LINE_SHORT) end++;
    if (bytes[end] !== 0x0d) end = bytes.indexOf(0x0d, end);
    if (end < 0 || end >= this.end) throw new Error("broken reply: a line without an end");
    this.at = end + 2;
    return readText(bytes, start, end);
  }

  private array(depth: number): Reply[] | null {
    const length = this.count(depth);
    if (length < 0) return null;
    const elements: Reply[] = [];
    for (let index = 0; index < length; index++) elements.push(this.value(depth + 1));
    return elements;
  }

  private map(depth: number): { [name: string]: Reply } {
    const length = this.count(depth);
    const object: { [name: string]: Reply } = Object.create(null);
    for (let index = 0; index < length; index++) {
      const name = this.name(depth);
      object[name] = this.value(depth + 1);
    }
    return object;
  }

  private name(depth: number): string {
    const { binary } = this;
    this.binary = false;
    const name = String(this.value(depth + 1));
    this.binary = binary;
    return name;
  }

  private count(depth: number): number {
    if (depth > DEPTH_MAX) throw new Error("broken reply: nested too deeply");
    return Number(this.integer());
  }
}

const EMPTY = new Uint8Array(0);

function double(text: string): number {
  if (text === "inf") return Infinity;
  if (text === "-inf") return -Infinity;
  return Number(text);
}
