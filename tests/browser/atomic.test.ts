// redis.atomic in tabs without a copy: what the callback looks at is fetched for it.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { roleOf, tabsOf } from "./opening.js";

const { tab } = tabsOf();

/** A tab that leads, and one without a copy. */
async function two(name: string, options: object = {}): Promise<[leader: Page, thin: Page]> {
  const leader = await tab(name, options);
  const thin = await tab(name, { ...options, replica: false });
  expect(await Promise.all([leader, thin].map(roleOf))).toEqual(["leader", "thin"]);
  return [leader, thin];
}

test("all of it happens, or nothing, and what was read is what is there", async () => {
  const [leader, thin] = await two("transfer");
  await leader.evaluate(() => redis.mSet({ "account:a": 100, "account:b": 0, "next:1": "2", "next:2": "3", "next:3": "end" }));
  const outcomes = await thin.evaluate(async () => {
    const transfer = (amount: number) =>
      redis.atomic((tx: any) => {
        const left = tx.decrBy("account:a", amount);
        tx.incrBy("account:b", amount);
        if (left < 0) throw new Error("not enough");
        return [left, tx.get("account:b")];
      });
    const follow = redis.atomic((tx: any) => {
      const found = [];
      for (let key = "1"; key !== "end"; key = tx.get(`next:${key}`)) found.push(key);
      return found;
    });
    return [await transfer(30), await transfer(90).catch(String), await follow, await redis.atomic((tx: any) => tx.set("only", "written"))];
  });
  expect(outcomes).toEqual([[70, "30"], "Error: not enough", ["1", "2", "3"], "OK"]);
  expect(await leader.evaluate(() => redis.mGet("account:a", "account:b", "only"))).toEqual(["70", "30", "written"]);
});

test("values of every type are what they are at the leader", async () => {
  const [leader, thin] = await two("types");
  await leader.evaluate(async () => {
    await redis.set("string", new Uint8Array([0, 255, 10]));
    await redis.set("expiring", "x", { EX: 1000 });
    await redis.rPush("list", ...Array.from({ length: 600 }, (_, index) => `element ${index}`));
    await redis.hSet("hash", Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`f${index}`, index])));
    await redis.call("HPEXPIRE", "hash", 1_000_000, "FIELDS", 1, "f1");
    await redis.sAdd("set", 1, 2, 3, "four");
    await redis.zAdd("zset", 1, "a", 2.5, "b");
    await redis.xAdd("stream", "1-1", { f: 1 });
    await redis.xAdd("stream", "1-2", { f: 2 });
    await redis.xGroupCreate("stream", "g", 0);
    await redis.xReadGroup("GROUP", "g", "c", "COUNT", 1, "STREAMS", "stream", ">");
    await redis.pfAdd("hll", "a", "b");
    await redis.set("\u00e9\ud83d\ude00", "name");
  });
  const answers = await thin.evaluate(() =>
    redis.atomic((tx: any) => {
      tx.xAdd("stream", "1-3", { f: 3 });
      tx.incr("n");
      return [
        [...tx.bytes.get("string")], tx.ttl("expiring") > 900, tx.lPop("list"), tx.hLen("hash"), tx.call("HPTTL", "hash", "FIELDS", 1, "f1")[0] > 900_000,
        tx.sCard("set"), tx.zRange("zset", 0, -1), tx.xPending("stream", "g")[0], tx.pfCount("hll"), tx.get("\u00e9\ud83d\ude00"), tx.get("nothing"),
      ];
    }),
  );
  expect(answers).toEqual([[0, 255, 10], true, "element 0", 600, true, 4, ["a", "b"], 1, 2, "name", null]);
  expect(await leader.evaluate(() => [redis.sync.lLen("list"), redis.sync.xLen("stream"), redis.sync.get("n")])).toEqual([599, 3, "1"]);
});

test("what others change meanwhile has it run again", async () => {
  const [leader, thin] = await two("meanwhile");
  const other = await tab("meanwhile", { replica: false });
  const count = async (page: Page): Promise<number[]> =>
    page.evaluate(async () => {
      const counts: number[] = [];
      for (let times = 0; times < 20; times++) {
        counts.push(await redis.atomic((tx: any) => {
          const next = Number(tx.get("n")) + 1;
          tx.set("n", next);
          return next;
        }));
      }
      return counts;
    });
  const counts = (await Promise.all([leader, thin, other].map(count))).flat();
  expect(counts.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
});

test("in its database, beside what the session watches; all keys are too many", async () => {
  const [leader, thin] = await two("session");
  const found = await thin.evaluate(async () => {
    const code = (promise: Promise<unknown>) => promise.then(String, (error) => error.code ?? String(error));
    await redis.select(3);
    await redis.set("here", "3");
    await redis.watch("watched");
    const copied = await redis.atomic((tx: any) => [tx.get("here"), tx.copy("here", "there", { DB: 5 })]);
    const executed = await redis.multi().get("here").exec();
    await redis.call("MULTI");
    const inMulti = await code(redis.atomic((tx: any) => tx.get("here")));
    await redis.call("DISCARD");
    const abort = new AbortController();
    const aborted = code(redis.atomic((tx: any) => tx.get("here"), { signal: abort.signal }));
    abort.abort(new Error("enough"));
    return [
      copied, executed, inMulti, await aborted,
      await code(redis.atomic((tx: any) => tx.dbSize())),
      await code(redis.atomic(() => Promise.resolve() as never)),
      await code(redis.atomic((tx: any) => tx.incr("here", "wrong"))),
      await code(redis.atomic(() => redis.get("here").catch((error: { code: string }) => { throw error; }) as never)),
      await code(redis.atomic((tx: any) => tx.get(String(Math.random())))),
    ];
  });
  expect(found).toEqual([["3", 1], ["3"], "MULTI", "Error: enough", "NO_COPY", "PROMISE", "ERR", "PROMISE", "NO_COPY"]);
  expect(await leader.evaluate(async () => [await redis.select(5), await redis.get("there"), await redis.dbSize()])).toEqual(["OK", "3", 1]);
});

test("users who may not do everything may not write so, and read what they may", async () => {
  const [leader, thin] = await two("users");
  await leader.evaluate(async () => {
    await redis.set("app:a", "1");
    await redis.set("b", "2");
    await redis.call("ACL", "SETUSER", "guest", "on", ">pw", "~app:*", "+@all");
  });
  const found = await thin.evaluate(async () => {
    const code = (promise: Promise<unknown>) => promise.then(String, (error) => error.code);
    await redis.auth("guest", "pw");
    return [
      await code(redis.atomic((tx: any) => tx.get("app:a"))),
      await code(redis.atomic((tx: any) => tx.get("b"))),
      await code(redis.atomic((tx: any) => tx.set("app:a", "changed"))),
    ];
  });
  expect(found).toEqual(["1", "NOPERM", "NOPERM"]);
  expect(await leader.evaluate(() => redis.get("app:a"))).toBe("1");
});

test("over the end of the leader", async () => {
  // Else what the leader has answered may be lost with it.
  const [leader, thin] = await two("ends", { appendfsync: "always" });
  await thin.evaluate(() => redis.set("n", 5));
  const incremented = thin.evaluate(async () => {
    const counts: number[] = [];
    for (let more = 10; more > 0; more -= redis.role === "leader" ? 1 : 0) counts.push(await redis.atomic((tx: any) => tx.incr("n")));
    return counts;
  });
  await expect.poll(() => leader.evaluate(() => Number(redis.sync.get("n")))).toBeGreaterThan(7);
  await leader.close();
  const counts = await incremented;
  expect(counts).toEqual(Array.from(counts, (_, index) => index + 6));
});
