// Tabs that count one counter up while those that have the data end: what was counted twice or lost
// shows in the sum.
import { expect } from "vitest";
import { Group, pause, type Tab, until } from "./tab.js";

/** How tabs end, in turn. */
const WAYS = ["kill", "close", "kill", "leave"] as const;
const SHARED = "n";

export class Counting {
  /** What each tab has told, and what it was to reach. */
  private readonly told = new Map<string, number>();
  private readonly targets = new Map<string, number>();
  private readonly opening: Promise<void>[] = [];

  constructor(
    private readonly group: Group,
    private readonly seed: number,
  ) {}

  /** Has a tab count so much further than it was to count before. */
  async start(tab: Tab, by: number): Promise<void> {
    const from = this.targets.get(tab.id) ?? 0;
    this.targets.set(tab.id, from + by);
    await tab.call("start", "count", { shared: SHARED, from, target: from + by, seed: this.seed + this.targets.size });
  }

  /** How far all of them have come, those that have ended as well, as far as they have told. */
  async progress(): Promise<number> {
    const { live } = this.group;
    const looks = await this.group.looks();
    live.forEach(({ id }, i) => this.told.set(id, looks[i]!.progress));
    return [...this.told.values()].reduce((sum, told) => sum + told, 0);
  }

  /** Waits until that many increments have been told of. */
  async reaches(progress: number): Promise<void> {
    await until(`${progress} increments`, async () => (await this.progress()) >= progress || undefined);
  }

  /**
   * Has the tab that has the data end, and another one count what is left for it to count. Answers
   * whether others were counting.
   */
  async replaceLeader(how: (typeof WAYS)[number]): Promise<boolean> {
    const leader = await this.group.leader();
    const { progress } = await this.group.look(leader);
    this.told.set(leader.id, progress);
    await this.group.lose(leader, how);
    const looks = await this.group.looks();
    const left = this.targets.get(leader.id)! - progress;
    // The next one may end while this one opens.
    this.opening.push(this.group.open().then((next) => (left > 0 ? this.start(next, left) : undefined)));
    if (this.group.live.length < 4) await Promise.all(this.opening);
    return looks.some(({ running }) => running);
  }

  /** Waits for the end, and sees whether the sum is right in every tab. Answers how far all have come. */
  async verify(): Promise<number> {
    const { group, targets, told } = this;
    await Promise.all(this.opening);
    await group.finished();
    const keys = [SHARED, ...[...targets.keys()].map((id) => `${SHARED}:${id}`)];
    const [all, ...owns] = (await this.agreed(keys)).split(",").map(Number);
    for (const [i, [id, target]] of [...targets].entries()) {
      if (!group.dead.has(id)) expect(owns[i], `what ${id} has counted`).toBe(target);
      expect(owns[i], `what ${id} has counted, beside what it has told`).toBeGreaterThanOrEqual(told.get(id) ?? 0);
    }
    const sum = owns.reduce((sum, own) => sum + own, 0);
    // A tab may have ended between an increment and that of its own counter.
    expect(all, "the sum").toBeGreaterThanOrEqual(sum);
    expect(all, "the sum").toBeLessThanOrEqual(sum + group.dead.size);
    return sum;
  }

  /** What all tabs read, once what the last of them has written has come to all. */
  private async agreed(keys: readonly string[]): Promise<string> {
    const { group } = this;
    let read: Record<string, string> = {};
    const agree = async (): Promise<string | undefined> => {
      read = {};
      for (const tab of group.live) {
        const values = await tab.call<(string | null)[]>("run", "MGET", ...keys);
        read[`${tab.id} ${(await group.look(tab)).role}`] = values.map(Number).join();
      }
      const [one, ...others] = new Set(Object.values(read));
      return others.length === 0 ? one : undefined;
    };
    return until("the same in all tabs", agree, 30_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(read)}`, { cause: error });
    });
  }
}

/** So often a leader is stopped, at the most, until one did not hold up the others. */
const STOPS = 3;
/** Whoever waits for so long is held up: another tab leads long before. */
const HELD_UP_MS = 20_000;

/** So many tabs count to `target` each, while so many of those that have the data end. */
export async function countWhileLeadersEnd(group: Group, tabs: number, target: number, ends: number, seed: number) {
  const counting = new Counting(group, seed);
  for (const tab of await group.openMany(tabs)) await counting.start(tab, target);
  let hits = 0;
  for (let end = 0; end < ends; end++) {
    await counting.reaches((tabs * target * (end + 1)) / (ends + 2));
    hits += Number(await counting.replaceLeader(WAYS[end % WAYS.length]!));
  }
  await counting.verify();
  if (ends > 0) expect(hits, "leaders that have ended while others counted").toBeGreaterThan(0);
}

/**
 * The tab that has the data is stopped while all count, until the others have come further; then it goes
 * on. `stop` answers what has it go on. A leader whose writes are `sent` only, in messages that its process
 * has yet to pass on when it is stopped, may lose the last ones: it does not count itself.
 */
export async function countWhileLeaderStops(
  group: Group,
  target: number,
  seed: number,
  stop: (leader: Tab) => Promise<() => Promise<void>>,
  written: "sent" | "passed on" = "passed on",
): Promise<void> {
  const counting = new Counting(group, seed);
  const tabs = await group.openMany(4);
  let counted = 0;
  for (let stops = 1, isDone = false; !isDone; stops++) {
    expect(stops, "stops, after each of which nobody came further").toBeLessThanOrEqual(STOPS);
    const leader = await group.leader();
    for (const tab of tabs) if (written !== "sent" || tab !== leader) await counting.start(tab, target);
    await counting.reaches(counted + target / 2);
    isDone = await finishWithout(group, leader, stop);
    counted = await counting.verify();
  }
  await until("one leader", async () => {
    const roles = (await group.looks()).map(({ role }) => role);
    return roles.filter((role) => role === "leader").length === 1 || undefined;
  });
}

/**
 * Stops a leader until all others are done. Answers false, and has it go on, if they were held up: a process
 * that is stopped between the messages of one transaction keeps everybody from the store, whoever has made it.
 */
async function finishWithout(group: Group, leader: Tab, stop: (leader: Tab) => Promise<() => Promise<void>>): Promise<boolean> {
  group.live.splice(group.live.indexOf(leader), 1);
  const goOn = await stop(leader);
  try {
    const looks = await group.looks();
    expect(looks.some(({ running }) => running), "that others count when the leader stops").toBe(true);
    return await until("done, or held up", async () => {
      const now = await group.looks();
      if (now.every(({ running }) => !running)) return { isDone: true };
      return now.some(({ waiting }) => waiting > HELD_UP_MS) ? { isDone: false } : undefined;
    }, 90_000).then(({ isDone }) => isDone);
  } finally {
    await goOn();
    group.live.push(leader);
  }
}

/** Stops the whole process of a tab. */
export async function stopProcess(tab: Tab): Promise<() => Promise<void>> {
  tab.signal("SIGSTOP");
  await pause(50);
  return async () => tab.signal("SIGCONT");
}
