// Live queries between the conductor and tabs that the test plays itself.
import { describe, expect, test, vi } from "vitest";
import type { Redis } from "../../pkg/src/redis.js";
import { bytes, type FakeTabs, playTabs, SETTINGS, turn } from "./conducting.js";

const opened = playTabs();

const replica = () =>
  opened((tabs) => {
    tabs.emit({ type: "welcome" });
    tabs.emit({ type: "copy", readable: true });
  });
const thin = () => opened((tabs) => tabs.emit({ type: "welcome" }), { ...SETTINGS, replica: false });

const follow = (redis: Redis, ...command: [string, ...string[]]) => {
  const told: unknown[] = [];
  const stop = redis.live(command, (reply) => void told.push(reply), { onError: (error) => void told.push(error) });
  return { told, stop };
};

/** The leader tells that queries are to be run again. */
function spoil(tabs: FakeTabs, ...queries: number[]): void {
  const numbers = queries.map((query) => `:${query}\r\n`).join("");
  tabs.emit({ type: "push", messages: bytes(`>2\r\n$10\r\nlodis.live\r\n*${queries.length}\r\n${numbers}`) });
}

/** What the leader answers with: no key expires. */
const reply = (text: string, due = "_") => `*2\r\n${due}\r\n${text}\r\n`;

describe("a tab without a copy", () => {
  test("has the leader run its queries, all that are due in one request", async () => {
    const { redis, tabs } = await thin();
    const [a, b] = [follow(redis, "GET", "a"), follow(redis, "GET", "b")];
    const same = follow(redis, "get", "a");
    await turn();
    expect(tabs.asked()).toEqual(["LODIS.LIVE ON 1 0 get a LODIS.LIVE ON 2 0 get b"]);
    expect(redis.live(["GET", "a"]).getSnapshot()).toBeUndefined();
    tabs.reply(0, reply("$1\r\n1") + reply("$1\r\n2"));
    await vi.waitFor(() => expect([a.told, b.told, same.told]).toEqual([["1"], ["2"], ["1"]]));
    spoil(tabs, 2);
    await vi.waitFor(() => expect(tabs.asked().slice(1)).toEqual(["LODIS.LIVE ON 2 0 get b"]));
    tabs.reply(1, reply("$1\r\n3"));
    await vi.waitFor(() => expect(b.told).toEqual(["2", "3"]));
    expect(a.told).toEqual(["1"]);
  });

  test("asks again for what has changed while it was asked for", async () => {
    const { redis, tabs } = await thin();
    const { told } = follow(redis, "GET", "a");
    await turn();
    spoil(tabs, 1);
    await turn();
    expect(tabs.requests).toHaveLength(1);
    tabs.reply(0, reply("$1\r\n1"));
    await vi.waitFor(() => expect(tabs.requests).toHaveLength(2));
    tabs.reply(1, reply("$1\r\n2"));
    await vi.waitFor(() => expect(told).toEqual(["1", "2"]));
  });

  test("asks the next leader, and again when nobody knows what became of it", async () => {
    const { redis, tabs } = await thin();
    const { told } = follow(redis, "GET", "a");
    await turn();
    tabs.reply(0, reply("$1\r\n1"));
    tabs.emit({ type: "welcome" });
    await vi.waitFor(() => expect(tabs.requests).toHaveLength(2));
    tabs.emit({ type: "lost", seq: tabs.requests[1]!.seq });
    await vi.waitFor(() => expect(tabs.requests).toHaveLength(3), { timeout: 5000 });
    tabs.reply(2, reply("$1\r\n2"));
    await vi.waitFor(() => expect(told).toEqual(["1", "2"]));
    tabs.lead();
    await vi.waitFor(() => expect(told).toEqual(["1", "2", null]));
    redis.sync.set("a", "3");
    await vi.waitFor(() => expect(told.at(-1)).toBe("3"));
  });

  test("asks when a key has ceased to exist, whoever sleeps", async () => {
    const { redis, tabs } = await thin();
    const { told } = follow(redis, "GET", "a");
    await turn();
    tabs.reply(0, reply("$1\r\n1", `:${Date.now() + 30}`));
    await vi.waitFor(() => expect(tabs.requests).toHaveLength(2));
    tabs.reply(1, reply("_"));
    await vi.waitFor(() => expect(told).toEqual(["1", null]));
  });

  test("has the leader forget what nobody wants any more", async () => {
    const { redis, tabs } = await thin();
    const [a, b] = [follow(redis, "GET", "a"), follow(redis, "MGET", "b", "c")];
    const late = redis.live(["GET", "late"]);
    await turn();
    tabs.reply(0, reply("_") + reply("*2\r\n_\r\n_"));
    a.stop();
    await vi.waitFor(() => expect(tabs.asked().slice(1)).toEqual(["LODIS.LIVE OFF 1 get a"]), { timeout: 5000 });
    tabs.reply(1, "+OK\r\n");
    late.getSnapshot();
    await turn();
    b.stop();
    await vi.waitFor(() => expect(redis.host.live.size).toBe(0), { timeout: 5000 });
    expect(tabs.asked().slice(2)).toEqual(["LODIS.LIVE ON 3 0 get late", "LODIS.LIVE OFF"]);
    // Its answer comes when it is wanted no more.
    tabs.reply(2, reply("_"));
    await vi.waitFor(() => expect(tabs.asked().slice(4)).toEqual(["LODIS.LIVE OFF"]));
  });

  test("tells the errors of the leader, and asks again where nothing was remembered", async () => {
    const { redis, tabs } = await thin();
    const { told } = follow(redis, "GET", "a");
    await turn();
    tabs.reply(0, "-OOM no memory\r\n");
    await vi.waitFor(() => expect(told).toEqual([expect.objectContaining({ code: "OOM" })]));
    await vi.waitFor(() => expect(tabs.requests).toHaveLength(2), { timeout: 5000 });
    tabs.reply(1, reply("-WRONGTYPE no string"));
    await vi.waitFor(() => expect(told.slice(1)).toEqual([expect.objectContaining({ code: "WRONGTYPE" })]));
  });
});

describe("a tab with a copy", () => {
  test("runs its queries on it, and hears of what is applied to it", async () => {
    const { redis, tabs } = await replica();
    expect(redis.live(["GET", "k"]).getSnapshot()).toBe(null);
    const { told } = follow(redis, "GET", "k");
    await turn();
    redis.sync.set("k", "1");
    tabs.emit({ type: "ran" });
    await vi.waitFor(() => expect(told).toEqual([null, "1"]));
    expect(tabs.requests).toEqual([]);
  });

  test("reads the copy anew when that is another one", async () => {
    const { redis, tabs } = await replica();
    const { told } = follow(redis, "GET", "k");
    await turn();
    tabs.emit({ type: "copy", readable: false });
    tabs.emit({ type: "copy", readable: true });
    const exec = vi.spyOn(redis.host.engine.lodis, "exec");
    await vi.waitFor(() => expect(exec).toHaveBeenCalled());
    expect(told).toEqual([null]);
  });

  test("has the leader run them while it has to run every read", async () => {
    const { redis, tabs } = await replica();
    const { told } = follow(redis, "GET", "k");
    await turn();
    const on = redis.clientTracking("ON");
    tabs.reply(0, "+OK\r\n", false, 2);
    await on;
    redis.sync.set("k", "of the copy");
    await vi.waitFor(() => expect(tabs.asked().slice(1)).toEqual(["LODIS.LIVE ON 1 0 get k"]));
    tabs.reply(1, reply("$6\r\nleader"), false, 2);
    await vi.waitFor(() => expect(told).toEqual([null, "leader"]));
    const off = redis.clientTracking("OFF");
    tabs.reply(2, "+OK\r\n");
    await off;
    spoil(tabs, 1);
    await vi.waitFor(() => expect(told.at(-1)).toBe("of the copy"));
    expect(tabs.asked().slice(3)).toEqual(["LODIS.LIVE OFF 1 get k"]);
  });

  test("asks the leader from now on when there is no memory for the copy", async () => {
    const { redis, tabs } = await replica();
    follow(redis, "GET", "k");
    await turn();
    tabs.emit({ type: "copy", readable: false });
    tabs.emit({ type: "thin" });
    await vi.waitFor(() => expect(tabs.asked()).toEqual(["LODIS.LIVE ON 1 0 get k"]));
  });

  test("goes on when it leads, and when another one does", async () => {
    const { redis, tabs } = await replica();
    const { told } = follow(redis, "GET", "k");
    await turn();
    tabs.lead();
    redis.sync.set("k", "1");
    await vi.waitFor(() => expect(told).toEqual([null, "1"]));
    for (const event of [
      { type: "copy", readable: false },
      { type: "follow", transaction: false, tracking: 0 },
      { type: "welcome" },
      { type: "copy", readable: true },
    ] as const) tabs.emit(event);
    await turn();
    redis.sync.set("k", "2");
    tabs.emit({ type: "ran" });
    await vi.waitFor(() => expect(told).toEqual([null, "1", "2"]));
  });
});
