// The scripts that libraries ship, as those libraries run them, against `lodis serve`.
import { Queue, QueueEvents, Worker } from "bullmq";
import { Redis as IoRedis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import Redlock from "redlock";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, start } from "./serving.js";

let server: Server;
let client: IoRedis;
beforeAll(async () => {
  server = await start();
  client = new IoRedis(server.port, { maxRetriesPerRequest: null });
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

test("a lock of redlock is held by one, extended, and given back", async () => {
  const redlock = new Redlock([client as never], { retryCount: 0 });
  const lock = await redlock.lock("lock:a", 10_000);
  await expect(redlock.lock("lock:a", 10_000)).rejects.toThrow();
  const extended = await lock.extend(20_000);
  expect(await client.pttl("lock:a")).toBeGreaterThan(15_000);
  await extended.unlock();
  expect(await client.exists("lock:a")).toBe(0);
  await (await redlock.lock("lock:a", 1000)).unlock();
});

test("a limiter of rate-limiter-flexible counts, and refuses what is too much", async () => {
  const limiter = new RateLimiterRedis({ storeClient: client, points: 3, duration: 100, keyPrefix: "limit" });
  for (let left = 2; left >= 0; left--) {
    expect(await limiter.consume("somebody")).toMatchObject({ remainingPoints: left });
  }
  await expect(limiter.consume("somebody")).rejects.toMatchObject({ remainingPoints: 0 });
  await limiter.delete("somebody");
  expect(await limiter.consume("somebody")).toMatchObject({ remainingPoints: 2 });
});

test("jobs of BullMQ are done, in turn, later, again after they failed, and by their priority", async () => {
  const connection = { host: "127.0.0.1", port: server.port, maxRetriesPerRequest: null };
  const queue = new Queue("jobs", { connection });
  const events = new QueueEvents("jobs", { connection });
  await events.waitUntilReady();
  const done: string[] = [];
  const last = await queue.add("last", {}, { priority: 10 });
  await queue.add("first", {}, { priority: 1 });
  await queue.addBulk([{ name: "plain", data: { n: 1 } }]);
  const later = await queue.add("later", {}, { delay: 50 });
  const failing = await queue.add("failing", {}, { attempts: 2, backoff: 10 });
  let failed = false;
  const worker = new Worker(
    "jobs",
    async (job) => {
      if (job.name === "failing" && !failed) {
        failed = true;
        throw new Error("not yet");
      }
      done.push(job.name);
      return `${job.name} is done`;
    },
    { connection },
  );
  try {
    expect(await later.waitUntilFinished(events, 20_000)).toBe("later is done");
    expect(await failing.waitUntilFinished(events, 20_000)).toBe("failing is done");
    expect(await last.waitUntilFinished(events, 20_000)).toBe("last is done");
    expect(done.toSorted()).toEqual(["failing", "first", "last", "later", "plain"]);
    expect(done.indexOf("first")).toBeLessThan(done.indexOf("last"));
    expect(failed).toBe(true);
    expect(await queue.getJobCounts("completed", "waiting", "active", "failed")).toEqual({
      completed: 5,
      waiting: 0,
      active: 0,
      failed: 0,
    });
    await queue.obliterate({ force: true });
    expect(await client.keys("bull:jobs:*")).toEqual([]);
  } finally {
    await worker.close();
    await events.close();
    await queue.close();
  }
});
