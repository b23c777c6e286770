// Replies as redis-cli writes them, each byte a character.
import type { Reply } from "./reply.js";

/** How replies are written. */
export type Mode = "standard" | "raw" | "csv" | "json" | "quoted-json";

const NAMES: Readonly<Record<string, string>> = {
  "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x07": "\\a", "\b": "\\b",
};
const EMPTY = { array: "(empty array)", set: "(empty set)", map: "(empty hash)", push: "(empty push)" };
const SEPARATOR = { array: ")", push: ")", set: "~", map: "#" };

/** What is written for a reply; `verbatim` for the text of commands like INFO. */
export function formatReply(reply: Reply, mode: Mode, verbatim: boolean, delimiters: Delimiters): string {
  if (verbatim) return raw(reply, delimiters);
  switch (mode) {
    case "standard":
      return standard(reply, "");
    case "raw":
      return raw(reply, delimiters) + delimiters.command;
    case "csv":
      return `${csv(reply)}\n`;
    default:
      return `${json(reply, mode)}\n`;
  }
}

/** What comes between elements, and after a reply, in raw output. */
export interface Delimiters {
  readonly element: string;
  readonly command: string;
}

/** In double quotes, with escapes for what is not printable ASCII. */
export function repr(text: string): string {
  // eslint-disable-next-line no-control-regex
  const inner = text.replace(/[^ !#-[\]-~]/g, (letter) => NAMES[letter] ?? `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `"${inner}"`;
}

function standard(reply: Reply, prefix: string): string {
  switch (reply.type) {
    case "error":
      return `(error) ${reply.text}\n`;
    case "integer":
      return `(integer) ${reply.text}\n`;
    case "double":
      return `(double) ${reply.text}\n`;
    case "string":
      return `${repr(reply.text)}\n`;
    case "nil":
      return "(nil)\n";
    case "bool":
      return reply.value ? "(true)\n" : "(false)\n";
    case "array":
    case "set":
    case "map":
    case "push":
      return standardList(reply, prefix);
    default:
      return `${reply.text}\n`;
  }
}

function standardList({ type, items }: Extract<Reply, { items: unknown }>, prefix: string): string {
  if (items.length === 0) return `${EMPTY[type]}\n`;
  const step = type === "map" ? 2 : 1;
  const width = String(items.length / step).length;
  const inner = prefix + " ".repeat(width + 2);
  const lines: string[] = [];
  for (let index = 0; index < items.length; index += step) {
    const number = `${index === 0 ? "" : prefix}${String(index / step + 1).padStart(width)}${SEPARATOR[type]} `;
    const item = standard(items[index]!, inner);
    if (type !== "map") lines.push(number + item);
    else lines.push(`${number}${item.slice(0, -1)} => ${standardValue(items[index + 1]!, inner)}`);
  }
  return lines.join("");
}

/** The value of a map: a list that takes several lines begins on one of its own. */
function standardValue(value: Reply, prefix: string): string {
  const text = standard(value, prefix);
  const takesSeveral = "items" in value && text.indexOf("\n") < text.length - 1;
  return takesSeveral ? `\n${prefix}${text}` : text;
}

function raw(reply: Reply, delimiters: Delimiters): string {
  switch (reply.type) {
    case "nil":
      return "";
    case "error":
      return `${reply.text}\n`;
    case "bool":
      return reply.value ? "(true)" : "(false)";
    case "map": {
      const pairs: string[] = [];
      for (let index = 0; index < reply.items.length; index += 2) {
        pairs.push(`${raw(reply.items[index]!, delimiters)} ${raw(reply.items[index + 1]!, delimiters)}`);
      }
      return pairs.join(delimiters.element);
    }
    case "array":
    case "set":
    case "push":
      return reply.items.map((item) => raw(item, delimiters)).join(delimiters.element);
    default:
      return reply.text;
  }
}

function csv(reply: Reply): string {
  switch (reply.type) {
    case "error":
      return `ERROR,${repr(reply.text)}`;
    case "integer":
    case "double":
    case "big":
      return reply.text;
    case "nil":
      return "NULL";
    case "bool":
      return reply.value ? "true" : "false";
    case "array":
    case "set":
    case "map":
    case "push":
      return reply.items.map(csv).join(",");
    default:
      return repr(reply.text);
  }
}

function json(reply: Reply, mode: "json" | "quoted-json"): string {
  switch (reply.type) {
    case "error":
      return `error:${jsonString(reply.text, mode)}`;
    case "integer":
    case "double":
    case "big":
      return reply.text;
    case "nil":
      return "null";
    case "bool":
      return reply.value ? "true" : "false";
    case "array":
    case "set":
    case "push":
      return `[${reply.items.map((item) => json(item, mode)).join(",")}]`;
    case "map": {
      const pairs: string[] = [];
      for (let index = 0; index < reply.items.length; index += 2) {
        const key = reply.items[index]!;
        const name = json(key, mode);
        // A name is a string, whatever it is.
        const isString = key.type === "string" || key.type === "status" || key.type === "error" || key.type === "verbatim";
        pairs.push(`${isString ? name : jsonString(name, mode)}:${json(reply.items[index + 1]!, mode)}`);
      }
      return `{${pairs.join(",")}}`;
    }
    default:
      return jsonString(reply.text, mode);
  }
}

const JSON_NAMES: Readonly<Record<string, string>> = {
  '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
};

function jsonString(text: string, mode: "json" | "quoted-json"): string {
  // Quoted, what is no ASCII is escaped before. redis-cli leaves quotes as they are then, and writes no JSON.
  const shown = mode === "json" ? text : repr(text).slice(1, -1);
  // eslint-disable-next-line no-control-regex
  const inner = shown.replace(/["\\\x00-\x1f]/g, (letter) => JSON_NAMES[letter] ?? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"${inner}"`;
}
