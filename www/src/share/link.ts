import { isSensitive, split } from "lodis/terminal";

/** What a link begins with: how what follows is written. */
const VERSION = "1";
/** Characters of a link's part that carries commands: what is longer, many apps cut. */
const CODE_MAX = 8_000;
const LINES_MAX = 500;
/** Bytes of text, by which a small link cannot become a large page. */
const TEXT_MAX = 64 * 1024;

/** What a terminal takes in no line, and what makes a text look like something that it is not. */
const HIDDEN = /(?!\t)[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A link cannot be made, or one that was opened cannot be read; the message is for people. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

/** The commands of a text: a line each, without empty ones. */
export function commandsOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim()).filter((line) => line !== "");
}

/** Parts commands into those that others may have, and those with a password in them. */
export function partedBySecrets(commands: readonly string[]): { readonly shared: readonly string[]; readonly secret: readonly string[] } {
  return {
    shared: commands.filter((command) => !hasPassword(command)),
    secret: commands.filter(hasPassword),
  };
}

/** Of what is kept in no history, rules of ACL without a password may be shared. */
function hasPassword(command: string): boolean {
  if (!isSensitive(command)) return false;
  const words = split(command)?.map((word) => new TextDecoder().decode(word)) ?? [];
  return words[0]?.toLowerCase() !== "acl" || words.slice(3).some((rule) => /^[><#!]/.test(rule));
}

/**
 * Writes commands as the part of a link that carries them.
 *
 * @throws LinkError if there are none, too many, or one with a character that cannot be seen.
 */
export async function encode(commands: readonly string[]): Promise<string> {
  if (commands.length === 0) throw new LinkError("There is no command to share yet.");
  if (commands.length > LINES_MAX) throw new LinkError(`These are ${commands.length} commands, and a link carries at most ${LINES_MAX}. Remove some.`);
  const hidden = commands.find((command) => HIDDEN.test(command));
  if (hidden !== undefined) throw new LinkError(`There is a character in "${hidden.replace(HIDDEN, "\ufffd")}" that cannot be seen. Write it as bytes in double quotes, such as "\\x00".`);
  const bytes = new TextEncoder().encode(commands.join("\n"));
  const tooLong = new LinkError(`This is too much for a link, even compressed: it carries at most ${CODE_MAX.toLocaleString("en")} characters. Remove some commands, or shorten their values.`);
  if (bytes.length > TEXT_MAX) throw tooLong;
  const packed = await read(new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw")), Infinity);
  const code = VERSION + btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  if (code.length > CODE_MAX) throw tooLong;
  return code;
}

/**
 * Reads the commands that a link carries.
 *
 * @throws LinkError if it is not complete, was changed, is too large, or is of a newer version.
 */
export async function decode(code: string): Promise<string[]> {
  const broken = new LinkError("This link is broken: it was cut off or changed on its way. Ask for it once more.");
  const version = code.slice(0, 1);
  if (/^[2-9]$/.test(version)) throw new LinkError("This link was made by a newer version of this page, which this one cannot read. Reload the page while you are online, and open the link again.");
  if (version !== VERSION || !/^[A-Za-z0-9_-]+$/.test(code)) throw broken;
  if (code.length > CODE_MAX) throw new LinkError("This link is longer than any that this page makes. It was not opened.");
  let text: string;
  try {
    const packed = Uint8Array.from(atob(code.slice(1).replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const bytes = await read(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")), TEXT_MAX);
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw error instanceof LinkError ? error : broken;
  }
  const commands = commandsOf(text);
  if (commands.length === 0 || commands.some((command) => HIDDEN.test(command))) throw broken;
  if (commands.length > LINES_MAX) throw new LinkError(`This link carries more than ${LINES_MAX} commands. It was not opened.`);
  return commands;
}

/** Reads a stream to its end, unless it is longer than `max` bytes. */
async function read(stream: ReadableStream<Uint8Array>, max: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length;
    if (length > max) {
      reader.cancel().catch(() => {});
      throw new LinkError("This link unpacks to far more than any that this page makes. It was not opened.");
    }
    parts.push(part.value);
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}
