// What the package does when a store is deleted, damaged, full, refused, or wanted by others.
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const NO_ICON = '<link rel="icon" href="data:,">';
const PAGE = `<!doctype html><title>faults</title>${NO_ICON}
<script type="module">
  import * as lodis from "/index.js";
  globalThis.lodis = lodis;
  globalThis.begin = async (options = {}) => {
    globalThis.redis = await lodis.open("faults", { appendfsync: "always", ...options });
    globalThis.told = [];
    redis.on("error", (error) => told.push([error instanceof lodis.StoreError, error.code, error.reason]));
    redis.on("recovered", ({ state }) => told.push(["recovered", state]));
    redis.on("cut", (reason) => told.push(["cut", reason]));
  };
  /** The error of a promise, as it can be told to the test. */
  globalThis.refusal = (promise) => promise.then(
    () => "no error",
    (error) => ({ isStoreError: error instanceof lodis.StoreError, code: error.code, reason: error.reason, message: error.message }),
  );
  /** Does something with the raw database. */
  globalThis.raw = (work) => new Promise((resolve, reject) => {
    const request = indexedDB.open("lodis:faults");
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const transaction = request.result.transaction(["log", "meta"], "readwrite");
      let answer;
      work(transaction.objectStore("log"), transaction.objectStore("meta"), (value) => (answer = value));
      transaction.oncomplete = () => { request.result.close(); resolve(answer); };
    };
  });
</script>`;

declare global {
  // What the page of this file has.
  var lodis: any;
  var told: unknown[][];
  function refusal(promise: Promise<unknown>): Promise<any>;
  function raw(work: (log: IDBObjectStore, meta: IDBObjectStore, answer: (value: unknown) => void) => void): Promise<any>;
}

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let page: Page;

beforeEach(async () => {
  server = await serveFolder(PKG, { "/faults": PAGE, "/bare": `<!doctype html><title>bare</title>${NO_ICON}` });
  profile = await launch();
  page = await newPage();
});
afterEach(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

async function newPage(): Promise<Page> {
  const page = await profile.context.newPage();
  await load(page);
  return page;
}

async function load(page: Page): Promise<void> {
  await page.goto(`${server.url}faults`);
  await page.waitForFunction(() => "lodis" in globalThis);
}

/** Opens the instance in a page, after a reload if it was open before. */
async function begin(options = {}): Promise<void> {
  if (await page.evaluate(() => "redis" in globalThis)) await load(page);
  await page.evaluate((options) => (globalThis as any).begin(options), options);
}

const call = (name: string, ...words: string[]): Promise<any> =>
  page.evaluate(([name, ...words]) => redis.call(name, ...words).catch(String), [name, ...words] as string[]);
const told = () => page.evaluate(() => globalThis.told);
const hears = (what: string) =>
  page.waitForFunction((what) => globalThis.told.some(([first]) => first === what), what);

async function fill(): Promise<void> {
  for (let key = 0; key < 50; key++) await call("SET", `key:${key}`, "v".repeat(1000));
}

test("what the user deletes under an open page is stored again", async () => {
  await begin();
  await fill();
  const session = await profile.context.newCDPSession(page);
  const { origin } = new URL(server.url);
  await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
  await hears("recovered");
  // The first attempt to open it anew may come too early.
  expect((await told()).slice(-2)).toEqual([
    [true, "STORE_LOST", "the store was emptied"],
    ["recovered", "saved"],
  ]);
  expect(await call("SET", "after", "1")).toBe("OK");
  await begin();
  expect(await call("DBSIZE")).toBe(51);
});

test("a database that another page deletes is stored again, and writes are refused meanwhile", async () => {
  await begin();
  await fill();
  const bare = await profile.context.newPage();
  await bare.goto(`${server.url}bare`);
  const refused = page.evaluate(
    () => new Promise((resolve) => redis.on("error", () => redis.set("a", 1).catch((error: Error) => resolve(error.message)))),
  );
  await bare.evaluate(() => void indexedDB.deleteDatabase("lodis:faults"));
  expect(await refused).toBe("MISCONF Errors writing to the AOF file: another context deletes the database");
  expect(await call("GET", "key:0")).toBe("v".repeat(1000));
  await hears("recovered");
  const codes = (await told()).map(([first, code]) => (first === true ? code : first));
  expect(codes).toEqual(["STORE_FAILED", "STORE_LOST", "recovered"]);
  await begin();
  expect(await call("DBSIZE")).toBe(50);
});

for (const [name, code] of [["QuotaExceededError", "STORE_FULL"], ["AbortError", "STORE_FAILED"]] as const) {
  test(`a store that fails with ${name} is told, in events, in INFO and in MISCONF`, async () => {
    await begin();
    await call("SET", "before", "1");
    await page.evaluate((name) => {
      const { put } = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function (...args) {
        if (name === "QuotaExceededError") throw new DOMException("No room.", name);
        const request = put.apply(this, args);
        this.transaction.abort();
        return request;
      };
      (globalThis as any).repair = () => (IDBObjectStore.prototype.put = put);
    }, name);
    expect(await call("SET", "during", "1")).toContain(`MISCONF Errors writing to the AOF file: ${name}`);
    const [first] = await told();
    expect(first).toEqual([true, code, expect.stringContaining(name)]);
    if (name === "AbortError") expect(first![2]).toContain("its storage may be full");
    const info = await call("INFO", "persistence");
    expect(info).toContain("aof_last_write_status:err\r\n");
    expect(info).toContain(`aof_last_write_error:${first![2]}\r\n`);
    await page.evaluate(() => (globalThis as any).repair());
    await hears("recovered");
    expect(await call("INFO", "persistence")).toContain("aof_last_write_status:ok\r\n");
    expect(await call("SET", "after", "1")).toBe("OK");
    await begin();
    expect(await call("MGET", "before", "during", "after")).toEqual(["1", "1", "1"]);
  });
}

test("a log with a torn end is cut, which is told once open() has answered", async () => {
  await begin();
  await call("SET", "a", "1");
  await call("SET", "b", "2");
  await load(page);
  await page.evaluate(() =>
    raw((log) => {
      log.openCursor(null, "prev").onsuccess = ({ target }) => {
        const cursor = (target as IDBRequest<IDBCursorWithValue>).result;
        cursor.update(cursor.value.slice(0, -3));
      };
    }),
  );
  await begin();
  await hears("cut");
  expect(await told()).toEqual([["cut", expect.stringMatching(/^record at offset \d+: /)]]);
  expect(await call("MGET", "a", "b")).toEqual(["1", null]);
});

/** Spoils the record in the middle; answers everything that is in the store then, as text. */
const spoil = () =>
  page.evaluate(() =>
    raw((log) => {
      log.getAllKeys().onsuccess = ({ target }) => {
        const keys = (target as IDBRequest<number[]>).result;
        const key = keys[keys.length >> 1]!;
        log.get(key).onsuccess = ({ target }) => {
          const bytes = (target as IDBRequest<Uint8Array>).result;
          bytes[bytes.length - 4]! ^= 1;
          log.put(bytes, key);
        };
      };
    }),
  );
const everything = () =>
  page.evaluate(() =>
    raw((log, meta, answer) => {
      log.getAll().onsuccess = ({ target: first }) => {
        meta.getAll().onsuccess = ({ target: second }) =>
          answer(String([(first as IDBRequest).result, (second as IDBRequest).result]));
      };
    }),
  );

test("damage in the middle is refused, and what is before it can be salvaged", async () => {
  await begin();
  await fill();
  await call("BGREWRITEAOF");
  await expect.poll(() => call("INFO", "persistence")).toContain("aof_rewrite_in_progress:0\r\n");
  for (let number = 0; number < 9; number++) await call("SET", `later:${number}`, "x");
  await load(page);
  const salvage = () =>
    page.evaluate(async () => {
      const { redis, lost } = await lodis.salvage("faults");
      const answer = [redis.sync.dbSize(), redis.sync.get("key:49")?.length, redis.sync.mGet("later:3", "later:8"), lost];
      await redis.close();
      return answer;
    });
  expect(await salvage()).toEqual([59, 1000, ["x", "x"], null]);
  await spoil();
  const before = await everything();
  const refused = await page.evaluate(() => refusal((globalThis as any).begin()));
  expect(refused).toMatchObject({ isStoreError: true, code: "STORE_CORRUPT" });
  expect(refused.message).toMatch(/^STORE_CORRUPT: record at offset \d+: .*; salvage\("faults"\) reads what is left, deleteStore\("faults"\) deletes it$/);
  expect(await salvage()).toEqual([54, 1000, ["x", null], expect.stringMatching(/^record at offset/)]);
  // A piece of the base is missing: its keys from there on are, and so is what came after.
  await page.evaluate(() => raw((_log, meta) => meta.delete(IDBKeyRange.bound([0], [Infinity]))));
  expect(await page.evaluate(() => refusal((globalThis as any).begin()))).toMatchObject({ code: "STORE_CORRUPT" });
  expect(await salvage()).toEqual([0, undefined, [null, null], expect.stringContaining("the base")]);
  expect(before).not.toBe(await everything());
});

test("salvage changes nothing, and makes no store", async () => {
  await begin();
  await fill();
  await load(page);
  await spoil();
  const before = await everything();
  await page.evaluate(async () => (await lodis.salvage("faults")).redis.close());
  expect(await everything()).toBe(before);
  const refused = await page.evaluate(() => refusal(lodis.salvage("nobody")));
  expect(refused).toMatchObject({ isStoreError: true, code: "STORE_UNAVAILABLE" });
  expect(await page.evaluate(async () => (await indexedDB.databases()).length)).toBe(1);
});

const databases = () => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));

test("a store can be deleted, also one that is damaged or too new, or is none", async () => {
  await page.evaluate(() => lodis.deleteStore("nobody"));
  for (const harm of ["none", "damaged", "too new"]) {
    await begin();
    await fill();
    await load(page);
    expect(await databases()).toEqual(["lodis:faults"]);
    if (harm === "damaged") await spoil();
    if (harm === "too new") {
      await page.evaluate(
        () =>
          new Promise<void>((resolve) => {
            const request = indexedDB.open("lodis:faults", 99);
            request.onsuccess = () => {
              request.result.close();
              resolve();
            };
          }),
      );
      const refused = await page.evaluate(() => refusal((globalThis as any).begin()));
      expect(refused).toMatchObject({ isStoreError: true, code: "STORE_TOO_NEW" });
    }
    await page.evaluate(() => lodis.deleteStore("faults"));
    expect(await databases()).toEqual([]);
  }
  await begin();
  expect(await call("DBSIZE")).toBe(0);
});

test("a store that is open is not deleted unless it is taken from whoever has it", async () => {
  await begin();
  await fill();
  const second = await newPage();
  await second.evaluate(() => (globalThis as any).begin());
  expect(await second.evaluate(() => redis.role)).toBe("replica");
  const other = await newPage();
  const refused = await other.evaluate(() => refusal(lodis.deleteStore("faults")));
  expect(refused).toMatchObject({ isStoreError: true, code: "STORE_LOCKED" });
  expect(await call("DBSIZE")).toBe(50);
  await other.evaluate(() => lodis.deleteStore("faults", { force: true }));
  // They go on, with what is there now: nothing.
  for (const tab of [page, second]) {
    await expect.poll(() => tab.evaluate(() => redis.dbSize()), { timeout: 20_000 }).toBe(0);
  }
  expect(await call("SET", "after", "1")).toBe("OK");
  await expect.poll(() => second.evaluate(() => redis.get("after"))).toBe("1");
  const roles = await Promise.all([page, second].map((tab) => tab.evaluate(() => redis.role)));
  expect(roles.sort()).toEqual(["leader", "replica"]);
  expect(await told()).toEqual([]);
  await second.evaluate(() => redis.close());
  await begin();
  expect(await call("DBSIZE")).toBe(1);
});

test("to delete a database that another page keeps open is refused after a while", async () => {
  await begin();
  await fill();
  await load(page);
  const bare = await profile.context.newPage();
  await bare.goto(`${server.url}bare`);
  await bare.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open("lodis:faults");
        request.onsuccess = () => {
          (globalThis as any).kept = request.result;
          resolve();
        };
      }),
  );
  const refused = await page.evaluate(() => refusal(lodis.deleteStore("faults")));
  expect(refused).toMatchObject({ code: "STORE_LOCKED", reason: expect.stringContaining("keeps the database open") });
  // Who opens it now waits too, and is told.
  const blocked = page.evaluate(
    () => new Promise((resolve) => void (globalThis as any).begin({ onBlocked: resolve })),
  );
  expect(await blocked).toContain("the database cannot be opened");
  await bare.close();
  await page.waitForFunction(() => "redis" in globalThis);
  expect(await call("DBSIZE")).toBe(0);
});

test("without IndexedDB, or when it refuses, that is what is told", async () => {
  const refusals = await page.evaluate(async () => {
    const answers = [];
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = () => {
      throw new DOMException("The user denied permission", "SecurityError");
    };
    answers.push(await refusal(lodis.open("faults", { store: "indexeddb" })));
    IDBFactory.prototype.open = open;
    Object.defineProperty(globalThis, "indexedDB", { value: undefined });
    answers.push(await refusal(lodis.open("faults", { store: "indexeddb" })));
    answers.push(await refusal(lodis.salvage("faults")));
    answers.push(await refusal(lodis.deleteStore("faults")));
    return answers;
  });
  expect(refusals).toEqual(
    ["SecurityError: The user denied permission", ...Array(3).fill("this environment has no IndexedDB")].map((reason) => ({
      isStoreError: true,
      code: "STORE_UNAVAILABLE",
      reason,
      message: `STORE_UNAVAILABLE: ${reason}`,
    })),
  );
});

test("the browser is asked to keep the storage, and asked what it keeps", async () => {
  const answer = await page.evaluate(async () => {
    let asked = 0;
    let kept = false;
    navigator.storage.persist = async () => {
      asked++;
      return (kept = true);
    };
    navigator.storage.persisted = async () => kept;
    const first = await lodis.open("one", { store: "memory" });
    const before = [asked, (await first.storage()).persisted];
    const second = await lodis.open("two", { persist: true });
    await second.set("a", "b".repeat(100_000));
    return { before, after: asked, ...(await second.storage()) };
  });
  expect(answer).toMatchObject({ before: [0, false], after: 1, persisted: true });
  expect(answer.quota).toBeGreaterThan(answer.usage);
  expect(answer.usage).toBeGreaterThan(0);
});
