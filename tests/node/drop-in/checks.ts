// What an app's own tests look like; whichever way the clients are replaced, they are the same.
import { closeServers, flushServers, server } from "lodis/node";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { cache, cached, redis, visit } from "./app.js";

export function checks(): void {
  beforeEach(() => flushServers());
  afterAll(async () => {
    redis.disconnect();
    cache.destroy();
    await closeServers();
  });

  test("visits are counted", async () => {
    expect([await visit("home", 2), await visit("home", 2)]).toEqual([1, 2]);
    await expect(visit("home", 2)).rejects.toThrow("too many visits");
    const lodis = await server();
    expect(await lodis.get("visits:home")).toBe("3");
  });

  test("each test begins with nothing, and time passes as it says", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      expect(await visit("home", 1)).toBe(1);
      vi.setSystemTime(Date.now() + 60_000);
      expect(await visit("home", 1)).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  test("the cache is another server", async () => {
    const make = vi.fn(() => "made");
    expect([await cached("key", make), await cached("key", make)]).toEqual(["made", "made"]);
    expect(make).toHaveBeenCalledTimes(1);
    expect(await redis.exists("key")).toBe(0);
    const lodis = await server("cache.internal:6379");
    expect(await lodis.ttl("key")).toBe(10);
  });
}
