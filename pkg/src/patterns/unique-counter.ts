import { keyOf, oneOf, type RedisLike, text, timeIn, transact, whole } from "./shared.js";

/** How long what was counted is kept. */
export interface UniqueCounterOptions {
  /** What is counted by itself: `daily` or `hourly`. */
  readonly period?: "daily" | "hourly";
  /** So many periods are kept, the one that is now counted: 31. */
  readonly keep?: number;
  /** What the names of its keys begin with: `unique`. */
  readonly prefix?: string;
}

const HOUR_MS = 3_600_000;

/**
 * How many different ones there were, by day or hour: about, as a HyperLogLog knows it, with an error of 0.81 %,
 * in 12 KiB a period at most, however many they are.
 *
 * @throws TypeError for a bad name or option.
 */
export function uniqueCounter(redis: RedisLike, name: string, options: UniqueCounterOptions = {}): UniqueCounter {
  return new UniqueCounter(redis, text("uniqueCounter: the name", name), options);
}

/** See {@link uniqueCounter}. */
export class UniqueCounter {
  private readonly longMs: number;
  private readonly keep: number;
  private readonly base: string;

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: UniqueCounterOptions,
  ) {
    const period = oneOf("uniqueCounter: period", options.period, ["daily", "hourly"]);
    this.longMs = period === "daily" ? 24 * HOUR_MS : HOUR_MS;
    this.keep = whole("uniqueCounter: keep", options.keep, 31, 1, 100_000);
    this.base = keyOf(text("uniqueCounter: prefix", options.prefix, "unique"), name, period);
  }

  /** Counts these, if they have not been in this period. */
  async add(...members: string[]): Promise<void> {
    if (members.length === 0) return;
    const now = await timeIn(this.redis);
    const key = this.keyAt(now);
    const end = (Math.floor(now / this.longMs) + this.keep) * this.longMs;
    await transact(this.redis, [["PFADD", key, ...members], ["PEXPIREAT", key, end]]);
  }

  /** How many different ones there were in the last `periods` (1), the one that is now counted. */
  async count(periods = 1): Promise<number> {
    whole("uniqueCounter: periods", periods, undefined, 1, this.keep);
    const now = await timeIn(this.redis);
    const keys = Array.from({ length: periods }, (_, ago) => this.keyAt(now - ago * this.longMs));
    return Number(await this.redis.call("PFCOUNT", ...keys));
  }

  private keyAt(time: number): string {
    // 2026-11-22, or 2026-11-22T17
    const text = new Date(Math.floor(time / this.longMs) * this.longMs).toISOString();
    return keyOf(this.base, text.slice(0, this.longMs === HOUR_MS ? 13 : 10));
  }
}
