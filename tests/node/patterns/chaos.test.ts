// What patterns promise, over clients that are slow, fail before and after they have done what was asked, and die.
import type { Redis } from "lodis";
import { cache, type Change, type HeldLock, lock, queue, type RedisLike, sessions, streamWorker, writeBehind } from "lodis/patterns";
import { expect, test } from "vitest";
import { chance, eventually, instance, SEED } from "./playing.js";

class Fault extends Error {}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Clients of one instance, as tabs have them. */
class Tabs {
  readonly to: (bound: number) => number;
  /** How many of a hundred calls fail. */
  faults = 3;

  constructor(
    private readonly redis: Redis,
    seed = SEED,
  ) {
    this.to = chance(seed);
  }

  /** A tab, and what kills it: nothing that it calls is answered any more. */
  open(): { readonly client: RedisLike; readonly kill: () => void } {
    const { redis } = this;
    let isDead = false;
    const alive = async (): Promise<void> => {
      const ms = this.to(4);
      if (ms > 0) await pause(ms - 1);
      if (isDead) await new Promise(() => {});
    };
    const slowly = async <T>(run: () => Promise<T>): Promise<T> => {
      await alive();
      const fault = this.to(200) < this.faults * 2 ? this.to(2) : -1;
      if (fault === 0) throw new Fault("was not sent");
      const reply = await run();
      await alive();
      if (fault === 1) throw new Fault("no answer");
      return reply;
    };
    const client: RedisLike = {
      call: (name, ...args) => slowly(() => redis.call(name, ...args)),
      bytes: { call: (name, ...args) => slowly(() => redis.bytes.call(name, ...args)) },
      multi: () => {
        const multi = redis.multi();
        return { call: (name, ...args) => multi.call(name, ...args), exec: () => slowly(() => multi.exec()) };
      },
      subscribe: (channel, listener) =>
        slowly(async () => {
          const stop = await redis.subscribe(channel, (message) => void (isDead || listener(message)));
          return async () => (isDead ? undefined : stop());
        }),
    };
    return { client, kill: () => (isDead = true) };
  }

  /** Tries until it is done, as an app does. */
  async surely<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }
  }
}

test(`every job is handled, and nothing is left, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  const handled = new Map<number, number>();
  const begin = () => {
    const { client, kill } = tabs.open();
    const options = { concurrency: 3, visibilityMs: 200, pollMs: 20, backoff: { baseMs: 5 } };
    const worker = queue<number>(client, "jobs").work(async ({ data }) => {
      await pause(tabs.to(5));
      if (tabs.to(8) === 0) throw new Error("as it happens");
      handled.set(data, (handled.get(data) ?? 0) + 1);
    }, options);
    return { worker, kill };
  };
  const workers = [begin(), begin(), begin()];
  const producer = queue<number>(tabs.open().client, "jobs", { maxAttempts: 1000, priorities: ["high", "normal"] });
  // With a name, an add of which it is not known whether it was made can be made again.
  const add = (n: number) => {
    const delayMs = n % 5 === 0 ? tabs.to(30) : 0;
    return tabs.surely(() => producer.add(n, { id: `${n}`, delayMs, priority: "normal" }));
  };
  for (let n = 0; n < 120; n += 30) {
    await Promise.all(Array.from({ length: 30 }, (_, i) => add(n + i)));
    workers.shift()!.kill();
    workers.push(begin());
  }
  await eventually(() => expect(handled.size).toBe(120));
  await eventually(async () => expect(await redis.keys("*:job:*")).toEqual([]));
  await eventually(async () => expect(await redis.keys("*:ready:*")).toEqual([]));
  tabs.faults = 0;
  for (const { worker } of workers) await worker.stop();
  expect(await redis.exists("queue:{jobs}:delayed", "queue:{jobs}:dead")).toBe(0);
}, 60_000);

test(`one has a lock at a time, and tokens grow, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  const holders = new Set<HeldLock>();
  let [last, times, stopped] = [0, 0, false];
  const compete = async ({ client }: { client: RedisLike }): Promise<void> => {
    const own = lock(client, "one", { ttlMs: 150 });
    while (!stopped) {
      const held = await tabs.surely(() => own.acquire());
      const sure = [...holders].filter((other) => other.isHeld);
      expect(sure, "others that are sure to have it").toEqual([]);
      expect(held.token).toBeGreaterThan(last);
      last = held.token;
      holders.add(held);
      times++;
      await pause(tabs.to(20) === 0 ? 200 : tabs.to(5));
      await held.release().catch(() => {});
      holders.delete(held);
    }
  };
  const open = Array.from({ length: 5 }, () => tabs.open());
  const running = open.map((tab) => compete(tab));
  for (const killed of open.slice(0, 3)) {
    const before = times;
    await eventually(() => expect(times).toBeGreaterThan(before + 15));
    killed.kill();
  }
  stopped = true;
  await Promise.all(running.slice(3));
  expect(times).toBeGreaterThan(40);
}, 60_000);

test(`what was forgotten is never answered again, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  let [source, least, stopped, gets] = [0, 0, false, 0];
  const open = Array.from({ length: 4 }, () => tabs.open());
  const options = { ttlMs: 25, staleMs: 15, jitter: 0.5, loadMs: 100, earlyRefresh: 1, negativeTtlMs: 5 };
  const caches = open.map(({ client }) => cache<number>(client, options));
  const load = async (): Promise<number> => {
    const read = source;
    await pause(tabs.to(10));
    if (tabs.to(10) === 0) throw new Fault("the source is down");
    return read;
  };
  const read = async (index: number): Promise<void> => {
    while (!stopped) {
      const atLeast = least;
      const tagged = { tags: ["t"] };
      const value = await tabs.surely(() => caches[index]!.get("k", load, tagged)).catch((error: { code?: string }) => {
        if (error.code !== "TIMEOUT") throw error;
        return least;
      });
      gets++;
      expect(value, "what was loaded before it was forgotten").toBeGreaterThanOrEqual(atLeast);
    }
  };
  const readers = [0, 1, 2].map(read);
  for (let n = 0; n < 60; n++) {
    await pause(tabs.to(20));
    const next = ++source;
    const writer = caches[tabs.to(4)]!;
    const ways = [
      () => writer.invalidate("k"),
      () => writer.invalidateTags("t"),
      () => writer.set("k", next, { tags: ["t"] }),
      () => writer.writeThrough("k", next, () => {}, { tags: ["t"] }),
    ];
    const way = ways[tabs.to(4)]!;
    await tabs.surely(way).catch((error: { code?: string }) => {
      if (error.code !== "TIMEOUT") throw error;
      return tabs.surely(() => writer.invalidate("k"));
    });
    least = next;
    if (n === 30) {
      open[3]!.kill();
      caches[3] = cache<number>(tabs.open().client, options);
    }
  }
  stopped = true;
  await Promise.all(readers);
  expect(gets).toBeGreaterThan(50);
}, 60_000);

test(`what was accepted is written, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  /** As it should be written to: it refuses lower tokens, and what it has seen. */
  const backend = { token: 0, applied: new Map<string, { id: string; value: unknown }>() };
  const isLower = (one: string, other: string) => {
    const [[ms, n], [otherMs, otherN]] = [one, other].map((id) => id.split("-").map(Number)) as [[number, number], [number, number]];
    return ms < otherMs || (ms === otherMs && n < otherN);
  };
  const write = async (changes: readonly Change<string>[], { token }: { token: number }): Promise<void> => {
    await pause(tabs.to(5));
    if (token < backend.token) throw new Error("somebody else writes by now");
    backend.token = token;
    if (tabs.to(5) === 0) throw new Error("down");
    for (const { key, id, value } of changes) {
      const before = backend.applied.get(key);
      if (!before || isLower(before.id, id)) backend.applied.set(key, { id, value });
    }
    if (tabs.to(5) === 0) throw new Error("no answer");
  };
  const begin = () => {
    const { client, kill } = tabs.open();
    const flusher = writeBehind<string>(client, "users").flush(write, { ttlMs: 150, batch: 4, backoff: { baseMs: 2 } });
    return { flusher, kill };
  };
  const flushers = [begin(), begin()];
  const behind = writeBehind<string>(tabs.open().client, "users");
  const accepted = new Map<string, string | undefined>();
  for (let n = 0; n < 100; n++) {
    const key = `k${tabs.to(5)}`;
    if (tabs.to(10) === 0) {
      await tabs.surely(() => behind.delete(key));
      accepted.set(key, undefined);
    } else {
      await tabs.surely(() => behind.set(key, `v${n}`));
      accepted.set(key, `v${n}`);
    }
    if (n % 30 === 29) {
      flushers.shift()!.kill();
      flushers.push(begin());
    }
  }
  tabs.faults = 0;
  await behind.flushed();
  for (const [key, value] of accepted) {
    expect(backend.applied.get(key)!.value, key).toBe(value);
    expect(await behind.get(key)).toBe(value);
  }
  for (const { flusher } of flushers) await flusher.stop();
}, 60_000);

test(`every entry of a stream is handled, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  const handled = new Set<string>();
  const begin = () => {
    const { client, kill } = tabs.open();
    const worker = streamWorker(client, "events", async ({ fields }) => {
      await pause(tabs.to(5));
      if (tabs.to(8) === 0) throw new Error("as it happens");
      handled.add(fields.n!);
    }, { group: "g", concurrency: 3, claimIdleMs: 100, maxDeliveries: 1000 });
    return { worker, kill };
  };
  const workers = [begin(), begin(), begin()];
  for (let n = 0; n < 120; n++) {
    await redis.xAdd("events", "*", "n", n);
    await pause(tabs.to(3));
    if (n % 30 === 29) {
      workers.shift()!.kill();
      workers.push(begin());
    }
  }
  await eventually(() => expect(handled.size).toBe(120));
  await eventually(async () => expect(((await redis.call("XPENDING", "events", "g")) as [number])[0]).toBe(0));
  tabs.faults = 0;
  for (const { worker } of workers) await worker.stop();
}, 60_000);

test(`a session that has ended never comes back, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const tabs = new Tabs(redis);
  const all = Array.from({ length: 4 }, () => sessions<number>(tabs.open().client, { maxPerUser: 3 }));
  const ended = new Set<string>();
  const use = async (own: (typeof all)[number]): Promise<void> => {
    for (let n = 0; n < 25; n++) {
      const { id } = await tabs.surely(() => own.create("eve", n));
      const others = [own, all[tabs.to(4)]!];
      const rotated = await Promise.all([
        ...others.map((each) => tabs.surely(() => each.update(id, n + 1)).catch(() => false)),
        ...others.map((each) => each.rotate(id).catch(() => null)),
      ]);
      // Rotated, or ended since there were too many.
      await tabs.surely(() => own.destroy(id));
      ended.add(id);
      const left = rotated.filter((session) => typeof session === "object" && session !== null);
      expect(left.length).toBeLessThanOrEqual(1);
    }
  };
  await Promise.all(all.map(use));
  for (const id of ended) expect(await redis.exists(`session:id:${id}`)).toBe(0);
  tabs.faults = 0;
  const last = await all[0]!.create("eve", 0);
  const listed = await all[0]!.list("eve");
  expect(listed.length).toBeLessThanOrEqual(3);
  expect(listed.map(({ id }) => id)).toContain(last.id);
}, 60_000);
