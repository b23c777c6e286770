// What runs commands one after the other, and writes what they answer as redis-cli does.
import { type Delimiters, formatReply } from "./format.js";
import { Disconnected, Link, type Target } from "./link.js";
import type { CliOptions } from "./options.js";
import type { Reply } from "./reply.js";

/** Where output goes: characters are bytes. */
export interface Outputs {
  write(text: string): void;
  complain(text: string): void;
}

/** Commands whose text is shown as it is. Each with the number of words it has then, 0 for any. */
const VERBATIM: Readonly<Record<string, number>> = {
  info: 0,
  lolwut: 0,
  "debug htstats": 0,
  "debug htstats-key": 0,
  "debug client-eviction": 0,
  "memory malloc-stats": 0,
  "memory doctor": 0,
  "cluster nodes": 2,
  "cluster info": 2,
  "client list": 0,
  "client info": 0,
  "latency graph": 3,
  "latency doctor": 2,
};

const SUBSCRIBES: ReadonlySet<string> = new Set(["subscribe", "psubscribe", "ssubscribe"]);
/** A command that took longer than this tells how long, at a terminal. */
const LONG_MS = 500;

/** One session: a connection, which is made anew when it is lost, and what it has selected. */
export class Session {
  private link: Link | undefined;
  private db: number;
  private inTransaction = false;
  private dbBefore = 0;
  private resp: 2 | 3;

  constructor(
    private readonly target: Target,
    private readonly options: CliOptions,
    private readonly outputs: Outputs,
  ) {
    this.db = options.db;
    this.resp = options.resp;
  }

  get prompt(): string {
    if (!this.link || this.link.isOver) return "not connected> ";
    const db = this.db === 0 ? "" : `[${this.db}]`;
    return `${this.target.name}${db}${this.inTransaction ? "(TX)" : ""}> `;
  }

  /** Whether there is a connection; makes one, and complains if it cannot. */
  async connect(): Promise<boolean> {
    if (this.link && !this.link.isOver) return true;
    const { options, outputs, target } = this;
    this.inTransaction = false;
    try {
      this.link = new Link(await target.connect(), (push) => this.showPush(push));
    } catch (error) {
      this.link = undefined;
      outputs.complain(`Could not connect to Redis at ${target.name.replace(/^redis /, "")}: ${reasonOf(error)}\n`);
      return false;
    }
    const { password, user } = options;
    if (password !== undefined) await this.prepare("AUTH failed", "AUTH", ...(user === undefined ? [] : [user]), password);
    if (this.db !== 0) await this.prepare(`SELECT ${this.db} failed`, "SELECT", String(this.db));
    if (this.resp === 3) await this.prepare("HELLO 3 failed", "HELLO", "3");
    return true;
  }

  /** Runs a command, and writes its reply; false if it failed. Rejects when the connection is lost. */
  async run(words: readonly Uint8Array[], isInteractive = false): Promise<boolean> {
    if (!(await this.connect())) return false;
    const { link, options, outputs } = this;
    const names = words.map((word) => Buffer.from(word).toString().toLowerCase());
    const [name = ""] = names;
    const began = performance.now();
    link!.send(words);
    try {
      if (name === "monitor") return await this.follow(names, link!);
      if (SUBSCRIBES.has(name) && !this.inTransaction) return await this.listen(words.length - 1, link!);
      const reply = await link!.reply();
      this.note(names, reply);
      if (reply.type === "error" && options.failsOnError) {
        outputs.complain(`${reply.text}\n`);
        return false;
      }
      this.show(reply, isVerbatim(names));
      const took = performance.now() - began;
      if (isInteractive && took >= LONG_MS && options.mode === "standard") outputs.write(`(${(took / 1000).toFixed(2)}s)\n`);
      return reply.type !== "error";
    } catch (error) {
      // What SHUTDOWN is answered by.
      if (error instanceof Disconnected && name === "shutdown") return true;
      throw error;
    }
  }

  /** The reply to a command that nobody is shown. Rejects when there is none. */
  async ask(...words: (string | Uint8Array)[]): Promise<Reply> {
    if (!(await this.connect())) throw new Disconnected();
    return this.link!.call(...words);
  }

  /** The connection, for what does not go by commands and replies. */
  async bare(): Promise<Link | undefined> {
    return (await this.connect()) ? this.link : undefined;
  }

  /** Gives up what is waited for, with the connection. */
  interrupt(): void {
    this.link?.close();
  }

  /** Writes a reply in the way that was asked for. */
  show(reply: Reply, verbatim = false): void {
    const { elementDelimiter: element, commandDelimiter: command, mode } = this.options;
    const delimiters: Delimiters = { element, command };
    this.outputs.write(formatReply(reply, mode, verbatim, delimiters));
  }

  private async prepare(complaint: string, ...words: string[]): Promise<void> {
    const reply = await this.link!.call(...words).catch((error: Error): Reply => ({ type: "error", text: error.message }));
    if (reply.type === "error") this.outputs.complain(`${complaint}: ${reply.text}\n`);
  }

  /** Shows what comes until the connection ends. */
  private async follow(names: readonly string[], link: Link): Promise<boolean> {
    for (;;) {
      const reply = await link.reply();
      this.show(reply, isVerbatim(names));
      if (reply.type === "error") return false;
    }
  }

  private async listen(channels: number, link: Link): Promise<boolean> {
    if (this.options.mode !== "raw") this.outputs.write("Reading messages... (press Ctrl-C to quit)\n");
    const shown = link.onPush;
    link.onPush = undefined;
    try {
      for (let count = 0; ; count++) {
        const reply = await link.reply();
        this.show(reply);
        if (count < channels && reply.type === "error") return false;
      }
    } finally {
      link.onPush = shown;
    }
  }

  /** Remembers what the prompt shows. */
  private note([name, word]: readonly string[], reply: Reply): void {
    const isError = reply.type === "error";
    if (name === "multi" && !isError) {
      [this.inTransaction, this.dbBefore] = [true, this.db];
    } else if (name === "exec" && this.inTransaction) {
      this.inTransaction = false;
      if (isError || reply.type === "nil") this.db = this.dbBefore;
    } else if (name === "discard" && !isError) {
      [this.inTransaction, this.db] = [false, this.dbBefore];
    } else if (name === "reset" && !isError) {
      [this.inTransaction, this.db, this.resp] = [false, 0, 2];
    } else if (name === "select" && !isError) {
      this.db = Number(word);
    } else if (name === "hello" && !isError && (word === "2" || word === "3")) {
      this.resp = word === "2" ? 2 : 3;
    }
  }

  private showPush(push: Reply): void {
    if (!this.options.showPushes) return;
    const [kind, keys] = push.type === "push" ? push.items : [];
    const isInvalidation = kind?.type === "string" && kind.text === "invalidate" && keys?.type === "array";
    if (this.options.mode !== "standard" || !isInvalidation) return this.show(push);
    const names = keys.items.map((key) => `'${key.type === "string" ? key.text : ""}'`);
    this.outputs.write(`-> invalidate: ${names.join(", ")}\n`);
  }
}

function isVerbatim(names: readonly string[]): boolean {
  for (const key of [names[0]!, names.slice(0, 2).join(" ")]) {
    const count = Object.hasOwn(VERBATIM, key) ? VERBATIM[key] : undefined;
    if (count !== undefined) return count === 0 || count === names.length;
  }
  return false;
}

/** Why a connection could not be made, in the words of the operating system. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: "Connection refused",
    ENOENT: "No such file or directory",
    ENOTFOUND: "Name or service not known",
    ETIMEDOUT: "Connection timed out",
    EHOSTUNREACH: "No route to host",
    ECONNRESET: "Connection reset by peer",
    EACCES: "Permission denied",
  };
  return known[code ?? ""] ?? message;
}
