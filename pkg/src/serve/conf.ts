// The syntax of redis.conf, and of the command line that is written like it.
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { quoted, split } from "../terminal/quoting.js";
import { version } from "../version.js";

/** A line that says something. */
export interface Directive {
  /** In lower case. */
  readonly name: string;
  readonly words: readonly string[];
  /** The line as it stands, and its number, from 1. */
  readonly text: string;
  readonly line: number;
}

/** A configuration that a server does not start with. */
export class ConfigError extends Error {}

/** What cannot be obeyed, in the words of redis-server. */
export function refusal({ line, text }: Pick<Directive, "line" | "text">, reason: string): ConfigError {
  return new ConfigError(
    `\n*** FATAL CONFIG FILE ERROR (Lodis ${version()}) ***\nReading the configuration file, at line ${line}\n>>> '${text}'\n${reason}`,
  );
}

/** Why the operating system refused something, in its own words: `No such file or directory`. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1];
  return words === undefined ? message : words[0]!.toUpperCase() + words.slice(1);
}

export const BAD_DIRECTIVE = "Bad directive or wrong number of arguments";
/** Files that include each other would never end. */
const INCLUDE_MAX = 16;

/**
 * The directives of a configuration, those of the files that it includes in the place of `include`.
 *
 * @throws ConfigError for quotes that are not closed, or a file that cannot be read.
 */
export function directivesOf(text: string, depth = 0): Directive[] {
  return text.split("\n").flatMap((whole, index) => {
    const line = index + 1;
    const text = whole.replace(/^[ \t\r]+|[ \t\r]+$/g, "");
    if (text === "" || text.startsWith("#")) return [];
    const bytes = split(text);
    if (!bytes) throw refusal({ line, text }, "Unbalanced quotes in configuration line");
    const [first = "", ...words] = bytes.map((word) => Buffer.from(word).toString());
    const name = first.toLowerCase();
    if (name !== "include") return [{ name, words, text, line }];
    if (words.length !== 1) throw refusal({ line, text }, BAD_DIRECTIVE);
    if (depth === INCLUDE_MAX) throw refusal({ line, text }, "files that include each other");
    return matching(words[0]!).flatMap((path) => directivesOf(readConfig(path), depth + 1));
  });
}

/** @throws ConfigError if the file cannot be read. */
export function readConfig(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`Fatal error, can't open config file '${path}': ${reasonOf(error)}`);
  }
}

/** The files that a pattern with `*`, `?` and `[…]` in its last part matches; without them, the one. */
function matching(pattern: string): string[] {
  const name = basename(pattern);
  if (!/[*?[]/.test(name)) return [pattern];
  const parts = name.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const wanted = new RegExp(`^${parts.replaceAll("[!", "[^")}$`);
  let found: string[] = [];
  try {
    found = readdirSync(dirname(pattern));
  } catch {
    // What is not there does not match.
  }
  const hidden = name.startsWith(".");
  const names = found.filter((file) => wanted.test(file) && (hidden || !file.startsWith(".")));
  return names.sort().map((file) => join(dirname(pattern), file));
}

/** What a command line says: a file, the standard input, and lines for after them. */
export interface CommandLine {
  /** Absolute. */
  readonly file: string | undefined;
  readonly stdin: boolean;
  /** The flags, written as lines. */
  readonly lines: string;
}

/** Reads the words after `lodis serve` as redis-server reads its own. */
export function commandLineOf(words: readonly string[]): CommandLine {
  const file = words[0] !== undefined && !words[0].startsWith("-") ? resolve(words[0]) : undefined;
  let stdin = false;
  let lines = "";
  /** Whether the last flag has a word, so that `--name` is another flag and not that. */
  let isComplete = true;
  for (let index = file === undefined ? 0 : 1; index < words.length; index++) {
    const word = words[index]!;
    const next = words[index + 1];
    if (word === "-" && (index === 0 || next === undefined)) {
      stdin = true;
    } else if (isComplete && word.startsWith("--")) {
      if (lines !== "") lines += "\n";
      lines += `${word.slice(2)} `;
      isComplete = (split(word)?.length ?? 0) !== 1;
      // What makes a command line of a list may have an empty one for --save.
      const isBare = word.toLowerCase() === "--save" && (next === undefined || next.startsWith("--"));
      if (isBare) [lines, isComplete] = [`${lines}""`, true];
    } else {
      lines += `${quoted(Buffer.from(word))} `;
      isComplete = true;
    }
  }
  return { file, stdin, lines };
}
