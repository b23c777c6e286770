import type { Hint } from "../boundary/wasm.js";
import { currentOf, match, type Match } from "./matching.js";
import { quoted, type Word, wordsOf } from "./quoting.js";
import { isKey, type Leaf, type Part, type Step } from "./syntax.js";

export { tokensOf } from "./syntax.js";

/** A piece of a syntax or of a line. */
export interface Shown {
  /** What is shown. */
  readonly text: string;
  /** What it is: what is typed already, or now, or may come, or nobody expects. */
  readonly state: "typed" | "current" | "open" | "unknown";
}

/** What there is to say about a line. */
export interface Advice {
  /** The command that it calls. */
  readonly command: Hint | undefined;
  /** The line, in which words are marked that nothing is known of. */
  readonly line: readonly Shown[];
  /** What the command takes, with what is typed now. */
  readonly syntax: readonly Shown[];
  /** What may still follow the line. */
  readonly rest: readonly Shown[];
}

/** What may take the place of the last word of a line. */
export interface Choices {
  /** Where the word begins in the line. */
  readonly start: number;
  /** Words of commands and options, as they are to be typed. */
  readonly words: readonly string[];
  /** What a key has to begin with that may stand there; undefined if none may. */
  readonly key: Uint8Array | undefined;
}

/** Keys that need no quotes. */
const PLAIN_KEY = /^[!#-&(-[\]-~\p{L}\p{N}]+$/u;
const HELP = /^\s*(help|\?)(?=\s)/i;

/** The command table, for completion, hints and help. */
export class Table {
  private readonly byName: ReadonlyMap<string, Hint>;
  private readonly names: readonly string[];
  private readonly containers: ReadonlySet<string>;

  /** Of what `redis.hints()` answers. */
  constructor(hints: readonly Hint[]) {
    this.byName = new Map(hints.map((hint) => [hint.name.toUpperCase(), hint]));
    this.names = [...this.byName.keys()].sort();
    this.containers = new Set(this.names.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]!));
  }

  /** Every command, in the order of the names. */
  all(): Hint[] {
    return this.names.map((name) => this.byName.get(name)!);
  }

  /** The groups of the commands. */
  groups(): string[] {
    return [...new Set(this.all().map(({ group }) => group))].sort();
  }

  /** The command that a line calls: the longest name it begins with. */
  find(words: readonly string[]): Hint | undefined {
    const two = words.slice(0, 2).join(" ").toUpperCase();
    return this.byName.get(two) ?? this.byName.get((words[0] ?? "").toUpperCase());
  }

  /** Every command whose name begins with these words. */
  under(words: readonly string[]): Hint[] {
    const name = words.join(" ").toUpperCase();
    return this.all().filter((hint) => `${hint.name.toUpperCase()} `.startsWith(`${name} `));
  }

  /** What may take the place of the last word of `text`, in the letter case of what is typed. */
  choices(text: string): Choices {
    const help = HELP.exec(text)?.[0].length ?? 0;
    if (help > 0) return this.helpChoices(text, help);
    const { complete, last } = this.parts(text);
    const typed = decoded(last.bytes);
    const found = this.expected(complete);
    const letters = typed === "" ? (complete[0] ?? "") : typed;
    const isLower = letters !== letters.toUpperCase();
    const words = complete.length === 0 && typed === "" ? [] : found.words.filter((word) => begins(word, typed));
    return {
      start: last.start,
      words: [...new Set(words)].map((word) => (isLower ? word.toLowerCase() : word)),
      key: found.isKey ? last.bytes : undefined,
    };
  }

  /** Every line that `text` is the beginning of, as far as the table knows. */
  completions(text: string): string[] {
    const { start, words } = this.choices(text);
    return words.map((word) => text.slice(0, start) + word);
  }

  /** What there is to say about a line; a word that ends it is still being typed. */
  advise(text: string): Advice {
    const { complete, last, words } = this.parts(text);
    const all = last.end > last.start ? [...complete, decoded(last.bytes)] : complete;
    const command = HELP.test(`${text} `) ? undefined : this.find(all);
    const names = command?.name.split(" ").length ?? 0;
    if (!command || all.length < names) return { command: undefined, line: this.marked(text, words, complete), syntax: [], rest: [] };
    const isOpen = complete.length < all.length;
    const isNamed = isOpen && all.length === names;
    const before = match(command, complete.slice(names));
    const found = isOpen && !isNamed ? match(command, all.slice(names)) : before;
    if (!before || !found) return { command, line: [{ text, state: "typed" }], syntax: [], rest: [] };
    const typed = isOpen && !isNamed ? stepFor(before, decoded(last.bytes)) : undefined;
    const unknown = words.filter((_, index) => index >= names && found.leaves[index - names] === undefined && !(typed && index === all.length - 1));
    const current = isNamed ? undefined : isOpen ? (typed && partOf(before.steps, typed)) : currentOf(found.steps);
    return {
      command,
      line: pieces(text, unknown.map(({ start, end }) => ({ start, end, state: "unknown" }))),
      syntax: syntaxOf(command.syntax, found, current),
      rest: restOf(command.syntax, typed && isBegun(typed, decoded(last.bytes)) ? before : found, isOpen ? undefined : current, isOpen),
    };
  }

  /** What may still follow `text`, to be shown behind the cursor. */
  hint(text: string): string {
    return this.advise(text).rest.map((piece) => piece.text).join("");
  }

  private helpChoices(text: string, help: number): Choices {
    const typed = text.slice(help).trimStart();
    const start = text.length - typed.length;
    const groups = typed.startsWith("@") ? this.groups().map((group) => `@${group}`) : [];
    const count = typed.split(" ").length;
    const names = this.names.filter((name) => name.split(" ").length <= count || !this.byName.has(name.split(" ")[0]!));
    const isLower = typed.toUpperCase() !== typed;
    const found = [...groups.filter((group) => begins(group, typed)), ...names.filter((name) => begins(name, typed)).map((name) => (isLower ? name.toLowerCase() : name))];
    return { start, words: found, key: undefined };
  }

  /** What may come after complete words. */
  private expected(complete: readonly string[]): { readonly words: readonly string[]; readonly isKey: boolean } {
    if (complete.length === 0) return { words: [...new Set(this.names.map((name) => name.split(" ")[0]!))].sort(), isKey: false };
    const container = complete[0]!.toUpperCase();
    const hint = this.find(complete);
    const names = hint?.name.split(" ").length ?? 0;
    const subcommands = complete.length === 1 && this.containers.has(container) ? this.names.filter((name) => name.startsWith(`${container} `)).map((name) => name.slice(container.length + 1)) : [];
    const found = hint && match(hint, complete.slice(names));
    if (!found) return { words: subcommands, isKey: false };
    const leaves = found.steps.map(({ leaf }) => leaf);
    return { words: [...subcommands, ...leaves.filter(isWord).map(({ text }) => text)], isKey: leaves.some(isKey) };
  }

  private parts(text: string): { readonly words: readonly Word[]; readonly complete: string[]; readonly last: Word } {
    const { words, isBroken } = wordsOf(text);
    const isOpen = isBroken || (text !== "" && !/\s$/.test(text));
    const last = isOpen ? words.at(-1)! : { start: text.length, end: text.length, bytes: new Uint8Array(0) };
    return { words, complete: (isOpen ? words.slice(0, -1) : words).map(({ bytes }) => decoded(bytes)), last };
  }

  /** Of a line that calls no command that is known. */
  private marked(text: string, words: readonly Word[], complete: readonly string[]): Shown[] {
    const [first, second] = words;
    if (!first || HELP.test(`${text} `)) return [{ text, state: "typed" }];
    const name = decoded(first.bytes).toUpperCase();
    const isContainer = this.containers.has(name);
    const wrong = isContainer ? second : first;
    if (!wrong) return [{ text, state: "typed" }];
    const typed = decoded(wrong.bytes);
    const known = isContainer ? this.names.filter((each) => each.startsWith(`${name} `)).map((each) => each.slice(name.length + 1)) : [...this.names, ...OWN];
    const isComplete = complete.length > words.indexOf(wrong);
    const isKnown = known.some((each) => (isComplete ? each === typed.toUpperCase() || each.startsWith(`${typed.toUpperCase()} `) : begins(each, typed)));
    return isKnown ? [{ text, state: "typed" }] : pieces(text, [{ start: wrong.start, end: wrong.end, state: "unknown" }]);
  }
}

/** What a terminal itself understands. */
const OWN = ["HELP", "?", "CLEAR", "HISTORY", "QUIT", "EXIT"];

function begins(word: string, typed: string): boolean {
  return word.toUpperCase().startsWith(typed.toUpperCase()) && word.length > typed.length;
}

/** Whether a leaf is a word to be completed: a sign is as soon typed. */
function isWord({ kind, text }: Leaf): boolean {
  return kind === "token" && /[A-Za-z]/.test(text);
}

/** What a word that is being typed may become. */
function stepFor({ steps }: Match, typed: string): Step | undefined {
  const upper = typed.toUpperCase();
  return (
    steps.find(({ leaf }) => leaf.kind === "token" && leaf.text.toUpperCase() === upper) ??
    steps.find(({ leaf }) => leaf.kind === "value" && !steps.some((step) => step.leaf.kind === "token" && begins(step.leaf.text, typed))) ??
    steps.find(({ leaf }) => leaf.kind === "token" && begins(leaf.text, typed)) ??
    steps.find(({ leaf }) => leaf.kind === "value")
  );
}

/** Whether a word is only the beginning of one of the syntax. */
function isBegun({ leaf }: Step, typed: string): boolean {
  return leaf.kind === "token" && leaf.text.toUpperCase() !== typed.toUpperCase();
}

/** The part of the syntax that a word which is being typed belongs to. */
function partOf(steps: readonly Step[], step: Step): Part {
  const isClear = step.leaf.kind === "value" || steps.filter(({ within }) => within === step.within).length === 1;
  return isClear ? step.leaf : (step.within ?? step.leaf);
}

/** All of a syntax; what is neither typed nor left is done with. */
function syntaxOf(syntax: string, found: Match, current: Part | undefined): Shown[] {
  const typed = found.leaves.filter((leaf) => leaf !== undefined);
  const marks: Mark[] = typed.map(({ start, end }) => ({ start, end, state: "typed" }));
  // What comes again is typed once more.
  const others = current ? marks.filter(({ start, end }) => end <= current.start || start >= current.end) : marks;
  if (current) others.push({ start: current.start, end: current.end, state: "current" });
  return pieces(syntax, others, "open");
}

function restOf(syntax: string, { left }: Match, current: Part | undefined, isOpen: boolean): Shown[] {
  const shown: Shown[] = [];
  for (const part of left) {
    if (shown.length > 0 || isOpen) shown.push({ text: " ", state: "open" });
    const isCurrent = current !== undefined && current.start >= part.start && current.end <= part.end;
    shown.push({ text: syntax.slice(part.start, part.end), state: isCurrent ? "current" : "open" });
  }
  return shown;
}

interface Mark {
  readonly start: number;
  readonly end: number;
  readonly state: Shown["state"];
}

/** A text cut at its marks. */
function pieces(text: string, marks: readonly Mark[], state: Shown["state"] = "typed"): Shown[] {
  const shown: Shown[] = [];
  let at = 0;
  for (const mark of [...marks].sort((a, b) => a.start - b.start)) {
    if (mark.start < at) continue;
    if (mark.start > at) shown.push({ text: text.slice(at, mark.start), state });
    shown.push({ text: text.slice(mark.start, mark.end), state: mark.state });
    at = mark.end;
  }
  if (at < text.length) shown.push({ text: text.slice(at), state });
  return shown;
}

const decoder = new TextDecoder();

function decoded(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A key as it is typed: in quotes where it has to be. */
export function typedKey(bytes: Uint8Array): string {
  const text = quoted(bytes);
  const inner = text.slice(1, -1);
  return PLAIN_KEY.test(inner) ? inner : text;
}
