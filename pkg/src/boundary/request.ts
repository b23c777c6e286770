import type { Argument } from "../types.js";
import { OUT_OF_MEMORY, ReplyError } from "../errors.js";
import type { Memory } from "./memory.js";
import { inNode, utf8Length, writeAscii, writeText } from "./text.js";

/** The buffer that never moves: `reserve` answers the same pointer for anything up to this. */
const SMALL = 64 * 1024;
/** Above this many units, text is taken for ASCII first, rather than given three bytes per unit. */
const LONG = 4096;
/** Above this many units, text that is not ASCII is measured. */
const MEASURED = 1024 * 1024;

/** No text that is written letter by letter is longer than this. */
const SHORT_MAX = 160;
/** What a request begins with whose numbers all come before its text. */
const TABLE = 2 ** 32 - 1;
/** The most units of text that such a request has. */
const TABLE_TEXT = 4 * 1024 * 1024;
/** Set in an argc that is followed by a command's number in place of its name. */
const NUMBERED = 2 ** 31;

/** A command's words in the form of the buffer. */
export interface Head {
  readonly head: Uint8Array;
  readonly words: number;
}

/** Writes commands into the engine's request buffer: `u32` argc, then `u32` length and bytes. */
export class RequestWriter {
  /** Up to this many units, a loop over the letters beats the platform's encoder. */
  private readonly short = inNode() ? 48 : SHORT_MAX;
  private readonly small: number;
  private start: number;
  private at: number;
  private end: number;
  private argcAt = 0;
  private argc = 0;
  private local = true;

  constructor(
    private readonly memory: Memory,
    private readonly reserve: (bytes: number) => number,
  ) {
    this.small = reserve(0);
    this.start = this.at = this.small;
    this.end = this.small + SMALL;
  }

  /**
   * Begins a request. What was written before and not run is forgotten. One that is `local` may hold
   * command numbers, which another tab might not understand.
   */
  begin(local: boolean): void {
    this.local = local;
    if (this.start !== this.small) {
      this.reserve(0);
      this.start = this.small;
      this.end = this.small + SMALL;
    }
    this.at = this.start;
    this.memory.refresh();
  }

  /**
   * Writes a local request of one command by its number, if the arguments are numbers and short
   * ASCII; whether they are. Otherwise nothing has begun.
   */
  whole(number: number, args: ArrayLike<unknown>): boolean {
    if (this.start !== this.small) return false;
    const { memory, short } = this;
    memory.refresh();
    const { bytes, view } = memory;
    const last = this.end - 4 - SHORT_MAX;
    let at = this.start + 8;
    for (let index = 0; index < args.length; index++) {
      let value = args[index];
      if (typeof value === "number") value = String(value);
      if (typeof value !== "string" || at > last) return false;
      const { length } = value;
      view.setUint32(at, length, true);
      at += 4;
      if (length <= short) {
        for (let letter = 0; letter < length; letter++) {
          const unit = value.charCodeAt(letter);
          if (unit >= 0x80) return false;
          bytes[at++] = unit;
        }
      } else {
        if (length > SHORT_MAX || !writeAscii(bytes, at, value)) return false;
        at += length;
      }
    }
    view.setUint32(this.start, NUMBERED + 1 + args.length, true);
    view.setUint32(this.start + 4, number, true);
    this.at = at;
    return true;
  }

  /**
   * Writes the whole of a request that has begun, and is local, if the arguments are numbers and
   * ASCII: those of all commands are converted as one text. `numbers` has a command's number at its
   * index. Whether it did; otherwise the request has begun anew.
   */
  many(
    commands: readonly { readonly index: number }[],
    inputs: readonly (readonly Argument[])[],
    numbers: ArrayLike<number>,
  ): boolean {
    if (!this.local || this.at !== this.start) return false;
    const text = this.table(commands, inputs, numbers);
    if (text !== undefined) {
      this.ensure(text.length);
      if (writeAscii(this.memory.bytes, this.at, text)) {
        this.at += text.length;
        return true;
      }
    }
    this.begin(true);
    return false;
  }

  /** Writes numbers and lengths; answers the text of all arguments. */
  private table(
    commands: readonly { readonly index: number }[],
    inputs: readonly (readonly Argument[])[],
    numbers: ArrayLike<number>,
  ): string | undefined {
    let count = 0;
    for (const { length } of inputs) count += 2 + length;
    this.ensure(8 + 4 * count);
    if (this.start % 4 !== 0) return undefined;
    const { words } = this.memory;
    let at = this.start >>> 2;
    words[at++] = TABLE;
    words[at++] = count;
    let text = "";
    for (let index = 0; index < commands.length; index++) {
      const number = numbers[commands[index]!.index] ?? -1;
      if (number < 0 || text.length > TABLE_TEXT) return undefined;
      const input = inputs[index]!;
      words[at++] = 1 + input.length;
      words[at++] = number;
      for (let position = 0; position < input.length; position++) {
        const value = input[position];
        const word = typeof value === "number" ? String(value) : value;
        if (typeof word !== "string") return undefined;
        words[at++] = word.length;
        text += word;
      }
    }
    this.at += 8 + 4 * count;
    return text;
  }

  /** Begins a command by its number, or its words where that is negative. */
  command({ head, words }: Head, number: number): void {
    this.argcAt = this.at;
    if (number >= 0 && this.local) {
      this.ensure(8);
      this.argc = NUMBERED + 1;
      this.memory.view.setUint32(this.at + 4, number, true);
      this.at += 8;
      return;
    }
    this.ensure(4 + head.length);
    this.argc = words;
    this.memory.bytes.set(head, this.at + 4);
    this.at += 4 + head.length;
  }

  /**
   * Adds one argument; `position` (from 1) names it in errors.
   *
   * @throws TypeError if it is not an {@link Argument}, or text with half of a surrogate pair.
   */
  argument(value: Argument, position: number): void {
    if (typeof value === "string") {
      this.text(value, position);
    } else if (typeof value === "number" || typeof value === "bigint") {
      this.text(String(value), position);
    } else if (value instanceof Uint8Array) {
      this.ensure(4 + value.length);
      this.memory.view.setUint32(this.at, value.length, true);
      this.memory.bytes.set(value, this.at + 4);
      this.at += 4 + value.length;
    } else {
      throw new TypeError(`argument ${position} is ${describe(value)}: ${EXPECTED}`);
    }
    this.argc++;
  }

  /** Ends a command. */
  finish(): void {
    this.memory.view.setUint32(this.argcAt, this.argc, true);
  }

  /** Bytes written since {@link begin}. */
  get length(): number {
    return this.at - this.start;
  }

  /** A copy of what was written. */
  copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.bytes.subarray(this.start, this.at));
  }

  /** Takes over a whole request that was written elsewhere. */
  load(frame: Uint8Array): void {
    this.begin(false);
    this.ensure(frame.length);
    this.memory.bytes.set(frame, this.at);
    this.at += frame.length;
  }

  private text(value: string, position: number): void {
    const { length } = value;
    if (length <= this.short) {
      this.ensure(4 + length);
      const { bytes, view } = this.memory;
      let at = this.at + 4;
      let letter = 0;
      for (; letter < length; letter++) {
        const unit = value.charCodeAt(letter);
        if (unit >= 0x80) break;
        bytes[at++] = unit;
      }
      if (letter === length) {
        view.setUint32(this.at, length, true);
        this.at = at;
        return;
      }
    }
    this.encode(value, position);
  }

  /** Adds text by the platform's encoder. */
  private encode(value: string, position: number): void {
    const { length } = value;
    let room = length * 3;
    if (length > LONG) {
      // Long text is ASCII more often than not, and to measure it costs more than to write it.
      this.ensure(4 + length);
      if (writeAscii(this.memory.bytes, this.at + 4, value)) {
        this.memory.view.setUint32(this.at, length, true);
        this.at += 4 + length;
        return;
      }
      if (length > MEASURED) room = utf8Length(value);
      if (room < 0) throw surrogate(position);
    }
    this.ensure(4 + room);
    const end = writeText(this.memory.bytes, this.at + 4, value);
    if (end < 0) throw surrogate(position);
    this.memory.view.setUint32(this.at, end - this.at - 4, true);
    this.at = end;
  }

  private ensure(room: number): void {
    if (this.at + room > this.end) this.grow(room);
  }

  /** Moves what was written to a larger buffer. */
  private grow(room: number): void {
    const written = this.copy();
    const capacity = Math.max(written.length + room, written.length * 2, SMALL + 1);
    const start = capacity < 2 ** 31 ? this.reserve(capacity) : 0;
    if (start === 0) {
      this.start = -1; // so that `begin` lets go of whatever is left
      throw new ReplyError(OUT_OF_MEMORY);
    }
    this.memory.refresh();
    this.memory.bytes.set(written, start);
    this.argcAt += start - this.start;
    this.start = start;
    this.at = start + written.length;
    this.end = start + capacity;
  }
}

const EXPECTED = "expected a string, a Uint8Array, a number or a bigint";

function surrogate(position: number): TypeError {
  return new TypeError(`argument ${position} holds half of a surrogate pair, which UTF-8 cannot carry`);
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value === "boolean" ? String(value) : typeof value;
  return `a value of class ${value.constructor?.name ?? "Object"}`;
}
