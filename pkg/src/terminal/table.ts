import type { Hint } from "../boundary/wasm.js";
import { split } from "./quoting.js";

/** The command table, for completion, hints and help. */
export class Table {
  private readonly byName: ReadonlyMap<string, Hint>;
  private readonly names: readonly string[];

  /** Of what `redis.hints()` answers. */
  constructor(hints: readonly Hint[]) {
    this.byName = new Map(hints.map((hint) => [hint.name.toUpperCase(), hint]));
    this.names = [...this.byName.keys()].sort();
  }

  /** Every command, in the order of the names. */
  all(): Hint[] {
    return this.names.map((name) => this.byName.get(name)!);
  }

  /** Every name that `text` is the beginning of, in the letter case of `text`. */
  completions(text: string): string[] {
    const help = /^help\s+/i.exec(text)?.[0] ?? "";
    const typed = text.slice(help.length);
    if (typed.trim() === "" && help === "") return [];
    const upper = typed.toUpperCase();
    const lower = typed !== upper && typed === typed.toLowerCase();
    const found = this.names.filter((name) => name.startsWith(upper) && name !== upper);
    // Subcommands are offered once their command is there.
    const words = upper.split(" ").length;
    return found
      .filter((name) => name.split(" ").length <= words || !this.byName.has(name.split(" ")[0]!))
      .map((name) => help + (lower ? name.toLowerCase() : name));
  }

  /** The command that a line calls: the longest name it begins with. */
  find(words: readonly string[]): Hint | undefined {
    const two = words.slice(0, 2).join(" ").toUpperCase();
    return this.byName.get(two) ?? this.byName.get((words[0] ?? "").toUpperCase());
  }

  /** What may still follow `text`, to be shown behind the cursor. */
  hint(text: string): string {
    const words = split(text)?.map((word) => new TextDecoder().decode(word));
    if (!words || words.length === 0) return "";
    const hint = this.find(words);
    if (!hint) return "";
    const open = !/\s$/.test(text);
    const args = words.length - hint.name.split(" ").length;
    if (open && args === 0 && words.length === 1 && this.completions(text).length > 0 && !hint.syntax) return "";
    const rest = remaining(tokensOf(hint.syntax), words.slice(words.length - args));
    if (rest.length === 0) return "";
    return (open ? " " : "") + rest.join(" ");
  }
}

/** The arguments of a syntax: brackets keep together. */
export function tokensOf(syntax: string): string[] {
  const tokens: string[] = [];
  let depth = 0;
  for (const word of syntax.split(" ")) {
    if (word === "") continue;
    if (depth > 0) tokens[tokens.length - 1] += ` ${word}`;
    else tokens.push(word);
    for (const letter of word) depth += letter === "[" || letter === "<" ? 1 : letter === "]" || letter === ">" ? -1 : 0;
  }
  return tokens;
}

/** Takes away what is there: required arguments one by one, options wherever their word is found. */
function remaining(tokens: readonly string[], args: readonly string[]): string[] {
  const left = [...tokens];
  let index = 0;
  while (index < args.length && left.length > 0 && !left[0]!.startsWith("[")) {
    left.shift();
    index++;
  }
  for (; index < args.length; index++) {
    const word = args[index]!.toUpperCase();
    const at = left.findIndex((token) => token.split(/[\s[\]|<>]+/).includes(word));
    if (at < 0) continue;
    const alternative = left[at]!.slice(1, -1).split("|").find((part) => part.trim().split(/\s+/).includes(word));
    index += (alternative?.trim().split(/\s+/).length ?? 1) - 1;
    left.splice(at, 1);
  }
  return left;
}
