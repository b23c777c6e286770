// What is measured of stores, in pages.
import { Dexie } from "dexie";
import { createStore, entries, get, set, setMany } from "idb-keyval";
import { infoOf, isRewriting, key, lodisWriter, must, pause, timed, VALUE, Work } from "./writing.mjs";

/** 32 characters of hexadecimal digits, other ones for every number. */
function value(number) {
  const words = Array.from({ length: 4 }, (_, i) => Math.imul(number * 4 + i + 1, 0x9e3779b1) ^ (number << (i * 5)));
  return words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

const asked = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Every writing transaction of the page from now on is as durable as this says. */
function setDurability(durability) {
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    return transaction.call(this, stores, mode, mode === "readwrite" ? { ...options, durability } : options);
  };
}

/** Counts the bytes of keys and values that are put into stores from now on. */
function countBytes() {
  const { put } = IDBObjectStore.prototype;
  const counted = { bytes: 0 };
  const length = (it) => it?.byteLength ?? it?.length ?? 8;
  IDBObjectStore.prototype.put = function (value, key) {
    counted.bytes += length(value) + length(key);
    return put.call(this, value, key);
  };
  return counted;
}

async function indexedDb(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("values");
  const db = await asked(request);
  const putMany = (entries) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction("values", "readwrite");
      const values = transaction.objectStore("values");
      for (const [key, value] of entries) values.put(value, key);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  return {
    put: (key, value) => putMany([[key, value]]),
    putMany,
    get: (key) => asked(db.transaction("values").objectStore("values").get(key)),
  };
}

async function idbKeyval(name) {
  const store = createStore(name, "values");
  return {
    put: (key, value) => set(key, value, store),
    putMany: (entries) => setMany(entries, store),
    get: (key) => get(key, store),
  };
}

async function dexie(name) {
  const db = new Dexie(name);
  db.version(1).stores({ values: "" });
  return {
    put: (key, value) => db.values.put(value, key),
    putMany: (entries) => db.values.bulkPut(entries.map(([, value]) => value), entries.map(([key]) => key)),
    get: (key) => db.values.get(key),
  };
}

/** Writes to an instance, with a store in the origin private file system if this is a worker. */
async function lodis(name, settings) {
  const { open } = await import("lodis");
  if ("document" in globalThis) return lodisWriter(() => open(name, settings));
  const { opfs } = await import("/lodis/stores/opfs.js");
  return lodisWriter(() => open(name, { ...settings, store: opfs(name) }));
}

const WRITERS = { Lodis: lodis, IndexedDB: indexedDb, "idb-keyval": idbKeyval, dexie };
let writer;
let work;
let worker;

globalThis.bench = {
  /** From nothing to an open store that is empty, as on the first visit. */
  async cold(name) {
    const [imported, { open }] = await timed(() => import("lodis"));
    const [opened, redis] = await timed(() => open(name));
    must((await redis.dbsize()) === 0, "the store is not empty");
    await redis.close();
    return { imported, opened };
  },

  async fill(kind, count) {
    const { open } = await import("lodis");
    const redis = await open(`${kind} of ${count}`, { appendfsync: "no" });
    await redis.configSet("auto-aof-rewrite-percentage", "0");
    for (let i = 0; i < count; ) {
      const pipeline = redis.pipeline();
      for (let j = 0; j < 1000 && i < count; j++, i++) pipeline.set(key(i), VALUE);
      await pipeline.exec();
    }
    await redis.close();
  },

  /** The module is there already. */
  async open(kind, count) {
    const { open } = await import("lodis");
    await (await open("other", { store: "memory" })).close();
    const [ms, redis] = await timed(() => open(`${kind} of ${count}`));
    must((await redis.dbsize()) === count, "keys are missing");
    must((await redis.get(key(count - 1))) === VALUE, "a value is wrong");
    must(infoOf(redis, "aof_base_size") > 0 === (kind === "base"), "the log is not of the kind");
    await redis.close();
    return ms;
  },

  /** Opens a store, to write its log anew. */
  async openFor(kind, count) {
    writer = await lodis(`${kind} of ${count}`, { appendfsync: "everysec" });
    writer.count = count;
  },

  /** Writes the log anew, and a key every few milliseconds. */
  async rewrite() {
    const { redis, count } = writer;
    performance.mark("page");
    let writes = 0;
    const [ms] = await timed(async () => {
      await redis.bgrewriteaof();
      while (isRewriting(redis)) {
        await pause(5);
        performance.mark("page");
        redis.sync.set(key((writes++ * 7919) % count), VALUE);
      }
    });
    must(infoOf(redis, "aof_base_size") > 0, "there is no base");
    must(redis.sync.dbsize() === count, "keys are missing");
    return { ms, writes };
  },

  async fillKeyval(count) {
    const store = createStore(`of ${count}`, "values");
    await setMany(Array.from({ length: count }, (_, i) => [key(i), VALUE]), store);
  },

  /** All entries of idb-keyval in a `Map`. */
  async openKeyval(count) {
    const [ms, map] = await timed(async () => new Map(await entries(createStore(`of ${count}`, "values"))));
    must(map.size === count && map.get(key(count - 1)) === VALUE, "entries are missing");
    return ms;
  },

  async openWriter(kind, { name, mode, durability, settings }) {
    if (durability) setDurability(durability);
    // Every writer has a database of its own: to write over something is more work.
    writer = await WRITERS[kind](`${name} ${mode}`, settings);
    await writer.put(key(0), VALUE);
    work = new Work(writer);
  },

  write: (kind, count, times, waits) => work.write(kind, count, times, waits),
  check: (kind) => work.check(kind),

  /** Calls a function of this object in a worker, always the same one. */
  async inWorker(name, ...args) {
    worker ??= new Worker("/page.js", { type: "module" });
    const answer = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.error === undefined ? resolve(data.value) : reject(new Error(data.error)));
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.postMessage([name, args]);
    return answer;
  },

  /** Sets `keys` keys in turn, `count` times. Answers the bytes that are there, were set, and were put. */
  async fillStore(name, keys, count) {
    setDurability("relaxed");
    const handed = countBytes();
    writer = await WRITERS[name](name, { appendfsync: "everysec" });
    for (let i = 0; i < count; i += 1000) {
      await writer.putMany(Array.from({ length: 1000 }, (_, j) => [key((i + j) % keys), value(i + j)]));
    }
    await writer.stored?.();
    must(String(await writer.redis?.dbsize()) === String(writer.redis && keys), "keys are missing");
    const each = key(0).length + VALUE.length;
    return { live: keys * each, given: count * each, handed: handed.bytes };
  },

  /** What the browser says it keeps for this origin. */
  async bytesKept() {
    const { usageDetails } = await navigator.storage.estimate();
    return usageDetails.indexedDB;
  },

  /** Writes the log anew. */
  async compact() {
    await writer.redis.bgrewriteaof();
    await writer.stored();
    must(infoOf(writer.redis, "aof_base_size") > 0, "there is no base");
  },
};

if (!("document" in globalThis)) {
  globalThis.onmessage = async ({ data: [name, args] }) => {
    try {
      postMessage({ value: await bench[name](...args) });
    } catch (error) {
      postMessage({ error: String(error) });
    }
  };
}
