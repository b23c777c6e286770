import type { Editor } from "./editor.js";
import { type Line, line, linesOf } from "./format.js";
import type { Output } from "./output.js";
import { split } from "./quoting.js";
import type { Value } from "./resp.js";
import { type Instance, Session } from "./session.js";
import { Table } from "./table.js";

const NOTE = "Type a command. Tab completes, ↑ and ↓ walk the history, help <command> explains, clear empties the screen.";

const WAITING = "Waiting. Ctrl+C ends it.";
/** What takes longer than this is waiting for something. */
const WAITING_MS = 700;

/** Lines of a session that are remembered. */
const LINES_MAX = 1_000;

/** A command that was run: its words, and its replies. */
export interface Ran {
  /** The command and its arguments. */
  readonly words: readonly string[];
  /** What it answered: several of SUBSCRIBE to several channels. */
  readonly replies: readonly Value[];
}

/** Runs lines one after the other and shows what they answer. */
export class Terminal {
  /** Told of every command that was answered. */
  onRan: (ran: Ran) => void = () => {};
  /** Called before a command runs, which waits for it; if it fails, the command does. */
  onBefore: (words: readonly string[]) => Promise<void> = async () => {};
  private session: Session | undefined;
  private readonly entered: string[] = [];
  private table = new Table([]);
  /** Lets lines run that were entered before there was an instance. */
  private begin: () => void = () => {};
  private queue: Promise<unknown> = new Promise<void>((resolve) => {
    this.begin = resolve;
  });
  /** Ends the wait of the command that runs. */
  private running: AbortController | undefined;

  /** @internal */
  constructor(
    private readonly output: Output,
    private readonly editor: Editor,
    private readonly prompt: HTMLElement,
  ) {}

  /**
   * Begins a session with an open instance, or goes on with another one of the same data. `withScripts` is
   * called by the first script where the instance has no scripting: it opens one that does, and gives it to
   * `use` before it is done.
   */
  async use(redis: Instance, withScripts: () => Promise<void>): Promise<void> {
    this.watch(redis);
    if (this.session) return this.session.replace(redis);
    const show = (message: Value): void => this.output.add(linesOf(message), "message");
    this.session = new Session(redis, show, withScripts);
    this.table = new Table(redis.hints());
    this.editor.advice = this.table;
    this.showPrompt();
    this.begin();
  }

  /** There is going to be no instance: lines, also those that wait for it, are answered that there is none. */
  giveUp(): void {
    this.begin();
  }

  private watch(redis: Instance): void {
    redis.on("role", () => {
      this.session?.reconnected().catch(() => {});
      this.showPrompt();
    });
  }

  /** Whether what is called between its commands is a client's like any other: no transaction, database 0. */
  get isPlain(): boolean {
    return this.session !== undefined && !this.session.inTransaction && this.session.db === 0;
  }

  /** Where its session is: who shares it has to leave it there. */
  get place(): { 
    /** The database that is selected. */
    readonly db: number;
    /** Whether MULTI has begun, and nothing has ended it. */
    readonly inTransaction: boolean;
  } {
    return { db: this.session?.db ?? 0, inTransaction: this.session?.inTransaction ?? false };
  }

  /** What was entered, the newest last: the last thousand lines. */
  get lines(): readonly string[] {
    return this.entered;
  }

  /** Takes one line; it runs after the lines before it, once there is an instance. Answers the replies. */
  enter(text: string): Promise<readonly Value[]> {
    const replies = this.queue.then(() => this.run(text));
    this.queue = replies;
    return replies;
  }

  /** Empties the screen. */
  clear(): void {
    this.output.clear();
  }

  /** Ends the wait of a command that blocks; else shows a line that was typed and given up. */
  cancel(text: string): void {
    if (this.running) this.running.abort();
    else this.echo(`${text}^C`);
  }

  /** Shows a remark. */
  note(text: string): void {
    this.output.add([line("note", text)]);
  }

  /** Shows how it is used. */
  welcome(): void {
    this.note(NOTE);
  }

  private async run(text: string): Promise<readonly Value[]> {
    this.echo(text);
    if (text.trim() !== "" && this.entered.push(text) > LINES_MAX) this.entered.shift();
    const words = split(text);
    if (words?.length === 0) return [];
    const names = words?.map((word) => new TextDecoder().decode(word)) ?? [];
    const own = names[0]?.toLowerCase();
    if (own === "clear" && names.length === 1) this.output.clear();
    else if (own === "help" || own === "?") this.help(names.slice(1));
    else if (!words) this.output.add([line("error", "Invalid argument(s)")]);
    else return this.ask(words, names);
    return [];
  }

  private async ask(words: readonly Uint8Array[], names: readonly string[]): Promise<readonly Value[]> {
    const running = new AbortController();
    this.running = running;
    const slow = setTimeout(() => this.note(WAITING), WAITING_MS);
    try {
      await this.onBefore(names);
      const replies = await this.session?.run(words, running.signal);
      if (!replies) {
        this.output.add([line("error", "There is no open store.")]);
        return [];
      }
      for (const reply of replies) this.output.add(linesOf(reply), "reply");
      this.onRan({ words: names, replies });
      return replies;
    } catch (error) {
      this.output.add([line("error", `(error) ${(error as Error).message}`)], "reply");
      return [];
    } finally {
      clearTimeout(slow);
      this.running = undefined;
      this.showPrompt();
    }
  }

  private echo(text: string): void {
    const prompt = { kind: "prompt", text: `${this.prompt.textContent} ` } as const;
    this.output.add([[prompt, { kind: "command", text }]], "typed");
  }

  private help(names: readonly string[]): void {
    const hint = this.table.find(names);
    if (names.length === 0) return this.welcome();
    if (!hint) return this.output.add([line("error", `No help for "${names.join(" ")}".`)]);
    const row = (name: string, text: string): Line => [
      { kind: "index", text: `  ${name}: ` },
      { kind: "text", text },
    ];
    this.output.add([
      [{ kind: "command", text: hint.name.toUpperCase() }, { kind: "text", text: ` ${hint.syntax}` }],
      row("summary", hint.summary),
      row("since", hint.since),
      row("group", hint.group),
      row("complexity", hint.complexity),
    ]);
  }

  private showPrompt(): void {
    this.prompt.textContent = this.session?.prompt ?? "not connected>";
  }
}
