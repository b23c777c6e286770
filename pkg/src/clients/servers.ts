// What stands for the servers that clients of an app name by their addresses.
import type { OpenOptions } from "../options.js";
import { opener } from "../open.js";
import type { Redis } from "../redis.js";
import { wasmFile } from "../wasm-file.js";
import { abstractPath, PathListener } from "./listen.js";

/** Where a client would look for a server. */
export interface Address {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
  readonly path?: string | null | undefined;
}

interface Servers {
  readonly instances: Map<string, Promise<Redis>>;
  /** They stay where they are when an instance is closed, so that clients come back. */
  readonly listeners: Map<string, PathListener>;
}

const open = opener(wasmFile, { scripting: true });
/** Of the process, and not of one of the copies of this package that `import` and `require` make. */
const KEY = Symbol.for("lodis.servers");
const shared = globalThis as { [KEY]?: Servers };
const { instances, listeners } = (shared[KEY] ??= { instances: new Map(), listeners: new Map() });

const LOCAL = /^(localhost|::1|\[::1\]|0\.0\.0\.0|)$/;

/** The name of a server: a path, or a host and a port. */
export function nameOf({ host, port, path }: Address): string {
  if (path) return path;
  return `${LOCAL.test(host ?? "") ? "127.0.0.1" : host}:${port ?? 6379}`;
}

/**
 * The instance that clients of `lodis/ioredis` and `lodis/redis` find at an address, in memory, with scripting;
 * it is opened by whoever asks first. All of them that name the same address share it, as they would a server.
 *
 * @param address As `127.0.0.1:6379`, which is what clients look for that are not told otherwise; or a path.
 * @param options What it is opened with, as of `open`.
 * @throws TypeError if there are options, and it is open already.
 */
export async function server(address = "127.0.0.1:6379", options?: OpenOptions): Promise<Redis> {
  const [, host, port] = /^(?:redis:\/\/)?(.*?)(?::(\d+))?$/.exec(address)!;
  const name = /[/\\]/.test(host!) ? address : nameOf({ host, port });
  if (options && instances.has(name)) {
    throw new TypeError(`server: ${name} is open already; it is given options before anybody connects to it`);
  }
  return instance(name, options);
}

/** The same, once a client has told what it looks for. */
export function serverAt(address: Address): Promise<Redis> {
  return instance(nameOf(address));
}

/** A path at which the same instance can be reached. */
export function pathAt(address: Address): string {
  const name = nameOf(address);
  let listener = listeners.get(name);
  if (!listener) listeners.set(name, (listener = new PathListener(() => instance(name), abstractPath())));
  return listener.path;
}

/** Empties all of {@link server}'s instances: what a test begins with. */
export async function flushServers(): Promise<void> {
  await Promise.all([...instances.values()].map(async (redis) => (await redis).flushAll()));
}

/**
 * Closes all of {@link server}'s instances: their clients are disconnected, and what connects from then on finds
 * new ones, which are empty.
 */
export async function closeServers(): Promise<void> {
  const closing = [...instances.values()];
  instances.clear();
  await Promise.all(closing.map(async (redis) => (await redis).close()));
}

function instance(name: string, options: OpenOptions = {}): Promise<Redis> {
  const known = instances.get(name);
  if (known) return known;
  const opened = open(name, { store: "memory", ...options });
  instances.set(name, opened);
  opened.catch(() => {
    if (instances.get(name) === opened) instances.delete(name);
  });
  return opened;
}
