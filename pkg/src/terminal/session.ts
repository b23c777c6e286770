import type { Stop } from "../listening.js";
import type { Redis } from "../redis.js";
import { parse, type Value } from "./resp.js";

/** What a session needs of an open instance. */
export type Instance = Pick<Redis, "raw" | "bytes" | "on" | "hints">;

const SPACES = {
  subscribe: { method: "subscribe", message: "message", undo: "unsubscribe" },
  psubscribe: { method: "pSubscribe", message: "pmessage", undo: "punsubscribe" },
  ssubscribe: { method: "sSubscribe", message: "smessage", undo: "sunsubscribe" },
} as const;
type Subscribe = keyof typeof SPACES;

const UNDO = new Map<string, Subscribe>(
  (Object.keys(SPACES) as Subscribe[]).map((name) => [SPACES[name].undo, name]),
);

/** How often, and after how many milliseconds each, a script is tried that the leading tab cannot run yet. */
const SCRIPTS_TRIES = 50;
const SCRIPTS_MS = 200;

/** One session as redis-cli has one: database, transaction, subscriptions. */
export class Session {
  db = 0;
  inTransaction = false;
  /** The database that EXEC will leave selected. */
  private queuedDb = 0;
  private readonly stops = new Map<string, Stop>();
  private readonly decoder = new TextDecoder();

  /** `withScripts` has the store go on with scripting, and with that calls `replace`. */
  constructor(
    private redis: Instance,
    private readonly onMessage: (message: Value) => void,
    private readonly withScripts: () => Promise<void>,
  ) {}

  get subscribed(): boolean {
    return this.stops.size > 0;
  }

  get prompt(): string {
    const db = this.db === 0 ? "" : `[${this.db}]`;
    const transaction = this.inTransaction ? "(TX)" : "";
    return `lodis${db}${transaction}${this.subscribed ? "(subscribed)" : ""}>`;
  }

  /**
   * Runs a command; what it answers may be several replies (SUBSCRIBE to two channels). `signal`
   * ends the wait of a command that blocks.
   */
  async run(words: readonly Uint8Array[], signal: AbortSignal): Promise<Value[]> {
    const [first, ...args] = words;
    const name = this.decoder.decode(first).toLowerCase();
    const undo = UNDO.get(name);
    // Inside MULTI the engine has the say: it queues or refuses.
    if (name in SPACES && args.length > 0) return this.subscribe(name as Subscribe, args);
    if (undo !== undefined) return this.unsubscribe(undo, name, args);
    const ask = async () => parse(await this.redis.raw(this.decoder.decode(first), ...args, { signal }));
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
    for (const reply of replies) this.follow(name, args, reply);
    return replies;
  }

  /** Another tab has taken over: it knows neither database nor transaction of this session. */
  async reconnected(): Promise<void> {
    this.inTransaction = false;
    if (this.db !== 0) await this.redis.raw("SELECT", String(this.db));
  }

  /** Goes on with another instance of the same data. */
  async replace(redis: Instance): Promise<void> {
    if (redis === this.redis) return;
    const listened = [...this.stops.keys()];
    this.redis = redis;
    this.stops.clear();
    await this.reconnected();
    for (const key of listened) {
      const at = key.indexOf(" ");
      await this.subscribe(key.slice(0, at) as Subscribe, [new TextEncoder().encode(key.slice(at + 1))]);
    }
  }

  private follow(name: string, args: readonly Uint8Array[], reply: Value): void {
    const ok = reply.type !== "error";
    if (name === "multi" && ok) {
      this.inTransaction = true;
      this.queuedDb = this.db;
    } else if (name === "exec" && this.inTransaction && !isNested(reply)) {
      this.inTransaction = false;
      if (reply.type === "array") this.db = this.queuedDb;
    } else if (name === "discard" && ok) {
      this.inTransaction = false;
    } else if (name === "select" && reply.type === "status") {
      const db = Number(this.decoder.decode(args[0]));
      if (reply.text === "QUEUED") this.queuedDb = db;
      else this.db = db;
    }
  }

  private async subscribe(command: Subscribe, names: readonly Uint8Array[]): Promise<Value[]> {
    const { method, message } = SPACES[command];
    const replies: Value[] = [];
    for (const bytes of names) {
      const name = this.decoder.decode(bytes);
      const key = `${command} ${name}`;
      if (!this.stops.has(key)) {
        const stop = await this.redis.bytes[method](name, (value, channel, pattern) => {
          const head = pattern === undefined ? [] : [text(pattern)];
          this.onMessage(push(text(message), ...head, text(channel), { type: "string", bytes: value }));
        });
        this.stops.set(key, stop);
      }
      replies.push(push(text(command), text(name), this.count(command)));
    }
    return replies;
  }

  private async unsubscribe(
    command: Subscribe,
    name: string,
    names: readonly Uint8Array[],
  ): Promise<Value[]> {
    const all = [...this.stops.keys()].filter((key) => key.startsWith(`${command} `));
    const wanted = names.length > 0
      ? names.map((bytes) => this.decoder.decode(bytes))
      : all.map((key) => key.slice(command.length + 1));
    if (wanted.length === 0) return [push(text(name), { type: "nil" }, this.count(command))];
    const replies: Value[] = [];
    for (const channel of wanted) {
      const key = `${command} ${channel}`;
      await this.stops.get(key)?.();
      this.stops.delete(key);
      replies.push(push(text(name), text(channel), this.count(command)));
    }
    return replies;
  }

  /** Redis counts channels and patterns together, shard channels for themselves. */
  private count(command: Subscribe): Value {
    const shard = command === "ssubscribe";
    const keys = [...this.stops.keys()].filter((key) => key.startsWith("ssubscribe ") === shard);
    return { type: "integer", text: String(keys.length) };
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

function push(...items: Value[]): Value {
  return { type: "push", items };
}
