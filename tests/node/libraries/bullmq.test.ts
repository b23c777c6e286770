// BullMQ, over both clients.
import {
  type ConnectionOptions,
  FlowProducer,
  type Job,
  Queue,
  QueueEvents,
  RateLimitError,
  UnrecoverableError,
  Worker,
  type WorkerOptions,
} from "bullmq";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Site, start } from "./library.js";

let site: Site;
const closings: { close(): Promise<unknown> }[] = [];
beforeEach(async () => {
  site = await start();
});
afterEach(async () => {
  for (const each of closings.splice(0).reverse()) await each.close();
  await site.close();
});

function closedLater<T extends { close(): Promise<unknown> }>(each: T): T {
  closings.push(each);
  return each;
}

describe.each(["ioredis", "redis"])("with %s", (name) => {
  let connection: ConnectionOptions;
  beforeEach(async () => {
    connection = (name === "ioredis" ? site.io() : await site.client()) as ConnectionOptions;
  });

  const queue = (options: object = {}) => closedLater(new Queue("jobs", { connection, ...options }));
  const work = (process: (job: Job, token?: string) => Promise<unknown>, options: Partial<WorkerOptions> = {}) => {
    const worker = closedLater(new Worker("jobs", process, { connection, ...options }));
    worker.on("error", () => {});
    return worker;
  };
  const events = async () => {
    const heard = closedLater(new QueueEvents("jobs", { connection }));
    await heard.waitUntilReady();
    return heard;
  };

  test("jobs are done in turn, by priority, last in first out, and later", async () => {
    const jobs = queue();
    const heard = await events();
    await jobs.pause();
    await jobs.addBulk([1, 2, 3].map((n) => ({ name: `plain-${n}`, data: { n } })));
    await jobs.add("low", {}, { priority: 10 });
    await jobs.add("high", {}, { priority: 1 });
    await jobs.add("last in", {}, { lifo: true });
    const later = await jobs.add("later", { at: 1 }, { delay: 100 });
    expect(await jobs.getJobCounts("wait", "prioritized", "delayed")).toMatchObject({ prioritized: 2, delayed: 1 });
    const done: string[] = [];
    const added = later.timestamp;
    let began = 0;
    work(async (job) => {
      if (job.name === "later") began = Date.now();
      done.push(job.name);
      return { of: job.name };
    });
    expect(await jobs.isPaused()).toBe(true);
    await jobs.resume();
    expect(await later.waitUntilFinished(heard, 20_000)).toEqual({ of: "later" });
    expect(began - added).toBeGreaterThanOrEqual(100);
    await expect.poll(() => done.length).toBe(7);
    const inTurn = done.filter((each) => each !== "later");
    expect(inTurn).toEqual(["last in", "plain-1", "plain-2", "plain-3", "high", "low"]);
    expect(await jobs.getJobCounts("wait", "active", "completed")).toEqual({ wait: 0, active: 0, completed: 7 });
    expect((await jobs.getJob(later.id!))!.returnvalue).toEqual({ of: "later" });
  });

  test("what fails is tried again, and then it has failed; what cannot be mended is not", async () => {
    const jobs = queue();
    const heard = await events();
    const job = await jobs.add("failing", {}, { attempts: 3, backoff: { type: "exponential", delay: 10 } });
    const hopeless = await jobs.add("hopeless", {}, { attempts: 5 });
    let attempts = 0;
    work(async ({ name: kind }) => {
      if (kind === "hopeless") throw new UnrecoverableError("never");
      throw new Error(`attempt ${++attempts}`);
    });
    await expect(job.waitUntilFinished(heard, 20_000)).rejects.toThrow("attempt 3");
    await expect(hopeless.waitUntilFinished(heard, 20_000)).rejects.toThrow("never");
    expect(await job.getState()).toBe("failed");
    const [failed] = await jobs.getFailed();
    expect(failed!.stacktrace!.length).toBeGreaterThan(0);
    expect((await jobs.getJob(hopeless.id!))!.attemptsMade).toBe(1);
    expect(attempts).toBe(3);
    // By hand, it is tried once more.
    await (await jobs.getJob(job.id!))!.retry();
    await expect.poll(() => attempts).toBe(4);
  });

  test("progress, logs and events", async () => {
    const jobs = queue();
    const heard = await events();
    const told: unknown[] = [];
    heard.on("progress", ({ data }) => told.push(data));
    heard.on("completed", ({ returnvalue }) => told.push(returnvalue));
    work(async (job) => {
      await job.updateProgress(50);
      await job.updateProgress({ of: "objects" });
      await job.log("a line");
      await job.updateData({ changed: true });
      return "done";
    });
    const job = await jobs.add("told", {});
    await job.waitUntilFinished(heard, 20_000);
    await expect.poll(() => told).toEqual([50, { of: "objects" }, "done"]);
    expect(await jobs.getJobLogs(job.id!)).toEqual({ logs: ["a line"], count: 1 });
    expect((await jobs.getJob(job.id!))!.data).toEqual({ changed: true });
  });

  test("no more at once, and no more in a time, than was said", async () => {
    const jobs = queue();
    const heard = await events();
    const added = await jobs.addBulk(Array.from({ length: 9 }, (_, n) => ({ name: "limited", data: { n } })));
    let [inside, most] = [0, 0];
    const starts: number[] = [];
    work(async () => {
      starts.push(performance.now());
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside--;
    }, { concurrency: 2, limiter: { max: 3, duration: 200 } });
    await Promise.all(added.map((job) => job.waitUntilFinished(heard, 20_000)));
    expect(most).toBeLessThanOrEqual(2);
    // Three windows: two whole ones lie between the first job and the last.
    expect(starts.at(-1)! - starts[0]!).toBeGreaterThan(300);
  });

  test("a worker that has to wait says so, and the job is not counted as tried", async () => {
    const jobs = queue();
    const heard = await events();
    const job = await jobs.add("limited", {});
    let calls = 0;
    const worker = work(async () => {
      if (++calls > 1) return "done";
      await worker.rateLimit(50);
      throw new RateLimitError();
    }, { limiter: { max: 1, duration: 500 } });
    expect(await job.waitUntilFinished(heard, 20_000)).toBe("done");
    expect((await jobs.getJob(job.id!))!.attemptsMade).toBe(1);
  });

  test("a parent waits for its children, however deep", async () => {
    const flows = closedLater(new FlowProducer({ connection }));
    const heard = await events();
    const tree = await flows.add({
      name: "root",
      queueName: "jobs",
      children: [1, 2].map((n) => ({
        name: `child-${n}`,
        queueName: "jobs",
        children: [{ name: "leaf", data: { n }, queueName: "jobs" }],
      })),
    });
    const order: string[] = [];
    work(async (job) => {
      order.push(job.name);
      if (job.name === "leaf") return job.data.n;
      const values = Object.values(await job.getChildrenValues<number>());
      return values.reduce((sum, value) => sum + value, 10);
    });
    expect(await tree.job.waitUntilFinished(heard, 20_000)).toBe(33);
    expect(order.indexOf("child-1")).toBeGreaterThan(order.indexOf("leaf"));
    expect(order.at(-1)).toBe("root");
    expect((await flows.getFlow({ id: tree.job.id!, queueName: "jobs" })).children).toHaveLength(2);
  });

  test("schedules repeat until they are taken away", async () => {
    const jobs = queue();
    const runs: number[] = [];
    work(async (job) => void runs.push(job.data.n));
    await jobs.upsertJobScheduler("often", { every: 40 }, { name: "often", data: { n: 1 } });
    await expect.poll(() => runs.length).toBeGreaterThanOrEqual(3);
    expect(await jobs.getJobSchedulersCount()).toBe(1);
    await jobs.upsertJobScheduler("often", { every: 40 }, { name: "often", data: { n: 2 } });
    await expect.poll(() => runs).toContain(2);
    expect(await jobs.removeJobScheduler("often")).toBe(true);
    expect(await jobs.getJobSchedulers()).toEqual([]);
    await jobs.upsertJobScheduler("nightly", { pattern: "0 0 3 * * *" });
    const [nightly] = await jobs.getDelayed();
    expect(new Date(nightly!.timestamp + nightly!.delay).getMinutes()).toBe(0);
  });

  test("what is there already is not added again", async () => {
    const jobs = queue();
    const [one, same] = [await jobs.add("a", { n: 1 }, { jobId: "custom" }), await jobs.add("a", { n: 2 }, { jobId: "custom" })];
    expect([one.id, same.id]).toEqual(["custom", "custom"]);
    expect((await jobs.getJob("custom"))!.data).toEqual({ n: 1 });
    const first = await jobs.add("b", {}, { deduplication: { id: "b", ttl: 60_000 } });
    const second = await jobs.add("b", {}, { deduplication: { id: "b", ttl: 60_000 } });
    expect(second.id).toBe(first.id);
    expect(await jobs.getWaitingCount()).toBe(2);
  });

  test("the jobs of a worker that is gone are done by another", async () => {
    const jobs = queue();
    const heard = await events();
    const stalled: string[] = [];
    heard.on("stalled", ({ jobId }) => stalled.push(jobId));
    const job = await jobs.add("heavy", {});
    // It takes the job, and never tells of it again.
    const lost = closedLater(new Worker("jobs", null, { connection, lockDuration: 50 }));
    await lost.waitUntilReady();
    const taken = (await lost.getNextJob("token"))!;
    expect(taken.id).toBe(job.id);
    work(async () => "done by another", { stalledInterval: 60 });
    expect(await job.waitUntilFinished(heard, 20_000)).toBe("done by another");
    expect(stalled).toEqual([job.id]);
    await expect(taken.moveToCompleted("late", "token", false)).rejects.toThrow(/Missing lock|not in the active state/);
  });

  test("a worker that closes finishes its job, and takes no other", async () => {
    const jobs = queue();
    let begin = (): void => {};
    const began = new Promise<void>((resolve) => (begin = resolve));
    let finish = (): void => {};
    const worker = work(async () => {
      begin();
      await new Promise<void>((resolve) => (finish = resolve));
    });
    const [running, waiting] = [await jobs.add("running", {}), await jobs.add("waiting", {})];
    await began;
    const closed = worker.close();
    finish();
    await closed;
    expect([await running.getState(), await waiting.getState()]).toEqual(["completed", "waiting"]);
  });

  test("queues are drained, cleaned and done away with", async () => {
    const jobs = queue({ defaultJobOptions: { removeOnComplete: 2, removeOnFail: { count: 1 } } });
    const heard = await events();
    const worker = work(async (job) => {
      if (job.name === "bad") throw new Error("bad");
    });
    const added = await jobs.addBulk(["good", "good", "good", "bad", "bad"].map((kind) => ({ name: kind, data: {} })));
    await Promise.allSettled(added.map((job) => job.waitUntilFinished(heard, 20_000)));
    expect(await jobs.getJobCounts("completed", "failed")).toEqual({ completed: 2, failed: 1 });
    expect(await jobs.clean(0, 100, "completed")).toHaveLength(2);
    await worker.close();
    await jobs.addBulk([{ name: "a", data: {} }, { name: "b", data: {}, opts: { delay: 60_000 } }]);
    await jobs.drain();
    expect(await jobs.getJobCounts("wait", "delayed")).toEqual({ wait: 0, delayed: 1 });
    await jobs.drain(true);
    expect(await jobs.getJobCounts("wait", "delayed")).toEqual({ wait: 0, delayed: 0 });
    await jobs.obliterate({ force: true });
    const admin = site.io();
    // What QueueEvents reads stays until it is closed.
    expect((await admin.keys("bull:jobs:*")).filter((key) => !key.endsWith(":events"))).toEqual([]);
  });
});

test("workers go on after their connections were killed", async () => {
  const connection = site.io({ retryStrategy: () => 5 });
  const jobs = closedLater(new Queue("jobs", { connection }));
  const done: string[] = [];
  const worker = closedLater(new Worker("jobs", async (job) => void done.push(job.name), { connection }));
  worker.on("error", () => {});
  await worker.waitUntilReady();
  await jobs.add("before", {});
  await expect.poll(() => done).toEqual(["before"]);
  const admin = site.io();
  expect(Number(await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))).toBeGreaterThanOrEqual(2);
  await jobs.add("after", {});
  await expect.poll(() => done).toEqual(["before", "after"]);
});
