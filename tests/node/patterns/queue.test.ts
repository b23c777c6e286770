// A queue whose workers are in one process; those of tabs are in browser/patterns.test.ts.
import type { Redis } from "lodis";
import { type Job, queue, type QueueWorker, type WorkerOptions } from "lodis/patterns";
import { afterEach, describe, expect, test } from "vitest";
import { eventually, expectRefused, instance, KINDS, plain } from "./playing.js";

const workers: QueueWorker<unknown>[] = [];
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.stop({ timeoutMs: 0 }))));

type Jobs = ReturnType<typeof queue<string>>;

/** Begins to work, until the end of the test. */
function work(jobs: Jobs, handler: (job: Job<string>) => unknown, options: WorkerOptions = {}) {
  const worker = jobs.work(handler, { backoff: { baseMs: 1, jitter: 0 }, ...options });
  workers.push(worker as QueueWorker<unknown>);
  return worker;
}

/** A handler that notes what it is given. */
function noting() {
  const handled: string[] = [];
  return { handled, handler: ({ data }: Job<string>) => void handled.push(data) };
}

const EMPTY = { ready: { normal: 0 }, delayed: 0, taken: 0, dead: 0 };

/** Sees that nothing is left of jobs that are done. */
async function expectEmpty(redis: Redis, jobs: Jobs): Promise<void> {
  await eventually(async () => expect(await jobs.counts()).toEqual(EMPTY));
  expect(await redis.keys("*:job:*")).toEqual([]);
}

describe.each(KINDS)("with %s", (_, of) => {
  test("jobs are handled in their order, and nothing of them is left", async () => {
    const redis = await instance();
    const jobs = queue<string>(of(redis), "jobs");
    for (const data of ["a", "b", "c"]) expect(await jobs.add(data)).toEqual({ id: expect.any(String), added: true });
    expect(await jobs.counts()).toEqual({ ...EMPTY, ready: { normal: 3 } });
    const { handled, handler } = noting();
    const worker = work(jobs, handler);
    await jobs.add("d");
    await eventually(() => expect(handled).toEqual(["a", "b", "c", "d"]));
    await worker.stop();
    await expectEmpty(redis, jobs);
    expect((await redis.keys("*")).filter((key) => !key.includes("fence"))).toEqual([]);
  });

  test("several workers share the jobs, each of which is handled once", async () => {
    const redis = of(await instance());
    const jobs = queue<string>(redis, "jobs");
    const { handled, handler } = noting();
    let [busy, most] = [0, 0];
    for (let worker = 0; worker < 3; worker++) {
      work(
        jobs,
        async (job) => {
          most = Math.max(most, ++busy);
          await new Promise((resolve) => setTimeout(resolve, 1));
          handler(job);
          busy--;
        },
        { concurrency: 2 },
      );
    }
    const data = Array.from({ length: 60 }, (_, i) => `job ${i}`);
    await Promise.all(data.map((each) => jobs.add(each)));
    await eventually(() => expect(handled.length).toBe(60));
    expect([...handled].sort()).toEqual([...data].sort());
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(6);
  });

  test("what fails is begun anew, and dead in the end; it can be revived", async () => {
    const redis = await instance();
    const jobs = queue<string>(of(redis), "jobs", { maxAttempts: 3 });
    const attempts: number[] = [];
    const errors: unknown[] = [];
    let isDown = true;
    const handler = ({ attempt }: Job<string>) => {
      attempts.push(attempt);
      if (isDown) throw new Error(`down ${attempt}`);
    };
    work(jobs, handler, { onError: (error, id) => errors.push([(error as Error).message, id]) });
    const { id } = await jobs.add("a");
    await eventually(async () => expect(await jobs.dead()).toEqual([id]));
    expect(attempts).toEqual([1, 2, 3]);
    expect(errors).toEqual([["down 1", id], ["down 2", id], ["down 3", id]]);
    const state = { id, data: "a", priority: "normal", attempts: 3, maxAttempts: 3, progress: null, error: "down 3" };
    expect(await jobs.get(id)).toEqual(state);
    isDown = false;
    expect(await jobs.revive(id)).toBe(true);
    expect(await jobs.revive(id)).toBe(false);
    await eventually(async () => expect(await jobs.get(id)).toBe(null));
    expect(attempts).toEqual([1, 2, 3, 1]);
    await expectEmpty(redis, jobs);
  });

  test("jobs of a worker that died are taken back", async () => {
    const redis = await instance();
    const jobs = queue<string>(of(redis), "jobs");
    const { id } = await jobs.add("of the dead");
    await jobs.add("next");
    // What a worker leaves that is killed.
    const [, taken] = (await redis
      .multi()
      .zAdd("queue:{jobs}:workers", Date.now() + 30, "dead")
      .lMove("queue:{jobs}:ready:normal", "queue:{jobs}:taken:dead", "RIGHT", "LEFT")
      .exec())!;
    expect(taken).toBe(id);
    expect((await jobs.counts()).taken).toBe(1);
    const { handled, handler } = noting();
    const worker = work(jobs, handler, { pollMs: 10 });
    await eventually(() => expect([...handled].sort()).toEqual(["next", "of the dead"]));
    await worker.stop();
    await expectEmpty(redis, jobs);
    expect(await redis.zRange("queue:{jobs}:workers", 0, -1)).toEqual([]);
  });

  test("of jobs with one name there is one, until it is done", async () => {
    const redis = await instance();
    const jobs = queue<string>(of(redis), "jobs");
    const all = await Promise.all(["a", "b", "c"].map((data) => jobs.add(data, { id: "mail" })));
    expect(all.map(({ added }) => added)).toEqual([true, false, false]);
    expect(await redis.httl("queue:{jobs}:job:mail", "FIELDS", 1, "data")).toEqual([-1]);
    const { handled, handler } = noting();
    work(jobs, handler);
    await expectEmpty(redis, jobs);
    expect(await jobs.add("d", { id: "mail" })).toEqual({ id: "mail", added: true });
    await eventually(() => expect(handled).toEqual(["a", "d"]));
  });
});

test("what is urgent is taken first, and what is delayed when it is due", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs", { priorities: ["high", "normal", "low"] });
  await jobs.add("low 1");
  await jobs.add("later", { delayMs: 40, priority: "high" });
  await jobs.add("normal", { priority: "normal" });
  await jobs.add("low 2", { priority: "low" });
  await jobs.add("high", { priority: "high" });
  expect(await jobs.counts()).toEqual({ ready: { high: 1, normal: 1, low: 2 }, delayed: 1, taken: 0, dead: 0 });
  const since = Date.now();
  const handled: string[] = [];
  let lateMs = 0;
  const handler = ({ data }: Job<string>) => {
    handled.push(data);
    if (data === "later") lateMs = Date.now() - since;
  };
  work(jobs as Jobs, handler);
  await eventually(() => expect(handled.length).toBe(5));
  expect(handled.filter((data) => data !== "later")).toEqual(["high", "normal", "low 1", "low 2"]);
  expect(lateMs).toBeGreaterThan(30);
});

test("a job that would kill every worker is dead in the end", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs", { maxAttempts: 2 });
  const { id } = await jobs.add("poison");
  await redis.hSet(`queue:{jobs}:job:${id}`, { attempts: 2 });
  const { handled, handler } = noting();
  work(jobs, handler);
  await eventually(async () => expect(await jobs.dead()).toEqual([id]));
  expect(handled).toEqual([]);
  expect((await jobs.get(id))!.error).toBe("every worker that had it has died");
  expect(await jobs.remove(id)).toBe(true);
  expect(await jobs.remove(id)).toBe(false);
  await expectEmpty(redis, jobs);
});

test("an error can say that there is no point in another try", async () => {
  const jobs = queue<string>(await instance(), "jobs");
  const { id } = await jobs.add("a");
  work(jobs, () => Promise.reject(Object.assign(new Error("never"), { retry: false })));
  await eventually(async () => expect(await jobs.dead()).toEqual([id]));
  expect((await jobs.get(id))!.attempts).toBe(1);
});

test("a job that takes too long has failed, and is told", async () => {
  const jobs = queue<string>(await instance(), "jobs", { maxAttempts: 2 });
  const reasons: unknown[] = [];
  const handler = ({ signal }: Job<string>) =>
    new Promise(() => signal.addEventListener("abort", () => reasons.push(signal.reason.code)));
  work(jobs, handler, { timeoutMs: 10 });
  const { id } = await jobs.add("slow");
  await eventually(async () => expect(await jobs.dead()).toEqual([id]));
  expect(reasons).toEqual(["TIMEOUT", "TIMEOUT"]);
  expect((await jobs.get(id))!.error).toBe("TIMEOUT: the job took longer than 10 ms");
});

test("a job that another worker has by now is told so, and its failure changes nothing", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  let reason: unknown;
  const handler = ({ signal }: Job<string>) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject((reason = signal.reason))));
  const worker = work(jobs, handler, { visibilityMs: 60 });
  const { id } = await jobs.add("a");
  await eventually(() => expect(worker.busy).toBe(1));
  await redis.lRem(`queue:{jobs}:taken:${worker.id}`, 1, id);
  await redis.lPush("queue:{jobs}:taken:other", id);
  await eventually(() => expect(worker.busy).toBe(0));
  expect(reason).toMatchObject({ code: "LOST" });
  expect(await jobs.counts()).toEqual(EMPTY);
  expect(await redis.lRange("queue:{jobs}:taken:other", 0, -1)).toEqual([id]);
});

test("a worker that is stopped ends what it has, and takes no more", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  await jobs.add("a");
  await jobs.add("b");
  let finish: () => void = () => {};
  const worker = work(jobs, () => new Promise<void>((resolve) => (finish = resolve)));
  await eventually(() => expect(worker.busy).toBe(1));
  let isStopped = false;
  const stopped = worker.stop().then(() => (isStopped = true));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isStopped).toBe(false);
  finish();
  await stopped;
  expect(await jobs.counts()).toEqual({ ...EMPTY, ready: { normal: 1 } });
  expect(await redis.pubSubChannels()).toEqual([]);
});

test("a signal stops a worker, which can still be hurried", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  await jobs.add("a");
  const controller = new AbortController();
  let reason: unknown;
  const handler = ({ signal }: Job<string>) =>
    new Promise(() => signal.addEventListener("abort", () => (reason = signal.reason)));
  const worker = work(jobs, handler, { signal: controller.signal });
  await eventually(() => expect(worker.busy).toBe(1));
  controller.abort();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([worker.busy, reason]).toEqual([1, undefined]);
  await worker.stop({ timeoutMs: 0 });
  expect(reason).toMatchObject({ code: "STOPPED" });
  expect(await jobs.counts()).toEqual({ ...EMPTY, ready: { normal: 1 } });
  const idle = work(jobs, handler, { signal: AbortSignal.abort() });
  await idle.stop();
  expect(await jobs.counts()).toEqual({ ...EMPTY, ready: { normal: 1 } });
});

test("with no time left, what is worked on is given back, to be taken first", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  await jobs.add("a");
  await jobs.add("b");
  let reason: unknown;
  const handler = ({ signal }: Job<string>) =>
    new Promise(() => signal.addEventListener("abort", () => (reason = signal.reason)));
  const worker = work(jobs, handler);
  await eventually(() => expect(worker.busy).toBe(1));
  await worker.stop({ timeoutMs: 5 });
  expect(reason).toMatchObject({ code: "STOPPED" });
  expect(await jobs.counts()).toEqual({ ...EMPTY, ready: { normal: 2 } });
  const { handled, handler: note } = noting();
  work(jobs, note);
  await eventually(() => expect(handled).toEqual(["a", "b"]));
});

test("progress is kept while there is a job", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  let job: Job<string> | undefined;
  let finish: () => void = () => {};
  work(jobs, (each) => {
    job = each;
    return new Promise<void>((resolve) => (finish = resolve));
  });
  const { id } = await jobs.add("a");
  await eventually(() => expect(job).toBeDefined());
  await job!.progress({ done: 0.5 });
  expect((await jobs.get(id))!.progress).toEqual({ done: 0.5 });
  await expect(job!.progress(undefined)).rejects.toThrow("queue: progress is something in JSON");
  finish();
  await expectEmpty(redis, jobs);
  await job!.progress(1);
  expect(await jobs.get(id)).toBe(null);
});

test("what an add has left that was never finished is gone after a while", async () => {
  const redis = await instance();
  const dying = { ...plain(redis), multi: () => ({ call: () => {}, exec: () => Promise.reject(new Error("killed")) }) };
  await expect(queue<string>(dying, "jobs").add("a", { id: "x" })).rejects.toThrow("killed");
  const [ttl] = await redis.hpttl("queue:{jobs}:job:x", "FIELDS", 1, "data");
  expect(ttl).toBeGreaterThan(0);
  expect(ttl).toBeLessThanOrEqual(2000);
  // Whoever adds it again waits until that is over.
  expect(await queue<string>(redis, "jobs").add("b", { id: "x" })).toEqual({ id: "x", added: true });
  expect(await redis.hget("queue:{jobs}:job:x", "data")).toBe('"b"');
});

test("an instance that is closed ends its workers", async () => {
  const redis = await instance();
  const errors: unknown[] = [];
  const worker = work(queue<string>(redis, "jobs"), () => {}, { onError: (error) => errors.push((error as { code: string }).code) });
  await eventually(async () => expect(await redis.zCard("queue:{jobs}:workers")).toBe(1));
  await redis.close();
  await worker.stop();
  expect(errors.every((code) => code === "CLOSED")).toBe(true);
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  const jobs = queue<string>(redis, "jobs");
  expectRefused([
    ["queue: the name is a string that is not empty", () => queue(redis, "")],
    ["queue: priorities is an array of different strings", () => queue(redis, "a", { priorities: ["a", "a"] })],
    ["queue: the handler is a function", () => jobs.work(1 as never)],
    ["queue: concurrency is a whole number from 1 to 10000", () => jobs.work(() => {}, { concurrency: 0 })],
    ["queue: backoff.factor is a number from 1 to 1125899906842624", () => jobs.work(() => {}, { backoff: { factor: 0 } })],
  ]);
  await expect(jobs.add("a", { priority: "high" })).rejects.toThrow("queue: the priority is one of normal");
  await expect(jobs.add("a", { delayMs: -1 })).rejects.toThrow("queue: delayMs is a whole number from 0");
  await expect(jobs.add(undefined as never)).rejects.toThrow("queue: the data of a job is something in JSON");
  await expect(jobs.add("a", { id: "" })).rejects.toThrow("queue: id is a string that is not empty");
  expect(await redis.dbsize()).toBe(0);
});
