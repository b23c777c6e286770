import type { HostKind } from "./hosting.js";
import type { Store } from "./stores/store.js";

/**
 * Where the data is kept: in IndexedDB, in memory alone, or in a store of `lodis/stores/…` or the
 * user's own.
 */
export type StoreKind = "indexeddb" | "memory" | Store;

/** Which keys go when `maxmemory` is reached. */
export type MaxmemoryPolicy =
  | "volatile-lru"
  | "volatile-lfu"
  | "volatile-random"
  | "volatile-ttl"
  | "allkeys-lru"
  | "allkeys-lfu"
  | "allkeys-random"
  | "noeviction";

/** Settings of an instance; those named as in Redis mean the same. */
export interface OpenOptions {
  /** Default: IndexedDB where there is one, else memory. */
  store?: StoreKind;
  /** Whether writes go to the store. Default: true with a store. */
  appendonly?: boolean;
  /** When a write is acknowledged: once stored, or at once. Default: `everysec`. */
  appendfsync?: "always" | "everysec" | "no";
  /** How many databases there are, 1 to 16384. Default: 16. */
  databases?: number;
  /**
   * How much memory may be used: a number of bytes, or a size as in `redis.conf` (`"100mb"`); 0 for no
   * limit. All that the module holds counts, and every instance in a page, worker or process shares
   * one module. Default: 0.
   */
  maxmemory?: number | string;
  /** Which keys go when more would be used. Default: `noeviction`, writes are refused. */
  maxmemoryPolicy?: MaxmemoryPolicy;
  /**
   * The password of the user `default`, whose sessions all are until they authenticate: without it, they
   * may call nothing but `AUTH` and `HELLO`. An empty one is none. Default: none.
   */
  requirepass?: string;
  /**
   * Users and what they may do, each a line of rules as `ACL SETUSER` takes them and `ACL LIST` shows
   * them: `"alice on >secret ~app:* +@read"`. Default: `default`, who may do everything.
   */
  users?: readonly string[];
  /** As whom the instance authenticates, with `password`. Default: `default`. */
  username?: string;
  /** With which password the instance authenticates. `open` rejects with `WRONGPASS` if it is wrong. */
  password?: string;
  /**
   * Commands that are called otherwise, and by an empty name not at all:
   * `{ FLUSHALL: "", CONFIG: "secret" }`. The methods of what has another name answer that there is no
   * such command. Default: none.
   */
  renameCommand?: Readonly<Record<string, string>>;
  /** Called while the store is being loaded with how much is done, from 0 to 1. */
  onProgress?: (done: number) => void;
  /**
   * Ask the browser to keep the site's storage until the user deletes it (`navigator.storage.persist`);
   * `redis.storage()` tells whether it does. Default: false.
   */
  persist?: boolean;
  /**
   * Where another tab leads: whether this one holds a copy of the data, which is read without asking
   * that tab. Default: true.
   */
  replica?: boolean;
  /** Whether this tab may lead when no other does. Default: true. */
  leads?: boolean;
  /**
   * Where the instance lives that leads the tabs, unless another one does already: in this page, in a
   * dedicated worker or in a SharedWorker, which the package starts; or in a worker whose script imports
   * `lodis/worker`. A page whose thread is busy then keeps no other tab waiting. Only with `store:
   * "indexeddb"`. Default: "page".
   */
  host?: HostKind;
  /**
   * After how many milliseconds without an answer the tab that leads counts as down, and another one
   * takes over: 100 to 3600000. Default: 3000.
   */
  downAfterMs?: number;
  /** Called with the reason when opening has to wait for other contexts. */
  onBlocked?: (reason: string) => void;
  /**
   * Whether there are scripts: EVAL and its like, with the interpreter of Lua, which makes the module that
   * is loaded almost twice as large. What leads the tabs of a name runs their scripts, so all of them are
   * to be opened alike. Default: false; true with `open` of `lodis/full`.
   */
  scripting?: boolean;
  /** When it is aborted before the instance is open, `open` rejects with its reason. */
  signal?: AbortSignal | undefined;
  /**
   * The module, where the default (the file beside the package: `lodis_bg.wasm`, or `lodis_full_bg.wasm`
   * with `scripting`) cannot be loaded from.
   */
  wasm?: string | URL | Request | Response | BufferSource | WebAssembly.Module;
}

/** Options with the defaults filled in. */
export interface Settings {
  readonly name: string;
  readonly store: StoreKind;
  readonly appendOnly: boolean;
  readonly appendFsync: "always" | "everysec" | "no";
  readonly databases: number;
  readonly maxmemory: string;
  readonly maxmemoryPolicy: MaxmemoryPolicy;
  readonly requirepass: string | undefined;
  readonly users: readonly string[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly renameCommand: Readonly<Record<string, string>>;
  readonly replica: boolean;
  readonly leads: boolean;
  readonly downAfterMs: number;
  readonly onProgress: ((done: number) => void) | undefined;
  readonly onBlocked: ((reason: string) => void) | undefined;
}

/** Every policy. */
export const POLICIES = [
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "noeviction",
] as const;

const KNOWN = [
  "store",
  "appendonly",
  "appendfsync",
  "databases",
  "maxmemory",
  "maxmemoryPolicy",
  "requirepass",
  "users",
  "username",
  "password",
  "renameCommand",
  "onProgress",
  "persist",
  "replica",
  "leads",
  "downAfterMs",
  "host",
  "onBlocked",
  "scripting",
  "signal",
  "wasm",
];

/**
 * Checks what a caller passed to `open`.
 *
 * @throws TypeError that names the option and what it may be.
 */
export function settingsOf(name: unknown, options: OpenOptions): Settings {
  if (typeof name !== "string" || name === "") {
    throw new TypeError("open: the name is a string that is not empty");
  }
  if (typeof options !== "object" || options === null) {
    throw new TypeError("open: the options are an object");
  }
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) throw new TypeError(`open: unknown option "${key}"`);
  }
  const fallback = "indexedDB" in globalThis && globalThis.indexedDB ? "indexeddb" : "memory";
  const store = storeOf(options.store ?? fallback);
  const appendOnly = options.appendonly ?? store !== "memory";
  if (typeof appendOnly !== "boolean") throw new TypeError("open: appendonly is true or false");
  if (appendOnly && store === "memory") {
    throw new TypeError('open: appendonly needs a store, and store is "memory"');
  }
  const fsyncs = ["always", "everysec", "no"] as const;
  const appendFsync = oneOf("appendfsync", options.appendfsync ?? "everysec", fsyncs);
  const databases = options.databases ?? 16;
  if (!Number.isInteger(databases) || databases < 1 || databases > 16384) {
    throw new TypeError("open: databases is a whole number from 1 to 16384");
  }
  const maxmemory = memorySize("maxmemory", options.maxmemory ?? 0);
  const policy = options.maxmemoryPolicy ?? "noeviction";
  const maxmemoryPolicy = oneOf("maxmemoryPolicy", policy, POLICIES);
  for (const name of ["requirepass", "username", "password"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "string") {
      throw new TypeError(`open: ${name} is a string`);
    }
  }
  const { requirepass, users = [], username, password, renameCommand = {} } = options;
  if (username !== undefined && password === undefined) {
    throw new TypeError("open: a username needs a password");
  }
  if (!Array.isArray(users) || !users.every(isString)) throw new TypeError("open: users are an array of strings");
  if (typeof renameCommand !== "object" || renameCommand === null || !Object.values(renameCommand).every(isString)) {
    throw new TypeError("open: renameCommand is an object of strings");
  }
  for (const name of ["persist", "replica", "leads", "scripting"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "boolean") {
      throw new TypeError(`open: ${name} is true or false`);
    }
  }
  const { host = "page" } = options;
  if (typeof host !== "object" || host === null) {
    oneOf("host", host, ["page", "worker", "shared-worker"] as const);
  } else if (!("port" in host) && !("postMessage" in host)) {
    throw new TypeError("open: host is a Worker, a SharedWorker, or the kind of one");
  }
  if (host !== "page" && store !== "indexeddb") {
    throw new TypeError('open: a worker hosts what is in the store "indexeddb"');
  }
  const downAfterMs = options.downAfterMs ?? 3000;
  if (!Number.isInteger(downAfterMs) || downAfterMs < 100 || downAfterMs > 3_600_000) {
    throw new TypeError("open: downAfterMs is a whole number from 100 to 3600000");
  }
  const { onProgress, onBlocked } = options;
  for (const [name, handler] of Object.entries({ onProgress, onBlocked })) {
    if (handler !== undefined && typeof handler !== "function") {
      throw new TypeError(`open: ${name} is a function`);
    }
  }
  return {
    name,
    store,
    appendOnly,
    appendFsync,
    databases,
    maxmemory,
    maxmemoryPolicy,
    requirepass,
    users,
    username,
    password,
    renameCommand,
    replica: options.replica ?? true,
    leads: options.leads ?? true,
    downAfterMs,
    onProgress,
    onBlocked,
  };
}

function isString(value: unknown): boolean {
  return typeof value === "string";
}

function storeOf(value: unknown): StoreKind {
  if (typeof value !== "object" || value === null) {
    return oneOf("store", value, ["indexeddb", "memory"] as const);
  }
  for (const method of ["open", "read", "write", "close"]) {
    if (typeof (value as Record<string, unknown>)[method] !== "function") {
      throw new TypeError(`open: the store has no method "${method}"`);
    }
  }
  return value as Store;
}

/** A size as `CONFIG SET` takes it. */
export const MEMORY_SIZE = /^\d{1,15}(b|[kmg]b?)?$/i;

function memorySize(option: string, value: unknown): string {
  const isNumber = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (isNumber || (typeof value === "string" && MEMORY_SIZE.test(value))) {
    return String(value);
  }
  throw new TypeError(`open: ${option} is a number of bytes or a size like "100mb"`);
}

function oneOf<const T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    const list = allowed.map((word) => `"${word}"`).join(", ");
    throw new TypeError(`open: ${option} is one of ${list}`);
  }
  return found;
}
