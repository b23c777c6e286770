// What is measured: each opens as an object of the commands that it has, under their names in lower
// case; `isSync` if replies come at once. A workload whose command is missing is left out.

/** JavaScript's own: the limit. */
function map() {
  const values = new Map();
  const hashes = new Map();
  const of = (key) => {
    let hash = hashes.get(key);
    if (hash === undefined) hashes.set(key, (hash = new Map()));
    return hash;
  };
  return {
    isSync: true,
    get: (key) => values.get(key),
    set: (key, value) => (values.set(key, value), "OK"),
    incr: (key) => {
      const value = (values.get(key) ?? 0) + 1;
      values.set(key, value);
      return value;
    },
    hset: (key, field, value) => {
      const hash = of(key);
      const added = hash.has(field) ? 0 : 1;
      hash.set(field, value);
      return added;
    },
    hget: (key, field) => of(key).get(field),
    hgetall: (key) => Object.fromEntries(of(key)),
    clear: () => (values.clear(), hashes.clear()),
    close: () => {},
  };
}

async function lruCache() {
  const { LRUCache } = await import("lru-cache");
  const cache = new LRUCache({ max: 200_000, ttl: 3_600_000 });
  return {
    isSync: true,
    get: (key) => cache.get(key),
    set: (key, value) => (cache.set(key, value), "OK"),
    clear: () => cache.clear(),
    close: () => {},
  };
}

/** The commands that surfaces of Lodis and clients with ioredis's names share. */
const NAMES = ["get", "set", "incr", "hset", "hget", "hgetall", "lpush", "rpop", "sadd", "sismember", "zadd", "zincrby", "zrange", "zrevrank"];

function named(client) {
  return Object.fromEntries(NAMES.map((name) => [name, client[name].bind(client)]));
}

async function lodisSync() {
  const { open } = await import("lodis");
  const redis = await open("speed", { store: "memory" });
  const { sync } = redis;
  return {
    ...named(sync),
    isSync: true,
    xadd: (key, field, value) => sync.xadd(key, "*", field, value),
    xrange: (key, count) => sync.xrange(key, "-", "+", "COUNT", count),
    clear: () => redis.flushall(),
    close: () => redis.close(),
  };
}

async function lodis() {
  const { open } = await import("lodis");
  const redis = await open("speed", { store: "memory" });
  return {
    ...named(redis),
    xadd: (key, field, value) => redis.xadd(key, "*", field, value),
    xrange: (key, count) => redis.xrange(key, "-", "+", "COUNT", count),
    pipeline(list) {
      const pipeline = redis.pipeline();
      for (const [name, ...args] of list) pipeline[name](...args);
      return pipeline.exec();
    },
    clear: () => redis.flushall(),
    close: () => redis.close(),
  };
}

/** The commands of a client with ioredis's methods. */
export function ofIoredis(client) {
  return {
    ...named(client),
    xadd: (key, field, value) => client.xadd(key, "*", field, value),
    xrange: (key, count) => client.xrange(key, "-", "+", "COUNT", count),
    async pipeline(list) {
      const pipeline = client.pipeline();
      for (const [name, ...args] of list) pipeline[name](...args);
      return (await pipeline.exec()).map(([error, reply]) => error ?? reply);
    },
    clear: () => client.flushall(),
    close: () => client.disconnect(),
  };
}

async function ioredisMock() {
  const { default: Redis } = await import("ioredis-mock");
  return ofIoredis(new Redis());
}

/** Lodis in IndexedDB: a write is acknowledged once it is stored. */
async function lodisStored() {
  const { open } = await import("lodis");
  const redis = await open("speed-stored", { store: "indexeddb", appendfsync: "always" });
  return {
    put: (key, value) => redis.set(key, value),
    putMany: (entries) => Promise.all(entries.map(([key, value]) => redis.set(key, value))),
    clear: () => redis.flushall(),
    close: () => redis.close(),
  };
}

async function idbKeyval() {
  const { clear, set, setMany } = await import("idb-keyval");
  return {
    put: (key, value) => set(key, value).then(() => "OK"),
    putMany: (entries) => setMany(entries).then(() => entries),
    clear,
    close: () => {},
  };
}

async function dexie() {
  const { Dexie } = await import("dexie");
  const db = new Dexie("speed");
  db.version(1).stores({ values: "" });
  return {
    put: (key, value) => db.values.put(value, key).then(() => "OK"),
    putMany: (entries) => db.values.bulkPut(entries.map(([, value]) => value), entries.map(([key]) => key)).then(() => entries),
    clear: () => db.values.clear(),
    close: () => db.close(),
  };
}

async function tinybase() {
  const { createStore } = await import("tinybase/store");
  const store = createStore();
  return {
    isSync: true,
    get: (key) => store.getValue(key),
    set: (key, value) => (store.setValue(key, value), "OK"),
    clear: () => store.delValues(),
    close: () => {},
  };
}

/** What there is wherever JavaScript runs. */
export const LOCAL = {
  Map: map,
  "lru-cache": lruCache,
  tinybase,
  "Lodis sync": lodisSync,
  Lodis: lodis,
  "ioredis-mock": ioredisMock,
};

/** What needs IndexedDB. */
export const STORED = { "Lodis stored": lodisStored, "idb-keyval": idbKeyval, dexie };
