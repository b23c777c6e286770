import { quoted } from "./quoting.js";
import type { Value } from "./resp.js";

/** What a piece of output is; the style sheet gives each a colour. */
export type Kind =
  | "status" | "error" | "integer" | "double" | "string" | "nil" | "bool"
  | "index" | "text" | "note" | "command" | "prompt";

/** A piece of a line. */
export interface Piece {
  /** What it is. */
  readonly kind: Kind;
  /** What is shown of it. */
  readonly text: string;
}

/** A line of output. */
export type Line = readonly Piece[];

const EMPTY = { array: "(empty array)", set: "(empty set)", map: "(empty hash)", push: "(empty push)" };
const SEPARATOR = { array: ")", push: ")", set: "~", map: "#" };

/** The lines of a reply in the notation of redis-cli, made as they are asked for. */
export function* linesOf(value: Value): Generator<Line> {
  yield* nested(value, "", []);
}

/** `first` stands before the first line, `margin` before the others. */
function* nested(value: Value, margin: string, first: Line): Generator<Line> {
  switch (value.type) {
    case "array":
    case "set":
    case "map":
    case "push":
      yield* elements(value, margin, first);
      return;
    case "verbatim": {
      const [head = "", ...rest] = value.text.replace(/\r?\n$/, "").split(/\r?\n/);
      yield [...first, piece("text", head)];
      for (const line of rest) yield [piece("text", margin + line)];
      return;
    }
    default:
      yield [...first, single(value)];
  }
}

function* elements(
  value: Value & { type: "array" | "set" | "map" | "push" },
  margin: string,
  first: Line,
): Generator<Line> {
  const { type, items } = value;
  if (items.length === 0) {
    yield [...first, piece("nil", EMPTY[type])];
    return;
  }
  const step = type === "map" ? 2 : 1;
  const width = String(items.length / step).length;
  const inner = margin + " ".repeat(width + 2);
  for (let index = 0; index < items.length; index += step) {
    const number = String(index / step + 1).padStart(width) + SEPARATOR[type];
    const lead = index === 0 ? first : [piece("index", margin)];
    let start: Line = [...lead, piece("index", `${number} `)];
    if (type === "map") {
      // The value goes on where the last line of the name ended.
      const name = [...nested(items[index]!, inner, start)];
      yield* name.slice(0, -1);
      start = [...(name.at(-1) ?? []), piece("index", " => ")];
    }
    const item = items[index + step - 1]!;
    if (type === "map" && hasSeveral(item)) {
      // As in redis-cli, a value of several elements begins on a line of its own.
      yield start;
      start = [piece("index", inner)];
    }
    yield* nested(item, inner, start);
  }
}

/** Whether a value takes several lines. */
function hasSeveral(value: Value): boolean {
  return "items" in value && (value.items.length > (value.type === "map" ? 2 : 1) || value.items.some(hasSeveral));
}

function single(value: Exclude<Value, { items: unknown } | { type: "verbatim" }>): Piece {
  switch (value.type) {
    case "status":
      return piece("status", value.text);
    case "error":
      return piece("error", `(error) ${value.text}`);
    case "integer":
      return piece("integer", `(integer) ${value.text}`);
    case "double":
      return piece("double", `(double) ${value.text}`);
    case "big":
      return piece("integer", `(big number) ${value.text}`);
    case "bool":
      return piece("bool", value.value ? "(true)" : "(false)");
    case "nil":
      return piece("nil", "(nil)");
    default:
      return piece("string", quoted((value as { bytes: Uint8Array }).bytes));
  }
}

function piece(kind: Kind, text: string): Piece {
  return { kind, text };
}

/** One line of one kind. */
export function line(kind: Kind, text: string): Line {
  return [{ kind, text }];
}
