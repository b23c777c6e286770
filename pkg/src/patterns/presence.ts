import { background, callable, keyOf, type RedisLike, text, timeIn, transact, whole } from "./shared.js";

/** How long who is present is believed to be. */
export interface PresenceOptions {
  /** Who has not been heard of for so long, in milliseconds, is gone: 30,000. */
  readonly ttlMs?: number;
  /** What the names of its keys begin with: `presence`. */
  readonly prefix?: string;
  /** Told what went wrong where nobody waited. */
  readonly onError?: (error: unknown) => void;
}

/** Somebody who is there, until it is left. `await using` leaves. */
export interface Present extends AsyncDisposable {
  /** Leaves, if nobody has yet. */
  leave(): Promise<void>;
}

/**
 * Who is in a room: of all tabs.
 *
 * @throws TypeError for a bad name or option.
 */
export function presence(redis: RedisLike, room: string, options: PresenceOptions = {}): Presence {
  return new Presence(redis, text("presence: the room", room), options);
}

/** See {@link presence}. */
export class Presence {
  private readonly key: string;
  private readonly changes: string;
  private readonly ttlMs: number;
  private readonly onError: (error: unknown) => void;
  /** How often each member is there in this tab, and what ends saying so. */
  private readonly here = new Map<string, { count: number; cancel: () => void }>();

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    /** Which room. */
    readonly room: string,
    options: PresenceOptions,
  ) {
    this.key = keyOf(text("presence: prefix", options.prefix, "presence"), room);
    this.changes = keyOf(this.key, "changes");
    this.ttlMs = whole("presence: ttlMs", options.ttlMs, 30_000, 30);
    this.onError = callable("presence: onError", options.onError ?? (() => {}));
  }

  /** Says that a member is there, and goes on saying so until it is left. */
  async join(member: string): Promise<Present> {
    const known = this.here.get(text("presence: the member", member)) ?? { count: 0, cancel: () => {} };
    this.here.set(member, known);
    if (++known.count === 1) this.keep(member, known);
    let isOver = false;
    const leave = async (): Promise<void> => {
      if (isOver) return;
      isOver = true;
      if (--known.count > 0) return;
      known.cancel();
      this.here.delete(member);
      await this.drop(member);
    };
    try {
      await this.seen(member);
    } catch (error) {
      await leave().catch(() => {});
      throw error;
    }
    return { leave, [Symbol.asyncDispose]: leave };
  }

  /** Says once that a member is there now. */
  async seen(member: string): Promise<void> {
    const now = await timeIn(this.redis);
    const [before, , added] = await transact(this.redis, [
      ["ZSCORE", this.key, text("presence: the member", member)],
      ["ZREMRANGEBYSCORE", this.key, "-inf", now - 2 * this.ttlMs],
      ["ZADD", this.key, now, member],
      ["PEXPIRE", this.key, 2 * this.ttlMs],
    ]);
    const isNew = added === 1 || Number(before) <= now - this.ttlMs;
    if (isNew) await this.redis.call("PUBLISH", this.changes, member);
  }

  /** Those who are there, whoever came last first. */
  async members(): Promise<string[]> {
    const since = (await timeIn(this.redis)) - this.ttlMs;
    return (await this.redis.call("ZRANGE", this.key, "+inf", `(${since}`, "BYSCORE", "REV")) as string[];
  }

  /** How many are there. */
  async count(): Promise<number> {
    const since = (await timeIn(this.redis)) - this.ttlMs;
    return Number(await this.redis.call("ZCOUNT", this.key, `(${since}`, "+inf"));
  }

  /**
   * Calls `listener` with who is there, whenever somebody comes or leaves, and at least every `ttlMs`, by when
   * those are gone who have not left; until the answered function is called.
   */
  async watch(listener: (members: string[]) => void): Promise<() => Promise<void>> {
    callable("presence: the listener", listener);
    let [isOver, last] = [false, ""];
    let cancel = (): void => {};
    const look = async (): Promise<void> => {
      cancel();
      cancel = background(() => void look(), this.ttlMs);
      try {
        const members = await this.members();
        const text = JSON.stringify([...members].sort());
        if (isOver || text === last) return;
        last = text;
        listener(members);
      } catch (error) {
        if ((error as { code?: unknown }).code === "CLOSED") cancel();
        else this.onError(error);
      }
    };
    const stop = await this.redis.subscribe(this.changes, () => void look());
    await look();
    return async () => {
      isOver = true;
      cancel();
      await stop();
    };
  }

  private async drop(member: string): Promise<void> {
    await transact(this.redis, [["ZREM", this.key, member], ["PUBLISH", this.changes, member]]);
  }

  private keep(member: string, known: { cancel: () => void }): void {
    known.cancel = background(() => {
      this.keep(member, known);
      this.seen(member).catch((error: unknown) => {
        if ((error as { code?: unknown }).code === "CLOSED") known.cancel();
        else this.onError(error);
      });
    }, this.ttlMs / 3);
  }
}
