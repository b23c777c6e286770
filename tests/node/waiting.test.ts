// What waits is ended by an AbortSignal, and what is held is given back at the end of a block.
import { open, type Redis, type Store } from "lodis";
import { memoryStore } from "lodis/stores/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

let redis: Redis;
beforeEach(async () => {
  redis = await open("waiting");
});
afterEach(() => redis.close());

const channels = () => redis.pubSubChannels();

test("await using closes an instance, also when the block throws", async () => {
  let kept: Redis;
  {
    await using inner = await open("inner");
    expect(await inner.set("a", 1)).toBe("OK");
    kept = inner;
  }
  await expect(kept.get("a")).rejects.toMatchObject({ code: "CLOSED" });
  const failing = async () => {
    await using inner = await open("inner");
    kept = inner;
    throw new Error("enough");
  };
  await expect(failing()).rejects.toThrow("enough");
  await expect(kept.get("a")).rejects.toMatchObject({ code: "CLOSED" });
});

test("await using takes subscriptions back", async () => {
  const heard: string[] = [];
  {
    await using stop = await redis.subscribe("a", (message) => heard.push(message));
    await using others = await redis.bytes.pSubscribe("a*", (message) => heard.push(`${message.length}`));
    await using lines = await redis.monitor((line) => heard.push(line.split(" ").slice(3).join(" ")));
    await redis.publish("a", "one");
    await vi.waitFor(() => expect(heard.toSorted()).toEqual(['"publish" "a" "one"', "3", "one"]));
    expect([typeof stop, typeof others, typeof lines]).toEqual(["function", "function", "function"]);
  }
  expect(await channels()).toEqual([]);
  expect(await redis.pubSubNumPat()).toBe(0);
  await redis.publish("a", "two");
  expect(heard).toHaveLength(3);
});

test("a signal ends a subscription, and one that is aborted begins none", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const heard: string[] = [];
  const stop = await redis.subscribe(["a", "b"], (message) => heard.push(message), { signal });
  await redis.sSubscribe("a", (message) => heard.push(message), { signal });
  await redis.pSubscribe("c*", (message) => heard.push(message), { signal });
  await redis.monitor((line) => heard.push(line), { signal });
  await redis.publish("a", "one");
  await vi.waitFor(() => expect(heard).toContain("one"));
  abort.abort(new Error("enough"));
  const before = heard.length;
  await redis.publish("a", "two");
  await vi.waitFor(async () => expect(await channels()).toEqual([]));
  expect(await redis.pubSubShardChannels()).toEqual([]);
  expect(await redis.pubSubNumPat()).toBe(0);
  expect(heard).toHaveLength(before);
  await stop();
  await expect(redis.subscribe("a", () => {}, { signal })).rejects.toThrow("enough");
  await expect(redis.monitor(() => {}, { signal })).rejects.toThrow("enough");
  await expect(redis.subscribe("a", () => {}, { signal: 5 as never })).rejects.toThrow("signal is an AbortSignal");
  expect(await channels()).toEqual([]);
});

test("a signal that is never aborted keeps nothing of a subscription that is over", async () => {
  const { signal } = new AbortController();
  const [added, removed] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
  const stop = await redis.subscribe("a", () => {}, { signal });
  await stop();
  await open("other", { signal }).then((other) => other.close());
  await redis.xAdd("s", "1-1", { a: 1 });
  for await (const _ of redis.readStream("s", { signal, from: 0 })) break;
  expect(added.mock.calls.length).toBeGreaterThan(2);
  expect(removed.mock.calls.length).toBe(added.mock.calls.length);
});

test("a signal ends opening; what is open too late is closed", async () => {
  const abort = new AbortController();
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const closed = vi.fn();
  const store = memoryStore();
  const late: Store = {
    open: async () => {
      await gate;
      return store.open();
    },
    write: (change) => store.write(change),
    read: (...where) => store.read(...where),
    close: async () => {
      await store.close();
      closed();
    },
  };
  const opening = open("stored", { store: late, signal: abort.signal });
  const failing = expect(opening).rejects.toThrow("enough");
  await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error("enough"));
  await failing;
  expect(closed).not.toHaveBeenCalled();
  goOn();
  await vi.waitFor(() => expect(closed).toHaveBeenCalled());
  await expect(open("x", { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  await expect(open("x", { signal: 5 as never })).rejects.toThrow("signal is an AbortSignal");
});

test("atomic takes a signal; one that is aborted runs nothing", async () => {
  const { signal } = new AbortController();
  expect(await redis.atomic((tx) => tx.incr("a"), { signal })).toBe(1);
  let runs = 0;
  await expect(redis.atomic(() => runs++, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  expect(() => redis.atomic(() => runs++, { signal: 5 as never })).toThrow("signal is an AbortSignal");
  expect(runs).toBe(0);
});
