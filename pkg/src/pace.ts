import { nextTask } from "./task.js";

/** How often the clock is looked at, in calls. */
const CALLS = 256;
/** How long calls may go on without any other task, in milliseconds. */
const TURN_MS = 4;

/**
 * Lets other tasks have their turns. Calls that run here are answered at once: where each one awaits the
 * one before it, none of the page's timers, events and frames would come before the last.
 */
export class Pace {
  private calls = 0;
  private since = 0;
  private turn: Promise<void> | undefined;

  /** The answer of a call that was ready, in its turn. */
  resolved<T>(answer: T): Promise<T> {
    const turn = this.wait();
    return turn ? turn.then(() => answer) : Promise.resolve(answer);
  }

  /** What a call has to wait for before it is answered, where the task has gone on for long. */
  wait(): Promise<void> | undefined {
    if (++this.calls < CALLS) return undefined;
    if (this.turn === undefined) {
      this.since = performance.now();
      this.turn = nextTask().then(() => {
        this.calls = 0;
        this.turn = undefined;
      });
    } else if (performance.now() - this.since >= TURN_MS) {
      return this.turn;
    }
    this.calls = 0;
    return undefined;
  }
}
