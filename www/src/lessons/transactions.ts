import type { Value } from "lodis/terminal";
import type { Ran } from "lodis/terminal/pane";

/** Tells what the commands of a transaction answered, once it has been executed: QUEUED is no answer. */
export class Transactions {
  private queued: Ran[] = [];

  /** What is known now that `one` was answered: itself, and before it what it has executed. */
  resolved(one: Ran): readonly Ran[] {
    const [reply] = one.replies;
    if (isQueued(reply)) {
      this.queued.push(one);
      return [];
    }
    const { queued } = this;
    const name = one.words[0]?.toUpperCase();
    if (name === "MULTI" || name === "DISCARD" || name === "EXEC") this.queued = [];
    if (name !== "EXEC" || reply?.type !== "array") return [one];
    return [...queued.map(({ words }, index) => ({ words, replies: reply.items.slice(index, index + 1) })), one];
  }
}

function isQueued(reply: Value | undefined): boolean {
  return reply?.type === "status" && reply.text === "QUEUED";
}
