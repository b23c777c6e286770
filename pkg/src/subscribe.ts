import { ReplyReader } from "./boundary/reply.js";
import { type Command, plain } from "./commands.js";
import { report } from "./events.js";
import type { Reply } from "./types.js";

/** The three spaces of subscriptions, and what a monitor is shown. */
export type Space = "channel" | "pattern" | "shard" | "monitor";

/** Called with a message, the channel it came on, and the pattern that matched, if one did. */
export type Listener<T> = (message: T, channel: string, pattern?: string) => void;

/** A listener, and whether it takes bytes. */
export type Entry =
  | { readonly listener: Listener<string>; readonly binary: false }
  | { readonly listener: Listener<Uint8Array>; readonly binary: true };

/** The listeners of one instance, by space and name. */
export class Subscriptions {
  private readonly entries = new Map<string, Set<Entry>>();
  private readonly queue: Uint8Array[] = [];

  /** `other` takes pushes that are no messages, as text and as bytes. */
  constructor(private readonly other: (text: readonly Reply[], binary: readonly Reply[]) => void) {}

  /** Adds a listener. */
  add(space: Space, name: string, entry: Entry): void {
    const key = keyOf(space, name);
    const entries = this.entries.get(key);
    if (entries) entries.add(entry);
    else this.entries.set(key, new Set([entry]));
  }

  /** Takes a listener away; answers whether it was the last of its name. */
  remove(space: Space, name: string, entry: Entry): boolean {
    const key = keyOf(space, name);
    const entries = this.entries.get(key);
    if (!entries?.delete(entry) || entries.size > 0) return false;
    return this.entries.delete(key);
  }

  /** Every name that is listened to, to subscribe anew. */
  *names(): Iterable<[Space, string]> {
    for (const key of this.entries.keys()) {
      const colon = key.indexOf(":");
      yield [key.slice(0, colon) as Space, key.slice(colon + 1)];
    }
  }

  clear(): void {
    this.entries.clear();
  }

  /** Takes RESP3 push frames; listeners are called in a microtask, in the order of the frames. */
  receive(messages: Uint8Array): void {
    this.queue.push(messages);
    if (this.queue.length === 1) queueMicrotask(() => this.deliver());
  }

  private deliver(): void {
    for (const messages of this.queue.splice(0)) {
      const text = readerOf(messages);
      const binary = readerOf(messages);
      while (text.more) this.dispatch(text.next(false), binary.next(true));
    }
  }

  private dispatch(text: unknown, binary: unknown): void {
    // What is no push is a line of a monitor.
    if (typeof text === "string") return this.deliverTo("monitor:", text, binary as Uint8Array, "");
    if (!Array.isArray(text)) return;
    const space = SPACES.get(text[0]);
    if (space === undefined) return this.other(text, binary as Reply[]);
    const frame = text as string[];
    const pattern = space === "pattern" ? frame[1] : undefined;
    const [channel, message] = frame.slice(-2) as [string, string];
    const bytes = (binary as Uint8Array[])[frame.length - 1]!;
    this.deliverTo(keyOf(space, pattern ?? channel), message, bytes, channel, pattern);
  }

  private deliverTo(
    key: string,
    message: string,
    bytes: Uint8Array,
    channel: string,
    pattern?: string,
  ): void {
    for (const entry of [...(this.entries.get(key) ?? [])]) {
      try {
        if (entry.binary) entry.listener(bytes.slice(), channel, pattern);
        else entry.listener(message, channel, pattern);
      } catch (error) {
        report(error);
      }
    }
  }
}

const SPACES: ReadonlyMap<unknown, Space> = new Map([
  ["message", "channel"],
  ["pmessage", "pattern"],
  ["smessage", "shard"],
]);

const MONITOR = plain("monitor");
const CHANGES: Record<Exclude<Space, "monitor">, readonly [Command, Command]> = {
  channel: [plain("subscribe"), plain("unsubscribe")],
  pattern: [plain("psubscribe"), plain("punsubscribe")],
  shard: [plain("ssubscribe"), plain("sunsubscribe")],
};

/** The command, with its arguments, that begins or ends listening to one name. */
export function changeOf(space: Space, name: string, on: boolean): [Command, readonly string[]] {
  if (space !== "monitor") return [CHANGES[space][on ? 0 : 1], [name]];
  return [MONITOR, on ? [] : ["OFF"]];
}

function keyOf(space: Space, name: string): string {
  return `${space}:${name}`;
}

function readerOf(bytes: Uint8Array): ReplyReader {
  const reader = new ReplyReader();
  reader.begin(bytes, 0, bytes.length);
  return reader;
}
