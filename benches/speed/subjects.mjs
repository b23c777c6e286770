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

/**
 * What a command costs before any work is done on it: its words become bytes, the clock is read, the
 * bytes of a reply become text. Holds one value. No engine in linear memory can be faster than this.
 */
function conversion() {
  const bytes = new Uint8Array(200_000);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const isNode = typeof process === "object" && process.versions?.node !== undefined;
  const [longest, longestRead] = isNode ? [48, 48] : [160, 96];
  let length = 0;
  let now = 0;
  const write = (at, text) => {
    if (text.length > longest) return encoder.encodeInto(text, bytes.subarray(at)).written;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return encoder.encodeInto(text, bytes.subarray(at)).written;
      bytes[at + i] = unit;
    }
    return text.length;
  };
  const read = (at, end) => {
    if (end - at > longestRead) return decoder.decode(bytes.subarray(at, end));
    let text = "";
    for (; at + 8 <= end; at += 8) {
      const a = bytes[at], b = bytes[at + 1], c = bytes[at + 2], d = bytes[at + 3];
      const e = bytes[at + 4], f = bytes[at + 5], g = bytes[at + 6], h = bytes[at + 7];
      if ((a | b | c | d | e | f | g | h) >= 0x80) return decoder.decode(bytes.subarray(at - text.length, end));
      text += String.fromCharCode(a, b, c, d, e, f, g, h);
    }
    for (; at < end; at++) {
      if (bytes[at] >= 0x80) return decoder.decode(bytes.subarray(at - text.length, end));
      text += String.fromCharCode(bytes[at]);
    }
    return text;
  };
  return {
    isSync: true,
    get(key) {
      write(0, key);
      now = Date.now();
      return read(64, 64 + length);
    },
    set(key, value) {
      write(0, key);
      length = write(64, value);
      now = Date.now();
      return "OK";
    },
    clear: () => void (length = 0),
    close: () => now,
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
  conversion,
  "Lodis sync": lodisSync,
  Lodis: lodis,
  "ioredis-mock": ioredisMock,
};

/** What needs IndexedDB. */
export const STORED = { "Lodis stored": lodisStored, "idb-keyval": idbKeyval, dexie };
