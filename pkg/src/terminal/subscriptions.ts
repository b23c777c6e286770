import type { Stop } from "../listening.js";
import type { Redis } from "../redis.js";
import type { Value } from "./resp.js";

const SPACES = {
  subscribe: { method: "subscribe", message: "message", undo: "unsubscribe" },
  psubscribe: { method: "pSubscribe", message: "pmessage", undo: "punsubscribe" },
  ssubscribe: { method: "sSubscribe", message: "smessage", undo: "sunsubscribe" },
} as const;
type Subscribe = keyof typeof SPACES;
type Instance = Pick<Redis, "bytes">;

const UNDO = new Map<string, Subscribe>((Object.keys(SPACES) as Subscribe[]).map((name) => [SPACES[name].undo, name]));
/** The commands that are a matter of this. */
export const SUBSCRIBES: readonly string[] = [...Object.keys(SPACES), ...UNDO.keys()];

/** What a session has subscribed to. */
export class Subscriptions {
  /** By command and name. */
  private readonly stops = new Map<string, Stop>();
  private readonly decoder = new TextDecoder();

  constructor(private readonly onMessage: (message: Value) => void) {}

  get count(): number {
    return this.stops.size;
  }

  /** Subscribes or unsubscribes, if the command is one that does. */
  run(redis: Instance, name: string, args: readonly Uint8Array[]): Promise<Value[]> | undefined {
    const undo = UNDO.get(name);
    if (Object.hasOwn(SPACES, name) && args.length > 0) return this.subscribe(redis, name as Subscribe, args);
    return undo && this.unsubscribe(undo, name, args);
  }

  /** Listens to the same at another instance. */
  async replace(redis: Instance): Promise<void> {
    const listened = [...this.stops.keys()];
    this.stops.clear();
    for (const key of listened) {
      const at = key.indexOf(" ");
      await this.subscribe(redis, key.slice(0, at) as Subscribe, [new TextEncoder().encode(key.slice(at + 1))]);
    }
  }

  /** Unsubscribes from everything. */
  async clear(): Promise<Value[]> {
    const replies: Value[] = [];
    for (const [name, command] of UNDO) {
      const isAny = [...this.stops.keys()].some((key) => key.startsWith(`${command} `));
      if (isAny) replies.push(...(await this.unsubscribe(command, name, [])));
    }
    return replies;
  }

  private async subscribe(redis: Instance, command: Subscribe, names: readonly Uint8Array[]): Promise<Value[]> {
    const { method, message } = SPACES[command];
    const replies: Value[] = [];
    for (const bytes of names) {
      const name = this.decoder.decode(bytes);
      const key = `${command} ${name}`;
      if (!this.stops.has(key)) {
        const stop = await redis.bytes[method](name, (value, channel, pattern) => {
          const head = pattern === undefined ? [] : [text(pattern)];
          this.onMessage(push(text(message), ...head, text(channel), { type: "string", bytes: value }));
        });
        this.stops.set(key, stop);
      }
      replies.push(push(text(command), text(name), this.countOf(command)));
    }
    return replies;
  }

  private async unsubscribe(command: Subscribe, name: string, names: readonly Uint8Array[]): Promise<Value[]> {
    const all = [...this.stops.keys()].filter((key) => key.startsWith(`${command} `));
    const wanted = names.length > 0 ? names.map((bytes) => this.decoder.decode(bytes)) : all.map((key) => key.slice(command.length + 1));
    if (wanted.length === 0) return [push(text(name), { type: "nil" }, this.countOf(command))];
    const replies: Value[] = [];
    for (const channel of wanted) {
      const key = `${command} ${channel}`;
      await this.stops.get(key)?.();
      this.stops.delete(key);
      replies.push(push(text(name), text(channel), this.countOf(command)));
    }
    return replies;
  }

  /** Redis counts channels and patterns together, shard channels for themselves. */
  private countOf(command: Subscribe): Value {
    const shard = command === "ssubscribe";
    const keys = [...this.stops.keys()].filter((key) => key.startsWith("ssubscribe ") === shard);
    return { type: "integer", text: String(keys.length) };
  }
}

function text(value: string): Value {
  return { type: "string", bytes: new TextEncoder().encode(value) };
}

function push(...items: Value[]): Value {
  return { type: "push", items };
}
