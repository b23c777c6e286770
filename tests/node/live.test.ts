// Live queries of one context: when they call back, what they cost, and what is left of them.
import { ClosedError, type LiveQuery, open, type Redis, ReplyError } from "lodis";
import { open as openFull } from "lodis/full";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

let redis: Redis;

beforeEach(async () => {
  redis = await open("live", { store: "memory" });
});

afterEach(async () => {
  vi.useRealTimers();
  await redis.close();
});

/** What a query has called back with so far. */
function follow(command: readonly [string, ...(string | number)[]]): { told: unknown[]; stop: () => void } {
  const told: unknown[] = [];
  const stop = redis.live(command, (reply) => void told.push(reply), { onError: (error) => void told.push(error) });
  return { told, stop };
}

/** Keys, and pairs of a key and who has read it, that the engine remembers; and queries that are kept up to date. */
function remembered(): number[] {
  const info = redis.sync.info("stats");
  const counts = ["tracking_total_keys", "tracking_total_items"].map((field) =>
    Number(new RegExp(`${field}:(\\d+)`).exec(info)![1]),
  );
  return [...counts, redis.host.live.size];
}

/** How often the engine is asked from now on. */
function crossings() {
  return vi.spyOn(redis.host.engine.lodis, "exec");
}

/** Resolves once all that was written so far has been seen by all queries. */
async function settle(): Promise<void> {
  // What was written is told in this turn.
  await new Promise((resolve) => setTimeout(resolve));
  await vi.waitFor(() => expect(redis.host.live.isSettled).toBe(true));
}

describe("a callback", () => {
  test("is called with the first reply, and whenever that changes", async () => {
    redis.sync.zAdd("board", 1, "ann", 2, "bob");
    const { told, stop } = follow(["ZRANGE", "board", 0, 9]);
    expect(told).toEqual([]);
    await settle();
    expect(told).toEqual([["ann", "bob"]]);
    await redis.zAdd("board", 3, "ann");
    await vi.waitFor(() => expect(told.at(-1)).toEqual(["bob", "ann"]));
    stop();
    stop();
    await redis.del("board");
    await settle();
    expect(told).toHaveLength(2);
  });

  test("is not called when the reply says the same", async () => {
    redis.sync.hSet("user:1", { name: "Ada", age: 36 });
    const { told } = follow(["HGETALL", "user:1"]);
    await settle();
    redis.sync.set("user:2", "x");
    redis.sync.hSet("user:1", { name: "Ada" });
    redis.sync.del("user:1");
    redis.sync.hSet("user:1", { age: 36, name: "Ada" });
    await settle();
    expect(told).toEqual([{ name: "Ada", age: "36" }]);
  });

  test("is called once for all that one task writes", async () => {
    const { told } = follow(["GET", "n"]);
    await settle();
    const exec = crossings();
    for (let times = 0; times < 1000; times++) redis.sync.incr("n");
    const before = exec.mock.calls.length;
    await settle();
    expect(told).toEqual([null, "1000"]);
    // All of what has changed is read in one crossing.
    expect(exec.mock.calls.length - before).toBe(1);
  });

  test("does not starve others where a key changes all the time", async () => {
    const { told } = follow(["GET", "n"]);
    let isOver = false;
    let tasks = 0;
    setTimeout(() => (isOver = true), 50);
    while (!isOver) {
      for (let times = 0; times < 100; times++) redis.sync.incr("n");
      tasks++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const last = String(tasks * 100);
    await vi.waitFor(() => expect(told.at(-1)).toBe(last));
    expect(told.length).toBeLessThanOrEqual(tasks + 2);
  });

  test("that throws is reported, and keeps no other from being called", async () => {
    const reported = vi.fn();
    vi.stubGlobal("reportError", reported);
    try {
      const wrong = new Error("wrong");
      redis.live(["GET", "k"], () => {
        throw wrong;
      });
      const { told } = follow(["GET", "k"]);
      await settle();
      expect([reported.mock.calls, told]).toEqual([[[wrong]], [null]]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("may stop itself, and others", async () => {
    const told: unknown[] = [];
    const stops: (() => void)[] = [];
    for (const name of ["a", "b"]) {
      stops.push(
        redis.live(["GET", "k"], (value) => {
          told.push(`${name} ${value}`);
          if (value !== null) for (const stop of stops) stop();
        }),
      );
    }
    await settle();
    redis.sync.set("k", "1");
    await settle();
    expect(told).toEqual(["a null", "b null", "a 1"]);
  });

  test("ends with a signal", async () => {
    const abort = new AbortController();
    const callback = vi.fn();
    redis.live(["GET", "k"], callback, { signal: abort.signal });
    await settle();
    abort.abort();
    redis.sync.set("k", "1");
    await settle();
    redis.live(["GET", "k"], callback, { signal: abort.signal });
    await settle();
    expect(callback.mock.calls).toEqual([[null]]);
  });
});

describe("what makes a query run again", () => {
  test.each([
    ["a key that expires", ["GET", "k"], (): unknown => redis.sync.set("k", "1", { PX: 30 }), "1", null],
    ["a field that expires", ["HLEN", "h"], (): unknown => (redis.sync.hSet("h", { f: 1, g: 1 }), redis.sync.call("HPEXPIRE", "h", 30, "FIELDS", 1, "f")), 2, 1],
  ] as const)("%s", async (_, command, set, before, after) => {
    set();
    const { told } = follow(command);
    await vi.waitFor(() => expect(told).toEqual([before, after]));
  });

  test.each(["FLUSHALL", "FLUSHDB", "SWAPDB"])("%s", async (name) => {
    redis.sync.set("k", "1");
    const { told } = follow(["GET", "k"]);
    await settle();
    redis.sync.call(name, ...(name === "SWAPDB" ? [0, 1] : []));
    await vi.waitFor(() => expect(told).toEqual(["1", null]));
  });

  test.each([
    [["DBSIZE"], 0, 1],
    [["KEYS", "*"], [], ["any"]],
    [["SCAN", "0"], ["0", []], ["0", ["any"]]],
    [["RANDOMKEY"], null, "any"],
  ] as const)("any change, for %s", async (command, before, after) => {
    const { told } = follow(command);
    await settle();
    redis.sync.set("any", "1");
    await vi.waitFor(() => expect(told).toEqual([before, after]));
  });

  test("any change, for a script", async () => {
    const full = await openFull("live", { store: "memory" });
    try {
      const told: unknown[] = [];
      full.live(["EVAL_RO", "return redis.call('GET', 'not' .. 'named')", 0], (reply) => void told.push(reply));
      await vi.waitFor(() => expect(told).toEqual([null]));
      full.sync.set("notnamed", "1");
      await vi.waitFor(() => expect(told).toEqual([null, "1"]));
    } finally {
      await full.close();
    }
  });

  test("what a transaction or a unit changes, once it has happened", async () => {
    const { told } = follow(["MGET", "a", "b"]);
    await settle();
    await redis.multi().set("a", 1).set("b", 1).exec();
    await settle();
    await redis.atomic((tx) => {
      tx.set("a", "2");
      tx.set("b", "2");
    });
    await redis.atomic((tx) => {
      tx.set("a", "3");
      throw new Error("undone");
    }).catch(() => {});
    await settle();
    expect(told).toEqual([[null, null], ["1", "1"], ["2", "2"]]);
  });

  test("it stays in its database, and out of a transaction", async () => {
    redis.sync.set("k", "zero");
    const { told } = follow(["GET", "k"]);
    redis.sync.select(1);
    redis.sync.set("k", "one");
    const other = follow(["GET", "k"]);
    redis.sync.call("MULTI");
    redis.sync.set("k", "never");
    await settle();
    redis.sync.call("DISCARD");
    // The same words in another database are another question.
    expect([told, other.told]).toEqual([["zero"], ["one"]]);
    redis.sync.select(0);
    redis.sync.set("k", "changed");
    await vi.waitFor(() => expect(told).toEqual(["zero", "changed"]));
  });

  test("CLIENT PAUSE has it wait", async () => {
    const { told } = follow(["GET", "k"]);
    await settle();
    redis.sync.set("k", "1");
    redis.sync.clientPause(100, "ALL");
    await vi.waitFor(() => expect(told).toEqual([null, "1"]));
  });

  test("CLIENT KILL does not end it", async () => {
    const { told } = follow(["GET", "k"]);
    await settle();
    redis.sync.clientKill("SKIPME", "NO", "ID", redis.sync.clientId());
    redis.sync.set("k", "1");
    await settle();
    redis.sync.set("k", "2");
    await vi.waitFor(() => expect(told.at(-1)).toBe("2"));
  });
});

describe("an error", () => {
  test("is told, and what comes after it", async () => {
    redis.sync.set("k", "text");
    const { told } = follow(["LRANGE", "k", 0, -1]);
    const query = redis.live(["LRANGE", "k", 0, -1]);
    await settle();
    expect(told).toEqual([expect.any(ReplyError)]);
    expect([query.getSnapshot(), (query.error as ReplyError).code]).toEqual([undefined, "WRONGTYPE"]);
    redis.sync.del("k");
    redis.sync.rPush("k", "a");
    await settle();
    redis.sync.set("k", "text");
    await settle();
    expect(told.slice(1)).toEqual([["a"], expect.any(ReplyError)]);
    // What was there is there still.
    expect(query.getSnapshot()).toEqual(["a"]);
  });

  test("that nobody takes is reported", async () => {
    const reported = vi.fn();
    vi.stubGlobal("reportError", reported);
    try {
      redis.sync.set("k", "text");
      redis.live(["LLEN", "k"], () => {});
      await vi.waitFor(() => expect(reported.mock.calls).toEqual([[expect.any(ReplyError)]]));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("of what is no query is thrown at once", async () => {
    const live = redis.live as (...input: unknown[]) => unknown;
    for (const command of [["SET", "k", 1], ["sort", "k"], ["OBJECT"], ["client", "info"], ["EVALSHA_RO", "x", 0], ["BLPOP", "k", 0], ["subscribe", "c"]]) {
      expect(() => live(command), String(command)).toThrow(TypeError);
      expect(() => live(command, () => {}), String(command)).toThrow(TypeError);
    }
    for (const command of [undefined, "GET", [], [7], ["GET", null], ["GET", Symbol()], ["GET", true], ["GET", "\ud800"]]) {
      expect(() => live(command), String(command?.length)).toThrow(TypeError);
    }
    expect(() => live(["GET", "k"], "callback")).toThrow(TypeError);
    expect(() => live(["GET", "k"], () => {}, { onError: 1 })).toThrow(TypeError);
    expect(() => live(["GET", "k"], () => {}, { signal: {} })).toThrow(TypeError);
    expect(() => redis.live(["GET", "k"]).subscribe(undefined as never)).toThrow(TypeError);
    await expect(redis.atomic(() => redis.live(["GET", "k"], () => {}))).rejects.toMatchObject({ code: "INSIDE" });
    expect(remembered()).toEqual([0, 0, 0]);
    await redis.close();
    expect(() => live(["GET", "k"], () => {})).toThrow(ClosedError);
    redis = await open("live", { store: "memory" });
  });

  test("of a user who may not ask is told, once", async () => {
    redis.sync.call("ACL", "SETUSER", "reader", "on", "nopass", "~mine", "+get", "+info");
    redis.sync.set("secret", "1");
    redis.sync.auth("reader", "any");
    const { told } = follow(["GET", "secret"]);
    await settle();
    expect(told).toEqual([expect.objectContaining({ code: "NOPERM" })]);
    expect(follow(["GET", "mine"]).told).toEqual([]);
    await settle();
    expect(told).toHaveLength(1);
    expect(redis.host.live.size).toBe(2);
  });

  test("of a command that the engine does not know is a reply", async () => {
    const { told } = follow(["NOSUCH", "k"]);
    await settle();
    expect(told).toEqual([expect.objectContaining({ message: expect.stringContaining("unknown command 'NOSUCH'") })]);
  });
});

describe("a snapshot", () => {
  test("is there at once, and stays the same object while it says the same", async () => {
    redis.sync.hSet("user:1", { name: "Ada" });
    const query = redis.live(["HGETALL", "user:1"]);
    const first = query.getSnapshot();
    expect(first).toEqual({ name: "Ada" });
    const listener = vi.fn();
    const unsubscribe = query.subscribe(listener);
    redis.sync.del("user:1");
    redis.sync.hSet("user:1", { name: "Ada" });
    await settle();
    expect(query.getSnapshot()).toBe(first);
    expect(listener).not.toHaveBeenCalled();
    redis.sync.hSet("user:1", { name: "Eve" });
    expect(query.getSnapshot()).toBe(first);
    await vi.waitFor(() => expect(listener).toHaveBeenCalledOnce());
    expect(query.getSnapshot()).toEqual({ name: "Eve" });
    unsubscribe();
  });

  test("is shared by all who ask for the same", async () => {
    redis.sync.set("k", "1");
    const exec = crossings();
    const queries = [["GET", "k"], ["get", "k"], ["GET", "k"]].map((command) => redis.live(command as ["GET", string]));
    const stops = queries.map((query) => query.subscribe(() => {}));
    expect(queries.map((query) => query.getSnapshot())).toEqual(["1", "1", "1"]);
    expect(new Set(queries.map((query) => query.key)).size).toBe(1);
    expect(exec).toHaveBeenCalledOnce();
    expect(remembered()).toEqual([1, 1, 1]);
    const others: LiveQuery<unknown>[] = [redis.live(["GET", "l"]), redis.bytes.live(["GET", "k"]), redis.live(["STRLEN", "k"])];
    others.forEach((query) => stops.push(query.subscribe(() => {})));
    expect(new Set([...queries, ...others].map((query) => query.key)).size).toBe(4);
    stops.forEach((stop) => stop());
  });

  test("all are up to date before the first listener is called", async () => {
    const queries = ["a", "b", "c"].map((key) => redis.live(["GET", key]));
    const seen: unknown[] = [];
    for (const query of queries) query.subscribe(() => void seen.push(queries.map((other) => other.getSnapshot())));
    await redis.mSet({ a: 1, b: 1, c: 1 });
    await vi.waitFor(() => expect(seen).toHaveLength(3));
    expect(seen).toEqual([["1", "1", "1"], ["1", "1", "1"], ["1", "1", "1"]]);
  });

  test("has the types of the reply, bytes included", () => {
    redis.sync.rPush("l", "a");
    expect(redis.bytes.live(["LRANGE", "l", 0, -1]).getSnapshot()).toEqual([Uint8Array.of(97)]);
    expect(redis.live(["OBJECT", "ENCODING", "l"]).getSnapshot()).toBe("listpack");
    expect(redis.live(["object encoding", "l"]).getSnapshot()).toBe("listpack");
    expect(redis.live(["LRANGE", Uint8Array.of(108), 0, -1]).getSnapshot()).toEqual(["a"]);
    redis.sync.zAdd("z", 1, "a");
    expect(redis.live(["ZRANGE", "z", 0, -1, { WITHSCORES: true }]).getSnapshot()).toEqual([["a", 1]]);
  });
});

describe("nothing is left", () => {
  test("of what is stopped, disposed of, or was only looked at", async () => {
    const { stop } = follow(["MGET", "a", "b"]);
    const query = redis.live(["GET", "c"]);
    query.subscribe(() => {});
    redis.live(["DBSIZE"]).getSnapshot();
    expect(remembered()).toEqual([3, 3, 3]);
    stop();
    query[Symbol.dispose]();
    await vi.waitFor(() => expect(remembered()).toEqual([0, 0, 0]), { timeout: 5000 });
    // Who looks again begins anew.
    redis.sync.set("c", "1");
    expect(query.getSnapshot()).toBe("1");
  });

  test("of a query that changes while nobody listens", async () => {
    const query = redis.live(["GET", "k"]);
    query.getSnapshot();
    redis.sync.set("k", "1");
    await vi.waitFor(() => expect(remembered()).toEqual([0, 0, 0]));
    expect(query.getSnapshot()).toBe("1");
  });

  test("while others go on", async () => {
    const { stop } = follow(["GET", "a"]);
    const { told } = follow(["MGET", "a", "b"]);
    stop();
    await vi.waitFor(() => expect(remembered()).toEqual([2, 2, 1]), { timeout: 5000 });
    redis.sync.set("a", "1");
    await vi.waitFor(() => expect(told.at(-1)).toEqual(["1", null]));
  });

  test("of who goes and comes back", async () => {
    const exec = crossings();
    const query = redis.live(["GET", "k"]);
    for (let times = 0; times < 10; times++) query.subscribe(() => {})();
    query.subscribe(() => {});
    expect(exec).toHaveBeenCalledOnce();
  });

  test("after close, and nothing is called any more", async () => {
    const query = redis.live(["GET", "k"]);
    const listener = vi.fn();
    const unsubscribe = query.subscribe(listener);
    redis.sync.set("k", "1");
    await redis.close();
    await settle();
    expect(listener).not.toHaveBeenCalled();
    expect(query.getSnapshot()).toBe(null);
    query.subscribe(listener)();
    unsubscribe();
    expect(redis.host.live.size).toBe(0);
    redis = await open("live", { store: "memory" });
  });
});

test("a write costs no more for queries of other keys", () => {
  for (let index = 0; index < 2000; index++) redis.live(["GET", `key:${index}`]).subscribe(() => {});
  const exec = crossings();
  const took = (key: string): number => {
    const start = performance.now();
    for (let times = 0; times < 2000; times++) redis.sync.set(key, times);
    return performance.now() - start;
  };
  // The machine may have something else to do for a while, but not every time.
  const least = (key: string): number => Math.min(...[1, 2, 3].map(() => took(key)));
  const warm = least("warm");
  const other = least("other");
  expect(exec).toHaveBeenCalledTimes(12_000);
  // 2,000 writes that each looked at 2,000 queries would take a hundred times as long.
  expect(other).toBeLessThan(warm * 10 + 50);
});
