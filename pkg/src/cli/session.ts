// What runs commands one after the other, and writes what they answer as redis-cli does.
import { setTimeout } from "node:timers/promises";
import { isVerbatim } from "../terminal/verbatim.js";
import { type Delimiters, formatReply } from "./format.js";
import { Disconnected, Link, type Target } from "./link.js";
import type { CliOptions } from "./options.js";
import type { Reply } from "./reply.js";

/** Where output goes: characters are bytes. */
export interface Outputs {
  write(text: string): void;
  complain(text: string): void;
}

const SUBSCRIBES: ReadonlySet<string> = new Set(["subscribe", "psubscribe", "ssubscribe"]);
/** Of a command that took longer than this it is told how long. */
const LONG_MS = 500;
const RETRY_MS = 1000;

/** What a server of a cluster answers that does not have the key. */
const REDIRECTION = /^(MOVED|ASK) (\d+) (.*):(\d+)$/;
/** Servers that send a client from one to the other and back have not agreed yet. */
const HOPS_MAX = 16;

/** One session: a connection, which is made anew when it is lost, and what it has selected. */
export class Session {
  private link: Link | undefined;
  private db: number;
  private inTransaction = false;
  private dbBefore = 0;
  private resp: 2 | 3;
  /** Whether messages are what is waited for. */
  private isListening = false;

  constructor(
    private target: Target,
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

  /** Whether there is a connection; makes one, and complains if it cannot, unless nobody is to be told. */
  async connect(isQuiet = false): Promise<boolean> {
    if (this.link && !this.link.isOver) return true;
    const { options, outputs, target } = this;
    this.inTransaction = false;
    try {
      this.link = new Link(await target.connect(), (push) => this.takePush(push));
    } catch (error) {
      this.link = undefined;
      if (!isQuiet) outputs.complain(`Could not connect to Redis at ${target.name.replace(/^redis /, "")}: ${reasonOf(error)}\n`);
      return false;
    }
    const { password, user } = options;
    if (password !== undefined) await this.prepare("AUTH failed", "AUTH", ...(user === undefined ? [] : [user]), password);
    if (this.db !== 0) await this.prepare(`SELECT ${this.db} failed`, "SELECT", String(this.db));
    if (this.resp === 3) await this.prepare("HELLO 3 failed", "HELLO", "3");
    return true;
  }

  /**
   * Runs a command, and writes its reply; false if it failed. Rejects when the connection is lost. Whoever writes
   * lines is also told how long it took, and where it was sent.
   */
  async run(words: readonly Uint8Array[], isLine = false): Promise<boolean> {
    if (!(await this.connect())) return false;
    const { options, outputs } = this;
    const names = words.map((word) => Buffer.from(word).toString().toLowerCase());
    const [name = ""] = names;
    const began = performance.now();
    try {
      if (SUBSCRIBES.has(name) && !this.inTransaction) return await this.listen(words, isLine);
      const reply = await this.answer(words, isLine);
      if (!reply) return false;
      if (name === "monitor") return await this.follow(reply, names);
      this.note(names, reply);
      if (reply.type === "error" && options.failsOnError) {
        outputs.complain(`${reply.text}\n`);
        return false;
      }
      this.show(reply, isVerbatim(names));
      const took = performance.now() - began;
      if (isLine && took >= LONG_MS && options.mode === "standard") outputs.write(`(${(took / 1000).toFixed(2)}s)\n`);
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

  /** The replies to commands that are sent at once. */
  async askAll(commands: readonly (readonly (string | Uint8Array)[])[]): Promise<Reply[]> {
    if (!(await this.connect())) throw new Disconnected();
    const link = this.link!;
    for (const words of commands) link.send(words.map((word) => (typeof word === "string" ? Buffer.from(word) : word)));
    const replies: Reply[] = [];
    for (const _ of commands) replies.push(await link.reply());
    return replies;
  }

  /** As {@link ask}, but whoever is away is waited for, and asked again. */
  async insist(...words: string[]): Promise<Reply> {
    for (let tries = 0; ; tries++) {
      if (tries > 0) {
        this.outputs.write(`\r\x1b[0KReconnecting... ${tries}\r`);
        await setTimeout(RETRY_MS);
      }
      if (!(await this.connect(true))) continue;
      const reply = await this.link!.call(...words).catch(() => undefined);
      if (reply) return reply;
    }
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

  /** The reply to a command; in a cluster that of the server which has the key. Undefined if that cannot be reached. */
  private async answer(words: readonly Uint8Array[], isLine: boolean): Promise<Reply | undefined> {
    const { options, outputs } = this;
    for (let hops = 0; ; hops++) {
      this.link!.send(words);
      const reply = await this.link!.reply();
      const [, kind, slot, host, port] = (reply.type === "error" && REDIRECTION.exec(reply.text)) || [];
      if (!options.cluster || kind === undefined || hops === HOPS_MAX || !this.target.at) return reply;
      this.target = this.target.at(host!, Number(port));
      if (isLine) outputs.write(`-> Redirected to slot [${slot}] located at ${this.target.name}\n`);
      this.interrupt();
      this.link = undefined;
      if (!(await this.connect())) return undefined;
      if (kind === "ASK") await this.prepare("ASKING failed", "ASKING");
    }
  }

  /** Shows what comes until the connection ends. */
  private async follow(first: Reply, names: readonly string[]): Promise<boolean> {
    for (let reply = first; ; reply = await this.link!.reply()) {
      this.show(reply, isVerbatim(names));
      if (reply.type === "error") return false;
    }
  }

  private async listen(words: readonly Uint8Array[], isLine: boolean): Promise<boolean> {
    if (this.options.mode !== "raw") this.outputs.write("Reading messages... (press Ctrl-C to quit)\n");
    this.isListening = true;
    try {
      let reply = await this.answer(words, isLine);
      for (let count = 1; reply; count++) {
        this.show(reply);
        if (count < words.length && reply.type === "error") return false;
        reply = await this.link!.reply();
      }
      return false;
    } finally {
      this.isListening = false;
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

  private takePush(push: Reply): boolean {
    if (this.isListening) return false;
    if (this.options.showPushes) this.showPush(push);
    return true;
  }

  private showPush(push: Reply): void {
    const [kind, keys] = push.type === "push" ? push.items : [];
    const isInvalidation = kind?.type === "string" && kind.text === "invalidate" && keys?.type === "array";
    if (this.options.mode !== "standard" || !isInvalidation) return this.show(push);
    const names = keys.items.map((key) => `'${key.type === "string" ? key.text : ""}'`);
    this.outputs.write(`-> invalidate: ${names.join(", ")}\n`);
  }
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
