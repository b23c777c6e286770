// Workers of a group in one process; those of tabs are in browser/patterns.test.ts.
import type { Redis } from "lodis";
import { type RedisLike, type StreamEntry, streamWorker, type StreamWorker, type StreamWorkerOptions } from "lodis/patterns";
import { afterEach, describe, expect, test } from "vitest";
import { eventually, expectRefused, instance, KINDS } from "./playing.js";

const workers: StreamWorker[] = [];
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.stop({ timeoutMs: 0 }))));

function work(redis: RedisLike, handler: (entry: StreamEntry) => unknown, options: Partial<StreamWorkerOptions> = {}) {
  const worker = streamWorker(redis, "events", handler, { group: "g", ...options });
  workers.push(worker);
  return worker;
}

const add = (redis: Redis, n: string | number) => redis.xAdd("events", "*", "n", n);
const pending = async (redis: Redis) => ((await redis.call("XPENDING", "events", "g")) as [number])[0];
const names = async (redis: Redis) =>
  ((await redis.call("XINFO", "CONSUMERS", "events", "g")) as { name: string }[]).map(({ name }) => name);

describe.each(KINDS)("with %s", (_, of) => {
  test("entries are handled in their order, those of before as well", async () => {
    const redis = await instance();
    const ids = [await add(redis, 0), await add(redis, 1)];
    const handled: unknown[] = [];
    const worker = work(of(redis), ({ id, fields, deliveries }) => handled.push([id, fields, deliveries]));
    ids.push(await add(redis, 2));
    await eventually(() => expect(handled.length).toBe(3));
    expect(handled).toEqual(ids.map((id, n) => [id, { n: String(n) }, 1]));
    await eventually(async () => expect(await pending(redis)).toBe(0));
    expect(await redis.xLen("events")).toBe(3);
    await worker.stop();
    expect(await names(redis)).toEqual([]);
  });

  test("the workers of a group share the entries", async () => {
    const redis = await instance();
    const handled: string[] = [];
    for (let worker = 0; worker < 3; worker++) {
      work(of(redis), ({ fields }) => void handled.push(fields.n!), { concurrency: 2, remove: true });
    }
    for (let n = 0; n < 60; n++) await add(redis, n);
    await eventually(() => expect(handled.length).toBe(60));
    expect(handled.map(Number).sort((a, b) => a - b)).toEqual([...Array(60).keys()]);
    await eventually(async () => expect(await redis.xLen("events")).toBe(0));
  });

  test("what fails is delivered again, and is a dead letter in the end", async () => {
    const redis = await instance();
    const id = await add(redis, "poison");
    await add(redis, "good");
    const deliveries: number[] = [];
    const errors: unknown[] = [];
    const handler = (entry: StreamEntry) => {
      if (entry.fields.n === "good") return;
      deliveries.push(entry.deliveries);
      throw new Error("bad");
    };
    work(of(redis), handler, { claimIdleMs: 20, maxDeliveries: 3, onError: (error, id) => errors.push([`${error}`, id]) });
    await eventually(async () => expect(await redis.xLen("events:dead")).toBe(1));
    expect(deliveries).toEqual([1, 2, 3]);
    expect(errors).toEqual(Array(3).fill(["Error: bad", id]));
    const [[, fields]] = (await redis.xRange("events:dead", "-", "+")) as unknown as [[string, string[]]];
    expect(fields).toEqual(["_stream", "events", "_group", "g", "_id", id, "_deliveries", "3", "n", "poison"]);
    await eventually(async () => expect(await pending(redis)).toBe(0));
  });

  test("what a worker that died has left is claimed", async () => {
    const redis = await instance();
    await redis.xGroupCreate("events", "g", "0", "MKSTREAM");
    const id = await add(redis, 0);
    const gone = await add(redis, "deleted");
    await redis.call("XREADGROUP", "GROUP", "g", "dead", "COUNT", 2, "STREAMS", "events", ">");
    await redis.xDel("events", gone);
    const handled: unknown[] = [];
    work(of(redis), ({ id, deliveries }) => handled.push([id, deliveries]), { claimIdleMs: 30 });
    await eventually(async () => expect(await pending(redis)).toBe(0));
    expect(handled).toEqual([[id, 2]]);
  });
});

test("what is worked on for long is not claimed", async () => {
  const redis = await instance();
  const began: string[] = [];
  let finish: () => void = () => {};
  const handler = ({ id }: StreamEntry) => {
    began.push(id);
    return new Promise<void>((resolve) => (finish = resolve));
  };
  const one = work(redis, handler, { claimIdleMs: 3000 });
  const id = await add(redis, 0);
  await eventually(() => expect(one.busy).toBe(1));
  work(redis, handler, { claimIdleMs: 3000 });
  const idle = async () => ((await redis.call("XPENDING", "events", "g", "-", "+", 1)) as [string, string, number, number][])[0]!;
  let before = 0;
  // It is as new again, before others would have it.
  await eventually(async () => {
    const [, consumer, ms, deliveries] = await idle();
    expect([consumer, deliveries]).toEqual([one.consumer, 1]);
    const isLess = ms < before;
    before = ms;
    expect(isLess).toBe(true);
  });
  expect(began).toEqual([id]);
  finish();
  await eventually(async () => expect(await pending(redis)).toBe(0));
});

test("what another worker has claimed is told", async () => {
  const redis = await instance();
  let reason: unknown;
  const errors: unknown[] = [];
  const handler = ({ signal }: StreamEntry) =>
    new Promise(() => signal.addEventListener("abort", () => (reason = signal.reason)));
  const worker = work(redis, handler, { claimIdleMs: 100, onError: (error) => errors.push(error) });
  const id = await add(redis, 0);
  await eventually(() => expect(worker.busy).toBe(1));
  await redis.call("XCLAIM", "events", "g", "other", 0, id);
  await eventually(() => expect(reason).toMatchObject({ code: "LOST" }));
  await eventually(() => expect(worker.busy).toBe(0));
  expect(errors).toEqual([reason]);
});

test("a worker that is stopped ends what it has, or leaves it to others", async () => {
  const redis = await instance();
  const controller = new AbortController();
  let finish: () => void = () => {};
  const handler = () => new Promise<void>((resolve) => (finish = resolve));
  const one = work(redis, handler, { signal: controller.signal });
  await add(redis, 0);
  await eventually(() => expect(one.busy).toBe(1));
  controller.abort();
  finish();
  await one.stop();
  expect(await names(redis)).toEqual([]);
  const other = work(redis, handler, { consumer: "other" });
  await add(redis, 1);
  await eventually(() => expect(other.busy).toBe(1));
  await other.stop({ timeoutMs: 5 });
  // What it has not done is there for others.
  expect([await pending(redis), await names(redis)]).toEqual([1, ["other"]]);
  await work(redis, handler, { signal: AbortSignal.abort() }).stop();
});

test("a stream that is deleted begins anew", async () => {
  const redis = await instance();
  const handled: string[] = [];
  const errors: string[] = [];
  const options = { start: "$", claimIdleMs: 20, onError: (error: unknown) => errors.push((error as { code: string }).code) };
  work(redis, ({ fields }) => handled.push(fields.n!), options);
  await eventually(async () => expect(await redis.exists("events")).toBe(1));
  await redis.del("events");
  await eventually(() => expect(errors[0]).toBe("NOGROUP"));
  await eventually(async () => expect(await redis.exists("events")).toBe(1));
  await add(redis, "after");
  await eventually(() => expect(handled).toEqual(["after"]));
});

test("a stream is trimmed to about a length", async () => {
  const redis = await instance();
  for (let n = 0; n < 1000; n++) redis.sync.xAdd("events", "*", "n", n);
  const handled: string[] = [];
  work(redis, ({ fields }) => handled.push(fields.n!), { concurrency: 100, claimIdleMs: 20, maxLen: 200 });
  await eventually(async () => expect(await redis.xLen("events")).toBeLessThan(400));
  await add(redis, "last");
  await eventually(() => expect(handled.at(-1)).toBe("last"));
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  const of = (options: object) => () => streamWorker(redis, "s", () => {}, { group: "g", ...options });
  expectRefused([
    ["streamWorker: the stream is a string that is not empty", () => streamWorker(redis, "", () => {}, { group: "g" })],
    ["streamWorker: the handler is a function", () => streamWorker(redis, "s", 1 as never, { group: "g" })],
    ["streamWorker: group is a string that is not empty", of({ group: "" })],
    ["streamWorker: concurrency is a whole number from 1 to 10000", of({ concurrency: 0 })],
    ["streamWorker: maxDeliveries is a whole number from 1 to 1125899906842624", of({ maxDeliveries: 0 })],
  ]);
  expect(await redis.dbsize()).toBe(0);
});
