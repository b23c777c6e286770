import type { Redis } from "lodis";
import type { Terminal } from "lodis/terminal/pane";
import type { Store } from "../store.js";

export type Argument = string | number | Uint8Array;
export type Command = readonly [name: string, ...args: Argument[]];
export type Answer = unknown;

/** The dashboard's client: one of its own, or where the data is this page's alone, the terminal's. */
export class Client {
  private own: Promise<Redis> | undefined;

  constructor(
    readonly store: Store,
    private readonly terminal: Terminal,
  ) {}

  /** Whether there is no client but one. */
  get isShared(): boolean {
    return this.store.redis.topology === "single";
  }

  private redis(): Promise<Redis> {
    if (this.isShared) return Promise.resolve(this.store.redis);
    this.own ??= this.store.client();
    this.own.catch(() => (this.own = undefined));
    return this.own;
  }

  /** Runs commands together, with bytes for text if `binary`; answers what each answers, errors among them. */
  async ask(commands: readonly Command[], { db = 0, binary = false } = {}): Promise<Answer[]> {
    const redis = await this.redis();
    if (this.isShared && this.terminal.place.inTransaction) {
      throw new Error("The terminal is between MULTI and EXEC, and without storage it is the only client. Finish that first.");
    }
    const back = this.isShared ? this.terminal.place.db : 0;
    // Where another tab takes over, a session begins in database 0.
    const first: Command[] = db === back ? [] : [["SELECT", db]];
    const last: Command[] = db === back ? [] : [["SELECT", back]];
    const pipeline = binary ? redis.bytes.pipeline() : redis.pipeline();
    for (const [name, ...args] of [...first, ...commands, ...last]) pipeline.call(name, ...args);
    const answers = (await pipeline.exec()) as Answer[];
    return answers.slice(first.length, first.length + commands.length);
  }

  /** Runs one command; throws the error that it answers. */
  async run(...command: Command): Promise<Answer> {
    const [answer] = await this.ask([command]);
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

/** Lets the page have its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
