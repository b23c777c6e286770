import type { Stop } from "../listening.js";
import type { Redis } from "../redis.js";
import type { Argument, Reply } from "../types.js";
import type { asResp2 } from "./resp2.js";
import { parse, type Value } from "./resp.js";
import { SUBSCRIBES, Subscriptions } from "./subscriptions.js";

/** What a session needs of an open instance. */
export type Instance = Pick<Redis, "raw" | "bytes" | "on" | "hints" | "monitor" | "pipeline">;

/** What a session is told without having asked. */
export interface Told {
  /** A message of a channel. */
  message(message: Value): void;
  /** A line of MONITOR. */
  monitored(line: string): void;
}

/** What a command has answered, and how that is shown in the session's protocol. */
export interface Answer {
  readonly replies: readonly Value[];
  readonly shown: readonly Value[];
}

/** How often, and after how many milliseconds each, a script is tried that the leading tab cannot run yet. */
const SCRIPTS_TRIES = 50;
const SCRIPTS_MS = 200;
/** What a subscriber may call in RESP2, where replies and messages cannot be told apart. */
const ALLOWED: ReadonlySet<string> = new Set([...SUBSCRIBES, "ping", "quit", "reset"]);
const DEFAULT_USER = "default";
/** Longer keys are not offered. */
const KEY_MAX = 256;

/** One session as redis-cli has one: protocol, database, transaction, subscriptions. */
export class Session {
  db = 0;
  inTransaction = false;
  protocol: 2 | 3 = 3;
  private user = DEFAULT_USER;
  /** The database that EXEC will leave selected. */
  private queuedDb = 0;
  /** The commands that EXEC will run. */
  private queued: string[] = [];
  /** Whether the last command was about the next one alone. */
  private isBound = false;
  private monitoring: Stop | undefined;
  private downgrade: typeof asResp2 | undefined;
  private readonly subscriptions: Subscriptions;
  private readonly decoder = new TextDecoder();

  /** `withScripts` has the store go on with scripting, and with that calls `replace`. */
  constructor(
    private redis: Instance,
    private readonly told: Told,
    private readonly withScripts: () => Promise<void>,
  ) {
    this.subscriptions = new Subscriptions((message) => told.message(this.shown(message, "")));
  }

  get isSubscribed(): boolean {
    return this.subscriptions.count > 0;
  }

  get isMonitoring(): boolean {
    return this.monitoring !== undefined;
  }

  get prompt(): string {
    const db = this.db === 0 ? "" : `[${this.db}]`;
    const transaction = this.inTransaction ? "(TX)" : "";
    const listening = (this.isSubscribed ? "(subscribed mode)" : "") + (this.isMonitoring ? "(monitor)" : "");
    return `lodis${db}${transaction}${listening}>`;
  }

  /** Shows replies as a protocol has them. */
  async speak(protocol: 2 | 3): Promise<void> {
    if (protocol === 2) this.downgrade ??= (await import("./resp2.js")).asResp2;
    this.protocol = protocol;
  }

  /**
   * Runs a command; what it answers may be several replies (SUBSCRIBE to two channels). `signal`
   * ends the wait of a command that blocks.
   */
  async run(words: readonly Uint8Array[], signal: AbortSignal): Promise<Answer> {
    const [first, ...args] = words;
    const called = this.decoder.decode(first);
    const name = called.toLowerCase();
    const queued = this.queued;
    const replies = await this.replies(called, args, signal);
    const isText = this.protocol === 2 && replies.some(({ type }) => type === "verbatim") && (await this.isVerbatim(words));
    return { replies, shown: replies.map((reply) => (isText ? reply : this.shown(reply, name, queued))) };
  }

  private async replies(called: string, args: readonly Uint8Array[], signal: AbortSignal): Promise<Value[]> {
    const name = called.toLowerCase();
    if (this.protocol === 2 && this.isSubscribed) {
      if (!ALLOWED.has(name)) {
        return [error(`ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`)];
      }
      if (name === "ping" && args.length < 2) return [{ type: "array", items: [text("pong"), { type: "string", bytes: args[0] ?? new Uint8Array(0) }] }];
    }
    // Inside MULTI the engine has the say: it queues or refuses.
    const listened = this.subscriptions.run(this.redis, name, args);
    if (listened) return listened;
    switch (name) {
      case "monitor":
        if (args.length === 0) return this.monitor();
        return [error("ERR wrong number of arguments for 'monitor' command")];
      case "hello":
        return this.hello(args, signal);
      case "reset":
        if (args.length === 0) return this.reset();
        return [error("ERR wrong number of arguments for 'reset' command")];
      default:
        return this.ask(called, args, signal);
    }
  }

  private async ask(called: string, args: readonly Uint8Array[], signal: AbortSignal): Promise<Value[]> {
    const ask = async () => parse(await this.redis.raw(called, ...args, { signal }));
    let replies = await ask();
    if (replies.some(lacksScripts)) {
      await this.withScripts();
      replies = await ask();
      // A tab that is still without scripting may lead for a moment.
      for (let left = SCRIPTS_TRIES; left > 0 && replies.some(lacksScripts); left--) {
        await new Promise((resolve) => setTimeout(resolve, SCRIPTS_MS));
        replies = await ask();
      }
    }
    for (const reply of replies) this.follow(called.toLowerCase(), args, reply);
    return replies;
  }

  /** Another tab has taken over: it knows neither database nor transaction nor user of this session. */
  async reconnected(): Promise<void> {
    this.inTransaction = false;
    this.user = DEFAULT_USER;
    if (this.db !== 0) await this.redis.raw("SELECT", String(this.db));
  }

  /** Goes on with another instance of the same data. */
  async replace(redis: Instance): Promise<void> {
    if (redis === this.redis) return;
    const wasMonitoring = this.monitoring !== undefined;
    this.redis = redis;
    this.monitoring = undefined;
    await this.reconnected();
    await this.subscriptions.replace(redis);
    if (wasMonitoring) await this.monitor();
  }

  /** Ends MONITOR; whether there was one. */
  async endMonitor(): Promise<boolean> {
    const { monitoring } = this;
    this.monitoring = undefined;
    await monitoring?.();
    return monitoring !== undefined;
  }

  /** Unsubscribes from everything. */
  async unsubscribe(): Promise<Value[]> {
    return (await this.subscriptions.clear()).map((reply) => this.shown(reply, ""));
  }

  /** Up to `limit` keys that begin with `prefix`, of the first ones that SCAN comes upon. */
  async keys(prefix: Uint8Array, limit: number, rounds: number): Promise<Uint8Array[]> {
    const found = new Map<string, Uint8Array>();
    const letters = new TextDecoder("latin1");
    if (this.inTransaction) return [];
    const pattern = Uint8Array.from([...prefix].flatMap((byte) => ("*?[]\\".includes(String.fromCharCode(byte)) ? [0x5c, byte] : [byte])).concat(0x2a));
    let cursor = "0";
    for (let round = 0; round < rounds && found.size < limit; round++) {
      const [reply] = parse(await this.redis.raw("SCAN", cursor, "MATCH", pattern, "COUNT", "500"));
      if (reply?.type !== "array" || reply.items[0]?.type !== "string" || reply.items[1]?.type !== "array") break;
      for (const key of reply.items[1].items) if (key.type === "string" && key.bytes.length <= KEY_MAX) found.set(letters.decode(key.bytes), key.bytes);
      cursor = this.decoder.decode(reply.items[0].bytes);
      if (cursor === "0") break;
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit).map(([, bytes]) => bytes);
  }

  /**
   * Runs commands in another database, which nothing of the session notices; undefined if that cannot be done
   * now. The first of the replies is that of SELECT.
   */
  async runApart(db: number, ...commands: readonly (readonly [string, ...Argument[]])[]): Promise<Reply[] | undefined> {
    if (this.inTransaction || this.user !== DEFAULT_USER || this.isBound) return undefined;
    const pipeline = this.redis.pipeline();
    for (const command of [["SELECT", String(db)] as const, ...commands, ["SELECT", String(this.db)] as const]) pipeline.call(...command);
    return pipeline.exec();
  }

  private shown(value: Value, name: string, queued: readonly string[] = []): Value {
    return this.protocol === 2 && this.downgrade ? this.downgrade(value, name, queued) : value;
  }

  private async isVerbatim(words: readonly Uint8Array[]): Promise<boolean> {
    const { isVerbatim } = await import("./verbatim.js");
    return isVerbatim(words.map((word) => this.decoder.decode(word).toLowerCase()));
  }

  private async monitor(): Promise<Value[]> {
    if (this.inTransaction) return [error("ERR MONITOR isn't allowed for DENY BLOCKING client")];
    this.monitoring ??= await this.redis.monitor((line) => this.told.monitored(line));
    return [{ type: "status", text: "OK" }];
  }

  /** The engine speaks RESP3 here; what it says is shown in either. */
  private async hello(args: readonly Uint8Array[], signal: AbortSignal): Promise<Value[]> {
    const [version = String(this.protocol), ...rest] = args.map((word) => this.decoder.decode(word));
    if (!/^-?\d{1,18}$/.test(version)) return [error("ERR Protocol version is not an integer or out of range")];
    if (version !== "2" && version !== "3") return [error("NOPROTO unsupported protocol version")];
    const [reply] = await this.ask("hello", ["3", ...rest].map((word) => new TextEncoder().encode(word)), signal);
    if (reply?.type !== "map") return reply ? [reply] : [];
    await this.speak(version === "2" ? 2 : 3);
    const at = reply.items.findIndex((item) => item.type === "string" && this.decoder.decode(item.bytes) === "proto") + 1;
    return [{ type: "map", items: reply.items.with(at, { type: "integer", text: version }) }];
  }

  /** As a connection that has just been made. */
  private async reset(): Promise<Value[]> {
    await this.endMonitor();
    await this.subscriptions.clear();
    await this.redis.raw(this.inTransaction ? "DISCARD" : "UNWATCH");
    // Where the default user has a password, the session stays who it is.
    if (this.user !== DEFAULT_USER) await this.redis.raw("AUTH", DEFAULT_USER, "");
    for (const words of [["TRACKING", "OFF"], ["SETNAME", ""], ["NO-EVICT", "OFF"], ["NO-TOUCH", "OFF"]]) await this.redis.raw("CLIENT", ...words);
    await this.redis.raw("SELECT", "0");
    [this.inTransaction, this.db, this.user, this.isBound] = [false, 0, DEFAULT_USER, false];
    await this.speak(2);
    return [{ type: "status", text: "RESET" }];
  }

  private follow(name: string, args: readonly Uint8Array[], reply: Value): void {
    const isGood = reply.type !== "error";
    const words = args.map((word) => this.decoder.decode(word));
    this.isBound = name === "asking" || (name === "client" && words[0]?.toLowerCase() === "caching");
    if (reply.type === "status" && reply.text === "QUEUED") this.queued = [...this.queued, name];
    if (name === "multi" && isGood) {
      this.inTransaction = true;
      this.queuedDb = this.db;
      this.queued = [];
    } else if (name === "exec" && this.inTransaction && !isNested(reply)) {
      this.inTransaction = false;
      if (reply.type === "array") this.db = this.queuedDb;
    } else if (name === "discard" && isGood) {
      this.inTransaction = false;
    } else if (name === "select" && reply.type === "status") {
      if (reply.text === "QUEUED") this.queuedDb = Number(words[0]);
      else this.db = Number(words[0]);
    } else if (name === "auth" && isGood) {
      this.user = words.length > 1 ? words[0]! : DEFAULT_USER;
    } else if (name === "hello" && isGood) {
      const at = words.findIndex((word) => word.toLowerCase() === "auth");
      if (at >= 0) this.user = words[at + 1] ?? DEFAULT_USER;
    }
  }
}

/** Whether a command needs the module with scripting: most visitors need none of it. */
function lacksScripts(reply: Value): boolean {
  return reply.type === "error" && reply.text.startsWith("ERR scripting is not in this build");
}

/** EXEC with arguments is refused and leaves the transaction as it is, marked as failed. */
function isNested(reply: Value): boolean {
  return reply.type === "error" && !reply.text.startsWith("EXECABORT");
}

function text(value: string): Value {
  return { type: "string", bytes: new TextEncoder().encode(value) };
}

function error(text: string): Value {
  return { type: "error", text };
}
