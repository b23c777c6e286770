import { QueueWorker, type WorkerOptions } from "./queue-worker.js";
import type { PatternWorker } from "./worker.js";
import { callable, keyOf, randomId, type RedisLike, sleep, text, timeIn, transact, type Call, type TxLike, whole } from "./shared.js";

export type { PatternWorker, QueueWorker, WorkerOptions };

/** How a queue keeps its jobs. */
export interface QueueOptions {
  /** The kinds of jobs, the most urgent first: `["normal"]`. What is urgent is taken before all that is less so. */
  readonly priorities?: readonly string[];
  /** How often a job is begun at most, unless it says otherwise: 3. Then it is dead. */
  readonly maxAttempts?: number;
  /** What the names of its keys begin with: `queue`. */
  readonly prefix?: string;
}

/** How a job is to be done. */
export interface AddOptions {
  /** Its name, of which there is one job at a time, until it is done; unless it is given, chance makes one. */
  readonly id?: string;
  /** It is not begun before so many milliseconds have gone by: 0. */
  readonly delayMs?: number;
  /** One of the queue's `priorities`: the last. */
  readonly priority?: string;
  /** How often it is begun at most. */
  readonly maxAttempts?: number;
}

/** What a handler is given. */
export interface Job<T> {
  /** Its name: the one that was given, or one by chance. */
  readonly id: string;
  /** What was added. */
  readonly data: T;
  /** One of the queue's `priorities`. */
  readonly priority: string;
  /** How often it has been begun, this time counted: from 1. */
  readonly attempt: number;
  /** Aborted when it takes longer than `timeoutMs`, when another worker has it by now, or has to end at once. */
  readonly signal: AbortSignal;
  /** Keeps how far it has come, as JSON, and that its worker lives. */
  progress(value: unknown): Promise<void>;
}

/** What is known of a job that is not done. */
export interface JobState<T> {
  /** Its name. */
  readonly id: string;
  /** What was added. */
  readonly data: T;
  /** One of the queue's `priorities`. */
  readonly priority: string;
  /** How often it has been begun: from 0. */
  readonly attempts: number;
  /** How often it is begun at most. */
  readonly maxAttempts: number;
  /** What was kept last by `progress`; null if nothing was. */
  readonly progress: unknown;
  /** What it failed with last. */
  readonly error: string | null;
}

/** How many jobs there are. */
export interface QueueCounts {
  /** By priority. */
  readonly ready: Readonly<Record<string, number>>;
  /** Whose time has not come. */
  readonly delayed: number;
  /** Being worked on. */
  readonly taken: number;
  /** Begun as often as allowed, in vain. */
  readonly dead: number;
}

/** The fields of a job, and their values, in turn. */
type Fields = readonly (string | number)[];

/** A job that was added, or was there under that name. */
export interface Added {
  /** Its name: the one that was given, or one by chance. */
  readonly id: string;
  /** Whether it was added; false if it was there. */
  readonly added: boolean;
}

/** What is answered of a field that is not there, and of one that stays. */
const [GONE, STAYS] = [-2, -1];
/** What an unfinished `add` leaves of a job with a name is gone after so many milliseconds. */
const ADDING_MS = 2000;

/**
 * A queue whose jobs are each handled at least once: what is taken is in a list of its worker, from which
 * others take it back if the worker dies.
 *
 * @throws TypeError for a bad name or option.
 */
export function queue<T>(redis: RedisLike, name: string, options: QueueOptions = {}): Queue<T> {
  return new Queue(redis, text("queue: the name", name), options);
}

/** See {@link queue}. */
export class Queue<T> {
  /** @internal */
  readonly base: string;
  /** @internal */
  readonly priorities: readonly string[];
  private readonly maxAttempts: number;

  /** @internal */
  constructor(
    /** The instance that has it. */
    readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: QueueOptions,
  ) {
    const { priorities = ["normal"] } = options;
    const isGood = Array.isArray(priorities) && priorities.length > 0 && new Set(priorities).size === priorities.length;
    if (!isGood) throw new TypeError("queue: priorities is an array of different strings");
    for (const priority of priorities) text("queue: a priority", priority);
    this.priorities = [...priorities];
    this.maxAttempts = whole("queue: maxAttempts", options.maxAttempts, 3);
    this.base = keyOf(text("queue: prefix", options.prefix, "queue"), `{${name}}`);
  }

  /** Adds a job, whose data is kept as JSON. */
  async add(data: T, options: AddOptions = {}): Promise<Added> {
    const id = text("queue: id", options.id, options.id === undefined ? randomId() : undefined);
    const delayMs = whole("queue: delayMs", options.delayMs, 0, 0);
    const priority = this.priority(options.priority);
    const max = whole("queue: maxAttempts", options.maxAttempts, this.maxAttempts);
    const json = JSON.stringify(data) as string | undefined;
    if (json === undefined) throw new TypeError("queue: the data of a job is something in JSON");
    const fields: Fields = ["data", json, "priority", priority, "attempts", 0, "max", max, "progress", "null", "error", ""];
    const key = this.key("job", id);
    const due = delayMs > 0 ? (await timeIn(this.redis)) + delayMs : undefined;
    const list = this.key("ready", priority);
    const insert: Call = due === undefined ? ["LPUSH", list, id] : ["ZADD", this.key("delayed"), due, id];
    const push = [insert, ["PUBLISH", this.key("wake"), ""]] as const;
    if (options.id === undefined) await transact(this.redis, [["HSET", key, ...fields], ...push]);
    const added = options.id === undefined || (await this.addNamed(key, fields, push));
    return { id, added };
  }

  /** Adds a job unless there is one of that name; answers whether there was none. */
  private async addNamed(key: string, fields: Fields, push: readonly [Call, Call]): Promise<boolean> {
    for (;;) {
      const { atomic, role } = this.redis;
      const isAtomic = atomic !== undefined && role !== "thin";
      const added = isAtomic ? await this.addAtOnce(key, fields, push) : await this.addInSteps(key, fields, push);
      if (added !== undefined) return added;
      // Somebody is adding it, or has died over that.
      await sleep(ADDING_MS / 100);
    }
  }

  private async addAtOnce(key: string, fields: Fields, push: readonly [Call, Call]): Promise<boolean | undefined> {
    const [insert, publish] = push;
    const run = (tx: TxLike): boolean | undefined => {
      const ttl = ttlIn(tx.call("HPTTL", key, "FIELDS", 1, "data"));
      if (ttl !== GONE) return ttl === STAYS ? false : undefined;
      tx.call("HSET", key, ...fields);
      tx.call(...insert);
      return true;
    };
    try {
      const added = (await this.redis.atomic!(run)) as boolean | undefined;
      if (added) await this.redis.call(...publish);
      return added;
    } catch (error) {
      // This one may just have come to have no copy, and many may try.
      const { code } = error as { code?: unknown };
      if (code !== "NO_COPY" && code !== "CONFLICT") throw error;
      return this.addInSteps(key, fields, push);
    }
  }

  private async addInSteps(key: string, fields: Fields, push: readonly [Call, Call]): Promise<boolean | undefined> {
    const { redis } = this;
    // Whoever of several comes first adds it; what dies here has added nothing.
    const set = await redis.call("HSETEX", key, "FNX", "PX", ADDING_MS, "FIELDS", fields.length / 2, ...fields);
    if (set !== 1) {
      const ttl = ttlIn(await redis.call("HPTTL", key, "FIELDS", 1, "data"));
      return ttl === STAYS ? false : undefined;
    }
    const names = fields.filter((_, index) => index % 2 === 0);
    const [kept] = await transact(redis, [["HPERSIST", key, "FIELDS", names.length, ...names], ...push]);
    // After a long sleep, nothing is left of it.
    return (kept as number[]).includes(GONE) ? undefined : true;
  }

  /** Begins to work: calls `handler` with job after job, until `stop()` of what is answered. */
  work(handler: (job: Job<T>) => Promise<unknown> | unknown, options: WorkerOptions = {}): QueueWorker<T> {
    return new QueueWorker(this, callable("queue: the handler", handler), options);
  }

  /** What is known of a job; null if it is done, or there never was one. */
  async get(id: string): Promise<JobState<T> | null> {
    const words = ["data", "priority", "attempts", "max", "progress", "error"];
    const found = (await this.redis.call("HMGET", this.key("job", id), ...words)) as (string | null)[];
    const [data, priority, attempts, max, progress, error] = found;
    if (data == null) return null;
    return {
      id,
      data: JSON.parse(data) as T,
      priority: priority ?? this.priority(undefined),
      attempts: Number(attempts),
      maxAttempts: Number(max),
      progress: JSON.parse(progress ?? "null") as unknown,
      error: error || null,
    };
  }

  /** How many jobs there are, by what becomes of them. */
  async counts(): Promise<QueueCounts> {
    const { redis } = this;
    const workers = (await redis.call("ZRANGE", this.key("workers"), 0, -1)) as string[];
    const lists = [...this.priorities.map((each) => this.key("ready", each)), ...workers.map((each) => this.key("taken", each))];
    const calls: Call[] = [["LLEN", this.key("dead")], ["ZCARD", this.key("delayed")]];
    const replies = await transact(redis, [...calls, ...lists.map((list): Call => ["LLEN", list])]);
    const [dead, delayed, ...lengths] = replies.map(Number) as [number, number, ...number[]];
    const ready = Object.fromEntries(this.priorities.map((priority, index) => [priority, lengths[index]!]));
    const taken = lengths.slice(this.priorities.length).reduce((sum, length) => sum + length, 0);
    return { ready, delayed, taken, dead };
  }

  /** The ids of jobs that have failed for the last time, the latest first, from `start` to `stop`. */
  async dead(start = 0, stop = -1): Promise<string[]> {
    return (await this.redis.call("LRANGE", this.key("dead"), start, stop)) as string[];
  }

  /** Has a dead job begun anew, as if it had never been; answers whether there was one. */
  async revive(id: string): Promise<boolean> {
    const at = await this.redis.call("LPOS", this.key("dead"), id);
    const job = at === null ? null : await this.get(id);
    if (!job) return false;
    const [removed] = await transact(this.redis, [
      ["LREM", this.key("dead"), 1, id],
      this.change(id, "attempts", 0),
      ["LPUSH", this.key("ready", job.priority), id],
      ["PUBLISH", this.key("wake"), ""],
    ]);
    return removed === 1;
  }

  /** Forgets a job, dead or not; one that is being worked on is not begun again. Whether there was one. */
  async remove(id: string): Promise<boolean> {
    const lists = ["dead", ...this.priorities.map((priority) => keyOf("ready", priority))];
    const [deleted] = await transact(this.redis, [
      ["DEL", this.key("job", id)],
      ["ZREM", this.key("delayed"), id],
      ...lists.map((list): Call => ["LREM", this.key(list), 0, id]),
    ]);
    return deleted === 1;
  }

  /** @internal */
  key(...parts: readonly string[]): string {
    return keyOf(this.base, ...parts);
  }

  /** @internal What changes a field of a job, if that is there. */
  change(id: string, field: "attempts" | "progress" | "error", value: string | number): Call {
    return ["HSETEX", this.key("job", id), "FXX", "FIELDS", 1, field, value];
  }

  private priority(wanted: string | undefined): string {
    const priority = wanted ?? this.priorities.at(-1)!;
    if (!this.priorities.includes(priority)) {
      throw new TypeError(`queue: the priority is one of ${this.priorities.join(", ")}`);
    }
    return priority;
  }
}

/** What HPTTL answers of one field; of a key that is not there, Redis may answer nothing. */
function ttlIn(reply: unknown): number {
  return Number((reply as (number | null)[] | null)?.[0] ?? GONE);
}
