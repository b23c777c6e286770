import type { Redis } from "lodis";
import type { Value } from "lodis/terminal";
import type { Ran } from "lodis/terminal/pane";

/** A lesson. Its keys begin with its id and a colon. */
export interface Lesson {
  readonly id: string;
  readonly title: string;
  /** What one knows afterwards, in a sentence. */
  readonly summary: string;
  readonly steps: readonly Step[];
  /** Opens a store for the second terminal, where that is not to be another client of the same one. */
  readonly secondStore?: () => Promise<Redis>;
}

/** What is told, what is to be done, and how that is seen. */
export interface Step {
  readonly title: string;
  /** Paragraphs, between empty lines; `code` and **emphasis** in them. */
  readonly text: string;
  /** What does it, line by line; a learner may do it otherwise. */
  readonly commands: readonly Command[];
  /** Something to be looked at, or to be played with. */
  readonly demo?: (stage: Stage) => HTMLElement;
  /** Whether it is done. */
  readonly check: Check;
}

/** A command of the terminal, or of the one beside it, which is another client. */
export type Command = string | { readonly second: string };

/** What a demo is played on. */
export interface Stage {
  /** The store. */
  readonly redis: Redis;
  /** Runs a line in the terminal, or in the second one, where it is seen; answers the replies. */
  run(command: Command): Promise<readonly Value[]>;
  /** The store of the second terminal. */
  readonly second: Redis | undefined;
  /** Calls `look` now, and twice a second for as long as the lesson is looked at. */
  every(look: () => Promise<void>): void;
}

/** What a check looks at. */
export interface Done {
  /** The store, and that of the second terminal. */
  readonly redis: Redis;
  readonly second: Redis | undefined;
  /** What was run since the step was begun, in both terminals. */
  readonly ran: readonly Ran[];
}

export type Check = (done: Done) => boolean | Promise<boolean>;

/** Sees whether a command with these first words was run, and answered something other than an error. */
export function ran(...words: readonly string[]): Check {
  return ({ ran }) => ran.some((one) => begins(one, words) && one.replies.every((reply) => reply.type !== "error"));
}

/** Sees whether a command with these first words was refused. */
export function refused(...words: readonly string[]): Check {
  return ({ ran }) => ran.some((one) => begins(one, words) && one.replies.some((reply) => reply.type === "error"));
}

/** Sees whether a command with these first words answered what `is` is looking for. */
export function answered(is: (reply: Value) => boolean, ...words: readonly string[]): Check {
  return ({ ran }) => ran.some((one) => begins(one, words) && one.replies.some(is));
}

/** Sees whether the store is as it should be. */
export function stored(is: (redis: Redis) => Promise<boolean>): Check {
  return ({ redis }) => is(redis);
}

/** Sees whether all of them see it. */
export function all(...checks: readonly Check[]): Check {
  return async (done) => {
    for (const check of checks) if (!(await check(done))) return false;
    return true;
  };
}

/** The name of a command counts in any letters; what follows, exactly, but for words of options. */
function begins({ words }: Ran, first: readonly string[]): boolean {
  return first.every((word, index) => {
    const typed = words[index];
    return typed === word || (typed?.toUpperCase() === word && /^[A-Z]+$/.test(word));
  });
}
