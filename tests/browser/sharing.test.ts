// What tabs share, in which ways: copies from the leader where the store cannot serve, leaders that live in
// workers, and versions that do not understand each other.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { limited } from "../limited.js";
import { openIn, roleOf, tabsOf } from "./opening.js";

const { context, tab } = tabsOf();

/** Copies follow; what has been told to one tab is on its way to the others. */
const reads = (page: Page, key: string, value: string | null) =>
  expect.poll(() => page.evaluate((key) => redis.sync.get(key), key)).toBe(value);

for (const missing of ["locks", "BroadcastChannel"]) {
  test(`without ${missing}, one page has the store for itself, and says so`, async () => {
    const name = `single without ${missing}`;
    const poor = async (): Promise<Page> => {
      const page = await tab();
      await page.evaluate((missing) => {
        const [of, name] = missing === "locks" ? [navigator, "locks"] : [globalThis, "BroadcastChannel"];
        if (name === "locks") Object.defineProperty(of, name, { value: undefined });
        else Reflect.deleteProperty(of, name);
      }, missing);
      await openIn(page, name);
      expect(await page.evaluate(() => [redis.topology, redis.role])).toEqual(["single", "alone"]);
      return page;
    };
    const first = await poor();
    expect(await first.evaluate(() => redis.call("set", "n", "1"))).toBe("OK");
    expect(await first.evaluate(() => redis.waitAof(1, 0, 0))).toEqual([1, 0]);
    expect(await first.evaluate(() => redis.sync.incr("n"))).toBe(2);
    await first.evaluate(() => redis.close());
    const second = await poor();
    expect(await second.evaluate(() => redis.sync.get("n"))).toBe("2");
    // Who opens it as well takes it over: the one before ends, and has changed nothing since.
    const third = await poor();
    const code = (page: Page) => page.evaluate(() => redis.set("n", "9").catch((error: { code: string }) => error.code));
    await expect.poll(() => code(second)).toBe("FENCED");
    expect(await third.evaluate(() => redis.incr("n"))).toBe(3);
  });
}

test("what is not stored is copied from the leader, outlives it, and can be stored later", async () => {
  const options = { appendonly: false };
  const leader = await tab("unstored", options);
  await leader.evaluate(() => {
    for (let i = 0; i < 20_000; i++) redis.sync.set(`key:${i}`, `value ${i}`);
  });
  const replica = await tab("unstored", options);
  expect(await replica.evaluate(() => [redis.role, redis.sync.dbsize()])).toEqual(["replica", 20_000]);
  expect(await replica.evaluate(() => redis.incr("n"))).toBe(1);
  await leader.close();
  expect(await replica.evaluate(() => redis.incr("n"))).toBe(2);
  expect(await roleOf(replica)).toBe("leader");
  expect(await replica.evaluate(() => redis.call("config", "set", "appendonly", "yes"))).toBe("OK");
  expect(await replica.evaluate(() => redis.waitAof(1, 0, 0))).toEqual([1, 0]);
  await replica.close();
  const again = await tab("unstored");
  expect(await again.evaluate(() => [redis.sync.get("n"), redis.sync.dbsize()])).toEqual(["2", 20_001]);
});

for (const appendonly of [true, false]) {
  test(`nobody waits while a tab gets its copy from ${appendonly ? "the store" : "the leader"}`, async () => {
    const options = { appendonly };
    const name = `joining, appendonly ${appendonly}`;
    const leader = await tab(name, options);
    await leader.evaluate(async () => {
      const value = "v".repeat(100);
      for (let i = 0; i < 150_000; i += 1000) {
        const pipeline = redis.pipeline();
        for (let j = i; j < i + 1000; j++) pipeline.set(`key:${j}`, value);
        await pipeline.exec();
      }
    });
    const other = await tab(name, options);
    const joining = await tab();
    // When each of its writes was answered, by the clock that all pages share.
    const count = (page: Page) =>
      page.evaluate(() => {
        const now = () => performance.timeOrigin + performance.now();
        globalThis.answered = [];
        void (async () => {
          for (globalThis.counting = true; counting; await new Promise((resolve) => setTimeout(resolve))) {
            await redis.incr("n");
            answered.push(now());
          }
        })();
      });
    for (const page of [leader, other]) await count(page);
    const [from, until] = await joining.evaluate(
      async ([name, options]) => {
        const now = () => performance.timeOrigin + performance.now();
        const from = now();
        globalThis.redis = await lodis.open(name, options);
        return [from, now()] as const;
      },
      [name, options] as const,
    );
    expect(await joining.evaluate(() => [redis.role, redis.sync.get("key:149999")?.length])).toEqual(["replica", 100]);
    for (const page of [leader, other]) {
      const all = await page.evaluate(() => {
        globalThis.counting = false;
        return answered;
      });
      const meanwhile = all.filter((at) => at > from && at < until);
      expect(meanwhile.length, `answers in the ${until - from} ms that it took`).toBeGreaterThan(10);
    }
  });
}

test("what an `always` leader has run when it closes is stored, and answered", async () => {
  const leader = await tab("closing", { appendfsync: "always" });
  const answers = await leader.evaluate(async () => {
    const writes = [redis.set("a", 1), redis.incr("a"), redis.pipeline().incr("a").incr("a").exec()];
    await Promise.all([...writes, redis.close()]);
    return Promise.all(writes);
  });
  expect(answers).toEqual(["OK", 2, [3, 4]]);
  expect(await (await tab("closing")).evaluate(() => redis.get("a"))).toBe("4");
});

test("an import takes the place of every tab's copy", async () => {
  const leader = await tab("import");
  const replica = await tab("import");
  await replica.evaluate(() => redis.set("kept", "before"));
  await leader.evaluate(async () => {
    const file = await redis.exportRdb();
    await redis.set("gone", "1");
    await redis.set("kept", "after");
    await redis.importRdb(file);
  });
  await reads(replica, "gone", null);
  await reads(replica, "kept", "before");
  expect(await replica.evaluate(() => redis.incr("n"))).toBe(1);
  await leader.close();
  expect(await replica.evaluate(() => Promise.all([redis.get("kept"), redis.get("gone"), redis.incr("n")]))).toEqual(
    ["before", null, 2],
  );
});

for (const host of ["worker", "shared-worker"]) {
  test(`a ${host} leads, and no busy page holds it up`, async () => {
    const name = `hosted by a ${host}`;
    const first = await tab(name, { host });
    const second = await tab(name, { host });
    expect([await roleOf(first), await roleOf(second)]).toEqual(["replica", "replica"]);
    await first.evaluate(() => redis.set("n", "1"));
    const busy = first.evaluate(() => {
      const until = Date.now() + 1500;
      while (Date.now() < until);
      return Date.now();
    });
    const answered = await second.evaluate(async () => {
      await redis.incr("n");
      return Date.now();
    });
    expect(answered, "before the page was free").toBeLessThan(await busy);
    await first.evaluate(() => redis.close());
    expect(await second.evaluate(() => redis.incr("n"))).toBe(3);
    await second.evaluate(() => redis.close());
    // Everything is stored then, and nobody holds anything any more.
    const held = () => second.evaluate(async () => (await navigator.locks.query()).held!.map((lock) => lock.name!));
    expect((await held()).filter((lock) => lock.startsWith(`lodis:${name}`))).toEqual([]);
    await openIn(second, name, { host: "page" });
    expect(await second.evaluate(() => [redis.role, redis.sync.get("n")])).toEqual(["leader", "3"]);
  });
}

test("a page leads when its worker has ended", async () => {
  const page = await tab();
  await page.evaluate(async () => {
    const script = 'import "/worker.js";';
    const url = URL.createObjectURL(new Blob([script.replace("/", `${location.origin}/`)], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    globalThis.redis = await lodis.open("own worker", { host: worker });
    await redis.incr("n");
    worker.terminate();
  });
  expect(await page.evaluate(() => redis.incr("n"))).toBe(2);
  expect(await roleOf(page)).toBe("leader");
  await page.evaluate(() => redis.close());
});

test("a worker without a script, and a kind that is not known, are refused", async () => {
  const page = await tab();
  const refused = await page.evaluate(async () => {
    const worker = new Worker(URL.createObjectURL(new Blob(["throw new Error()"])));
    worker.addEventListener("error", (event) => event.preventDefault());
    const reason = (error: Error) => `${error.name}: ${error.message}`;
    return [
      await lodis.open("refused", { host: worker }).catch(reason),
      await lodis.open("refused", { host: "moon" }).catch(reason),
      await lodis.open("refused", { host: "worker", store: "memory" }).catch(reason),
    ];
  });
  expect(refused).toEqual([
    "Error: open: the script of the worker cannot be loaded",
    'TypeError: open: host is one of "page", "worker", "shared-worker"',
    'TypeError: open: a worker hosts what is in the store "indexeddb"',
  ]);
});

test("a tab of an older version stores what it has, says so and ends", async () => {
  const old = await tab("versions");
  const other = await tab();
  await old.evaluate(() => {
    globalThis.heard = [];
    redis.on("error", (error: { code: string }) => heard.push(error.code));
    return redis.set("a", "1");
  });
  await other.evaluate(async () => {
    const channel = new BroadcastChannel("lodis:versions");
    channel.postMessage(new Uint8Array([255, 0]));
  });
  await expect.poll(() => old.evaluate(() => heard)).toEqual(["OUTDATED"]);
  const code = await old.evaluate(() => redis.set("a", "2").catch((error: { code: string }) => error.code));
  expect(code).toBe("OUTDATED");
  await openIn(other, "versions");
  expect(await other.evaluate(() => [redis.role, redis.sync.get("a")])).toEqual(["leader", "1"]);
});

test("a tab of an older version that is opened later is told at once", async () => {
  const leader = await tab("older");
  const other = await tab();
  // A post begins with the version that it is of.
  const told = await other.evaluate(async () => {
    const channel = new BroadcastChannel("lodis:older");
    const answer = new Promise<number>((resolve) => {
      channel.onmessage = ({ data }: MessageEvent<Uint8Array>) => resolve(data[0]!);
    });
    channel.postMessage(new Uint8Array([1, 0]));
    const silence = new Promise<string>((resolve) => setTimeout(() => resolve("nothing"), 1000));
    const version = await Promise.race([answer, silence]);
    channel.close();
    return version;
  });
  expect(told).toBeGreaterThan(1);
  expect(await leader.evaluate(() => redis.set("a", "1"))).toBe("OK");
});

declare global {
  var heard: string[];
  var answered: number[];
  var counting: boolean;
}

test("a leader that writes without end refuses that, and the others follow", { timeout: 60_000 }, async () => {
  const body = Buffer.from(await limited());
  const contentType = "application/wasm";
  await context().route("**/lodis_bg.wasm", (route) => route.fulfill({ body, contentType }));
  const leader = await tab("endless");
  await context().unroute("**/lodis_bg.wasm");
  const replica = await tab("endless");
  for (const round of ["1", "2"]) {
    const refusal = await leader.evaluate(() => {
      // Enough at a time that it is refused before others doubt that this tab still leads.
      const value = "x".repeat(1000);
      try {
        for (;;) redis.sync.set("n", value);
      } catch (error) {
        return String(error);
      }
    });
    expect(refusal).toContain("OOM command not allowed");
    await expect.poll(() => leader.evaluate(() => redis.persistence.state), { timeout: 20_000 }).toBe("saved");
    expect(await leader.evaluate((round) => redis.set("after", round), round)).toBe("OK");
    await reads(replica, "after", round);
  }
});
