import {
  background, callable, type Call, orInfinity, PatternError, randomId, type RedisLike, text, transact,
  whole,
} from "./shared.js";
import { codeOf, PatternWorker } from "./worker.js";

export type { PatternWorker };

/** How the entries of a stream are worked on. */
export interface StreamWorkerOptions {
  /** The group, whose workers share the entries. */
  readonly group: string;
  /** What this worker is called in it; chance finds a name unless it is given. */
  readonly consumer?: string;
  /** Where a group begins that is not there yet: `0`, the oldest entry; `$`, what comes from now on; or an id. */
  readonly start?: string;
  /** How many entries it works on at a time: 1, which keeps their order as long as there is one worker. */
  readonly concurrency?: number;
  /** Entries that nobody has dealt with for so long, in milliseconds, are given to another: 60,000. */
  readonly claimIdleMs?: number;
  /** How often an entry is delivered at most: 5. Then it is a dead letter. */
  readonly maxDeliveries?: number;
  /** The stream of dead letters: `<stream>:dead`. */
  readonly deadLetters?: string;
  /** Whether what is done is deleted from the stream: false. It is gone for other groups then, too. */
  readonly remove?: boolean;
  /** About so many entries are kept in the stream, done or not: Infinity. */
  readonly maxLen?: number;
  /** Stops it, as `stop()` does. */
  readonly signal?: AbortSignal;
  /** Told what went wrong: with an entry, whose id comes with it, or with the stream. */
  readonly onError?: (error: unknown, id: string | undefined) => void;
}

/** What a handler is given. */
export interface StreamEntry {
  /** Its id in the stream. */
  readonly id: string;
  /** Its fields by their names. */
  readonly fields: Readonly<Record<string, string>>;
  /** How often it has been delivered, this time counted: from 1. */
  readonly deliveries: number;
  /** Aborted when another worker has it by now, or this one has to end at once. */
  readonly signal: AbortSignal;
}

/** How an entry comes: with its fields and their values in turn. */
type Raw = readonly [id: string, fields: readonly string[]];

/** So many entries are asked for at a time, at most. */
const BATCH = 100;

/**
 * Works through a stream as one of a group: each entry is handled at least once by one of them, and by another
 * if that one dies, or fails.
 *
 * @throws TypeError for bad options.
 */
export function streamWorker(
  redis: RedisLike,
  stream: string,
  handler: (entry: StreamEntry) => Promise<unknown> | unknown,
  options: StreamWorkerOptions,
): StreamWorker {
  return new StreamWorker(redis, text("streamWorker: the stream", stream), callable("streamWorker: the handler", handler), options);
}

/** See {@link streamWorker}. `await using` stops it. */
export class StreamWorker extends PatternWorker {
  /** What it is called in the group. */
  readonly consumer: string;
  private readonly group: string;
  private readonly begins: string;
  private readonly claimIdleMs: number;
  private readonly maxDeliveries: number;
  private readonly deadLetters: string;
  private readonly remove: boolean;
  private readonly maxLen: number;
  private claimAt = 0;

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    private readonly stream: string,
    private readonly handler: (entry: StreamEntry) => Promise<unknown> | unknown,
    options: StreamWorkerOptions,
  ) {
    const concurrency = whole("streamWorker: concurrency", options.concurrency, 1, 1, 10_000);
    super("streamWorker", concurrency, callable("streamWorker: onError", options.onError ?? (() => {})));
    this.group = text("streamWorker: group", options.group);
    this.consumer = text("streamWorker: consumer", options.consumer, randomId(9));
    this.begins = text("streamWorker: start", options.start, "0");
    this.claimIdleMs = whole("streamWorker: claimIdleMs", options.claimIdleMs, 60_000, 10);
    this.maxDeliveries = whole("streamWorker: maxDeliveries", options.maxDeliveries, 5);
    this.deadLetters = text("streamWorker: deadLetters", options.deadLetters, `${stream}:dead`);
    this.remove = options.remove ?? false;
    this.maxLen = orInfinity("streamWorker: maxLen", options.maxLen, Infinity);
    this.start(options.signal);
  }

  /** @internal */
  protected override async work(signal: AbortSignal): Promise<void> {
    await this.join();
    await this.beat();
    await this.turns(signal);
  }

  /** @internal */
  protected override async leave(): Promise<void> {
    // What it has not done would be forgotten with its name.
    if ((await this.mine(1)).length > 0) return;
    await this.redis.call("XGROUP", "DELCONSUMER", this.stream, this.group, this.consumer);
  }

  /** Sees to it that the group is there. */
  private async join(): Promise<void> {
    try {
      await this.redis.call("XGROUP", "CREATE", this.stream, this.group, this.begins, "MKSTREAM");
    } catch (error) {
      if (codeOf(error) !== "BUSYGROUP") throw error;
    }
  }

  private async turns(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const room = Math.min(this.concurrency - this.active.size, BATCH);
      if (room <= 0) {
        await this.oneDone();
        continue;
      }
      const waitMs = this.claimAt - Date.now();
      if (waitMs <= 0) {
        await this.claim(room);
        continue;
      }
      const read: [string, ...(string | number)[]] = ["XREADGROUP", "GROUP", this.group, this.consumer, "COUNT", room];
      const block = Math.min(waitMs, this.claimIdleMs);
      const reply = await this.redis.call(...read, "BLOCK", block, "STREAMS", this.stream, ">", { signal });
      const entries = (reply as Record<string, Raw[]> | null)?.[this.stream] ?? [];
      for (const entry of entries) this.begin(entry, 1);
    }
  }

  /** Takes over what others, or this one, have not dealt with, and trims the stream. */
  private async claim(room: number): Promise<void> {
    const { redis, stream, group, consumer, claimIdleMs } = this;
    const idle = ["IDLE", claimIdleMs, "-", "+", room] as const;
    const rows = (await redis.call("XPENDING", stream, group, ...idle)) as [string, string, number, number][];
    let moved = 0;
    for (const [id, , , deliveries] of rows) {
      if (this.active.has(id)) continue;
      // Only one of those who look gets it.
      const claimed = (await redis.call("XCLAIM", stream, group, consumer, claimIdleMs, id)) as (Raw | null)[];
      const [entry] = claimed;
      // What has been deleted from the stream is nobody's any more.
      if (!entry) continue;
      moved++;
      if (deliveries >= this.maxDeliveries) await this.bury(entry, deliveries);
      else this.begin(entry, deliveries + 1);
    }
    if (this.maxLen < Infinity) await redis.call("XTRIM", stream, "MAXLEN", "~", this.maxLen);
    if (rows.length < room || moved === 0) this.claimAt = Date.now() + claimIdleMs / 2;
  }

  private begin(entry: Raw, deliveries: number): void {
    const [id] = entry;
    const over = new AbortController();
    const done = this.handle(entry, deliveries, over.signal)
      .catch((error: unknown) => this.onError(error, id))
      .finally(() => this.active.delete(id));
    this.active.set(id, { over, done });
  }

  private async handle([id, fields]: Raw, deliveries: number, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    const entry: StreamEntry = { id, fields: record(fields), deliveries, signal };
    // What fails stays with the group, and is claimed when it has been idle for long enough.
    await Promise.race([Promise.resolve(entry).then(this.handler), aborted]);
    await this.done(id);
  }

  private async done(id: string, ...before: Call[]): Promise<void> {
    const calls: Call[] = [...before, ["XACK", this.stream, this.group, id]];
    if (this.remove) calls.push(["XDEL", this.stream, id]);
    await transact(this.redis, calls);
  }

  private bury([id, fields]: Raw, deliveries: number): Promise<void> {
    const said = ["_stream", this.stream, "_group", this.group, "_id", id, "_deliveries", deliveries];
    return this.done(id, ["XADD", this.deadLetters, "*", ...said, ...fields]);
  }

  /** The entries that are this one's, as the group has it. */
  private async mine(count: number): Promise<string[]> {
    const rows = await this.redis.call("XPENDING", this.stream, this.group, "-", "+", count, this.consumer);
    return (rows as [string][]).map(([id]) => id);
  }

  /** Keeps others from claiming what is being worked on, and tells what they have claimed. */
  private async beat(): Promise<void> {
    this.cancelBeat();
    this.cancelBeat = background(() => void this.quietly(() => this.beat()), this.claimIdleMs / 3);
    const before = [...this.active.keys()];
    if (before.length === 0) return;
    const mine = new Set(await this.mine(before.length + BATCH));
    const lost = before.filter((id) => !mine.has(id));
    for (const id of lost) this.active.get(id)?.over.abort(new PatternError("LOST", "another worker has the entry by now"));
    const kept = before.filter((id) => mine.has(id) && this.active.has(id));
    if (kept.length === 0) return;
    await this.redis.call("XCLAIM", this.stream, this.group, this.consumer, 0, ...kept, "JUSTID");
  }
}

function record(fields: readonly string[]): Record<string, string> {
  const all: Record<string, string> = {};
  for (let index = 0; index + 1 < fields.length; index += 2) all[fields[index]!] = fields[index + 1]!;
  return all;
}
