// Streams as iterators: of what is added, and of what a consumer of a group is given.
import { type ConsumeOptions, type Delivery, open, type Redis, type StreamMessage } from "lodis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LostError } from "../../pkg/src/errors.js";
import { consume } from "../../pkg/src/streams.js";

let redis: Redis;
beforeEach(async () => {
  redis = await open("streams");
});
afterEach(() => redis.close());

const blocked = async (): Promise<number> => Number(/blocked_clients:(\d+)/.exec(await redis.info("clients"))![1]);
/** A consumer of the group `g`. */
const consumer = (name: string, options: Partial<ConsumeOptions> = {}) => redis.consume("jobs", { group: "g", consumer: name, ...options });

/** The next ones of an iterator, which goes on. */
async function take<T>(items: AsyncIterator<T>, count: number): Promise<T[]> {
  const found: T[] = [];
  while (found.length < count) {
    const { value, done } = await items.next();
    if (done) break;
    found.push(value as T);
  }
  return found;
}

const ids = (messages: readonly StreamMessage<unknown>[]) => messages.map(({ id }) => id);

test("a stream is read from now on, from the beginning, or from an id", async () => {
  await redis.xAdd("s", "1-1", { a: 1 });
  const fresh = redis.readStream("s");
  const next = fresh.next();
  await vi.waitFor(async () => expect(await blocked()).toBe(1));
  await redis.xAdd("s", "1-2", { a: 2, b: "x" });
  expect((await next).value).toEqual({ stream: "s", id: "1-2", fields: { a: "2", b: "x" } });
  await redis.xAdd("s", "1-3", "a", 1, "a", 2);
  expect((await fresh.next()).value).toMatchObject({ id: "1-3", fields: { a: "2" } });
  await fresh.return();
  expect(ids(await take(redis.readStream("s", { from: 0, count: 2 }), 3))).toEqual(["1-1", "1-2", "1-3"]);
  expect(ids(await take(redis.readStream("s", { from: "1-2" }), 1))).toEqual(["1-3"]);
  const [first] = await take(redis.bytes.readStream("s", { from: 0 }), 1);
  expect(first).toEqual({ stream: "s", id: "1-1", fields: { a: new TextEncoder().encode("1") } });
});

test("several streams, nothing lost between calls that time out", async () => {
  const reading = redis.readStream(["s", "t"], { block: 1 });
  const found = take(reading, 20);
  for (let index = 0; index < 10; index++) {
    await redis.xAdd("s", "*", { index });
    await new Promise((resolve) => setTimeout(resolve, 2));
    await redis.xAdd("t", "*", { index });
  }
  const messages = await found.then((all) => all);
  for (const stream of ["s", "t"]) {
    const of = messages.filter((message) => message.stream === stream).map(({ fields }) => Number(fields["index"]));
    // What came before the first call is not to be seen.
    expect(of).toEqual(Array.from({ length: of.length }, (_, index) => 10 - of.length + index));
  }
  expect(messages.length).toBe(20);
});

test("one that is left, or aborted, leaves nothing waiting", async () => {
  const reading = redis.readStream("s");
  const next = reading.next();
  await vi.waitFor(async () => expect(await blocked()).toBe(1));
  await reading.return();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await blocked()).toBe(0);
  expect(await reading.next()).toEqual({ done: true, value: undefined });

  const abort = new AbortController();
  const aborted = consumer("c", { signal: abort.signal }).next();
  await vi.waitFor(async () => expect(await blocked()).toBe(1));
  abort.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  expect(await blocked()).toBe(0);
  await expect(redis.readStream("s", { signal: AbortSignal.abort() }).next()).rejects.toMatchObject({ name: "AbortError" });
  {
    await using other = redis.readStream("s");
    void other.next();
    await vi.waitFor(async () => expect(await blocked()).toBe(1));
  }
  expect(await blocked()).toBe(0);
});

test("a group shares the work, and an entry is done with when it is acknowledged", async () => {
  const [one, two] = [consumer("one", { count: 1 }), consumer("two", { count: 1 })];
  await redis.xAdd("jobs", "1-1", { job: 1 });
  const [first] = await take(one, 1);
  await redis.xAdd("jobs", "1-2", { job: 2 });
  const [second] = await take(two, 1);
  expect([first, second]).toMatchObject([{ id: "1-1", fields: { job: "1" }, deliveries: 1 }, { id: "1-2", fields: { job: "2" } }]);
  expect(await first!.ack()).toBe(true);
  expect(await first!.ack()).toBe(false);
  expect((await redis.xPending("jobs", "g"))[0]).toBe(1);
  await Promise.all([one.return(), two.return()]);

  // The same consumer is given again what it has not acknowledged, before what is new.
  await redis.xAdd("jobs", "1-3", { job: 3 });
  const again = await take(consumer("two"), 2);
  expect(again).toMatchObject([{ id: "1-2", deliveries: 2 }, { id: "1-3", deliveries: 1 }]);
});

test("what a dead consumer has left is taken over, and told how often it was given", async () => {
  await redis.xAdd("jobs", "1-1", { job: 1 });
  const dead = consumer("dead");
  expect(ids(await take(dead, 1))).toEqual(["1-1"]);
  await dead.return();
  const alive = consumer("alive", { minIdle: 20 });
  const [taken] = await take(alive, 1);
  expect(taken).toMatchObject({ id: "1-1", deliveries: 2, fields: { job: "1" } });
  // Not acknowledged in time: it comes again.
  const [again] = await take(alive, 1);
  expect(again).toMatchObject({ id: "1-1", deliveries: 3 });
  await again!.ack();
  await redis.xAdd("jobs", "1-2", { job: 2 });
  expect(ids(await take(alive, 1))).toEqual(["1-2"]);
  await alive.return();
});

test("what was deleted and not acknowledged is given to nobody and forgotten", async () => {
  await redis.xAdd("jobs", "1-1", { job: 1 });
  await redis.xAdd("jobs", "1-2", { job: 2 });
  const before = consumer("c");
  await take(before, 2);
  await before.return();
  await redis.xDel("jobs", "1-1");
  const after = consumer("c");
  expect(ids(await take(after, 1))).toEqual(["1-2"]);
  expect((await redis.xPending("jobs", "g"))[0]).toBe(1);
});

test("a history longer than a page, and of several streams", async () => {
  for (let index = 1; index <= 7; index++) {
    await redis.xAdd("jobs", `1-${index}`, { index });
    await redis.xAdd("more", `1-${index}`, { index });
  }
  const options = { group: "g", consumer: "c", count: 3 };
  const before = redis.consume(["jobs", "more"], options);
  await take(before, 14);
  await before.return();
  const again = await take(redis.consume(["jobs", "more"], options), 14);
  for (const stream of ["jobs", "more"]) {
    expect(ids(again.filter((each) => each.stream === stream))).toEqual([1, 2, 3, 4, 5, 6, 7].map((index) => `1-${index}`));
  }
  expect(again.every(({ deliveries }) => deliveries === 2)).toBe(true);
});

test("where a group begins; streams and groups that go are made anew, unless told otherwise", async () => {
  await redis.xAdd("jobs", "1-1", { job: 1 });
  const late = consumer("c", { from: "$" });
  const next = late.next();
  await vi.waitFor(async () => expect(await blocked()).toBe(1));
  await redis.xAdd("jobs", "1-2", { job: 2 });
  expect((await next).value).toMatchObject({ id: "1-2" });
  const waiting = late.next();
  await vi.waitFor(async () => expect(await blocked()).toBe(1));
  await redis.flushAll();
  await vi.waitFor(async () => expect(await redis.exists("jobs")).toBe(1));
  await redis.xAdd("jobs", "1-1", { job: "new" });
  expect((await waiting).value).toMatchObject({ fields: { job: "new" } });
  await late.return();
  await redis.flushAll();
  await expect(consumer("c", { createGroup: false }).next()).rejects.toMatchObject({ code: "NOGROUP" });
  expect(await redis.exists("jobs")).toBe(0);
});

test("without acknowledging, nothing is kept", async () => {
  await redis.xAdd("jobs", "1-1", { job: 1 });
  expect(ids(await take(consumer("c", { noAck: true }), 1))).toEqual(["1-1"]);
  expect((await redis.xPending("jobs", "g"))[0]).toBe(0);
});

test("the end of the instance ends it; an error of Redis too", async () => {
  const other = await open("other");
  const next = other.consume("jobs", { group: "g", consumer: "c" }).next();
  const failing = expect(next).rejects.toMatchObject({ code: "CLOSED" });
  await other.close();
  await failing;
  await redis.set("jobs", "text");
  await expect(consumer("c").next()).rejects.toMatchObject({ code: "WRONGTYPE" });
});

test("what became of a call is not known: what it was given waits in the history", async () => {
  await redis.xGroupCreate("jobs", "g", 0, "MKSTREAM");
  for (const id of ["1-1", "1-2", "1-3"]) await redis.xAdd("jobs", id, { job: id });
  let calls = 0;
  // The second read for new entries is run, and its reply is lost; a tab that leads may go at any moment.
  const call = async (command: { name: string }, inputs: unknown[]) => {
    const reply = await redis.bytes.call(command.name, ...(inputs as string[]));
    if (command.name === "xreadgroup" && inputs.flat().includes(">") && ++calls === 2) throw new LostError();
    return reply;
  };
  const options = { group: "g", consumer: "c", count: 1, createGroup: false };
  const entries = consume({ call } as never, false, "jobs", options);
  expect(ids(await take(entries, 3))).toEqual(["1-1", "1-2", "1-3"]);
  expect(calls).toBe(3);
  await entries.return();
});

test("bad options are TypeErrors, and nothing is made", async () => {
  const options = { group: "g", consumer: "c" };
  const wrong: [() => unknown, RegExp][] = [
    [() => redis.readStream([]), /a stream is a string/],
    [() => redis.readStream(5 as never), /a stream is a string/],
    [() => redis.readStream("s", { count: 0 }), /count is a whole number from 1 on/],
    [() => redis.readStream("s", { block: -1 }), /block is a whole number from 0 on/],
    [() => redis.readStream("s", { signal: 1 as never }), /signal is an AbortSignal/],
    [() => redis.consume("s", undefined as never), /the options are missing/],
    [() => redis.consume("s", { group: "g" } as never), /consumer is a string/],
    [() => redis.consume("s", { ...options, minIdle: 0.5 }), /minIdle is a whole number/],
  ];
  for (const [call, message] of wrong) {
    expect(call).toThrow(TypeError);
    expect(call).toThrow(message);
  }
  expect(await redis.dbSize()).toBe(0);
});

test("the types of what comes", async () => {
  const text: AsyncGenerator<Delivery> = consumer("c");
  const bytes: AsyncGenerator<Delivery<Uint8Array>> = redis.bytes.consume("jobs", { group: "g", consumer: "d" });
  await redis.xAdd("jobs", "1-1", { job: "a" });
  expect((await bytes.next()).value.fields["job"]).toEqual(new TextEncoder().encode("a"));
  await Promise.all([text.return(undefined), bytes.return(undefined)]);
});
