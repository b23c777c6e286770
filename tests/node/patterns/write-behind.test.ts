// Values that are written later, in one process; tabs that die are in browser/patterns.test.ts.
import { type Change, type Flusher, type FlushOptions, type Write, writeBehind } from "lodis/patterns";
import { afterEach, describe, expect, test } from "vitest";
import { eventually, expectRefused, instance, KINDS } from "./playing.js";

const flushers: Flusher<unknown>[] = [];
afterEach(() => Promise.all(flushers.splice(0).map((flusher) => flusher.stop())));

type Behind = ReturnType<typeof writeBehind<unknown>>;

function flush(behind: Behind, write: Write<unknown>, options: FlushOptions = {}) {
  const flusher = behind.flush(write, { backoff: { baseMs: 1, jitter: 0 }, ...options });
  flushers.push(flusher);
  return flusher;
}

const keysOf = (changes: readonly Change<unknown>[]) => changes.map(({ key, value }) => [key, value]);

describe.each(KINDS)("with %s", (_, of) => {
  test("values are there at once, and written later, in their order", async () => {
    const redis = await instance();
    const behind = writeBehind<unknown>(of(redis), "users");
    const first = await behind.set("a", { n: 1 });
    const second = await behind.set("b", [2]);
    await behind.delete("a");
    expect([await behind.get("a"), await behind.get("b"), await behind.pending()]).toEqual([undefined, [2], 3]);
    const written: Change<unknown>[] = [];
    flush(behind, (changes) => written.push(...changes), { coalesce: false });
    await behind.flushed();
    expect(keysOf(written)).toEqual([["a", { n: 1 }], ["b", [2]], ["a", undefined]]);
    expect(written.slice(0, 2).map(({ id }) => id)).toEqual([first, second]);
    expect(await behind.pending()).toBe(0);
    await behind.set("c", "later");
    await behind.flushed();
    expect(keysOf(written.slice(3))).toEqual([["c", "later"]]);
    expect(await behind.get("c")).toBe("later");
  });

  test("of several changes of a key, the last one will do", async () => {
    const behind = writeBehind<unknown>(of(await instance()), "users");
    let last = "";
    for (let n = 0; n < 5; n++) last = await behind.set("a", n);
    await behind.set("b", 1);
    const written: Change<unknown>[] = [];
    flush(behind, (changes) => written.push(...changes));
    await behind.flushed();
    expect(keysOf(written)).toEqual([["a", 4], ["b", 1]]);
    expect(written[0]!.id).toBe(last);
  });

  test("one writes at a time, and another goes on when that stops", async () => {
    const redis = of(await instance());
    const behind = writeBehind<unknown>(redis, "users");
    const by: [string, unknown][] = [];
    const tokens: number[] = [];
    let inside = 0;
    const writer = (name: string): Write<unknown> => async (changes, { token }) => {
      expect(++inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (const { value } of changes) by.push([name, value]);
      tokens.push(token);
      inside--;
    };
    const one = flush(behind, writer("one"), { batch: 2 });
    for (let n = 0; n < 10; n++) await behind.set(`k${n}`, n);
    await eventually(() => expect(by.length).toBeGreaterThan(1));
    flush(writeBehind<unknown>(redis, "users"), writer("other"), { batch: 2 });
    await one.stop();
    await behind.set("k10", 10);
    await behind.flushed();
    expect(by.map(([, value]) => value)).toEqual([...Array(11).keys()]);
    expect(by[0]![0]).toBe("one");
    expect(by.at(-1)![0]).toBe("other");
    expect([...tokens].sort((a, b) => a - b)).toEqual(tokens);
  });
});

test("what fails is written again, before what comes after it", async () => {
  const behind = writeBehind<unknown>(await instance(), "users");
  const errors: string[] = [];
  const written: unknown[] = [];
  let failures = 3;
  const write: Write<unknown> = (changes) => {
    if (failures-- > 0) throw new Error(`down ${failures}`);
    written.push(...keysOf(changes));
  };
  flush(behind, write, { batch: 1, onError: (error) => errors.push((error as Error).message) });
  await behind.set("a", 1);
  await behind.set("b", 2);
  await behind.flushed();
  expect(written).toEqual([["a", 1], ["b", 2]]);
  expect(errors).toEqual(["down 2", "down 1", "down 0"]);
});

test("what fails again and again is put aside, and the rest is written", async () => {
  const redis = await instance();
  const behind = writeBehind<unknown>(redis, "users");
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push(await behind.set(`k${n}`, n));
  const written: unknown[] = [];
  const write: Write<unknown> = (changes) => {
    if (changes.some(({ key }) => key === "k2")) throw new Error("poison");
    written.push(...keysOf(changes));
  };
  flush(behind, write, { maxAttempts: 2 });
  await behind.flushed();
  expect(written).toEqual([["k0", 0], ["k1", 1], ["k3", 3], ["k4", 4]]);
  expect(await behind.dead()).toEqual([{ id: ids[2], key: "k2", value: 2, error: "poison" }]);
  expect(await behind.pending()).toBe(0);
});

test("what was written and not noted is written again under the same ids", async () => {
  const redis = await instance();
  const behind = writeBehind<unknown>(redis, "users");
  const calls: string[][] = [];
  const id = await behind.set("a", 1);
  let wasKilled = false;
  const flusher = flush(behind, async (changes) => {
    calls.push(changes.map(({ id }) => id));
    if (wasKilled) return;
    wasKilled = true;
    throw new Error("killed after it had written");
  });
  await behind.flushed();
  await flusher.stop();
  expect(calls).toEqual([[id], [id]]);
});

test("it waits as long as a signal allows, and stops when one says so", async () => {
  const redis = await instance();
  const behind = writeBehind<unknown>(redis, "users");
  await behind.flushed();
  await behind.set("a", 1);
  const controller = new AbortController();
  const waiting = behind.flushed(controller.signal);
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  const stop = new AbortController();
  const idle = flush(behind, () => {}, { signal: stop.signal });
  await behind.flushed();
  stop.abort();
  await idle.stop();
  await flush(behind, () => {}, { signal: AbortSignal.abort() }).stop();
  expect(await redis.exists("behind:{users}:flusher:{users}")).toBe(0);
  expect(await redis.pubSubChannels()).toEqual([]);
});

test("an instance that is closed ends it", async () => {
  const redis = await instance();
  const flusher = flush(writeBehind<unknown>(redis, "users"), () => {});
  await eventually(async () => expect(await redis.exists("behind:{users}:flusher:{users}")).toBe(1));
  await redis.close();
  await flusher.stop();
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  const behind = writeBehind<unknown>(redis, "users");
  expectRefused([
    ["writeBehind: the name is a string that is not empty", () => writeBehind(redis, "")],
    ["writeBehind: write is a function", () => behind.flush(1 as never)],
    ["writeBehind: batch is a whole number from 1 to 100000", () => behind.flush(() => {}, { batch: 0 })],
  ]);
  await expect(behind.set("a", undefined)).rejects.toThrow("writeBehind: a value is something in JSON");
  await expect(behind.get("")).rejects.toThrow("writeBehind: the key is a string that is not empty");
  expect(await redis.dbsize()).toBe(0);
});
