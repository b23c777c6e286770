import { type Call, keyOf, orInfinity, randomId, type RedisLike, text, timeIn, transact, whole } from "./shared.js";

/** How long sessions last. */
export interface SessionOptions {
  /** A session ends so long after it was last used, in milliseconds: 1,800,000, half an hour. */
  readonly ttlMs?: number;
  /** Whether using it prolongs it: true. If not, it ends so long after it was created, or renewed by `touch`. */
  readonly sliding?: boolean;
  /** How many sessions a user has at most: Infinity. Of more, those end that were not used for longest. */
  readonly maxPerUser?: number;
  /** What the names of its keys begin with: `session`. */
  readonly prefix?: string;
}

/** A session that has not ended. */
export interface Session<T> {
  /** What its user proves with that it is theirs: 192 bits that nobody guesses. */
  readonly id: string;
  /** Whose it is. */
  readonly user: string;
  /** What was kept with it. */
  readonly data: T;
  /** In milliseconds since 1970. */
  readonly createdAt: number;
  /** It ends so long from now, in milliseconds, unless it is used. */
  readonly ttlMs: number;
}

/** A session as it is kept. */
interface Kept<T> {
  readonly user: string;
  readonly data: T;
  readonly createdAt: number;
}

/** What a session's use has it last longer by is written once it is worth this part of its time. */
const WORTH = 0.1;
/** What is used later than something else of the same millisecond, here, counts as so much later. */
const LATER_MS = 0.001;
/** A clock that is back by less than this is not followed. */
const BACK_MS = 1000;
/** So many random bytes make an id. */
const ID_BYTES = 24;

/**
 * Keeps who is signed in, for as long as they are active.
 *
 * @throws TypeError for bad options.
 */
export function sessions<T>(redis: RedisLike, options: SessionOptions = {}): Sessions<T> {
  return new Sessions(redis, options);
}

/** See {@link sessions}. */
export class Sessions<T> {
  private readonly ttlMs: number;
  private readonly sliding: boolean;
  private readonly maxPerUser: number;
  private readonly prefix: string;
  /** When something was last said to be used, by the store's clock. */
  private lastUse = 0;

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    options: SessionOptions,
  ) {
    this.ttlMs = whole("sessions: ttlMs", options.ttlMs, 1_800_000);
    this.sliding = options.sliding ?? true;
    this.maxPerUser = orInfinity("sessions: maxPerUser", options.maxPerUser, Infinity);
    this.prefix = text("sessions: prefix", options.prefix, "session");
  }

  /** Begins a session of a user, whose data is kept as JSON. */
  async create(user: string, data: T): Promise<Session<T>> {
    const id = randomId(ID_BYTES);
    const createdAt = await timeIn(this.redis);
    const kept = textOf({ user: text("sessions: the user", user), data, createdAt });
    const [, , , count] = await transact(this.redis, [
      ["SET", this.key(id), kept, "PX", this.ttlMs],
      ...this.listed(user, id, createdAt),
      ["ZCARD", this.listKey(user)],
    ]);
    if (Number(count) > this.maxPerUser) await this.shorten(user, createdAt);
    return { id, user, data, createdAt, ttlMs: this.ttlMs };
  }

  /** The session, if it has not ended, which it does later then, if it is `sliding`. */
  async get(id: string): Promise<Session<T> | null> {
    const found = await this.peek(id);
    if (!found || !this.sliding || this.ttlMs - found.ttlMs < this.ttlMs * WORTH) return found;
    return (await this.prolong(found)) ? { ...found, ttlMs: this.ttlMs } : null;
  }

  /** The same, without prolonging it. */
  async peek(id: string): Promise<Session<T> | null> {
    const key = this.key(id);
    const [kept, ttl] = await Promise.all([this.redis.call("GET", key), this.redis.call("PTTL", key)]);
    if (typeof kept !== "string" || Number(ttl) === GONE) return null;
    return { id, ...(JSON.parse(kept) as Kept<T>), ttlMs: Number(ttl) };
  }

  /** Has the session end no sooner than `ttlMs` from now; answers whether it had not ended. */
  async touch(id: string): Promise<boolean> {
    const found = await this.peek(id);
    return found !== null && this.prolong(found);
  }

  /**
   * Replaces the data of a session; answers whether it had not ended. Of two who do so at the same time, the
   * later one's is kept.
   */
  async update(id: string, data: T): Promise<boolean> {
    const found = await this.peek(id);
    if (!found) return false;
    const kept = textOf({ user: found.user, data, createdAt: found.createdAt });
    // One that has ended meanwhile does not come back.
    return (await this.redis.call("SET", this.key(id), kept, "XX", "KEEPTTL")) === "OK";
  }

  /**
   * Gives a session another id, as should be done when somebody signs in, or gets more rights: the old one is
   * nobody's any more. Null if it has ended.
   */
  async rotate(id: string): Promise<Session<T> | null> {
    const found = await this.peek(id);
    if (!found) return null;
    const next = randomId(ID_BYTES);
    // Of several who do so, one finds it.
    const renamed = await this.redis.call("RENAMENX", this.key(id), this.key(next)).catch((error: unknown) => {
      if (/no such key/.test(String(error))) return 0;
      throw error;
    });
    if (renamed !== 1) return null;
    const list = this.listKey(found.user);
    await transact(this.redis, [["ZREM", list, id], ...this.listed(found.user, next, await timeIn(this.redis))]);
    return { ...found, id: next };
  }

  /** Ends a session; answers whether it had not ended. */
  async destroy(id: string): Promise<boolean> {
    const kept = await this.redis.call("GETDEL", this.key(id));
    if (typeof kept !== "string") return false;
    const { user } = JSON.parse(kept) as Kept<T>;
    await this.redis.call("ZREM", this.listKey(user), id);
    return true;
  }

  /** The sessions of a user that have not ended, those that were used last first. */
  async list(user: string): Promise<Session<T>[]> {
    const list = this.listKey(user);
    const ids = (await this.redis.call("ZRANGE", list, 0, -1, "REV")) as string[];
    const found = await Promise.all(ids.map((id) => this.peek(id)));
    const ended = ids.filter((_, index) => found[index] === null);
    if (ended.length > 0) await this.redis.call("ZREM", list, ...ended);
    return found.filter((session) => session !== null);
  }

  /** Ends all sessions of a user, but for one; answers how many. */
  async destroyAll(user: string, except?: string): Promise<number> {
    const ids = (await this.redis.call("ZRANGE", this.listKey(user), 0, -1)) as string[];
    return this.end(user, ids.filter((id) => id !== except));
  }

  private key(id: string): string {
    return keyOf(this.prefix, "id", text("sessions: the id", id));
  }

  private listKey(user: string): string {
    return keyOf(this.prefix, "user", user);
  }

  /** What has a session be in the list of its user's, as one that is used now. */
  private listed(user: string, id: string, now: number): Call[] {
    const list = this.listKey(user);
    return [["ZADD", list, this.use(now), id], ["PEXPIRE", list, this.ttlMs]];
  }

  /** The score of what is used now: later than all that was used here before, whose score is never the same. */
  private use(now: number): number {
    const isLater = now > this.lastUse || now < this.lastUse - BACK_MS;
    this.lastUse = isLater ? now : this.lastUse + LATER_MS;
    return this.lastUse;
  }

  private async prolong({ id, user }: Session<T>): Promise<boolean> {
    const list = this.listKey(user);
    const now = await timeIn(this.redis);
    const [prolonged] = await transact(this.redis, [
      ["PEXPIRE", this.key(id), this.ttlMs],
      // Not one that has ended.
      ["ZADD", list, "XX", this.use(now), id],
      ["PEXPIRE", list, this.ttlMs],
    ]);
    return prolonged === 1;
  }

  /** Ends those sessions of a user that are too many. */
  private async shorten(user: string, now: number): Promise<void> {
    const list = this.listKey(user);
    await this.redis.call("ZREMRANGEBYSCORE", list, "-inf", now - this.ttlMs);
    const ids = (await this.redis.call("ZRANGE", list, 0, -this.maxPerUser - 1)) as string[];
    await this.end(user, ids);
  }

  private async end(user: string, ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    const keys = ids.map((id) => this.key(id));
    const [deleted] = await transact(this.redis, [["DEL", ...keys], ["ZREM", this.listKey(user), ...ids]]);
    return Number(deleted);
  }
}

/** What PTTL answers of a key that is not there. */
const GONE = -2;

function textOf(kept: Kept<unknown>): string {
  if (JSON.stringify(kept.data) === undefined) throw new TypeError("sessions: the data is something in JSON");
  return JSON.stringify(kept);
}
