// Client-side caching between the conductor and tabs that the test plays itself.
import { describe, expect, test, vi } from "vitest";
import type { Redis } from "../../pkg/src/redis.js";
import { bytes, type FakeLog, type FakeTabs, listen, playTabs, turn } from "./conducting.js";

const opened = playTabs();

async function leader(): Promise<{ redis: Redis; tabs: FakeTabs; log: FakeLog }> {
  const { redis, tabs, begun } = await opened((tabs) => tabs.lead());
  return { redis, tabs, log: begun };
}

const replica = () =>
  opened((tabs) => {
    tabs.emit({ type: "welcome" });
    tabs.emit({ type: "copy", readable: true });
  });

describe("client-side caching", () => {
  const invalidate = (...keys: string[]) => {
    const text = keys.map((key) => `$${key.length}\r\n${key}\r\n`).join("");
    return { type: "push", messages: bytes(`>2\r\n$10\r\ninvalidate\r\n*${keys.length}\r\n${text}`) } as const;
  };

  /** A replica whose reads are tracked. */
  async function tracked(): Promise<{ redis: Redis; tabs: FakeTabs }> {
    const { redis, tabs } = await replica();
    const on = redis.clientTracking("ON");
    tabs.reply(0, "+OK\r\n", false, 2);
    await on;
    return { redis, tabs };
  }

  test("the leader runs every read of a tab whose reads it tracks", async () => {
    const { redis, tabs } = await tracked();
    for (let times = 0; times < 3; times++) expect(redis.sync.get("a")).toBe(null);
    const read = redis.get("a");
    expect(tabs.asked()).toEqual(["client tracking ON", "get a"]);
    tabs.reply(1, "$1\r\n1\r\n", false, 2);
    expect(await read).toBe("1");
    const off = redis.clientTracking("OFF");
    tabs.reply(2, "+OK\r\n");
    await off;
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 3]);
    const broadcast = redis.clientTracking("ON", { BCAST: true });
    tabs.reply(3, "+OK\r\n", false, 1);
    await broadcast;
    expect([await redis.get("a"), tabs.requests.length]).toEqual([null, 4]);
  });

  test("what has changed is told after what was asked for before", async () => {
    const { redis, tabs } = await tracked();
    const told = listen(redis, "invalidate");
    const broken = listen(redis, "redirectBroken");
    const order: string[] = [];
    redis.on("invalidate", () => order.push("told"));
    const read = redis.get("a").then(() => Promise.resolve()).then(() => order.push("read"));
    tabs.emit(invalidate("a"));
    await turn();
    expect(told).toEqual([]);
    // What is asked for now is no older.
    const later = redis.get("b");
    tabs.reply(1, "$3\r\nold\r\n", false, 2);
    tabs.emit({ type: "push", messages: bytes(">2\r\n$21\r\ntracking-redir-broken\r\n:7\r\n") });
    await read;
    await vi.waitFor(() => expect([told, order]).toEqual([[["a"]], ["read", "told"]]));
    tabs.reply(2, "_\r\n", false, 2);
    expect([await later, broken]).toEqual([null, [7]]);
  });

  test("the next leader hears of it at once", async () => {
    const { tabs } = await tracked();
    tabs.emit({ type: "welcome" });
    expect(tabs.asked()).toEqual(["client tracking ON", "client getredir"]);
    const { redis, tabs: others } = await leader();
    const follow = { type: "follow", transaction: false, tracking: 2 } as const;
    for (const event of [follow, { type: "welcome" }, { type: "copy", readable: true }] as const) others.emit(event);
    redis.get("a").catch(() => {});
    expect(others.asked()).toEqual(["client getredir", "get a"]);
  });

  test("a leader whose client is killed leads on, with another one", async () => {
    const { redis, tabs, log } = await leader();
    const heard: string[] = [];
    await redis.subscribe("news", (message) => heard.push(message));
    const id = await redis.clientId();
    expect(await redis.call("CLIENT", "KILL", "ID", String(id), "SKIPME", "no")).toBe(1);
    expect([await redis.clientId() > id, redis.role, log.closed]).toEqual([true, "leader", false]);
    expect(await redis.publish("news", "hi")).toBe(1);
    await turn();
    expect([heard, tabs.requests]).toEqual([["hi"], []]);
  });
});
