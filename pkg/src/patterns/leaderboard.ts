import { type Call, keyOf, number, oneOf, type RedisLike, text, timeIn, transact, whole } from "./shared.js";

/** How a board counts. */
export interface LeaderboardOptions {
  /** Whether the first has the most (`desc`) or the least (`asc`): `desc`. */
  readonly order?: "desc" | "asc";
  /**
   * What those with the same score share: the best of their ranks, and the next one's is by as much worse
   * (`shared`: 1, 2, 2, 4); or nothing: whoever's name comes first in order is before (`none`: 1, 2, 3, 4).
   */
  readonly ties?: "shared" | "none";
  /** Whether there is another board for every day, week (from Monday) or month: `all`, which is none of it. */
  readonly period?: "all" | "daily" | "weekly" | "monthly";
  /** So many periods of before are kept: 1. */
  readonly keep?: number;
  /** By how many minutes the time by which days begin is ahead of UTC: 0. */
  readonly offsetMinutes?: number;
  /** What the names of its keys begin with: `board`. */
  readonly prefix?: string;
}

/** A member, and where it stands. */
export interface Place {
  /** Who. */
  readonly member: string;
  /** With how much. */
  readonly score: number;
  /** From 1. */
  readonly rank: number;
}

/** A period: its day, `2026-11-22`, or its first one; a moment in it; or what is now, if it is left out. */
export type Period = string | Date;

/** How boards become one. */
export interface MergeOptions {
  /** What becomes of several scores of a member: their sum, the least or the most of them: `sum`. */
  readonly aggregate?: "sum" | "min" | "max";
  /** Where the result is kept, as a board of that name without periods; nowhere unless it is given. */
  readonly into?: string;
}

const DAY_MS = 86_400_000;
/** A Monday. */
const WEEKS_SINCE_MS = 4 * DAY_MS;

/**
 * Who is first, for any number of members.
 *
 * @throws TypeError for a bad name or option.
 */
export function leaderboard(redis: RedisLike, name: string, options: LeaderboardOptions = {}): Leaderboard {
  return new Leaderboard(redis, text("leaderboard: the name", name), options);
}

/** See {@link leaderboard}. */
export class Leaderboard {
  private readonly isDescending: boolean;
  private readonly isShared: boolean;
  private readonly period: "all" | "daily" | "weekly" | "monthly";
  private readonly keep: number;
  private readonly offsetMs: number;
  private readonly prefix: string;

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: LeaderboardOptions,
  ) {
    this.isDescending = oneOf("leaderboard: order", options.order, ["desc", "asc"]) === "desc";
    this.isShared = oneOf("leaderboard: ties", options.ties, ["shared", "none"]) === "shared";
    this.period = oneOf("leaderboard: period", options.period, ["all", "daily", "weekly", "monthly"]);
    this.keep = whole("leaderboard: keep", options.keep, 1, 0, 10_000);
    this.offsetMs = number("leaderboard: offsetMinutes", options.offsetMinutes, 0, -1440, 1440) * 60_000;
    this.prefix = text("leaderboard: prefix", options.prefix, "board");
  }

  /** Sets the score of a member, if it is better than the one it has; answers whether it was. */
  async submit(member: string, score: number): Promise<boolean> {
    const better = this.isDescending ? "GT" : "LT";
    return (await this.write((key) => ["ZADD", key, better, "CH", checked(score), text("leaderboard: the member", member)])) === 1;
  }

  /** Sets the score of a member, whatever it has. */
  async set(member: string, score: number): Promise<void> {
    await this.write((key) => ["ZADD", key, checked(score), text("leaderboard: the member", member)]);
  }

  /** Adds to the score of a member, which begins with 0; answers what it is then. */
  async increment(member: string, by = 1): Promise<number> {
    return Number(await this.write((key) => ["ZINCRBY", key, checked(by), text("leaderboard: the member", member)]));
  }

  /** Takes a member out; answers whether it was in. */
  async remove(member: string, period?: Period): Promise<boolean> {
    return (await this.redis.call("ZREM", await this.key(period), member)) === 1;
  }

  /** How many members there are. */
  async size(period?: Period): Promise<number> {
    return Number(await this.redis.call("ZCARD", await this.key(period)));
  }

  /** Where a member is; null if it is not in. */
  async place(member: string, period?: Period): Promise<Place | null> {
    const key = await this.key(period);
    const found = await this.redis.call(this.isDescending ? "ZREVRANK" : "ZRANK", key, member, "WITHSCORE");
    if (!Array.isArray(found)) return null;
    const [index, score] = found.map(Number) as [number, number];
    return { member, score, rank: this.isShared ? await this.sharedRank(key, score) : index + 1 };
  }

  /** The first `count` members. */
  top(count: number, period?: Period): Promise<Place[]> {
    return this.page(1, count, period);
  }

  /** The members of page `page` (from 1), of `size` each. */
  async page(page: number, size: number, period?: Period): Promise<Place[]> {
    whole("leaderboard: the page", page);
    whole("leaderboard: the size of a page", size);
    return this.range(await this.key(period), (page - 1) * size, page * size - 1);
  }

  /** A member with up to `radius` of those before it, and as many after it; none if it is not in. */
  async around(member: string, radius: number, period?: Period): Promise<Place[]> {
    whole("leaderboard: the radius", radius, undefined, 0);
    const key = await this.key(period);
    const index = await this.redis.call(this.isDescending ? "ZREVRANK" : "ZRANK", key, member);
    if (index === null) return [];
    return this.range(key, Math.max(0, Number(index) - radius), Number(index) + radius);
  }

  /** The places of the members of several periods together, or keeps them as a board of its own. */
  async merge(periods: readonly Period[], options: MergeOptions = {}): Promise<Place[]> {
    if (!Array.isArray(periods) || periods.length === 0) throw new TypeError("leaderboard: periods is an array that is not empty");
    const aggregate = oneOf("leaderboard: aggregate", options.aggregate, ["sum", "min", "max"]);
    const keys = await Promise.all(periods.map((period) => this.key(period as Period)));
    const how = [keys.length, ...keys, "AGGREGATE", aggregate];
    if (options.into !== undefined) {
      const into = keyOf(this.prefix, text("leaderboard: into", options.into));
      await this.redis.call("ZUNIONSTORE", into, ...how);
      return this.range(into, 0, -1);
    }
    const pairs = (await this.redis.call("ZUNION", ...how, "WITHSCORES")) as [string, number][];
    return this.placed(this.isDescending ? pairs.reverse() : pairs, 0);
  }

  /** Forgets a period, or all there is. */
  async clear(period?: Period): Promise<void> {
    await this.redis.call("DEL", await this.key(period));
  }

  private async write(call: (key: string) => Call): Promise<unknown> {
    if (this.period === "all") return this.redis.call(...call(await this.key()));
    const now = await timeIn(this.redis);
    const key = this.keyAt(now);
    let end = now;
    for (let period = 0; period <= this.keep; period++) end = this.bounds(end)[1];
    const [reply] = await transact(this.redis, [call(key), ["PEXPIREAT", key, end]]);
    return reply;
  }

  private async key(period?: Period): Promise<string> {
    if (this.period === "all") {
      if (period !== undefined) throw new TypeError("leaderboard: this one has no periods");
      return keyOf(this.prefix, this.name);
    }
    if (period === undefined) return this.keyAt(await timeIn(this.redis));
    const isDay = typeof period === "string" && /^\d{4}-\d\d-\d\d$/.test(period);
    const time = isDay ? Date.parse(`${period}T00:00:00Z`) - this.offsetMs : period instanceof Date ? period.getTime() : NaN;
    if (!Number.isFinite(time)) throw new TypeError("leaderboard: a period is a Date, or a day as in 2026-11-22");
    return this.keyAt(time);
  }

  private keyAt(time: number): string {
    const first = new Date(this.bounds(time)[0] + this.offsetMs).toISOString().slice(0, 10);
    return keyOf(this.prefix, this.name, this.period, first);
  }

  /** When the period of a moment begins, and when the next one does. */
  private bounds(time: number): [begin: number, end: number] {
    const local = time + this.offsetMs;
    const date = new Date(local);
    const month = (by: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + by);
    const since = this.period === "weekly" ? WEEKS_SINCE_MS : 0;
    const long = this.period === "weekly" ? 7 * DAY_MS : DAY_MS;
    const begin = Math.floor((local - since) / long) * long + since;
    const [from, to] = this.period === "monthly" ? [month(0), month(1)] : [begin, begin + long];
    return [from - this.offsetMs, to - this.offsetMs];
  }

  private async range(key: string, start: number, stop: number): Promise<Place[]> {
    const order = this.isDescending ? ["REV"] : [];
    const pairs = (await this.redis.call("ZRANGE", key, start, stop, ...order, "WITHSCORES")) as [string, number][];
    if (!this.isShared || start === 0 || pairs.length === 0) return this.placed(pairs, start);
    return this.placed(pairs, start, await this.sharedRank(key, Number(pairs[0]![1])));
  }

  /** `first` is the rank of the first of them, where it shares one with some that come before. */
  private placed(pairs: readonly (readonly [string, number])[], start: number, first = start + 1): Place[] {
    const places: Place[] = [];
    for (const [index, [member, value]] of pairs.entries()) {
      const score = Number(value);
      const last = places.at(-1);
      const isTied = this.isShared && last?.score === score;
      places.push({ member, score, rank: isTied ? last!.rank : index === 0 ? first : start + index + 1 });
    }
    return places;
  }

  private async sharedRank(key: string, score: number): Promise<number> {
    const better = this.isDescending ? [`(${score}`, "+inf"] : ["-inf", `(${score}`];
    return Number(await this.redis.call("ZCOUNT", key, ...better)) + 1;
  }
}

function checked(score: number): number {
  if (!Number.isFinite(score)) throw new TypeError("leaderboard: a score is a number");
  return score;
}
