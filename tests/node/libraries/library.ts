// What the tests of libraries stand on: an instance in this process, the npm clients connected to it, and a clock that
// can be moved. With LODIS_JUDGE_PORT set, a real redis-server that listens there judges the expectations.
import Redis, { type RedisOptions } from "ioredis";
import { open } from "lodis/full";
import { connector, listen } from "lodis/node";
import { createClient, type RedisClientOptions } from "redis";

const judge = process.env.LODIS_JUDGE_PORT;
const RealDate = Date;
let ahead = 0;

class MovedDate extends RealDate {
  constructor(...parts: unknown[]) {
    if (parts.length === 0) super(RealDate.now() + ahead);
    else super(...(parts as [number]));
  }

  static override now(): number {
    return RealDate.now() + ahead;
  }
}

/** One more server, and clients of it. */
export interface Site {
  /** A client of ioredis. */
  io(options?: RedisOptions): Redis;
  /** A connected client of redis. */
  client(): Promise<ReturnType<typeof createClient>>;
  /** What `createClient` of redis takes. */
  readonly options: Pick<RedisClientOptions, "socket">;
  /** Lets time go by: its own, and that of the libraries. */
  pass(ms: number): Promise<void>;
  /** The server is gone; its clients hear of it. */
  crash(): Promise<void>;
  /** Ends all clients, and the server. */
  close(): Promise<void>;
}

/** What a promise comes to, unless that takes longer than anybody waits who ends. */
function soon(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 500))]);
}

export async function start(): Promise<Site> {
  globalThis.Date = MovedDate as DateConstructor;
  const lodis = await open("library", { store: "memory" });
  const listener = await listen(lodis);
  const endings: (() => Promise<unknown>)[] = [];
  const socket = judge ? { host: "127.0.0.1", port: Number(judge) } : listener.socket;
  const io = (options: RedisOptions = {}): Redis => {
    const way: RedisOptions = judge ? { port: Number(judge) } : { Connector: connector(lodis) };
    const redis = new Redis({ ...way, maxRetriesPerRequest: null, ...options });
    redis.on("error", () => {});
    endings.push(async () => {
      if (redis.status === "ready") await soon(redis.quit());
      redis.disconnect();
    });
    return redis;
  };
  if (judge) await io().flushall();
  return {
    io,
    async client() {
      const client = createClient({ socket });
      client.on("error", () => {});
      endings.push(async () => {
        // What a library has asked for without waiting for it is answered first.
        if (client.isReady) await soon(client.close());
        if (client.isOpen) client.destroy();
      });
      await client.connect();
      return client as ReturnType<typeof createClient>;
    },
    options: { socket },
    async pass(ms) {
      if (judge) await new Promise((resolve) => setTimeout(resolve, ms + 5));
      else ahead += ms;
    },
    async crash() {
      await lodis.close();
    },
    async close() {
      await Promise.all(endings.map((end) => end()));
      await listener.close();
      await lodis.close();
      globalThis.Date = RealDate;
    },
  };
}
