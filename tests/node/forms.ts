// Commands of the forms in tests/forms, whose notation tests/generator/mod.rs describes: each alternative, and
// what is optional with and without.
import { readdir, readFile } from "node:fs/promises";

type Part = { readonly optional: boolean; readonly repeated: boolean } & (
  | { readonly atoms: readonly string[] }
  | { readonly group: readonly Part[] }
);

/** One argument of a call, and how it is written in TypeScript: what is no token, is any string. */
export interface Input {
  readonly value: string | number;
  readonly source: string;
}

const LIBRARY = `#!lua name=one
redis.register_function('one', function(keys) return 1 end)
redis.register_function{
  function_name = 'two', callback = function(keys) return 2 end, description = 'two', flags = { 'no-writes' }
}`;
const TEXTS: Record<string, string> = {
  key: "string", value: "1", field: "f1", member: "m1", id: "1-1", group: "g1", consumer: "c1", pattern: "*",
  lex: "[a", library: LIBRARY, libraries: "none",
};
const NUMBERS: Record<string, number> = {
  int: 7, small: 1, count: 1, float: 1.5, score: 2, ttl: 1000, time: 32503680000, bit: 1, lon: 13, lat: 38, db: 1,
};

/** Every form, as lists of inputs; the first ones are the words of its name. */
export async function forms(): Promise<Input[][]> {
  const directory = new URL("../forms/", import.meta.url);
  const calls = [];
  for (const file of await readdir(directory)) {
    for (const line of (await readFile(new URL(file, directory), "utf8")).split("\n")) {
      const [words] = line.split(" # ");
      if (words!.trim() !== "" && !words!.startsWith("#")) calls.push(...callsOf(words!));
    }
  }
  return calls;
}

/** The calls that a form stands for. */
export function callsOf(line: string): Input[][] {
  const parts = parse(tokens(line));
  const blocks = /^B[LRZ]/.test(line);
  const calls: string[][] = [];
  // All first choices, then all of what is optional; with each choice differing once.
  const widest = Math.max(...parts.map(width));
  for (const all of [false, true]) {
    for (let choice = 0; choice < widest; choice++) calls.push(write(parts, all, choice));
    for (const [index, part] of parts.entries()) {
      if (part.optional) calls.push(parts.flatMap((each, at) => writePart(each, at === index, all && at === index ? 1 : 0)));
    }
  }
  const unique = new Map(calls.map((call) => [call.join(" "), call]));
  return [...unique.values()].map((call) => call.map((word) => input(word, blocks)));
}

/** Words, and brackets with what comes after them; a bracket inside a word is a part of it. */
function tokens(line: string): string[] {
  const found: string[] = [];
  let depth = 0;
  for (let word of line.split(/\s+/).filter((each) => each !== "")) {
    for (; word.startsWith("["); depth++) word = word.slice(found.push("[") && 1);
    const ends: string[] = [];
    for (; depth > 0; depth--) {
      const [, before, end] = /^(.*?)(\][?.]*)$/.exec(word) ?? [];
      if (end === undefined) break;
      ends.unshift(end);
      word = before!;
    }
    if (word !== "") found.push(word);
    found.push(...ends);
  }
  return found;
}

function input(word: string, blocks: boolean): Input {
  const [, name] = /^<(.*)>$/.exec(word) ?? [];
  if (name === undefined) {
    const isNumber = /^-?\d{1,15}(\.\d+)?$/.test(word);
    return isNumber ? { value: Number(word), source: word } : { value: word, source: JSON.stringify(word) };
  }
  const number = name === "count" && blocks ? 0.01 : NUMBERS[name];
  if (number !== undefined) return { value: number, source: String(number) };
  return { value: TEXTS[name] ?? name, source: "text" };
}

function parse(words: string[]): Part[] {
  const parts: Part[] = [];
  while (words.length > 0) {
    const word = words.shift()!;
    if (word.startsWith("]")) throw new Error(`stray ${word}`);
    if (word === "[") {
      let depth = 1;
      const inner: string[] = [];
      for (;;) {
        const next = words.shift()!;
        if (next === "[") depth++;
        if (next.startsWith("]") && --depth === 0) {
          parts.push({ group: parse(inner), ...suffixed(next.slice(1)) });
          break;
        }
        inner.push(next);
      }
      continue;
    }
    const [, text, suffix] = /^(.*?)(\?|\.\.\.|\.\.\.\?|\?\.\.\.)?$/.exec(word)!;
    parts.push({ atoms: text!.split("|"), ...suffixed(suffix ?? "") });
  }
  return parts;
}

const suffixed = (suffix: string) => ({ optional: suffix.includes("?"), repeated: suffix.includes("...") });

const width = (part: Part): number => ("atoms" in part ? part.atoms.length : Math.max(...part.group.map(width)));

function write(parts: readonly Part[], all: boolean, choice: number): string[] {
  return parts.flatMap((part) => writePart(part, all, choice));
}

function writePart(part: Part, all: boolean, choice: number): string[] {
  if (part.optional && !all) return [];
  const once = "atoms" in part ? [part.atoms[choice % part.atoms.length]!] : write(part.group, all, choice);
  // No document says that a token may be there twice.
  const repeats = part.repeated && all && ("group" in part || part.atoms.some((atom) => atom.startsWith("<")));
  return repeats ? [...once, ...once] : once;
}
