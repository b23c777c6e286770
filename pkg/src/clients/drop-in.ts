// The modules of clients, with their sockets connected to instances in this process.
import { Connector, connectorTo } from "./connector.js";
import { type Address, pathAt, serverAt } from "./servers.js";

type Options = Readonly<Record<string, unknown>>;

/** What is needed of ioredis. */
interface IoredisClass {
  new (...args: unknown[]): { readonly options: Options; duplicate(override?: Options): object };
}
/** What is needed of redis. */
interface RedisModule {
  createClient(options?: Options): { readonly options: Options };
  createClientPool(options?: Options, pool?: unknown): object;
  readonly default?: object;
}

const Server: typeof Connector = connectorTo((options) => serverAt(options as Address));

/**
 * The module `ioredis`, whose clients connect to {@link server}'s instance of the address that they are given,
 * whatever else they are told of the way there (`tls`, `family`): there is nothing on the way.
 *
 * @param ioredis What `import("ioredis")` or `require("ioredis")` has answered, of version 5 or later.
 */
export function inProcessIoredis<M extends object>(ioredis: M): M {
  const { Redis: Original } = ioredis as { Redis?: IoredisClass };
  if (typeof Original !== "function") throw new TypeError("inProcessIoredis: takes the module ioredis");
  class Redis extends Original {
    static createClient(...args: unknown[]): Redis {
      return new Redis(...args);
    }

    constructor(...args: unknown[]) {
      super(...withConnector(args));
    }

    // That of ioredis makes one of its own class.
    override duplicate(override?: Options): object {
      return new Redis({ ...this.options, ...override });
    }
  }
  const Cluster = refusal("ioredis.Cluster");
  const changed = { Redis, Cluster, default: Redis };
  define(Redis, { ...changed, name: "Redis" });
  // As `require` answers it, the module is the class.
  return (typeof ioredis === "function" ? Redis : { ...ioredis, ...changed }) as M;
}

/** The arguments of ioredis's constructor: a port, a host, a path, a URL, options, of which any may be left out. */
function withConnector(args: readonly unknown[]): unknown[] {
  const given = args.filter((arg) => arg !== null && arg !== undefined);
  const options = (given.find((arg) => typeof arg === "object") ?? {}) as Options;
  if (options.sentinels) throw new TypeError("there are no sentinels in this process: give host and port, or a path");
  return [...given.filter((arg) => arg !== options), { Connector: Server, ...options }];
}

/**
 * The module `redis`, whose clients connect to {@link server}'s instance of the address that they are given,
 * through a Unix socket; `tls` changes nothing.
 *
 * @param redis What `import("redis")` or `require("redis")` has answered, of version 5 or later.
 */
export function inProcessRedis<M extends object>(redis: M): M {
  const { createClient, createClientPool, default: whole } = redis as unknown as RedisModule;
  if (!createClient || !createClientPool) throw new TypeError("inProcessRedis: takes the module redis");
  // The client opens its sockets by `net.createConnection` or `tls.connect`, and takes none from outside.
  const placed = (options?: Options): Options => {
    // What a URL says, it knows best.
    const { url: _, socket, ...others } = createClient({ ...options }).options;
    const { host, port, path, tls: _tls, ...settings } = (socket ?? {}) as Address & { tls?: unknown };
    return { ...others, socket: { ...settings, path: pathAt({ host, port, path }), tls: false } };
  };
  const changed: Record<string, unknown> = {
    createClient: (options?: Options) => createClient(placed(options)),
    createClientPool: (options?: Options, pool?: unknown) => createClientPool(placed(options), pool),
    createCluster: refusal("createCluster"),
    createSentinel: refusal("createSentinel"),
  };
  if (whole) changed.default = { ...whole, ...changed };
  return { ...redis, ...changed };
}

/** In place of what cannot be had in one process; may be called with `new`, or without. */
function refusal(name: string): () => never {
  return function () {
    throw new TypeError(`${name}: there is no cluster, and there are no sentinels, in this process`);
  };
}

function define(to: object, values: Options): void {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(to, name, { value, configurable: true, writable: true });
  }
}
