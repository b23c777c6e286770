// What is measured of stores, in pages.
import { Dexie } from "dexie";
import { createStore, entries, get, set, setMany } from "idb-keyval";

const VALUE = "0123456789abcdef0123456789abcdef";
const LARGE = 65_536;
const key = (i) => `key:${String(i).padStart(12, "0")}`;

async function timed(work) {
  const begun = performance.now();
  const result = await work();
  return [performance.now() - begun, result];
}

function must(is, what) {
  if (!is) throw new Error(what);
}

/** 32 characters of hexadecimal digits, other ones for every number. */
function value(number) {
  const words = Array.from({ length: 4 }, (_, i) => Math.imul(number * 4 + i + 1, 0x9e3779b1) ^ (number << (i * 5)));
  return words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Bytes that cannot be compressed, other ones for every number. */
function large(number) {
  const bytes = new Uint32Array(LARGE / 4);
  let word = number * 2_654_435_761 + 1;
  for (let i = 0; i < bytes.length; i++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    bytes[i] = word;
  }
  return new Uint8Array(bytes.buffer);
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

async function lodis(name, settings) {
  const { open } = await import("lodis");
  let redis = await open(name, settings);
  return {
    get redis() {
      return redis;
    },
    /** Everything is stored, and the log is not being written anew. */
    stored: async () => {
      while (redis.persistence.state !== "saved" || isRewriting(redis)) {
        // To look more often would cost more than what is measured.
        await pause(200);
      }
    },
    put: (key, value) => redis.set(key, value),
    putMany: (entries) => Promise.all(entries.map(([key, value]) => redis.set(key, value))),
    async get(key) {
      // Not from memory.
      await redis.close();
      redis = await open(name, settings);
      const value = await redis.bytes.get(key);
      return value?.length === LARGE ? value : value && new TextDecoder().decode(value);
    },
  };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const WRITERS = { Lodis: lodis, IndexedDB: indexedDb, "idb-keyval": idbKeyval, dexie };
let writer;
let written = 0;

/** So many writes, acknowledged. */
const WRITES = {
  async single(count) {
    for (let i = 0; i < count; i++) await writer.put(key(written + i), VALUE);
  },
  burst: (count) => writer.putMany(Array.from({ length: count }, (_, i) => [key(written + i), VALUE])),
  large: (count) => writer.putMany(Array.from({ length: count }, (_, i) => [key(written + i), large(written + i)])),
};

const infoOf = (redis, field) => Number(new RegExp(`${field}:(\\d+)`).exec(redis.sync.info("persistence"))[1]);

const isRewriting = (redis) => infoOf(redis, "aof_rewrite_in_progress") === 1;

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
    written = count;
  },

  /** Writes the log anew, and a key every few milliseconds. */
  async rewrite() {
    const { redis } = writer;
    performance.mark("page");
    let writes = 0;
    const [ms] = await timed(async () => {
      await redis.bgrewriteaof();
      while (isRewriting(redis)) {
        await pause(5);
        performance.mark("page");
        redis.sync.set(key((writes++ * 7919) % written), VALUE);
      }
    });
    must(infoOf(redis, "aof_base_size") > 0, "there is no base");
    must(redis.sync.dbsize() === written, "keys are missing");
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

  async openWriter(name, { mode, durability, settings }) {
    if (durability) setDurability(durability);
    // Every writer has a database of its own: to write over something is more work.
    writer = await WRITERS[name](`${name} ${mode}`, settings);
    await writer.put(key(0), VALUE);
  },

  /** Milliseconds until so many writes, `times` times, were acknowledged; answers once they are stored. */
  async write(kind, count, times) {
    const [ms] = await timed(async () => {
      for (let i = 0; i < times; i++) {
        await WRITES[kind](count);
        written += count;
      }
    });
    await writer.stored?.();
    return ms;
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
    written = count;
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

  /** Whether the last value written by `kind` is in the store. */
  async check(kind) {
    const found = await writer.get(key(written - 1));
    const wanted = kind === "large" ? large(written - 1) : VALUE;
    must(String(found) === String(wanted), `${kind}: ${String(found).slice(0, 80)}`);
  },
};
