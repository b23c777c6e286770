import type { SocketLike } from "./socket-link.js";

/** What `redis.upstream` takes. */
export interface UpstreamOptions {
  /**
   * Where it is: `https://…` (or `http://…`) of an endpoint with Upstash's REST protocol that runs scripts
   * (`EVAL`), or `wss://…` (or `ws://…`) of a bridge, `npx lodis bridge`.
   */
  readonly url: string | URL;
  /** What the endpoint or the bridge wants to be told, or what gets it, before every connection. */
  readonly token?: string | (() => string | Promise<string>);
  /** What the names of keys begin with that are shared. Everything else stays here. `""` is all keys. */
  readonly prefix: string;
  /** The number of the database here, from 0 (0); upstream it is what the URL of the bridge or the endpoint says. */
  readonly database?: number;
  /** So many bytes of writes may wait, from 1,024 to 2^31 (16 MiB); then writes to the prefix answer `UPSTREAMFULL`. */
  readonly maxPendingBytes?: number;
  /**
   * What happens after upstream has refused a command (`WRONGTYPE`, …): `skip` goes on with the next one,
   * `stop` sends nothing more until `resume()` (`skip`). An event `refused` tells of it in both cases.
   */
  readonly onRefused?: "skip" | "stop";
  /**
   * How often everything is compared with upstream, in milliseconds, 0 for only after connecting (0 with a
   * bridge, which tells what changes; 60,000 over REST).
   */
  readonly compareMs?: number;
  /** How long upstream may take to answer, in milliseconds, from 1 on (10,000). */
  readonly timeoutMs?: number;
  /** The longest pause between attempts to connect, in milliseconds, from 1 on (30,000). They begin at a quarter second. */
  readonly maxBackoffMs?: number;
  /** Ends it, as `close()` does. */
  readonly signal?: AbortSignal;
  /** The class of sockets, where there is none of that name (Node 20: that of `ws`). */
  readonly WebSocket?: SocketClass;
}

/** Makes sockets, as `WebSocket` of browsers does. */
export type SocketClass = new (url: string) => SocketLike;

/** The options, with what was left out. */
export interface UpstreamSettings {
  readonly url: URL;
  readonly isRest: boolean;
  readonly token: () => Promise<string>;
  readonly prefix: string;
  readonly database: number;
  readonly maxPendingBytes: number;
  readonly stops: boolean;
  readonly compareMs: number;
  readonly timeoutMs: number;
  readonly maxBackoffMs: number;
  readonly signal: AbortSignal | undefined;
  readonly WebSocket: SocketClass | undefined;
}

const REST = new Set(["http:", "https:"]);
const SOCKET = new Set(["ws:", "wss:"]);

/**
 * Reads the options.
 *
 * @throws TypeError for what they cannot be.
 */
export function upstreamSettings(options: UpstreamOptions): UpstreamSettings {
  const url = urlOf(options?.url);
  const isRest = REST.has(url.protocol);
  if (!isRest && !SOCKET.has(url.protocol)) {
    throw new TypeError(`upstream: url is one of http:, https:, ws: or wss:, not ${url.protocol}`);
  }
  const { token = "", prefix, onRefused = "skip", signal } = options;
  if (typeof prefix !== "string") throw new TypeError("upstream: prefix is a string, \"\" for all keys");
  if (typeof token !== "string" && typeof token !== "function") {
    throw new TypeError("upstream: token is a string, or a function that answers one");
  }
  if (onRefused !== "skip" && onRefused !== "stop") throw new TypeError('upstream: onRefused is "skip" or "stop"');
  const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  if (!isRest && WebSocket === undefined) {
    throw new TypeError("upstream: there is no WebSocket here: pass the class as the option WebSocket");
  }
  return {
    url,
    isRest,
    token: async () => (typeof token === "string" ? token : await token()),
    prefix,
    database: count("database", options.database ?? 0, 0, 16_383),
    maxPendingBytes: count("maxPendingBytes", options.maxPendingBytes ?? 16 * 1024 * 1024, 1024, 2 ** 31),
    stops: onRefused === "stop",
    compareMs: count("compareMs", options.compareMs ?? (isRest ? 60_000 : 0), 0, 2 ** 31 - 1),
    timeoutMs: count("timeoutMs", options.timeoutMs ?? 10_000, 1, 2 ** 31 - 1),
    maxBackoffMs: count("maxBackoffMs", options.maxBackoffMs ?? 30_000, 1, 2 ** 31 - 1),
    signal,
    WebSocket,
  };
}

function urlOf(url: string | URL): URL {
  try {
    return new URL(url);
  } catch {
    throw new TypeError("upstream: url is the address of an endpoint or of a bridge");
  }
}

function count(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new TypeError(`upstream: ${name} is a number from ${least} to ${most}`);
}
