import { background, Bell, callable, keyOf, PatternError, randomId, type RedisLike, sleep, text, transact, orInfinity, whole } from "./shared.js";

/** How a lock is held. */
export interface LockOptions {
  /** The lock is free again so long after whoever has it was last heard of, in milliseconds: 10,000. */
  readonly ttlMs?: number;
  /** What the names of its keys begin with: `lock`. */
  readonly prefix?: string;
  /** Whether it is kept for as long as it is not released, or lost: true. If not, it ends after `ttlMs`. */
  readonly extend?: boolean;
}

/** How a lock is waited for. */
export interface AcquireOptions {
  /** How long it is waited for at most, in milliseconds: Infinity. 0 tries once. */
  readonly waitMs?: number;
  /** Ends the wait; `acquire` then rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** What PTTL answers of a key that is not there. */
const GONE = -2;
/** Tries again so long after a lock should have ended that nobody keeps. */
const SLACK_MS = 5;
/** Of its time, a lock is extended after this part. */
const EXTEND_AFTER = 1 / 3;

/**
 * A lock that one of all tabs, workers and instances has at a time: at most until it is extended no longer,
 * so what it protects should refuse tokens that are lower than one it has seen.
 *
 * An object stands for one that may have it: it cannot be acquired with the same object twice at a time,
 * which would wait for itself. Whoever competes in the same tab takes an object of its own.
 *
 * @throws TypeError for a bad name or option.
 */
export function lock(redis: RedisLike, name: string, options: LockOptions = {}): Lock {
  return new Lock(redis, text("lock: the name", name), options);
}

/** See {@link lock}. */
export class Lock {
  /** @internal */
  readonly key: string;
  /** @internal */
  readonly ttlMs: number;
  /** @internal */
  readonly isExtended: boolean;
  private readonly fence: string;
  private readonly bell: Bell;
  private isTaken = false;

  /** @internal */
  constructor(
    /** The instance that has it. */
    readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: LockOptions,
  ) {
    // Braces, so that both keys are in one slot of a cluster.
    this.key = keyOf(text("lock: prefix", options.prefix, "lock"), `{${name}}`);
    this.fence = keyOf(this.key, "fence");
    this.ttlMs = whole("lock: ttlMs", options.ttlMs, 10_000, 10);
    this.isExtended = options.extend ?? true;
    this.bell = new Bell(redis, keyOf(this.key, "free"));
  }

  /**
   * Waits until it has the lock.
   *
   * @throws PatternError `TIMEOUT` if it has not got it within `waitMs`, `REENTRANT` if this object has it,
   * or waits for it; the reason of `signal`.
   */
  async acquire(options: AcquireOptions = {}): Promise<HeldLock> {
    const held = await this.tryAcquire({ ...options, waitMs: options.waitMs ?? Infinity });
    if (held) return held;
    throw new PatternError("TIMEOUT", `the lock "${this.name}" was not to be had in ${options.waitMs} ms`);
  }

  /** The same, but answers null where {@link acquire} throws `TIMEOUT`; without `waitMs` it tries once. */
  async tryAcquire(options: AcquireOptions = {}): Promise<HeldLock | null> {
    const waitMs = orInfinity("lock: waitMs", options.waitMs, 0, 0);
    options.signal?.throwIfAborted();
    if (this.isTaken) {
      const what = `this object has the lock "${this.name}", or waits for it, and would wait for itself`;
      throw new PatternError("REENTRANT", what);
    }
    this.isTaken = true;
    try {
      const held = (await this.attempt()) ?? (waitMs > 0 ? await this.wait(Date.now() + waitMs, options.signal) : null);
      if (!held) this.isTaken = false;
      return held;
    } catch (error) {
      this.isTaken = false;
      throw error;
    }
  }

  /** Acquires the lock, calls `body`, and releases it, whatever becomes of that. */
  async use<T>(body: (held: HeldLock) => Promise<T> | T, options?: AcquireOptions): Promise<T> {
    callable("lock: what is done with it", body);
    const held = await this.acquire(options);
    try {
      return await body(held);
    } finally {
      await held[Symbol.asyncDispose]();
    }
  }

  /** Whether anybody has it. */
  async isHeld(): Promise<boolean> {
    return (await this.redis.call("EXISTS", this.key)) === 1;
  }

  private async wait(end: number, signal?: AbortSignal): Promise<HeldLock | null> {
    const deafen = await this.bell.listen();
    try {
      for (;;) {
        const { heard } = this.bell;
        // Another try now: it may have been released before this one listened.
        const held = await this.attempt();
        if (held) return held;
        const left = end - Date.now();
        if (left <= 0) return null;
        const ttl = Number(await this.redis.call("PTTL", this.key));
        // What is told is not told to who had no connection meanwhile: nobody relies on it alone.
        const pause = ttl === GONE ? 0 : Math.min(ttl < 0 ? this.ttlMs : ttl, this.ttlMs) + SLACK_MS;
        await this.bell.ring(heard, Math.min(pause, left), signal);
      }
    } finally {
      await deafen();
    }
  }

  private async attempt(): Promise<HeldLock | null> {
    if (await this.isHeld()) return null;
    const owner = randomId();
    const since = Date.now();
    try {
      // Counted together with the taking, so that who has it later has a higher one, whatever goes wrong.
      const calls = [["SET", this.key, owner, "NX", "PX", this.ttlMs], ["INCR", this.fence]] as const;
      const [set, token] = await transact(this.redis, calls);
      if (set !== "OK") return null;
      return new HeldLock(this, owner, Number(token), since, () => (this.isTaken = false));
    } catch (error) {
      // It may have been taken, though nobody was told.
      await this.free(owner).catch(() => {});
      throw error;
    }
  }

  /** @internal Releases it if it is `owner`'s; whether it was. */
  async free(owner: string): Promise<boolean> {
    const [deleted] = await transact(this.redis, [
      ["DELEX", this.key, "IFEQ", owner],
      ["PUBLISH", keyOf(this.key, "free"), ""],
    ]);
    return deleted === 1;
  }
}

/** A lock that one has. `await using held = …` releases it at the end of the block. */
export class HeldLock implements AsyncDisposable {
  private readonly over = new AbortController();
  private deadline: number;
  private cancel: () => void = () => {};
  private releasing: Promise<boolean> | undefined;
  private isOver = false;

  /** @internal */
  constructor(
    private readonly lock: Lock,
    private readonly owner: string,
    /**
     * Higher than the token of everybody who had this lock before, for as long as the data lives. What the
     * lock protects should remember the highest one it has seen, and refuse lower ones.
     */
    readonly token: number,
    since: number,
    private readonly ended: () => void,
  ) {
    this.deadline = since + lock.ttlMs;
    this.schedule();
  }

  /** Aborted once the lock is lost: with a PatternError `LOST`. It says nothing after a release. */
  get signal(): AbortSignal {
    return this.over.signal;
  }

  /** Whether it is certain that nobody else can have it at this moment. */
  get isHeld(): boolean {
    if (this.releasing) return false;
    if (Date.now() >= this.deadline) this.lose();
    return !this.over.signal.aborted;
  }

  /** Throws the PatternError `LOST` if it is not certain that nobody else can have it at this moment. */
  mustBeHeld(): void {
    if (!this.isHeld) throw this.over.signal.reason ?? lost(this.lock.name);
  }

  /**
   * Has the lock end no sooner than after its `ttlMs` from now. Unless `extend` is false, this happens by
   * itself.
   *
   * @throws PatternError `LOST` if it belongs to somebody else, or nobody, by now.
   */
  async extend(): Promise<void> {
    const { lock, owner } = this;
    this.mustBeHeld();
    const since = Date.now();
    const set = await lock.redis.call("SET", lock.key, owner, "IFEQ", owner, "PX", lock.ttlMs);
    if (set !== "OK") this.lose();
    this.mustBeHeld();
    this.deadline = since + lock.ttlMs;
  }

  /** Lets somebody else have it; answers whether it was still held. It may be called again. */
  release(): Promise<boolean> {
    this.cancel();
    this.releasing ??= this.lock.free(this.owner).finally(() => this.end());
    return this.releasing;
  }

  /** The same as {@link release}; where nothing can be sent any more, the lock ends by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {});
  }

  private lose(): void {
    if (this.releasing) return;
    this.cancel();
    this.over.abort(lost(this.lock.name));
    this.end();
  }

  private end(): void {
    // Once: the object may have acquired it anew.
    if (!this.isOver) this.ended();
    this.isOver = true;
  }

  private schedule(): void {
    const { ttlMs, isExtended } = this.lock;
    if (!isExtended) {
      this.cancel = background(() => void this.isHeld, Math.max(this.deadline - Date.now(), 0));
      return;
    }
    this.cancel = background(() => void this.keep(), ttlMs * EXTEND_AFTER);
  }

  /** Extends it, again and again, until it is over. */
  private async keep(): Promise<void> {
    // An answer that does not come must not hide the end.
    const late = background(() => void this.isHeld, Math.max(this.deadline - Date.now(), 0));
    this.cancel = late;
    while (this.isHeld) {
      try {
        await this.extend();
        break;
      } catch {
        if (this.isHeld) await sleep(this.lock.ttlMs / 10).catch(() => {});
      }
    }
    late();
    if (this.isHeld) this.schedule();
  }
}

function lost(name: string): PatternError {
  return new PatternError("LOST", `the lock "${name}" belongs to somebody else by now, or to nobody`);
}
