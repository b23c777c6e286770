// Commands that wait, with the memory store.
import { open, type Redis } from "lodis";
import { afterEach, beforeEach, expect, test } from "vitest";

let redis: Redis;
beforeEach(async () => {
  redis = await open("blocking");
});
afterEach(() => redis.close());

const blocked = async (): Promise<number> =>
  Number(/blocked_clients:(\d+)/.exec(await redis.info("clients"))![1]);

test("a command that waits holds up nothing else", async () => {
  const waiting = redis.wait(1, 30);
  expect(await redis.set("a", 1)).toBe("OK");
  expect(redis.sync.get("a")).toBe("1");
  expect(await blocked()).toBe(1);
  expect(await waiting).toBe(0);
  expect(await blocked()).toBe(0);
});

test("it waits in the selected database, under the same name", async () => {
  await redis.select(3);
  await redis.clientSetName("worker");
  const waiting = redis.wait(1, 20);
  expect(await redis.clientList()).toMatch(/name=worker .* flags=b db=3 .* cmd=wait /);
  await waiting;
});

test("an AbortSignal ends the wait", async () => {
  const abort = new AbortController();
  const waiting = redis.wait(1, 0, { signal: abort.signal });
  const other = redis.wait(1, 20, { signal: abort.signal });
  expect(await blocked()).toBe(2);
  expect(await other).toBe(0);
  abort.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  expect(await blocked()).toBe(0);
  await expect(redis.wait(1, 0, { signal: abort.signal })).rejects.toThrow("enough");
  await expect(redis.call("WAIT", 1, 0, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: "AbortError",
  });
  expect(await blocked()).toBe(0);
});

test("a signal is an AbortSignal, and only for commands that wait", async () => {
  const signal = new AbortController().signal;
  await expect(redis.wait(1, 0, { signal: 5 as never })).rejects.toThrow("signal is an AbortSignal");
  await expect(redis.get("a", ...([{ signal }] as unknown as []))).rejects.toThrow(TypeError);
  expect(await redis.wait(0, 0, { signal: undefined })).toBe(0);
  expect(await redis.wait(0, 0, undefined as never)).toBe(0);
});

test("CLIENT UNBLOCK and CLIENT KILL reach it", async () => {
  const waiting = redis.wait(1, 0);
  const [, id] = /id=(\d+) [^\n]* flags=b /.exec(await redis.clientList())!;
  expect(await redis.clientUnblock(id!)).toBe(1);
  expect(await waiting).toBe(0);
  const refused = expect(redis.wait(1, 0)).rejects.toMatchObject({ code: "UNBLOCKED" });
  const [, next] = /id=(\d+) [^\n]* flags=b /.exec(await redis.clientList())!;
  expect(await redis.clientUnblock(next!, "ERROR")).toBe(1);
  await refused;
  const killed = expect(redis.wait(1, 0)).rejects.toThrow("CLIENT KILL");
  const [, last] = /id=(\d+) [^\n]* flags=b /.exec(await redis.clientList())!;
  expect(await redis.clientKill("ID", last!)).toBe(1);
  await killed;
  expect(await redis.set("a", 1)).toBe("OK");
});

test("where nothing can wait it answers at once", async () => {
  expect(redis.sync.wait(1, 0)).toBe(0);
  expect(await redis.multi().wait(1, 0).set("a", 1).exec()).toEqual([0, "OK"]);
});

test("a transaction on the wire queues it", async () => {
  await redis.call("MULTI");
  expect(await redis.wait(1, 0)).toBe("QUEUED");
  expect(await redis.call("EXEC")).toEqual([0]);
});

test("what comes after it in a pipeline waits for it", async () => {
  const replies = redis.pipeline().set("a", 1).wait(1, 30).incr("a").wait(1, 5).incr("a").exec();
  expect(await redis.get("a")).toBe("1");
  expect(await replies).toEqual(["OK", 0, 2, 0, 3]);
});

test("an AbortSignal ends a pipeline where it waits", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const replies = redis.pipeline().set("a", 1).blPop("jobs", 0, { signal }).incr("a").blPop("more", 0).incr("a").exec();
  expect(await blocked()).toBe(1);
  abort.abort();
  await expect(replies).rejects.toMatchObject({ name: "AbortError" });
  expect(await blocked()).toBe(0);
  expect(await redis.rPush("jobs", "kept")).toBe(1);
  expect(await redis.get("a")).toBe("1");
  // Later, while another one waits.
  const later = new AbortController();
  const pipeline = redis.pipeline().blPop("jobs", 0, { signal: later.signal }).incr("a").blPop("more", 0, { signal }).incr("a");
  await expect(pipeline.exec()).rejects.toMatchObject({ name: "AbortError" });
  expect(await redis.lLen("jobs")).toBe(1);
  const waits = redis.pipeline().blPop("jobs", 0, { signal: later.signal }).incr("a").blPop("more", 0).incr("a").exec();
  await expect.poll(blocked).toBe(1);
  later.abort(new Error("enough"));
  await expect(waits).rejects.toThrow("enough");
  expect(await blocked()).toBe(0);
  expect(await redis.mGet("a", "jobs")).toEqual(["2", null]);
});

test("a pipeline with a signal answers as one without", async () => {
  const [one, other] = [new AbortController(), new AbortController()];
  await redis.rPush("jobs", "first");
  const replies = redis
    .pipeline()
    .set("a", 1)
    .blPop("jobs", 0, { signal: one.signal })
    .incr("nothing", ...(["wrong"] as unknown as []))
    .wait(1, 5, { signal: other.signal })
    .incr("a")
    .exec();
  expect(await replies).toEqual(["OK", ["jobs", "first"], expect.objectContaining({ name: "ReplyError" }), 0, 2]);
  // What was answered before is not taken back.
  const answered = redis.pipeline().incr("a").wait(0, 0, { signal: one.signal }).exec();
  one.abort();
  expect(await answered).toEqual([3, 0]);
  expect(await redis.pipeline().xRead("STREAMS", "x", "$", { signal: other.signal }).exec()).toEqual([null]);
});

test("signals in pipelines and transactions are looked at before", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(redis.pipeline().set("a", 1).blPop("jobs", 0, { signal }).exec()).rejects.toThrow("enough");
  expect(() => redis.pipeline().set("a", 1).blPop("jobs", 0, { signal }).execSync()).toThrow("enough");
  await expect(redis.multi().set("a", 1).blPop("jobs", 0, { signal }).exec()).rejects.toThrow("enough");
  expect(() => redis.multi().set("a", 1).blPop("jobs", 0, { signal }).execSync()).toThrow("enough");
  const open = new AbortController();
  const wrong = redis.pipeline().set("a", 1).select(3).blPop("jobs", 0, { signal: open.signal }).exec();
  await expect(wrong).rejects.toThrow(new TypeError("select cannot be in a pipeline with a signal"));
  expect(await redis.exists("a")).toBe(0);
  expect(await redis.multi().blPop("jobs", 0, { signal: open.signal }).exec()).toEqual([null]);
  expect(() => redis.pipeline().blPop("jobs", 0, { signal: 5 as never })).toThrow("signal is an AbortSignal");
  expect(() => redis.pipeline().get("a", ...([{ signal: open.signal }] as unknown as []))).toThrow(TypeError);
});

test("XREAD waits if its words say so, as text or as bytes", async () => {
  const word = (text: string) => new TextEncoder().encode(text);
  const waits = [redis.raw("XREAD", word("Block"), 0, "STREAMS", "x", "$"), redis.call("xread", "BLOCK", 0, "STREAMS", "x", "$")];
  expect(await redis.xRead("STREAMS", "x", "$")).toBeNull();
  await redis.xAdd("x", "1-1", "a", "b");
  const [raw, reply] = await Promise.all(waits);
  expect(new TextDecoder().decode(raw as Uint8Array)).toContain("1-1");
  expect(reply).toEqual({ x: [["1-1", ["a", "b"]]] });
});

test("raw replies come as they are", async () => {
  expect(new TextDecoder().decode(await redis.raw("wait", 1, 5))).toBe(":0\r\n");
});

test("close ends it", async () => {
  const waiting = redis.wait(1, 0);
  await redis.close();
  await expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
});
