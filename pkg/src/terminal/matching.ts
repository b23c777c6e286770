// Which argument of a command a word is, and what may follow.
import type { Hint } from "../boundary/wasm.js";
import { after, type Leaf, type Part, parseSyntax, type Rest, type Step, stepsOf } from "./syntax.js";

/** Lines with more words than this are not looked at. */
const WORDS_MAX = 256;
/** So many ways to understand a line are followed. */
const WAYS_MAX = 16;
const STREAM_ID = /^([$>+]|\d+(-\d+)?)$/;

/** What a line's words are to its command. */
export interface Match {
  /** For each word after the command's name: what it stands for, or undefined if nothing is expected there. */
  readonly leaves: readonly (Leaf | undefined)[];
  /** What may come next, what is most likely first. */
  readonly steps: readonly Step[];
  /** What is left of the syntax, as it most likely goes on. */
  readonly left: readonly Part[];
}

interface Way {
  readonly rest: Rest;
  readonly leaves: readonly (Leaf | undefined)[];
}

/** Finds out what `words`, which come after the name of the command, stand for. */
export function match({ syntax }: Hint, words: readonly string[]): Match | undefined {
  if (words.length > WORDS_MAX) return undefined;
  let ways: Way[] = [{ rest: { parts: parseSyntax(syntax), next: undefined }, leaves: [] }];
  for (const word of words) {
    const next = ways.flatMap((way) => taken(way, word)).slice(0, WAYS_MAX);
    // What nobody expects is passed over.
    ways = next.length > 0 ? next : ways.map(({ rest, leaves }) => ({ rest, leaves: [...leaves, undefined] }));
  }
  const [first] = ways;
  return { leaves: first!.leaves, steps: ways.flatMap(({ rest }) => stepsOf(rest)), left: leftOf(first!.rest) };
}

/** The ways on that a word leaves: where it is a word of the syntax, it is nothing else. */
function taken({ rest, leaves }: Way, word: string): Way[] {
  const steps = stepsOf(rest);
  const upper = word.toUpperCase();
  const tokens = steps.filter(({ leaf }) => leaf.kind === "token" && leaf.text.toUpperCase() === upper);
  const fitting = tokens.length > 0 ? tokens : steps.filter(({ leaf }) => leaf.kind === "value");
  // After the keys of streams come their ids: what looks like one is the first of them.
  const ids = STREAM_ID.test(word) ? fitting.filter(({ leaf }) => leaf.text === "id") : [];
  return (ids.length > 0 ? ids : fitting).map((step) => ({ rest: after(step, word), leaves: [...leaves, step.leaf] }));
}

function leftOf(rest: Rest | undefined): Part[] {
  const parts: Part[] = [];
  for (let one = rest; one; one = one.next) parts.push(...one.parts);
  return parts;
}

/** The part of a syntax that is to be typed now: what has to come, or may be repeated, before what may be left out. */
export function currentOf(steps: readonly Step[]): Part | undefined {
  const first = steps[0]?.within;
  if (first?.kind === "repeat") return first;
  const needed = steps.find(({ within }) => within === undefined || within.kind === "choice");
  return needed ? (needed.within ?? needed.leaf) : first;
}
