// Patterns over tabs of Chromium, each a process of its own, which are killed while they work.
import { expect } from "vitest";
import { Chromium } from "./tabs/chromium.js";
import { endings, tabsOf } from "./tabs/suite.js";
import { type Group, type Tab, until } from "./tabs/tab.js";

const ends = endings(3);
const test = tabsOf(() => Chromium.start(), ends);

/** A tab of each kind: one that leads, two with copies, one without. */
async function allKinds(group: Group): Promise<Tab[]> {
  const tabs = await group.openMany(3);
  tabs.push(await group.open({ replica: false }));
  expect((await group.looks(tabs)).map(({ role }) => role)).toEqual(["leader", "replica", "replica", "thin"]);
  return tabs;
}

const run = <T>(tab: Tab, ...words: string[]) => tab.call<T>("run", ...words);

/** Kills a tab that does what the test wants, once there is one. */
async function kill(group: Group, what: string, find: () => Promise<Tab | undefined>): Promise<void> {
  await group.lose(await until(what, find), "kill");
}

test(`a lock is held by one, with tokens that grow, when ${ends} of the tabs die`, async (group) => {
  const target = 20;
  const start = (tab: Tab) => tab.call("start", "guard", { name: "one", target, ttlMs: 4000 });
  for (const tab of await allKinds(group)) await start(tab);
  for (let end = 0; end < ends; end++) {
    await kill(group, "one that has the lock, or leads", async () => {
      const looks = await group.looks();
      if (!looks.some(({ progress }) => progress > (target * end) / (ends + 1))) return undefined;
      return group.live[looks.findIndex(({ holds, role }) => (end % 2 ? role === "leader" : holds))];
    });
    await start(await group.open());
  }
  for (const tab of group.live) await tab.call("stop");
  await group.finished();
  let [holder, last, outs] = ["", 0, 0];
  const log = await run<string[]>(group.live[0]!, "LRANGE", "one:log", "0", "-1");
  for (const entry of log) {
    const [what, id, token] = entry.split(" ") as [string, string, string];
    if (what === "in") {
      const [previous] = holder.split(" ") as [string];
      if (holder !== "" && !group.dead.has(previous)) throw new Error(`${id} came in while ${holder} was there`);
      expect(Number(token), "a token is higher than all before").toBeGreaterThan(last);
      [holder, last] = [`${id} ${token}`, Number(token)];
    } else {
      if (what === "out") expect(`${id} ${token}`, "who goes out").toBe(holder);
      holder = "";
      outs++;
    }
  }
  const value = Number(await run(group.live[0]!, "GET", "one:value"));
  expect(value).toBeGreaterThanOrEqual(outs);
  expect(value).toBeLessThanOrEqual(log.length - outs);
  expect(outs).toBeGreaterThanOrEqual(target * group.live.length);
});

const HOUR_MS = 3_600_000;
const limiters: [kind: string, options: object][] = [
  ["fixedWindow", { limit: 100, windowMs: 24 * HOUR_MS }],
  ["slidingLog", { limit: 100, windowMs: 24 * HOUR_MS }],
  ["slidingWindow", { limit: 100, windowMs: 24 * 365 * HOUR_MS }],
  ["tokenBucket", { capacity: 100, refill: 1, intervalMs: 24 * HOUR_MS }],
];
for (const [kind, options] of limiters) {
  test(`${kind} lets the limit through, and no more, when the tab that leads dies`, async (group) => {
    const calls = 60;
    const tabs = await allKinds(group);
    for (const tab of tabs) await tab.call("start", "limit", { kind, options, calls });
    await kill(group, "some calls", async () => {
      const looks = await group.looks();
      return looks.every(({ progress }) => progress > 5) ? group.leader() : undefined;
    });
    await group.finished();
    const counted = await run<(string | null)[]>(group.live[0]!, "MGET", ...tabs.map(({ id }) => `${kind}:${id}`));
    const through = counted.reduce((sum, count) => sum + Number(count), 0);
    expect(through).toBeLessThanOrEqual(100);
    // A tab may have died before it had counted a call.
    expect(through).toBeGreaterThanOrEqual(100 - group.dead.size);
  });
}

test(`of all tabs, one loads a value, when ${ends} of them die while they load`, async (group) => {
  const target = 400;
  let first = 0;
  const start = (tab: Tab) => tab.call("start", "read", { target, first: (first += 90), loadMs: 4000 });
  for (const tab of await allKinds(group)) await start(tab);
  for (let end = 0; end < ends; end++) {
    const victim = end % 2 ? await group.leader() : await group.follower();
    await victim.call("stop");
    await kill(group, "a load that does not end", async () =>
      (await group.look(victim)).loads !== undefined || !(await group.look(victim)).running ? victim : undefined,
    );
    await start(await group.open());
  }
  await group.finished();
  const keys = Array.from({ length: target }, (_, i) => `k${i}`);
  const tab = group.live[0]!;
  const loads = await run<string[]>(tab, "MGET", ...keys.map((key) => `loads:${key}`));
  const most = Math.max(...loads.map(Number));
  const extra = loads.reduce((sum, count) => sum + Number(count) - 1, 0);
  expect(Math.min(...loads.map(Number))).toBe(1);
  expect(extra, `loads of what had been loaded: ${loads}`).toBeLessThanOrEqual(ends);
  expect(most).toBeLessThanOrEqual(1 + ends);
  for (const [i, key] of keys.entries()) {
    if (loads[i] === "1") expect(await run(tab, "SCARD", `got:${key}`), `values of ${key}`).toBe(1);
  }
});

test(`every job of a queue is handled, when ${ends} of the workers die`, async (group) => {
  const [jobs, concurrency] = [300, 3];
  const start = (tab: Tab) => tab.call("start", "labour", { name: "work", concurrency, visibilityMs: 5000 });
  for (const tab of await allKinds(group)) await start(tab);
  const producer = await group.open();
  await producer.call("start", "enqueue", { name: "work", jobs });
  const handled = () => run<string[]>(producer, "LRANGE", "work:handled", "0", "-1");
  for (let end = 0; end < ends; end++) {
    await until("some jobs", async () => (await handled()).length > (jobs * end) / (ends + 1) || undefined);
    const leader = await group.leader();
    const others = group.live.filter((tab) => tab !== producer && tab !== leader);
    await group.lose(end % 2 || leader === producer ? others[0]! : leader, "kill");
    await start(await group.open());
  }
  const done = async () => new Set((await handled()).map((entry) => entry.split(" ")[0])).size;
  await until(`${jobs} jobs`, async () => {
    for (const { wrong } of await group.looks()) if (wrong !== undefined) throw new Error(wrong);
    return (await done()) === jobs || undefined;
  });
  await until("nothing that is left", async () => {
    const keys = await run<string[]>(producer, "KEYS", "queue:{work}:*");
    // Those of workers that died last may not have been missed yet.
    return keys.every((key) => /:(maintenance:.*|workers)$/.test(key)) || undefined;
  });
  for (const tab of group.live) if (tab !== producer) await tab.call("stop");
  await group.finished();
  expect((await handled()).length).toBeLessThanOrEqual(jobs + ends * concurrency);
});

test(`every entry of a stream is handled, when ${ends} of the workers die`, async (group) => {
  const [entries, concurrency] = [300, 3];
  const start = (tab: Tab) => tab.call("start", "follow", { stream: "events", concurrency, claimIdleMs: 4000 });
  for (const tab of await allKinds(group)) await start(tab);
  const producer = await group.open();
  await producer.call("start", "tell", { stream: "events", entries });
  const handled = () => run<string[]>(producer, "LRANGE", "events:handled", "0", "-1");
  for (let end = 0; end < ends; end++) {
    await until("some entries", async () => (await handled()).length > (entries * end) / (ends + 1) || undefined);
    const leader = await group.leader();
    const others = group.live.filter((tab) => tab !== producer && tab !== leader);
    await group.lose(end % 2 || leader === producer ? others[0]! : leader, "kill");
    await start(await group.open());
  }
  await until(`${entries} entries`, async () => {
    for (const { wrong } of await group.looks()) if (wrong !== undefined) throw new Error(wrong);
    const [pending] = await run<[number]>(producer, "XPENDING", "events", "g");
    const all = new Set((await handled()).map((entry) => entry.split(" ")[0]));
    return (pending === 0 && all.size === entries) || undefined;
  });
  for (const tab of group.live) if (tab !== producer) await tab.call("stop");
  await group.finished();
  expect((await handled()).length).toBeLessThanOrEqual(entries + ends * concurrency);
  expect(await run(producer, "EXISTS", "events:dead")).toBe(0);
});

/** Compares ids of streams. */
function isHigher(one: string, other: string): boolean {
  const [[ms, n], [otherMs, otherN]] = [one, other].map((id) => id.split("-").map(Number)) as [[number, number], [number, number]];
  return ms > otherMs || (ms === otherMs && n > otherN);
}

test(`what was accepted is written, in its order, when ${ends} of the tabs that write die`, async (group) => {
  const start = (tab: Tab) => tab.call("start", "save", { name: "users", target: 60, ttlMs: 4000 });
  for (const tab of await allKinds(group)) await start(tab);
  for (let end = 0; end < ends; end++) {
    let last = 0;
    await kill(group, "one that writes", async () => {
      const looks = await group.looks();
      for (const { wrong } of looks) if (wrong !== undefined) throw new Error(wrong);
      const tokens = looks.map(({ token }) => token ?? 0);
      last = Math.max(last, ...tokens);
      return looks.some(({ progress }) => progress > 15 * (end + 1)) && last > 0 ? group.live[tokens.indexOf(last)] : undefined;
    });
    await start(await group.open());
  }
  for (const tab of group.live) await tab.call("stop");
  await group.finished();
  const tab = group.live[0]!;
  const accepted = await run<string[]>(tab, "LRANGE", "users:accepted", "0", "-1");
  const written = (await run<string[]>(tab, "LRANGE", "users:written", "0", "-1")).map((entry) => JSON.parse(entry));
  const ids = new Set(written.map(({ id }) => id));
  expect(accepted.filter((id) => !ids.has(id)), "what was accepted and not written").toEqual([]);
  let [highest, token] = ["0-0", 0];
  const seen = new Set<string>();
  for (const change of written) {
    // One that had no time for long may write late: its token is what tells.
    if (change.token < token) continue;
    // What was written by one that died is written again; all else comes in its order.
    if (!seen.has(change.id)) expect(isHigher(change.id, highest), `${change.id} after ${highest}`).toBe(true);
    seen.add(change.id);
    [highest, token] = [isHigher(change.id, highest) ? change.id : highest, change.token];
  }
  for (let key = 0; key < 7; key++) {
    const last = written.filter((change) => change.key === `k${key}`).reduce((one, other) => (isHigher(other.id, one.id) ? other : one));
    expect(await run(tab, "GET", `behind:{users}:value:k${key}`)).toBe(JSON.stringify(last.value));
  }
});
