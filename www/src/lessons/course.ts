import type { Redis } from "lodis";
import { split, type Value } from "lodis/terminal";
import type { Pane, Ran } from "lodis/terminal/pane";
import type { Store } from "../store.js";
import type { Command, Lesson, Seen, Stage, Step } from "./lesson.js";
import type { Progress } from "./progress.js";
import { Transactions } from "./transactions.js";

/** Some things happen without a command: a key expires, another tab writes. */
const LOOK_MS = 400;

interface Panes {
  readonly first: Pane;
  readonly second: Pane | undefined;
  readonly secondRedis: Redis | undefined;
}

/** A lesson under way: what was run since its step was begun, and which steps are done. */
export class Course {
  done: ReadonlySet<number> = new Set();
  /** Which goals of the step are met. */
  met: ReadonlySet<number> = new Set();
  at = 0;
  private ran: Seen[] = [];
  private refusal = "";
  private isLooking = false;
  private isOver = false;
  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private readonly demos = new Map<Step, HTMLElement>();
  private readonly clients: Promise<Redis>[] = [];

  /** `changed` is called when a step is gone to, and when something of it is done. */
  constructor(
    readonly lesson: Lesson,
    private readonly store: Store,
    private readonly panes: Panes,
    private readonly progress: Progress,
    private readonly changed: (isNewStep: boolean) => void,
  ) {}

  get step(): Step {
    return this.lesson.steps[this.at]!;
  }

  /** Begins at a step, or at the first one that is not done. */
  async begin(step?: number): Promise<void> {
    const { lesson, panes } = this;
    this.done = await this.progress.done(lesson.id);
    this.listen(panes.first, false);
    if (panes.second) this.listen(panes.second, true);
    const open = lesson.steps.findIndex((_, index) => !this.done.has(index));
    await this.go(step ?? Math.max(open, 0));
    if (this.isOver) return;
    this.timers.push(setInterval(() => void this.look(), LOOK_MS));
  }

  end(): void {
    this.isOver = true;
    for (const timer of this.timers) clearInterval(timer);
    for (const pane of [this.panes.first, this.panes.second]) {
      if (pane) pane.terminal.onRan = () => {};
    }
    for (const client of this.clients) void client.then((redis) => redis.close()).catch(() => {});
  }

  async go(step: number): Promise<void> {
    this.at = Math.min(Math.max(step, 0), this.lesson.steps.length - 1);
    this.ran = [];
    this.met = new Set();
    // Without them the step can be done all the same, if less easily.
    await this.prepare().catch(() => {});
    if (!this.isOver) this.changed(true);
  }

  /** Whether the step needs a storage that the browser does not give. */
  get lacksStorage(): boolean {
    return this.step.needsStorage === true && !this.store.isKept;
  }

  /** What keeps goals from being looked at, in words; "" if nothing does. */
  get hindrance(): string {
    const { inTransaction, db } = this.panes.first.terminal.place;
    if (inTransaction) return "A transaction is open: what it does counts after EXEC.";
    if (db !== 0) return "The lessons are in database 0. SELECT 0 leads back.";
    if (/^NO(AUTH|PERM)/.test(this.refusal)) return "The first terminal is logged in as somebody who may not look at this. AUTH default, with any password, leads back.";
    return "";
  }

  /** Does what a learner might do; answers the replies. */
  async run(command: Command): Promise<readonly Value[]> {
    const { first, second } = this.panes;
    if (typeof command === "string") return first.terminal.enter(command);
    return second?.terminal.enter(command.second) ?? [];
  }

  /** Puts a line where it can be changed and run. */
  put(command: Command): void {
    const { first, second } = this.panes;
    if (typeof command === "string") first.put(command);
    else second?.put(command.second);
  }

  /** Whether a line was run as it is. */
  wasRun(command: Command): boolean {
    const isSecond = typeof command !== "string";
    const words = split(isSecond ? command.second : command)?.map((word) => new TextDecoder().decode(word));
    return this.ran.some((one) => one.isSecond === isSecond && one.words.join("\0") === words?.join("\0"));
  }

  /** What is shown with a step, made when the step is come to. */
  demo(): HTMLElement | undefined {
    const { step } = this;
    if (!step.demo) return undefined;
    const made = this.demos.get(step) ?? step.demo(this.stage());
    this.demos.set(step, made);
    return made;
  }

  /** What demos, and what another tab does, are played on. */
  stage(): Stage {
    const { store, panes } = this;
    const course = this;
    return {
      get redis() {
        return store.redis;
      },
      get ran() {
        return course.ran;
      },
      second: panes.secondRedis,
      isShared: store.hasClients,
      scripts: {
        get state() {
          return store.scripts;
        },
        load: () => store.withScripts(),
      },
      run: (command) => this.run(command),
      client: () => {
        const client = store.client();
        if (store.hasClients) this.clients.push(client);
        return client;
      },
      use: (listener) => {
        store.use(async (redis) => {
          if (!this.isOver) await listener(redis);
        });
      },
      every: (look) => {
        // It may fail while a transaction is open, or another tab comes to lead: it is tried again.
        const again = (): void => void look().catch(() => {});
        this.timers.push(setInterval(again, LOOK_MS));
        again();
      },
    };
  }

  /** Begins anew, without the keys that were made. */
  async reset(): Promise<void> {
    await this.progress.reset(this.lesson);
    this.done = new Set();
    await this.go(0);
  }

  /** Makes what earlier steps would have left. */
  private async prepare(): Promise<void> {
    const { terminal } = this.panes.first;
    if (!terminal.isPlain) return;
    for (const line of await this.missing()) {
      const [name, ...words] = split(line) ?? [];
      if (name) await this.store.redis.raw(new TextDecoder().decode(name), ...words);
      terminal.note(`This step goes on from here: ${line}`);
    }
  }

  private async missing(): Promise<readonly string[]> {
    const { given = {} } = this.step;
    const { redis } = this.store;
    if (typeof given === "function") return given(redis);
    const lines = await Promise.all(Object.entries(given).map(async ([key, line]) => ((await redis.exists(key)) ? [] : line.split("\n"))));
    return lines.flat();
  }

  /** What is not known yet is not done. */
  private refused({ message }: Error): false {
    this.refusal = message;
    return false;
  }

  private listen(pane: Pane, isSecond: boolean): void {
    const transactions = new Transactions();
    pane.terminal.onRan = (one: Ran) => {
      for (const { words, replies } of transactions.resolved(one)) this.ran.push({ words, replies, isSecond });
      this.changed(false);
      void this.look();
    };
  }

  /** Sees what of the step is done. */
  private async look(): Promise<void> {
    const { at, step, ran, lesson } = this;
    if (this.isLooking || this.done.has(at) || !this.panes.first.terminal.isPlain) return;
    this.isLooking = true;
    const seen = ran.length;
    const hindered = this.hindrance;
    this.refusal = "";
    try {
      const done = { redis: this.store.redis, second: this.panes.secondRedis, ran: ran.slice() };
      const met = await Promise.all(step.goals.map(async ({ check }, index) => this.met.has(index) || (await check(done).catch((error: Error) => this.refused(error)))));
      if (this.isOver || this.ran !== ran) return;
      const before = this.met.size;
      this.met = new Set([...met.keys()].filter((index) => met[index]));
      if (this.met.size === step.goals.length) {
        await this.progress.add(lesson.id, at);
        this.done = new Set([...this.done, at]);
      }
      if (this.met.size > before && this.ran === ran) this.changed(false);
    } catch (error) {
      // A store that is being opened anew: it is looked at again.
      this.refused(error as Error);
    } finally {
      this.isLooking = false;
      if (this.hindrance !== hindered && !this.isOver) this.changed(false);
      if (this.ran !== ran || ran.length > seen) queueMicrotask(() => void this.look());
    }
  }
}
