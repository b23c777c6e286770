// What a command takes, as the command table writes it: `key value [NX | XX] [EX seconds | KEEPTTL]`.

/** A part of a syntax; `start` and `end` are its place in the text. */
export type Part = Leaf | Choice | Several;

/** A word that is typed as it stands (`token`), or stands for what is typed. */
export interface Leaf {
  readonly kind: "token" | "value";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** One of several. */
export interface Choice {
  readonly kind: "choice";
  readonly options: readonly (readonly Part[])[];
  readonly start: number;
  readonly end: number;
}

/** What may be left out (`[…]`), or comes again any number of times (`[… ...]`). */
export interface Several {
  readonly kind: "optional" | "repeat";
  readonly parts: readonly Part[];
  readonly start: number;
  readonly end: number;
}

/** Words that are typed as they stand although they are in lower case. */
const LOWER_TOKENS: ReadonlySet<string> = new Set(["lib-name", "lib-ver"]);
const KEY = /^(key\d*|source|destination|newkey|destkey|sourcekey|dst|src|storekey|storedistkey)$/;
/** A number of things that follow. */
const COUNT = /^num(keys|fields|ids)$/;
const COUNT_MAX = 1000;

/** Whether what is typed there names a key. */
export function isKey(leaf: Leaf): boolean {
  return leaf.kind === "value" && KEY.test(leaf.text);
}

/** The parts of a syntax. */
export function parseSyntax(text: string): Part[] {
  return new Parser(text).all("");
}

/** The top-level pieces of a syntax: brackets keep together. */
export function tokensOf(syntax: string): string[] {
  return parseSyntax(syntax).map(({ start, end }) => syntax.slice(start, end));
}

interface Lexeme {
  readonly text: string;
  readonly start: number;
}

class Parser {
  private readonly lexemes: Lexeme[];
  private at = 0;

  constructor(text: string) {
    this.lexemes = [...text.matchAll(/\[|\]|<|>|\||\.\.\.|[^\s[\]<>|]+/g)].map((match) => ({ text: match[0], start: match.index }));
  }

  /** Everything up to `close`, which is passed over. */
  all(close: "" | "]" | ">"): Part[] {
    const options: Part[][] = [[]];
    for (let next = this.lexemes[this.at]; next && next.text !== close; next = this.lexemes[this.at]) {
      this.at++;
      if (next.text === "|") options.push([]);
      else options.at(-1)!.push(this.part(next));
    }
    this.at++;
    if (options.length === 1) return options[0]!;
    return ofChoice(options);
  }

  private part({ text, start }: Lexeme): Part {
    if (text === "<") {
      const parts = this.all(">");
      // A choice has its brackets with it.
      return { kind: "choice", options: parts.length === 1 && parts[0]!.kind === "choice" ? parts[0]!.options : [parts], start, end: this.end() };
    }
    if (text !== "[") {
      const isToken = !/[a-z]/.test(text) || LOWER_TOKENS.has(text);
      return { kind: isToken ? "token" : "value", text, start, end: start + text.length };
    }
    const parts = this.all("]");
    const last = parts.at(-1);
    const isRepeat = last?.kind === "token" && last.text === "...";
    return { kind: isRepeat ? "repeat" : "optional", parts: isRepeat ? parts.slice(0, -1) : parts, start, end: this.end() };
  }

  private end(): number {
    const { start, text } = this.lexemes[Math.min(this.at, this.lexemes.length) - 1]!;
    return start + text.length;
  }
}

/** `EX seconds | PX milliseconds` is one of two; `AGGREGATE SUM | MIN | MAX` a word before one of three. */
function ofChoice(options: readonly (readonly Part[])[]): Part[] {
  const [[head, ...first] = [], ...others] = options;
  const isBefore = head?.kind === "token" && first[0]?.kind === "token" && others.every(([one]) => one?.kind === "token");
  const all = isBefore ? [first, ...others] : options;
  const [start, end] = [all[0]![0]!.start, options.at(-1)!.at(-1)!.end];
  // Behind the last one there may be what is repeated: dots, or all of them once more.
  const tail = all.at(-1)!.at(-1)!;
  const isDots = tail.kind === "token" && tail.text === "...";
  const isAgain = tail.kind === "repeat" && tail.parts[0]?.kind === "choice" && tail.parts[0].options.length === all.length;
  if (isDots || isAgain) {
    const last = all.at(-1)!.slice(0, -1);
    return [{ kind: "choice", options: [...all.slice(0, -1), last], start, end: last.at(-1)!.end }, tail];
  }
  const choice: Choice = { kind: "choice", options: all, start, end };
  return isBefore ? [head, choice] : [choice];
}

/** What is left of a syntax after some words: parts, and then what comes after these. */
export interface Rest {
  readonly parts: readonly Part[];
  readonly next: Rest | undefined;
}

/** What may come next, and what is left then. */
export interface Step {
  readonly leaf: Leaf;
  readonly rest: Rest;
  /** The part that it is in: a choice, or what may be left out or repeated; the outermost one that is left. */
  readonly within: Part | undefined;
}

/** What may come next, what is most likely first. */
export function stepsOf(rest: Rest | undefined, within?: Part): Step[] {
  if (!rest) return [];
  const { next } = rest;
  let count = 0;
  while (rest.parts[count]?.kind === "optional") count++;
  const steps: Step[] = [];
  // Options come in any order, each once.
  const options = rest.parts.slice(0, count);
  const after = rest.parts.slice(count);
  for (const [index, option] of options.entries()) {
    const others = [...options.slice(0, index), ...options.slice(index + 1), ...after];
    steps.push(...stepsOf({ parts: (option as Several).parts, next: { parts: others, next } }, within ?? option));
  }
  const [part, ...following] = after;
  if (!part) return [...steps, ...stepsOf(next, within)];
  const then: Rest = { parts: following, next };
  if (part.kind === "choice") {
    for (const option of part.options) steps.push(...stepsOf({ parts: option, next: then }, within ?? part));
  } else if (part.kind === "repeat") {
    steps.push(...stepsOf({ parts: part.parts, next: { parts: [part, ...following], next } }, within ?? part), ...stepsOf(then, within));
  } else {
    steps.push({ leaf: part as Leaf, rest: then, within });
  }
  return steps;
}

/** What is left after `word` was taken as `step` says: where that is a number of things, so many of them. */
export function after({ leaf, rest }: Step, word: string): Rest {
  if (leaf.kind !== "value" || !COUNT.test(leaf.text) || !/^\d{1,4}$/.test(word)) return rest;
  const count = Math.min(Number(word), COUNT_MAX);
  const [first, ...others] = rest.parts;
  const counted = first?.kind === "optional" ? first.parts : rest.parts;
  const at = counted.findIndex(({ kind }) => kind === "repeat");
  const again = counted[at];
  if (again?.kind !== "repeat") return rest;
  const behind = first?.kind === "optional" ? others : rest.parts.slice(at + 1);
  const once = Array.from({ length: Math.max(count - 1, 0) }, () => again.parts).flat();
  return { parts: [...(count === 0 ? [] : counted.slice(0, at)), ...once, ...behind], next: rest.next };
}
