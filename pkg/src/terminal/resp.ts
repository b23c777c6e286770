/** A reply with its RESP3 type. */
export type Value =
  | {
      /** What is sent as text; `verbatim` is what is meant to be shown as it is. */
      readonly type: "status" | "error" | "integer" | "double" | "big" | "verbatim";
      /** As it is on the wire: numbers in decimal, and an error with its code. */
      readonly text: string;
    }
  | {
      /** A bulk string. */
      readonly type: "string";
      /** What is in it. */
      readonly bytes: Uint8Array;
    }
  | {
      /** There is none. */
      readonly type: "nil";
    }
  | {
      /** `#t` or `#f`. */
      readonly type: "bool";
      /** Which of them. */
      readonly value: boolean;
    }
  | {
      /** What has elements. */
      readonly type: "array" | "set" | "map" | "push";
      /** They in their order; of a map: name, value, name, value, … */
      readonly items: readonly Value[];
    };

/** Nesting beyond this is no reply of Redis. */
const DEPTH_MAX = 128;

const LINES = new Map([
  [0x2b, "status"],
  [0x2d, "error"],
  [0x3a, "integer"],
  [0x2c, "double"],
  [0x28, "big"],
] as const);

const LISTS = new Map([
  [0x2a, "array"],
  [0x7e, "set"],
  [0x25, "map"],
  [0x3e, "push"],
] as const);

/**
 * Reads every reply in RESP3 `bytes`.
 *
 * @throws Error if they are cut off or no RESP3.
 */
export function parse(bytes: Uint8Array): Value[] {
  const reader = new Reader(bytes);
  const values: Value[] = [];
  while (!reader.done) values.push(reader.value(0));
  return values;
}

class Reader {
  private at = 0;
  private readonly decoder = new TextDecoder();

  constructor(private readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  value(depth: number): Value {
    if (depth > DEPTH_MAX) throw new Error("broken reply: nested too deeply");
    const kind = this.bytes[this.at++] ?? 0;
    const line = LINES.get(kind as 0x2b);
    if (line) return { type: line, text: this.line() };
    const list = LISTS.get(kind as 0x2a);
    if (list) return this.list(list, depth);
    switch (kind) {
      case 0x24: // $
        return this.bulk((bytes) => ({ type: "string", bytes }));
      case 0x3d: // = (a format of three letters and a colon come first)
        return this.bulk((bytes) => ({ type: "verbatim", text: this.decoder.decode(bytes.subarray(4)) }));
      case 0x5f: // _
        this.line();
        return { type: "nil" };
      case 0x23: // #
        return { type: "bool", value: this.line() === "t" };
      case 0x7c: // | (attributes, then the reply they are about)
        this.list("map", depth);
        return this.value(depth + 1);
      default:
        throw new Error(`broken reply: byte ${kind} where a type was expected`);
    }
  }

  private list(type: "array" | "set" | "map" | "push", depth: number): Value {
    const count = Number(this.line());
    if (count < 0) return { type: "nil" };
    const items: Value[] = [];
    const total = type === "map" ? count * 2 : count;
    for (let index = 0; index < total; index++) items.push(this.value(depth + 1));
    return { type, items };
  }

  private bulk(make: (bytes: Uint8Array) => Value): Value {
    const length = Number(this.line());
    if (length < 0) return { type: "nil" };
    const end = this.at + length;
    if (end + 2 > this.bytes.length) throw new Error("broken reply: a string without an end");
    const bytes = this.bytes.subarray(this.at, end);
    this.at = end + 2;
    return make(bytes);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0d, this.at);
    if (end < 0) throw new Error("broken reply: a line without an end");
    const text = this.decoder.decode(this.bytes.subarray(this.at, end));
    this.at = end + 2;
    return text;
  }
}
