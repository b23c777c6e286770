import { beforeRetry, keyOf, PatternError, type RedisLike, text, timeOf, transact, type TxLike, whole } from "./shared.js";

/** What a limiter says of a call. Times are in milliseconds from now. */
export interface LimitResult {
  /** Whether it may go on. What may not is not counted. */
  readonly allowed: boolean;
  /** How much there is at most. */
  readonly limit: number;
  /** How much is left. */
  readonly remaining: number;
  /** 0 if it may go on; if not, when the same call may, if nobody else calls until then. */
  readonly retryAfterMs: number;
  /** When everything is there again, if nobody calls until then. */
  readonly resetMs: number;
}

/** Limits how often something happens, each `id` (a user, an address) for itself. */
export interface RateLimiter {
  /**
   * Counts a call of `id`, which costs `cost` (1), if it may go on.
   *
   * @throws TypeError for a cost that can never be had; PatternError `CONFLICT` if too many call at once,
   * `REPLY` if its key has something else.
   */
  limit(id: string, cost?: number): Promise<LimitResult>;
  /** Whether `limit` would let such a call go on, and what is left now. It counts nothing. */
  peek(id: string, cost?: number): Promise<LimitResult>;
  /** Forgets the calls of `id`. */
  reset(id: string): Promise<void>;
}

/** What a window allows. */
export interface WindowOptions {
  /** How much may happen in a window. */
  readonly limit: number;
  /** How long a window is, in milliseconds. */
  readonly windowMs: number;
  /** What the names of its keys begin with: `limit`. Limiters that differ in anything need different ones. */
  readonly prefix?: string;
}

/** What a bucket allows. */
export interface BucketOptions {
  /** How many tokens there are at most, and in the beginning: how much may happen at once. */
  readonly capacity: number;
  /** So many come back… */
  readonly refill: number;
  /** …in so many milliseconds, one after the other: 1000. */
  readonly intervalMs?: number;
  /** What the names of its keys begin with: `limit`. Limiters that differ in anything need different ones. */
  readonly prefix?: string;
}

/** What a kind of limiter knows of an `id`: numbers, which are kept as text. */
type State = readonly number[];

/** What a call comes to, and what is known then; nothing new if it may not go on. */
interface Step {
  readonly result: LimitResult;
  readonly state?: State;
  /** For how long that is to be known, in milliseconds. */
  readonly ttlMs?: number;
}

/** One kind: the time in milliseconds since 1970, what is known, and what the call costs. */
type Kind = (nowMs: number, state: State, cost: number) => Step;

/**
 * So much in each window, the first of which begins with the first call. Around the end of a window, twice
 * as much may happen in a short time. It keeps two numbers for an id.
 */
export function fixedWindow(redis: RedisLike, options: WindowOptions): RateLimiter {
  const { limit, windowMs, prefix } = windowOf("fixedWindow", options);
  return new Limiter(redis, prefix, limit, (now, [began = -Infinity, counted = 0], cost) => {
    const isOver = now >= began + windowMs || now < began - windowMs;
    const [start, used] = isOver ? [now, 0] : [began, counted];
    const endMs = start + windowMs - now;
    if (used + cost > limit) return { result: refused(limit, limit - used, endMs, endMs) };
    const result = allowed(limit, limit - used - cost, endMs);
    return { result, state: [start, used + cost], ttlMs: endMs };
  });
}

/**
 * So much in the time of a window before any moment, as near as two counters tell: of the window before, as
 * much counts as of its time lies in that, as if its calls had been spread evenly. It keeps three numbers
 * for an id.
 */
export function slidingWindow(redis: RedisLike, options: WindowOptions): RateLimiter {
  const { limit, windowMs, prefix } = windowOf("slidingWindow", options);
  return new Limiter(redis, prefix, limit, (now, [known = -Infinity, counted = 0, before = 0], cost) => {
    // The clocks of two tabs may differ by a little: a window does not come back for that.
    const isBack = known * windowMs > now && known * windowMs <= now + windowMs;
    const window = isBack ? known : Math.floor(now / windowMs);
    const current = known === window ? counted : 0;
    const previous = known === window ? before : known === window - 1 ? counted : 0;
    const elapsed = Math.max(0, now - window * windowMs);
    const used = current + previous * (1 - elapsed / windowMs);
    const left = Math.max(0, Math.floor(limit - used + ROUNDING));
    const resetMs = (current > 0 ? 2 : 1) * windowMs - elapsed;
    if (used + cost > limit + ROUNDING) {
      const waitMs = slidingWait(limit - cost, windowMs, elapsed, current, previous);
      return { result: refused(limit, left, waitMs, used > 0 ? resetMs : 0) };
    }
    const result = allowed(limit, Math.max(0, left - cost), 2 * windowMs - elapsed);
    return { result, state: [window, current + cost, previous], ttlMs: 2 * windowMs - elapsed };
  });
}

/** When no more than `most` is used, in milliseconds from now, by what {@link slidingWindow} knows. */
function slidingWait(most: number, windowMs: number, elapsed: number, current: number, previous: number): number {
  // In this window, what the one before counts for becomes less.
  if (current <= most) return Math.ceil((1 - (most - current) / previous) * windowMs - elapsed);
  // In the next one, what this one counts for does.
  return Math.ceil((2 - most / current) * windowMs - elapsed);
}

/**
 * So much in the time of a window before any moment, exactly. It keeps the time of every call that counts:
 * up to `limit` pairs of numbers for an id, so it is for limits up to some thousands.
 */
export function slidingLog(redis: RedisLike, options: WindowOptions): RateLimiter {
  const { limit, windowMs, prefix } = windowOf("slidingLog", options);
  return new Limiter(redis, prefix, limit, (now, state, cost) => {
    // Pairs of a time and what was called for then, oldest first, also where the clocks of two tabs differ.
    const known = (state.at(-2) ?? now) > now + windowMs ? [] : state;
    const kept = known.slice(firstAfter(known, now - windowMs));
    const last = kept.at(-2) ?? now;
    const time = Math.max(now, last);
    const used = kept.reduce((sum, value, index) => sum + (index % 2) * value, 0);
    if (used + cost > limit) {
      const waitMs = logWait(kept, used + cost - limit) + windowMs - now;
      return { result: refused(limit, limit - used, waitMs, used > 0 ? last + windowMs - now : 0) };
    }
    const entries = kept.length > 0 && last === time ? [...kept.slice(0, -1), kept.at(-1)! + cost] : [...kept, time, cost];
    const ttlMs = time + windowMs - now;
    return { result: allowed(limit, limit - used - cost, ttlMs), state: entries, ttlMs };
  });
}

/** Where the entries begin that are later than `end`. */
function firstAfter(entries: State, end: number): number {
  let index = 0;
  while (index < entries.length && entries[index]! <= end) index += 2;
  return index;
}

/** The time of the entry with whose end so much has become free. */
function logWait(entries: State, needed: number): number {
  let index = 0;
  for (let free = entries[1]!; free < needed; free += entries[index + 1]!) index += 2;
  return entries[index]!;
}

/**
 * A bucket of tokens, of which each call takes some, and which fills again at a steady pace (GCRA). It keeps
 * one number for an id.
 */
export function tokenBucket(redis: RedisLike, options: BucketOptions): RateLimiter {
  const capacity = whole("tokenBucket: capacity", options.capacity);
  const refill = whole("tokenBucket: refill", options.refill);
  const intervalMs = whole("tokenBucket: intervalMs", options.intervalMs, 1000);
  const prefix = text("tokenBucket: prefix", options.prefix, "limit");
  /** How long a token takes. */
  const each = intervalMs / refill;
  // What is known is when the bucket will be full.
  return new Limiter(redis, prefix, capacity, (now, [full = now], cost) => {
    const missing = Math.min(Math.max(full - now, 0), capacity * each + SLACK_MS);
    const needed = missing + cost * each;
    const left = (ms: number): number => Math.max(0, Math.floor(capacity - Math.max(0, ms - SLACK_MS) / each));
    const over = needed - capacity * each;
    if (over > SLACK_MS) {
      return { result: refused(capacity, left(missing), Math.ceil(over), Math.ceil(missing)) };
    }
    const resetMs = Math.ceil(needed);
    return { result: allowed(capacity, left(needed), resetMs), state: [now + needed], ttlMs: resetMs };
  });
}

/** Sums of fractions may be off by less than this. */
const ROUNDING = 1e-6;
/** The same of times since 1970, in milliseconds. */
const SLACK_MS = 1e-3;

function windowOf(kind: string, options: WindowOptions): Required<WindowOptions> {
  return {
    limit: whole(`${kind}: limit`, options.limit),
    windowMs: whole(`${kind}: windowMs`, options.windowMs),
    prefix: text(`${kind}: prefix`, options.prefix, "limit"),
  };
}

function allowed(limit: number, remaining: number, resetMs: number): LimitResult {
  return { allowed: true, limit, remaining, retryAfterMs: 0, resetMs };
}

function refused(limit: number, remaining: number, retryAfterMs: number, resetMs: number): LimitResult {
  return { allowed: false, limit, remaining, retryAfterMs: Math.max(1, retryAfterMs), resetMs };
}

/** What it was tried for so often, many are trying. */
const TRIES = 64;

/** Keeps what a kind knows of an id as one string, which is replaced if it is still what was read. */
class Limiter implements RateLimiter {
  constructor(
    private readonly redis: RedisLike,
    private readonly prefix: string,
    private readonly most: number,
    private readonly kind: Kind,
  ) {}

  async limit(id: string, cost = 1): Promise<LimitResult> {
    const [key, redis] = [this.keyOf(id, cost), this.redis];
    if (redis.atomic && redis.role !== "thin") {
      const run = (tx: TxLike): LimitResult => this.inside(tx, key, cost);
      try {
        return (await redis.atomic(run)) as LimitResult;
      } catch (error) {
        // This one may just have come to have no copy, and many may try.
        const { code } = error as { code?: unknown };
        if (code !== "NO_COPY" && code !== "CONFLICT") throw error;
      }
    }
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const result = await this.attempt(key, cost);
      if (result) return result;
      await beforeRetry(attempt);
    }
    throw new PatternError("CONFLICT", `too many calls of "${id}" at once`);
  }

  async peek(id: string, cost = 1): Promise<LimitResult> {
    const [now, state] = await this.look(this.keyOf(id, cost));
    const { result } = this.kind(now, state, cost);
    if (!result.allowed) return result;
    return state.length > 0 ? this.kind(now, state, 0).result : { ...result, remaining: this.most, resetMs: 0 };
  }

  async reset(id: string): Promise<void> {
    await this.redis.call("DEL", this.keyOf(id, 1));
  }

  private keyOf(id: string, cost: number): string {
    whole("limit: the cost", cost, undefined, 1, this.most);
    return keyOf(this.prefix, text("limit: the id", id));
  }

  private inside(tx: TxLike, key: string, cost: number): LimitResult {
    const known = tx.call("GET", key);
    const { result, state, ttlMs } = this.kind(timeOf(tx.call("TIME")), stateOf(key, known), cost);
    if (state) tx.call("SET", key, state.join(" "), "PX", Math.max(1, Math.ceil(ttlMs!)));
    return result;
  }

  private async look(key: string): Promise<[now: number, state: State, known: unknown]> {
    const [time, known] = await transact(this.redis, [["TIME"], ["GET", key]]);
    return [timeOf(time), stateOf(key, known), known];
  }

  /** Counts a call, unless something else has been counted since it looked. */
  private async attempt(key: string, cost: number): Promise<LimitResult | undefined> {
    const [now, before, known] = await this.look(key);
    const { result, state, ttlMs } = this.kind(now, before, cost);
    if (!state) return result;
    const condition = typeof known === "string" ? ["IFEQ", known] : ["NX"];
    const px = Math.max(1, Math.ceil(ttlMs!));
    const set = await this.redis.call("SET", key, state.join(" "), "PX", px, ...condition);
    return set === "OK" ? result : undefined;
  }
}

function stateOf(key: string, known: unknown): State {
  if (known === null || known === undefined) return [];
  const state = String(known).split(" ").map(Number);
  if (state.some((value) => !Number.isFinite(value))) {
    throw new PatternError("REPLY", `the key "${key}" has something else than what limits it`);
  }
  return state;
}
