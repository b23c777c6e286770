// A user's test: the package in place of a server.
import { open, ReplyError } from "lodis";
import { open as full } from "lodis/full";
import { rest } from "lodis/rest";
import { afterAll, beforeEach, expect, test, vi } from "vitest";

const redis = await open("tests");
beforeEach(() => redis.flushAll());
afterAll(() => redis.close());

test("commands", async () => {
  await redis.set("key", "value", { EX: 100 });
  expect(await redis.ttl("key")).toBe(100);
  await expect(redis.incr("key")).rejects.toBeInstanceOf(ReplyError);
});

test("a clock of the test's own", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  await redis.set("key", "value", { EX: 100 });
  vi.setSystemTime(Date.now() + 100_001);
  expect(await redis.get("key")).toBe(null);
  vi.useRealTimers();
});

test("scripts and HTTP", async () => {
  const scripts = await full("scripts");
  expect(await scripts.eval("return 7", 0)).toBe(7);
  await scripts.close();
  const response = await rest(redis, { anyone: true })(new Request("http://lodis.test/set/key/value"));
  expect(await response.json()).toEqual({ result: "OK" });
});
