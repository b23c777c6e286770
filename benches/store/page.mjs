// What is measured of stores, in pages.
import { Dexie } from "dexie";
import { createStore, entries, get, set, setMany } from "idb-keyval";

const VALUE = "0123456789abcdef0123456789abcdef";
const LARGE = 65_536;
const key = (i) => `key:${String(i).padStart(12, "0")}`;
const settings = { appendfsync: "always" };

async function timed(work) {
  const begun = performance.now();
  const result = await work();
  return [performance.now() - begun, result];
}

function must(is, what) {
  if (!is) throw new Error(what);
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

/** Every writing transaction of the page from now on reaches the disk before it is complete. */
function beStrict() {
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    return transaction.call(this, stores, mode, mode === "readwrite" ? { ...options, durability: "strict" } : options);
  };
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

/** A write is acknowledged once it is stored. */
async function lodis(name) {
  const { open } = await import("lodis");
  let redis = await open(name, settings);
  return {
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

const WRITERS = { Lodis: lodis, IndexedDB: indexedDb, "idb-keyval": idbKeyval, dexie };
let writer;
let written = 0;

/** Milliseconds that so many writes take. */
const WRITES = {
  async single(count) {
    const [ms] = await timed(async () => {
      for (let i = 0; i < count; i++) await writer.put(key(written + i), VALUE);
    });
    return ms;
  },
  async burst(count) {
    const all = Array.from({ length: count }, (_, i) => [key(written + i), VALUE]);
    const [ms] = await timed(() => writer.putMany(all));
    return ms;
  },
  async large(count) {
    const all = Array.from({ length: count }, (_, i) => [key(written + i), large(written + i)]);
    const [ms] = await timed(() => writer.putMany(all));
    return ms;
  },
};

globalThis.bench = {
  /** From nothing to an open store that is empty, as on the first visit. */
  async cold(name) {
    const [imported, { open }] = await timed(() => import("lodis"));
    const [opened, redis] = await timed(() => open(name));
    must((await redis.dbsize()) === 0, "the store is not empty");
    await redis.close();
    return { imported, opened };
  },

  async fill(count) {
    const { open } = await import("lodis");
    const redis = await open(`of ${count}`, { appendfsync: "no" });
    for (let i = 0; i < count; ) {
      const pipeline = redis.pipeline();
      for (let j = 0; j < 1000 && i < count; j++, i++) pipeline.set(key(i), VALUE);
      await pipeline.exec();
    }
    await redis.close();
  },

  /** The module is there already. */
  async open(count) {
    const { open } = await import("lodis");
    await (await open("other", { store: "memory" })).close();
    const [ms, redis] = await timed(() => open(`of ${count}`));
    must((await redis.dbsize()) === count, "keys are missing");
    must((await redis.get(key(count - 1))) === VALUE, "a value is wrong");
    await redis.close();
    return ms;
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

  async openWriter(name, isStrict) {
    if (isStrict) beStrict();
    // Every writer has a database of its own: to write over something is more work.
    writer = await WRITERS[name](`${name} ${isStrict}`);
    await writer.put(key(0), VALUE);
  },

  async write(kind, count) {
    const ms = await WRITES[kind](count);
    written += count;
    return ms;
  },

  /** Whether the last value written by `kind` is in the store. */
  async check(kind) {
    const found = await writer.get(key(written - 1));
    const wanted = kind === "large" ? large(written - 1) : VALUE;
    must(String(found) === String(wanted), `${kind}: ${String(found).slice(0, 80)}`);
  },
};
