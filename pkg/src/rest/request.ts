import { joined } from "../bytes.js";
import type { Argument } from "../types.js";

/** The words of a command. */
export type Words = readonly [name: string, ...args: Argument[]];

/** What is answered bit by bit. */
export type Streamed = "subscribe" | "psubscribe" | "monitor";

/** What a request asks for. */
export type Asked =
  | { readonly kind: "command" | "pipeline" | "multi-exec"; readonly commands: readonly Words[] }
  | { readonly kind: Streamed; readonly names: readonly string[] };

/** A request that cannot be understood, or is not allowed. */
export class Refusal extends Error {
  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 413,
    message: string,
  ) {
    super(message);
  }
}

/** Reads what is asked for; `path` is what follows the handler's own. */
export async function readRequest(request: Request, url: URL, path: string, maxBytes: number): Promise<Asked> {
  const [first = "", ...rest] = path.replace(/^\//, "").split("/").map(decoded);
  switch (first) {
    case "":
      return { kind: "command", commands: [wordsOf(await json(request, maxBytes))] };
    case "pipeline":
    case "multi-exec": {
      const commands = await json(request, maxBytes);
      if (!Array.isArray(commands) || commands.length === 0) {
        throw new Refusal(400, `ERR /${first} takes an array of commands, each an array of words`);
      }
      return { kind: first, commands: commands.map(wordsOf) };
    }
    case "subscribe":
    case "psubscribe":
      if (rest.length === 0) throw new Refusal(400, `ERR wrong number of arguments for '${first}' command`);
      return { kind: first, names: rest };
    case "monitor":
      if (rest.length > 0) throw new Refusal(400, `ERR wrong number of arguments for '${first}' command`);
      return { kind: first, names: [] };
  }
  const words: [string, ...Argument[]] = [first, ...rest];
  const body = await bytesOf(request, maxBytes);
  if (body.length > 0) words.push(body);
  for (const [name, value] of url.searchParams) {
    if (name === "_token") continue;
    words.push(name);
    if (value !== "") words.push(value);
  }
  return { kind: "command", commands: [words] };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal(400, "ERR the path is not URL-encoded UTF-8");
  }
}

async function json(request: Request, maxBytes: number): Promise<unknown> {
  if (request.method === "GET" || request.method === "HEAD") {
    throw new Refusal(405, "ERR commands in a body are sent by POST");
  }
  const text = new TextDecoder().decode(await bytesOf(request, maxBytes));
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "ERR failed to parse the request: it is not JSON");
  }
}

/** @throws Refusal unless it is a command, as JSON has it. */
export function wordsOf(value: unknown): Words {
  if (!Array.isArray(value) || value.length === 0) {
    throw new Refusal(400, "ERR a command is an array: its name and its arguments");
  }
  for (const [index, word] of value.entries()) {
    if (!["string", "number", "boolean"].includes(typeof word)) {
      throw new Refusal(400, `ERR word ${index} of a command is neither a string nor a number`);
    }
  }
  return value.map(String) as unknown as Words;
}

/** The whole body, which is not to be longer than `maxBytes`. */
async function bytesOf(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLong = (): Refusal => new Refusal(413, `ERR max request size exceeded. Limit: ${maxBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLong();
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value);
    length += part.value.length;
    if (length > maxBytes) {
      reader?.cancel().catch(() => {});
      throw tooLong();
    }
  }
  return joined(parts);
}
