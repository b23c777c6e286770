// When linear memory cannot grow, commands answer OOM; nothing traps, and what is freed is used again.
import { FileError, type Redis, ReplyError, open } from "lodis";
import { memoryStore } from "lodis/stores/memory";
import { expect, test, vi } from "vitest";
import { limited } from "../limited.js";

/** Numbers below `bound`, the same for the same seed. */
function dice(seed: number): (bound: number) => number {
  return (bound) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * bound);
  };
}

/** What is written: lengths of values, and how many keys of a type there are at most. */
interface Load {
  readonly lengths: readonly number[];
  readonly keys: number;
}

const LOADS: readonly Load[] = [
  { lengths: [10, 100, 1000, 10_000, 300_000, 3_000_000], keys: 5000 },
  { lengths: [10, 20, 100], keys: 20 },
  { lengths: [10, 20, 100], keys: 1_000_000 },
];

/** A write of some size, of any type. */
function randomWrite(roll: (bound: number) => number, { lengths, keys }: Load): (string | number)[] {
  const type = "slhtzx"[roll(6)]!;
  const name = () => `${type}:${roll(keys)}`;
  const key = name();
  const { length } = lengths;
  // Large ones are rare.
  const value = "v".repeat(lengths[Math.min(roll(length), roll(length), roll(length))]!);
  const short = value.slice(0, 5000);
  const many = Array.from({ length: 1 + roll(50) }, () => short + roll(1_000_000));
  const large = lengths.at(-1)!;
  const writes: Record<string, (string | number)[][]> = {
    s: [
      ["SET", key, value],
      ["APPEND", key, value],
      ["SETRANGE", key, roll(3 * large), "x"],
      ["SETBIT", key, roll(24 * large), 1],
      ["BITOP", "OR", key, name(), name()],
    ],
    l: [["RPUSH", key, ...many], ["LPUSH", key, value], ["SORT", key, "ALPHA", "STORE", name()]],
    h: [
      ["HSET", key, ...many.flatMap((field) => [field, short])],
      ["COPY", key, `other:${roll(keys)}`, "REPLACE"],
    ],
    t: [["SADD", key, ...many], ["SUNIONSTORE", key, key, name(), name()]],
    z: [
      ["ZADD", key, ...many.flatMap((member) => [roll(1000), member])],
      ["ZUNIONSTORE", key, 2, key, name()],
    ],
    x: [["XADD", key, "*", "f", value]],
  };
  const forms = writes[type]!;
  // Copies of everything are rarer than what makes it grow.
  return forms[Math.min(roll(forms.length), roll(forms.length))]!;
}

/** Writes until so many have been refused in a row; answers how many were done. */
async function fill(
  redis: Redis,
  roll: (bound: number) => number,
  load: Load,
  refusals: number,
): Promise<number> {
  let done = 0;
  for (let refused = 0; refused < refusals; ) {
    const [name, ...words] = randomWrite(roll, load);
    try {
      await redis.call(name as string, ...words);
      done++;
      refused = 0;
    } catch (error) {
      expect(error).toBeInstanceOf(ReplyError);
      expect((error as ReplyError).code).toBe("OOM");
      refused++;
    }
  }
  return done;
}

test("random writes until memory is at an end, and again once some is free", { timeout: 120_000 }, async () => {
  await using redis = await open("limited", { wasm: await limited() });
  const seeds = Number(process.env.LODIS_SEEDS ?? 3);
  for (let seed = 1; seed <= seeds; seed++) {
    const roll = dice(seed);
    const load = LOADS[seed % LOADS.length]!;
    expect(await fill(redis, roll, load, 50), `seed ${seed}`).toBeGreaterThan(200);
    const keys = (await redis.dbSize()) as number;
    const oom = (error: ReplyError) => expect(error.code).toBe("OOM");
    for (let number = 0; number < 300; number++) {
      const id = roll(load.keys);
      await redis.get(`s:${id}`).catch(oom);
      await redis.lRange(`l:${id}`, 0, 5).catch(oom);
      await redis.hLen(`h:${id}`);
      await redis.hGetAll(`h:${id}`).catch(oom);
      await redis.expire(`s:${id}`, 1000);
      await redis.sMembers(`t:${id}`).catch(oom);
      await redis.sUnion(`t:${id}`, `t:${roll(load.keys)}`).catch(oom);
      await redis.sort(`l:${id}`, "ALPHA").catch(oom);
      await redis.dump(`z:${id}`).catch(oom);
      await redis.zUnion(2, `z:${id}`, `z:${roll(load.keys)}`).catch(oom);
    }
    await redis.keys("*").catch(oom);
    for (let cursor = "0", first = true; first || cursor !== "0"; first = false) {
      const scan = ["SCAN", cursor, "COUNT", 1000] as const;
      const [next, some] = (await redis.call(...scan)) as [string, string[]];
      for (const key of some) {
        await redis.expire(key, 1000 + roll(1000)).catch(oom);
        if (roll(4) > 0) await redis.unlink(key);
      }
      cursor = next;
    }
    expect(await redis.dbSize()).toBeLessThan(keys);
    expect(await redis.memoryPurge()).toBe("OK");
    expect(await redis.set("after", "v".repeat(10_000))).toBe("OK");
    await redis.flushAll();
    await redis.memoryPurge();
  }
  const info = (await redis.info("memory")) as string;
  expect(Number(/used_memory:(\d+)/.exec(info)![1])).toBeLessThan(8_000_000);
});

test("files that there is no memory for are refused, and nothing has changed", { timeout: 120_000 }, async () => {
  await using redis = await open("limited files", { wasm: await limited() });
  const seeds = Number(process.env.LODIS_SEEDS ?? 3);
  const outOfMemory = (error: unknown) => {
    expect(error).toBeInstanceOf(FileError);
    expect((error as FileError).code).toBe("OUT_OF_MEMORY");
  };
  for (let key = 0; key < 360; key++) await redis.set(`large:${key}`, "v".repeat(100_000));
  // Once more as much is too much.
  await redis.importRdb(await redis.exportRdb()).then(() => expect.fail("there is no room for it"), outOfMemory);
  expect(await redis.dbSize()).toBe(360);
  await redis.flushAll();
  await redis.memoryPurge();
  for (let seed = 1; seed <= seeds; seed++) {
    await fill(redis, dice(seed), LOADS[seed % LOADS.length]!, 50);
    const keys = await redis.dbSize();
    // Without any memory nothing is written; with some of it, all is.
    const file = await redis.exportRdb().catch(outOfMemory);
    for (const before of file ? [keys, 0] : []) {
      // What is loaded may fit into the gaps between what is there.
      const imported = await redis.importRdb(file!).catch(outOfMemory);
      if (imported) expect(imported.keys, `seed ${seed}`).toBe(keys);
      expect(await redis.dbSize(), `seed ${seed}`).toBe(imported ? keys : before);
      await redis.flushAll();
      await redis.memoryPurge();
    }
    await redis.flushAll();
    await redis.memoryPurge();
    expect(await redis.set("after", "v".repeat(10_000))).toBe("OK");
    await redis.flushAll();
  }
});

/** Commands that one task calls over and over, and how many of them at once. */
const ENDLESS: readonly [commands: string[][], batch: number][] = [
  [[["SET", "k", "v".repeat(300_000)]], 1],
  [[["INCR", "n"]], 1000],
  // These need no memory but for what they log.
  [[["RENAME", "k", "other"], ["RENAME", "other", "k"]], 1],
  [[["PEXPIRE", "n", "1000000"]], 1],
  [[["FLUSHALL"]], 1],
];

for (const [commands, batch] of ENDLESS) {
  const title = `${commands[0]![0]} without end, ${batch} at once, is refused, and what was done is stored`;
  test(title, { timeout: 120_000 }, async () => {
    const store = memoryStore();
    const wasm = await limited();
    {
      await using redis = await open("endless", { wasm, store });
      const isSaved = () =>
        vi.waitFor(() => expect(redis.persistence.state).toBe("saved"), { timeout: 30_000 });
      // Once what waited is stored, there is room for as much again.
      for (let round = 0; round < 2; round++) {
        redis.sync.mSet({ k: "1", n: "1" });
        let done = 0;
        let refusal: unknown;
        while (refusal === undefined && done < 10_000_000) {
          const pipeline = redis.pipeline();
          for (let count = 0; count < batch; count++) {
            pipeline.call(...(commands[done++ % commands.length] as [string]));
          }
          refusal = pipeline.execSync().find((reply) => reply instanceof ReplyError);
        }
        expect(refusal).toMatchObject({ code: "OOM" });
        expect(done).toBeGreaterThan(100);
        redis.sync.get("n");
        redis.sync.del("k");
        await isSaved();
        expect(await redis.set("after", "v".repeat(10_000))).toBe("OK");
      }
    }
    await using again = await open("endless", { store });
    expect(await again.strLen("after")).toBe(10_000);
  });
}

test("the replies to 100,000 commands at once are all there, or none is run", { timeout: 120_000 }, async () => {
  await using redis = await open("pipelines", { wasm: await limited() });
  const count = 100_000;
  const outcomes = { whole: 0, partly: 0, refused: 0 };
  const pipelines: string[][] = [["INCR", "n"], ["ECHO", "v".repeat(300)], ["NOSUCH"], ["GET", "value"], ["SET", "value", "w"]];
  for (const filled of [0, 30, 44, 48, 56]) {
    await redis.flushAll();
    await redis.memoryPurge();
    for (let key = 0; key < filled; key++) await redis.set(`filler:${key}`, "v".repeat(1_000_000)).catch(() => {});
    await redis.set("value", "v".repeat(300)).catch(() => {});
    for (const command of pipelines) {
      const batch = redis.pipeline();
      for (let index = 0; index < count; index++) batch.call(command[0]!, ...command.slice(1));
      try {
        const replies = await batch.exec();
        expect(replies.length).toBe(count);
        const errors = replies.filter((reply) => reply instanceof ReplyError);
        for (const error of errors) expect(error.code).toBe(command[0] === "NOSUCH" && error.code === "ERR" ? "ERR" : "OOM");
        outcomes[errors.length > 0 ? "partly" : "whole"]++;
      } catch (error) {
        expect(error).toBeInstanceOf(ReplyError);
        expect((error as ReplyError).code, `${command[0]} beside ${filled} MB`).toBe("OOM");
        outcomes.refused++;
      }
      expect(await redis.ping()).toBe("PONG");
    }
    const transaction = redis.multi();
    for (let index = 0; index < count; index++) transaction.call("ECHO", "x");
    const replies = await transaction.exec().catch((error: unknown) => error);
    if (replies instanceof Error) expect(replies).toBeInstanceOf(ReplyError);
    else expect((replies as unknown[]).length).toBe(count);
  }
  expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(0);
});
