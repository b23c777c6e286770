import type { Redis } from "lodis";
import type { Value } from "lodis/terminal";

/** A lesson. Its keys begin with its id and a colon. */
export interface Lesson {
  readonly id: string;
  readonly title: string;
  /** What one knows afterwards, in a sentence. */
  readonly summary: string;
  readonly steps: readonly Step[];
  /** Opens a store for the second terminal, where that is not to be another client of the same one. */
  readonly secondStore?: () => Promise<Redis>;
  /** What another tab does for it, at `#/lessons/<id>/tab`. */
  readonly tab?: OtherTab;
  /** What has to be undone besides its keys when it is begun anew. */
  readonly reset?: (redis: Redis) => unknown;
}

/** What is told, what is to be done, and how that is seen. */
export interface Step {
  readonly title: string;
  /** Paragraphs, between empty lines; `code` and **emphasis** in them. */
  readonly text: string;
  /** What does it, line by line; a learner may do it otherwise. */
  readonly commands: readonly Command[];
  /** It is done when all of them have been met, in whatever order. */
  readonly goals: readonly Goal[];
  /** What earlier steps leave: steps may be taken in any order. */
  readonly given?: Given;
  /** It cannot be done where the browser gives the page no storage. */
  readonly needsStorage?: boolean;
  /** Something to be looked at, or to be played with. */
  readonly demo?: (stage: Stage) => HTMLElement;
}

/** Keys, and the lines that make each where it is missing; or whatever lines are still needed. */
export type Given = Readonly<Record<string, string>> | ((redis: Redis) => Promise<readonly string[]>);

/** One thing to be done, in words, and how it is seen. */
export interface Goal {
  readonly text: string;
  check(done: Done): Promise<boolean>;
}

/** What a tab shows that is opened for a lesson, and what it does by itself. */
export interface OtherTab {
  readonly text: string;
  readonly commands: readonly string[];
  readonly begin: (stage: Stage) => unknown;
}

/** A command of the terminal, or of the one beside it, which is another client. */
export type Command = string | { readonly second: string };

/** A command that was run, in one of the terminals. Those of a transaction count when it has been executed. */
export interface Seen {
  readonly words: readonly string[];
  readonly replies: readonly Value[];
  readonly isSecond: boolean;
}

/** What a demo is played on. */
export interface Stage {
  /** The store. */
  readonly redis: Redis;
  /** Runs a line in the terminal, or in the second one, where it is seen; answers the replies. */
  run(command: Command): Promise<readonly Value[]>;
  /** The store of the second terminal. */
  readonly second: Redis | undefined;
  /** Whether tabs share the store: not where it is in memory. */
  readonly isShared: boolean;
  /** Opens another client of the store, which is closed when the lesson is left. */
  client(): Promise<Redis>;
  /** Calls `listener` with the store, now and when another instance takes its place, until the lesson is left. */
  use(listener: (redis: Redis) => unknown): void;
  /** What was run since the step was begun. */
  readonly ran: readonly Seen[];
  /** Goes on with the module that runs scripts; how far it is. */
  readonly scripts: { readonly state: "none" | "loading" | "ready"; load(): Promise<void> };
  /** Calls `look` now, and twice a second for as long as the lesson is looked at. */
  every(look: () => Promise<void>): void;
}

/** What a check looks at. */
export interface Done {
  /** The store, and that of the second terminal. */
  readonly redis: Redis;
  readonly second: Redis | undefined;
  /** What was run since the step was begun, in both terminals. */
  readonly ran: readonly Seen[];
}

export type Check = (done: Done) => boolean | Promise<boolean>;

/** Something to be done, which all of the checks see. */
export function goal(text: string, ...checks: readonly Check[]): Goal {
  return { text, check: all(...checks) };
}

/**
 * Sees whether a command with these first words was run, and answered something other than an error. Words in
 * capitals count in any letters, `A|B` is either, `*` any word.
 */
export function ran(...words: readonly string[]): Check {
  return ({ ran }) => ran.some((one) => begins(one, words) && one.replies.every((reply) => reply.type !== "error"));
}

/** Sees it in what was run in the second terminal. */
export function inSecond(check: Check): Check {
  return (done) => check({ ...done, ran: done.ran.filter(({ isSecond }) => isSecond) });
}

/** Sees whether such a command answered an error that begins like this. */
export function refused(error: string, ...words: readonly string[]): Check {
  return answered((reply) => reply.type === "error" && reply.text.startsWith(error), ...words);
}

/** Sees whether such a command answered what `is` is looking for. */
export function answered(is: (reply: Value) => boolean, ...words: readonly string[]): Check {
  return ({ ran }) => ran.some((one) => begins(one, words) && one.replies.some(is));
}

/** Sees whether such a command, with an option among its words, answered what `is` is looking for. */
export function answeredWith(option: string, is: (reply: Value) => boolean, ...words: readonly string[]): Check {
  return ({ ran }) =>
    ran.some((one) => begins(one, words) && one.words.some((word) => word.toUpperCase() === option) && one.replies.some(is));
}

/** Sees whether so many of such commands were run, whatever they answered but errors. */
export function ranTimes(count: number, ...words: readonly string[]): Check {
  return ({ ran }) => ran.filter((one) => begins(one, words) && one.replies.every((reply) => reply.type !== "error")).length >= count;
}

/** Sees whether the store is as it should be. */
export function stored(is: (redis: Redis) => Promise<boolean>): Check {
  return ({ redis }) => is(redis);
}

/** Sees whether a key is there, or not. */
export function exists(key: string, is = true): Check {
  return async ({ redis }) => (await redis.exists(key)) === (is ? 1 : 0);
}

/** Sees whether all of them see it. */
export function all(...checks: readonly Check[]): (done: Done) => Promise<boolean> {
  return async (done) => {
    for (const check of checks) if (!(await check(done))) return false;
    return true;
  };
}

/** Sees whether one of them sees it. */
export function any(...checks: readonly Check[]): Check {
  return async (done) => {
    for (const check of checks) if (await check(done)) return true;
    return false;
  };
}

export const isNil = (reply: Value): boolean => reply.type === "nil";
/** The elements of a reply; of a map, its keys and values in turn. */
export const itemsOf = (reply: Value): readonly Value[] => ("items" in reply ? reply.items : []);
/** Whether something was answered that is not empty. */
export const isFull = (reply: Value): boolean => reply.type === "string" || itemsOf(reply).length > 0;
/** A number that was answered, or NaN. */
export const numberOf = (reply: Value): number => (reply.type === "integer" ? Number(reply.text) : NaN);
/** A text that was answered, or "". */
export function textOf(reply: Value | undefined): string {
  if (reply?.type === "string") return new TextDecoder().decode(reply.bytes);
  return reply !== undefined && "text" in reply ? reply.text : "";
}

function begins({ words }: Seen, first: readonly string[]): boolean {
  return first.every((word, index) => {
    const typed = words[index];
    if (typed === undefined) return false;
    return word === "*" || typed === word || (/^[A-Z|]+$/.test(word) && word.split("|").includes(typed.toUpperCase()));
  });
}

/** Whether a command is for the second terminal. */
export function isSecond(command: Command): command is { readonly second: string } {
  return typeof command !== "string";
}
