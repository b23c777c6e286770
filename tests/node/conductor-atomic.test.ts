// redis.atomic() between the conductor and tabs that the test plays itself.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AtomicError } from "../../pkg/src/units.js";
import { type FakeLog, FakeTabs, playTabs, SETTINGS, turn } from "./conducting.js";

const opened = playTabs();

beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const leader = () => opened((tabs): FakeLog => tabs.lead());

const replica = () =>
  opened((tabs) => {
    tabs.emit({ type: "welcome" });
    tabs.emit({ type: "copy", readable: true });
  });

const OK = "+OK\r\n";
const CONFLICT = "-ATOMIC conflict: what the callback has read has changed\r\n";
const code = (promise: Promise<unknown>) =>
  promise.then(() => "no error", (error: unknown) => (error instanceof AtomicError ? error.code : String(error)));

/** Waits until so many requests have been made. */
const made = (tabs: FakeTabs, count: number) => vi.waitFor(() => expect(tabs.requests).toHaveLength(count));

describe("a tab that leads", () => {
  test("runs a callback once, at once, and asks nobody", async () => {
    const { redis, tabs } = await leader();
    const run = vi.fn();
    const done = redis.atomic((tx) => (run(), tx.incr("a")));
    expect(run).toHaveBeenCalledTimes(1);
    expect(await done).toBe(1);
    expect([tabs.asked(), redis.sync.get("a")]).toEqual([[], "1"]);
  });

  test("that has to make sure of it tries it, and has it run when it is sure", async () => {
    const { redis, tabs } = await leader();
    tabs.emit({ type: "tabs", count: 1 });
    tabs.isSure = false;
    const done = redis.atomic((tx) => tx.incr("a"));
    await made(tabs, 1);
    expect(tabs.asked()[0]).toMatch(/^LODIS\.ATOMIC .*incr.*0:a$/s);
    tabs.isSure = true;
    expect(redis.sync.get("a")).toBe(null);
    tabs.reply(0, OK);
    expect(await done).toBe(1);
  });
});

describe("a tab with a copy", () => {
  test("tries a callback on it, and leaves it as it is", async () => {
    const { redis, tabs } = await replica();
    const done = redis.atomic((tx) => (tx.rPush("list", "a", "b"), tx.lLen("list")));
    await made(tabs, 1);
    expect(redis.sync.exists("list")).toBe(0);
    tabs.reply(0, OK);
    expect(await done).toBe(2);
  });

  test("asks nobody if nothing is written", async () => {
    const { redis, tabs } = await replica();
    expect(await redis.atomic((tx) => tx.mGet("a", "b"))).toEqual([null, null]);
    const late = redis.atomic((tx) => {
      tx.set("a", 1);
      return Promise.resolve() as never;
    });
    expect(await code(late)).toBe("PROMISE");
    expect(tabs.requests).toEqual([]);
  });

  test("what was called before is answered before", async () => {
    const { redis, tabs } = await replica();
    const run = vi.fn();
    const [before, done] = [redis.set("a", 1), redis.atomic((tx) => (run(), tx.incr("a")))];
    await turn();
    expect(run).not.toHaveBeenCalled();
    tabs.reply(0, OK);
    await made(tabs, 2);
    tabs.reply(1, OK);
    expect([await before, await done, run.mock.calls.length]).toEqual(["OK", 1, 1]);
  });

  test("tries it again when what it has read has changed, and at last gives up", async () => {
    const { redis, tabs } = await replica();
    const run = vi.fn();
    const again = redis.atomic((tx) => (run(), tx.incr("a")));
    for (let index = 0; index < 2; index++) {
      await made(tabs, index + 1);
      tabs.reply(index, index < 1 ? CONFLICT : OK);
    }
    expect([await again, run.mock.calls.length]).toEqual([1, 2]);
    const never = code(redis.atomic((tx) => tx.incr("a")));
    for (let index = 2; index < 34; index++) {
      await made(tabs, index + 1);
      tabs.reply(index, CONFLICT);
    }
    expect(await never).toBe("CONFLICT");
    expect(tabs.requests).toHaveLength(34);
  });

  test("tries it no more when its signal is aborted", async () => {
    const { redis, tabs } = await replica();
    const abort = new AbortController();
    const again = redis.atomic((tx) => tx.incr("a"), { signal: abort.signal });
    const failing = expect(again).rejects.toThrow("enough");
    await made(tabs, 1);
    tabs.reply(0, CONFLICT);
    await made(tabs, 2);
    abort.abort(new Error("enough"));
    tabs.reply(1, CONFLICT);
    await failing;
    await turn();
    expect(tabs.requests).toHaveLength(2);
  });

  test("is told what the leader has refused it for", async () => {
    const { redis, tabs } = await replica();
    const done = redis.atomic((tx) => tx.incr("a"));
    await made(tabs, 1);
    tabs.reply(0, "-MISCONF the disk is full\r\n");
    await expect(done).rejects.toThrow("MISCONF the disk is full");
  });

  test("runs it itself when it has come to lead meanwhile", async () => {
    const { redis, tabs } = await replica();
    const before = redis.set("b", 1);
    const done = redis.atomic((tx) => tx.incr("a"));
    tabs.lead();
    tabs.reply(0, OK);
    expect(await Promise.all([before, done])).toEqual(["OK", 1]);
    expect([tabs.requests.length, redis.sync.get("a")]).toEqual([1, "1"]);
  });

  test("waits for a copy that is on its way", async () => {
    const { redis, tabs } = await replica();
    tabs.emit({ type: "copy", readable: false });
    const done = redis.atomic((tx) => tx.incr("a"));
    await made(tabs, 1);
    tabs.emit({ type: "copy", readable: true });
    tabs.reply(0, ":-1\r\n");
    await made(tabs, 2);
    tabs.reply(1, OK);
    expect(await done).toBe(1);
  });

  test("refuses it between MULTI and EXEC at the leader", async () => {
    const { redis, tabs } = await replica();
    const multi = redis.call("MULTI");
    tabs.reply(0, OK, true);
    await multi;
    expect(await code(redis.atomic((tx) => tx.incr("a")))).toBe("MULTI");
  });
});

test("a tab without a copy is told what its callback looks at, until there is all of it", async () => {
  const { redis, tabs } = await opened((tabs) => tabs.emit({ type: "welcome" }), { ...SETTINGS, replica: false });
  expect(await redis.atomic(() => "nothing")).toBe("nothing");
  expect(tabs.requests).toEqual([]);
  let runs = 0;
  const done = redis.atomic((tx) => {
    runs++;
    // It does not come to its end without.
    while (tx.get("a") === "never") tx.incr("a");
    return tx.exists("a");
  });
  await made(tabs, 1);
  tabs.reply(0, `${OK}${"+QUEUED\r\n".repeat(3)}*3\r\n+OK\r\n_\r\n:-2\r\n`);
  expect(await done).toBe(0);
  expect([runs, tabs.requests.length]).toEqual([2, 1]);
  expect(await code(redis.atomic((tx) => tx.keys("*")))).toBe("NO_COPY");
});

test("an instance that is closed before it is its turn rejects", async () => {
  const { redis } = await replica();
  redis.set("a", 1).catch(() => {});
  const done = redis.atomic((tx) => tx.incr("a"));
  await redis.close();
  await expect(done).rejects.toThrow("The connection is closed.");
});
