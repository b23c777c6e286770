// Patterns of a few lines: what is done once, who is there, how many there were, and what was meant.
import { autocomplete, once, presence, uniqueCounter } from "lodis/patterns";
import { afterEach, describe, expect, test, vi } from "vitest";
import { chance, eventually, expectRefused, instance, KINDS, refused, SEED, setClock, START } from "./playing.js";

const stops: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(stops.splice(0).map((stop) => stop())));

describe.each(KINDS)("once, with %s", (_, of) => {
  test("what has succeeded is not done again, by anybody", async () => {
    const redis = of(await instance());
    const setTime = setClock();
    const [one, other] = [once(redis, { ttlMs: 1000 }), once(redis, { ttlMs: 1000 })];
    let count = 0;
    const pay = async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return { paid: ++count };
    };
    const all = await Promise.all([one, other, one, other].map((each) => each.run("order:1", pay)));
    expect(all).toEqual(Array(4).fill({ paid: 1 }));
    expect(await one.run("order:2", pay)).toEqual({ paid: 2 });
    expect(await one.run("nothing", () => undefined)).toBe(undefined);
    expect(await other.run("nothing", () => expect.unreachable())).toBe(undefined);
    setTime(START + 999);
    expect(await other.run("order:1", pay)).toEqual({ paid: 1 });
    await one.forget("order:1");
    expect(await other.run("order:1", pay)).toEqual({ paid: 3 });
    setTime(START + 1999);
    expect(await other.run("order:1", pay)).toEqual({ paid: 4 });
  });
});

test("what has failed is done anew, and does not wait for ever", async () => {
  const all = once(await instance(), { runMs: 20 });
  await expect(all.run("a", () => Promise.reject(new Error("down")))).rejects.toThrow("down");
  await refused(all.run("a", () => new Promise(() => {})), "TIMEOUT");
  expect(await all.run("a", () => 1)).toBe(1);
  const signal = AbortSignal.abort(new Error("before"));
  await expect(all.run("b", () => 1, { signal })).rejects.toThrow("before");
  await expect(all.run("b", 1 as never)).rejects.toThrow("once: the action is a function");
});

describe.each(KINDS)("presence, with %s", (_, of) => {
  test("who has not been heard of is gone", async () => {
    const redis = of(await instance());
    const setTime = setClock();
    const room = presence(redis, "lobby", { ttlMs: 1000 });
    await room.seen("eve");
    setTime(START + 600);
    await room.seen("ali");
    expect([await room.members(), await room.count()]).toEqual([["ali", "eve"], 2]);
    setTime(START + 999);
    expect(await room.count()).toBe(2);
    setTime(START + 1000);
    expect([await room.members(), await room.count()]).toEqual([["ali"], 1]);
    await room.seen("eve");
    expect(await room.members()).toEqual(["eve", "ali"]);
    setTime(START + 3000);
    expect(await redis.call("EXISTS", "presence:lobby")).toBe(0);
  });
});

test("who has joined is there until they leave, however often", async () => {
  const redis = await instance();
  const room = presence(redis, "lobby", { ttlMs: 3000 });
  const [first, second] = [await room.join("eve"), await room.join("eve")];
  const score = async () => Number(await redis.zScore("presence:lobby", "eve"));
  const before = await score();
  await eventually(async () => expect(await score()).toBeGreaterThan(before));
  await first.leave();
  await first.leave();
  expect(await room.members()).toEqual(["eve"]);
  await second.leave();
  expect(await room.members()).toEqual([]);
});

test("who watches is told who comes, and who leaves", async () => {
  const redis = await instance();
  const room = presence(redis, "lobby");
  const told: string[][] = [];
  const stop = await room.watch((members) => told.push(members));
  stops.push(stop);
  expect(told).toEqual([[]]);
  const eve = await presence(redis, "lobby").join("eve");
  await eventually(() => expect(told).toEqual([[], ["eve"]]));
  await room.seen("eve"); // is there already
  {
    await using _ali = await room.join("ali");
    await eventually(() => expect(told.length).toBe(3));
  }
  await eventually(() => expect(told.length).toBe(4));
  expect(told.map((members) => [...members].sort())).toEqual([[], ["eve"], ["ali", "eve"], ["eve"]]);
  await stop();
  await eve.leave();
  expect(told.length).toBe(4);
  expect(await redis.pubSubChannels()).toEqual([]);
});

test("who has only gone is missed by who watches", async () => {
  const redis = await instance();
  const room = presence(redis, "lobby", { ttlMs: 40 });
  const told: string[][] = [];
  await room.seen("eve");
  stops.push(await room.watch((members) => told.push(members)));
  await eventually(() => expect(told.at(-1)).toEqual([]));
});

describe.each(KINDS)("unique counter, with %s", (_, of) => {
  test("each is counted once a day, and days are kept for as long as was said", async () => {
    const redis = await instance();
    const setTime = setClock(Date.parse("2026-11-22T23:00:00Z"));
    const visitors = uniqueCounter(of(redis), "visitors", { keep: 3 });
    await visitors.add("a", "b", "a");
    await visitors.add("b");
    await visitors.add();
    expect(await visitors.count()).toBe(2);
    setTime(Date.parse("2026-11-23T01:00:00Z"));
    await visitors.add("b", "c");
    expect([await visitors.count(), await visitors.count(2), await visitors.count(3)]).toEqual([2, 3, 3]);
    expect((await redis.keys("*")).sort()).toEqual(["unique:visitors:daily:2026-11-22", "unique:visitors:daily:2026-11-23"]);
    setTime(Date.parse("2026-11-24T23:59:59Z"));
    expect(await visitors.count(3)).toBe(3);
    setTime(Date.parse("2026-11-25T00:00:00Z"));
    expect(await visitors.count(3)).toBe(2);
    const hourly = uniqueCounter(of(redis), "visitors", { period: "hourly" });
    await hourly.add("x");
    expect(await redis.exists("unique:visitors:hourly:2026-11-25T00")).toBe(1);
    expect(await hourly.count(2)).toBe(1);
  });
});

describe.each(KINDS)("autocomplete, with %s", (_, of) => {
  test("terms that begin so, those that weigh most first", async () => {
    const complete = autocomplete(of(await instance()), "cities");
    for (const [term, weight] of [["Berlin", 5], ["Bern", 1], ["Bergen", 3], ["Paris", 9], ["Ünye", 1]] as const) {
      await complete.add(term, weight);
    }
    const terms = async (typed: string, count?: number) => (await complete.complete(typed, count)).map(({ term }) => term);
    expect(await complete.complete("ber")).toEqual([
      { term: "Berlin", weight: 5 },
      { term: "Bergen", weight: 3 },
      { term: "Bern", weight: 1 },
    ]);
    expect(await terms("BER", 2)).toEqual(["Berlin", "Bergen"]);
    expect([await terms("ü"), await terms("berlin"), await terms("x"), await terms("\0")]).toEqual([["Ünye"], ["Berlin"], [], []]);
    expect(await terms("", 2)).toEqual(["Paris", "Berlin"]);
    await complete.add("Bern", 10);
    expect(await terms("be", 1)).toEqual(["Bern"]);
    expect([await complete.remove("Bern"), await complete.remove("Bern")]).toEqual([true, false]);
    expect(await terms("be")).toEqual(["Berlin", "Bergen"]);
  });
});

test(`autocompletion finds what a search through all finds, LODIS_SEED=${SEED}`, async () => {
  const complete = autocomplete(await instance(), "all", { normalize: (term) => term });
  const to = chance(SEED);
  const letters = ["a", "b", "ä", "€", "😀", "\u{10ffff}", " "];
  const word = (longest: number) => Array.from({ length: 1 + to(longest) }, () => letters[to(letters.length)]).join("");
  const all = new Set(Array.from({ length: 200 }, () => word(4)));
  for (const term of all) await complete.add(term);
  for (let step = 0; step < 100; step++) {
    const typed = word(2);
    const found = (await complete.complete(typed, 1000)).map(({ term }) => term);
    expect(found.sort(), JSON.stringify(typed)).toEqual([...all].filter((term) => term.startsWith(typed)).sort());
  }
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  expectRefused([
    ["once: ttlMs is a whole number from 1 to 1125899906842624", () => once(redis, { ttlMs: 0 })],
    ["presence: the room is a string that is not empty", () => presence(redis, "")],
    ["uniqueCounter: period is one of daily, hourly", () => uniqueCounter(redis, "a", { period: "weekly" as never })],
    ["autocomplete: the name is a string that is not empty", () => autocomplete(redis, "")],
  ]);
  await expect(uniqueCounter(redis, "a", { keep: 2 }).count(3)).rejects.toThrow("uniqueCounter: periods is a whole number from 1 to 2");
  await expect(autocomplete(redis, "a").add("a", NaN)).rejects.toThrow("autocomplete: the weight is a number");
  await expect(autocomplete(redis, "a").add("a\0b")).rejects.toThrow("autocomplete: a term has no character 0");
  await expect(presence(redis, "a").join("")).rejects.toThrow("presence: the member is a string that is not empty");
  expect(vi.isFakeTimers()).toBe(false);
  expect(await redis.dbsize()).toBe(0);
});
