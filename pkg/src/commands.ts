import { utf8Length } from "./boundary/text.js";
import { TABLE } from "./generated/commands.js";
import type { Argument, Input } from "./types.js";

/** A command, ready to be written: its words in the form of the request buffer. */
export interface Command {
  /** Its place in the table; -1 if it is not there. */
  readonly index: number;
  /** Lower case, words separated by a blank. */
  readonly name: string;
  /** The method that calls it, in camel case. */
  readonly method: string;
  /** `u32` length and bytes of every word. */
  readonly head: Uint8Array;
  readonly words: number;
  readonly readOnly: boolean;
  /** Takes objects of names and values (`MSET`). */
  readonly data: boolean;
  /** May wait for what it asks for. */
  readonly blocking: boolean;
}

/** The table, ready to be written. */
export const COMMANDS: readonly Command[] = TABLE.trim().split("\n").map((line, index) => {
  const [written = "", flags = ""] = line.split("=");
  const method = written.replace(/[ _-](.)/g, (_, letter: string) => letter.toUpperCase());
  return described(written.toLowerCase(), method, flags, index);
});

/** Adds a method for every command, in camel case and in lower case; `Commands` types them. */
export function install(
  prototype: object,
  make: (command: Command) => (...input: any[]) => unknown,
): void {
  for (const command of COMMANDS) {
    const method = make(command);
    for (const name of new Set([command.method, command.method.toLowerCase()])) {
      if (name in prototype) continue; // the class has something better under that name
      Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true });
    }
  }
}

let byName: Map<string, Command> | undefined;

/** Commands that make no sense through `call`, and why. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["subscribe", "use subscribe(channel, listener)"],
  ["psubscribe", "use pSubscribe(pattern, listener)"],
  ["ssubscribe", "use sSubscribe(channel, listener)"],
  ["unsubscribe", "call the function that subscribe() answered"],
  ["punsubscribe", "call the function that pSubscribe() answered"],
  ["sunsubscribe", "call the function that sSubscribe() answered"],
  ["quit", "use close()"],
  ["reset", "close() and open() again"],
  ["monitor", "use monitor(listener)"],
]);

/**
 * The command called `name` in any case; one that the table does not have is sent as it is.
 *
 * @throws TypeError if `name` is no string, or a command that does not answer one reply.
 */
export function find(name: unknown, first: unknown): Command {
  if (typeof name !== "string") throw new TypeError("the name of a command is a string");
  if (utf8Length(name) < 0) {
    throw new TypeError("the name of a command holds half of a surrogate pair");
  }
  const lower = name.toLowerCase();
  const instead = REFUSED.get(lower) ?? refusedForm(lower, first);
  if (instead !== undefined) throw new TypeError(`${name} cannot be called: ${instead}`);
  byName ??= new Map(COMMANDS.map((command) => [command.name, command]));
  return byName.get(lower) ?? described(name, name, "", -1, [name]);
}

function refusedForm(name: string, first: unknown): string | undefined {
  if (name !== "hello" && name !== "client") return undefined;
  const word = first instanceof Uint8Array ? new TextDecoder().decode(first) : String(first);
  if (name === "hello" && first !== undefined && word !== "3") {
    return "this package speaks RESP3";
  }
  if (name === "client" && word.toLowerCase() === "reply") {
    return "every call has a reply";
  }
  return undefined;
}

function described(name: string, method: string, flags: string, index: number, words = name.split(" ")): Command {
  return {
    index,
    name,
    method,
    head: headOf(words),
    words: words.length,
    readOnly: flags.includes("r"),
    data: flags.includes("d"),
    blocking: flags.includes("b"),
  };
}

/** The words of a command as the request buffer has them. Their letters are ASCII, or text. */
export function headOf(words: readonly string[]): Uint8Array {
  const bytes: number[] = [];
  for (const word of words) {
    const utf8 = /^[\0-\x7f]*$/.test(word)
      ? Array.from(word, (letter) => letter.charCodeAt(0))
      : [...new TextEncoder().encode(word)];
    bytes.push(utf8.length & 255, (utf8.length >> 8) & 255, (utf8.length >> 16) & 255, 0, ...utf8);
  }
  return Uint8Array.from(bytes);
}

/** A command of one word that is written as it is. */
export function plain(name: string): Command {
  return described(name, name, "", -1);
}

/** Whether an input is one word as it stands. */
export function isArgument(input: unknown): input is Argument {
  return typeof input !== "object" || input instanceof Uint8Array;
}

/** Whether the command, with these flat arguments, may wait. */
export function mayBlock(command: Command, args: readonly Argument[]): boolean {
  if (!command.blocking) return false;
  // XREAD and XREADGROUP block only if they say so.
  const conditional = command.name.startsWith("xread");
  return !conditional || args.some(isBlock);
}

function isBlock(word: Argument): boolean {
  if (typeof word !== "string" && !(word instanceof Uint8Array)) return false;
  if (word.length !== BLOCK.length) return false;
  const text = typeof word === "string" ? word : String.fromCharCode(...word);
  return text.toLowerCase() === BLOCK;
}

const BLOCK = "block";

/** Takes the `signal` out of a trailing options object. */
export function splitSignal(inputs: ArrayLike<Input>): [ArrayLike<Input>, AbortSignal | undefined] {
  const last = inputs[inputs.length - 1];
  if (!isPlain(last) || !("signal" in last)) return [inputs, undefined];
  const { signal: _, ...options } = last;
  const signal = signalOf(last);
  return [[...Array.from(inputs).slice(0, -1), options as Input], signal];
}

/** The `signal` of options. */
export function signalOf(options: { readonly signal?: unknown } | undefined): AbortSignal | undefined {
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("signal is an AbortSignal");
  }
  return signal;
}

/** Deeper lists are taken for cyclic ones. */
const DEPTH_MAX = 16;

/**
 * Lays lists, maps, data objects and options flat. A trailing `undefined` is an option left out.
 *
 * @throws TypeError for what has no place in a command.
 */
export function flatten(command: Command, inputs: ArrayLike<Input>): Argument[] {
  const flat: Argument[] = [];
  let data = command.data;
  let length = inputs.length;
  while (length > 0 && inputs[length - 1] === undefined) length--;
  for (let index = 0; index < length; index++) {
    const input = inputs[index];
    if (isArgument(input)) {
      flat.push(input);
    } else if (isPlain(input)) {
      if (data) addData(flat, input);
      else addOptions(flat, input, REPEATED.get(command.name));
      data = false;
    } else {
      add(flat, input, index + 1, 0);
    }
  }
  return flat;
}

function isPlain(input: unknown): input is Record<string, unknown> {
  if (typeof input !== "object" || input === null) return false;
  const prototype = Object.getPrototypeOf(input);
  // An object of another realm has another `Object.prototype`; that one's prototype is null too.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function add(flat: Argument[], input: unknown, position: number | string, depth: number): void {
  if (depth > DEPTH_MAX) throw new TypeError(`argument ${position} is nested too deeply`);
  if (Array.isArray(input)) {
    for (const element of input) add(flat, element, position, depth + 1);
  } else if (input instanceof Map) {
    for (const [name, value] of input) {
      add(flat, name, position, depth + 1);
      add(flat, value, position, depth + 1);
    }
  } else if (isArgument(input) && input !== undefined && typeof input !== "boolean") {
    flat.push(input);
  } else {
    throw new TypeError(`argument ${position} is ${nameOf(input)}, which no command takes`);
  }
}

function addData(flat: Argument[], data: Record<string, unknown>): void {
  for (const name of Object.keys(data)) {
    flat.push(name);
    add(flat, data[name], JSON.stringify(name), DEPTH_MAX);
  }
}

/** Options whose token comes before each of their values. */
const REPEATED: ReadonlyMap<string, string> = new Map([
  ["client tracking", "PREFIX"],
  ["sort", "GET"],
  ["sort_ro", "GET"],
]);

function addOptions(flat: Argument[], options: Record<string, unknown>, repeated?: string): void {
  for (const token of Object.keys(options)) {
    const value = options[token];
    if (value === undefined || value === null || value === false) continue;
    if (Array.isArray(value) && token.toUpperCase() === repeated) {
      for (const each of value) flat.push(token) && add(flat, each, token, 0);
      continue;
    }
    flat.push(token);
    if (value !== true) add(flat, value, token, 0);
  }
}

function nameOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `a value of class ${value.constructor?.name ?? "Object"}`;
}
