import type { Command } from "./client.js";

/** The beginning of every key that load makes. */
export const PREFIX = "load:";
/** What is written is gone after so many seconds. */
const SECONDS = 60;
/** Where a command cannot say that itself, it is said this often. */
const EXPIRE_MS = 1000;
/** A batch runs in one task: so many commands at most, and fewer where they take long. */
const BATCH_MAX = 64;
const BATCH_MS = 2;
const PAUSE_MS = 10;
/** What could not be run in time is not made up for, beyond so much of a second. */
const BEHIND = 0.1;
export const RATE_MAX = 10_000;

const any = (most: number): number => Math.floor(Math.random() * most);
const key = (name: string, most: number): string => `${PREFIX}${name}:${any(most)}`;
const BIG = "x".repeat(1024);

interface Mix {
  readonly title: string;
  /** One command, at random. */
  readonly command: () => Command;
  /** Keys that are written without an expiry time. */
  readonly lasting: readonly string[];
}

const COUNTERS = Array.from({ length: 10 }, (_, index) => `${PREFIX}visits:${index}`);
const [VISITORS, QUEUE, BOARD] = [`${PREFIX}visitors`, `${PREFIX}queue`, `${PREFIX}board`];

/** What can be chosen. */
export const MIXES: Readonly<Record<string, Mix>> = {
  cache: {
    title: "A cache: reads, of which most find something",
    command: () => (any(5) === 0 ? ["SET", key("page", 500), BIG.slice(0, 200), "EX", SECONDS] : ["GET", key("page", 600)]),
    lasting: [],
  },
  counters: {
    title: "Counters: INCR and HINCRBY",
    command: () => (any(2) === 0 ? ["INCR", COUNTERS[any(COUNTERS.length)]!] : ["HINCRBY", VISITORS, `page:${any(100)}`, 1]),
    lasting: [...COUNTERS, VISITORS],
  },
  queue: {
    title: "A queue: LPUSH and RPOP",
    command: () => (any(2) === 0 ? ["LPUSH", QUEUE, any(1e6)] : ["RPOP", QUEUE]),
    lasting: [QUEUE],
  },
  board: {
    title: "A leaderboard: ZINCRBY and ZRANGE",
    command: () => (any(4) === 0 ? ["ZRANGE", BOARD, 0, 9, "REV", "WITHSCORES"] : ["ZINCRBY", BOARD, any(10), `player:${any(1000)}`]),
    lasting: [BOARD],
  },
  news: { title: "Messages: PUBLISH on three channels", command: () => ["PUBLISH", key("news", 3), any(1e6)], lasting: [] },
  large: {
    title: "Large values: SET of 1 KB under 50,000 names",
    command: () => ["SET", key("large", 50_000), BIG, "EX", SECONDS],
    lasting: [],
  },
};

/** What load needs of the page it runs in. */
export interface LoadHost {
  ask(commands: readonly Command[]): Promise<readonly unknown[]>;
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** Commands of one kind at a rate, from this tab: a few in a task, so that the page stays smooth. */
export class Load {
  /** How many were answered, and how many of these with an error. */
  done = 0;
  refused = 0;
  problem = "";
  private run = 0;
  private most = 8;

  constructor(private readonly host: LoadHost) {}

  get isRunning(): boolean {
    return this.run % 2 === 1;
  }

  /** Begins, in the place of what runs. */
  start(mix: string, rate: number): void {
    const chosen = MIXES[mix];
    if (!chosen) throw new Error(`There is no mix "${mix}".`);
    if (!Number.isInteger(rate) || rate < 1 || rate > RATE_MAX) throw new Error(`The rate is a whole number from 1 to ${RATE_MAX.toLocaleString("en")}.`);
    this.stop();
    this.run++;
    [this.done, this.refused, this.problem] = [0, 0, ""];
    void this.go(this.run, chosen, rate);
  }

  stop(): void {
    if (this.isRunning) this.run++;
  }

  private async go(run: number, { command, lasting }: Mix, rate: number): Promise<void> {
    const { host } = this;
    const expire = lasting.map((name): Command => ["EXPIRE", name, SECONDS]);
    let before = host.now();
    let expiredAt = before;
    let due = 0;
    while (this.run === run) {
      const now = host.now();
      due = Math.min(due + ((now - before) * rate) / 1000, Math.max(1, rate * BEHIND));
      before = now;
      const size = Math.min(Math.floor(due), this.most);
      due -= size;
      if (size > 0) await this.send(Array.from({ length: size }, command), true);
      // A task of its own for every batch.
      await host.sleep(due >= 1 ? 0 : PAUSE_MS);
      if (host.now() - expiredAt < EXPIRE_MS) continue;
      expiredAt = host.now();
      await this.send(expire, false);
      await host.sleep(0);
    }
    await this.send(expire, false);
  }

  private async send(commands: readonly Command[], isCounted: boolean): Promise<void> {
    const { host } = this;
    if (commands.length === 0) return;
    const began = host.now();
    const asked = host.ask(commands);
    // Where this tab leads, they have been run by now.
    const took = host.now() - began;
    if (took > BATCH_MS) this.most = Math.max(1, this.most >> 1);
    else if (commands.length === this.most && took < BATCH_MS / 2) this.most = Math.min(BATCH_MAX, this.most * 2);
    const answers: readonly unknown[] = await asked.catch((error: Error) => [error]);
    const errors = answers.filter((answer): answer is Error => answer instanceof Error);
    this.problem = errors[0]?.message ?? this.problem;
    if (!isCounted) return;
    this.done += answers.length;
    this.refused += errors.length;
  }
}
