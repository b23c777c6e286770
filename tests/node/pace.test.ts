// Calls that await one another leave other tasks their turns.
import { open, type Redis } from "lodis";
import { afterEach, beforeEach, expect, test } from "vitest";

let redis: Redis;

beforeEach(async () => {
  redis = await open("pace", { store: "memory" });
  await redis.set("key", "value");
});

afterEach(() => redis.close());

test.each([
  ["reads of a value that is known", () => redis.get("key")],
  ["reads", () => redis.strlen("key")],
  ["writes", () => redis.incr("n")],
  ["transactions", () => redis.multi().incr("n").exec()],
  ["reads of bytes", () => redis.bytes.get("key")],
])("%s do not keep a timer from its turn", async (_, call) => {
  let isDue = false;
  setTimeout(() => (isDue = true));
  for (const end = performance.now() + 5000; !isDue; ) {
    if (performance.now() > end) break;
    await call();
  }
  expect(isDue).toBe(true);
});

test("answers come in the order of the calls", async () => {
  const came: (number | bigint)[] = [];
  const all: Promise<void>[] = [];
  for (let i = 1; i <= 20_000; i++) {
    all.push(redis.incr("n").then((n) => void came.push(n)));
    if (i % 5000 === 0) await redis.get("key");
  }
  await Promise.all(all);
  expect(came).toEqual(Array.from(came, (_, i) => i + 1));
});
