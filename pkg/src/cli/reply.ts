// Replies as they come over a connection, each byte a character.

/** A reply with its type. */
export type Reply =
  | { readonly type: "status" | "error" | "string" | "verbatim" | "integer" | "double" | "big"; readonly text: string }
  | { readonly type: "nil" }
  | { readonly type: "bool"; readonly value: boolean }
  /** Of a map: name, value, name, value, … */
  | { readonly type: List; readonly items: readonly Reply[] };

type List = "array" | "set" | "map" | "push";

const LINES: Readonly<Record<string, "status" | "error" | "integer" | "double" | "big">> = {
  "+": "status",
  "-": "error",
  ":": "integer",
  ",": "double",
  "(": "big",
};
const LISTS: Readonly<Record<string, List | "attribute">> = { "*": "array", "~": "set", "%": "map", ">": "push", "|": "attribute" };

/** A list that is not there whole. */
interface Open {
  readonly type: List | "attribute";
  readonly items: Reply[];
  left: number;
}

/** Makes replies of the pieces of a stream. */
export class ReplyParser {
  private text = "";
  private at = 0;
  /** How much there has to be before it is worth another look. */
  private enough = 0;
  private readonly open: Open[] = [];

  /**
   * Adds bytes; answers the replies that are complete.
   *
   * @throws Error for what is no RESP.
   */
  push(bytes: Buffer): Reply[] {
    this.text += bytes.toString("latin1");
    const replies: Reply[] = [];
    while (this.text.length >= this.enough) {
      const reply = this.next();
      if (reply === undefined) break;
      this.enough = 0;
      const whole = this.close(reply);
      if (whole) replies.push(whole);
    }
    this.text = this.text.slice(this.at);
    this.enough = Math.max(this.enough - this.at, 0);
    this.at = 0;
    return replies;
  }

  /** Puts a reply into the list that it belongs to; answers what is whole by that. */
  private close(reply: Reply | Open): Reply | undefined {
    let value: Reply;
    if ("left" in reply) {
      if (reply.left > 0) {
        this.open.push(reply);
        return undefined;
      }
      if (reply.type === "attribute") return undefined;
      value = { type: reply.type, items: reply.items };
    } else {
      value = reply;
    }
    for (let list = this.open.at(-1); list; list = this.open.at(-1)) {
      list.items.push(value);
      if (--list.left > 0) return undefined;
      this.open.pop();
      // An attribute is about the reply after it.
      if (list.type === "attribute") return undefined;
      value = { type: list.type, items: list.items };
    }
    return value;
  }

  private next(): Reply | Open | undefined {
    const { text, at } = this;
    const end = text.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const kind = text[at]!;
    const line = text.slice(at + 1, end);
    const type = LINES[kind];
    if (kind === "$" || kind === "=") return this.bulk(kind, Number(line), end + 2);
    this.at = end + 2;
    if (type) return { type, text: line };
    if (kind === "_") return { type: "nil" };
    if (kind === "#") return { type: "bool", value: line === "t" };
    const list = LISTS[kind];
    if (!list) throw new Error(`Protocol error, got ${JSON.stringify(kind)} as reply type byte`);
    const count = Number(line);
    if (count < 0) return { type: "nil" };
    const left = list === "map" || list === "attribute" ? count * 2 : count;
    return { type: list, items: [], left };
  }

  private bulk(kind: string, length: number, start: number): Reply | undefined {
    if (length < 0) {
      this.at = start;
      return { type: "nil" };
    }
    const end = start + length;
    if (this.text.length < end + 2) {
      this.enough = end + 2;
      return undefined;
    }
    this.at = end + 2;
    // A verbatim string begins with its format.
    return kind === "$"
      ? { type: "string", text: this.text.slice(start, end) }
      : { type: "verbatim", text: this.text.slice(start + 4, end) };
  }
}

/** A command as RESP. */
export function requestOf(words: readonly Uint8Array[]): Buffer {
  const parts = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")]);
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}
