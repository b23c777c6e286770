// Jobs that tabs take from a queue, while some of them end.
import { expect } from "vitest";
import { type Group, pause, type Tab, until } from "./tab.js";

const QUEUE = "jobs";
const HANDLED = `${QUEUE}:handled`;
/** So many calls of each tab wait for a job at a time. */
const LOOPS = 2;

/** How often each tab has handled each job. */
async function handled(tab: Tab): Promise<Map<string, string[]>> {
  const entries = await tab.call<string[]>("run", "LRANGE", HANDLED, "0", "-1");
  const by = new Map<string, string[]>();
  for (const entry of entries) {
    const [job, id] = entry.split(" ") as [string, string];
    by.set(job, [...(by.get(job) ?? []), id]);
  }
  return by;
}

/** Puts back what tabs that are gone were about to handle. */
async function putBack(group: Group, supervisor: Tab): Promise<void> {
  for (const id of group.dead) {
    const list = `${QUEUE}:processing:${id}`;
    while ((await supervisor.call("run", "LMOVE", list, QUEUE, "RIGHT", "LEFT")) !== null);
  }
}

/** How many jobs have been handled at least once. */
async function count(tab: Tab): Promise<number> {
  return (await handled(tab)).size;
}

/**
 * So many jobs, four tabs that take them with BLMOVE or BLPOP, and one that pushes them and puts back
 * what those that end leave. Every other one that ends is the one that has the data.
 */
export async function workWhileTabsEnd(group: Group, job: "move" | "pop", jobs: number, ends: number): Promise<void> {
  const leader = await group.open();
  const producer = await group.open();
  const workers = [leader, ...(await group.openMany(3))];
  for (const tab of workers) await tab.call("start", job, { queue: QUEUE, loops: LOOPS });
  await producer.call("start", "produce", { queue: QUEUE, jobs });
  for (let end = 0; end < ends; end++) {
    const wanted = (jobs * (end + 1)) / (ends + 2);
    await until(`${wanted} jobs`, async () => {
      await group.looks();
      return Number(await producer.call("run", "LLEN", HANDLED)) >= wanted || undefined;
    });
    const leads = await group.leader();
    const others = group.live.filter((tab) => tab !== producer && tab !== leads);
    await group.lose(end % 2 === 0 && leads !== producer ? leads : others[0]!, "kill");
    await putBack(group, producer);
    await (await group.open()).call("start", job, { queue: QUEUE, loops: LOOPS });
  }
  // A tab that was killed between BLPOP and RPUSH takes a job with it, as it would with Redis.
  const losable = job === "pop" ? ends * LOOPS : 0;
  await until("the end of the queue", async () => {
    await group.looks();
    await putBack(group, producer);
    const isPushed = !(await group.look(producer)).running;
    if (!isPushed || Number(await producer.call("run", "LLEN", QUEUE)) > 0) return undefined;
    return (await count(producer)) >= jobs - losable || undefined;
  });
  const rest = group.live.filter((tab) => tab !== producer);
  for (const tab of rest) await tab.call("stop");
  await group.finished();
  await verify(group, producer, jobs - losable);
}

async function verify(group: Group, tab: Tab, least: number): Promise<void> {
  const by = await handled(tab);
  expect(by.size, "jobs handled").toBeGreaterThanOrEqual(least);
  const again = [...by].filter(([, ids]) => ids.length > 1);
  for (const [job, ids] of again) {
    const alive = ids.filter((id) => !group.dead.has(id));
    expect(alive.length, `${job} was handled by ${ids}, of which are alive`).toBeLessThanOrEqual(1);
  }
  expect(again.length, "jobs handled again").toBeLessThanOrEqual(group.dead.size * LOOPS);
}

/** A job that was handed to a tab which cannot receive it any more goes to another one. */
export async function jobOfTheDead(group: Group): Promise<void> {
  const leader = await group.open();
  const [first, second] = (await group.openMany(2)) as [Tab, Tab];
  await first.call("begin", "BLPOP", QUEUE, "0");
  await until("a blocked client", async () => (await blocked(leader)) === 1 || undefined);
  await second.call("begin", "BLPOP", QUEUE, "0");
  await until("two blocked clients", async () => (await blocked(leader)) === 2 || undefined);
  first.signal("SIGSTOP");
  await pause(50);
  await leader.call("run", "RPUSH", QUEUE, "the job");
  await group.lose(first, "kill");
  await until("the job", async () => {
    const { later } = await group.look(second);
    return later?.reply !== undefined || undefined;
  });
  const { later } = await group.look(second);
  expect(later).toEqual({ reply: [QUEUE, "the job"] });
  expect(await leader.call("run", "LLEN", QUEUE)).toBe(0);
}

/** A job that was handed to a tab which ends together with the leader goes back to the queue. */
export async function jobOfTheDeadAndTheLeader(group: Group): Promise<void> {
  const leader = await group.open();
  const [first, second] = (await group.openMany(2)) as [Tab, Tab];
  await first.call("begin", "BLPOP", QUEUE, "0");
  await until("a blocked client", async () => (await blocked(leader)) === 1 || undefined);
  first.signal("SIGSTOP");
  await pause(50);
  await leader.call("run", "RPUSH", QUEUE, "the job");
  // It has seen that the job is taken, and leads next.
  expect(await second.call("run", "LLEN", QUEUE)).toBe(0);
  await group.lose(leader, "kill");
  await group.lose(first, "kill");
  await second.call("begin", "BLPOP", QUEUE, "0");
  const later = await until("the job", async () => {
    const { later } = await group.look(second);
    return later?.reply !== undefined ? later : undefined;
  });
  expect(later).toEqual({ reply: [QUEUE, "the job"] });
}

async function blocked(tab: Tab): Promise<number> {
  const info = await tab.call<string>("run", "INFO", "clients");
  return Number(/blocked_clients:(\d+)/.exec(info)?.[1]);
}
