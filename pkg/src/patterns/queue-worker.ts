// The side of a queue that takes jobs; see queue.ts.
import { lock, type Lock } from "./lock.js";
import type { Job, Queue } from "./queue.js";
import {
  background, backoffOf, type BackoffOptions, Bell, callable, type Call, keyOf, orInfinity, PatternError, randomId,
  timeIn, transact, whole,
} from "./shared.js";
import { type Active, codeOf, FAULT_MS, PatternWorker } from "./worker.js";

/** How jobs are worked on. */
export interface WorkerOptions {
  /** How many jobs it works on at a time: 1. */
  readonly concurrency?: number;
  /** When a worker has not been heard of for so long, in milliseconds, its jobs are taken back: 30,000. */
  readonly visibilityMs?: number;
  /** A job that takes longer, in milliseconds, has failed: Infinity. */
  readonly timeoutMs?: number;
  /** How long it is waited before a job that failed is begun anew. */
  readonly backoff?: BackoffOptions;
  /** It is looked for jobs, at least, every so many milliseconds: 5000. Usually it is told of them. */
  readonly pollMs?: number;
  /** Stops it, as `stop()` does. */
  readonly signal?: AbortSignal;
  /** Told what went wrong: in a job, whose id comes with it, or with the queue. */
  readonly onError?: (error: unknown, id: string | undefined) => void;
}

/** So many jobs are moved in one transaction. */
const BATCH = 100;
/** Takes jobs of a queue and has them handled, until it is stopped. `await using` stops it. */
export class QueueWorker<T> extends PatternWorker {
  /** Its own name, by chance. */
  readonly id = randomId(9);
  private readonly visibilityMs: number;
  private readonly timeoutMs: number;
  private readonly pollMs: number;
  private readonly waitAfter: (failures: number) => number;
  private readonly bell: Bell;
  private readonly maintenance: Lock;
  private deafen: (() => Promise<void>) | undefined;
  /** What is in its list, and was not worked on when it looked last. */
  private suspects = new Set<string>();
  /** The engine's clock is so far ahead of this one's. */
  private aheadMs = 0;

  /** @internal */
  constructor(
    private readonly queue: Queue<T>,
    private readonly handler: (job: Job<T>) => Promise<unknown> | unknown,
    options: WorkerOptions,
  ) {
    const concurrency = whole("queue: concurrency", options.concurrency, 1, 1, 10_000);
    super("queue", concurrency, callable("queue: onError", options.onError ?? (() => {})));
    this.visibilityMs = whole("queue: visibilityMs", options.visibilityMs, 30_000, 10);
    this.timeoutMs = orInfinity("queue: timeoutMs", options.timeoutMs, Infinity);
    this.pollMs = whole("queue: pollMs", options.pollMs, 5000);
    this.waitAfter = backoffOf("queue: backoff", options.backoff);
    this.bell = new Bell(queue.redis, queue.key("wake"));
    const ttlMs = Math.min(this.visibilityMs, 10_000);
    this.maintenance = lock(queue.redis, queue.name, { prefix: keyOf(queue.base, "maintenance"), ttlMs });
    this.start(options.signal);
  }

  /** @internal */
  protected override async work(signal: AbortSignal): Promise<void> {
    this.deafen ??= await this.bell.listen();
    await this.beat();
    await this.turns(signal);
  }

  /** @internal */
  protected override async leave(left: readonly string[]): Promise<void> {
    await this.deafen?.();
    await this.giveBack(this.id, left);
    const [taken] = await transact(this.queue.redis, [["LLEN", this.list(this.id)]]);
    // What is left there is for others to take back.
    if (taken === 0) await this.queue.redis.call("ZREM", this.queue.key("workers"), this.id);
  }

  /** Takes job after job. */
  private async turns(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.active.size >= this.concurrency) {
        await this.oneDone();
        continue;
      }
      const { heard } = this.bell;
      const id = await this.take();
      if (id !== undefined) {
        this.begin(id);
        continue;
      }
      const waitMs = await this.maintain();
      // Stopping ends the wait.
      if (waitMs > 0) await this.bell.ring(heard, waitMs, signal).catch(() => {});
    }
  }

  /** The next job, of the most urgent there are. */
  private async take(): Promise<string | undefined> {
    const { redis, priorities } = this.queue;
    const lists = priorities.map((priority) => this.queue.key("ready", priority));
    const lengths = await Promise.all(lists.map((list) => redis.call("LLEN", list)));
    for (const [index, list] of lists.entries()) {
      if (lengths[index] === 0) continue;
      // Whoever has a job is known to have it.
      const [, id] = await transact(redis, [this.alive(), ["LMOVE", list, this.list(this.id), "RIGHT", "LEFT"]]);
      if (typeof id === "string") return id;
    }
    return undefined;
  }

  private begin(id: string): void {
    const over = new AbortController();
    const done = this.handle(id, over)
      .catch((error: unknown) => this.onError(error, id))
      .finally(() => this.active.get(id) === active && this.active.delete(id));
    // It may have been given to somebody else, and have come back while it is still worked on.
    const active: Active = { over, done: done.then(() => {}) };
    this.active.set(id, active);
  }

  private async handle(id: string, over: AbortController): Promise<void> {
    const { redis } = this.queue;
    const key = this.queue.key("job", id);
    const state = await this.queue.get(id);
    // It was done by somebody who was believed to be dead, or was removed.
    if (!state) return void (await redis.call("LREM", this.list(this.id), 1, id));
    const attempt = state.attempts + 1;
    if (attempt > state.maxAttempts) return this.bury(id, state.error ?? "every worker that had it has died");
    await redis.call(...this.queue.change(id, "attempts", attempt));
    const progress = async (value: unknown): Promise<void> => {
      const json = JSON.stringify(value) as string | undefined;
      if (json === undefined) throw new TypeError("queue: progress is something in JSON");
      await transact(redis, [this.alive(), this.queue.change(id, "progress", json)]);
    };
    const job = { id, data: state.data, priority: state.priority, attempt, signal: over.signal, progress };
    try {
      await this.inTime(job, over);
    } catch (error) {
      this.onError(error, id);
      const isTaken = error === over.signal.reason && codeOf(error) !== "TIMEOUT";
      // It goes on elsewhere.
      if (isTaken) return;
      const isLast = attempt >= state.maxAttempts || (error as { retry?: unknown } | null)?.retry === false;
      const message = error instanceof Error ? error.message : String(error);
      return isLast ? this.bury(id, message) : this.postpone(id, message, this.waitAfter(attempt));
    }
    // It is done, whoever has it by now.
    await transact(redis, [["LREM", this.list(this.id), 1, id], ["DEL", key]]);
  }

  private async inTime(job: Job<T>, over: AbortController): Promise<void> {
    const { timeoutMs } = this;
    const late = new Promise<never>((_, reject) => {
      over.signal.addEventListener("abort", () => reject(over.signal.reason), { once: true });
    });
    const cancel =
      timeoutMs === Infinity
        ? () => {}
        : background(() => over.abort(new PatternError("TIMEOUT", `the job took longer than ${timeoutMs} ms`)), timeoutMs);
    try {
      await Promise.race([Promise.resolve(job).then(this.handler), late]);
    } finally {
      cancel();
    }
  }

  /** Has a job begun anew after so long. */
  private async postpone(id: string, message: string, waitMs: number): Promise<void> {
    const due = (await timeIn(this.queue.redis)) + waitMs;
    await this.release(id, message, ["ZADD", this.queue.key("delayed"), due, id], ["PUBLISH", this.queue.key("wake"), ""]);
  }

  /** A job is not begun again. */
  private bury(id: string, message: string): Promise<void> {
    return this.release(id, message, ["LPUSH", this.queue.key("dead"), id]);
  }

  /** Has a job, which has failed, go elsewhere, unless somebody else has it by now. */
  private async release(id: string, message: string, ...to: Call[]): Promise<void> {
    const list = this.list(this.id);
    if ((await this.queue.redis.call("LPOS", list, id)) === null) return;
    await transact(this.queue.redis, [["LREM", list, 1, id], this.queue.change(id, "error", message), ...to]);
  }

  /** What says that this worker lives. */
  private alive(): Call {
    return ["ZADD", this.queue.key("workers"), Date.now() + this.aheadMs + this.visibilityMs, this.id];
  }

  private list(worker: string): string {
    return this.queue.key("taken", worker);
  }

  /** Says that it lives, and looks whether what it works on is still its own. */
  private async beat(): Promise<void> {
    this.cancelBeat();
    const next = (): void => {
      this.cancelBeat = background(() => void this.quietly(() => this.beat()), this.visibilityMs / 3);
    };
    // Also while it cannot be said.
    next();
    const { redis } = this.queue;
    const before = [...this.active.keys()];
    this.aheadMs = (await timeIn(redis)) - Date.now();
    const [, listed] = await transact(redis, [this.alive(), ["LRANGE", this.list(this.id), 0, -1]]);
    const mine = new Set(listed as string[]);
    for (const id of before) {
      if (!mine.has(id)) this.active.get(id)?.over.abort(new PatternError("LOST", "another worker has the job by now"));
    }
    // What it could not finish is nobody's.
    const idle = [...mine].filter((id) => !this.active.has(id));
    await this.giveBack(this.id, idle.filter((id) => this.suspects.has(id)));
    this.suspects = new Set(idle);
  }

  /** Does what one of all workers has to do; answers how long to wait, in milliseconds. */
  private async maintain(): Promise<number> {
    const { redis } = this.queue;
    const [delayed, workers] = await Promise.all(
      ["delayed", "workers"].map((name) => redis.call("ZRANGE", this.queue.key(name), 0, 0, "WITHSCORES")),
    );
    const now = Date.now() + this.aheadMs;
    const waits = [delayed, workers].map((first) => Number((first as [unknown, unknown][])[0]?.[1] ?? Infinity) - now);
    const waitMs = Math.min(...waits, this.pollMs);
    if (waitMs > 0) return waitMs;
    // A timer may have been late: who looks for the dead is not one of them.
    await redis.call(...this.alive());
    const held = await this.maintenance.tryAcquire();
    // Somebody else does it, and tells when there is something to do.
    if (!held) return Math.min(this.pollMs, FAULT_MS);
    try {
      const time = await timeIn(redis);
      this.aheadMs = time - Date.now();
      await this.promote(time);
      await this.takeBack(time);
      return 0;
    } finally {
      await held[Symbol.asyncDispose]();
    }
  }

  /** Takes back what workers have that have not been heard of for too long. */
  private async takeBack(time: number): Promise<void> {
    const { redis } = this.queue;
    const workers = this.queue.key("workers");
    const dead = (await redis.call("ZRANGE", workers, "-inf", time, "BYSCORE")) as string[];
    for (const worker of dead) {
      await this.giveBack(worker, (await redis.call("LRANGE", this.list(worker), 0, -1)) as string[]);
      await redis.call("ZREM", workers, worker);
    }
  }

  /** Has begun what is due. */
  private async promote(time: number): Promise<void> {
    const { redis } = this.queue;
    const delayed = this.queue.key("delayed");
    for (;;) {
      const due = (await redis.call("ZRANGE", delayed, "-inf", time, "BYSCORE", "LIMIT", 0, BATCH)) as string[];
      if (due.length === 0) return;
      await this.move(due, (id) => ["ZREM", delayed, id], "LPUSH");
    }
  }

  /** Puts jobs of a worker back where the next ones are taken. */
  private async giveBack(worker: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.move(ids, (id) => ["LREM", this.list(worker), 1, id], "RPUSH");
  }

  private async move(ids: readonly string[], from: (id: string) => Call, push: "LPUSH" | "RPUSH"): Promise<void> {
    const jobs = await Promise.all(ids.map((id) => this.queue.get(id)));
    const calls = ids.flatMap((id, index): Call[] => {
      const job = jobs[index];
      return job ? [from(id), [push, this.queue.key("ready", job.priority), id]] : [from(id)];
    });
    await transact(this.queue.redis, [...calls, ["PUBLISH", this.queue.key("wake"), ""]]);
  }
}
