import type { Redis } from "lodis";
import type { Value } from "lodis/terminal";
import type { Pane, Ran } from "lodis/terminal/pane";
import type { Command, Lesson, Stage, Step } from "./lesson.js";
import type { Progress } from "./progress.js";

/** Some things happen without a command: a key expires, another tab writes. */
const LOOK_MS = 400;

/** A lesson under way: what was run since its step was begun, and which steps are done. */
export class Course {
  done: ReadonlySet<number> = new Set();
  at = 0;
  private ran: Ran[] = [];
  private isLooking = false;
  private readonly looks: ReturnType<typeof setInterval>[] = [];
  private readonly demos = new Map<Step, HTMLElement>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly lesson: Lesson,
    private readonly redis: () => Redis,
    private readonly panes: { readonly first: Pane; readonly second: Pane | undefined; readonly secondRedis: Redis | undefined },
    private readonly progress: Progress,
    private readonly changed: () => void,
  ) {}

  get step(): Step {
    return this.lesson.steps[this.at]!;
  }

  /** Begins at a step, or at the first one that is not done. */
  async begin(step?: number): Promise<void> {
    const { lesson, panes } = this;
    this.done = await this.progress.done(lesson.id);
    const open = lesson.steps.findIndex((_, index) => !this.done.has(index));
    this.go(step ?? Math.max(open, 0));
    for (const pane of [panes.first, panes.second]) {
      if (pane) pane.terminal.onRan = (one) => this.add(one);
    }
    this.timer = setInterval(() => void this.look(), LOOK_MS);
  }

  end(): void {
    clearInterval(this.timer);
    for (const look of this.looks) clearInterval(look);
    for (const pane of [this.panes.first, this.panes.second]) {
      if (pane) pane.terminal.onRan = () => {};
    }
  }

  go(step: number): void {
    this.at = Math.min(Math.max(step, 0), this.lesson.steps.length - 1);
    this.ran = [];
    this.changed();
  }

  /** Does what a learner might do; answers the replies. */
  async run(command: Command): Promise<readonly Value[]> {
    const { first, second } = this.panes;
    if (typeof command === "string") return first.terminal.enter(command);
    return second?.terminal.enter(command.second) ?? [];
  }

  /** What is shown with a step, made when the step is come to. */
  demo(): HTMLElement | undefined {
    const { step } = this;
    if (!step.demo) return undefined;
    const made = this.demos.get(step) ?? step.demo(this.stage());
    this.demos.set(step, made);
    return made;
  }

  private stage(): Stage {
    const redis = this.redis;
    return {
      get redis() {
        return redis();
      },
      second: this.panes.secondRedis,
      run: (command) => this.run(command),
      every: (look) => {
        // It may fail while a transaction is open, or another tab comes to lead: it is tried again.
        const again = (): void => void look().catch(() => {});
        this.looks.push(setInterval(again, LOOK_MS));
        again();
      },
    };
  }

  /** Begins anew, without the keys that were made. */
  async reset(): Promise<void> {
    await this.progress.reset(this.lesson.id);
    this.done = new Set();
    this.go(0);
  }

  private add(one: Ran): void {
    this.ran.push(one);
    void this.look();
  }

  /** Sees whether the step is done. */
  private async look(): Promise<void> {
    const { at, step, ran, lesson } = this;
    if (this.isLooking || this.done.has(at) || !this.panes.first.terminal.isPlain) return;
    this.isLooking = true;
    try {
      const seen = ran.length;
      const isDone = await step.check({ redis: this.redis(), second: this.panes.secondRedis, ran: ran.slice() });
      if (isDone) {
        await this.progress.add(lesson.id, at);
        this.done = new Set([...this.done, at]);
        this.changed();
      } else if (this.ran === ran && ran.length > seen) queueMicrotask(() => void this.look());
    } catch {
      // A key of another type, or a store that is being opened anew: it is looked at again.
    } finally {
      this.isLooking = false;
    }
  }
}
