import type { Advisor } from "./editor.js";
import type { Kind, Line } from "./format.js";
import type { History } from "./history.js";
import type { Output } from "./output.js";
import type { Value } from "./resp.js";
import type { Answer, Instance, Session } from "./session.js";

const NOTE = "Type a command. Tab completes, ↑ and ↓ walk the history, help <command> explains, clear empties the screen.";

const WAITING = "Waiting. Ctrl+C or Stop ends it.";
/** What takes longer than this is waiting for something. */
const WAITING_MS = 700;
/** Lines of a session that are remembered. */
const LINES_MAX = 1_000;
/** Keys that are offered for completion, and how often SCAN looks for them. */
const KEYS_MAX = 50;
const SCANS_MAX = 20;
/** The database that has the history: KEYS and SCAN of the others do not find it. */
const HISTORY_DB = 15;

/** A command that was run: its words, and its replies. */
export interface Ran {
  /** The command and its arguments. */
  readonly words: readonly string[];
  /** What it answered: several of SUBSCRIBE to several channels. */
  readonly replies: readonly Value[];
}

/** What a terminal has to be shown of its session. */
export interface State {
  readonly prompt: string;
  readonly protocol: 2 | 3;
  /** What Stop would end, if anything. */
  readonly stops: "command" | "monitor" | "subscriptions" | undefined;
}

/** A link to more about something that went wrong. */
export interface Link {
  /** Where it leads. */
  readonly href: string;
  /** What is there. */
  readonly title: string;
}

/** Runs lines one after the other and shows what they answer. */
export class Terminal {
  /** Told of every command that was answered. */
  onRan: (ran: Ran) => void = () => {};
  /** Called before a command runs, which waits for it; if it fails, the command does. */
  onBefore: (words: readonly string[]) => Promise<void> = async () => {};
  /** Where there is more about what an error has to do with: `transactions`, `memory`, … Without it, HELP alone is offered. */
  linkTo: (topic: string) => Link | undefined | Promise<Link | undefined> = () => undefined;
  private session: Session | undefined;
  private redis: Instance | undefined;
  private withScripts: () => Promise<void> = async () => {};
  /** What runs lines; it is loaded with the first of them. */
  private parts: typeof import("./running.js") | undefined;
  private coming: Promise<void> | undefined;
  /** Lets lines run that were entered before there was an instance. */
  private begin: () => void = () => {};
  private queue: Promise<unknown> = new Promise<void>((resolve) => {
    this.begin = resolve;
  });
  private hasBegun = false;
  private isRemembering = false;
  /** How many lines wait to be run, or are. */
  private busy = 0;
  /** Ends the wait of the command that runs. */
  private running: AbortController | undefined;
  /** Whether that command waits for something. */
  private isWaiting = false;
  private loading: Promise<Advisor> | undefined;
  private readonly entered: string[] = [];

  /** @internal */
  constructor(
    private readonly output: Output,
    private readonly history: History,
    private readonly onState: (state: State) => void,
  ) {}

  /**
   * Begins a session with an open instance, or goes on with another one of the same data. `withScripts` is
   * called by the first script where the instance has no scripting: it opens one that does, and gives it to
   * `use` before it is done.
   */
  async use(redis: Instance, withScripts: () => Promise<void>): Promise<void> {
    [this.redis, this.withScripts] = [redis, withScripts];
    redis.on("role", () => {
      this.session?.reconnected().catch(() => {});
      this.tell();
    });
    if (this.session) return this.session.replace(redis);
    this.history.keepIn({
      read: (key) => this.kept(["LRANGE", key, "0", "-1"]).then((replies) => replies && (replies[1] as string[])),
      add: (key, lines, max) => this.kept(["RPUSH", key, ...lines], ["LTRIM", key, String(-max), "-1"]).then((replies) => replies !== undefined),
      forget: (key) => this.kept(["DEL", key]),
    });
    this.tell();
    if (this.busy > 0) await this.prepare();
  }

  /**
   * @internal Begins the session, with the first line or key that is typed: pages that are only looked at need
   * none. Answers what there is to wait for, if anything.
   */
  prepare(): Promise<void> | undefined {
    if (this.hasBegun || !this.redis) return undefined;
    this.coming ??= this.beginSession().finally(() => {
      this.coming = undefined;
    });
    return this.coming;
  }

  private async beginSession(): Promise<void> {
    const parts = await this.loadParts();
    if (!parts) return this.begin();
    const { Feed, Session, linesOf } = parts;
    const feed = new Feed(this.output, this.history.key);
    const message = (value: Value): void => void this.output.add(linesOf(value), "message");
    this.session = new Session(this.redis!, { message, monitored: (text) => feed.add(text) }, () => this.withScripts());
    const read = this.history.load();
    this.hasBegun = true;
    this.begin();
    await read;
  }

  /** What runs lines; undefined, and said so, if it cannot be loaded now. */
  private async loadParts(): Promise<typeof import("./running.js") | undefined> {
    try {
      this.parts ??= await import("./running.js");
    } catch (error) {
      this.note(`The terminal could not be loaded: ${(error as Error).message}`);
    }
    return this.parts;
  }

  /** There is going to be no instance: lines, also those that wait for it, are answered that there is none. */
  giveUp(): void {
    this.begin();
  }

  /** Whether what is called between its commands is a client's like any other: no transaction, database 0. */
  get isPlain(): boolean {
    return this.redis !== undefined && !this.session?.inTransaction && (this.session?.db ?? 0) === 0;
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

  /** Takes one line; it runs after the lines before it, once there is an instance. Answers the replies. */
  enter(text: string): Promise<readonly Value[]> {
    const replies = this.queue.then(() => this.run(text));
    this.queue = replies;
    this.busy++;
    const done = (): unknown => this.busy--;
    replies.then(done, done);
    void this.prepare();
    return replies;
  }

  /** What was entered, the newest last: the last thousand lines. */
  get lines(): readonly string[] {
    return this.entered;
  }

  /** Empties the screen. */
  clear(): void {
    this.output.clear();
  }

  /** Ends the wait of a command that blocks, or shows a line that was typed and given up, or ends MONITOR, or unsubscribes. */
  cancel(text: string): void {
    if (this.running) this.running.abort();
    else if (text !== "") this.echo(`${text}^C`);
    else if (this.session?.isMonitoring || this.session?.isSubscribed) this.stop();
    else this.echo("^C");
  }

  /** Ends what goes on by itself: a command that waits, MONITOR, subscriptions. */
  stop(): void {
    const { session, running, parts } = this;
    if (running || !session || !parts) return running?.abort();
    const ended = session.isMonitoring ? session.endMonitor().then(() => [line("note", "MONITOR has ended.")]) : session.unsubscribe().then((replies) => replies.flatMap((reply) => [...parts.linesOf(reply)]));
    void ended.then((lines) => this.output.add(lines)).finally(() => this.tell());
  }

  /** Shows replies as RESP2 or RESP3 has them, as `HELLO 2` and `HELLO 3` do. */
  async speak(protocol: 2 | 3): Promise<void> {
    await this.prepare();
    await this.session?.speak(protocol);
    this.tell();
    this.note(protocol === 2 ? "Replies are shown as RESP2 has them: without maps, sets, doubles and booleans." : "Replies are shown as RESP3 has them, with their types.");
  }

  /** Shows a remark. */
  note(text: string): void {
    this.output.add([line("note", text)]);
  }

  /** Shows how it is used. */
  welcome(): void {
    this.note(NOTE);
  }

  /** @internal What there is to say about lines; it is loaded when it is asked for. */
  advisor(): Promise<Advisor> {
    this.loading ??= this.load().catch((error: unknown) => {
      // It may be loaded next time.
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }

  private async load(): Promise<Advisor> {
    if (!this.redis) throw new Error("There is no open store.");
    const { redis } = this;
    const { Table, typedKey } = await import("./table.js");
    return {
      table: new Table(redis.hints()),
      // What runs may be the beginning of a transaction.
      keys: async (prefix) => {
        const keys = this.busy > 0 ? [] : await this.session?.keys(prefix, KEYS_MAX, SCANS_MAX);
        return keys?.map(typedKey) ?? [];
      },
    };
  }

  /** Runs commands about the history; undefined if that cannot be done now, or is refused. */
  private async kept(...commands: readonly (readonly [string, ...string[]])[]): Promise<unknown[] | undefined> {
    // The line that is run may be one about the history itself.
    if (this.hasBegun && this.busy > (this.isRemembering ? 1 : 0)) return undefined;
    const replies = await this.session?.runApart(HISTORY_DB, ...commands);
    return replies?.some((reply) => reply instanceof Error) ? undefined : replies;
  }

  private async run(text: string): Promise<readonly Value[]> {
    if (text.trim() !== "" && this.entered.push(text) > LINES_MAX) this.entered.shift();
    this.echo(text);
    const parts = await this.loadParts();
    if (!parts) return [];
    const words = parts.split(text);
    if (words?.length === 0) return [];
    const names = words?.map((word) => new TextDecoder().decode(word)) ?? [];
    const own = names[0]?.toLowerCase();
    if (own === "clear" && names.length === 1) this.output.clear();
    else if (own === "help" || own === "?") await this.help(names.slice(1));
    else if (own === "history") await this.remember(names[1]?.toLowerCase());
    else if (own === "quit" || own === "exit") this.note("There is no connection to end here: it goes with the page.");
    else if (!words) this.output.add([line("error", "Invalid argument(s)")]);
    else return this.ask(words, names);
    return [];
  }

  private async ask(words: readonly Uint8Array[], names: readonly string[]): Promise<readonly Value[]> {
    const running = new AbortController();
    this.running = running;
    const slow = setTimeout(() => this.waits(), WAITING_MS);
    try {
      await this.onBefore(names);
      await this.prepare();
      const answer = await this.session?.run(words, running.signal);
      if (!answer) {
        this.output.add([line("error", "There is no open store.")]);
        return [];
      }
      this.show(answer, names);
      this.onRan({ words: names, replies: answer.replies });
      return answer.replies;
    } catch (error) {
      this.output.add([line("error", `(error) ${(error as Error).message}`)], "reply");
      return [];
    } finally {
      clearTimeout(slow);
      this.running = undefined;
      this.isWaiting = false;
      this.tell();
    }
  }

  private waits(): void {
    this.isWaiting = true;
    this.note(WAITING);
    this.tell();
  }

  private show({ shown }: Answer, names: readonly string[]): void {
    for (const reply of shown) {
      const entry = this.output.add(this.parts?.linesOf(reply) ?? [], "reply");
      if (reply.type === "error") void this.explain(entry, reply.text, names).catch(() => {});
    }
    if (this.session?.isMonitoring && names[0]?.toLowerCase() === "monitor") this.note("Whatever any client runs is shown here. Ctrl+C or Stop ends it.");
  }

  /** Says in plain words what an error means, and where there is more. */
  private async explain(entry: HTMLElement, error: string, names: readonly string[]): Promise<void> {
    const [{ table }, { explanationOf }] = await Promise.all([this.advisor(), import("./explanations.js")]);
    const found = explanationOf(error);
    if (!found) return;
    const explanation = document.createElement("p");
    explanation.className = "explanation";
    explanation.append(`${found.text} `);
    const link = await this.linkTo(found.topic);
    if (link) explanation.append(Object.assign(document.createElement("a"), { href: link.href, textContent: link.title }), " ");
    const command = table.find(names)?.name.toUpperCase();
    if (command) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "more", textContent: `HELP ${command}` });
      button.addEventListener("click", () => void this.enter(`HELP ${command}`));
      explanation.append(button);
    }
    this.output.append(entry, explanation);
  }

  private echo(text: string): void {
    const prompt = { kind: "prompt", text: `${this.prompt} ` } as const;
    this.output.add([[prompt, { kind: "command", text }]], "typed");
  }

  private async help(names: readonly string[]): Promise<void> {
    const lines = await Promise.all([this.advisor(), import("./help.js")]).then(
      ([{ table }, { helpOf }]): Line[] => helpOf(table, names),
      (error: Error) => [line("error", `There is no help now: ${error.message}`)],
    );
    this.output.add(lines, "help");
  }

  /** Shows what was typed, or does with it as it is told. */
  private async remember(what: string | undefined): Promise<void> {
    const { history } = this;
    this.isRemembering = true;
    try {
      if (what === "clear") await history.clear();
      else if (what === "on" || what === "off") await history.keep(what === "on");
      else this.output.add(history.all.map((text, index) => [{ kind: "index", text: `${index + 1}) ` }, { kind: "text", text }]));
    } finally {
      this.isRemembering = false;
    }
    const place = history.isKept ? `kept in the store, in database ${HISTORY_DB} as ${history.key}` : "kept for this page alone";
    this.note(`What is typed is ${place}. history on, off and clear change that.`);
  }

  private get prompt(): string {
    return this.session?.prompt ?? (this.redis ? "lodis>" : "not connected>");
  }

  private tell(): void {
    const { session, isWaiting } = this;
    const stops = isWaiting ? "command" : session?.isMonitoring ? "monitor" : session?.isSubscribed ? "subscriptions" : undefined;
    this.onState({ prompt: this.prompt, protocol: session?.protocol ?? 3, stops });
  }
}

function line(kind: Kind, text: string): Line {
  return [{ kind, text }];
}
