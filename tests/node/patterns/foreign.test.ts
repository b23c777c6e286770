// Patterns over a client of another make: `redis` of npm, in RESP3, which is all that they ask of one.
import { open, type Redis } from "lodis";
import { listen } from "lodis/node";
import {
  autocomplete, cache, leaderboard, lock, once, presence, queue, type RedisLike, sessions, slidingLog, streamWorker,
  tokenBucket, uniqueCounter, type Word, writeBehind,
} from "lodis/patterns";
import { createClient, RESP_TYPES } from "redis";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { eventually } from "./playing.js";

const connect = (socket: { readonly path: string; readonly tls: false }) => createClient({ RESP: 3, socket }).connect();

let lodis: Redis;
let listener: Awaited<ReturnType<typeof listen>>;
let clients: Awaited<ReturnType<typeof connect>>[];
let redis: RedisLike;

/** The words of a command, and the signal that ends its wait. */
function split(args: readonly Word[]): [words: (string | Buffer)[], signal: AbortSignal | undefined] {
  const words: (string | Buffer)[] = [];
  let signal: AbortSignal | undefined;
  for (const arg of args) {
    if (arg instanceof Uint8Array) words.push(Buffer.from(arg));
    else if (typeof arg === "object") signal = arg.signal;
    else words.push(String(arg));
  }
  return [words, signal];
}

beforeAll(async () => {
  lodis = await open("foreign", { store: "memory" });
  listener = await listen(lodis);
  clients = await Promise.all([0, 1, 2].map(() => connect(listener.socket)));
  const [client, subscriber, blocked] = clients as [typeof clients[0], typeof clients[0], typeof clients[0]];
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  redis = {
    call: (name, ...args) => {
      const [words, signal] = split(args);
      if (!signal) return client.sendCommand([name, ...words]);
      // What waits has a connection of its own, so that nothing else does.
      return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        blocked.sendCommand([name, ...words]).then(resolve, reject);
      });
    },
    bytes: { call: (name, ...args) => binary.sendCommand([name, ...split(args)[0]]) },
    multi: () => {
      const multi = client.multi();
      return {
        call: (name, ...args) => multi.addCommand([name, ...split(args)[0]]),
        exec: async () => (await multi.exec()) as unknown[],
      };
    },
    subscribe: async (channel, listener) => {
      await subscriber.subscribe(channel, listener);
      return () => subscriber.unsubscribe(channel, listener);
    },
  };
});
beforeEach(() => lodis.flushAll());
afterAll(async () => {
  for (const client of clients) client.destroy();
  await listener.close();
  await lodis.close();
});

test("locks and limits", async () => {
  const tokens = await Promise.all(Array.from({ length: 5 }, () => lock(redis, "one").use(({ token }) => token)));
  expect(new Set(tokens).size).toBe(5);
  for (const limiter of [slidingLog(redis, { limit: 3, windowMs: 60_000 }), tokenBucket(redis, { capacity: 3, refill: 1, intervalMs: 60_000, prefix: "b" })]) {
    const results = await Promise.all(Array.from({ length: 8 }, () => limiter.limit("a")));
    expect(results.filter(({ allowed }) => allowed).length).toBe(3);
  }
});

test("caches", async () => {
  const values = [0, 1].map(() => cache<{ n: number }>(redis, { ttlMs: 60_000 }));
  let loads = 0;
  const load = async () => ({ n: ++loads });
  const all = await Promise.all([...values, ...values].map((each) => each.get("ä", load, { tags: ["t"] })));
  expect(all).toEqual(Array(4).fill({ n: 1 }));
  await values[0]!.invalidateTags("t");
  expect(await values[1]!.get("ä", load)).toEqual({ n: 2 });
  expect([await once(redis).run("k", () => "ü"), await once(redis).run("k", () => "again")]).toEqual(["ü", "ü"]);
});

test("queues, streams and what is written behind", async () => {
  const handled: unknown[] = [];
  const jobs = queue<string>(redis, "jobs");
  const worker = jobs.work(({ data, attempt }) => {
    if (attempt === 1) throw new Error("once");
    handled.push(data);
  }, { backoff: { baseMs: 1 } });
  await jobs.add("job", { id: "named" });
  await eventually(() => expect(handled).toEqual(["job"]));
  await worker.stop();
  expect(await jobs.counts()).toEqual({ ready: { normal: 0 }, delayed: 0, taken: 0, dead: 0 });

  await redis.call("XADD", "events", "*", "n", "entry");
  const follower = streamWorker(redis, "events", ({ fields, deliveries }) => {
    if (deliveries === 1) throw new Error("once");
    handled.push(fields.n);
  }, { group: "g", claimIdleMs: 20 });
  await eventually(() => expect(handled).toEqual(["job", "entry"]));
  await follower.stop();

  const behind = writeBehind<string>(redis, "users");
  await behind.set("a", "value");
  const flusher = behind.flush((changes) => void handled.push(...changes.map(({ value }) => value)));
  await behind.flushed();
  await flusher.stop();
  expect(handled).toEqual(["job", "entry", "value"]);
});

test("sessions, boards, and the small ones", async () => {
  const all = sessions<number>(redis, { maxPerUser: 1 });
  const first = await all.create("eve", 1);
  const second = await all.create("eve", 2);
  expect([await all.get(first.id), (await all.rotate(second.id))!.data]).toEqual([null, 2]);
  expect((await all.list("eve")).length).toBe(1);

  const board = leaderboard(redis, "game", { period: "daily" });
  for (const [member, score] of [["a", 1.5], ["b", 3], ["c", 3]] as const) await board.submit(member, score);
  expect((await board.top(3)).map(({ member, score, rank }) => [member, score, rank])).toEqual([["c", 3, 1], ["b", 3, 1], ["a", 1.5, 3]]);
  expect(await board.place("a")).toEqual({ member: "a", score: 1.5, rank: 3 });
  expect((await board.merge([new Date()])).length).toBe(3);

  const eve = await presence(redis, "lobby").join("eve");
  expect(await presence(redis, "lobby").members()).toEqual(["eve"]);
  await eve.leave();
  const visitors = uniqueCounter(redis, "visitors");
  await visitors.add("a", "b", "a");
  expect(await visitors.count()).toBe(2);
  const cities = autocomplete(redis, "cities");
  await cities.add("Ürümqi", 2);
  expect(await cities.complete("ür")).toEqual([{ term: "Ürümqi", weight: 2 }]);
});
